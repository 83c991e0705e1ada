# SPDX-License-Identifier: MIT
"""The units say what the program means. `make deploy-check` lets systemd-analyze judge them besides."""

from __future__ import annotations

from pathlib import Path

from relayer import config as configuration
from relayer.cli.exit_codes import ExitCode
from relayer.pipeline.pipeline import DRAIN_S

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "systemd"
CHAIN = """
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:9"]

[chains.court.consensus]
kind = "bft"
protocol = "qbft"
"""


def unit(name: str) -> dict[str, list[str]]:
    """The keys of a unit, each with all that is given for it."""
    keys: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text().splitlines():
        key, found, value = line.partition("=")
        if found and not line.startswith("#"):
            keys.setdefault(key, []).append(value)
    return keys


def test_what_repeating_does_not_help_is_not_repeated() -> None:
    prevented = {
        ExitCode(int(code)) for code in unit("postroad.service")["RestartPreventExitStatus"][0].split()
    }
    assert prevented == {ExitCode.USAGE, ExitCode.CONFIG, ExitCode.REFUSED}


def test_there_is_time_to_drain() -> None:
    assert int(unit("postroad.service")["TimeoutStopSec"][0]) > 4 * DRAIN_S


def test_the_backup_reaches_the_journal_and_nothing_else() -> None:
    service, backup = unit("postroad.service"), unit("postroad-backup.service")
    assert service["User"] == backup["User"]
    assert service["StateDirectory"][0] in backup["StateDirectory"][0].split()
    assert backup["PrivateNetwork"] == ["yes"]


def test_the_configuration_finds_what_the_unit_gives() -> None:
    text = (FOLDER / "postroad.toml").read_text()
    directory = "/run/credentials/postroad.service"
    config = configuration.parse(text + CHAIN, environment={"CREDENTIALS_DIRECTORY": directory})
    assert config.keys_directory == Path(directory)
    assert config.keys.password_file == f"{directory}/password"
    name, _, _ = unit("postroad.service")["LoadCredential"][0].partition(":")
    assert config.keys.password_file == f"{directory}/{name}"
    assert config.journal_url.reveal() == "sqlite:////var/lib/postroad/postroad.db"
