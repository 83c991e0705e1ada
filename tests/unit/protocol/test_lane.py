# SPDX-License-Identifier: MIT
"""Identifiers and slots, against values worked out with eth_abi and by hand (wire-formats §1 and §3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_abi.abi import encode

from light_clients.hashing import keccak256
from relayer.errors import Malformed
from relayer.protocol import lane
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import Lane, LaneFlags
from relayer.protocol.message import EndpointId, LaneId, MessageId, next_head

A = EndpointId(b"\xaa" * 32)
B = EndpointId(b"\xbb" * 32)
LANES_SOL = Path(__file__).resolve().parents[3] / "solidity" / "src" / "libraries" / "Lanes.sol"


@pytest.mark.parametrize("chain", [1, 1337, 2**64 - 1])
def test_an_endpoint_is_its_gateway_and_genesis(chain: int) -> None:
    gateway = InteropAddress.evm(chain, b"\x42" * 20).to_bytes()
    genesis = b"\x07" * 32
    assert lane.endpoint_id(gateway, genesis) == keccak256(encode(["bytes", "bytes32"], [gateway, genesis]))


def test_a_reset_chain_is_another_endpoint() -> None:
    gateway = InteropAddress.evm(1337, b"\x42" * 20).to_bytes()
    assert lane.endpoint_id(gateway, b"\x01" * 32) != lane.endpoint_id(gateway, b"\x02" * 32)


def test_a_lane_is_a_direction_a_channel_and_flags() -> None:
    found = lane.lane_id(A, B, b"\xcc" * 32, 3)
    words = encode(["uint256", "bytes32", "bytes32", "bytes32", "uint256"], [1, A, B, b"\xcc" * 32, 3])
    assert found == keccak256(words)
    assert (
        len({found, lane.lane_id(B, A, b"\xcc" * 32, 3), lane.lane_id(A, B), lane.lane_id(A, B, flags=3)})
        == 4
    )


def test_only_the_public_lane_is_public() -> None:
    assert Lane(A, B).is_public
    assert not Lane(A, B, flags=LaneFlags.ORDERED).is_public
    assert not Lane(A, B, b"\1" * 32).is_public
    assert Lane(A, B).id == lane.lane_id(A, B)


@pytest.mark.parametrize(
    ("source", "channel", "flags"),
    [(A[:-1], bytes(32), 0), (A, bytes(31), 0), (A, bytes(32), 256), (A, bytes(32), -1)],
)
def test_parts_of_another_size_are_refused(source: EndpointId, channel: bytes, flags: int) -> None:
    with pytest.raises(Malformed):
        Lane(source, B, channel, flags)


@pytest.mark.parametrize(
    ("base", "namespace"),
    [
        (lane.HEADS_BASE, "postroad.outbox.heads"),
        (lane.DELIVERED_BASE, "postroad.inbox.delivered"),
        (lane.EXPIRED_BASE, "postroad.outbox.expired"),
    ],
)
def test_bases_follow_erc7201(base: bytes, namespace: str) -> None:
    inner = encode(["uint256"], [int.from_bytes(keccak256(namespace.encode())) - 1])
    expected = int.from_bytes(keccak256(inner)) & ~0xFF
    assert int.from_bytes(base) == expected


def test_the_contracts_have_the_same_bases() -> None:
    """Storage layout is protocol: what Solidity writes is what Python proves."""
    in_solidity = set(re.findall(r"0x[0-9a-f]{64}", LANES_SOL.read_text(encoding="utf-8")))
    assert {"0x" + base.hex() for base in (lane.HEADS_BASE, lane.DELIVERED_BASE)} <= in_solidity


def test_slots_are_nested_mappings() -> None:
    lane_id = LaneId(b"\x11" * 32)
    for find, base in (
        (lane.heads_slot, lane.HEADS_BASE),
        (lane.delivered_slot, lane.DELIVERED_BASE),
        (lane.expired_slot, lane.EXPIRED_BASE),
    ):
        inner = keccak256(encode(["bytes32", "bytes32"], [lane_id, base]))
        assert find(lane_id, 7) == keccak256(encode(["uint256", "bytes32"], [7, inner]))


@pytest.mark.parametrize(
    ("sequence", "page", "bit"), [(0, 0, 1), (255, 0, 1 << 255), (256, 1, 1), (513, 2, 2)]
)
def test_pages_hold_256_messages(sequence: int, page: int, bit: int) -> None:
    assert lane.page_of(sequence) == page
    assert lane.bit_of(sequence) == bit


def test_heads_chain() -> None:
    leaves = tuple(MessageId(bytes([n]) * 32) for n in (1, 2, 3))
    expected = bytes(32)
    for leaf in leaves:
        expected = next_head(expected, leaf)
    assert lane.compute_head(bytes(32), leaves) == expected
    assert lane.compute_head(b"\x09" * 32, ()) == b"\x09" * 32
