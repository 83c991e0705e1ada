# SPDX-License-Identifier: MIT
"""The whole pipeline between in-memory chains: what it delivers, what it refuses to pay for, what it says while it waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relayer.chains.base import RemoteState
from relayer.errors import Underpriced
from relayer.pipeline import chain_task as worker
from relayer.pipeline import page_window as shelf
from relayer.pipeline import pipeline as loop
from relayer.pipeline.pipeline import BatchSettings
from relayer.protocol.delivery import DeliveryState, WaitingReason
from relayer.protocol.lane import Lane
from relayer.protocol.message import Message
from relayer.testing.chain import MemoryChain, join
from tests.unit.pipeline.road import Clock, Road, running_road, two_chains

RECIPIENT = b"\x22" * 20
OTHER = b"\x33" * 20


def states(road: Road, messages: list[Message]) -> list[str]:
    stories = [road.journal.story(each.id) for each in messages]
    return ["unknown" if story is None else story.state.value for story in stories]


def reason(road: Road, message: Message) -> WaitingReason | None:
    story = road.journal.story(message.id)
    assert story is not None
    return None if story.waiting is None else story.waiting.reason


def deliveries(chain: MemoryChain) -> list[int]:
    """How many messages each included deliver transaction executed."""
    return [
        sum(each.mask.bit_count() for each in receipt.delivered)
        for receipt in sorted(chain.receipts.values(), key=lambda receipt: receipt.block_number)
    ]


async def test_messages_go_both_ways_and_are_confirmed(tmp_path: Path) -> None:
    async with running_road(tmp_path, two_chains()) as road:
        there, back = road.send("a", "b", 3), road.send("b", "a", 2)
        await road.mine_until(lambda: road.is_confirmed([*there, *back]))
        assert (road.word("a", "b"), road.word("b", "a")) == (0b111, 0b11)
        story = road.journal.story(there[0].id)
        assert story is not None
        assert [step.state.value for step in story.steps] == [
            "observed",
            "verified",
            "proven",
            "submitted",
            "included",
            "confirmed",
        ]
        assert story.waiting is None
        assert road.journal.pending() == ()


async def test_a_batch_never_crosses_a_page(tmp_path: Path) -> None:
    async with running_road(tmp_path, two_chains()) as road:
        sent = road.send("a", "b", 600)
        await road.mine_until(lambda: road.is_confirmed(sent[::50]))
        with road.journal.reading() as reading:
            rows = [each.row for each in reading.lanes()]
            steps = [step for row in rows for step in reading.transitions(row, 0, 9)]
        assert all(step.first >> 8 == step.last >> 8 for step in steps)
        assert {step.page for step in steps} == {0, 1, 2}
        await road.mine_until(lambda: road.is_confirmed(sent))
        assert sum(deliveries(road.chains["b"])) == 600


async def test_a_lone_message_waits_for_company_but_not_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    batch = BatchSettings(max_wait_ms=60_000)
    async with running_road(tmp_path, two_chains(), batch=batch, clock=clock) as road:
        (first,) = road.send("a", "b")
        await road.mine(4)
        assert states(road, [first]) == ["proven"]
        assert reason(road, first) is WaitingReason.BATCH
        (second,) = road.send("a", "b")
        await road.mine()
        clock.advance(61)
        road.pipeline.lanes[0].wake()
        await road.mine_until(lambda: road.is_confirmed([first, second]))
        assert deliveries(road.chains["b"]) == [2]


async def test_a_full_page_waits_for_nobody(tmp_path: Path) -> None:
    batch = BatchSettings(max_wait_ms=60_000)
    async with running_road(tmp_path, two_chains(), batch=batch) as road:
        sent = road.send("a", "b", 256)
        await road.mine_until(lambda: road.is_confirmed(sent[-1:]))


async def test_a_refusing_recipient_stops_nobody_and_is_paid_for_once(tmp_path: Path) -> None:
    """INV-4, INV-10: the others pass; the refusal is decoded, tried again for nothing, and delivered once it may be."""
    chains, clock = two_chains(), Clock()
    chains["b"].faults.refusals[OTHER.rjust(32, b"\0")] = bytes.fromhex("deadbeef")
    async with running_road(tmp_path, chains, clock=clock) as road:
        good = road.send("a", "b", 2)
        (bad,) = road.send("a", "b", recipient=OTHER)
        good += road.send("a", "b", 2)
        await road.mine_until(lambda: road.is_confirmed(good))
        await road.mine_until(lambda: states(road, [bad]) == ["failed"])
        story = road.journal.story(bad.id)
        assert story is not None
        assert story.waiting is not None
        assert story.waiting.reason is WaitingReason.RECIPIENT_REVERTS
        assert "0xdeadbeef" in story.waiting.detail
        paid = len(chains["b"].receipts)
        # Every retry is simulated, and as long as it would fail, nothing is sent.
        for _ in range(3):
            clock.advance(4_000)
            road.pipeline.lanes[0].wake()
            await road.mine(2)
        assert len(chains["b"].receipts) == paid
        assert "refused 4 times" in str(road.journal.story(bad.id).waiting)  # type: ignore[union-attr]
        chains["b"].faults.refusals.clear()
        clock.advance(4_000)
        road.pipeline.lanes[0].wake()
        await road.mine_until(lambda: road.is_confirmed([bad]))
        assert road.journal.pending() == ()


async def test_a_message_past_its_deadline_ends_as_expired(tmp_path: Path) -> None:
    """INV-3: once the destination's proven time is past it and the bit is clear, it is over."""
    chains = two_chains()
    late = chains["b"].ledger.blocks[-1].timestamp + 3
    async with running_road(tmp_path, chains, batch=BatchSettings(max_wait_ms=60_000)) as road:
        (message,) = road.send("a", "b", deadline=late)
        await road.mine_until(lambda: states(road, [message]) == ["expired"])
        assert road.word("a", "b") == 0
        assert chains["b"].receipts == {}
        assert road.journal.pending() == ()


