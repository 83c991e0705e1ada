# SPDX-License-Identifier: MIT
"""A proof-of-stake chain on a platform without a wheel of blst: py_ecc verifies, and the daemon says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ethereum_road import COURT, ETH, open_ethereum_road

#: Python runs it at each start: it hides the package from everything that looks for it.
HIDING = """
import importlib.machinery

_find = importlib.machinery.PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] == "pyblst" else _find(name, path, target)

importlib.machinery.PathFinder.find_spec = find_spec
"""


async def test_messages_cross_where_py_ecc_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-1: slower, and no less verified."""
    folder = tmp_path / "hiding"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDING)
    # The chain in this process keeps blst: it signs for 512 members a slot.
    monkeypatch.setenv("PYTHONPATH", str(folder))
    # A header takes the daemon a third of a second, and a period's keys some seconds.
    async with open_ethereum_road(tmp_path / "road", slot_time_s=0.5) as road:
        await road.send(ETH, COURT, b"verified slowly")
        await road.send(COURT, ETH, b"and its answer")
        await road.net.await_delivered(ETH, COURT, 1, timeout_s=90)
        await road.net.await_delivered(COURT, ETH, 1, timeout_s=90)
        log = road.daemon.log_end(100)
        assert "pyblst is not installed" in log
        assert "py_ecc verifies instead" in log
        assert await road.daemon.stop() == 0
        await road.assert_once_each(COURT, 1)
        await road.assert_once_each(ETH, 1)
