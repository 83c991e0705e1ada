# SPDX-License-Identifier: MIT
"""The BFT prover on chains made up here: changing validators, lazy sealing, lying
providers, long absences.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from light_clients.bft.client import BftClient, BftParams, BftState, quorum, set_hash
from light_clients.bft.header import BftHeader, BftKind
from light_clients.bft.preimage import BftKinds, KindChange
from light_clients.client import Height, Status, Timestamp
from light_clients.errors import HeaderRejected, MisbehaviourRejected, Rejection, ValidatorSetRejected
from relayer.chains.base import Address, Call, Head
from relayer.chains.evm import abi
from relayer.consensus.base import DeliveryCost, ProvenAccount, VerifiedHeader
from relayer.consensus.bft.prover import BftBootstrap, BftProver
from relayer.errors import (
    ChainUnavailable,
    ClientExpired,
    ClientFrozen,
    MisbehaviourFound,
    NotFoundYet,
    RpcAnswerInvalid,
)
from tests.support.bft import CANCUN, Draft, Validator, validator, validators
from tests.support.providers import GATEWAY, SENDER, SLOT, STATE, Provider, Source
from tests.support.trie import AccountEntry, State

START = 1_700_000_000
EMPTY_SLOT = b"\x08" * 32


Sets = Sequence[Sequence[Validator]]


def make_chain(
    sets: Mapping[int, Sequence[Validator]],
    length: int,
    kind: BftKinds = BftKind.QBFT,
    sealers: Callable[[int, Sequence[Validator]], Sequence[Validator] | None] | None = None,
) -> dict[int, Draft]:
    """Blocks 1..length; `sets` says from which block on which validators are listed and seal."""
    blocks = {}
    members: Sequence[Validator] = ()
    for number in range(1, length + 1):
        members = sets.get(number, members)
        signed = members if sealers is None else sealers(number, members)
        blocks[number] = Draft(
            kind.at(number),
            members,
            signed,
            number=number,
            timestamp=START + number,
            state_root=STATE.root,
        )
    return blocks


def make_prover(
    source: Source,
    members: Sequence[Validator],
    kind: BftKinds = BftKind.QBFT,
    *,
    now: int = START + 10_000,
    period: int = 100_000,
) -> BftProver:
    bootstrap = BftBootstrap(
        kind,
        tuple(member.address for member in members),
        Height(1),
        Timestamp(START + 1),
        period,
        30,
    )
    return BftProver(source, bootstrap, clock=lambda: now)


def head_of(blocks: Mapping[int, Draft], number: int | None = None) -> Head:
    draft = blocks[max(blocks) if number is None else number]
    return Head(Height(draft.number), draft.block_hash(), draft.parent_hash, Timestamp(draft.timestamp))


FOUR = validators(4)


@pytest.mark.parametrize(
    ("tail", "base_fee_wei"),
    [((), None), ((b"",), 0), ((b"\x07", bytes(32)), 7), (CANCUN, int.from_bytes(CANCUN[0]))],
)
async def test_a_verified_header_tells_its_base_fee(
    tail: tuple[bytes, ...], base_fee_wei: int | None
) -> None:
    blocks = {5: replace(make_chain({1: FOUR}, 5)[5], tail=tail)}
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    assert (await prover.verify_head(head_of(blocks))).base_fee_wei == base_fee_wei


async def test_accounts_are_proven_by_the_next_provider_where_one_lies() -> None:
    """INV-5: a nonce that is too high would wedge the account, one too low would be signed twice."""
    blocks = make_chain({1: FOUR}, 5)
    later = State({SENDER: AccountEntry(nonce=1003, balance=5), GATEWAY: AccountEntry()})
    source = Source([Provider(blocks, later), Provider(blocks)])
    prover = make_prover(source, FOUR)
    header = await prover.verify_head(head_of(blocks))
    assert await prover.prove_account(header, SENDER) == ProvenAccount(3, 5, Height(5))
    assert source.blamed == [0]
    absent = Address(b"\x77" * 20)
    assert await prover.prove_account(header, absent) == ProvenAccount(0, 0, Height(5))
    with pytest.raises(ChainUnavailable):
        await make_prover(Source([Provider(blocks, later)]), FOUR).prove_account(header, SENDER)


@pytest.mark.parametrize("kind", list(BftKind))
async def test_a_head_is_verified_and_trust_moves(kind: BftKind) -> None:
    blocks = make_chain({1: FOUR}, 20, kind)
    prover = make_prover(Source([Provider(blocks)]), FOUR, kind)
    verified = await prover.verify_head(head_of(blocks))
    assert verified == VerifiedHeader(Height(20), blocks[20].block_hash(), Timestamp(START + 20), STATE.root)
    assert prover.client.state.height == 20
    # An older head of the same set is believed too, and trust does not move back.
    assert (await prover.verify_head(head_of(blocks, 5))).number == 5
    assert prover.client.state.height == 20


def test_a_sealed_block_is_final_and_no_error_of_its_client_hides_a_want_of_gas() -> None:
    prover = make_prover(Source([Provider({})]), FOUR)
    assert not prover.has_delayed_finality
    assert prover.signers == "validators"
    assert prover.costs == DeliveryCost()
    assert prover.costs.gas_suspects == frozenset()


async def test_a_head_that_nobody_has_is_not_found_yet() -> None:
    blocks = make_chain({1: FOUR}, 3)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    with pytest.raises(NotFoundYet):
        await prover.verify_head(replace(head_of(blocks), number=Height(10**9)))


@pytest.mark.parametrize(
    "forge",
    [
        lambda draft: replace(draft, sealers=FOUR[:2]),
        lambda draft: replace(draft, sealers=validators(4, 50)),
        lambda draft: replace(draft, sealers=[FOUR[0]] * 4),
        lambda draft: replace(draft, members=validators(4, 50), sealers=None),
        lambda draft: replace(draft, members=FOUR[:1], sealers=FOUR[:1]),
        lambda draft: replace(draft, members=[*FOUR[:2], validator("x")], sealers=[FOUR[0], validator("x")]),
        lambda draft: replace(draft, timestamp=START + 100_000),
        lambda draft: replace(draft, mix_hash=bytes(32)),
        lambda draft: replace(draft, members=[], sealers=[]),
    ],
)
async def test_a_forged_head_is_asked_of_the_next_provider(forge: Callable[[Draft], Draft]) -> None:
    """INV-5, INV-7: and without an honest provider there is no header at all."""
    honest = make_chain({1: FOUR}, 8)
    lying = {**honest, 8: forge(honest[8])}
    source = Source([Provider(lying), Provider(honest)])
    prover = make_prover(source, FOUR)
    try:
        verified = await prover.verify_head(head_of(honest))
    except NotFoundYet:
        # Where the lie could be a change of validators, it costs the liar a little, and the next time it is
        # not asked.
        source.blamed.append(0)
        verified = await prover.verify_head(head_of(honest))
    assert verified.hash == honest[8].block_hash()
    alone = make_prover(Source([Provider(lying)]), FOUR)
    with pytest.raises((ChainUnavailable, NotFoundYet, Rejection)):
        await alone.verify_head(head_of(lying))
    assert set_hash(alone.validators) == set_hash([validator.address for validator in FOUR])


def rotating(steps: int, start: int = 4, every: int = 3, seed: int = 1) -> dict[int, list[Validator]]:
    """Sets that change by one member each few blocks, growing and shrinking, order kept as a
    contract would not.
    """
    chances = random.Random(seed)
    members = validators(start)
    sets = {1: list(members)}
    fresh = start
    for step in range(1, steps + 1):
        if len(members) > 3 and chances.random() < 0.5:
            gone = chances.choice(members)
            members = [member for member in members if member is not gone]
        else:
            members = [*members, validator(fresh)]
            fresh += 1
        sets[1 + step * every] = list(members)
    return sets


def quorum_only(number: int, members: Sequence[Validator]) -> Sequence[Validator]:
    """Exactly a quorum seals, another one each block."""
    turn = number % len(members)
    return [*members[turn:], *members[:turn]][: quorum(len(members))]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("every", [3, 5, 11])
@pytest.mark.parametrize("kind", list(BftKind))
async def test_every_change_of_validators_is_followed(seed: int, every: int, kind: BftKind) -> None:
    """INV-7: from the first set to the last over 40 changes, by steps that the light client accepts
    one by one.
    """
    sets = rotating(40, seed=seed, every=every)
    length = max(sets) + 30
    blocks = make_chain(sets, length, kind, quorum_only)
    first, last = sets[1], sets[max(sets)]
    source = Source([Provider(blocks)])
    prover = make_prover(source, first, kind)
    verified = await prover.verify_head(head_of(blocks))
    assert verified.number == length
    assert prover.validators == tuple(member.address for member in last)
    assert prover.client.state.set_hash == set_hash(prover.validators)
    assert source.blamed == []


async def test_a_short_absence_is_one_update_and_a_long_one_several() -> None:
    sets = rotating(12, seed=3)
    blocks = make_chain(sets, max(sets) + 30, sealers=quorum_only)
    source = Source([Provider(blocks)])
    prover = make_prover(source, sets[1])
    await prover.verify_head(head_of(blocks))
    destination = Destination(BftKind.QBFT, sets[1], now=START + 500)
    updates = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert 2 <= len(updates) <= 12
    client = destination.client
    for update in updates:
        client = client.update(update, Timestamp(destination.now))
    assert client.state.set_hash == prover.client.state.set_hash
    # A client that trusts the newest set already has its trust renewed, in one step.
    destination = Destination(BftKind.QBFT, sets[max(sets)], now=START + 500, height=max(sets) + 1)
    (renewal,) = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert destination.client.update(renewal, Timestamp(destination.now)).state.height == max(blocks)


async def test_a_removal_waits_for_the_seals_that_are_missing() -> None:
    """4 → 3 needs 3 of the old 4, and a block carries only 2: the next one brings the third."""
    three = FOUR[:3]
    seals = {4: three[:2], 5: three[1:]}
    blocks = make_chain({1: FOUR, 4: three}, 5, sealers=seals.get)
    source = Source([Provider({number: blocks[number] for number in range(1, 5)})])
    prover = make_prover(source, FOUR)
    with pytest.raises(NotFoundYet, match="changes the validators"):
        await prover.verify_head(head_of(blocks, 4))
    source.providers[0].blocks = blocks
    assert (await prover.verify_head(head_of(blocks))).number == 5
    assert prover.validators == tuple(member.address for member in three)
    assert source.blamed == []


def sealed_differently(
    members: Sequence[Validator], sealers: Sequence[Sequence[Validator]]
) -> list[Provider[Draft]]:
    """One chain as several nodes keep it: five validators, and four of them from block 4 on."""
    providers = []
    for own in sealers:
        blocks = make_chain(
            {1: [*members, validator("leaving")], 4: members},
            24,
            sealers=dict.fromkeys(range(4, 25), own).get,
        )
        providers.append(Provider(blocks))
    return providers


async def test_the_seals_of_a_removal_are_gathered_from_every_provider() -> None:
    """5 → 4 needs all four that remain, a node keeps three of a block, and no two the same."""
    four = validators(4)
    members = [*four, validator("leaving")]
    providers = sealed_differently(four, [four[:3], four[1:], four[:3]])
    prover = make_prover(Source(providers), members)
    assert (await prover.verify_head(head_of(providers[0].blocks))).number == 24
    assert prover.validators == tuple(member.address for member in four)
    # So are those that a client on a destination needs.
    destination = Destination(BftKind.QBFT, members, now=START + 500)
    (update,) = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert destination.client.update(update, Timestamp(destination.now)).state.set_hash == set_hash(
        prover.validators
    )
    # One node alone will never do.
    alone = make_prover(Source(providers[:1]), members)
    with pytest.raises(NotFoundYet, match="All 4 that remain are needed"):
        await alone.verify_head(head_of(providers[0].blocks))


async def test_seals_of_another_round_or_of_nobody_are_not_gathered() -> None:
    """INV-5: nor do the seals of another block stand for this one's."""
    four = validators(4)
    providers = sealed_differently(four, [four[:3], four[1:]])
    honest = providers[1].blocks
    lies: list[Callable[[Draft], Draft]] = [
        lambda draft: replace(draft, round=1),
        lambda draft: replace(draft, state_root=b"\x13" * 32),
        lambda draft: replace(draft, sealers=four[:3], extra_seals=[validator("x").sign(draft.seal_hash())]),
    ]
    for lie in lies:
        providers[1].blocks = {n: lie(draft) if n >= 4 else draft for n, draft in honest.items()}
        prover = make_prover(Source([providers[0], providers[1]]), [*four, validator("leaving")])
        with pytest.raises((NotFoundYet, MisbehaviourFound)):
            await prover.verify_head(head_of(providers[0].blocks))


