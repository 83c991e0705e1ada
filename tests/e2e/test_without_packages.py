# SPDX-License-Identifier: MIT
"""The daemon without packages that are not there everywhere, or that it has no business with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import relayer
from relayer.devnet.network.join import join_local, site_of
from relayer.devnet.network.network import Network
from tests.support.daemon_process import DaemonProcess
from tests.support.ethereum_road import COURT, ETH, open_ethereum_road

Hide = Callable[[str], None]

#: Python runs it at each start: it hides a package from everything that looks for it.
HIDING = """
import importlib.machinery

_find = importlib.machinery.PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] == {package!r} else _find(name, path, target)

importlib.machinery.PathFinder.find_spec = find_spec
"""


@pytest.fixture
def hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Hides a package from processes that are started from here on; this one keeps it."""

    def hide_package(package: str) -> None:
        folder = tmp_path / "hiding"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(HIDING.format(package=package))
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return hide_package


async def test_messages_cross_where_py_ecc_verifies(tmp_path: Path, hide: Hide) -> None:
    """INV-1: slower, and no less verified."""
    # The chain in this process keeps blst: it signs for 512 members a slot.
    hide("pyblst")
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


async def test_the_daemon_relays_without_web3(tmp_path: Path, hide: Hide) -> None:
    """It is for users and the control plane: it would cost the daemon two seconds of every start."""
    async with Network("court=bft:4@0.2,port=clique:3@0.2") as network:
        roads = await join_local([site_of(chain) for chain in network.chains.values()], tmp_path / "road")
        hide("web3")
        daemon = DaemonProcess(roads.config_path)
        async with daemon.guarded():
            await daemon.start()
            async with relayer.connect(roads.config) as road:
                for source, destination in (("court", "port"), ("port", "court")):
                    to = roads.endpoints[destination].postbox
                    message = await road.send(source, destination, to=to, payload=b"without web3")
                    assert (await message.delivered(timeout="60s")).message_id == message.id
            assert await daemon.stop() == 0