async def test_validators_change_and_the_client_follows_before_the_messages(tmp_path: Path) -> None:
    """INV-7: nothing proven by new validators is sent before the client was brought to them."""
    async with running_road(tmp_path, two_chains()) as road:
        before = road.send("a", "b", 2)
        await road.mine_until(lambda: road.is_confirmed(before))
        road.chains["a"].change_signers()
        after = road.send("a", "b", 2)
        await road.mine_until(lambda: road.is_confirmed(after))
        assert all(receipt.succeeded for receipt in road.chains["b"].receipts.values())
        assert road.pipeline.workers["b"].tracker.wasted_gas == 0


async def test_trust_is_renewed_before_a_third_of_the_period_is_left(tmp_path: Path) -> None:
    chains = two_chains()
    for chain in chains.values():
        for state in (chain.pending, chain.ledger.blocks[-1].state):
            for client in state.clients.values():
                client.trusting_period_s = 30
    async with running_road(tmp_path, chains) as road:
        keeper = road.pipeline.keepers["a", "b"]
        for _ in range(60):
            await road.mine()
            keeper.suspect()
            (client,) = road.chains["b"].ledger.blocks[-1].state.clients.values()
            age = road.chains["b"].ledger.blocks[-1].timestamp - client.timestamp
            # Two thirds, and the blocks that the update takes.
            assert age <= 20 + 4
        assert keeper.waiting is None


@pytest.mark.parametrize("frozen", [True, False])
async def test_a_client_that_believes_nothing_is_the_reason(tmp_path: Path, frozen: bool) -> None:
    """INV-10: expired and frozen clients are told apart, and nothing is sent."""
    chains = two_chains()
    for state in (chains["b"].pending, chains["b"].ledger.blocks[-1].state):
        for client in state.clients.values():
            client.frozen = frozen
            client.trusting_period_s = 1_209_600 if frozen else 0
    await chains["b"].mine(2)
    async with running_road(tmp_path, chains) as road:
        (message,) = road.send("a", "b")
        await road.mine(4)
        story = road.journal.story(message.id)
        assert story is not None
        assert story.waiting is not None
        assert story.waiting.reason is WaitingReason.CLIENT_EXPIRED
        assert ("frozen" if frozen else "expired") in story.waiting.detail
        assert chains["b"].receipts == {}


