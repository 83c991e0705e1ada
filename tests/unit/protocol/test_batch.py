# SPDX-License-Identifier: MIT
"""The batch codec of wire-formats §4, byte by byte."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from relayer.errors import Malformed
from relayer.protocol.batch import Batch, calldata_gas, decode_batch, encode_batch
from relayer.protocol.lane import Lane, compute_head
from relayer.protocol.message import EndpointId, Message, MessageId, Sequence

A = EndpointId(b"\xaa" * 32)
B = EndpointId(b"\xbb" * 32)
PUBLIC = Lane(A, B)
OWN = Lane(A, B, b"\xcc" * 32)
HEAD = b"\x77" * 32
ALICE = b"\x01" * 20
BOB = b"\x02" * 20


def message(sequence: int, lane: Lane = PUBLIC, **changes: Any) -> Message:
    plain = Message(
        lane.id,
        Sequence(sequence),
        ALICE.rjust(32, b"\0"),
        BOB.rjust(32, b"\0"),
        200_000,
        0,
        0,
        b"payload",
    )
    return replace(plain, **changes)


def hexed(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts))


FIXED = hexed("aa" * 32, "00", "77" * 32)
FIRST_ITEM = hexed("95", ALICE.hex(), BOB.hex(), "00030d40", "000007", b"payload".hex())


def test_one_message_on_the_public_lane() -> None:
    batch = Batch(PUBLIC, HEAD, Sequence(5), (message(5),), extra_gas=9)
    expected = FIXED + hexed("0000000000000005", "00000009", "0001") + FIRST_ITEM
    assert encode_batch(batch) == expected
    assert decode_batch(expected, B) == batch


def test_a_second_message_on_the_same_terms_costs_four_bytes_and_its_payload() -> None:
    one = encode_batch(Batch(PUBLIC, HEAD, Sequence(5), (message(5),)))
    two = encode_batch(Batch(PUBLIC, HEAD, Sequence(5), (message(5), message(6, payload=b"x"))))
    assert two[len(FIXED) + 14 :] == one[len(FIXED) + 14 :] + hexed("80", "000001", "78")


def test_terms_are_those_of_the_previous_full_item_across_leaves() -> None:
    leaf = MessageId(b"\x33" * 32)
    items = (message(5, deadline=7), leaf, message(7, deadline=7))
    encoded = encode_batch(Batch(PUBLIC, HEAD, Sequence(5), items))
    assert encoded.endswith(hexed("00", "33" * 32, "80", "000007", b"payload".hex()))
    assert decode_batch(encoded, B).items == items


@pytest.mark.parametrize(
    ("changes", "tag", "fields"),
    [
        ({"sender": b"\x09" * 32}, "82", "09" * 32),
        ({"recipient": b"\x09" * 32}, "88", "09" * 32),
        ({"sender": b"\x09" * 20}, "81", "09" * 20),
        ({"recipient": b"\x09" * 20}, "84", "09" * 20),
        ({"gas_limit": 0}, "90", "00000000"),
        ({"deadline": 1}, "a0", "0000000000000001"),
        ({"fee_wei": 1}, "c0", "00" * 15 + "01"),
    ],
)
def test_what_differs_is_sent(changes: dict[str, Any], tag: str, fields: str) -> None:
    padded: dict[str, Any] = {
        key: value.rjust(32, b"\0") if isinstance(value, bytes) else value for key, value in changes.items()
    }
    batch = Batch(PUBLIC, HEAD, Sequence(0), (message(0), message(1, **padded)))
    encoded = encode_batch(batch)
    assert encoded.endswith(hexed(tag, fields, "000007", b"payload".hex()))
    assert decode_batch(encoded, B) == batch


def test_a_channel_is_named_and_the_tail_follows() -> None:
    tail = (MessageId(b"\x44" * 32), MessageId(b"\x55" * 32))
    batch = Batch(OWN, HEAD, Sequence(254), (message(254, OWN),), tail)
    encoded = encode_batch(batch)
    assert encoded[32:66] == hexed("01", "cc" * 32, "00")
    assert encoded.endswith(b"\x44" * 32 + b"\x55" * 32)
    assert decode_batch(encoded, B) == batch
    # The proof is of the last page, tail included.
    assert batch.last == 256
    assert batch.compute_head() == compute_head(HEAD, (message(254, OWN).id, *tail))


ITEM = FIRST_ITEM.hex()
HEADER = "aa" * 32 + "00" + "77" * 32 + "0000000000000005" + "00000000"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "left at byte 0"),
        ("aa" * 32 + "02" + "00" * 100, "lane kind 2"),
        ("aa" * 32 + "01" + "00" * 33 + "77" * 32 + "00" * 12 + "0001" + ITEM, "lane kind 0"),
        (HEADER + "0000" + ITEM, "without items"),
        (HEADER + "0001" + "00" + "33" * 32, "leaves alone"),
        (HEADER + "0000", "without items"),
        (HEADER + "0001" + ITEM[:-2], "left"),
        (HEADER + "0001" + ITEM + "00", "multiple of 32"),
        (HEADER + "0001" + ITEM + "00" * 31, "multiple of 32"),
        (HEADER + "0002" + ITEM, "left"),
        (HEADER + "0001" + "97" + ITEM[2:], "kind 3"),
        (HEADER + "0001" + "9d" + ITEM[2:], "kind 3"),
        (HEADER + "0001" + "15" + ITEM[2:], "tag 0x15"),
        (HEADER + "0001" + "01" + "00" * 32, "tag 0x01"),
        (HEADER + "0001" + "80" + "000000", "without sender"),
        (HEADER + "0001" + "81" + "11" * 20 + "000000", "without sender"),
        (HEADER + "0001" + "84" + "11" * 20 + "000000", "without sender"),
        (HEADER + "0001" + "85" + "11" * 40 + "ffffff", "left"),
        ("aa" * 32 + "00" + "77" * 32 + "f" * 16 + "00000000" + "0002" + ITEM + "80000000", "2\\^64"),
    ],
)
def test_malformed_batches_are_refused(data: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        decode_batch(bytes.fromhex(data), B)


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        (Batch(PUBLIC, HEAD, Sequence(5), ()), "0 items"),
        (Batch(PUBLIC, HEAD, Sequence(5), (message(6),)), "message 6"),
        (Batch(PUBLIC, HEAD, Sequence(5), (message(5, OWN),)), "lane"),
        (Batch(PUBLIC, HEAD[:-1], Sequence(5), (message(5),)), "previous head"),
        (Batch(PUBLIC, HEAD, Sequence(5), (message(5, gas_limit=2**32),)), "gas limit"),
        (Batch(PUBLIC, HEAD, Sequence(5), (message(5, sender=b"\1" * 20),)), "sender"),
        (Batch(PUBLIC, HEAD, Sequence(5), (MessageId(b"short"), message(6))), "leaf"),
        (Batch(PUBLIC, HEAD, Sequence(5), (MessageId(HEAD),)), "leaves alone"),
        (Batch(PUBLIC, HEAD, Sequence(5), (message(5),), (MessageId(b"short"),)), "tail leaf"),
        (Batch(PUBLIC, HEAD, Sequence(5), (message(5),), extra_gas=2**32), "extra gas"),
        (Batch(PUBLIC, HEAD, Sequence(5), (message(5, payload=bytes(2**24)),)), "payload"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(batch: Batch, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        encode_batch(batch)


def test_calldata_costs_what_eip7623_says() -> None:
    cost = calldata_gas(b"\0\0\0\1\2")
    assert (cost.standard, cost.floor) == (3 * 4 + 2 * 16, 3 * 10 + 2 * 40)
    both = cost + calldata_gas(b"\0")
    assert (both.standard, both.floor) == (cost.standard + 4, cost.floor + 10)
    assert cost.transaction_gas(0) == 21_000 + cost.floor
    assert cost.transaction_gas(1_000) == 21_000 + cost.standard + 1_000
