# SPDX-License-Identifier: MIT
"""Block parameters: every way to name a block becomes its number, so that no hash or tag reaches anvil."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from relayer.devnet.rpc.jsonrpc import INVALID_PARAMS, SERVER_ERROR, RpcError
from relayer.devnet.state.ledger import Ledger

_QUANTITY: Final = re.compile("0x[0-9a-fA-F]{1,16}")
_EXPECTED: Final = (
    "expected a tag, a number as 0x-hex, a block hash, or an object with blockNumber or blockHash"
)


class NoSuchTagError(RpcError):
    """A block parameter is no tag that the chain's nodes know, and no number either."""


def block_number(raw: bytes | None, head: int, ledger: Ledger[Any]) -> int:
    """Return the number that a block parameter means; absent = the head. It may be above the head.

    Raises:
        RpcError: it is malformed, or a hash of no block of the chain.
    """
    if raw is None:
        return head
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise RpcError(INVALID_PARAMS, f"a block parameter that is not JSON; {_EXPECTED}") from error
    if isinstance(value, dict):
        value = value.get("blockHash", value.get("blockNumber"))
    if not isinstance(value, str):
        raise RpcError(INVALID_PARAMS, f"a block parameter of another kind; {_EXPECTED}")
    tagged = ledger.tagged(value, head)
    if tagged is not None:
        return tagged
    if len(value) == 66:
        number = ledger.number_of(parse_hash(value))
        if number is None:
            raise RpcError(SERVER_ERROR, f"unknown block {value}")
        return number
    return parse_quantity(value)


def state_block(raw: bytes | None, head: int, ledger: Ledger[Any]) -> int:
    """Return what `block_number` does, for a call that reads state: no block above the head."""
    number = block_number(raw, head, ledger)
    if number > head:
        raise RpcError(SERVER_ERROR, f"unknown block {number}: the head is {head}")
    return number


def parse_hash(text: str) -> bytes:
    """Read 32 bytes from 0x-hex. Raises RpcError."""
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 32 or not text.startswith("0x"):
        raise RpcError(INVALID_PARAMS, f"the hash {text[:80]!r}; expected 32 bytes as 0x-hex")
    return value


def parse_quantity(text: str) -> int:
    """Read a block number from 0x-hex. Raises NoSuchTagError."""
    if not _QUANTITY.fullmatch(text):
        raise NoSuchTagError(INVALID_PARAMS, f"the block {text[:80]!r}; {_EXPECTED}")
    return int(text, 16)


def parse_hash_param(raw: bytes | None) -> bytes:
    """Read 32 bytes from a parameter's JSON. Raises RpcError."""
    return parse_hash(_text(raw))


def parse_bool_param(raw: bytes | None) -> bool:
    """Read a flag from a parameter's JSON; absent = false. Raises RpcError."""
    if raw not in {None, b"true", b"false"}:
        raise RpcError(INVALID_PARAMS, "a flag of another kind; expected true or false")
    return raw == b"true"


def _text(raw: bytes | None) -> str:
    try:
        return msgspec.json.decode(raw or b"null", type=str)
    except msgspec.DecodeError as error:
        raise RpcError(
            INVALID_PARAMS, "a missing parameter, or one of another kind; expected a string"
        ) from error