async def test_a_provider_that_hides_a_log_makes_the_lane_wait_and_costs_nothing(tmp_path: Path) -> None:
    """INV-1, INV-5: the gap is found by the chain of hashes; what leads to no proven head is not paid for."""
    async with running_road(tmp_path, two_chains()) as road:
        chain = road.chains["a"]
        first = road.send("a", "b", 2)
        await road.mine_until(lambda: road.is_confirmed(first))
        (hidden,) = road.send("a", "b")
        chain.faults.hidden_logs.add(hidden.id)
        (after,) = road.send("a", "b")
        await road.mine(5)
        assert states(road, [hidden, after]) == ["unknown", "unknown"]
        lane = road.pipeline.lanes[0].book
        assert lane.waiting is not None
        assert lane.waiting.reason is WaitingReason.RPC_TROUBLE
        assert deliveries(road.chains["b"]) == [2]
        # Whoever told the incomplete logs is charged for it.
        assert chain.doubted_logs
        chain.faults.hidden_logs.clear()
        await road.mine_until(lambda: road.is_confirmed([hidden, after]), blocks=150)
        assert lane.waiting is None


async def test_the_last_messages_log_is_missed_though_no_other_speaks_of_it(tmp_path: Path) -> None:
    """A hidden tail is found by proving the lane's head now and then."""
    async with running_road(tmp_path, two_chains()) as road:
        (hidden,) = road.send("a", "b")
        road.chains["a"].faults.hidden_logs.add(hidden.id)
        await road.mine(3)
        road.pipeline.workers["a"].out_lanes[0].audited_at = -1_000.0
        await road.mine(2)
        lane = road.pipeline.lanes[0].book
        assert lane.waiting is not None
        assert lane.waiting.reason is WaitingReason.RPC_TROUBLE
        road.chains["a"].faults.hidden_logs.clear()
        await road.mine_until(lambda: road.is_confirmed([hidden]), blocks=150)


async def test_an_altered_message_waits_alone_and_is_never_delivered(tmp_path: Path) -> None:
    """INV-1: the leaf is proven, the fields do not hash to it; it is hashed past, and others go on."""
    async with running_road(tmp_path, two_chains()) as road:
        sent = road.send("a", "b", 3)
        road.chains["a"].faults.altered_logs.add(sent[1].id)
        await road.mine_until(lambda: road.is_confirmed([sent[0], sent[2]]))
        assert road.word("a", "b") == 0b101
        assert states(road, [sent[1]]) == ["refused"]
        assert reason(road, sent[1]) is WaitingReason.RPC_TROUBLE
        road.chains["a"].faults.altered_logs.clear()
        road.pipeline.workers["a"].repair._states[road.pipeline.lanes[0].book.row].reread_at = 0.0
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=60)


async def test_an_unbelievable_header_costs_nothing(tmp_path: Path) -> None:
    """INV-5: no transaction for what our own client rejects."""
    async with running_road(tmp_path, two_chains()) as road:
        road.provers["a"].rejected_heights.update(range(1, 5))
        sent = road.send("a", "b", 2)
        await road.mine(3)
        lane = road.pipeline.lanes[0].book
        assert lane.waiting is not None
        assert lane.waiting.reason is WaitingReason.RPC_TROUBLE
        assert road.chains["b"].receipts == {}
        await road.mine_until(lambda: road.is_confirmed(sent))
        assert lane.waiting is None


async def test_a_chain_that_is_down_slows_no_other(tmp_path: Path) -> None:
    """One bad chain: its lanes say so, the others deliver as ever, and it is taken up again when it is back."""
    chains = {name: MemoryChain(name, 1001 + number) for number, name in enumerate("abc")}
    for first, second in ("ab", "ac", "bc"):
        join(chains[first], chains[second])
    async with running_road(tmp_path, chains) as road:
        await road.mine(2)
        chains["c"].faults.down = True
        fine, stuck = road.send("a", "b", 2), road.send("a", "c", 2)
        await road.mine_until(lambda: road.is_confirmed(fine), blocks=8)
        assert reason(road, stuck[0]) is WaitingReason.RPC_TROUBLE
        chains["c"].faults.down = False
        await road.mine_until(lambda: road.is_confirmed(stuck), blocks=120)


async def test_a_transaction_that_got_lost_is_offered_again(tmp_path: Path) -> None:
    async with running_road(tmp_path, two_chains()) as road:
        road.chains["b"].faults.lost_broadcasts = 1
        sent = road.send("a", "b", 2)
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=15)
        assert deliveries(road.chains["b"]) == [2]


