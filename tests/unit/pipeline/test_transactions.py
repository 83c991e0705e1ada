# SPDX-License-Identifier: MIT
"""Transactions that get lost or are too cheap."""

from __future__ import annotations

from pathlib import Path

from relayer.chains.base import Refusal
from tests.support.memory_network import deliveries, running_network, two_chains


async def test_a_transaction_that_got_lost_is_offered_again(tmp_path: Path) -> None:
    async with running_network(tmp_path, two_chains()) as network:
        network.chains["b"].faults.lost_broadcasts = 1
        sent = network.send("a", "b", 2)
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=15)
        assert deliveries(network.chains["b"]) == [2]


async def test_a_transaction_that_is_too_cheap_is_replaced_under_its_nonce(tmp_path: Path) -> None:
    """INV-6: the replacement has the same nonce, so that one of the two lands."""
    async with running_network(tmp_path, two_chains()) as network:
        await network.mine(2)
        chain = network.chains["b"]
        chain.faults.refusing = [(Refusal.UNDERPRICED, "transaction underpriced")]
        sent = network.send("a", "b", 2)
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=25)
        assert deliveries(chain) == [2]
        with network.journal.reading() as reading:
            (batch,) = (b for b in reading.batches_of([*range(1, 9)]))
            (transaction,) = reading.transactions([batch.transaction])
        assert len(transaction.attempts) >= 2
        assert transaction.attempts[-1].max_fee_wei > transaction.attempts[0].max_fee_wei
