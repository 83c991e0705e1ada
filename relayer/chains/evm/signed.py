# SPDX-License-Identifier: MIT
"""Signed transactions, read back from their bytes: type 0 with a chain id (EIP-155), and type 2 (EIP-1559).

What an earlier process signed is in the journal as bytes alone, so they have to tell who sent what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from light_clients.codec import rlp
from light_clients.ecdsa import recover
from light_clients.errors import Rejection
from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, GasPrice, SignedTransaction, TxHash
from relayer.errors import Malformed

#: EIP-2718: a typed transaction begins with its type, an untyped one (type 0) with an RLP list.
DYNAMIC_FEE_TYPE: Final = 2
_FIRST_LIST_BYTE: Final = 0xC0
_DYNAMIC_FEE_FIELDS: Final = 12
_LEGACY_FIELDS: Final = 9
#: The access list, the one field that is a list. Ours is always empty, and another one signs something else.
_ACCESS_LIST: Final = 8
_EXPECTED: Final = "a signed transaction of type 0 with a chain id, or of type 2"


@dataclass(frozen=True, slots=True)
class _Fields:
    """What both types have in common, as the bytes of the fields.

    Attributes:
        nonce, max_fee, priority_fee, gas, value: numbers.
        to: 20 bytes, or none for a creation.
        data: as it is.
        digest: what was signed, 32 bytes.
        parity: 0 or 1.
        r, s: the signature.
        is_legacy: whether it is type 0, with one price.
    """

    nonce: bytes
    max_fee: bytes
    priority_fee: bytes
    gas: bytes
    to: bytes
    value: bytes
    data: bytes
    digest: bytes
    parity: int
    r: bytes
    s: bytes
    is_legacy: bool


def read_signed(raw: bytes) -> SignedTransaction:
    """Return who signed the bytes of a transaction, its nonce and what it offers. Raises Malformed."""
    fields = _read(raw)
    if len(fields.r) > 32 or len(fields.s) > 32 or len(fields.nonce) > 8:
        raise Malformed("a transaction with an impossible signature or nonce", _EXPECTED)
    signature = fields.r.rjust(32, b"\0") + fields.s.rjust(32, b"\0")
    signer = recover(fields.digest, signature, fields.parity)
    if signer is None:
        raise Malformed("a transaction with an impossible signature", _EXPECTED)
    return SignedTransaction(
        Address(signer),
        int.from_bytes(fields.nonce),
        TxHash(keccak256(raw)),
        raw,
        int.from_bytes(fields.max_fee),
        int.from_bytes(fields.priority_fee),
        int.from_bytes(fields.gas),
    )


def read_price(raw: bytes) -> GasPrice:
    """Return what the bytes of a transaction offer for gas, which tells the type too. Raises Malformed."""
    fields = _read(raw)
    return GasPrice(
        int.from_bytes(fields.max_fee), int.from_bytes(fields.priority_fee), is_legacy=fields.is_legacy
    )


def read_call(raw: bytes) -> Call | None:
    """Return the call of a signed transaction; None for bytes that are none of type 0 or 2."""
    try:
        fields = _read(raw)
    except Malformed:
        return None
    gas, value = int.from_bytes(fields.gas), int.from_bytes(fields.value)
    return Call(Address(fields.to), fields.data, gas=gas, value_wei=value)


def _read(raw: bytes) -> _Fields:
    if raw[:1] == bytes((DYNAMIC_FEE_TYPE,)):
        return _read_dynamic(raw)
    if raw[:1] >= bytes((_FIRST_LIST_BYTE,)):
        return _read_legacy(raw)
    raise Malformed(f"a transaction of type 0x{raw[:1].hex()}", _EXPECTED)


def _read_dynamic(raw: bytes) -> _Fields:
    items = _decode(raw[1:], _DYNAMIC_FEE_FIELDS)
    strings = _strings([item for index, item in enumerate(items) if index != _ACCESS_LIST])
    _, nonce, priority_fee, max_fee, gas, to, value, data, parity, r, s = strings
    if parity not in (b"", b"\x01"):
        raise Malformed("a transaction with an impossible signature", _EXPECTED)
    digest = keccak256(raw[:1] + rlp.encode(items[:9]))
    return _Fields(
        nonce, max_fee, priority_fee, gas, to, value, data, digest, len(parity), r, s, is_legacy=False
    )


def _read_legacy(raw: bytes) -> _Fields:
    items = _decode(raw, _LEGACY_FIELDS)
    nonce, price, gas, to, value, data, v, r, s = _strings(items)
    # EIP-155: v is 35 + 2 * chain id + parity. Without a chain id it is 27 or 28, and any chain would take
    # the bytes: we never sign so.
    chain_id, parity = divmod(int.from_bytes(v) - 35, 2)
    if chain_id < 1:
        raise Malformed("a transaction of type 0 without a chain id", _EXPECTED)
    digest = keccak256(rlp.encode([*items[:6], chain_id, 0, 0]))
    return _Fields(nonce, price, price, gas, to, value, data, digest, parity, r, s, is_legacy=True)


def _decode(data: bytes, count: int) -> list[rlp.Item]:
    try:
        items = rlp.decode(data)
    except Rejection as error:
        raise Malformed(f"a transaction that is no RLP ({error})", _EXPECTED) from None
    if not isinstance(items, list) or len(items) != count:
        raise Malformed("a transaction with another number of fields", _EXPECTED)
    return items


def _strings(items: list[rlp.Item]) -> list[bytes]:
    strings = [item for item in items if isinstance(item, bytes)]
    if len(strings) != len(items):
        raise Malformed("a transaction with a list for a number", _EXPECTED)
    return strings
