# SPDX-License-Identifier: MIT
"""Where anvil is missing, that is said before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.devnet.errors import ProgramMissing
from relayer.devnet.network import background
from relayer.devnet.process.anvil import Anvil, require_anvil
from relayer.devnet.rules import ChainRules
from relayer.errors import ConfigError


async def test_a_missing_anvil_is_an_error_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTROAD_ANVIL", str(tmp_path / "absent"))
    with pytest.raises(ProgramMissing, match="anvil is missing"):
        require_anvil()
    with pytest.raises(ConfigError, match="POSTROAD_ANVIL names"):
        await Anvil.start(chain_id=1, gas_limit=1, history=1, rules=ChainRules())


def test_a_network_in_the_background_asks_for_it_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTROAD_ANVIL", str(tmp_path / "absent"))
    with pytest.raises(ProgramMissing):
        background.up("a=bft:4", tmp_path / "net")
    assert not (tmp_path / "net").exists()
