# SPDX-License-Identifier: MIT
"""The prover of proof-of-stake chains on simulated ones: rotation, catching up, missed finality, hostile nodes, misbehaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from light_clients.client import Height, Status, Timestamp
from light_clients.errors import ProofRejected, Rejection
from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.config import ForkName, Period, Slot
from light_clients.ethereum.containers import LightClientFinalityUpdate, LightClientUpdate
from light_clients.ethereum.params import EthereumParams
from relayer.chains.base import Address
from relayer.config import Bytes32, ChainConfig, SecretUrl
from relayer.consensus.base import DeliveryCost, VerifiedHeader
from relayer.consensus.ethereum.config import CheckpointConfig, EthereumConfig
from relayer.consensus.ethereum.local.misbehaviour import second_committee, second_finality
from relayer.consensus.ethereum.prover import EthereumProver, build_prover
from relayer.consensus.kind import ConfiguredChain
from relayer.consensus.registry import find_kind
from relayer.contracts import load
from relayer.errors import (
    ChainUnavailable,
    ClientExpired,
    ClientFrozen,
    ConfigError,
    MisbehaviourFound,
    NotFoundYet,
    RpcAnswerInvalid,
)
from tests.support.ethereum import (
    EMPTY_SLOT,
    GATEWAY,
    PERIOD,
    SPE,
    STATE,
    STORAGE_SLOT,
    Beacon,
    BeaconDestination,
    Execution,
    Node,
    World,
    make_destination,
    make_prover,
)
from tests.support.trie import AccountEntry, State

#: A checkpoint is final at this slot of a new world, and newer finality can be shown two slots into the next epoch.
CONFIRMED = 4 * SPE + 2
NEXT = 5 * SPE + 2


@pytest.fixture
def world() -> World:
    made = World()
    made.advance(CONFIRMED)
    made.keep_checkpoint()
    made.advance(NEXT)
    return made


def finalized(world: World) -> VerifiedHeader:
    """What the newest finality update shows, by the simulation's own word."""
    signed = world.chain.newest_signed
    assert signed is not None
    final = signed[2]
    assert final.execution is not None
    return VerifiedHeader(
        Height(final.execution.block_number),
        final.execution.block_hash,
        world.network.timestamp_at(final.slot),
        STATE.root,
    )


# --- following ---


async def test_the_newest_finalized_block_is_verified(world: World) -> None:
    """INV-1: finalized, whatever the head is."""
    prover = make_prover(world)
    verified = await prover.verify_head(world.head())
    assert verified == finalized(world)
    assert verified.number < world.head().number
    assert prover.client.state.finalized_slot == 3 * SPE


def test_finality_is_delayed_signatures_cost_much_and_may_fail_for_want_of_gas(world: World) -> None:
    """Two facts that a gas model and a retry hang on, and whose errors are those of the shipped contract."""
    prover = make_prover(world)
    assert prover.has_delayed_finality
    assert prover.signers == "members of the sync committee"
    assert prover.costs.first_base_gas > DeliveryCost().first_base_gas
    errors = {error.name for error in load(find_kind("ethereum").contract).errors.values()}
    assert prover.costs.gas_suspects
    assert prover.costs.gas_suspects <= errors


@pytest.mark.parametrize("missing", ["network", "bootstrap"])
def test_without_network_or_checkpoint_no_prover_is_built(world: World, missing: str) -> None:
    root, unused = Bytes32(b"\x07" * 32), SecretUrl("http://127.0.0.1:9")
    whole = EthereumConfig(
        beacon=(unused,), network="sepolia", bootstrap=CheckpointConfig(root=root, slot=8_203_648)
    )
    chain = ChainConfig(chain="eip155:1", rpc=(unused,), consensus=whole)
    beacon = Beacon([Node(world.chain)])
    assert build_prover(ConfiguredChain("eth", chain, whole), Execution(), beacon).witnesses == 1
    bare = msgspec.structs.replace(whole, **{missing: None})
    with pytest.raises(ConfigError, match=missing):
        build_prover(ConfiguredChain("eth", chain, bare), Execution(), beacon)


