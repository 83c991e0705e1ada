# SPDX-License-Identifier: MIT
"""The Clique prover on chains made up here: votes, epochs, signers that are down, other branches, lying
providers, long absences.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from light_clients.client import Height, Status, Timestamp
from light_clients.clique.client import CliqueClient, CliqueParams, CliqueState
from light_clients.clique.signers import set_hash
from light_clients.errors import Rejection
from relayer.chains.base import Call, Head
from relayer.chains.evm import abi
from relayer.consensus.base import ProvenAccount
from relayer.consensus.clique.prover import CliqueProver
from relayer.contracts import load
from relayer.errors import (
    ChainUnavailable,
    ClientExpired,
    ClientFrozen,
    MisbehaviourFound,
    NotFoundYet,
    RpcAnswerInvalid,
)
from tests.support.clique import ADD, DROP, Chain, Sealed, signer_keys
from tests.support.providers import GATEWAY, SENDER, SLOT, STATE, Provider, Source
from tests.support.trie import AccountEntry, State

START = 1_700_000_000
EPOCH = 30_000
KEYS = signer_keys(8)
THREE = sorted(KEYS)[:3]


@dataclass
class Made:
    """A chain from block 1 on; blocks by number."""

    chain: Chain
    blocks: dict[int, Sealed] = field(default_factory=dict)

    def grow(self, count: int, vote: tuple[bytes, bool] | None = None, down: Sequence[bytes] = ()) -> None:
        """Make more blocks. As go-ethereum has it, every signer votes in each block until it is decided."""
        snapshot = self.chain.snapshot
        for _ in range(count):
            number = self.chain.next.number
            free = [signer for signer in snapshot.may_seal() if signer not in down]
            turn = [signer for signer in free if snapshot.in_turn(number, signer)]
            signer = (turn or free)[0]
            draft = replace(self.chain.draft(signer), state_root=STATE.root)
            if vote is not None and number % snapshot.epoch and (vote[0] in snapshot.signers) != vote[1]:
                draft = replace(draft, beneficiary=vote[0], nonce=ADD if vote[1] else DROP)
            self.blocks[number] = self.chain.append(draft.seal(self.chain.keys[signer]))

    @property
    def head(self) -> Head:
        return self.head_at(max(self.blocks))

    def head_at(self, number: int) -> Head:
        block = self.blocks[number]
        time = Timestamp(block.draft.timestamp)
        return Head(Height(number), block.hash, block.draft.parent_hash, time)

    @property
    def signers(self) -> tuple[bytes, ...]:
        return tuple(self.chain.snapshot.signers)

    def branch(self) -> Made:
        """A chain of its own with the same past."""
        return copy.deepcopy(self)


def make(length: int, signers: Sequence[bytes] = THREE, epoch: int = EPOCH) -> Made:
    made = Made(Chain(random.Random(7), KEYS, signers, 1, epoch, START + 1))
    made.grow(length)
    return made


def make_prover(
    source: Source,
    signers: Sequence[bytes] = THREE,
    *,
    epoch: int = EPOCH,
    extra_depth: int = 0,
    now: int = START + 10_000,
    period: int = 100_000,
) -> CliqueProver:
    params = CliqueParams(epoch, extra_depth, period, 30)
    client = CliqueClient.bootstrap(params, sorted(signers), Height(1), Timestamp(START + 1))
    return CliqueProver(source, client, sorted(signers), clock=lambda: now)


# --- following ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "extra_depth", "depth"), [(1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 3, 6), (5, 0, 3)]
)
async def test_a_block_is_verified_when_more_than_half_of_the_signers_built_on_it(
    count: int, extra_depth: int, depth: int
) -> None:
    signers = sorted(KEYS)[:count]
    made = make(20, signers)
    prover = make_prover(Source([Provider(made.blocks)]), signers, extra_depth=extra_depth)
    assert prover.has_delayed_finality
    verified = await prover.verify_head(made.head)
    assert (verified.number, verified.hash) == (20 - depth, made.blocks[20 - depth].hash)
    assert verified.base_fee_wei == 7
    assert prover.client.state.height == 20 - depth
    text = prover.describe_finality_wait(made.head, Height(20))
    assert text.startswith(f"0 of {depth} blocks on it: more than half of {count} signers")
    assert "probable, never final" in text
    assert prover.describe_finality_wait(made.head, Height(20 - depth)) == ""


async def test_a_young_chain_says_how_many_blocks_it_takes() -> None:
    made = make(2)
    with pytest.raises(NotFoundYet, match="at least 3"):
        await make_prover(Source([Provider(made.blocks)])).verify_head(made.head)


async def test_a_reorganised_head_is_nobodys_fault() -> None:
    """INV-5: what was verified stays, and what comes is of the branch that the chain went on with."""
    made = make(10)
    source = Source([Provider(made.blocks)])
    prover = make_prover(source)
    first = await prover.verify_head(made.head)
    other = make(9)
    other.blocks = {number: made.blocks[number] for number in range(1, 10)}
    other.chain = copy.deepcopy(made.chain)
    # Blocks 1..9 are as before; 10 and on are others.
    other = replay(made, 9)
    other.chain.next = replace(other.chain.next, gas_used=1)
    other.grow(6)
    assert other.blocks[10].hash != made.blocks[10].hash
    source.providers[0].blocks = other.blocks
    verified = await prover.verify_head(other.head)
    assert (verified.number, verified.hash) == (13, other.blocks[13].hash)
    assert other.blocks[first.number].hash == first.hash
    assert source.blamed == []


def replay(made: Made, length: int) -> Made:
    """The first blocks of a chain, from which another branch can grow."""
    chain = Chain(random.Random(9), KEYS, THREE, 1, EPOCH, START + 1)
    again = Made(chain)
    for number in range(1, length + 1):
        block = made.blocks[number]
        chain.next = block.draft
        again.blocks[number] = chain.append(block)
    return again


async def test_a_reorganisation_below_a_verified_block_is_misbehaviour() -> None:
    """INV-7: more than half of the signers built on two blocks of one height, and both branches prove it."""
    made = make(10)
    source = Source([Provider(made.blocks)])
    prover = make_prover(source)
    await prover.verify_head(made.head)
    other = replay(made, 5)
    other.chain.next = replace(other.chain.next, gas_used=1)
    other.grow(8)
    source.providers[0].blocks = other.blocks
    with pytest.raises(MisbehaviourFound) as caught:
        await prover.verify_head(other.head)
    assert prover.client.freeze(caught.value.freeze_data).state.frozen
    # The same is found where only one of two providers shows it.
    both = Source([Provider(made.blocks), Provider(other.blocks)])
    watching = make_prover(both)
    await watching.verify_head(made.head)
    data = await watching.look_for_misbehaviour()
    assert data is not None
    assert watching.client.freeze(data).state.frozen


async def test_other_heads_are_no_misbehaviour() -> None:
    made = make(10)
    other = replay(made, 7)
    other.chain.next = replace(other.chain.next, gas_used=1)
    other.grow(2)
    prover = make_prover(Source([Provider(made.blocks), Provider(other.blocks)]))
    await prover.verify_head(made.head)
    assert await prover.look_for_misbehaviour() is None


async def test_a_forged_head_is_asked_of_the_next_provider() -> None:
    """INV-5, INV-7: strangers' blocks, or an invented root, are nobody's; without an honest provider there is
    no header at all.
    """
    honest = make(10)
    strangers = Made(Chain(random.Random(5), KEYS, sorted(KEYS)[4:7], 1, EPOCH, START + 1))
    strangers.grow(10)
    block = honest.blocks[8]
    invented = {**honest.blocks, 8: replace(block, draft=replace(block.draft, state_root=bytes(32)))}
    for lying in (strangers.blocks, invented):
        source = Source([Provider(lying), Provider(honest.blocks)])
        verified = await make_prover(source).verify_head(honest.head)
        assert verified.hash == honest.blocks[8].hash
        alone = make_prover(Source([Provider(lying)]))
        with pytest.raises((ChainUnavailable, NotFoundYet, Rejection)):
            await alone.verify_head(honest.head)
        assert alone.trusted_signers == tuple(THREE)


# --- changes of the signers ---------------------------------------------------------------------------------


async def changed_step_by_step(made: Made, prover: CliqueProver, blocks: int, **terms: Any) -> None:
    for _ in range(blocks):
        made.grow(1, **terms)
        verified = await prover.verify_head(made.head)
        assert verified.hash == made.blocks[verified.number].hash
        (slot,) = await prover.prove(verified, GATEWAY, (SLOT,))
        assert slot.value == b"\x99" * 32


async def settle(made: Made, prover: CliqueProver) -> None:
    """Go on until the prover trusts the chain's signers: by chance an earlier set has the same turns."""
    for _ in range(20):
        made.grow(1)
        verified = await prover.verify_head(made.head)
        assert verified.hash == made.blocks[verified.number].hash
        if prover.trusted_signers == made.signers:
            return
    raise AssertionError(prover.describe_finality_wait(made.head, Height(1)))


