# SPDX-License-Identifier: MIT
from __future__ import annotations

from itertools import compress

from hypothesis import given, settings
from hypothesis import strategies as st

from light_clients.bls import (
    GROUP_ORDER,
    PY_ECC,
    backend,
    committee,
    compress_g1,
    compress_g2,
    decompress_g1,
    decompress_g2,
)
from light_clients.errors import Rejection

secrets = st.integers(1, GROUP_ORDER - 1)
messages = st.binary(max_size=100)
FAST, REFERENCE = backend(), backend(PY_ECC)
KEY, SIGNATURE = FAST.secret_to_public(7).compressed, FAST.sign(7, b"")


@given(secrets)
def test_keys_come_back_from_their_coordinates(secret: int) -> None:
    key = FAST.secret_to_public(secret)
    assert compress_g1(key.xy) == key.compressed
    assert FAST.public_key(key.compressed) == key


@given(secrets, messages)
def test_signatures_come_back_from_their_coordinates(secret: int, message: bytes) -> None:
    signature = FAST.sign(secret, message)
    affine = FAST.signature_affine(signature)
    assert compress_g2(affine) == signature
    assert decompress_g2(signature) == affine


@settings(max_examples=15)
@given(messages)
def test_messages_are_the_same_points_by_both(message: bytes) -> None:
    assert FAST.hash_to_g2(message) == REFERENCE.hash_to_g2(message)


@settings(max_examples=15)
@given(secrets, messages)
def test_signatures_are_the_same_by_both(secret: int, message: bytes) -> None:
    signature = FAST.sign(secret, message)
    assert REFERENCE.sign(secret, message) == signature
    assert REFERENCE.signature_affine(signature) == FAST.signature_affine(signature)


def is_accepted(read: object, data: bytes) -> bool:
    assert callable(read)
    try:
        read(data)
    except Rejection:
        return False
    return True


# A random x is on the curve every other time, and hardly ever in the subgroup; flags are tried on good ones
# too.
altered_keys = st.builds(
    lambda first, rest: bytes((first,)) + rest,
    st.integers(0, 255),
    st.just(KEY[1:]) | st.binary(min_size=47, max_size=47),
)
altered_signatures = st.builds(
    lambda first, rest: bytes((first,)) + rest,
    st.integers(0, 255),
    st.just(SIGNATURE[1:]) | st.binary(min_size=95, max_size=95),
)


@settings(max_examples=60)
@given(altered_keys)
def test_both_take_the_same_bytes_for_keys(data: bytes) -> None:
    accepted = is_accepted(FAST.public_key, data)
    assert is_accepted(REFERENCE.public_key, data) is accepted
    if accepted:
        assert compress_g1(decompress_g1(data)) == data


@settings(max_examples=40)
@given(altered_signatures)
def test_both_take_the_same_bytes_for_signatures(data: bytes) -> None:
    accepted = is_accepted(FAST.signature_affine, data)
    assert is_accepted(REFERENCE.signature_affine, data) is accepted
    if accepted:
        assert compress_g2(decompress_g2(data)) == data


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 2**250), st.booleans()), min_size=1, max_size=12), messages, st.data()
)
def test_a_committee_has_signed_what_exactly_its_members_signed(
    seats: list[tuple[int, bool]], message: bytes, data: st.DataObject
) -> None:
    members = committee([FAST.secret_to_public(secret).compressed for secret, _ in seats])
    bits = [signed for _, signed in seats]
    # Too small for a sum to reach the group's order.
    total = sum(compress((secret for secret, _ in seats), bits))
    if total == 0:
        assert not members.verify(bits, message, FAST.sign(1, message))
        return
    signature = FAST.sign(total, message)
    assert members.verify(bits, message, signature)
    flipped = data.draw(st.integers(0, len(seats) - 1))
    others = [bit != (seat == flipped) for seat, bit in enumerate(bits)]
    assert not members.verify(others, message, signature)
