# SPDX-License-Identifier: MIT
"""Logs of the gateway become messages and deliveries, or are the provider's fault."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from eth_abi.abi import encode

from relayer.chains.base import DeliveryEventKind
from relayer.chains.evm import abi
from relayer.chains.evm.events import Log, decode_delivery_logs, decode_sent_logs, parse_bytes, parse_quantity
from relayer.errors import RpcAnswerInvalid
from relayer.protocol.message import Message, Sequence
from tests.unit.chains.evm.gateway_logs import (
    CHAIN_PART,
    GATEWAY,
    LANE,
    hexed,
    message_of,
    pair,
    to_log,
)


def decode(logs: list[dict[str, Any]], first: int = 7, last: int = 7) -> Any:
    typed = msgspec.json.decode(msgspec.json.encode(logs), type=list[Log])
    return decode_sent_logs(typed, GATEWAY, CHAIN_PART, first, last)


@pytest.mark.parametrize("payload", [b"", b"x", b"x" * 31, b"x" * 32, b"x" * 33, b"x" * 5000])
def test_a_pair_becomes_a_message(payload: bytes) -> None:
    message = message_of(3, payload=payload)
    (found,) = decode(pair(message)).messages
    assert found.claimed_id == message.id
    assert (found.lane_id, found.sequence, found.payload) == (LANE, 3, payload)
    assert (found.sender, found.recipient) == (message.sender, message.recipient)
    assert (found.gas_limit, found.deadline) == (None, 0)
    assert (found.block_number, found.log_index) == (7, 1)


def test_attributes_give_the_terms() -> None:
    attributes = abi.encode_attributes(gas_limit=5, deadline=9, channel=b"\1" * 32)
    (found,) = decode(pair(message_of(0, 5, 9), attributes)).messages
    assert (found.gas_limit, found.deadline) == (5, 9)
    (reversed_,) = decode(pair(message_of(0, 5, 9), tuple(reversed(attributes)))).messages
    assert reversed_ == found


def test_messages_are_in_the_chains_order_whatever_the_answers() -> None:
    logs = [
        log for index in range(20) for log in pair(message_of(index), index=2 * index, block=7 + index // 10)
    ]
    shuffled = random.Random(1).sample(logs, len(logs))
    found = decode(shuffled, 7, 8).messages
    assert [message.sequence for message in found] == list(range(20))


def test_default_gas_limits_are_told() -> None:
    limits = abi.encode_word(300_000) + abi.encode_word(2_000_000) + abi.encode_word(4096)
    found = decode([to_log([abi.LANE_LIMITED, LANE], limits, 0)])
    assert found.defaults == [(LANE, 300_000)]


def test_logs_of_dropped_blocks_are_passed_over() -> None:
    removed = [{**log, "removed": True} for log in pair(message_of(0))]
    assert decode(removed).messages == []


Change = Callable[[list[dict[str, Any]]], object]


def sent_data(logs: list[dict[str, Any]], at: int, word: int) -> None:
    """Overwrite a word of MessageSent's data."""
    data = bytearray.fromhex(logs[0]["data"][2:])
    data[at : at + 32] = word.to_bytes(32)
    logs[0]["data"] = hexed(bytes(data))


