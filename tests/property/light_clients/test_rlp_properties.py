# SPDX-License-Identifier: MIT
from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from light_clients.codec import rlp
from light_clients.errors import EncodingRejected
from tests.support import rlp as reference

items = st.recursive(st.binary(max_size=300), lambda inner: st.lists(inner, max_size=8), max_leaves=30)


@given(items)
def test_what_is_encoded_comes_back(item: reference.Item) -> None:
    encoded = rlp.encode(item)
    assert encoded == reference.encode(item)
    assert rlp.decode(encoded) == item


@given(st.binary(max_size=200))
def test_bytes_are_either_the_one_encoding_or_refused(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except EncodingRejected:
        return
    assert rlp.encode(item) == data


@given(items, st.data())
def test_a_changed_encoding_never_means_the_same(item: reference.Item, data: st.DataObject) -> None:
    encoded = bytearray(rlp.encode(item))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(EncodingRejected):
        assert rlp.decode(bytes(encoded)) != item


@given(st.integers(0, 2**300))
def test_integers_come_back(number: int) -> None:
    encoded = rlp.encode(number)
    payload = rlp.decode(encoded)
    assert isinstance(payload, bytes)
    assert rlp.decode_int(payload, 304) == number
