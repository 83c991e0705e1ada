# SPDX-License-Identifier: MIT
"""The command line without any chain: help, exit codes, errors, what it prints, and how quickly it starts."""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from light_clients import ecdsa, hashing
from light_clients.errors import HeaderRejected
from relayer import config as configuration
from relayer.chains.base import Address
from relayer.cli import main as root
from relayer.cli.checks import _judge_balance
from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed, describe, exit_code_of
from relayer.cli.main import _COMMANDS
from relayer.cli.options import DurationParam, HexParam
from relayer.cli.output import ether, gwei, price, print_json, print_table, span
from relayer.config import Bytes32, SecretUrl
from relayer.consensus.bft.config import BftConfig
from relayer.consensus.ethereum.config import CheckpointConfig, EthereumConfig
from relayer.consensus.findings import Severity
from relayer.errors import (
    CallRevertedStopLane,
    ChainUnavailable,
    ClientExpired,
    ConfigError,
    KeyUnavailable,
    Malformed,
)
from relayer.keys import KeyStore
from relayer.road import DeliveryTimeout, MessageExpired, MessageUnknown
from relayer.text import short


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        root(list(words))
    out, err = capsys.readouterr()
    code = caught.value.code
    return (code if isinstance(code, int) else 0), out, err


# --- help ---------------------------------------------------------------------------------------------------


def test_help_lists_every_command_and_each_has_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name, (place, line) in _COMMANDS.items():
        assert name in out
        assert line[:40] in out
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        code, own, _ = run(capsys, name, "--help")
        assert code == 0
        assert "Usage: postroad" in own


def leaves(
    command: click.Command, words: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        return [leaf for name, inner in command.commands.items() for leaf in leaves(inner, (*words, name))]
    return [(words, command)]


def all_leaves() -> list[tuple[tuple[str, ...], click.Command]]:
    found = []
    for name, (place, _) in _COMMANDS.items():
        module, _, attribute = place.partition(":")
        found += leaves(getattr(importlib.import_module(module), attribute), (name,))
    return found


@pytest.mark.parametrize(
    ("words", "command"), all_leaves(), ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_takes_json_and_says_what_it_does(
    words: tuple[str, ...], command: click.Command
) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert "--json" in options, words
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, (words, parameter.name)
    # A secret on the command line could be read by every process of the machine.
    assert not {"--password", "--private-key", "--secret"} & options


def test_every_command_is_in_the_reference() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()
    for words, command in all_leaves():
        assert f"postroad {' '.join(words)}" in text, words
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert any(f"`{name}" in text for name in parameter.opts), (words, parameter.opts)


def test_every_exit_code_is_in_the_reference() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()
    for code in ExitCode:
        assert f"| {int(code)} |" in text


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    script = "import sys; sys.argv = ['postroad', '--help']\ntry:\n    from relayer.cli import main; main()\nexcept SystemExit: pass\n"
    script += "print([name for name in ('aiohttp', 'eth_keyfile', 'btclib_secp256k1', 'rich', 'sqlalchemy', 'msgspec', 'asyncio') if name in sys.modules])"
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    taken = time.monotonic() - started
    assert done.stdout.splitlines()[-1] == "[]"
    assert taken < 2, "well under half a second on an idle machine"


# --- errors and exit codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), ExitCode.CONFIG),
        (KeyUnavailable("x"), ExitCode.CONFIG),
        (ChainUnavailable("x"), ExitCode.UNAVAILABLE),
        (DeliveryTimeout("x"), ExitCode.UNAVAILABLE),
        (ClientExpired("x"), ExitCode.REFUSED),
        (Malformed("x"), ExitCode.REFUSED),
        (MessageExpired("x"), ExitCode.REFUSED),
        (MessageUnknown("x"), ExitCode.REFUSED),
        (CallRevertedStopLane("RemoteIsPaused", {}, b""), ExitCode.REFUSED),
        (HeaderRejected("x", found=1, expected=2), ExitCode.REFUSED),
        (CommandFailed(ExitCode.TIMEOUT, "x"), ExitCode.TIMEOUT),
        (ZeroDivisionError("x"), ExitCode.BUG),
    ],
)
def test_an_errors_type_decides_the_exit_code(error: Exception, code: ExitCode) -> None:
    assert exit_code_of(error) is code
    assert describe(error)["exit_code"] == code
    assert set(describe(error)) == {"type", "exit_code", "found", "expected", "advice"}


