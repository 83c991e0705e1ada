# SPDX-License-Identifier: MIT
"""Tools are found where the environment, PATH or the tree has them, or it is said what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.devnet.process import toolchain


def test_environment_has_the_last_word_on_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "anvil"
    mine.write_text("#!/bin/sh\necho anvil Version: 9.9.9\n")
    mine.chmod(0o755)
    monkeypatch.setenv("POSTROAD_ANVIL", str(mine))
    assert toolchain.find_anvil() == mine
    assert toolchain.read_version(mine) == "anvil Version: 9.9.9"

    monkeypatch.setenv("POSTROAD_ANVIL", str(tmp_path / "absent"))
    with pytest.raises(toolchain.ToolNotFoundError, match=r"POSTROAD_ANVIL names .*absent"):
        toolchain.find_anvil()


def test_missing_tool_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTROAD_FORGE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "_PACKAGE_PARENT", tmp_path)
    with pytest.raises(toolchain.ToolNotFoundError, match="Install it so that forge is on PATH"):
        toolchain.find_forge()
    monkeypatch.delenv("POSTROAD_ANVIL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(toolchain.ToolNotFoundError, match="Run `postroad devnet install`"):
        toolchain.find_anvil()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "package.json").write_text("{}")
    with pytest.raises(toolchain.ToolNotFoundError, match="Run `make tools`"):
        toolchain.find_forge()