async def test_a_transaction_that_is_too_cheap_is_replaced_under_its_nonce(tmp_path: Path) -> None:
    """INV-6: the replacement has the same nonce, so that one of the two lands."""
    async with running_road(tmp_path, two_chains()) as road:
        await road.mine(2)
        chain = road.chains["b"]
        chain.faults.failing_broadcasts.append(Underpriced("a price that is too low", "a higher one"))
        sent = road.send("a", "b", 2)
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=25)
        assert deliveries(chain) == [2]
        with road.journal.reading() as reading:
            (batch,) = (b for b in reading.batches_of([*range(1, 9)]))
            (transaction,) = reading.transactions([batch.transaction])
        assert len(transaction.attempts) >= 2
        assert transaction.attempts[-1].max_fee_wei > transaction.attempts[0].max_fee_wei


async def test_a_price_above_the_limit_is_waited_out(tmp_path: Path) -> None:
    async with running_road(tmp_path, two_chains()) as road:
        await road.mine(2)
        chain = road.chains["b"]
        normal, chain.base_fee_wei = chain.base_fee_wei, 10**13
        (message,) = road.send("a", "b")
        await road.mine(3)
        assert reason(road, message) is WaitingReason.GAS_PRICE
        assert chain.receipts == {}
        chain.base_fee_wei = normal
        await road.mine_until(lambda: road.is_confirmed([message]), blocks=150)


async def test_the_operators_spend_limit_holds(tmp_path: Path) -> None:
    """INV-5: whatever a chain says, not more than the limit and one transaction is spent in a day."""
    async with running_road(tmp_path, two_chains(), limits={"b": 1}) as road:
        await road.mine(2)
        first = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(first))
        await road.pipeline.destinations["b"].refresh()
        (second,) = road.send("a", "b")
        await road.mine(4)
        assert reason(road, second) is WaitingReason.FUNDS
        assert deliveries(road.chains["b"]) == [1]
        road.clock.advance(86_500)
        await road.pipeline.destinations["b"].refresh()
        await road.mine_until(lambda: road.is_confirmed([second]), blocks=150)


async def test_somebody_elses_delivery_is_seen_and_not_paid_for(tmp_path: Path) -> None:
    """Several relayers without a leader: a look at the destination first."""
    chains = two_chains()
    other = tmp_path / "other"
    other.mkdir()
    async with running_road(tmp_path, chains, batch=BatchSettings(max_wait_ms=3_600_000)) as road:
        sent = road.send("a", "b", 3)
        await road.mine(2)
        async with running_road(other, chains) as rival:
            await rival.mine_until(lambda: rival.is_confirmed(sent))
        paid = len(chains["b"].receipts)
        road.clock.advance(3_601)
        road.pipeline.lanes[0].wake()
        await road.mine_until(lambda: road.is_confirmed(sent))
        assert len(chains["b"].receipts) == paid


async def test_a_paused_remote_is_the_reason(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_road(tmp_path, chains) as road:
        await road.mine(2)
        remote = chains["b"].pending.remotes[chains["a"].endpoint_id]
        paused = RemoteState(remote.client, remote.gateway, paused=True, retired=False)
        chains["b"].pending.remotes[chains["a"].endpoint_id] = paused
        await road.mine()
        (message,) = road.send("a", "b")
        await road.mine(4)
        assert reason(road, message) is WaitingReason.PAUSED
        assert chains["b"].receipts == {}
        chains["b"].pending.remotes[chains["a"].endpoint_id] = remote
        await road.mine()
        road.pipeline.keepers["a", "b"].suspect()
        await road.mine_until(lambda: road.is_confirmed([message]), blocks=150)


async def test_a_paused_lane_is_the_reason(tmp_path: Path) -> None:
    chains = two_chains()
    lane = Lane(chains["a"].endpoint_id, chains["b"].endpoint_id)
    async with running_road(tmp_path, chains) as road:
        await road.mine(2)
        chains["b"].pending.paused_lanes.add(lane.id)
        await road.mine()
        (message,) = road.send("a", "b")
        await road.mine(4)
        assert reason(road, message) is WaitingReason.PAUSED
        chains["b"].pending.paused_lanes.clear()
        await road.mine_until(lambda: road.is_confirmed([message]), blocks=150)


async def test_a_destination_that_reorganises_takes_the_delivery_again(tmp_path: Path) -> None:
    """INV-2: included is not confirmed; a block that is gone is noticed, and the same bytes land again."""
    async with running_road(tmp_path, two_chains()) as road:
        await road.mine(2)
        chain, prover = road.chains["b"], road.provers["b"]
        sent = road.send("a", "b", 2)
        await road.mine()
        # The delivery gets into a block that our client does not accept, and which is replaced.
        prover.rejected_heights.update(
            range(chain.ledger.blocks[-1].number + 1, chain.ledger.blocks[-1].number + 3)
        )
        await road.mine(2)
        assert states(road, sent) == ["submitted", "submitted"]
        chain.reorganise(2)
        prover.rejected_heights.clear()
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=40)
        assert sum(deliveries(chain)) == 2
        assert DeliveryState.CONFIRMED.value in states(road, sent)