def test_an_error_is_told_as_found_expected_and_advice_on_stderr(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "config", "check", "-c", str(tmp_path / "none.toml"))
    assert (code, out) == (ExitCode.CONFIG, "")
    assert err.splitlines()[0].startswith("   error: ")
    assert "expected: a configuration file" in err
    assert "      do: Write one with `postroad init`" in err


def test_with_json_an_error_is_json_on_stderr(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "config", "check", "--json", "-c", str(tmp_path / "none.toml"))
    assert (code, out) == (ExitCode.CONFIG, "")
    error = json.loads(err)["error"]
    assert error["type"] == "InvalidConfig"
    assert error["exit_code"] == ExitCode.CONFIG


@pytest.mark.parametrize(
    "words", [["frobnicate"], ["send"], ["trace", "0x12"], ["trace", "zz"], ["devnet", "up", "--seed", "x"]]
)
def test_words_that_make_no_sense_are_usage_errors(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, _, err = run(capsys, *words)
    assert code == ExitCode.USAGE
    assert "Usage" in err or "Error" in err
    code, _, err = run(capsys, *words, "--json")
    assert code == ExitCode.USAGE
    assert json.loads(err)["error"]["exit_code"] == ExitCode.USAGE


def test_a_fault_of_ours_says_so_and_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(configuration, "load", broken)
    code, _, err = run(capsys, "pending", "-c", str(tmp_path / "x.toml"))
    assert code == ExitCode.BUG
    assert "ZeroDivisionError: oops" in err
    assert "POSTROAD_DEBUG" in err
    assert "Traceback" not in err
    monkeypatch.setenv("POSTROAD_DEBUG", "1")
    assert "Traceback" in run(capsys, "pending", "-c", str(tmp_path / "x.toml"))[2]


def test_ctrl_c_is_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(configuration, "load", interrupted)
    assert run(capsys, "pending", "-c", str(tmp_path / "x.toml"))[0] == ExitCode.INTERRUPTED


# --- keys ---------------------------------------------------------------------------------------------------


def test_keys_are_made_listed_and_imported_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("relayer.keys.SCRYPT_N", 1 << 10)
    monkeypatch.setenv("POSTROAD_PASSWORD", "pw")
    path = str(tmp_path / "postroad.toml")
    code, out, _ = run(capsys, "keys", "new", "one", "--json", "-c", path)
    assert code == 0
    made = json.loads(out)
    assert set(made) == {"name", "address", "path"}
    secret = "4c0883a69102937d6231471b5dbb6204fe512961708279f8c5a3e1b2d7f4c9a1"
    monkeypatch.setattr("sys.stdin", io.StringIO(secret + "\n"))
    code, out, err = run(capsys, "keys", "import", "two", "-c", path)
    assert code == 0
    assert secret not in out + err
    code, out, _ = run(capsys, "keys", "list", "--json", "-c", path)
    assert [load["name"] for load in json.loads(out)] == ["one", "two"]
    code, _, err = run(capsys, "keys", "new", "one", "-c", path)
    assert code == ExitCode.CONFIG
    assert "already" in err


def test_without_a_password_or_a_terminal_nothing_is_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("POSTROAD_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, _, err = run(capsys, "keys", "new", "one", "-c", str(tmp_path / "postroad.toml"))
    assert code == ExitCode.CONFIG
    assert "no terminal to ask at" in err
    assert not (tmp_path / "keys").exists()


# --- init ---------------------------------------------------------------------------------------------------

INIT = (
    "init",
    "--offline",
    *("--chain", "court=qbft,https://court.example,wss://court.example/ws", "--chain-id", "court=41"),
    *("--chain", "port=ibft2,https://${PORT_KEY}@port.example", "--chain-id", "port=42"),
    *("--key", "court=court-relayer"),
)


def test_init_writes_a_commented_file_that_reads_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "postroad.toml"
    code, out, _ = run(capsys, *INIT, "-c", str(path))
    assert code == 0
    assert "postroad keys new port-relayer" in out
    text = path.read_text()
    assert text.count("#") > 15
    read = configuration.load(path, {"PORT_KEY": "user:pw"})
    assert [(name, chain.chain, chain.consensus) for name, chain in read.chains.items()] == [
        ("court", "eip155:41", BftConfig(protocol="qbft")),
        ("port", "eip155:42", BftConfig(protocol="ibft2")),
    ]
    assert read.chain("court").keys == ("court-relayer",)
    assert read.chain("court").websocket[0].reveal() == "wss://court.example/ws"
    assert read.chain("port").rpc[0].reveal() == "https://user:pw@port.example"


def test_init_writes_a_proof_of_stake_chain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    chain = "eth=ethereum,https://node.example,beacon=https://one.example,beacon=https://two.example/${KEY}"
    code, _, _ = run(capsys, "init", "--offline", "--chain", chain, "--chain-id", "eth=1", "-c", str(path))
    assert code == 0
    read = configuration.load(path, {"KEY": "s3cret"}).chain("eth")
    assert isinstance(read.consensus, EthereumConfig)
    assert (read.consensus.kind, read.consensus.network) == ("ethereum", None)
    assert [url.reveal() for url in read.rpc] == ["https://node.example"]
    assert read.consensus.beacon_urls == ["https://one.example", "https://two.example/s3cret"]


def test_init_says_in_json_what_it_wrote(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    code, out, _ = run(capsys, *INIT, "--json", "-c", str(path))
    assert code == 0
    assert json.loads(out) == {
        "config": str(path),
        "chains": [
            {"name": "court", "chain": "eip155:41", "consensus": {"kind": "bft", "protocol": "qbft"}},
            {"name": "port", "chain": "eip155:42", "consensus": {"kind": "bft", "protocol": "ibft2"}},
        ],
    }


def test_init_overwrites_nothing_unless_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    path.write_text("mine")
    code, _, err = run(capsys, *INIT, "-c", str(path))
    assert (code, path.read_text()) == (ExitCode.CONFIG, "mine")
    assert "--force" in err
    assert run(capsys, *INIT, "--force", "-c", str(path))[0] == 0
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["init"], "--chain"),
        (["init", "--chain", "court"], "NAME=CONSENSUS"),
        (["init", "--chain", "court=aura,http://x"], "qbft or ibft2 or ibft or "),
        (["init", "--chain", "court=qbft,http://x,beacon=http://y"], "expected none before a URL"),
        (["init", "--offline", "--chain", "court=bft,http://x", "--chain-id", "court=1"], "protocol"),
        (["init", "--chain", "eth=ethereum,http://x,rpc=http://y"], "expected beacon= before a URL"),
        (["init", "--chain", "court=qbft,ws://x"], "http://"),
        (["init", "--chain", "eth=ethereum,http://x"], "beacon=https://"),
        (["init", "--offline", "--chain", "eth=http://x", "--chain-id", "eth=1"], "no consensus to write"),
        (["init", "--offline", "--chain", "court=qbft,http://x"], "--chain-id court="),
        (["init", "--chain", "c=qbft,http://x", "--chain", "c=qbft,http://y"], "twice"),
        (["init", "--chain", "c=qbft,http://x", "--key", "d=k"], "one of the chains"),
        (["init", "--offline", "--chain", "Court=qbft,http://x", "--chain-id", "Court=1"], "a-z"),
        (["init", "--offline", "--chain", 'c=qbft,http://x"y', "--chain-id", "c=1"], "TOML"),
    ],
)
def test_init_explains_what_it_expected(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    part: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    path = tmp_path / "postroad.toml"
    code, _, err = run(capsys, *words, "-c", str(path))
    assert code == ExitCode.USAGE
    assert part in err
    assert not path.exists()


# --- doctor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_slow", [False, True])
def test_doctor_warns_where_libraries_are_slow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_slow: bool
) -> None:
    monkeypatch.setattr(ecdsa, "BACKEND", ecdsa.PurePython() if is_slow else ecdsa.Libsecp256k1())
    monkeypatch.setattr(hashing, "IS_FAST", not is_slow)
    code, out, _ = run(capsys, "doctor", "--json", "--config", str(tmp_path / "postroad.toml"))
    assert code == 0
    libraries = {"btclib-secp256k1", "safe-pysha3"}
    told = [finding for finding in json.loads(out)["findings"] if finding["subject"] in libraries]
    assert [finding["severity"] for finding in told] == ["warning"] * (2 * is_slow)


