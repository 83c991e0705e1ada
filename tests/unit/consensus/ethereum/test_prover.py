# SPDX-License-Identifier: MIT
"""The prover on simulated chains: following, missed finality, where trust begins, hostile nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from light_clients.client import Status
from light_clients.ethereum.config import ForkName, Period, Slot
from light_clients.ethereum.containers import LightClientFinalityUpdate, LightClientUpdate
from relayer.chains.base import Address
from relayer.config import Bytes32, ChainConfig, SecretUrl
from relayer.consensus.base import DeliveryCost, ProvenAccount
from relayer.consensus.ethereum.config import CheckpointConfig, EthereumConfig
from relayer.consensus.ethereum.prover import EthereumProver, build_prover
from relayer.consensus.kind import ConfiguredChain
from relayer.consensus.registry import find_kind
from relayer.contracts import load
from relayer.errors import (
    ChainUnavailable,
    ClientExpired,
    ConfigError,
    NotFoundYet,
)
from tests.support.ethereum import (
    CONFIRMED,
    GATEWAY,
    NEXT,
    PERIOD,
    SPE,
    STATE,
    STORAGE_SLOT,
    Beacon,
    Execution,
    Node,
    World,
    make_prover,
)
from tests.support.trie import AccountEntry, State

# --- following ----------------------------------------------------------------------------------------------


async def test_the_newest_finalized_block_is_verified(world: World) -> None:
    """INV-1: finalized, whatever the head is."""
    prover = make_prover(world)
    verified = await prover.verify_head(world.head())
    assert verified == world.finalized()
    assert verified.number < world.head().number
    assert verified.base_fee_wei == 7
    assert prover.client.state.finalized_slot == 3 * SPE


async def test_accounts_are_proven_at_the_finalized_block_whatever_one_provider_says(world: World) -> None:
    sender = Address(b"\x01" * 20)
    lie = State({sender: AccountEntry(nonce=1_000, balance=5)})
    source = Execution([lie, STATE])
    prover = EthereumProver(source, Beacon([Node(world.chain)]), world.bootstrap(), world.now)
    header = await prover.verify_head(world.head())
    assert await prover.prove_account(header, sender) == ProvenAccount(0, 5, header.number)
    assert source.blamed == [0]
    absent = Address(b"\x77" * 20)
    assert await prover.prove_account(header, absent) == ProvenAccount(0, 0, header.number)
    source.states.pop()
    with pytest.raises(ChainUnavailable):
        await prover.prove_account(header, sender)


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
    assert build_prover(ConfiguredChain("eth", chain, whole), Execution(), beacon).provider_count == 1
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
    assert verified == world.finalized()
    assert again.client.state.finalized_slot // PERIOD == periods + 1
    assert sum(name.startswith("updates") for name in beacon.asked) <= 2
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
    assert verified == world.finalized()
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
    assert await prover.verify_head(world.head()) == world.finalized()
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
    assert (
        prover.client.storage_at(proven.proof, GATEWAY, STORAGE_SLOT, world.timestamp).height == newer.number
    )


async def test_a_threshold_above_two_thirds_is_held(world: World) -> None:
    prover = make_prover(world, threshold=30)
    before = await prover.verify_head(world.head())
    world.advance(7 * SPE, participation=29 / 32)
    assert await prover.verify_head(world.head()) == before


# --- where trust begins -------------------------------------------------------------------------------------


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
        assert prover.client.status(world.timestamp) is Status.ACTIVE
    # Not at every head: only where trust has become old.
    assert 0 < beacon.asked.count("finality") <= passed // SPE


def test_rules_that_no_client_can_have_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="threshold"):
        make_prover(world, threshold=21)


# --- hostile nodes ------------------------------------------------------------------------------------------


def _other_state(header: Any) -> Any:
    return replace(header, beacon=replace(header.beacon, state_root=b"\x66" * 32))


TAMPERED: list[Callable[[Any], Any]] = [
    lambda found: replace(found, finalized_header=_other_state(found.finalized_header)),
    lambda found: replace(found, attested_header=_other_state(found.attested_header)),
    lambda found: replace(found, signature_slot=Slot(found.signature_slot + PERIOD)),
    lambda found: replace(found, finality_branch=(b"\x01" * 32, *found.finality_branch[1:])),
    lambda found: replace(
        found, sync_aggregate=replace(found.sync_aggregate, sync_committee_signature=b"\xc0" + bytes(95))
    ),
    lambda found: replace(
        found,
        sync_aggregate=replace(
            found.sync_aggregate,
            sync_committee_bits=(False, *found.sync_aggregate.sync_committee_bits[1:]),
        ),
    ),
    lambda found: replace(
        found,
        finalized_header=replace(
            found.finalized_header,
            execution=replace(found.finalized_header.execution, state_root=b"\x13" * 32),
        ),
    ),
    lambda found: replace(found, signature_slot=Slot(found.signature_slot + 10_000)),
]


@pytest.mark.parametrize("number", range(len(TAMPERED)))
async def test_a_tampered_object_is_asked_of_the_next_node(world: World, number: int) -> None:
    """INV-5, INV-7: and without an honest node there is nothing."""

    def tamper(found: Any) -> Any:
        is_update = isinstance(found, (LightClientFinalityUpdate, LightClientUpdate))
        return TAMPERED[number](found) if is_update else found

    beacon = Beacon([Node(world.chain, tamper), Node(world.chain)])
    prover = make_prover(world, beacon)
    assert await prover.verify_head(world.head()) == world.finalized()
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
    assert await prover.verify_head(world.head()) == world.finalized()
    assert beacon.blamed == []


async def test_a_node_that_stands_still_does_not_hold_us_up(world: World) -> None:
    stuck = World()
    stuck.advance(NEXT)
    beacon = Beacon([Node(stuck.chain), Node(world.chain)])
    prover = make_prover(world, beacon)
    await prover.verify_head(world.head())
    world.advance(world.slot + 2 * SPE)
    assert await prover.verify_head(world.head()) == world.finalized()
    assert beacon.blamed == []


async def test_another_networks_node_is_refused(world: World) -> None:
    other = World(seed=b"other")
    other.advance(NEXT)
    node = Node(other.chain)
    node.bootstrap = Node(world.chain).bootstrap  # type: ignore[method-assign]
    prover = make_prover(world, Beacon([node]))
    with pytest.raises((ChainUnavailable, NotFoundYet)):
        await prover.verify_head(world.head())
