# SPDX-License-Identifier: MIT
"""What deliveries to one chain share."""

from __future__ import annotations

from pathlib import Path

from relayer.protocol.delivery import WaitingReason
from tests.support.memory_network import deliveries, reason, running_network, two_chains


async def test_the_operators_spend_limit_holds(tmp_path: Path) -> None:
    """INV-5: what is signed in a day never costs more than the limit, whatever a chain says."""
    limit_wei = 2 * 10**15
    async with running_network(tmp_path, two_chains(), limits={"b": limit_wei}) as network:
        await network.mine(2)
        sent = [network.send("a", "b")[0] for _ in range(2)]
        await network.mine_until(lambda: network.is_confirmed(sent))
        spent = 0
        while spent < 60:
            # A reservation becomes what it did cost, so that several deliveries fit one after the other.
            (last,) = network.send("a", "b")
            await network.mine(4)
            if reason(network, last) is WaitingReason.FUNDS:
                break
            spent += 1
        assert 1 < spent < 60
        with network.journal.reading() as reading:
            chain = network.pipeline.chain_tasks["b"].row
            assert 0 < reading.spent_wei(chain, network.clock()) <= limit_wei
        assert sum(deliveries(network.chains["b"])) < len(network.sent)
        network.clock.advance(90_500)
        await network.mine_until(lambda: network.is_confirmed([last]), blocks=150)


async def test_many_batches_at_once_keep_to_the_spend_limit(tmp_path: Path) -> None:
    """INV-5: the limit is reserved in the commit that signs, so that batches side by side can't pass it."""
    async with running_network(tmp_path, two_chains(), limits={"b": 1}) as network:
        await network.mine(2)
        sent = network.send("a", "b", 600)
        await network.mine(5)
        assert deliveries(network.chains["b"]) == []
        assert reason(network, sent[0]) is WaitingReason.FUNDS
