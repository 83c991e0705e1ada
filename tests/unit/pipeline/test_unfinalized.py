# SPDX-License-Identifier: MIT
"""What waits for finality is shown, and goes away with its block."""

from __future__ import annotations

from pathlib import Path

from relayer.journal.queries import read_pending
from relayer.protocol.delivery import WaitingReason
from tests.support.memory_network import LAG, delayed, detail, running_network, states, two_chains


async def test_what_waits_for_finality_is_shown_with_how_long(tmp_path: Path) -> None:
    """INV-10: hearsay in the journal, as n of m; INV-1: nothing is sent before the block is final."""
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine(LAG + 1)
        sent = network.send("a", "b", 2)
        await network.mine()
        assert states(network, sent) == ["observed", "observed"]
        block = chains["a"].ledger.blocks[-1].number
        assert detail(network, sent[0]) == (
            f"finality: 2 messages sent on a from block {block} on, waiting for finality (0 of 5 blocks)"
        )
        await network.mine(2)
        assert "(2 of 5 blocks)" in detail(network, sent[1])
        with network.journal.reading() as reading:
            pending = read_pending(reading)
        assert [(message.sequence, message.waiting.reason) for message in pending] == [
            (0, WaitingReason.FINALITY),
            (1, WaitingReason.FINALITY),
        ]
        assert chains["b"].receipts == {}
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)
        assert network.pipeline.lane_tasks[0].progress.waiting is None


async def test_a_delivery_that_is_not_final_says_so(tmp_path: Path) -> None:
    """INV-10: the destination trails."""
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine(LAG + 1)
        sent = network.send("b", "a")
        await network.mine(4)
        assert states(network, sent) == ["included"]
        assert "delivered on a from block" in detail(network, sent[0])
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)


async def test_a_reorganisation_before_finality_takes_messages_away_again(tmp_path: Path) -> None:
    """INV-1: what was shown was never believed; what takes its place is delivered."""
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine(LAG + 1)
        gone = network.send("a", "b", 2)
        await network.mine(2)
        assert states(network, gone) == ["observed", "observed"]
        chains["a"].reorganise(2)
        (other,) = [chains["a"].send(chains["b"], b"another")]
        await network.mine(3)
        assert states(network, gone) == ["unknown", "unknown"]
        assert states(network, [other]) == ["observed"]
        await network.mine_until(lambda: network.is_confirmed([other]), blocks=30)
        assert network.delivered_bitmap("a", "b") == 1


async def test_what_is_gone_while_the_daemon_is_down_is_gone_from_the_journal(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine(LAG + 1)
        gone = network.send("a", "b", 2)
        await network.mine(2)
        assert states(network, gone) == ["observed", "observed"]
    chains["a"].reorganise(2)
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine(3)
        assert states(network, gone) == ["unknown", "unknown"]
        sent = network.send("a", "b", 2)
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)
