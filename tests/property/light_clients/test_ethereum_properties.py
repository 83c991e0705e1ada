# SPDX-License-Identifier: MIT
"""Sync-committee signatures on the wire, whatever the committee and whoever is absent (INV-7)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_clients.bls import backend
from light_clients.codec.merkle_branch import merkleize
from light_clients.cursor import Cursor
from light_clients.errors import PublicKeyRejected, Rejection
from light_clients.ethereum.committee_multiproof import encode_siblings, rebuild
from light_clients.ethereum.g1 import subtract
from light_clients.ethereum.params import EthereumParams, WireFork, WireLayout
from light_clients.ethereum.reader import read_signed
from tests.support.beacon import (
    Draft,
    Network,
    P,
    add,
    compress,
    join,
    make_committee,
    pack,
    seat,
    signed_parts,
    split,
    stray_points,
)

SIZE = 16
COMMITTEE = make_committee("properties", SIZE)
PARAMS = EthereumParams(
    0, 12_000, 8, 64, SIZE, 11, 1000, 10, bytes(32), (WireFork(0, b"\1\2\3\4", WireLayout.ELECTRA),)
)
NETWORK = Network(((0, b"\1\2\3\4", 4),), 8, bytes(32))
absentees = st.sets(st.integers(0, SIZE - 1), max_size=SIZE - PARAMS.threshold).map(
    lambda found: tuple(sorted(found))
)


@given(
    st.integers(0, 9).flatmap(
        lambda depth: st.tuples(st.just(depth), st.sets(st.integers(0, 2**depth - 1), min_size=1))
    )
)
def test_multiproofs_lead_to_the_root_and_waste_nothing(drawn: tuple[int, set[int]]) -> None:
    depth, chosen = drawn
    leaves = [place.to_bytes(32, "big") for place in range(2**depth)]
    places = sorted(chosen)
    siblings = encode_siblings(leaves, places)
    cursor = Cursor(siblings)
    nodes = [(place, leaves[place]) for place in places]
    assert rebuild(nodes, depth, lambda _level, _place: cursor.take(32)) == merkleize(leaves)
    cursor.finish()


@given(
    st.lists(
        st.sampled_from([*(seat(f"sum {i}").xy for i in range(6)), pack(stray_points(1)[0])]), max_size=8
    )
)
def test_taking_keys_away_is_what_adding_their_negatives_is(keys: list[bytes]) -> None:
    """By Jacobian coordinates and by affine ones, through doubling and infinity."""
    total = split(seat("sum 0").xy)
    expected: tuple[int, int] | None = total
    for x, y in map(split, keys):
        expected = add(expected, (x, P - y))
    if expected is None:
        with pytest.raises(PublicKeyRejected):
            subtract(pack(total), keys)
    else:
        assert subtract(pack(total), keys) == compress(pack(expected))


@settings(max_examples=60)
@given(absentees, st.integers(1, 2**63), st.integers(0, 300), st.integers(0, 300), st.text(max_size=3))
def test_whoever_is_absent_the_others_are_believed(
    absent: tuple[int, ...], slot: int, back: int, further: int, seed: str
) -> None:
    attested = max(slot - 1 - back, 0)
    draft = Draft(slot, attested, max(attested - further, 0), absent, seed=seed)
    signed = read_signed(Cursor(join(signed_parts(draft, COMMITTEE, NETWORK))), PARAMS)
    assert signed.committee == COMMITTEE.root
    signed.check_signature(backend())


@settings(max_examples=100)
@given(absentees, st.data())
def test_no_other_byte_is_believed(absent: tuple[int, ...], data: st.DataObject) -> None:
    """But the signature's slot: nobody signs it, and it may be any of the same period and fork."""
    wire = join(signed_parts(Draft(130, 129, 128, absent), COMMITTEE, NETWORK))
    at = data.draw(st.integers(0, len(wire) - 1).filter(lambda place: not 1 <= place < 9))
    changed = wire[:at] + bytes([wire[at] ^ data.draw(st.integers(1, 255))]) + wire[at + 1 :]
    cursor = Cursor(changed)
    try:
        signed = read_signed(cursor, PARAMS)
        cursor.finish()
        if signed.committee != COMMITTEE.root:
            return
        signed.check_signature(backend())
    except Rejection:
        return
    raise AssertionError(f"byte {at} of {len(wire)} may be another")
