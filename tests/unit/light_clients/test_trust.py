# SPDX-License-Identifier: MIT
"""INV-7: how long a client believes; and what every kind has in common around the anchor and the front of a
proof.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.client import Height, Status, StorageValue, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import (
    AnchorRejected,
    EncodingRejected,
    HeaderRejected,
    ProofRejected,
    TrustExpired,
    TrustFrozen,
)
from light_clients.trust import (
    Anchor,
    StorageClaim,
    TrustWindow,
    encode_claim,
    move_anchor,
    prove_by_anchor,
    read_claim,
)
from tests.support.trie import AccountEntry, State

TIME = Timestamp(1_700_000_000)
WINDOW = TrustWindow(TIME, trusting_period_s=1000, max_clock_drift_s=15, frozen=False)
ACCOUNT, SLOT, WORD = b"\xaa" * 20, bytes(32), (77).to_bytes(32, "big")
STATE = State({ACCOUNT: AccountEntry(1, 2, storage={SLOT: WORD})})
ANCHOR = Anchor(Height(9), TIME, STATE.root)


def after(seconds: int) -> Timestamp:
    return Timestamp(TIME + seconds)


def test_trust_ends_with_the_second_after_its_period() -> None:
    assert WINDOW.status(after(1000)) is Status.ACTIVE
    WINDOW.check_active(after(1000))
    assert WINDOW.status(after(1001)) is Status.EXPIRED
    with pytest.raises(TrustExpired, match=f"found {TIME + 1001}, expected at most {TIME + 1000}"):
        WINDOW.check_active(after(1001))


def test_frozen_is_frozen_at_any_time() -> None:
    frozen = replace(WINDOW, frozen=True)
    for now in (after(0), after(2000)):
        assert frozen.status(now) is Status.FROZEN
        with pytest.raises(TrustFrozen):
            frozen.check_active(now)
    with pytest.raises(TrustFrozen, match="frozen already"):
        frozen.check_not_frozen()
    WINDOW.check_not_frozen()


def test_a_header_may_be_ahead_by_the_drift_and_no_more() -> None:
    WINDOW.check_not_ahead(after(15), TIME)
    with pytest.raises(HeaderRejected, match="from the future"):
        WINDOW.check_not_ahead(after(16), TIME)


@pytest.mark.parametrize("anchored", [False, True])
def test_the_front_of_a_proof_is_read_back(anchored: bool) -> None:
    proof = STATE.prove(ACCOUNT, SLOT)
    cursor = Cursor(encode_claim(proof.storage, proof.account, ACCOUNT, SLOT, anchored=anchored) + b"rest")
    assert read_claim(cursor, ACCOUNT, SLOT) == StorageClaim(WORD, STATE.root, anchored)
    assert cursor.take(4) == b"rest"


def test_a_front_of_another_mode_or_shape_is_refused() -> None:
    proof = STATE.prove(ACCOUNT, SLOT)
    data = encode_claim(proof.storage, proof.account, ACCOUNT, SLOT, anchored=True)
    with pytest.raises(EncodingRejected, match="no known mode"):
        read_claim(Cursor(b"\x02" + data[1:]), ACCOUNT, SLOT)
    for end in range(1, len(data)):
        with pytest.raises(ProofRejected, match="cut short"):
            read_claim(Cursor(data[:end]), ACCOUNT, SLOT)


def test_an_anchor_vouches_for_its_own_root_alone() -> None:
    claim = StorageClaim(WORD, STATE.root, is_anchored=True)
    assert prove_by_anchor(ANCHOR, claim) == StorageValue(WORD, Height(9), TIME)
    with pytest.raises(AnchorRejected, match="another root"):
        prove_by_anchor(ANCHOR, claim._replace(state_root=bytes(32)))
    with pytest.raises(AnchorRejected, match="no anchor"):
        prove_by_anchor(None, claim)


def test_anchors_rise() -> None:
    assert move_anchor(None, ANCHOR) is ANCHOR
    higher = replace(ANCHOR, height=Height(10))
    assert move_anchor(ANCHOR, higher) is higher
    for low in (ANCHOR, replace(ANCHOR, height=Height(8))):
        with pytest.raises(AnchorRejected, match="expected more than 9"):
            move_anchor(ANCHOR, low)
    with pytest.raises(AnchorRejected, match="expected more than 0"):
        move_anchor(None, replace(ANCHOR, height=Height(0)))
