# SPDX-License-Identifier: MIT
"""What deliveries to one chain share."""

from __future__ import annotations

from pathlib import Path

from relayer.protocol.delivery import WaitingReason
from tests.support.memory_network import deliveries, reason, running_network, two_chains


async def test_the_operators_spend_limit_holds(tmp_path: Path) -> None:
    """INV-5: whatever a chain says, not more than the limit and one transaction is spent in a day."""
    async with running_network(tmp_path, two_chains(), limits={"b": 1}) as network:
        await network.mine(2)
        first = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(first))
        await network.pipeline.destinations["b"].refresh()
        (second,) = network.send("a", "b")
        await network.mine(4)
        assert reason(network, second) is WaitingReason.FUNDS
        assert deliveries(network.chains["b"]) == [1]
        network.clock.advance(86_500)
        await network.pipeline.destinations["b"].refresh()
        await network.mine_until(lambda: network.is_confirmed([second]), blocks=150)
