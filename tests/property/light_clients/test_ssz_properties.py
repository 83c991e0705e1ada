# SPDX-License-Identifier: MIT
"""SSZ and JSON of light-client objects come back, and no two encodings mean the same."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from light_clients.codec.merkle_branch import compute_merkle_proof, is_valid_merkle_branch
from light_clients.codec.ssz import (
    Bitvector,
    ByteList,
    ByteVector,
    Container,
    SszType,
    Uint,
    Vector,
    Zeroable,
    merkleize,
)
from light_clients.errors import EncodingRejected
from light_clients.ethereum.config import MINIMAL, ForkName
from light_clients.ethereum.containers import LightClientBootstrap, LightClientUpdate
from light_clients.ethereum.ssz_object import SszObject
from tests.support.beacon_state import merkle

KINDS: tuple[type[SszObject], ...] = (LightClientUpdate, LightClientBootstrap)


def values(kind: SszType[Any]) -> st.SearchStrategy[Any]:
    """Any value of a type, absence among them where it has a meaning."""
    if isinstance(kind, Uint):
        return st.integers(0, (1 << 8 * kind.size) - 1)
    if isinstance(kind, ByteVector):
        return st.binary(min_size=kind.size, max_size=kind.size)
    if isinstance(kind, ByteList):
        return st.binary(max_size=kind.limit)
    if isinstance(kind, Bitvector):
        return st.integers(0, (1 << kind.length) - 1).map(
            lambda number: tuple(bool(number >> at & 1) for at in range(kind.length))
        )
    if isinstance(kind, Vector):
        # Few distinct elements: a committee of random keys would only slow the search down
        few = st.lists(values(kind.element), min_size=1, max_size=3)
        return few.map(lambda found: tuple(found[at % len(found)] for at in range(kind.length)))
    if isinstance(kind, Zeroable):
        return st.just(kind.absent) | values(kind.inner).filter(lambda found: found != kind.inner.default())
    if isinstance(kind, Container):
        return st.builds(kind.make, **{name: values(inner) for name, inner in kind.fields.items()})
    raise AssertionError(f"found {kind!r}")


forks = st.sampled_from(ForkName)
shapes = st.tuples(st.sampled_from(KINDS), forks)


@st.composite
def objects(draw: st.DrawFn) -> tuple[SszObject, ForkName]:
    kind, fork = draw(shapes)
    return draw(values(kind.ssz(fork, MINIMAL))), fork


@given(objects())
def test_objects_come_back(made: tuple[SszObject, ForkName]) -> None:
    value, fork = made
    kind = type(value)
    data = value.encode_ssz(fork, MINIMAL)
    assert kind.decode_ssz(data, fork, MINIMAL) == value
    assert kind.from_json(value.to_json(fork, MINIMAL), fork, MINIMAL) == value


@given(objects(), st.data())
def test_a_changed_encoding_never_means_the_same(
    made: tuple[SszObject, ForkName], draw: st.DataObject
) -> None:
    value, fork = made
    data = bytearray(value.encode_ssz(fork, MINIMAL))
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at] ^= draw.draw(st.integers(1, 255))
    with contextlib.suppress(EncodingRejected):
        other = type(value).decode_ssz(bytes(data), fork, MINIMAL)
        assert other != value
        assert other.encode_ssz(fork, MINIMAL) == bytes(data)


@given(shapes, st.binary(max_size=3000))
def test_bytes_are_either_the_one_encoding_or_refused(
    shape: tuple[type[SszObject], ForkName], data: bytes
) -> None:
    kind, fork = shape
    with contextlib.suppress(EncodingRejected):
        assert kind.decode_ssz(data, fork, MINIMAL).encode_ssz(fork, MINIMAL) == data


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=20), st.integers(0, 40))
def test_roots_are_those_of_another_implementation(chunks: list[bytes], spare: int) -> None:
    limit = len(chunks) + spare
    assert merkleize(chunks, limit) == merkle(chunks, limit)
    for index, chunk in enumerate(chunks):
        branch = compute_merkle_proof(chunks, index, limit)
        assert is_valid_merkle_branch(chunk, branch, len(branch), index, merkleize(chunks, limit))
