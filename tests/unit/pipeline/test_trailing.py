# SPDX-License-Identifier: MIT
"""Chains whose verified headers trail the head: what waits for finality, reorganisations before it, anchors, witnesses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from light_clients.client import Height
from relayer.chains.base import Address, Head, SimulatedDelivery
from relayer.chains.evm import abi
from relayer.consensus.base import VerifiedHeader
from relayer.errors import CallReverted, ClientExpired, Retryable
from relayer.journal.rows import Purpose, TransactionRow
from relayer.pipeline import chain_task as worker
from relayer.pipeline import lane_task as submit
from relayer.pipeline.anchoring import Anchoring
from relayer.pipeline.client_task import LightClientTask
from relayer.pipeline.pipeline import BatchSettings, ServedLane
from relayer.protocol.delivery import DeliveryState, WaitingReason
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.protocol.message import Message
from relayer.testing.chain import MemoryChain, join
from relayer.testing.gateway import MemoryLane, encode_anchor, encode_freeze, encode_update
from relayer.testing.prover import MemoryProver
from tests.unit.pipeline.road import Clock, Road, running_road, two_chains

LAG = 5


def states(road: Road, messages: list[Message]) -> list[str]:
    stories = [road.journal.story(each.id) for each in messages]
    return ["unknown" if story is None else story.state.value for story in stories]


def detail(road: Road, message: Message) -> str:
    story = road.journal.story(message.id)
    assert story is not None
    return str(story.waiting)


def trailing(chains: dict[str, MemoryChain], **terms: object) -> dict[str, MemoryProver]:
    """Chain a trails, the others do not."""
    return {
        name: MemoryProver(chain, lag=LAG, **terms) if name == "a" else MemoryProver(chain)  # type: ignore[arg-type]
        for name, chain in chains.items()
    }


def calls(chain: MemoryChain) -> Counter[bytes]:
    """Transactions of a chain by selector."""
    return Counter(transaction.data[:4] for transaction in chain.mined.values())


# --- waiting for finality ---


async def test_messages_go_both_ways_over_a_trailing_chain(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        there, back = road.send("a", "b", 3), road.send("b", "a", 2)
        await road.mine_until(lambda: road.is_confirmed([*there, *back]), blocks=60)
        story = road.journal.story(there[0].id)
        assert story is not None
        said = [step.state.value for step in story.steps]
        assert said == ["observed", "verified", "proven", "submitted", "included", "confirmed"]


async def test_what_waits_for_finality_is_shown_with_how_long(tmp_path: Path) -> None:
    """INV-10: hearsay in the journal, as n of m; INV-1: nothing is sent before the block is final."""
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine(LAG + 1)
        sent = road.send("a", "b", 2)
        await road.mine()
        assert states(road, sent) == ["observed", "observed"]
        block = chains["a"].ledger.blocks[-1].number
        assert detail(road, sent[0]) == (
            f"finality: 2 messages sent on a from block {block} on, waiting for finality (0 of 5 blocks)"
        )
        await road.mine(2)
        assert "(2 of 5 blocks)" in detail(road, sent[1])
        with road.journal.reading() as reading:
            from relayer.journal.queries import read_pending

            pending = read_pending(reading)
        assert [(each.sequence, each.waiting.reason) for each in pending] == [
            (0, WaitingReason.FINALITY),
            (1, WaitingReason.FINALITY),
        ]
        assert chains["b"].receipts == {}
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)
        assert road.pipeline.lanes[0].book.waiting is None


async def test_a_delivery_that_is_not_final_says_so(tmp_path: Path) -> None:
    """INV-10: the destination trails."""
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine(LAG + 1)
        sent = road.send("b", "a")
        await road.mine(4)
        assert states(road, sent) == ["included"]
        assert "delivered on a from block" in detail(road, sent[0])
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)


async def test_headers_are_only_looked_for_when_something_waits(tmp_path: Path) -> None:
    chains = two_chains()
    provers = trailing(chains)
    async with running_road(tmp_path, chains, provers=provers) as road:
        await road.mine(3)
        idle = provers["a"].looks
        await road.mine(10)
        assert provers["a"].looks == idle
        sent = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)
        assert provers["a"].looks > idle
        await road.mine(2)
        idle = provers["a"].looks
        await road.mine(10)
        assert provers["a"].looks == idle


async def test_a_reorganisation_before_finality_takes_messages_away_again(tmp_path: Path) -> None:
    """INV-1: what was shown was never believed; what takes its place is delivered."""
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine(LAG + 1)
        gone = road.send("a", "b", 2)
        await road.mine(2)
        assert states(road, gone) == ["observed", "observed"]
        chains["a"].reorganise(2)
        (other,) = [chains["a"].send(chains["b"], b"another")]
        await road.mine(3)
        assert states(road, gone) == ["unknown", "unknown"]
        assert states(road, [other]) == ["observed"]
        await road.mine_until(lambda: road.is_confirmed([other]), blocks=30)
        assert road.word("a", "b") == 1


async def test_what_is_gone_while_the_daemon_is_down_is_gone_from_the_journal(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine(LAG + 1)
        gone = road.send("a", "b", 2)
        await road.mine(2)
        assert states(road, gone) == ["observed", "observed"]
    chains["a"].reorganise(2)
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine(3)
        assert states(road, gone) == ["unknown", "unknown"]
        sent = road.send("a", "b", 2)
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)


async def test_a_restart_goes_on_where_finality_was_waited_for(tmp_path: Path) -> None:
    """INV-6."""
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine(LAG + 1)
        sent = road.send("a", "b", 2)
        await road.mine(2)
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)
        assert calls(chains["b"])[abi.DELIVER] == 1


async def test_somebody_elses_delivery_waits_for_finality_and_is_not_paid_again(tmp_path: Path) -> None:
    """What a provider shows on a trailing destination can't be judged by an older header."""
    chains = two_chains()
    other = tmp_path / "other"
    other.mkdir()
    slow = BatchSettings(max_wait_ms=3_600_000)
    async with running_road(tmp_path, chains, provers=trailing(chains), batch=slow) as road:
        await road.mine(LAG + 1)
        sent = road.send("b", "a", 3)
        await road.mine(2)
        async with running_road(other, chains, provers=trailing(chains)) as rival:
            await rival.mine(4)
            assert rival.word("b", "a") == 0b111
            paid = len(chains["a"].receipts)
            road.clock.advance(3_601)
            road.pipeline.lanes[1].wake()
            await road.settle(20)
            assert states(road, sent) == ["included"] * 3
            await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)
        assert len(chains["a"].receipts) == paid
        story = road.journal.story(sent[0].id)
        assert story is not None
        assert [step.state for step in story.steps].count(DeliveryState.INCLUDED) == 1