async def test_nothing_is_asked_where_nothing_waits(world: World) -> None:
    beacon = Beacon([Node(world.chain)])
    prover = make_prover(world, beacon)
    first = await prover.verify_head(world.head(), wanted=False)
    beacon.forget()
    world.advance(7 * SPE)
    assert await prover.verify_head(world.head(), wanted=False) == first
    assert "finality" not in beacon.asked
    newer = await prover.verify_head(world.head())
    assert newer.number > first.number
    assert beacon.asked.count("finality") == 1
    # Nor is it asked twice in one slot, at one head.
    await prover.verify_head(world.head())
    assert beacon.asked.count("finality") == 1


async def test_committees_are_followed_though_no_message_flows(world: World) -> None:
    beacon = Beacon([Node(world.chain)])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    beacon.forget()
    for slot in range(NEXT, 4 * PERIOD):
        world.advance(slot)
        await prover.verify_head(world.head(), wanted=False)
    assert prover.client.state.finalized_slot // PERIOD == 3
    assert prover.client.state.next_committee == world.chain.committee(Period(4)).hash_tree_root()
    assert "finality" not in beacon.asked
    # One request a period brings it, after those that come too early: never more than one an epoch.
    assert len(beacon.asked) <= 4 * PERIOD // SPE


@pytest.mark.parametrize("periods", [1, 3, 6])
async def test_missed_periods_are_caught_up_with(world: World, periods: int) -> None:
    """After downtime: every committee by the update of the period before it, in one request."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    state = prover.export_state()
    world.advance((periods + 1) * PERIOD + 3 * SPE)
    beacon = Beacon([Node(world.chain)])
    again = make_prover(world, beacon)
    again.import_state(state)
    verified = await again.verify_head(world.head())
    assert verified == finalized(world)
    assert again.client.state.finalized_slot // PERIOD == periods + 1
    assert sum(each.startswith("updates") for each in beacon.asked) <= 2
    assert "bootstrap" not in beacon.asked


@pytest.mark.parametrize(
    "forks",
    [
        [(ForkName.CAPELLA, 0), (ForkName.DENEB, 6)],
        [(ForkName.DENEB, 0), (ForkName.ELECTRA, 6)],
        [(ForkName.CAPELLA, 0), (ForkName.DENEB, 9), (ForkName.ELECTRA, 12), (ForkName.FULU, 15)],
    ],
)
async def test_forks_are_crossed_at_every_slot(forks: list[tuple[ForkName, int]]) -> None:
    world = World(forks)
    world.advance(CONFIRMED)
    world.keep_checkpoint()
    beacon = Beacon([Node(world.chain)])
    prover = make_prover(world, beacon)
    verified = None
    for slot in range(NEXT, 2 * PERIOD + 3 * SPE):
        world.advance(slot)
        verified = await prover.verify_head(world.head())
        await prover.prove(verified, GATEWAY, (STORAGE_SLOT,))
    assert verified == finalized(world)
    assert beacon.blamed == []


async def test_while_nothing_becomes_final_the_last_header_stays_and_says_so(world: World) -> None:
    prover = make_prover(world)
    first = await prover.verify_head(world.head())
    sent = world.head().number
    assert prover.describe_finality_wait(world.head(), sent) == "0 of about 24 slots"
    last = first
    for _ in range(4 * SPE):
        world.advance(world.slot + 1, votes=0.0)
        last = await prover.verify_head(world.head())
    assert first.number <= last.number < sent
    assert "32 of about 24 slots, which is late" in prover.describe_finality_wait(world.head(), sent)
    world.advance(world.slot + 4 * SPE)
    assert (await prover.verify_head(world.head())).number > sent
    assert "late" not in prover.describe_finality_wait(world.head(), world.head().number)


async def test_a_period_without_finality_of_its_own_stops_everything(world: World) -> None:
    """INV-7: no forced update, ever: what nobody finalized is not believed, whatever the time."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    world.advance(PERIOD + 2)
    await prover.verify_head(world.head())
    world.advance(3 * PERIOD + SPE, votes=0.0)
    state = prover.client.state
    with pytest.raises(NotFoundYet, match=r"sync committee of period 3 is not known.*newer checkpoint"):
        await prover.verify_head(world.head())
    assert prover.client.state == state


