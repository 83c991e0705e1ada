# SPDX-License-Identifier: MIT
"""INV-7: the Ethereum client believes finalized headers only, of committees that it knows, in its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.client import Height, Status, Timestamp
from light_clients.errors import (
    AnchorRejected,
    HeaderRejected,
    MisbehaviourRejected,
    ProofRejected,
    Rejection,
    TrustExpired,
    TrustFrozen,
    UpdateRejected,
    ValidatorSetRejected,
)
from light_clients.ethereum.client import Anchor, EthereumClient, EthereumParams, WireFork, WireLayout
from light_clients.ethereum.config import Slot
from light_clients.proofs.compact import encode_account, encode_storage
from tests.support.beacon import Committee, Draft, Network, join, make_committee, signed_parts
from tests.support.trie import AccountEntry, State

PARAMS = EthereumParams(
    genesis_time=1_600_000_000,
    slot_duration_ms=2_500,
    slots_per_epoch=8,
    slots_per_period=64,
    committee_size=8,
    threshold=6,
    trusting_period_s=1000,
    max_clock_drift_s=10,
    genesis_validators_root=b"\x11" * 32,
    forks=(WireFork(0, b"\1\0\0\0", WireLayout.DENEB),),
)
NETWORK = Network(((0, b"\1\0\0\0", 3),), 8, b"\x11" * 32)
COMMITTEES = {period: make_committee(f"client {period}", 8) for period in range(8, 14)}
PERIOD, FIRST = 10, 640
ACCOUNT, SLOT, WORD = b"\xcc" * 20, b"\x01" * 32, b"\x2a".rjust(32, b"\0")
STATE = State({ACCOUNT: AccountEntry(1, 0, storage={SLOT: WORD}), b"\xdd" * 20: AccountEntry(3, 5)})
#: A time at which slots up to FIRST + 100 are past.
NOW = Timestamp(1_600_000_000 + (FIRST + 100) * 2_500 // 1000)


def make_client(slot: int = FIRST + 8, *, knows_next: bool = True) -> EthereumClient:
    known = COMMITTEES[PERIOD + 1].root if knows_next else None
    return EthereumClient.bootstrap(PARAMS, Slot(slot), COMMITTEES[PERIOD].root, known)


def sign(
    signature: int,
    finalized: int,
    *,
    shown: bytes | None = None,
    root: bytes | None = None,
    committee: Committee | None = None,
    number: int = 77,
    seed: str = "",
) -> bytes:
    draft = Draft(signature, signature - 1, finalized, (), shown, root, number, seed)
    return join(signed_parts(draft, committee or COMMITTEES[signature // 64], NETWORK))


def proof(*, anchored: bool = False) -> bytes:
    nodes = STATE.prove(ACCOUNT, SLOT)
    return bytes([anchored]) + encode_storage(SLOT, nodes.storage) + encode_account(ACCOUNT, nodes.account)


def test_a_word_is_proven_by_what_a_committee_signed() -> None:
    data = proof() + sign(FIRST + 20, FIRST + 15, root=STATE.root, number=99)
    found = make_client().storage_at(data, ACCOUNT, SLOT, NOW)
    assert (found.value, found.height) == (WORD, 99)
    # The finalized slot's time, in whole seconds: 655 slots of 2.5 s.
    assert found.timestamp == 1_600_000_000 + 1637


def test_older_finalized_headers_prove_too() -> None:
    data = proof() + sign(FIRST + 3, FIRST - 9, root=STATE.root)
    assert make_client().storage_at(data, ACCOUNT, SLOT, NOW).value == WORD


def test_a_proof_of_another_state_is_not_signed() -> None:
    data = proof() + sign(FIRST + 20, FIRST + 15, root=b"\x01" * 32)
    with pytest.raises(Rejection, match="signature does not hold"):
        make_client().storage_at(data, ACCOUNT, SLOT, NOW)


def test_an_absent_account_is_no_zero() -> None:
    with pytest.raises(ProofRejected):
        encode_account(b"\xee" * 20, STATE.prove(b"\xee" * 20, SLOT).account)


@pytest.mark.parametrize("shift", [0, 1])
def test_signatures_may_be_ahead_by_the_drift(shift: int) -> None:
    client, signature = make_client(), FIRST + 20
    now = Timestamp(PARAMS.timestamp_at(signature) - 10 - shift)
    data = sign(signature, FIRST + 15)
    if shift:
        with pytest.raises(HeaderRejected, match="future"):
            client.update(data, now)
    else:
        assert client.update(data, now).state.finalized_slot == FIRST + 15


def test_trust_moves_within_its_period() -> None:
    after = make_client().update(sign(FIRST + 20, FIRST + 15), NOW)
    assert after.state == replace(make_client().state, finalized_slot=Slot(FIRST + 15))
    assert after.timestamp == 1_600_000_000 + 1637


@pytest.mark.parametrize("finalized", [FIRST + 8, FIRST + 7, FIRST, FIRST - 1])
def test_trust_moves_forward_only(finalized: int) -> None:
    with pytest.raises(UpdateRejected, match="nothing new"):
        make_client().update(sign(FIRST + 20, finalized), NOW)


def test_the_next_committee_is_learnt_once() -> None:
    """Where it is unknown, even by the header that is trusted already; afterwards it is known and cannot be
    another.
    """
    client, shown = make_client(knows_next=False), COMMITTEES[PERIOD + 1].root
    learnt = client.update(sign(FIRST + 20, FIRST + 8, shown=shown), NOW)
    assert learnt.state == replace(client.state, next_committee=shown)
    with pytest.raises(UpdateRejected, match="nothing new"):
        learnt.update(sign(FIRST + 20, FIRST + 8, shown=shown), NOW)
    with pytest.raises(UpdateRejected, match="not the known one"):
        learnt.update(sign(FIRST + 20, FIRST + 9, shown=b"\x01" * 32), NOW)
    assert learnt.update(sign(FIRST + 20, FIRST + 9, shown=shown), NOW).state.next_committee == shown
    assert learnt.update(sign(FIRST + 20, FIRST + 9), NOW).state.next_committee == shown


def test_older_headers_of_the_period_still_teach_the_next_committee() -> None:
    """Nodes show it in one update a period: moving trust past that one first must not end the client."""
    client, shown = make_client(knows_next=False), COMMITTEES[PERIOD + 1].root
    learnt = client.update(sign(FIRST + 20, FIRST + 2, shown=shown), NOW)
    assert learnt.state == replace(client.state, next_committee=shown)
    with pytest.raises(UpdateRejected, match="nothing new"):
        learnt.update(sign(FIRST + 20, FIRST + 2, shown=shown), NOW)
    with pytest.raises(UpdateRejected, match="nothing new"):
        client.update(sign(FIRST + 20, FIRST + 2), NOW)


def test_committees_rotate() -> None:
    start = FIRST + 64
    after = make_client().update(sign(start + 9, start + 1), NOW)
    assert after.state.committee == COMMITTEES[PERIOD + 1].root
    assert after.state.next_committee is None
    shown = COMMITTEES[PERIOD + 2].root
    at_once = make_client().update(sign(start + 9, start + 1, shown=shown), NOW)
    assert (at_once.state.committee, at_once.state.next_committee) == (COMMITTEES[PERIOD + 1].root, shown)
    with pytest.raises(HeaderRejected, match="period 12 is not known"):
        after.update(sign(start + 64, start + 60), Timestamp(NOW + 100))


def test_the_next_committee_may_finalize_this_period() -> None:
    """The first signatures of a period are for headers of the last one: no rotation yet."""
    after = make_client().update(sign(FIRST + 64, FIRST + 60), NOW)
    assert after.state.committee == COMMITTEES[PERIOD].root
    assert after.state.next_committee == COMMITTEES[PERIOD + 1].root


@pytest.mark.parametrize("signature", [FIRST - 1, FIRST + 128, FIRST + 64])
def test_only_known_committees_count(signature: int) -> None:
    client = make_client(knows_next=signature != FIRST + 64)
    with pytest.raises(HeaderRejected, match="is not known"):
        client.update(sign(signature, signature - 5), NOW)


def test_each_period_has_its_own_committee() -> None:
    for signature, other in ((FIRST + 20, PERIOD + 1), (FIRST + 70, PERIOD)):
        data = sign(signature, FIRST + 15, committee=COMMITTEES[other])
        with pytest.raises(ValidatorSetRejected, match="not the trusted one"):
            make_client().update(data, NOW)


def test_anchors_rise_and_prove() -> None:
    client = make_client()
    with pytest.raises(AnchorRejected, match="no anchor"):
        client.storage_at(proof(anchored=True), ACCOUNT, SLOT, NOW)
    data = STATE.root + sign(FIRST + 20, FIRST + 15, root=STATE.root, number=99)
    after = client.anchor(data, NOW)
    assert after.state.anchor == Anchor(Height(99), Timestamp(1_600_001_637), STATE.root)
    found = after.storage_at(proof(anchored=True), ACCOUNT, SLOT, NOW)
    assert (found.value, found.height, found.timestamp) == (WORD, 99, 1_600_001_637)
    with pytest.raises(AnchorRejected, match="above"):
        after.anchor(data, NOW)
    other = after.anchor(b"\x09" * 32 + sign(FIRST + 21, FIRST + 16, root=b"\x09" * 32, number=100), NOW)
    with pytest.raises(AnchorRejected, match="another root"):
        other.storage_at(proof(anchored=True), ACCOUNT, SLOT, NOW)
    # As on chain, where height 0 says that there is none.
    with pytest.raises(AnchorRejected, match="above"):
        client.anchor(STATE.root + sign(FIRST + 20, FIRST + 15, root=STATE.root, number=0), NOW)


def test_an_anchor_says_which_root_was_signed() -> None:
    with pytest.raises(Rejection, match="signature does not hold"):
        make_client().anchor(b"\x02" * 32 + sign(FIRST + 20, FIRST + 15, root=STATE.root), NOW)


def test_two_finalized_headers_of_a_slot_freeze() -> None:
    client = make_client()
    one, other = sign(FIRST + 20, FIRST + 15, seed="one"), sign(FIRST + 30, FIRST + 15, seed="other")
    frozen = client.freeze(one + other)
    assert frozen.status(NOW) is Status.FROZEN
    with pytest.raises(TrustFrozen):
        frozen.update(one, NOW)
    with pytest.raises(TrustFrozen):
        frozen.freeze(one + other)
    for pair in (one + one, one + sign(FIRST + 30, FIRST + 16, seed="other")):
        with pytest.raises(MisbehaviourRejected):
            client.freeze(pair)


def test_two_next_committees_of_a_period_freeze() -> None:
    client, known = make_client(), COMMITTEES[PERIOD + 1].root
    one = sign(FIRST + 20, FIRST + 15, shown=known)
    other = sign(FIRST + 40, FIRST + 30, shown=b"\x03" * 32)
    assert client.freeze(one + other).state.frozen
    with pytest.raises(MisbehaviourRejected):
        client.freeze(one + sign(FIRST + 40, FIRST + 30, shown=known))
    with pytest.raises(MisbehaviourRejected):
        client.freeze(one + sign(FIRST + 70, FIRST + 66, shown=COMMITTEES[PERIOD + 2].root))


def test_misbehaviour_needs_both_signatures_and_no_clock() -> None:
    client = make_client()
    one = sign(FIRST + 100, FIRST + 90, seed="one")
    assert client.freeze(one + sign(FIRST + 101, FIRST + 90, seed="other")).state.frozen
    stranger = make_committee("stranger", 8)
    with pytest.raises(ValidatorSetRejected):
        client.freeze(one + sign(FIRST + 101, FIRST + 90, seed="other", committee=stranger))


def test_trust_expires_by_the_second_and_can_still_be_frozen() -> None:
    client = make_client()
    last = Timestamp(client.timestamp + 1000)
    assert client.status(last) is Status.ACTIVE
    assert client.status(Timestamp(last + 1)) is Status.EXPIRED
    with pytest.raises(TrustExpired):
        client.update(sign(FIRST + 20, FIRST + 15), Timestamp(last + 1))
    pair = sign(FIRST + 20, FIRST + 15, seed="one") + sign(FIRST + 20, FIRST + 15, seed="other")
    assert client.freeze(pair).state.frozen


@pytest.mark.parametrize("mode", [2, 255])
def test_proofs_are_of_a_known_mode(mode: int) -> None:
    data = bytes([mode]) + proof()[1:] + sign(FIRST + 20, FIRST + 15, root=STATE.root)
    with pytest.raises(Rejection, match="mode"):
        make_client().storage_at(data, ACCOUNT, SLOT, NOW)


def test_a_bootstrap_has_committees_and_a_fork() -> None:
    with pytest.raises(ValidatorSetRejected):
        EthereumClient.bootstrap(PARAMS, Slot(1), bytes(32))
    later = replace(PARAMS, forks=(WireFork(5, b"\1\0\0\0", WireLayout.DENEB),))
    with pytest.raises(HeaderRejected, match="first fork"):
        EthereumClient.bootstrap(later, Slot(39), b"\x01" * 32)
    EthereumClient.bootstrap(later, Slot(40), b"\x01" * 32)