async def test_votes_are_followed_head_by_head_and_proofs_hold_all_the_time() -> None:
    """INV-5, INV-7: in, out, and down to one signer, which ordinary updates follow."""
    made = make(6)
    prover = make_prover(source := Source([Provider(made.blocks)]))
    joining, leaving = sorted(KEYS)[5], THREE[0]
    await changed_step_by_step(made, prover, 12, vote=(joining, True))
    await settle(made, prover)
    assert made.signers == tuple(sorted([*THREE, joining]))
    for gone in (leaving, joining, THREE[1]):
        await changed_step_by_step(made, prover, 12, vote=(gone, False))
        await settle(made, prover)
        assert gone not in prover.trusted_signers
        assert prover.trusted_signers == made.signers
    assert len(made.signers) == 1
    assert source.blamed == []


async def test_a_chain_goes_on_while_less_than_half_are_down() -> None:
    made = make(6, sorted(KEYS)[:5])
    prover = make_prover(Source([Provider(made.blocks)]), sorted(KEYS)[:5])
    await changed_step_by_step(made, prover, 12, down=sorted(KEYS)[:2])


@pytest.mark.parametrize("seed", range(4))
async def test_a_long_absence_is_made_up_by_votes(seed: int) -> None:
    """INV-7: many changes at once, each by a run that begins with its votes."""
    rng = random.Random(seed)
    made = make(6)
    prover = make_prover(source := Source([Provider(made.blocks)]))
    for _ in range(8):
        members = list(made.signers)
        add = len(members) < 3 or (len(members) < 7 and rng.random() < 0.5)
        candidate = rng.choice([key for key in KEYS if (key in members) != add])
        made.grow(rng.choice([20, 40, 90]), vote=(candidate, add))
    await settle(made, prover)
    assert source.blamed == []