def test_without_a_configuration_doctor_says_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "doctor")
    assert code == ExitCode.OK
    for word in ("Python: ", "anvil: ", "postroad demo", "postroad devnet up", "postroad init", "--config"):
        assert word in out
    KeyStore(tmp_path / "keys").new("mine", "pw", scrypt_n=1 << 10)
    (tmp_path / ".postroad" / "devnet").mkdir(parents=True)
    (tmp_path / ".postroad" / "devnet" / "postroad.toml").write_text("")
    code, out, _ = run(capsys, "doctor")
    assert code == ExitCode.OK
    assert "keys: mine" in out
    assert 'eval "$(postroad devnet env)"' in out


# --- what is printed ----------------------------------------------------------------------------------------


def test_amounts_have_a_unit_and_are_rounded_for_people() -> None:
    assert ether(0) == "0 ether"
    assert ether(1) == "1 wei"
    assert ether(999_999_999) == "999,999,999 wei"
    assert ether(3_028_492_181_709_520) == "0.00303 ether"
    assert ether(1_500_000_000_000_000_000) == "1.5 ether"
    assert ether(9_999_999_999_999_999_999) == "10 ether"
    assert ether(1_234_567 * 10**15) == "1,235 ether"
    assert ether(10**24) == "1,000,000 ether"
    assert [price(wei) for wei in (0, 7, 999_999, 1_300_657_803, 10**12)] == [
        "0 gwei",
        "7 wei",
        "999,999 wei",
        "1.3 gwei",
        "1,000 gwei",
    ]
    assert gwei(1_500_000_001) == "1.500000001"
    assert short(bytes(range(32))) == "0x00010203…1e1f"
    assert [span(item) for item in (1, 30, 300, 10_000, 900_000)] == [
        "1.0 s",
        "30 s",
        "5 min",
        "3 h",
        "10 days",
    ]