async def test_a_chain_that_stands_still_is_believed_where_it_stands(world: World) -> None:
    """By our clock committees are missing; nobody needs them."""
    beacon = Beacon([Node(world.chain)])
    prover = EthereumProver(Execution(), beacon, world.bootstrap(), lambda: world.now() + 9 * PERIOD * 2)
    assert await prover.verify_head(world.head()) == finalized(world)
    assert beacon.blamed == []


async def test_too_few_signers_are_not_believed_and_told(world: World) -> None:
    """INV-7: 21 of 32 are fewer than two thirds; 22 are enough."""
    prover = make_prover(world)
    before = await prover.verify_head(world.head())
    sent = world.head().number
    world.advance(7 * SPE, participation=21 / 32)
    assert await prover.verify_head(world.head()) == before
    assert "21 of 32 members" in prover.describe_finality_wait(world.head(), sent)
    world.advance(world.slot + 1, participation=22 / 32)
    newer = await prover.verify_head(world.head())
    assert newer.number > before.number
    assert "members" not in prover.describe_finality_wait(world.head(), sent)
    (proven,) = await prover.prove(newer, GATEWAY, (STORAGE_SLOT,))
    assert prover.client.storage_at(proven.proof, GATEWAY, STORAGE_SLOT, _now(world)).height == newer.number


async def test_a_threshold_above_two_thirds_is_held(world: World) -> None:
    prover = make_prover(world, threshold=30)
    before = await prover.verify_head(world.head())
    world.advance(7 * SPE, participation=29 / 32)
    assert await prover.verify_head(world.head()) == before


# --- where trust begins ---


async def test_another_checkpoint_than_the_operators_is_refused(world: World) -> None:
    """INV-7: whatever nodes say, trust begins at the confirmed root."""
    other = World(seed=b"other")
    other.advance(NEXT)
    root = world.checkpoint
    lying = Node(other.chain)
    lying.bootstrap = lambda _: other.chain.bootstrap(other.chain.finalized.root)  # type: ignore[method-assign,assignment,return-value]
    beacon = Beacon([lying, Node(world.chain)])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    assert beacon.blamed[0] == 0
    alone = make_prover(world, Beacon([lying]))
    with pytest.raises(ChainUnavailable, match="another block"):
        await alone.verify_head(world.head())
    assert root == world.checkpoint


async def test_a_checkpoint_that_nobody_has_is_not_found(world: World) -> None:
    prover = make_prover(world, checkpoint_root=b"\x11" * 32)
    with pytest.raises(NotFoundYet):
        await prover.verify_head(world.head())
    assert prover.export_state() == b""
    with pytest.raises(NotFoundYet):
        _ = prover.client


async def test_a_checkpoint_of_another_slot_than_was_told_is_refused(world: World) -> None:
    prover = make_prover(world, slot=Slot(world.checkpoint_slot + SPE))
    with pytest.raises(ChainUnavailable, match="another slot"):
        await prover.verify_head(world.head())


async def test_trust_that_is_too_old_is_none(world: World) -> None:
    """INV-7: weak subjectivity; a newer checkpoint is needed."""
    prover = make_prover(world, trusting_period_s=100, max_clock_drift_s=5)
    await prover.verify_head(world.head())
    world.advance(world.slot + 60)
    with pytest.raises(ClientExpired, match="newer checkpoint"):
        await prover.verify_head(world.head())


async def test_trust_does_not_run_out_while_nothing_waits(world: World) -> None:
    """Committees alone move it once a period, which is too seldom for a short trusting period."""
    beacon = Beacon([Node(world.chain)])
    prover = make_prover(world, beacon, trusting_period_s=100, max_clock_drift_s=5)
    await prover.verify_head(world.head())
    beacon.forget()
    passed = 2 * PERIOD
    for slot in range(NEXT + 1, NEXT + passed):
        world.advance(slot)
        await prover.verify_head(world.head(), wanted=False)
        assert prover.client.status(_now(world)) is Status.ACTIVE
    # Not at every head: only where trust has become old.
    assert 0 < beacon.asked.count("finality") <= passed // SPE


# --- hostile nodes ---


def _spoil(update: Any, **changes: Any) -> Any:
    return replace(update, **changes)