async def test_votes_that_lie_too_far_apart_wait_for_the_next_epoch_block() -> None:
    """INV-6: and what was verified stays usable meanwhile."""
    made = make(6, epoch=600)
    prover = make_prover(Source([Provider(made.blocks)]), epoch=600)
    first = await prover.verify_head(made.head)
    joining = sorted(KEYS)[5]
    # Single votes, 300 blocks apart, as no node of go-ethereum casts them.
    made.grow(1, vote=(joining, True))
    made.grow(300)
    made.grow(1, vote=(joining, True))
    made.grow(12)
    assert joining in made.signers
    assert (await prover.verify_head(made.head)).hash == first.hash
    assert "can't be shown yet" in prover.describe_finality_wait(made.head, Height(290))
    assert "epoch block 600" in prover.describe_finality_wait(made.head, Height(290))
    (slot,) = await prover.prove(first, GATEWAY, (SLOT,))
    assert slot.height == first.number
    made.grow(600 - max(made.blocks) + 5)
    verified = await prover.verify_head(made.head)
    assert prover.trusted_signers == made.signers
    assert verified.number > 600


# --- clients on destinations --------------------------------------------------------------------------------


@dataclass
class Destination:
    """A chain that answers for one light client."""

    signers: Sequence[bytes]
    now: int = START + 5000
    height: int = 1
    timestamp: int = START + 1
    period: int = 100_000
    epoch: int = EPOCH
    extra_depth: int = 0
    frozen: bool = False

    @property
    def client(self) -> CliqueClient:
        state = CliqueState(
            set_hash(self.signers), Height(self.height), Timestamp(self.timestamp), frozen=self.frozen
        )
        return CliqueClient(CliqueParams(self.epoch, self.extra_depth, self.period, 30), state)

    async def head(self) -> Head:
        return Head(Height(9), bytes(32), bytes(32), Timestamp(self.now))

    async def call(self, call: Call, number: Height | None = None) -> bytes:
        assert number is None
        state = self.client.state
        contract = load("CliqueLightClient")
        return {
            abi.CLIENT_STATUS: abi.encode_word(self.client.status(Timestamp(self.now))),
            abi.CLIENT_TRUSTED_STATE: state.set_hash
            + abi.encode_word(state.height)
            + abi.encode_word(state.timestamp)
            + abi.encode_word(int(state.frozen)),
            contract.encode_call("epoch"): abi.encode_word(self.epoch),
            contract.encode_call("extraDepth"): abi.encode_word(self.extra_depth),
            abi.CLIENT_TRUSTING_PERIOD: abi.encode_word(self.period),
            abi.CLIENT_MAX_CLOCK_DRIFT: abi.encode_word(30),
        }[call.data]