async def test_a_deadline_that_passes_before_finality_ends_the_message(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        await road.mine(LAG + 1)
        deadline = chains["a"].ledger.blocks[-1].timestamp + 1
        sent = road.send("b", "a", deadline=deadline)
        await road.mine_until(lambda: states(road, sent) == ["expired"], blocks=30)
        assert road.word("b", "a") == 0


async def test_transactions_are_followed_though_headers_can_not_be_had(tmp_path: Path) -> None:
    """The Beacon API is down, the execution chain is not."""
    chains = two_chains()
    provers = trailing(chains)
    async with running_road(tmp_path, chains, provers=provers) as road:
        await road.mine(LAG + 1)
        provers["a"].rejected_heights.update(range(200))
        sent = road.send("b", "a")
        await road.mine(5)
        assert states(road, sent) == ["included"]
        assert "rpc_trouble" in detail(road, sent[0])
        provers["a"].rejected_heights.clear()
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)


async def test_transactions_are_followed_though_the_chain_is_believed_no_more(tmp_path: Path) -> None:
    """Our own trust in its headers has expired; what was sent to it is still replaced, and its receipts are read."""
    chains = two_chains()
    provers = trailing(chains)
    async with running_road(tmp_path, chains, provers=provers) as road:
        await road.mine(LAG + 1)

        async def refuse(head: Head, *, wanted: bool = True) -> VerifiedHeader:
            raise ClientExpired("our own trusted header is too old", "a younger one")

        provers["a"].verify_head = refuse  # type: ignore[method-assign]
        sent = road.send("b", "a")
        await road.mine(5)
        assert states(road, sent) == ["included"]


async def test_a_header_whose_state_nodes_forgot_is_left_for_a_newer_one(tmp_path: Path) -> None:
    """Nodes keep the state of some hundred blocks; after a lull the last verified header is older."""
    chains = two_chains()
    provers = trailing(chains)
    async with running_road(tmp_path, chains, provers=provers) as road:
        first = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(first), blocks=30)
        header = road.pipeline.workers["a"].header
        assert header is not None
        provers["a"].forgets = header.number
        road.pipeline.workers["a"].nudge()
        road.pipeline.workers["a"].out_lanes[0].audited_at = -1_000.0
        await road.mine(3)
        newer = road.pipeline.workers["a"].header
        assert newer is not None
        assert newer.number > header.number
        second = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(second), blocks=30)