def _other_state(header: Any) -> Any:
    return replace(header, beacon=replace(header.beacon, state_root=b"\x66" * 32))


TAMPERED: list[Callable[[Any], Any]] = [
    lambda found: _spoil(found, finalized_header=_other_state(found.finalized_header)),
    lambda found: _spoil(found, attested_header=_other_state(found.attested_header)),
    lambda found: _spoil(found, signature_slot=Slot(found.signature_slot + PERIOD)),
    lambda found: _spoil(found, finality_branch=(b"\x01" * 32, *found.finality_branch[1:])),
    lambda found: _spoil(
        found, sync_aggregate=replace(found.sync_aggregate, sync_committee_signature=b"\xc0" + bytes(95))
    ),
    lambda found: _spoil(
        found,
        sync_aggregate=replace(
            found.sync_aggregate,
            sync_committee_bits=(False, *found.sync_aggregate.sync_committee_bits[1:]),
        ),
    ),
    lambda found: _spoil(
        found,
        finalized_header=replace(
            found.finalized_header,
            execution=replace(found.finalized_header.execution, state_root=b"\x13" * 32),
        ),
    ),
    lambda found: _spoil(found, signature_slot=Slot(found.signature_slot + 10_000)),
]


@pytest.mark.parametrize("number", range(len(TAMPERED)))
async def test_a_tampered_object_is_asked_of_the_next_node(world: World, number: int) -> None:
    """INV-5, INV-7: and without an honest node there is nothing."""

    def tamper(found: Any) -> Any:
        is_update = isinstance(found, (LightClientFinalityUpdate, LightClientUpdate))
        return TAMPERED[number](found) if is_update else found

    beacon = Beacon([Node(world.chain, tamper), Node(world.chain)])
    prover = make_prover(world, beacon)
    assert await prover.verify_head(world.head()) == finalized(world)
    assert set(beacon.blamed) == {0}
    alone = make_prover(world, Beacon([Node(world.chain, tamper)]))
    with pytest.raises((ChainUnavailable, NotFoundYet)):
        await alone.verify_head(world.head())
    assert alone.client.state.finalized_slot == world.checkpoint_slot


async def test_a_node_that_lags_is_not_a_liar(world: World) -> None:
    behind = World()
    behind.advance(4 * SPE)
    beacon = Beacon([Node(behind.chain), Node(world.chain)])
    prover = make_prover(world, beacon)
    assert await prover.verify_head(world.head()) == finalized(world)
    assert beacon.blamed == []


async def test_a_node_that_stands_still_does_not_hold_us_up(world: World) -> None:
    stuck = World()
    stuck.advance(NEXT)
    beacon = Beacon([Node(stuck.chain), Node(world.chain)])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    world.advance(world.slot + 2 * SPE)
    assert await prover.verify_head(world.head()) == finalized(world)
    assert beacon.blamed == []


async def test_another_networks_node_is_refused(world: World) -> None:
    other = World(seed=b"other")
    other.advance(NEXT)
    node = Node(other.chain)
    node.bootstrap = Node(world.chain).bootstrap  # type: ignore[method-assign]
    prover = make_prover(world, Beacon([node]))
    with pytest.raises((ChainUnavailable, NotFoundYet)):
        await prover.verify_head(world.head())


# --- proofs ---


async def test_proofs_are_those_that_the_client_accepts(world: World) -> None:
    """INV-5: inclusion and exclusion, on the very bytes that are sent; whole and short."""
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    found, absent = await prover.prove(header, GATEWAY, (STORAGE_SLOT, EMPTY_SLOT))
    assert (found.value, found.height, found.timestamp) == (b"\x99" * 32, header.number, header.timestamp)
    assert absent.value == bytes(32)
    data = prover.anchor_for(header.number)
    assert data is not None
    anchored = prover.client.anchor(data, _now(world))
    for proven in (found, absent):
        assert prover.client.storage_at(proven.proof, GATEWAY, proven.slot, _now(world)).value == proven.value
        short = prover.to_anchored(proven.height, proven.proof)
        assert short is not None
        assert len(short) < len(proven.proof) - 700
        assert anchored.storage_at(short, GATEWAY, proven.slot, _now(world)).value == proven.value
    assert prover.anchor_for(Height(header.number + 1)) is None
    assert prover.to_anchored(Height(header.number + 1), found.proof) is None
    assert prover.to_anchored(header.number, b"\x01" + found.proof[1:]) is None