async def changed_chain() -> tuple[Made, CliqueProver]:
    made = make(6)
    made.grow(14, vote=(sorted(KEYS)[5], True))
    made.grow(4)
    prover = make_prover(Source([Provider(made.blocks)]))
    await settle(made, prover)
    return made, prover


async def test_a_client_is_led_over_a_change_and_renewed_without_one() -> None:
    """INV-6: the updates that the destination's own client accepts."""
    made, prover = await changed_chain()
    destination = Destination(THREE)
    updates = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    client = destination.client
    for update in updates:
        client = client.update(update, Timestamp(destination.now))
    assert client.state.set_hash == set_hash(made.signers)
    current = Destination(made.signers, height=client.state.height, timestamp=client.state.timestamp)
    (renewal,) = await prover.updates_for(current, GATEWAY)  # type: ignore[arg-type]
    moved = current.client.update(renewal, Timestamp(current.now))
    assert moved.state.height == prover.client.state.height > client.state.height
    there = replace(current, height=moved.state.height, timestamp=moved.state.timestamp)
    assert await prover.updates_for(there, GATEWAY) == ()  # type: ignore[arg-type]


async def test_a_client_of_a_set_that_we_never_trusted_is_led_on_by_its_own_chain() -> None:
    """After a restart with a newer bootstrap its signers are found in the headers."""
    # Block 0 is the epoch block that the search begins at.
    genesis = replace(make(1).blocks[1].draft, number=0, listed=tuple(THREE), parent_hash=bytes(32)).seal(
        KEYS[THREE[0]]
    )
    relinked = Made(Chain(random.Random(7), KEYS, THREE, 1, EPOCH, START + 1), {0: genesis})
    relinked.chain.next = replace(relinked.chain.next, parent_hash=genesis.hash)
    relinked.grow(6)
    relinked.grow(14, vote=(sorted(KEYS)[5], True))
    relinked.grow(14)
    prover = make_prover(Source([Provider(relinked.blocks)]), relinked.signers)
    await prover.verify_head(relinked.head)
    destination = Destination(THREE, height=3)
    updates = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    client = destination.client
    for update in updates:
        client = client.update(update, Timestamp(destination.now))
    assert client.state.set_hash == set_hash(relinked.signers)


