# SPDX-License-Identifier: MIT
"""`postroad devnet` before any chain runs: the program that it needs, and what is said without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from relayer.cli.devnet import devnet
from relayer.devnet.errors import PackageRefused, ProgramMissing
from relayer.devnet.process import anvil_package, toolchain


@pytest.fixture
def fetched_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The registries that were asked, each of which serves an anvil at once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "https://name:password@npm.example")
    asked: list[str] = []

    def install(registry: str, tell: Callable[[int, int | None], None]) -> Path:
        asked.append(registry)
        program = toolchain.installed_anvil()
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\necho anvil Version: 9.9.9\n")
        program.chmod(0o755)
        tell(1, None)
        tell(2, 2)
        return program

    monkeypatch.setattr(anvil_package, "install", install)
    return asked


def test_anvil_is_fetched_once(fetched_from: list[str]) -> None:
    program = toolchain.installed_anvil()
    first = CliRunner().invoke(devnet, ["install"])
    assert first.stdout == f"anvil 9.9.9: {program}\n"
    assert first.stderr == "Fetching anvil from https://…@npm.example …\n"
    second = CliRunner().invoke(devnet, ["install"])
    assert second.output == f"anvil 9.9.9 is there already: {program}\n"
    assert fetched_from == ["https://name:password@npm.example"]


def test_json_is_all_that_a_script_sees(fetched_from: list[str]) -> None:
    result = CliRunner().invoke(devnet, ["install", "--json"])
    expected = {"program": "anvil", "version": "9.9.9", "path": str(toolchain.installed_anvil())}
    assert json.loads(result.output) == expected | {"fetched": True}


def test_a_program_that_does_not_run_here_is_refused(fetched_from: list[str]) -> None:
    CliRunner().invoke(devnet, ["install"])
    toolchain.installed_anvil().write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(PackageRefused, match="does not run"):
        CliRunner().invoke(devnet, ["install"], catch_exceptions=False)


def test_without_anvil_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_ANVIL", str(tmp_path / "absent"))
    with pytest.raises(ProgramMissing, match="POSTROAD_ANVIL names"):
        CliRunner().invoke(devnet, ["up", "--dir", str(tmp_path / "net")], catch_exceptions=False)
    assert not (tmp_path / "net").exists()