async def test_a_proof_stays_short_though_its_header_is_signed_again() -> None:
    """The best update of a period may finalize the newest header too, by other signers than showed it first."""
    world = World()
    world.advance(CONFIRMED, participation=24 / 32)
    world.keep_checkpoint()
    world.advance(NEXT, participation=24 / 32)
    node = Node(world.chain)
    updates, node.updates = node.updates, lambda *_: ()  # type: ignore[method-assign]
    prover = make_prover(world, Beacon([node]))
    header = await prover.verify_head(world.head())
    (proven,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
    data, short = prover.anchor_for(header.number), prover.to_anchored(header.number, proven.proof)
    assert data is not None
    assert short is not None
    before = prover.client
    assert before.state.next_committee is None
    node.updates = updates  # type: ignore[method-assign]
    world.advance(NEXT + SPE)
    assert await prover.verify_head(world.head(), wanted=False) == header
    assert prover.client.state.next_committee is not None
    (best,) = updates(Period(0), 1)
    assert best.finalized_header.execution is not None
    assert best.finalized_header.execution.block_hash == header.hash
    assert best.sync_aggregate.participants == 32
    assert prover.to_anchored(header.number, proven.proof) == short
    (later,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
    assert prover.to_anchored(header.number, later.proof) == short
    anchored = prover.client.anchor(data, _now(world))
    assert anchored.storage_at(short, GATEWAY, STORAGE_SLOT, _now(world)).value == proven.value


async def test_a_proof_of_another_state_is_asked_of_the_next_provider(world: World) -> None:
    """INV-5."""
    other = State({GATEWAY: AccountEntry(storage={STORAGE_SLOT: b"\x66" * 32})})
    execution = Execution([other, STATE])
    prover = make_prover(world, execution=execution)
    header = await prover.verify_head(world.head())
    (proven,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
    assert proven.value == b"\x99" * 32
    assert execution.blamed == [0]
    execution.states = [other]
    with pytest.raises(ChainUnavailable):
        await prover.prove(header, GATEWAY, (STORAGE_SLOT,))


async def test_an_absent_account_is_never_an_empty_one(world: World) -> None:
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    with pytest.raises((ChainUnavailable, ProofRejected)):
        await prover.prove(header, Address(b"\x77" * 20), (STORAGE_SLOT,))


async def test_an_invented_verified_header_proves_nothing(world: World) -> None:
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    for lie in (replace(header, hash=b"\1" * 32), replace(header, number=Height(header.number - 1))):
        with pytest.raises(NotFoundYet):
            await prover.prove(lie, GATEWAY, (STORAGE_SLOT,))
    with pytest.raises(ChainUnavailable):
        await prover.prove(replace(header, state_root=b"\1" * 32), GATEWAY, (STORAGE_SLOT,))


# --- clients on destinations ---


async def test_a_client_is_read_as_its_contract_tells(world: World) -> None:
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    found = await prover.client_at(make_destination(world, prover), GATEWAY)  # type: ignore[arg-type]
    assert (found.status, found.height, found.current) == (Status.ACTIVE, 3 * SPE, True)
    assert found.timestamp == world.network.timestamp_at(Slot(3 * SPE))
    assert (found.proofs_from, found.anchored) == (header.number, 0)


async def test_a_client_needs_no_update_while_it_knows_who_signs(world: World) -> None:
    """Mainnet's gas: two periods go by one update."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    states = []
    for slot in range(NEXT, 3 * PERIOD + SPE, SPE // 2):
        world.advance(slot)
        destination.now = world.now()
        header = await prover.verify_head(world.head())
        found = await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
        if not found.current:
            updates = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
            destination.apply(updates)
            states.append((slot // PERIOD, len(updates)))
            found = await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
            assert found.current
        assert found.proofs_from <= header.number
        (proven,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
        destination.client.storage_at(proven.proof, GATEWAY, STORAGE_SLOT, _now(world))
    # Its own period and the next one are known from the start.
    assert states == [(2, 1), (3, 1)]


async def test_proofs_of_a_forgotten_committee_are_told(world: World) -> None:
    """What the seam calls `proofs_from`: the contract refuses older ones once it has moved on."""
    prover = make_prover(world)
    early = await prover.verify_head(world.head())
    (old,) = await prover.prove(early, GATEWAY, (STORAGE_SLOT,))
    destination = make_destination(world, prover)
    world.advance(PERIOD + 3)
    middle = await prover.verify_head(world.head())
    world.advance(2 * PERIOD + 3)
    newest = await prover.verify_head(world.head())
    destination.now = world.now()
    destination.apply(await prover.updates_for(destination, GATEWAY))  # type: ignore[arg-type]
    found = await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
    assert early.number < middle.number <= found.proofs_from <= newest.number
    with pytest.raises(Rejection):
        destination.client.storage_at(old.proof, GATEWAY, STORAGE_SLOT, _now(world))


async def test_a_client_that_was_away_gets_one_update_a_period(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    world.advance(5 * PERIOD + 4 * SPE)
    fresh = make_prover(world, Beacon([Node(world.chain)]))
    fresh.import_state(prover.export_state())
    await fresh.verify_head(world.head())
    destination.now = world.now()
    updates = await fresh.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert len(updates) == 4
    destination.apply(updates)
    assert (await fresh.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]


async def test_a_client_that_knows_no_next_committee_learns_it(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    committee = world.chain.committee(Period(0)).hash_tree_root()
    world.advance(PERIOD + 3 * SPE)
    await prover.verify_head(world.head())
    start = EthereumClient.bootstrap(prover.client.params, Slot(SPE), committee)
    destination = BeaconDestination(start, world.now())
    assert not (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]
    (update,) = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    destination.apply((update,))
    assert destination.client.state.next_committee is not None
    assert (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]


async def test_a_client_that_asks_for_more_signers_than_we_do_gets_an_update_by_so_many(world: World) -> None:
    """The update that we followed is not asked for again; a node's best one may have become better since."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    start = prover.client
    world.advance(PERIOD + 4 * SPE, participation=24 / 32)
    await prover.verify_head(world.head())
    strict = replace(start, params=replace(start.params, threshold=30))
    destination = BeaconDestination(strict, world.now())
    with pytest.raises(NotFoundYet, match="24 members"):
        await prover.best_update(Period(1), 30)
    world.advance(2 * PERIOD + 4 * SPE)
    await prover.verify_head(world.head())
    destination.now = world.now()
    destination.apply(await prover.updates_for(destination, GATEWAY))  # type: ignore[arg-type]
    assert (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]


async def test_a_known_committee_has_its_trust_renewed_by_the_newest_finality(world: World) -> None:
    beacon = Beacon([Node(world.chain)])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    world.advance(7 * SPE)
    destination.now = world.now()
    beacon.forget()
    # Nobody looked for a newer header meanwhile: the renewal does.
    (renewal,) = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert "finality" in beacon.asked
    destination.apply((renewal,))
    assert destination.client.state.finalized_slot == 4 * SPE
    assert await prover.updates_for(destination, GATEWAY) == ()  # type: ignore[arg-type]


async def test_a_renewal_never_leaves_a_client_without_the_next_committee(world: World) -> None:
    """Nodes keep one update a period: whoever moved past it in a new period could never learn the next committee."""
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    world.advance(PERIOD + 6 * SPE)
    await prover.verify_head(world.head())
    destination.now = world.now()
    assert (await prover.client_at(destination, GATEWAY)).current  # type: ignore[arg-type]
    destination.apply(await prover.updates_for(destination, GATEWAY))  # type: ignore[arg-type]
    assert destination.client.state.finalized_slot >= PERIOD
    assert destination.client.state.next_committee == world.chain.committee(Period(2)).hash_tree_root()


async def test_a_client_that_no_update_can_help_says_so(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    destination.now += 200_000
    with pytest.raises(ClientExpired):
        await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    state = replace(destination.client.state, frozen=True)
    destination.client = replace(destination.client, state=state)
    with pytest.raises(ClientFrozen):
        await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"genesis_validators_root": b"\x01" * 32}, "another network"),
        ({"genesis_time": 5}, "another network"),
        ({"slots_per_epoch": 32}, "another network"),
    ],
)
async def test_a_client_of_another_network_is_refused(
    world: World, change: dict[str, Any], message: str
) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    params = replace(destination.client.params, **change)
    destination.client = replace(destination.client, params=params)
    with pytest.raises(RpcAnswerInvalid, match=message):
        await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]


