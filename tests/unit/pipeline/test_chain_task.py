# SPDX-License-Identifier: MIT
"""Steps of a chain's task: verified headers, deadlines, reorganisations, delayed finality."""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer.chains.base import Head
from relayer.chains.evm import abi
from relayer.consensus.base import VerifiedHeader
from relayer.errors import ClientExpired
from relayer.pipeline import witness
from relayer.pipeline.pipeline import BatchSettings
from relayer.protocol.delivery import DeliveryState, WaitingReason
from relayer.testing.gateway import encode_freeze
from relayer.testing.prover import MemoryProver
from tests.support.memory_network import (
    LAG,
    Clock,
    calls,
    delayed,
    deliveries,
    detail,
    running_network,
    states,
    two_chains,
)


async def test_a_message_past_its_deadline_ends_as_expired(tmp_path: Path) -> None:
    """INV-3: once the destination's proven time is past it and the bit is clear, it is over."""
    chains = two_chains()
    late = chains["b"].ledger.blocks[-1].timestamp + 3
    async with running_network(tmp_path, chains, batch=BatchSettings(max_wait_ms=60_000)) as network:
        (message,) = network.send("a", "b", deadline=late)
        await network.mine_until(lambda: states(network, [message]) == ["expired"])
        assert network.delivered_bitmap("a", "b") == 0
        assert chains["b"].receipts == {}
        assert network.journal.pending() == ()


async def test_an_unbelievable_header_costs_nothing(tmp_path: Path) -> None:
    """INV-5: no transaction for what our own client rejects."""
    async with running_network(tmp_path, two_chains()) as network:
        network.provers["a"].rejected_heights.update(range(1, 5))
        sent = network.send("a", "b", 2)
        await network.mine(3)
        lane = network.pipeline.lane_tasks[0].progress
        assert lane.waiting is not None
        assert lane.waiting.reason is WaitingReason.RPC_TROUBLE
        assert network.chains["b"].receipts == {}
        await network.mine_until(lambda: network.is_confirmed(sent))
        assert lane.waiting is None


async def test_a_destination_that_reorganises_takes_the_delivery_again(tmp_path: Path) -> None:
    """INV-2: included is not confirmed; a block that is gone is noticed, and the same bytes land again."""
    async with running_network(tmp_path, two_chains()) as network:
        await network.mine(2)
        chain, prover = network.chains["b"], network.provers["b"]
        sent = network.send("a", "b", 2)
        await network.mine()
        # The delivery gets into a block that our client does not accept, and which is replaced.
        prover.rejected_heights.update(
            range(chain.ledger.blocks[-1].number + 1, chain.ledger.blocks[-1].number + 3)
        )
        await network.mine(2)
        assert states(network, sent) == ["submitted", "submitted"]
        chain.reorganise(2)
        prover.rejected_heights.clear()
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=40)
        assert sum(deliveries(chain)) == 2
        assert DeliveryState.CONFIRMED.value in states(network, sent)


async def test_messages_go_both_ways_over_a_chain_with_delayed_finality(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        there, back = network.send("a", "b", 3), network.send("b", "a", 2)
        await network.mine_until(lambda: network.is_confirmed([*there, *back]), blocks=60)
        story = network.journal.story(there[0].id)
        assert story is not None
        said = [step.state.value for step in story.steps]
        assert said == ["observed", "verified", "proven", "submitted", "included", "confirmed"]


async def test_headers_are_only_looked_for_when_something_waits(tmp_path: Path) -> None:
    chains = two_chains()
    provers = delayed(chains)
    async with running_network(tmp_path, chains, provers=provers) as network:
        await network.mine(3)
        idle = provers["a"].looks
        await network.mine(10)
        assert provers["a"].looks == idle
        sent = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)
        assert provers["a"].looks > idle
        await network.mine(2)
        idle = provers["a"].looks
        await network.mine(10)
        assert provers["a"].looks == idle


async def test_a_restart_goes_on_where_finality_was_waited_for(tmp_path: Path) -> None:
    """INV-6."""
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine(LAG + 1)
        sent = network.send("a", "b", 2)
        await network.mine(2)
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)
        assert calls(chains["b"])[abi.DELIVER] == 1


async def test_a_deadline_that_passes_before_finality_ends_the_message(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        await network.mine(LAG + 1)
        deadline = chains["a"].ledger.blocks[-1].timestamp + 1
        sent = network.send("b", "a", deadline=deadline)
        await network.mine_until(lambda: states(network, sent) == ["expired"], blocks=30)
        assert network.delivered_bitmap("b", "a") == 0


async def test_transactions_are_followed_though_headers_can_not_be_had(tmp_path: Path) -> None:
    """The Beacon API is down, the execution chain is not."""
    chains = two_chains()
    provers = delayed(chains)
    async with running_network(tmp_path, chains, provers=provers) as network:
        await network.mine(LAG + 1)
        provers["a"].rejected_heights.update(range(200))
        sent = network.send("b", "a")
        await network.mine(5)
        assert states(network, sent) == ["included"]
        assert "rpc_trouble" in detail(network, sent[0])
        provers["a"].rejected_heights.clear()
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)


async def test_transactions_are_followed_though_the_chain_is_believed_no_more(tmp_path: Path) -> None:
    """Our own trust in its headers has expired; what was sent to it is still replaced, and its receipts are
    read.
    """
    chains = two_chains()
    provers = delayed(chains)
    async with running_network(tmp_path, chains, provers=provers) as network:
        await network.mine(LAG + 1)

        async def refuse(head: Head, *, wanted: bool = True) -> VerifiedHeader:
            raise ClientExpired("our own trusted header is too old", "a younger one")

        provers["a"].verify_head = refuse  # type: ignore[method-assign]
        sent = network.send("b", "a")
        await network.mine(5)
        assert states(network, sent) == ["included"]


async def test_a_header_whose_state_nodes_forgot_is_left_for_a_newer_one(tmp_path: Path) -> None:
    """Nodes keep the state of some hundred blocks; after a lull the last verified header is older."""
    chains = two_chains()
    provers = delayed(chains)
    async with running_network(tmp_path, chains, provers=provers) as network:
        first = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(first), blocks=30)
        header = network.pipeline.chain_tasks["a"].header
        assert header is not None
        provers["a"].forgets = header.number
        network.pipeline.chain_tasks["a"].wake()
        network.pipeline.chain_tasks["a"].out_lanes[0].audited_at = -1_000.0
        await network.mine(3)
        newer = network.pipeline.chain_tasks["a"].header
        assert newer is not None
        assert newer.number > header.number
        second = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(second), blocks=30)


async def test_one_provider_alone_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "COMPARE_S", 0.01)
    chains = two_chains()
    provers = {name: MemoryProver(chain) for name, chain in chains.items()}
    provers["a"].misbehaviour = encode_freeze(0)
    async with running_network(tmp_path, chains, provers=provers, clock=Clock()) as network:
        await network.mine(3)
        assert calls(chains["b"])[abi.CLIENT_FREEZE] == 0
