# SPDX-License-Identifier: MIT
"""INV-7: a light client never accepts a header below its quorum, after its trusting period, or once
frozen.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.client import BftClient, BftKind, BftParams, quorum, set_hash
from light_clients.bft.codec import (
    encode_anchor,
    encode_header,
    encode_misbehaviour,
    encode_proof,
)
from light_clients.client import Height, Status, StorageValue, Timestamp
from light_clients.errors import (
    AnchorRejected,
    EncodingRejected,
    HeaderRejected,
    MisbehaviourRejected,
    ProofRejected,
    QuorumNotReached,
    Rejection,
    TrustExpired,
    TrustFrozen,
    UpdateRejected,
    ValidatorSetRejected,
)
from tests.support.bft import Draft, Validator, validator, validators
from tests.support.trie import AccountEntry, State, keccak
from tests.support.wire import header_parts, join

KINDS = list(BftKind)
NOW = Timestamp(1_700_000_000)
PERIOD, DRIFT = 1000, 15
ACCOUNT, SLOT, WORD = b"\xaa" * 20, bytes(32), (77).to_bytes(32, "big")
STATE = State(
    {ACCOUNT: AccountEntry(1, 2, keccak(b"code"), {SLOT: WORD})}
    | {bytes([i]) * 20: AccountEntry(i) for i in range(9)}
)
FOUR = validators(4)


def client(members: list[Validator] | None = None, kind: BftKind = BftKind.QBFT) -> BftClient:
    return BftClient.bootstrap(
        BftParams(kind, PERIOD, DRIFT), [member.address for member in members or FOUR], Height(10), NOW
    )


def draft(**changes: object) -> Draft:
    made = Draft(BftKind.QBFT, FOUR, number=11, timestamp=NOW, state_root=STATE.root)
    return replace(made, **changes)  # type: ignore[arg-type]


def storage_proof(made: Draft, slot: bytes = SLOT) -> bytes:
    """A proof with all the seals that the draft has, be they a quorum or not."""
    proof = STATE.prove(ACCOUNT, slot)
    header = made.header()
    return encode_proof(proof.storage, proof.account, None, ACCOUNT, slot).replace(
        b"\x01", b"\x00", 1
    ) + encode_header(header, with_state_root=False, seals=header.sealers())


def sealed(made: Draft) -> bytes:
    """A header as in an update, with all the seals that the draft has."""
    return encode_header(made.header(), with_state_root=True, seals=made.header().sealers())


def link(trusted: list[Validator], new: list[Validator]) -> bytes:
    places = {member.address: i for i, member in enumerate(trusted)}
    indexes = bytes(places.get(member.address, 0xFF) for member in new)
    return (
        b"\x01" + bytes([len(trusted)]) + b"".join(m.address for m in trusted) + bytes([len(new)]) + indexes
    )


def update(*drafts: Draft, how: bytes = b"\x00") -> bytes:
    return bytes([len(drafts)]) + how + b"".join(map(sealed, drafts))


# --- bootstrap ----------------------------------------------------------------------------------------------


def test_bootstrap_trusts_a_set_at_a_height() -> None:
    state = client().state
    assert state.set_hash == set_hash([member.address for member in FOUR])
    assert (state.height, state.timestamp, state.frozen, state.anchor) == (10, NOW, False, None)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([], "empty"),
        ([bytes(20)], "zero address"),
        ([b"\x01" * 20, b"\x02" * 20, b"\x01" * 20], "listed twice"),
        ([b"\x01" * 19], "another length"),
    ],
)
def test_bootstrap_refuses_what_is_no_set(members: list[bytes], reason: str) -> None:
    with pytest.raises(ValidatorSetRejected, match=reason):
        BftClient.bootstrap(client().params, members, Height(10), NOW)


def test_bootstrap_refuses_block_0() -> None:
    with pytest.raises(HeaderRejected, match="block 0"):
        BftClient.bootstrap(client().params, [b"\x01" * 20], Height(0), NOW)


# --- quorum -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", range(1, 26))
def test_a_header_needs_its_quorum_exactly(n: int, kind: BftKind) -> None:
    """INV-7, at the boundary, for every size of set."""
    members = validators(n)
    trusting = client(members, kind)
    enough = draft(kind=kind, members=members, sealers=members[n - quorum(n) :])
    few = replace(enough, sealers=members[: quorum(n) - 1])
    assert trusting.storage_at(storage_proof(enough), ACCOUNT, SLOT, NOW).value == WORD
    assert trusting.update(update(enough), NOW).state.height == 11
    assert trusting.anchor(sealed(enough), NOW).state.anchor is not None
    trusting.check_header(enough.header(), NOW)
    for refused in (
        lambda: trusting.storage_at(storage_proof(few), ACCOUNT, SLOT, NOW),
        lambda: trusting.update(update(few), NOW),
        lambda: trusting.anchor(sealed(few), NOW),
        lambda: trusting.freeze(sealed(few) + sealed(replace(few, gas_used=1))),
        lambda: trusting.check_header(few.header(), NOW),
    ):
        with pytest.raises(QuorumNotReached):
            refused()


@pytest.mark.parametrize("n", range(1, 26))
def test_a_new_set_needs_a_quorum_of_the_trusted_one(n: int) -> None:
    """INV-7: one new member joins; the boundary is counted over the trusted members alone."""
    trusted, new = validators(n), [validator("new"), *validators(n)]
    needed = max(quorum(n), quorum(n + 1) - 1)
    enough = draft(members=new, sealers=new[: needed + 1])
    trusting = client(trusted)
    moved = trusting.update(update(enough, how=link(trusted, new)), NOW)
    assert moved.state.set_hash == set_hash([member.address for member in new])
    # Strangers alone can reach the new set's own quorum, and bring only quorum - 1 trusted seals.
    strangers = [validator(f"stranger {i}") for i in range(2 * n + 2)]
    declared = [*strangers, *trusted]
    few = draft(members=declared, sealers=[*strangers, *trusted[: quorum(n) - 1]])
    with pytest.raises(QuorumNotReached, match=f"found {quorum(n) - 1}, expected at least {quorum(n)}"):
        trusting.update(update(few, how=link(trusted, declared)), NOW)
    more = replace(few, sealers=[*strangers, *trusted[: quorum(n)]])
    assert trusting.update(update(more, how=link(trusted, declared)), NOW).state.height == 11


# --- proofs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_is_proven_present_and_absent(kind: BftKind) -> None:
    trusting = client(kind=kind)
    made = draft(kind=kind)
    assert trusting.storage_at(storage_proof(made), ACCOUNT, SLOT, NOW) == StorageValue(WORD, Height(11), NOW)
    absent = b"\x05" * 32
    found = trusting.storage_at(storage_proof(made, absent), ACCOUNT, absent, NOW)
    assert found == StorageValue(bytes(32), Height(11), NOW)


def test_older_headers_prove_too() -> None:
    made = draft(number=1, timestamp=NOW - 10**6)
    assert client().storage_at(storage_proof(made), ACCOUNT, SLOT, NOW).height == 1


def test_a_proof_is_of_its_account_and_slot_alone() -> None:
    proof = storage_proof(draft())
    with pytest.raises(HeaderRejected, match="seal 0"):
        client().storage_at(proof, b"\xab" * 20, SLOT, NOW)
    with pytest.raises(HeaderRejected, match="seal 0"):
        client().storage_at(proof, ACCOUNT, b"\x01" * 32, NOW)


def test_a_proof_has_nothing_left_over_and_a_known_mode() -> None:
    proof = storage_proof(draft())
    with pytest.raises(EncodingRejected, match="left over"):
        client().storage_at(proof + b"\x00", ACCOUNT, SLOT, NOW)
    with pytest.raises(EncodingRejected, match="no known mode"):
        client().storage_at(b"\x02" + proof[1:], ACCOUNT, SLOT, NOW)
    with pytest.raises(EncodingRejected, match="cut short"):
        client().storage_at(b"", ACCOUNT, SLOT, NOW)


def test_every_truncation_of_a_proof_is_refused() -> None:
    proof = storage_proof(draft())
    for length in range(len(proof)):
        with pytest.raises((EncodingRejected, ProofRejected)):
            client().storage_at(proof[:length], ACCOUNT, SLOT, NOW)


def test_a_set_that_is_not_trusted_proves_nothing() -> None:
    """INV-7: a header declares its own set; an attacker with his own keys declares exactly those."""
    attackers = [validator(f"attacker {i}") for i in range(4)]
    for members in (attackers, FOUR[:3], [*FOUR, validator("x")], FOUR[::-1]):
        made = draft(members=members)
        with pytest.raises(ValidatorSetRejected, match="not the trusted one"):
            client().storage_at(storage_proof(made), ACCOUNT, SLOT, NOW)
        with pytest.raises(ValidatorSetRejected, match="not the trusted one"):
            client().check_header(made.header(), NOW)


def test_a_header_may_be_ahead_by_the_drift_and_no_more() -> None:
    trusting = client()
    at_limit = draft(timestamp=NOW + DRIFT)
    beyond = draft(timestamp=NOW + DRIFT + 1)
    trusting.storage_at(storage_proof(at_limit), ACCOUNT, SLOT, NOW)
    trusting.update(update(at_limit), NOW)
    trusting.anchor(sealed(at_limit), NOW)
    trusting.check_header(at_limit.header(), NOW)
    for refused in (
        lambda: trusting.storage_at(storage_proof(beyond), ACCOUNT, SLOT, NOW),
        lambda: trusting.update(update(beyond), NOW),
        lambda: trusting.anchor(sealed(beyond), NOW),
        lambda: trusting.check_header(beyond.header(), NOW),
    ):
        with pytest.raises(HeaderRejected, match="from the future"):
            refused()


def test_a_header_of_the_other_protocol_is_refused() -> None:
    with pytest.raises(HeaderRejected, match="other protocol"):
        client().check_header(draft(kind=BftKind.IBFT2).header(), NOW)


# --- status -------------------------------------------------------------------------------------------------


def test_status_turns_when_the_trusting_period_is_over() -> None:
    trusting = client()
    assert trusting.status(Timestamp(0)) is Status.ACTIVE
    assert trusting.status(Timestamp(NOW + PERIOD)) is Status.ACTIVE
    assert trusting.status(Timestamp(NOW + PERIOD + 1)) is Status.EXPIRED


def test_an_expired_client_believes_nothing() -> None:
    """INV-7."""
    late = Timestamp(NOW + PERIOD + 1)
    made = draft(timestamp=late)
    for refused in (
        lambda: client().storage_at(storage_proof(made), ACCOUNT, SLOT, late),
        lambda: client().update(update(made), late),
        lambda: client().anchor(sealed(made), late),
        lambda: client().check_header(made.header(), late),
    ):
        with pytest.raises(TrustExpired):
            refused()


def test_a_frozen_client_believes_nothing() -> None:
    """INV-7."""
    frozen = client().freeze(sealed(draft()) + sealed(draft(gas_used=1)))
    assert frozen.status(NOW) is frozen.status(Timestamp(NOW + PERIOD + 1)) is Status.FROZEN
    for refused in (
        lambda: frozen.storage_at(storage_proof(draft()), ACCOUNT, SLOT, NOW),
        lambda: frozen.update(update(draft()), NOW),
        lambda: frozen.anchor(sealed(draft()), NOW),
        lambda: frozen.freeze(sealed(draft()) + sealed(draft(gas_used=1))),
        lambda: frozen.check_header(draft().header(), NOW),
    ):
        with pytest.raises(TrustFrozen):
            refused()


# --- updates ------------------------------------------------------------------------------------------------


def test_an_update_moves_height_and_time_and_keeps_the_rest() -> None:
    anchored = client().anchor(sealed(draft()), NOW)
    moved = anchored.update(update(draft(number=20, timestamp=NOW + 5)), NOW)
    assert (moved.state.height, moved.state.timestamp) == (20, NOW + 5)
    assert moved.state.set_hash == anchored.state.set_hash
    assert moved.state.anchor == anchored.state.anchor
    assert anchored.state.height == 10


def test_the_last_of_several_headers_becomes_trusted() -> None:
    drafts = [draft(number=11 + i, timestamp=NOW + i) for i in range(8)]
    assert client().update(update(*drafts), NOW).state.height == 18


@pytest.mark.parametrize(
    ("drafts", "reason"),
    [
        ([draft(number=10)], "the height does not ascend"),
        ([draft(number=9)], "the height does not ascend"),
        ([draft(number=12), draft(number=12)], "the height does not ascend"),
        ([draft(number=13), draft(number=12)], "the height does not ascend"),
        ([draft(timestamp=NOW - 1)], "the timestamp descends"),
        ([draft(timestamp=NOW + 2), draft(number=12, timestamp=NOW + 1)], "the timestamp descends"),
        ([draft(), draft(number=12, members=FOUR[:3])], "different sets"),
        ([draft(number=11 + i) for i in range(9)], "another number of headers"),
        ([], "another number of headers"),
        ([draft(members=FOUR[:3])], "not the trusted one"),
    ],
)
def test_updates_that_do_not_follow_are_refused(drafts: list[Draft], reason: str) -> None:
    with pytest.raises(Rejection, match=reason):
        client().update(update(*drafts), NOW)


def test_an_update_has_nothing_left_over_and_a_known_link() -> None:
    data = update(draft())
    with pytest.raises(EncodingRejected, match="left over"):
        client().update(data + b"\x00", NOW)
    with pytest.raises(EncodingRejected, match="no known kind"):
        client().update(data[:1] + b"\x02" + data[2:], NOW)
    for length in range(len(data)):
        with pytest.raises(Rejection):
            client().update(data[:length], NOW)


def test_every_header_of_an_update_needs_its_own_quorum() -> None:
    with pytest.raises(QuorumNotReached):
        client().update(update(draft(sealers=FOUR[:2]), draft(number=12)), NOW)


# --- set changes --------------------------------------------------------------------------------------------

FIVE = [*FOUR, validator("fifth")]


def test_a_new_set_becomes_trusted_and_the_old_one_not() -> None:
    moved = client().update(update(draft(members=FIVE), how=link(FOUR, FIVE)), NOW)
    later = draft(members=FIVE, number=12)
    assert moved.storage_at(storage_proof(later), ACCOUNT, SLOT, NOW).height == 12
    with pytest.raises(ValidatorSetRejected):
        moved.storage_at(storage_proof(draft(number=12)), ACCOUNT, SLOT, NOW)


def test_a_removal_needs_the_union_of_two_headers() -> None:
    """4 → 3: the new set's blocks are imported at 2 seals, and a quorum of the trusted 4 are 3."""
    three = FOUR[:3]
    one = draft(members=three, sealers=three[:2])
    other = draft(members=three, sealers=three[1:], number=12)
    how = link(FOUR, three)
    for single in (one, other):
        with pytest.raises(QuorumNotReached, match="found 2, expected at least 3"):
            client().update(update(single, how=how), NOW)
    assert client().update(update(one, other, how=how), NOW).state.height == 12