async def test_a_client_that_lacks_a_fork_is_refused_once_it_is_in_force() -> None:
    world = World([(ForkName.DENEB, 0), (ForkName.ELECTRA, 8)])
    world.advance(CONFIRMED)
    world.keep_checkpoint()
    world.advance(NEXT)
    prover = make_prover(world)
    await prover.verify_head(world.head())
    destination = make_destination(world, prover)
    params: EthereumParams = destination.client.params
    destination.client = replace(destination.client, params=replace(params, forks=params.forks[:1]))
    await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
    world.advance(8 * SPE)
    with pytest.raises(RpcAnswerInvalid, match="fork of epoch 8"):
        await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]


# --- misbehaviour ---


def _twin_of_newest(world: World) -> LightClientUpdate:
    signed = world.chain.newest_signed
    assert signed is not None
    return second_finality(world.chain, *signed)


async def test_two_finalized_headers_of_one_slot_are_evidence(world: World) -> None:
    """INV-7: whichever node shows the second one."""
    twin = _twin_of_newest(world)
    as_finality = LightClientFinalityUpdate(
        twin.attested_header,
        twin.finalized_header,
        twin.finality_branch,
        twin.sync_aggregate,
        twin.signature_slot,
    )
    liar = Node(
        world.chain, lambda found: as_finality if isinstance(found, LightClientFinalityUpdate) else found
    )
    beacon = Beacon([Node(world.chain), liar])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    data = await prover.look_for_misbehaviour()
    assert data is not None
    assert prover.client.freeze(data).state.frozen
    honest = make_prover(world, Beacon([Node(world.chain), Node(world.chain)]))
    assert await honest.look_for_misbehaviour() is None
    await honest.verify_head(world.head())
    assert await honest.look_for_misbehaviour() is None