def test_json_shows_bytes_as_hex(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": b"\x01", "b": ExitCode.BUG, "c": Path("x"), "d": (1, 2)})
    assert json.loads(capsys.readouterr().out) == {"a": "0x01", "b": 70, "c": "x", "d": [1, 2]}


def test_json_shows_a_table_with_its_keys_and_no_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    consensus = EthereumConfig(
        beacon=(SecretUrl("https://user:hunter2@beacon.example/key"),),
        network="sepolia",
        bootstrap=CheckpointConfig(root=Bytes32(b"\x07" * 32), slot=5),
    )
    print_json(consensus)
    assert json.loads(capsys.readouterr().out) == {
        "kind": "ethereum",
        "beacon": ["https://…@beacon.example/…"],
        "network": "sepolia",
        "threshold": None,
        "bootstrap": {"root": "0x" + "07" * 32, "slot": 5, "height": 1},
    }


def test_a_table_for_nobody_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [("1", "2")], empty="none")
    print_table(("a", "b"), [], empty="none")
    assert capsys.readouterr().out == "a\tb\n1\t2\nnone\n"


@pytest.mark.parametrize(
    ("text", "seconds"), [("10m", 600), ("30", 30), ("250ms", 0.25), ("2h", 7200), ("1d", 86_400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert DurationParam().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1s", "1w", "1.5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="time span"):
        DurationParam().convert(text, None, None)


def test_hex_of_another_length_is_refused() -> None:
    assert HexParam(2).convert("0x0102", None, None) == b"\x01\x02"
    for text in ("0x01", "010203", "0x010g"):
        with pytest.raises(click.BadParameter, match="2 bytes of hex"):
            HexParam(2).convert(text, None, None)


@pytest.mark.parametrize(
    ("balance", "cost_wei", "severity", "words"),
    [
        (0, 0, Severity.OK, "gas is free"),
        (5, 0, Severity.OK, "gas is free"),
        (0, 10, Severity.REFUSAL, "about 0 deliveries"),
        (9, 10, Severity.REFUSAL, "about 0 deliveries"),
        (10, 10, Severity.WARNING, "about 1 deliveries"),
        (199, 10, Severity.WARNING, "about 19 deliveries"),
        (200, 10, Severity.OK, "about 20 deliveries"),
    ],
)
def test_a_balance_is_told_in_deliveries(balance: int, cost_wei: int, severity: Severity, words: str) -> None:
    finding = _judge_balance("key k on port", Address(b"\x01" * 20), balance, cost_wei)
    assert finding.severity is severity
    assert words in finding.found
    assert ("0x" + "01" * 20 in finding.advice) is (severity is not Severity.OK)