def test_the_same_sealers_twice_are_no_union() -> None:
    three = FOUR[:3]
    drafts = [draft(members=three, sealers=three[:2], number=11 + i) for i in range(2)]
    with pytest.raises(QuorumNotReached, match="found 2, expected at least 3"):
        client().update(update(*drafts, how=link(FOUR, three)), NOW)


def test_a_self_declared_set_is_refused() -> None:
    """INV-7: with a third of the trusted keys an attacker declares exactly those, and more of his own."""
    stolen = FOUR[:2]
    for declared in (stolen, [*stolen, validator("a"), validator("b"), validator("c")]):
        with pytest.raises(QuorumNotReached):
            client().update(update(draft(members=declared), how=link(FOUR, declared)), NOW)


def test_a_pure_reordering_is_a_new_set() -> None:
    turned = FOUR[::-1]
    moved = client().update(update(draft(members=turned), how=link(FOUR, turned)), NOW)
    assert moved.state.set_hash == set_hash([member.address for member in turned])


HOW = link(FOUR, FIVE)
END = 2 + 20 * 4


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (link(FOUR[:3], FIVE), "not the trusted one"),
        (link(FOUR[::-1], FIVE), "not the trusted one"),
        (b"\x01\x00" + b"\x05" + b"\xff" * 5, "not the trusted one"),
        (HOW[:END] + b"\x04\x00\x01\x02\x03", "of another set"),
        (HOW[:END] + b"\x06\x00\x01\x02\x03\xff\xff", "of another set"),
        (HOW[:END] + b"\x00", "of another set"),
        (HOW[:END] + b"\x05\x01\x00\x02\x03\xff", "names another validator"),
        (HOW[:END] + b"\x05\x00\x01\x02\x03\x03", "names another validator"),
        (HOW[:END] + b"\x05\x00\x00\x00\x00\x00", "names another validator"),
        (HOW[:END] + b"\x05\x00\x01\x02\x03\x04", "names another validator"),
        (HOW[:END] + b"\x05\x00\x01\x02\x03\xfe", "names another validator"),
        (HOW[:END] + b"\x05\xff\x01\x02\xff\xff", "too few"),
    ],
)
def test_links_that_do_not_hold_are_refused(how: bytes, reason: str) -> None:
    with pytest.raises(Rejection, match=reason):
        client().update(update(draft(members=FIVE), how=how), NOW)