async def test_two_next_committees_are_evidence(world: World) -> None:
    signed = world.chain.newest_signed
    assert signed is not None
    twin = second_committee(world.chain, *signed)
    liar = Node(world.chain, lambda found: twin if isinstance(found, LightClientUpdate) else found)
    prover = make_prover(world, Beacon([Node(world.chain), liar]))
    await prover.verify_head(world.head())
    data = await prover.look_for_misbehaviour()
    assert data is not None
    assert prover.client.freeze(data).state.frozen


async def test_the_second_header_found_while_following_stops_the_lane(world: World) -> None:
    signed = world.chain.newest_signed
    assert signed is not None
    node = Node(world.chain)
    prover = make_prover(world, Beacon([node]))
    await prover.verify_head(world.head())
    world.advance(NEXT + 1)
    twin = _twin_of_newest(world)
    as_finality = LightClientFinalityUpdate(
        twin.attested_header,
        twin.finalized_header,
        twin.finality_branch,
        twin.sync_aggregate,
        twin.signature_slot,
    )
    node.tamper = lambda found: as_finality if isinstance(found, LightClientFinalityUpdate) else found
    with pytest.raises(MisbehaviourFound) as found:
        await prover.verify_head(world.head())
    assert prover.client.freeze(found.value.freeze_data).state.frozen


def _tell_twin(world: World) -> Callable[[Any], Any]:
    """A node's answers in which the second header of the newest finalized slot takes the place of the first."""
    twin = _twin_of_newest(world)
    as_finality = LightClientFinalityUpdate(
        twin.attested_header,
        twin.finalized_header,
        twin.finality_branch,
        twin.sync_aggregate,
        twin.signature_slot,
    )

    def tell(found: Any) -> Any:
        if isinstance(found, LightClientFinalityUpdate):
            return as_finality
        return twin if isinstance(found, LightClientUpdate) else found

    return tell