async def test_a_header_whose_proofs_the_destination_refuses_is_left_for_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer members signed it than that client asks for: nothing else need happen for the next one to be looked for."""
    chains = two_chains()
    monkeypatch.setattr(submit, "_FIRST_PAUSE_S", 0.01)
    refused: list[int] = []
    simulate = chains["b"].simulate_deliver
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:

        async def refuse(sender: Address, batch: bytes, proof: bytes, gas: int) -> SimulatedDelivery:
            header = road.pipeline.workers["a"].header
            assert header is not None
            refused.append(header.number)
            if header.number == refused[0]:
                raise CallReverted("ParticipationTooLow", {}, b"\x01")
            return await simulate(sender, batch, proof, gas)

        chains["b"].simulate_deliver = refuse  # type: ignore[method-assign]
        await road.mine(LAG + 1)
        sent = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=40)
        assert refused[-1] > refused[0]


# --- signers ---


async def test_new_signers_are_brought_at_once_by_one_update(tmp_path: Path) -> None:
    """The keeper hears of them with the header; its own timer is not what brings them."""
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        first = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(first), blocks=30)
        chains["a"].change_signers()
        second = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(second), blocks=30)
        assert calls(chains["b"])[abi.CLIENT_UPDATE] == 1
        assert road.pipeline.keepers["a", "b"].oldest_height > 0


async def test_no_update_is_paid_for_while_signers_stay(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains)) as road:
        for _ in range(3):
            sent = road.send("a", "b")
            await road.mine_until(lambda sent=sent: road.is_confirmed(sent), blocks=30)  # type: ignore[misc]
        assert calls(chains["b"])[abi.CLIENT_UPDATE] == 0


# --- anchors ---


async def test_several_batches_under_one_header_pay_for_its_signature_once(tmp_path: Path) -> None:
    """Two pages of one lane are two batches."""
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains, anchors=True)) as road:
        await road.mine(2)
        sent = road.send("a", "b", 300, gas_limit=10_000)
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 1
        assert calls(chains["b"])[abi.DELIVER] >= 2
        assert all(b"memory short" in data for data in _deliveries(chains["b"]))
        assert all(each.succeeded for each in chains["b"].receipts.values())


def _deliveries(chain: MemoryChain) -> list[bytes]:
    return [each.data for each in chain.mined.values() if each.data[:4] == abi.DELIVER]


async def test_lanes_of_one_source_and_destination_share_an_anchor(tmp_path: Path) -> None:
    chains = two_chains()
    channel = b"\x09" * 32
    lane = Lane(chains["a"].endpoint_id, chains["b"].endpoint_id, channel)
    for state in (chains["a"].pending, chains["a"].ledger.blocks[-1].state):
        state.lanes[lane.id] = MemoryLane()
    lanes = [ServedLane("a", "b", PUBLIC_CHANNEL), ServedLane("a", "b", channel)]
    async with running_road(tmp_path, chains, provers=trailing(chains, anchors=True), lanes=lanes) as road:
        await road.mine(2)
        sent = [*road.send("a", "b", 2), *road.send("a", "b", 2, channel=channel)]
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 1
        assert len(_deliveries(chains["b"])) == 2
        assert all(b"memory short" in data for data in _deliveries(chains["b"]))


async def test_a_lone_delivery_carries_its_signature(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains, anchors=True)) as road:
        await road.mine(2)
        for _ in range(2):
            sent = road.send("a", "b", 3)
            await road.mine_until(lambda sent=sent: road.is_confirmed(sent), blocks=40)  # type: ignore[misc]
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 0


async def test_an_anchor_that_somebody_replaced_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated first: a short proof whose anchor is gone is sent whole."""

    def shorten(self: Anchoring, height: Height, proof: bytes) -> bytes | None:
        # What the keeper believes to be anchored is not, as after somebody's newer anchor.
        return None if height <= self.refused else self.prover.to_anchored(height, proof)

    monkeypatch.setattr(Anchoring, "is_worth_it", lambda *_: False)
    monkeypatch.setattr(Anchoring, "shorten", shorten)
    chains = two_chains()
    async with running_road(tmp_path, chains, provers=trailing(chains, anchors=True)) as road:
        sent = road.send("a", "b", 300, gas_limit=10_000)
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=60)
        assert road.pipeline.keepers["a", "b"].anchoring.refused > 0
        assert all(each.succeeded for each in chains["b"].receipts.values())
        assert not any(b"memory short" in data for data in _deliveries(chains["b"]))