async def test_a_client_is_shown_with_its_depth_as_what_it_is() -> None:
    made, prover = await changed_chain()
    current = await prover.client_at(Destination(made.signers), GATEWAY)  # type: ignore[arg-type]
    assert (current.status, current.current) == (Status.ACTIVE, True)
    assert current.proofs_from > 6
    assert any("under 3 others" in remark and "never final" in remark for remark in current.remarks)
    lagging = await prover.client_at(Destination(THREE), GATEWAY)  # type: ignore[arg-type]
    assert (lagging.current, lagging.proofs_from) == (False, 0)
    assert any("counts their votes" in remark for remark in lagging.remarks)


async def test_a_client_of_other_rules_or_that_no_update_can_help_says_so() -> None:
    _, prover = await changed_chain()
    for strange in (Destination(THREE, epoch=99), Destination(THREE, extra_depth=1)):
        with pytest.raises(RpcAnswerInvalid, match="as configured"):
            await prover.client_at(strange, GATEWAY)  # type: ignore[arg-type]
    with pytest.raises(ClientFrozen):
        await prover.updates_for(Destination(THREE, frozen=True), GATEWAY)  # type: ignore[arg-type]
    with pytest.raises(ClientExpired):
        await prover.updates_for(Destination(THREE, period=100), GATEWAY)  # type: ignore[arg-type]


# --- proofs and state ---------------------------------------------------------------------------------------


async def test_proofs_and_accounts_are_verified_and_lies_cost_the_liar() -> None:
    """INV-5."""
    made = make(10)
    later = State({SENDER: AccountEntry(nonce=1003), GATEWAY: AccountEntry(storage={SLOT: b"\x01" * 32})})
    source = Source([Provider(made.blocks, later), Provider(made.blocks)])
    prover = make_prover(source)
    header = await prover.verify_head(made.head)
    (slot,) = await prover.prove(header, GATEWAY, (SLOT,))
    assert (slot.value, slot.height) == (b"\x99" * 32, header.number)
    assert source.blamed == [0]
    found = prover.client.storage_at(slot.proof, GATEWAY, SLOT, Timestamp(START + 10_000))
    assert found.value == slot.value
    assert await prover.prove_account(header, SENDER) == ProvenAccount(3, 5, header.number)
    with pytest.raises(ChainUnavailable):
        await make_prover(Source([Provider(made.blocks, later)])).prove(header, GATEWAY, (SLOT,))


async def test_a_state_is_exported_and_taken_over_unless_it_is_older_than_the_bootstrap() -> None:
    made, prover = await changed_chain()
    again = make_prover(Source([Provider(made.blocks)]))
    again.import_state(prover.export_state())
    assert again.trusted_signers == made.signers
    assert again.client.state == prover.client.state
    assert again.export_state() == prover.export_state()
    fresh = make_prover(Source([Provider(made.blocks)]))
    before = fresh.export_state()
    again.import_state(before)
    assert again.trusted_signers == made.signers
    for wrong in (
        b"",
        b"{}",
        before.replace(b"clique", b"bft"),
        before.replace(b'"version":1', b'"version":2'),
    ):
        with pytest.raises(ValueError, match="found a prover's state"):
            again.import_state(wrong)


async def test_an_own_client_that_is_too_old_says_what_to_do() -> None:
    made = make(6)
    prover = make_prover(Source([Provider(made.blocks)]), period=10)
    with pytest.raises(ClientExpired, match="bootstrap"):
        await prover.verify_head(made.head)
