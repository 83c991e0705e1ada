# SPDX-License-Identifier: MIT
"""What a pool reads in transactions is what another library signed."""

from __future__ import annotations

from typing import Any, Final

import pytest
from eth_account import Account

from relayer.devnet.rpc.raw_transaction import read_transaction, type_of

KEY: Final = b"\x07" * 32
COMMON: Final = {"nonce": 5, "gas": 21_000, "to": b"\x11" * 20, "value": 3, "data": b"\x99"}


@pytest.mark.parametrize(
    ("fields", "kind", "price_wei"),
    [
        ({"chainId": 1, "gasPrice": 9}, 0, 9),
        ({"chainId": 0x5000_1234, "gasPrice": 0}, 0, 0),
        # Signed for every chain, as before EIP-155.
        ({"gasPrice": 9}, 0, 9),
        ({"chainId": 7, "gasPrice": 9, "accessList": [], "type": 1}, 1, 9),
        ({"chainId": 7, "maxFeePerGas": 9, "maxPriorityFeePerGas": 2}, 2, 9),
    ],
)
def test_a_transaction_of_every_type_is_read(fields: dict[str, Any], kind: int, price_wei: int) -> None:
    # Several nonces, for both parities of the signature.
    for nonce in range(4):
        signed = Account.from_key(KEY).sign_transaction(COMMON | fields | {"nonce": nonce})
        raw = bytes(signed.raw_transaction)
        read = read_transaction(raw)
        assert type_of(raw) == kind
        assert read.hash == bytes(signed.hash)
        assert read.sender == bytes.fromhex(Account.from_key(KEY).address[2:])
        assert (read.nonce, read.price_wei, read.gas, read.value_wei) == (nonce, price_wei, 21_000, 3)
        assert (read.to, read.data) == (b"\x11" * 20, b"\x99")
        shown = read.pending()
        assert (shown["type"], shown["nonce"], shown["to"]) == (hex(kind), hex(nonce), "0x" + "11" * 20)
        assert shown["blockNumber"] is None


def test_a_creation_has_no_recipient() -> None:
    signed = Account.from_key(KEY).sign_transaction(COMMON | {"to": b"", "gasPrice": 1, "chainId": 1})
    assert read_transaction(bytes(signed.raw_transaction)).pending()["to"] is None


@pytest.mark.parametrize(("raw", "kind"), [(b"", 0), (b"\xf8\x01", 0), (b"\x04", 4), (b"\x7f", 0x7F)])
def test_the_type_stands_in_the_first_byte(raw: bytes, kind: int) -> None:
    assert type_of(raw) == kind
