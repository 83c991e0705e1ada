# SPDX-License-Identifier: MIT
"""Signed transactions as they are broadcast, and what a pool looks at in them.

Sources: EIP-155, EIP-2718, EIP-2930, EIP-1559, EIP-7702.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from light_clients.codec import rlp
from light_clients.ecdsa import recover
from light_clients.errors import EncodingRejected
from light_clients.hashing import keccak256

LEGACY: Final = 0
ACCESS_LIST: Final = 1

#: EIP-2718: a transaction whose first byte is greater is a list, and so of no type.
_MAX_TYPE: Final = 0x7F
#: EIP-155: v is twice the chain id, plus this or one more.
_CHAIN_V: Final = 35


def type_of(raw: bytes) -> int:
    """Return the type of a transaction's bytes, `LEGACY` for none at all; nothing of it is checked."""
    return raw[0] if raw and raw[0] <= _MAX_TYPE else LEGACY


def offers_price(raw: bytes) -> bool:
    """Return whether a transaction of type 0 or 1 pays for gas; False where its bytes are none."""
    index = 1 if type_of(raw) == LEGACY else 2
    try:
        fields = rlp.decode(raw[index - 1 :])
    except EncodingRejected:
        return False
    return isinstance(fields, list) and len(fields) > index and fields[index] != b""


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """A signed transaction.

    Attributes:
        raw: its bytes.
        hash: which names it, 32 bytes.
        sender: who signed it, 20 bytes.
        price_wei: the most that it pays for a unit of gas.
    """

    raw: bytes
    hash: bytes
    sender: bytes
    nonce: int
    price_wei: int
    gas: int
    to: bytes
    value_wei: int
    data: bytes

    def pending(self) -> dict[str, Any]:
        """Return what a node tells of it in JSON while no block has it."""
        return {
            "hash": "0x" + self.hash.hex(),
            "type": hex(type_of(self.raw)),
            "from": "0x" + self.sender.hex(),
            "nonce": hex(self.nonce),
            "gas": hex(self.gas),
            "gasPrice": hex(self.price_wei),
            "to": "0x" + self.to.hex() if self.to else None,
            "value": hex(self.value_wei),
            "input": "0x" + self.data.hex(),
            **dict.fromkeys(("blockHash", "blockNumber", "transactionIndex")),
        }


def read_transaction(raw: bytes) -> RawTransaction:
    """Read a transaction that anvil has read and found signed, of a type without blobs.

    Raises:
        EncodingRejected: it is no RLP after all.
    """
    kind = type_of(raw)
    typed = kind != LEGACY
    fields = cast("list[bytes]", rlp.decode(raw[1:] if typed else raw))
    *unsigned, v, r, s = fields
    if typed:
        prefix, parity = raw[:1], int.from_bytes(v, "big")
        # A chain id, a nonce, and from type 2 on the tip before the fee.
        nonce, price, gas, to, value, data = (fields[1], *fields[2 if kind == ACCESS_LIST else 3 :][:5])
    else:
        prefix, number = b"", int.from_bytes(v, "big")
        parity = (number - 27) % 2 if number < _CHAIN_V else (number - _CHAIN_V) % 2
        nonce, price, gas, to, value, data = fields[:6]
        if number >= _CHAIN_V:
            unsigned += [_minimal((number - _CHAIN_V) // 2), b"", b""]
    digest = keccak256(prefix + rlp.encode(unsigned))
    sender = recover(digest, r.rjust(32, b"\0") + s.rjust(32, b"\0"), parity)
    assert sender is not None, "anvil found its sender"
    return RawTransaction(
        raw=raw,
        hash=keccak256(raw),
        sender=sender,
        nonce=int.from_bytes(nonce, "big"),
        price_wei=int.from_bytes(price, "big"),
        gas=int.from_bytes(gas, "big"),
        to=to,
        value_wei=int.from_bytes(value, "big"),
        data=data,
    )


def _minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
