# SPDX-License-Identifier: MIT
"""What `config check` finds in files that can be read and can't be run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relayer import config as configuration
from relayer.cli import main
from relayer.cli.checks import _check_password, check_files
from relayer.cli.exit_codes import ExitCode
from relayer.config import Config, InvalidConfig
from relayer.consensus.findings import Finding, Severity
from relayer.keys import KeyStore

COMPLETE = f"""\
gateway = "0x{"11" * 20}"
genesis_hash = "0x{"22" * 32}"
"""
CHAIN = """\
[chains.{name}]
chain = "eip155:{number}"
rpc = ["http://127.0.0.1:9"]
{extra}
[chains.{name}.consensus]
kind = "bft"
protocol = "qbft"
bootstrap = {{ height = 5, timestamp = 1700000000, validators = ["0x3333333333333333333333333333333333333333"] }}
"""


def chain(name: str, number: int, extra: str = COMPLETE) -> str:
    return CHAIN.format(name=name, number=number, extra=extra)


def read(text: str, folder: Path = Path()) -> Config:
    return configuration.parse(text, directory=folder, environment={})


def findings(text: str, folder: Path = Path()) -> dict[str, Finding]:
    return {finding.subject: finding for finding in check_files(read(text, folder))}


def test_one_chain_under_two_names_is_refused_and_one_id_of_two_chains_is_told() -> None:
    with pytest.raises(InvalidConfig, match="eip155:1 with the genesis block of court"):
        read(chain("court", 1) + chain("port", 1))
    other = chain("port", 1, COMPLETE.replace("22", "23"))
    told = findings(chain("court", 1) + other)["id of port"]
    assert (told.severity, told.found) == (Severity.WARNING, "eip155:1, as court")
    assert "id of port" not in findings(chain("court", 1) + chain("port", 2))


def test_a_key_that_relays_and_signs_for_others_is_told() -> None:
    text = chain("court", 1, COMPLETE + 'keys = ["k"]\nsender = "k"\ndeployer = "d"')
    told = findings(text)
    assert (told["sender of court"].severity, told["sender of court"].found) == (
        Severity.WARNING,
        "k, which relays as well",
    )
    assert "deployer of court" not in told


@pytest.mark.parametrize(
    ("url", "part"),
    [("postgresql+pg8000://u:hunter2@localhost/x", "pg8000"), ("sqlite:///none/here.db", "no folder")],
)
def test_a_journal_that_can_not_be_opened_is_refused(url: str, part: str, tmp_path: Path) -> None:
    told = findings(f'[journal]\nurl = "{url}"\n' + chain("court", 1), tmp_path)["journal"]
    assert told.severity is Severity.REFUSAL
    assert part in told.found
    assert "hunter2" not in str(told)


def test_what_run_leaves_out_is_told_by_both(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    path.write_text(chain("court", 1) + chain("port", 2) + chain("bank", 3, ""))
    config = configuration.load(path)
    assert config.left_out() == {"bank": ("gateway", "genesis_hash")}
    assert {(lane.source, lane.destination) for lane in config.relayed_lanes()} == {
        ("court", "port"),
        ("port", "court"),
    }
    with pytest.raises(SystemExit) as caught:
        main(["config", "check", "--json", "-c", str(path)])
    assert caught.value.code == ExitCode.OK
    told = json.loads(capsys.readouterr().out)["findings"]
    assert "of which `postroad run` serves 2 now" in told[0]["found"]
    assert any("`postroad run` leaves it out" in finding["advice"] for finding in told)
    alone = [finding.advice for finding in check_files(read(chain("court", 1) + chain("bank", 3, "")))]
    assert any("`postroad run` does not start" in advice for advice in alone)


def test_the_password_is_tried_on_the_keys_that_relay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    KeyStore(tmp_path / "keys").new("k", "right", scrypt_n=1 << 10)
    text = chain("court", 1, COMPLETE + 'keys = ["k"]')
    config = read('[keys]\npassword_env = "SOME_PASSWORD"\n' + text, tmp_path)
    monkeypatch.setenv("SOME_PASSWORD", "right")
    (fine,) = _check_password(config)
    assert (fine.severity, fine.found) == (Severity.OK, "it unlocks k")
    monkeypatch.setenv("SOME_PASSWORD", "wrong")
    (refused,) = _check_password(config)
    assert (refused.severity, refused.subject) == (Severity.REFUSAL, "key k")
    monkeypatch.delenv("SOME_PASSWORD")
    (refused,) = _check_password(config)
    assert (refused.severity, refused.subject) == (Severity.REFUSAL, "password")
    (asked,) = _check_password(read(text, tmp_path))
    assert (asked.severity, "asked for" in asked.found) == (Severity.OK, True)
    assert _check_password(read(chain("court", 1), tmp_path)) == []