async def test_an_anchor_that_is_refused_holds_nothing_up(tmp_path: Path) -> None:
    chains = two_chains()
    provers = trailing(chains, anchors=True)
    provers["a"].anchor_for = lambda height: encode_anchor(99, height, 0)  # type: ignore[method-assign,arg-type]
    async with running_road(tmp_path, chains, provers=provers) as road:
        await road.mine(2)
        sent = road.send("a", "b", 300, gas_limit=10_000)
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 0


async def test_a_renewal_that_fails_does_not_hold_an_anchor_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_update(*_: object) -> tuple[bytes, ...]:
        raise Retryable("nothing to renew the client with", "an update")

    chains = two_chains()
    provers = trailing(chains, anchors=True)
    async with running_road(tmp_path, chains, provers=provers) as road:
        await road.mine(2)
        monkeypatch.setattr(LightClientTask, "_is_old", lambda *_: True)
        monkeypatch.setattr(provers["a"], "updates_for", no_update)
        sent = road.send("a", "b", 300, gas_limit=10_000)
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 1


# --- misbehaviour ---


async def test_misbehaviour_that_providers_show_freezes_the_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-7: looked for beside the work, at a bounded rate, and shown to every destination once."""
    monkeypatch.setattr(worker, "_WITNESS_S", 0.02)
    chains = {name: MemoryChain(name, 1001 + number) for number, name in enumerate("abc")}
    for first, second in ("ab", "ac", "bc"):
        join(chains[first], chains[second])
    provers = {name: MemoryProver(chain, witnesses=2) for name, chain in chains.items()}
    async with running_road(tmp_path, chains, provers=provers) as road:
        sent = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(sent))
        provers["a"].misbehaviour = encode_freeze(0)
        await road.settle(20)
        await road.mine(6)
        for name in "bc":
            assert calls(chains[name])[abi.CLIENT_FREEZE] == 1
            with road.journal.reading() as reading:
                row = road.pipeline.workers[name].row
                found = reading.transactions(TransactionRow(row) for row in range(1, 50))
            assert [each.purpose for each in found if each.chain == row].count(Purpose.FREEZE) == 1
            waiting = road.pipeline.keepers["a", name].waiting
            assert waiting is not None
            assert waiting.reason is WaitingReason.CLIENT_EXPIRED
            assert "frozen" in waiting.detail
        # The other chains' lanes go on.
        fine = road.send("b", "c")
        await road.mine_until(lambda: road.is_confirmed(fine))


async def test_a_client_that_does_not_know_who_signed_the_proof_yet_is_brought_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-7: a contradiction at the change of signers freezes the client too."""
    monkeypatch.setattr(worker, "_WITNESS_S", 0.02)
    chains = two_chains()
    provers = trailing(chains, witnesses=2)
    async with running_road(tmp_path, chains, provers=provers) as road:
        sent = road.send("a", "b")
        await road.mine_until(lambda: road.is_confirmed(sent), blocks=30)
        # Others seal the newest block, which is not final: our verified header is still of those that the client knows.
        chains["a"].change_signers()
        await road.mine(1)
        block = chains["a"].ledger.blocks[-1]

        async def updates_for(*_: object) -> tuple[bytes, ...]:
            return (encode_update(block.state.set_version, block.number, block.timestamp),)

        provers["a"].updates_for = updates_for  # type: ignore[method-assign,assignment]
        provers["a"].misbehaviour = encode_freeze(block.state.set_version)
        await road.settle(20)
        await road.mine(4)
        assert calls(chains["b"])[abi.CLIENT_UPDATE] == 1
        assert calls(chains["b"])[abi.CLIENT_FREEZE] == 1


async def test_a_proof_of_misbehaviour_that_no_client_accepts_costs_no_more_than_one_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_WITNESS_S", 0.02)
    chains = two_chains()
    provers = {name: MemoryProver(chain, witnesses=2) for name, chain in chains.items()}
    async with running_road(tmp_path, chains, provers=provers) as road:
        provers["a"].misbehaviour = encode_freeze(7)
        for _ in range(4):
            await road.mine(2)
            await road.settle(10)
        assert calls(chains["b"])[abi.CLIENT_UPDATE] <= 1
        assert calls(chains["b"])[abi.CLIENT_FREEZE] == 0


async def test_one_provider_alone_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_WITNESS_S", 0.01)
    chains = two_chains()
    provers = {name: MemoryProver(chain) for name, chain in chains.items()}
    provers["a"].misbehaviour = encode_freeze(0)
    async with running_road(tmp_path, chains, provers=provers, clock=Clock()) as road:
        await road.mine(3)
        assert calls(chains["b"])[abi.CLIENT_FREEZE] == 0