async def test_progress_is_kept_where_the_way_breaks_off() -> None:
    """What was reached once need not be walked again."""
    sets = rotating(20, seed=2)
    blocks = make_chain(sets, max(sets) + 10, sealers=quorum_only)
    # Nobody has the blocks in the middle, so the walk has to stop before them.
    target = head_of(blocks)
    gone = range(max(sets) // 2, max(blocks))
    source = Source([Provider({n: block for n, block in blocks.items() if n not in gone})])
    prover = make_prover(source, sets[1])
    with pytest.raises(NotFoundYet):
        await prover.verify_head(target)
    source.providers[0].blocks = blocks
    await prover.verify_head(target)
    assert prover.validators == tuple(member.address for member in sets[max(sets)])


async def test_a_liar_on_the_way_is_found_out() -> None:
    """A provider that invents validators which sealed each other leads nowhere, and is blamed."""
    sets = rotating(20, seed=4, every=5)
    honest = make_chain(sets, max(sets) + 300, sealers=quorum_only)
    invented = validators(4, 900)
    lying = {
        number: replace(draft, members=invented, sealers=invented) if 10 <= number < max(honest) else draft
        for number, draft in honest.items()
    }
    source = Source([Provider(lying), Provider(honest)])
    prover = make_prover(source, sets[1])
    for _ in range(10):
        try:
            await prover.verify_head(head_of(honest))
            break
        except NotFoundYet:
            continue
    assert prover.validators == tuple(member.address for member in sets[max(sets)])
    assert set(source.blamed) == {0}


# --- the protocol changes -----------------------------------------------------------------------------------

CHANGES = [
    KindChange(BftKind.IBFT2, BftKind.QBFT, 50),
    KindChange(BftKind.ISTANBUL, BftKind.QBFT, 50),
    KindChange(BftKind.QBFT, BftKind.ISTANBUL, 50),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("first", range(46, 54))
async def test_a_change_of_the_protocol_is_followed_with_whatever_changes_about_it(
    change: KindChange, first: int
) -> None:
    """INV-7: heads on both sides, proofs at them, and a removal that needs headers of both protocols."""
    three = FOUR[:3]
    blocks = make_chain(
        {1: FOUR, first: three},
        70,
        change,
        # The third of the old four that remain comes every second block.
        lambda number, members: (three[:2] if number % 2 else three[1:]) if members is three else None,
    )
    prover = make_prover(Source([Provider(blocks)]), FOUR, change)
    # Block `first` alone lacks the third seal of the old four.
    for number in sorted({first - 1, first + 1, 49, 50, 51, 70} - {first}):
        header = await prover.verify_head(head_of(blocks, number))
        assert header.hash == blocks[number].block_hash()
        (proven,) = await prover.prove(header, GATEWAY, (SLOT,))
        assert proven.value == b"\x99" * 32
    assert prover.validators == tuple(member.address for member in three)
    destination = Destination(change, FOUR, now=START + 500)
    (update,) = await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    assert destination.client.update(update, Timestamp(destination.now)).state.height > first


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_that_is_not_configured_stops_with_the_reason(change: KindChange) -> None:
    """INV-10: nobody is blamed for it, and it is told what helps."""
    blocks = make_chain({1: FOUR}, 60, change)
    source = Source([Provider(blocks)])
    prover = make_prover(source, FOUR, change.first)
    await prover.verify_head(head_of(blocks, 49))
    with pytest.raises(ClientExpired, match="blocks are sealed as") as caught:
        await prover.verify_head(head_of(blocks, 50))
    assert "postroad endpoint check" in str(caught.value)
    assert source.blamed == []
    # It is taken up where it stood once the configuration says so.
    again = make_prover(source, FOUR, change)
    again.import_state(prover.export_state())
    assert (await again.verify_head(head_of(blocks))).number == 60


async def test_a_provider_cannot_make_up_a_change_of_the_protocol() -> None:
    honest = make_chain({1: FOUR}, 8)
    strangers = validators(4, 50)
    for draft in (
        Draft(BftKind.IBFT2, strangers, number=8, timestamp=START + 8),
        Draft(BftKind.IBFT2, FOUR, FOUR[:2], number=8, timestamp=START + 8),
    ):
        source = Source([Provider({**honest, 8: draft}), Provider(honest)])
        verified = await make_prover(source, FOUR).verify_head(head_of(honest))
        assert (verified.hash, source.blamed) == (honest[8].block_hash(), [0])


@pytest.mark.parametrize("pauses", [[1], [5, 1], [1, 60, 3600], [0, 0, 7]])
async def test_blocks_may_come_at_any_pace(pauses: list[int]) -> None:
    """Besu's transitions of the block period, empty-block periods, several blocks a second: no pace is
    assumed.
    """
    blocks, at = make_chain({1: FOUR, 7: validators(5), 13: validators(6)}, 20), START
    for number in blocks:
        at += pauses[number % len(pauses)]
        blocks[number] = replace(blocks[number], timestamp=at)
    prover = make_prover(Source([Provider(blocks)]), FOUR, now=at, period=10_000_000)
    for number in (2, 8, 20):
        assert (await prover.verify_head(head_of(blocks, number))).timestamp == blocks[number].timestamp
    assert len(prover.validators) == 6


async def test_a_transition_of_the_validators_is_followed_while_two_thirds_remain() -> None:
    """Besu's `transitions` may replace the whole list at a block, without votes."""
    six = validators(6)
    followed = make_chain({1: six, 5: [*six[:4], *validators(3, 20)]}, 12)
    prover = make_prover(Source([Provider(followed)]), six)
    assert (await prover.verify_head(head_of(followed))).number == 12
    cut = make_chain({1: six, 5: [*six[:3], *validators(3, 20)]}, 12)
    prover = make_prover(Source([Provider(cut)]), six)
    with pytest.raises(NotFoundYet, match="Only 3 of them remain, so no update leads there"):
        await prover.verify_head(head_of(cut))


# --- proofs -------------------------------------------------------------------------------------------------


async def test_proofs_are_those_that_the_client_accepts() -> None:
    """INV-5: inclusion and exclusion, on the very bytes that are sent."""
    blocks = make_chain({1: FOUR}, 5)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    header = await prover.verify_head(head_of(blocks))
    found, absent = await prover.prove(header, GATEWAY, (SLOT, EMPTY_SLOT))
    assert (found.value, found.height, found.timestamp) == (b"\x99" * 32, 5, START + 5)
    assert absent.value == bytes(32)
    for proven in (found, absent):
        value = prover.client.storage_at(proven.proof, GATEWAY, proven.slot, Timestamp(START + 10))
        assert value.value == proven.value


async def test_a_proof_of_another_state_is_asked_of_the_next_provider() -> None:
    """INV-5: Erigon's neighbour answers with another block's proof."""
    blocks = make_chain({1: FOUR}, 5)
    other = State({GATEWAY: AccountEntry(storage={SLOT: b"\x66" * 32})})
    source = Source([Provider(blocks, other), Provider(blocks)])
    prover = make_prover(source, FOUR)
    header = await prover.verify_head(head_of(blocks))
    (proven,) = await prover.prove(header, GATEWAY, (SLOT,))
    assert proven.value == b"\x99" * 32
    assert source.blamed == [0]
    source.providers.pop()
    with pytest.raises(ChainUnavailable):
        await prover.prove(header, GATEWAY, (SLOT,))


async def test_an_absent_account_is_never_an_empty_one() -> None:
    blocks = make_chain({1: FOUR}, 5)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    header = await prover.verify_head(head_of(blocks))
    with pytest.raises((ChainUnavailable, Rejection)):
        await prover.prove(header, Address(b"\x77" * 20), (SLOT,))


async def test_an_invented_verified_header_proves_nothing() -> None:
    blocks = make_chain({1: FOUR}, 5)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    header = await prover.verify_head(head_of(blocks))
    for lie in (replace(header, hash=b"\1" * 32), replace(header, number=Height(4))):
        with pytest.raises((ChainUnavailable, Rejection)):
            await prover.prove(lie, GATEWAY, (SLOT,))


async def test_an_old_header_of_a_former_set_is_refused() -> None:
    blocks = make_chain({1: FOUR, 6: validators(5)}, 9)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    old = await prover.verify_head(head_of(blocks, 5))
    await prover.verify_head(head_of(blocks))
    with pytest.raises(ValidatorSetRejected):
        await prover.prove(old, GATEWAY, (SLOT,))


# --- misbehaviour -------------------------------------------------------------------------------------------


async def test_two_sealed_blocks_of_one_height_are_evidence() -> None:
    """INV-7: whichever provider shows the second one."""
    blocks = make_chain({1: FOUR}, 5)
    twin = replace(blocks[5], state_root=b"\x13" * 32)
    prover = make_prover(Source([Provider(blocks), Provider({**blocks, 5: twin})]), FOUR)
    data = await prover.look_for_misbehaviour(Height(5))
    assert data is not None
    assert prover.client.freeze(data).state.frozen
    assert prover.encode_freeze(blocks[5].rpc(), twin.rpc()) is not None
    assert await prover.look_for_misbehaviour(Height(4)) is None


async def test_the_second_block_found_while_following_stops_the_lane() -> None:
    blocks = make_chain({1: FOUR}, 5)
    source = Source([Provider(blocks)])
    prover = make_prover(source, FOUR)
    await prover.verify_head(head_of(blocks))
    twin = replace(blocks[5], state_root=b"\x13" * 32)
    source.providers[0].blocks = {**blocks, 5: twin}
    with pytest.raises(MisbehaviourFound) as found:
        await prover.verify_head(head_of({5: twin}))
    assert prover.client.freeze(found.value.freeze_data).state.frozen


@pytest.mark.parametrize(
    "second",
    [
        lambda draft: draft,
        lambda draft: replace(draft, round=3),
        lambda draft: replace(draft, number=6, timestamp=START + 6),
        lambda draft: replace(draft, state_root=b"\x13" * 32, sealers=FOUR[:2]),
        lambda draft: replace(draft, state_root=b"\x13" * 32, members=validators(4, 50), sealers=None),
        lambda draft: replace(draft, state_root=b"\x13" * 32, nonce=b"\1" * 8),
    ],
)
async def test_what_is_honest_or_believable_to_nobody_is_no_evidence(
    second: Callable[[Draft], Draft],
) -> None:
    blocks = make_chain({1: FOUR}, 5)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    assert prover.encode_freeze(blocks[5].rpc(), second(blocks[5]).rpc()) is None
    with pytest.raises((MisbehaviourRejected, Rejection)):
        prover.client.freeze(b"")


# --- clients on destinations --------------------------------------------------------------------------------


@dataclass
class Destination:
    """A chain that answers for one light client."""

    kinds: BftKinds
    members: Sequence[Validator]
    now: int
    height: int = 1
    period: int = 100_000
    frozen: bool = False
    told: tuple[int, int, int] | None = None

    @property
    def client(self) -> BftClient:
        state = BftState(
            set_hash([member.address for member in self.members]),
            Height(self.height),
            Timestamp(START + self.height),
            self.frozen,
        )
        return BftClient(BftParams(self.kinds, self.period, 30), state)

    async def head(self) -> Head:
        return Head(Height(9), bytes(32), bytes(32), Timestamp(self.now))

    async def call(self, call: Call, number: Height | None = None) -> bytes:
        assert number is None
        client = self.client
        state = client.state
        return {
            abi.CLIENT_STATUS: abi.encode_word(client.status(Timestamp(self.now))),
            abi.CLIENT_TRUSTED_STATE: state.set_hash
            + abi.encode_word(state.height)
            + abi.encode_word(state.timestamp)
            + abi.encode_word(int(state.frozen)),
            abi.CLIENT_KINDS: b"".join(map(abi.encode_word, self.told or self.kinds.arguments())),
            abi.CLIENT_TRUSTING_PERIOD: abi.encode_word(self.period),
            abi.CLIENT_MAX_CLOCK_DRIFT: abi.encode_word(30),
        }[call.data]


async def verified_prover(length: int = 20) -> BftProver:
    blocks = make_chain({1: FOUR}, length)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    await prover.verify_head(head_of(blocks))
    return prover


async def test_a_client_is_read_as_its_contract_tells() -> None:
    prover = await verified_prover()
    found = await prover.client_at(Destination(BftKind.QBFT, FOUR, START + 50, 7), GATEWAY)  # type: ignore[arg-type]
    assert (found.status, found.height, found.trusting_period_s, found.current) == (
        Status.ACTIVE,
        7,
        100_000,
        True,
    )
    other = await prover.client_at(Destination(BftKind.QBFT, FOUR[:3], START + 50), GATEWAY)  # type: ignore[arg-type]
    assert not other.current
    assert other.remarks == ()


async def test_a_client_that_lags_behind_a_change_tells_what_the_change_took() -> None:
    blocks = make_chain({1: FOUR, 5: FOUR[:3]}, 20)
    prover = make_prover(Source([Provider(blocks)]), FOUR)
    await prover.verify_head(head_of(blocks))
    lagging = await prover.client_at(Destination(BftKind.QBFT, FOUR, START + 50), GATEWAY)  # type: ignore[arg-type]
    (remark,) = lagging.remarks
    assert "changed the validators: the seals of 3 of the 4 trusted validators" in remark
    assert "All 3 that remain are needed" in remark
    following = await prover.client_at(Destination(BftKind.QBFT, FOUR[:3], START + 50), GATEWAY)  # type: ignore[arg-type]
    assert (following.current, following.remarks) == (True, ())


async def test_a_client_that_no_update_can_help_says_so() -> None:
    prover = await verified_prover()
    with pytest.raises(ClientFrozen):
        await prover.updates_for(Destination(BftKind.QBFT, FOUR, START + 50, frozen=True), GATEWAY)  # type: ignore[arg-type]
    with pytest.raises(ClientExpired):
        await prover.updates_for(Destination(BftKind.QBFT, FOUR, START + 500, period=100), GATEWAY)  # type: ignore[arg-type]


async def test_a_client_at_the_newest_header_needs_nothing() -> None:
    prover = await verified_prover()
    assert await prover.updates_for(Destination(BftKind.QBFT, FOUR, START + 50, height=20), GATEWAY) == ()  # type: ignore[arg-type]


async def test_a_client_of_the_other_protocol_is_refused() -> None:
    prover = await verified_prover()
    for kinds in (BftKind.IBFT2, KindChange(BftKind.QBFT, BftKind.IBFT2, 20)):
        destination = Destination(kinds, FOUR, START + 50)
        with pytest.raises(
            ClientExpired, match=r"reads the newest blocks as IBFT 2\.0, which are sealed as QBFT"
        ):
            await prover.client_at(destination, GATEWAY)  # type: ignore[arg-type]
        with pytest.raises(ClientExpired, match="postroad client replace"):
            await prover.updates_for(destination, GATEWAY)  # type: ignore[arg-type]
    ahead = Destination(KindChange(BftKind.QBFT, BftKind.IBFT2, 21), FOUR, START + 50)
    assert (await prover.client_at(ahead, GATEWAY)).current  # type: ignore[arg-type]


async def test_a_client_of_an_unknown_protocol_is_none() -> None:
    prover = await verified_prover()
    with pytest.raises(RpcAnswerInvalid, match="unknown protocol"):
        await prover.client_at(Destination(BftKind.QBFT, FOUR, START + 50, told=(3, 3, 0)), GATEWAY)  # type: ignore[arg-type]


async def test_a_client_whose_set_no_header_lists_cannot_be_updated() -> None:
    prover = await verified_prover()
    with pytest.raises(ChainUnavailable):
        await prover.updates_for(Destination(BftKind.QBFT, validators(4, 70), START + 50), GATEWAY)  # type: ignore[arg-type]


async def test_before_the_first_head_there_is_nothing_to_update_to() -> None:
    prover = make_prover(Source([Provider(make_chain({1: FOUR}, 3))]), FOUR)
    with pytest.raises(NotFoundYet):
        await prover.updates_for(Destination(BftKind.QBFT, FOUR, START + 50), GATEWAY)  # type: ignore[arg-type]


# --- state and time -----------------------------------------------------------------------------------------


async def test_state_goes_out_and_comes_back() -> None:
    sets = rotating(5)
    blocks = make_chain(sets, 40, sealers=quorum_only)
    source = Source([Provider(blocks)])
    prover = make_prover(source, sets[1])
    await prover.verify_head(head_of(blocks))
    again = make_prover(source, sets[1])
    again.import_state(prover.export_state())
    assert again.client == prover.client
    assert again.validators == prover.validators
    asked = source.providers[0].asked
    await again.verify_head(head_of(blocks))
    assert source.providers[0].asked == asked + 1


async def test_a_newer_bootstrap_wins_over_an_old_state() -> None:
    """An operator who writes new validators into the configuration is heard."""
    blocks = make_chain({1: FOUR}, 5)
    old = make_prover(Source([Provider(blocks)]), FOUR)
    state = old.export_state()
    five = validators(5)
    bootstrap = BftBootstrap(
        BftKind.QBFT,
        tuple(validator.address for validator in five),
        Height(9),
        Timestamp(START + 9),
        100_000,
        30,
    )
    fresh = BftProver(Source([Provider(blocks)]), bootstrap)
    fresh.import_state(state)
    assert fresh.client.state.height == 9


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"version":2,"validators":["' + b"11" * 20 + b'"],"height":1,"timestamp":1,"frozen":false}',
        b'{"version":1,"validators":[],"height":1,"timestamp":1,"frozen":false}',
        b'{"version":1,"validators":["zz"],"height":1,"timestamp":1,"frozen":false}',
        b'{"version":1,"validators":["' + b"11" * 20 + b'"],"height":0,"timestamp":1,"frozen":false}',
    ],
)
def test_what_is_no_state_is_refused(state: bytes) -> None:
    prover = make_prover(Source([Provider(make_chain({1: FOUR}, 2))]), FOUR)
    with pytest.raises(ValueError, match="state"):
        prover.import_state(state)
    assert prover.client.state.height == 1


async def test_after_the_trusting_period_only_a_new_bootstrap_helps() -> None:
    """INV-7."""
    blocks = make_chain({1: FOUR}, 5)
    prover = make_prover(Source([Provider(blocks)]), FOUR, now=START + 1_000, period=500)
    with pytest.raises(ClientExpired, match="bootstrap"):
        await prover.verify_head(head_of(blocks))


def test_headers_of_the_other_protocol_are_refused() -> None:
    block = make_chain({1: FOUR}, 1, BftKind.IBFT2)[1]
    with pytest.raises(HeaderRejected):
        BftHeader.from_rpc(block.rpc(), BftKind.QBFT)
