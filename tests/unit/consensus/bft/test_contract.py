# SPDX-License-Identifier: MIT
"""What the contract of a BFT light client answers."""

from __future__ import annotations

from eth_abi.abi import encode

from light_clients.bft.client import BftState
from light_clients.client import Height, Timestamp
from relayer.consensus.bft.contract import decode_trusted_state


def test_a_trusted_state_is_read_field_by_field() -> None:
    data = encode(["bytes32", "uint64", "uint64", "bool"], [b"\7" * 32, 5, 6, True])
    assert decode_trusted_state(data) == BftState(b"\7" * 32, Height(5), Timestamp(6), frozen=True)
