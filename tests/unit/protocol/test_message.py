# SPDX-License-Identifier: MIT
"""A message's leaf, against values worked out with eth_abi (wire-formats §2)."""

from __future__ import annotations

from eth_abi.abi import encode

from light_clients.hashing import keccak256
from relayer.protocol.message import EndpointId, LaneId, Message, Sequence

A = EndpointId(b"\xaa" * 32)
B = EndpointId(b"\xbb" * 32)


def test_a_leaf_commits_to_every_field() -> None:
    message = Message(LaneId(A), Sequence(5), b"\1" * 32, b"\2" * 32, 200_000, 99, 7, b"payload")
    types = ["uint256", "bytes32", "uint64", "bytes32", "bytes32", "uint256", "uint64", "uint256", "bytes32"]
    values = [1, A, 5, b"\1" * 32, b"\2" * 32, 200_000, 99, 7, keccak256(b"payload")]
    assert message.id == keccak256(encode(types, values))
    assert message.page == 0
    others = {
        Message(LaneId(B), Sequence(5), b"\1" * 32, b"\2" * 32, 200_000, 99, 7, b"payload").id,
        Message(LaneId(A), Sequence(6), b"\1" * 32, b"\2" * 32, 200_000, 99, 7, b"payload").id,
        Message(LaneId(A), Sequence(5), b"\3" * 32, b"\2" * 32, 200_000, 99, 7, b"payload").id,
        Message(LaneId(A), Sequence(5), b"\1" * 32, b"\3" * 32, 200_000, 99, 7, b"payload").id,
        Message(LaneId(A), Sequence(5), b"\1" * 32, b"\2" * 32, 200_001, 99, 7, b"payload").id,
        Message(LaneId(A), Sequence(5), b"\1" * 32, b"\2" * 32, 200_000, 98, 7, b"payload").id,
        Message(LaneId(A), Sequence(5), b"\1" * 32, b"\2" * 32, 200_000, 99, 8, b"payload").id,
        Message(LaneId(A), Sequence(5), b"\1" * 32, b"\2" * 32, 200_000, 99, 7, b"payloae").id,
    }
    assert len(others) == 8
    assert message.id not in others