@pytest.mark.parametrize("is_next_known", [True, False])
async def test_a_second_header_of_the_slot_that_was_trusted_before_a_restart_is_refused(
    world: World, is_next_known: bool
) -> None:
    """INV-7: no signature of the first is at hand, so it proves nothing yet; nor is it believed."""
    node = Node(world.chain)
    if not is_next_known:
        node.updates = lambda *_: ()  # type: ignore[method-assign]
    prover = make_prover(world, Beacon([node]))
    await prover.verify_head(world.head())
    assert (prover.client.state.next_committee is not None) == is_next_known
    beacon = Beacon([Node(world.chain, _tell_twin(world))])
    again = make_prover(world, beacon)
    again.import_state(prover.export_state())
    with pytest.raises(ChainUnavailable, match="another finalized header of slot 24"):
        await again.verify_head(world.head())
    assert beacon.blamed == [0]
    assert again.client == prover.client
    # Another node shows the first header with its signature: now it is evidence, to the audit and while following.
    beacon.nodes.append(Node(world.chain))
    beacon.nodes[0].tamper = lambda found: found
    data = await again.look_for_misbehaviour()
    assert data is not None
    assert again.client.freeze(data).state.frozen
    world.advance(world.slot + 1)
    with pytest.raises(MisbehaviourFound) as found:
        await again.verify_head(world.head())
    assert prover.client.freeze(found.value.freeze_data).state.frozen
    assert again.client == prover.client


async def test_contradictions_that_nobody_signed_are_no_evidence(world: World) -> None:
    twin = _twin_of_newest(world)
    unsigned = replace(
        twin, sync_aggregate=replace(twin.sync_aggregate, sync_committee_signature=b"\xc0" + bytes(95))
    )
    liar = Node(world.chain, lambda found: unsigned if isinstance(found, LightClientUpdate) else found)
    prover = make_prover(world, Beacon([Node(world.chain), liar]))
    await prover.verify_head(world.head())
    assert await prover.look_for_misbehaviour() is None


# --- state ---


async def test_state_goes_out_and_comes_back(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    state = prover.export_state()
    assert prover.export_state() is state
    beacon = Beacon([Node(world.chain)])
    again = make_prover(world, beacon)
    again.import_state(state)
    assert again.client == prover.client
    assert (await again.verify_head(world.head())) == finalized(world)
    assert "bootstrap" not in beacon.asked
    assert len(state) < 2 * 48 * 33 + 1_500


async def test_a_newer_checkpoint_wins_over_an_old_state(world: World) -> None:
    """An operator who writes a new root into the configuration is heard."""
    old = make_prover(world)
    await old.verify_head(world.head())
    state = old.export_state()
    world.advance(9 * SPE)
    world.keep_checkpoint()
    for slot in (None, world.checkpoint_slot):
        beacon = Beacon([Node(world.chain)])
        fresh = make_prover(world, beacon, slot=slot)
        fresh.import_state(state)
        world.advance(world.slot + 2 * SPE)
        await fresh.verify_head(world.head())
        assert "bootstrap" in beacon.asked
    # An older checkpoint, told with its slot, does not undo what was followed since.
    world.checkpoint, beacon = b"\x01" * 32, Beacon([Node(world.chain)])
    kept = make_prover(world, beacon, slot=Slot(SPE))
    kept.import_state(state)
    assert kept.client == old.client


@pytest.mark.parametrize("state", [b"\0", b"{}", b"\xff" * 40])
def test_what_is_no_state_is_refused(world: World, state: bytes) -> None:
    prover = make_prover(world)
    with pytest.raises(ValueError, match="state"):
        prover.import_state(state)


async def test_another_networks_state_is_refused(world: World) -> None:
    prover = make_prover(world)
    await prover.verify_head(world.head())
    elsewhere = replace(world.bootstrap(), network=replace(world.network, genesis_validators_root=b"\2" * 32))
    with pytest.raises(ValueError, match="genesis root"):
        EthereumProver(Execution(), Beacon([]), elsewhere, world.now).import_state(prover.export_state())


def test_rules_that_no_client_can_have_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="threshold"):
        make_prover(world, threshold=21)


def _now(world: World) -> Timestamp:
    return Timestamp(int(world.now()))
