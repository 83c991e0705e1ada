# SPDX-License-Identifier: MIT
"""Local chains that are joined, and the daemon that relays between them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from relayer.devnet.network.network import Network
from tests.support.daemon_process import DaemonProcess
from tests.support.relaynet import RelayNet, access_of, join_network

_SETTINGS = '[api]\nlisten = ""\n\n[batch]\nmax_wait_ms = 100\n'


@contextlib.asynccontextmanager
async def relayed(
    spec: str, folder: Path, settings: str = _SETTINGS
) -> AsyncIterator[tuple[Network, RelayNet, DaemonProcess]]:
    """Start the chains of a spec, join them all, and start a daemon with these settings."""
    async with Network(spec) as network:
        net = await join_network(
            folder, [access_of(chain) for chain in network.chains.values()], extra=settings
        )
        daemon = DaemonProcess(net.config_path)
        try:
            async with daemon.guarded():
                await daemon.start()
                yield network, net, daemon
        finally:
            await net.close()