async def test_a_chain_that_hangs_slows_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ever answered, which is worse than an error: only the lanes of that chain wait, and draining ends."""
    monkeypatch.setattr(loop, "_DRAIN_S", 0.2)
    chains = {name: MemoryChain(name, 1001 + number) for number, name in enumerate("abc")}
    for first, second in ("ab", "ac", "bc"):
        join(chains[first], chains[second])
    async with running_road(tmp_path, chains) as road:
        await road.mine(2)

        async def hang(*_: object, **__: object) -> None:
            await asyncio.get_running_loop().create_future()

        for method in (
            "sent_messages",
            "delivered_bitmap",
            "receipt",
            "call",
            "remote",
            "simulate_deliver",
            "broadcast",
        ):
            setattr(chains["c"], method, hang)
        fine, stuck = road.send("a", "b", 2), road.send("a", "c", 2)
        back = road.send("b", "a", 2)
        await road.mine_until(lambda: road.is_confirmed([*fine, *back]), blocks=8)
        assert reason(road, stuck[0]) is WaitingReason.BATCH
        for method in (
            "sent_messages",
            "delivered_bitmap",
            "receipt",
            "call",
            "remote",
            "simulate_deliver",
            "broadcast",
        ):
            delattr(chains["c"], method)


async def test_a_backlog_larger_than_memory_is_worked_off_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages beyond the window stay in the journal until there is room, across a restart too."""
    monkeypatch.setattr(worker, "WINDOW", 2)
    monkeypatch.setattr(shelf, "WINDOW", 2)
    chains = two_chains()
    async with running_road(tmp_path, chains) as road:
        chains["b"].faults.down = True
        sent = road.send("a", "b", 900, gas_limit=10_000)
        await road.mine(3)
        book = road.pipeline.lanes[0].book
        assert (book.proven, sorted(book.pages), book.backlog()) == (900, [0, 1], 900)
    chains["b"].faults.down = False
    async with running_road(tmp_path, chains) as road:
        book = road.pipeline.lanes[0].book
        assert sorted(book.pages) == [0, 1]
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=200)
        assert sum(deliveries(chains["b"])) == 900
        assert book.settled == 900


async def test_messages_that_nobody_accepts_do_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-4: a refused message in every page, more pages than fit, and still all others pass."""
    monkeypatch.setattr(worker, "WINDOW", 2)
    monkeypatch.setattr(shelf, "WINDOW", 2)
    chains, clock = two_chains(), Clock()
    chains["b"].faults.refusals[OTHER.rjust(32, b"\0")] = b""
    async with running_road(tmp_path, chains, clock=clock) as road:
        good, bad = [], []
        for _ in range(4):
            bad += road.send("a", "b", recipient=OTHER)
            good += road.send("a", "b", 255, gas_limit=10_000)
        for _ in range(6):
            await road.mine(3)
            # Refused often enough, they rest for longer than a page stays in memory.
            clock.advance(200)
            road.pipeline.lanes[0].wake()
        await road.mine_until(lambda: road.is_confirmed(good), blocks=200)
        assert states(road, bad) == ["failed"] * 4
        book = road.pipeline.lanes[0].book
        assert book.parked
        assert book.backlog() == 4
        chains["b"].faults.refusals.clear()
        clock.advance(8_000)
        road.pipeline.lanes[0].wake()
        await road.mine_until(lambda: road.is_confirmed(bad), blocks=200)
        assert book.settled == 1024


async def test_a_message_that_fits_no_batch_waits_alone(tmp_path: Path) -> None:
    """INV-4: its gas limit is above the share of a block that a batch may take."""
    async with running_road(tmp_path, two_chains()) as road:
        (huge,) = road.send("a", "b", gas_limit=20_000_000)
        sent = road.send("a", "b", 3)
        await road.mine_until(lambda: road.is_confirmed(sent))
        assert reason(road, huge) is WaitingReason.FEE_POLICY
        story = road.journal.story(huge.id)
        assert story is not None
        assert "max_gas_share" in str(story.waiting)
