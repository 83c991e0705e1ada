# SPDX-License-Identifier: MIT
"""Batches: what is encoded comes back, and changed bytes never mean the same messages differently."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from relayer.errors import Malformed
from relayer.protocol.batch import Batch, decode_batch, encode_batch
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.protocol.message import EndpointId, Message, MessageId, Sequence

DESTINATION = EndpointId(b"\xbb" * 32)

words = st.binary(min_size=32, max_size=32)
accounts = st.one_of(
    st.sampled_from([bytes(12) + b"\1" * 20, bytes(12) + b"\2" * 20, bytes(32)]),
    words,
    st.binary(min_size=20, max_size=20).map(lambda value: bytes(12) + value),
)
gas_limits = st.one_of(st.sampled_from([0, 200_000]), st.integers(0, 2**32 - 1))
deadlines = st.one_of(st.just(0), st.integers(0, 2**64 - 1))
fees = st.one_of(st.just(0), st.integers(0, 2**128 - 1))
payloads = st.binary(max_size=100)
terms = st.tuples(accounts, accounts, gas_limits, deadlines, fees, payloads)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    channel, flags = draw(st.one_of(st.just((PUBLIC_CHANNEL, 0)), st.tuples(words, st.integers(0, 255))))
    lane = Lane(EndpointId(draw(words)), DESTINATION, channel, flags)
    first = draw(st.one_of(st.integers(0, 600), st.integers(0, 2**64 - 200)))
    chosen = draw(st.lists(st.one_of(terms, words), min_size=1, max_size=12))
    if all(isinstance(item, bytes) for item in chosen):
        chosen.append(draw(terms))
    items = tuple(
        MessageId(item) if isinstance(item, bytes) else Message(lane.id, Sequence(first + index), *item)
        for index, item in enumerate(chosen)
    )
    tail = tuple(MessageId(leaf) for leaf in draw(st.lists(words, max_size=5)))
    return Batch(lane, draw(words), Sequence(first), items, tail, draw(st.integers(0, 2**32 - 1)))


@given(batches())
def test_what_is_encoded_comes_back(batch: Batch) -> None:
    encoded = encode_batch(batch)
    assert decode_batch(encoded, DESTINATION) == batch
    assert encode_batch(decode_batch(encoded, DESTINATION)) == encoded


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        batch = decode_batch(data, DESTINATION)
    except Malformed:
        return
    # Not every encoding is the shortest, but all of one meaning lead to one.
    assert decode_batch(encode_batch(batch), DESTINATION) == batch
    assert len(encode_batch(batch)) <= len(data)


@given(batches(), st.data())
def test_changed_bytes_never_pass_as_the_same_messages(batch: Batch, data: st.DataObject) -> None:
    """INV-1: what a changed batch means besides gas, it commits to: another lane, sequence or head."""
    encoded = encode_batch(batch)
    at = data.draw(st.integers(0, len(encoded) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "truncate"]))
    if kind == "flip":
        changed = encoded[:at] + bytes([encoded[at] ^ data.draw(st.integers(1, 255))]) + encoded[at + 1 :]
    elif kind == "cut":
        changed = encoded[:at] + encoded[at + data.draw(st.integers(1, 40)) :]
    elif kind == "insert":
        changed = encoded[:at] + data.draw(st.binary(min_size=1, max_size=40)) + encoded[at:]
    else:
        changed = encoded[:at]
    assume(changed != encoded)
    try:
        found = decode_batch(changed, DESTINATION)
    except Malformed:
        return
    same_claim = (
        found.lane.id == batch.lane.id
        and found.last == batch.last
        and found.compute_head() == batch.compute_head()
    )
    if not same_claim:
        return
    # The same chain of hashes under the same head: then the messages that both carry in full are equal.
    mine = {item.sequence: item for item in batch.items if isinstance(item, Message)}
    theirs = {item.sequence: item for item in found.items if isinstance(item, Message)}
    for sequence in mine.keys() & theirs.keys():
        assert mine[sequence] == theirs[sequence]


@given(batches(), st.data())
def test_leaving_payloads_out_changes_no_head(batch: Batch, data: st.DataObject) -> None:
    """An item given as its leaf leads to the same head, so a relayer can skip what it will not carry."""
    kept = data.draw(st.sampled_from([item for item in batch.items if isinstance(item, Message)]))
    items = tuple(
        item if item is kept else leaf for item, leaf in zip(batch.items, batch.leaves, strict=True)
    )
    shorter = replace(batch, items=items)
    assert shorter.compute_head() == batch.compute_head()
    assert decode_batch(encode_batch(shorter), DESTINATION) == shorter