def test_members_may_be_left_out_of_a_link_as_long_as_a_quorum_vouches() -> None:
    how = HOW[:END] + b"\x05\x00\x01\x02\xff\xff"
    assert client().update(update(draft(members=FIVE), how=how), NOW).state.height == 11


def test_a_link_to_the_trusted_set_itself_is_refused() -> None:
    with pytest.raises(UpdateRejected, match="the set is the trusted one"):
        client().update(update(draft(), how=link(FOUR, FOUR)), NOW)


@pytest.mark.parametrize(
    ("extra", "reason"), [(bytes(20), "zero address"), (FOUR[1].address, "listed twice")]
)
def test_a_new_set_with_a_zero_or_duplicate_member_is_refused(extra: bytes, reason: str) -> None:
    made = draft(members=[*FOUR, extra], sealers=FOUR)
    how = HOW[:END] + b"\x05\x00\x01\x02\x03\xff"
    with pytest.raises(ValidatorSetRejected, match=reason):
        client().update(b"\x01" + how + join(header_parts(made)), NOW)


# --- anchors ------------------------------------------------------------------------------------------------


def test_proofs_may_refer_to_an_anchor() -> None:
    proof = STATE.prove(ACCOUNT, SLOT)
    data = encode_proof(proof.storage, proof.account, None, ACCOUNT, SLOT)
    anchored = client().anchor(encode_anchor(draft(timestamp=NOW - 3).header()), NOW)
    assert anchored.storage_at(data, ACCOUNT, SLOT, NOW) == StorageValue(WORD, Height(11), Timestamp(NOW - 3))
    with pytest.raises(AnchorRejected, match="no anchor"):
        client().storage_at(data, ACCOUNT, SLOT, NOW)
    elsewhere = client().anchor(encode_anchor(draft(state_root=b"\x01" * 32).header()), NOW)
    with pytest.raises(AnchorRejected, match="another root"):
        elsewhere.storage_at(data, ACCOUNT, SLOT, NOW)
    with pytest.raises(EncodingRejected, match="left over"):
        anchored.storage_at(data + b"\x00", ACCOUNT, SLOT, NOW)
    with pytest.raises(TrustExpired):
        anchored.storage_at(data, ACCOUNT, SLOT, Timestamp(NOW + PERIOD + 1))