HOSTILE: dict[str, Change] = {
    "another contract": lambda logs: logs[0].update(address=hexed(b"\x43" * 20)),
    "no topics": lambda logs: logs[0].update(topics=[]),
    "another topic": lambda logs: logs[0].update(topics=[hexed(b"\1" * 32)]),
    "no send id": lambda logs: logs[0].update(topics=logs[0]["topics"][:1]),
    "no partner": lambda logs: logs.pop(),
    "no MessageSent": lambda logs: logs.pop(0),
    "another id": lambda logs: logs[1]["topics"].__setitem__(3, hexed(b"\1" * 32)),
    "another transaction": lambda logs: logs[1].update(transactionHash=hexed(b"\1" * 32)),
    "twice": lambda logs: logs.extend(logs[:]),
    "too few topics": lambda logs: logs[1]["topics"].pop(),
    "another block": lambda logs: logs[1].update(blockNumber="0x8"),
    "a short id": lambda logs: [log["topics"].__setitem__(-1, "0x01") for log in logs],
    "a huge sequence": lambda logs: logs[1]["topics"].__setitem__(2, "0x" + "ff" * 32),
    "no number": lambda logs: logs[1].update(logIndex="7"),
    "a negative number": lambda logs: logs[1].update(logIndex="0x-1"),
    "no hex": lambda logs: logs[0].update(data="0xzz"),
    "odd hex": lambda logs: logs[0].update(data="0x0"),
    "no data": lambda logs: logs[0].update(data="0x"),
    "cut data": lambda logs: logs[0].update(data=logs[0]["data"][:-64]),
    "a sender beyond": lambda logs: sent_data(logs, 0, 2**255),
    "a recipient beyond": lambda logs: sent_data(logs, 32, 10_000),
    "a payload beyond": lambda logs: sent_data(logs, 64, 2**256 - 1),
    "attributes beyond": lambda logs: sent_data(logs, 128, 2**64),
    "a sender that is a recipient": lambda logs: sent_data(logs, 0, 5 * 32 + 64),
    "a payload that is no length": lambda logs: sent_data(logs, 64, 3),
    "millions of attributes": lambda logs: sent_data(logs, len(logs[0]["data"][2:]) // 2 - 32, 10**7),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_no_gateway_emits_is_the_providers_fault(change: Change) -> None:
    logs = pair(message_of(0))
    change(logs)
    with pytest.raises(RpcAnswerInvalid):
        decode(logs)


def test_an_unknown_attribute_is_the_providers_fault() -> None:
    """The Outbox takes no other, so no honest log has one."""
    with pytest.raises(RpcAnswerInvalid, match="attribute"):
        decode(pair(message_of(0), (b"\1\2\3\4" + bytes(32),)))


def test_any_changed_byte_is_refused_or_changes_the_leaf() -> None:
    """INV-5: a changed log never becomes another message under the claimed id."""
    message = message_of(0, 5, 9)
    honest = pair(message, abi.encode_attributes(gas_limit=5, deadline=9))
    data = bytearray.fromhex(honest[0]["data"][2:])
    chances = random.Random(7)
    for _ in range(2_000):
        changed = bytearray(data)
        changed[chances.randrange(len(data))] ^= chances.randrange(1, 256)
        logs = [{**honest[0], "data": hexed(bytes(changed))}, honest[1]]
        try:
            (found,) = decode(logs).messages
        except RpcAnswerInvalid:
            continue
        again = Message(
            found.lane_id,
            Sequence(found.sequence),
            found.sender,
            found.recipient,
            0 if found.gas_limit is None else found.gas_limit,
            found.deadline,
            0,
            found.payload,
        )
        # Padding and the destination's chain part are not in the leaf: then it is the same message.
        assert again.id != message.id or again == message


def test_a_receipt_tells_of_deliveries() -> None:
    words = [abi.encode_word(value) for value in (256, 3, 0b101)]
    logs = [
        to_log([abi.DELIVERED, LANE], b"".join(words), 0),
        to_log([abi.MESSAGE_FAILED, b"\1" * 32], encode(["bytes"], [b"\x08\xc3\x79\xa0"]), 1),
        to_log([abi.MESSAGE_EXPIRED, b"\2" * 32], b"", 2),
        # The recipient's own event, and another contract that imitates the gateway.
        to_log([rb"\9" * 32], b"", 3),
        to_log([abi.DELIVERED, LANE], b"".join(words), 4, address=hexed(b"\x99" * 20)),
    ]
    typed = msgspec.json.decode(msgspec.json.encode(logs), type=list[Log])
    (delivered,), (failed, expired) = decode_delivery_logs(typed, GATEWAY)
    assert (delivered.lane_id, delivered.first, delivered.count, delivered.mask) == (LANE, 256, 3, 5)
    assert (failed.kind, failed.message_id, failed.reason) == (
        DeliveryEventKind.FAILED,
        b"\1" * 32,
        b"\x08\xc3\x79\xa0",
    )
    assert (expired.kind, expired.message_id) == (DeliveryEventKind.EXPIRED, b"\2" * 32)


@pytest.mark.parametrize(
    "log",
    [
        to_log([abi.DELIVERED, LANE], bytes(95), 0),
        to_log([abi.DELIVERED], bytes(96), 0),
        to_log([abi.MESSAGE_FAILED, b"\1" * 32], encode(["bytes"], [bytes(33)]), 0),
        to_log([abi.MESSAGE_FAILED, b"\1" * 32], encode(["bytes"], [bytes(20)])[:-32], 0),
        to_log([abi.MESSAGE_EXPIRED, b"\1" * 32], bytes(32), 0),
    ],
)
def test_deliveries_that_no_gateway_emits_are_refused(log: dict[str, Any]) -> None:
    typed = msgspec.json.decode(msgspec.json.encode([log]), type=list[Log])
    with pytest.raises(RpcAnswerInvalid):
        decode_delivery_logs(typed, GATEWAY)


@pytest.mark.parametrize("text", ["", "0x", "12", "0X1", "0x" + "1" * 65, "0xg", "0x-1", " 0x1"])
def test_quantities_are_read_strictly(text: str) -> None:
    with pytest.raises(RpcAnswerInvalid):
        parse_quantity(text)


def test_data_has_the_size_that_is_meant() -> None:
    assert parse_bytes("0x0102", 2) == b"\1\2"
    with pytest.raises(RpcAnswerInvalid, match="2 bytes"):
        parse_bytes("0x0102", 3)


def test_a_full_block_is_decoded_quickly() -> None:
    """1,000 to 2,000 messages a block: well under 0.1 ms each, JSON and leaf included."""
    logs = [log for index in range(500) for log in pair(message_of(index), index=2 * index)]
    body = msgspec.json.encode(logs)
    decoder = msgspec.json.Decoder(list[Log])
    best = min(
        _time(lambda: decode_sent_logs(decoder.decode(body), GATEWAY, CHAIN_PART, 7, 7)) for _ in range(5)
    )
    assert best / 500 < 100e-6


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