def test_anchors_ascend_and_may_lie_below_the_trusted_height() -> None:
    anchored = client().anchor(sealed(draft(number=5)), NOW)
    for number in (4, 5):
        with pytest.raises(AnchorRejected, match="above the last anchor"):
            anchored.anchor(sealed(draft(number=number)), NOW)
    again = anchored.anchor(sealed(draft(number=6)), NOW)
    assert again.state.anchor is not None
    assert again.state.anchor.height == 6
    with pytest.raises(EncodingRejected, match="left over"):
        client().anchor(sealed(draft()) + b"\x00", NOW)


# --- misbehaviour -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_two_blocks_of_one_height_freeze(kind: BftKind) -> None:
    one, other = draft(kind=kind), draft(kind=kind, beneficiary=b"\x01" * 20, sealers=FOUR[1:])
    assert client(kind=kind).freeze(encode_misbehaviour(one.header(), other.header())).state.frozen


@pytest.mark.parametrize("kind", KINDS)
def test_one_block_sealed_in_two_rounds_is_honest(kind: BftKind) -> None:
    one, other = draft(kind=kind), draft(kind=kind, round=1, sealers=FOUR[1:])
    with pytest.raises(MisbehaviourRejected, match="one block"):
        client(kind=kind).freeze(encode_misbehaviour(one.header(), other.header()))


def test_two_heights_are_honest() -> None:
    with pytest.raises(MisbehaviourRejected, match="two heights"):
        client().freeze(encode_misbehaviour(draft().header(), draft(number=12).header()))


def test_misbehaviour_of_another_set_or_below_quorum_does_not_count() -> None:
    others = validators(4, start=100)
    with pytest.raises(ValidatorSetRejected):
        client().freeze(sealed(draft()) + sealed(draft(members=others, gas_used=1)))
    with pytest.raises(QuorumNotReached):
        client().freeze(sealed(draft()) + sealed(draft(sealers=FOUR[:2], gas_used=1)))
    with pytest.raises(EncodingRejected, match="left over"):
        client().freeze(sealed(draft()) + sealed(draft(gas_used=1)) + b"\x00")


def test_an_expired_client_can_be_frozen_and_drift_does_not_matter() -> None:
    future = Timestamp(NOW + 10**9)
    pair = sealed(draft(timestamp=future)) + sealed(draft(timestamp=future, gas_used=1))
    assert client().freeze(pair).status(future) is Status.FROZEN
