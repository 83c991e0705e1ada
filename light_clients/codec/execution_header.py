# SPDX-License-Identifier: MIT
"""Headers of execution blocks, from JSON-RPC or from RLP: their fields are read with distrust, and hashed in
order.

The names of the fields are those of JSON-RPC. Their order is that of the yellow paper (section 4.3) and of
the EIPs that appended fields: 1559, 4895, 4844, 4788 and 7685. How many fields a header has depends on the
fork of its block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from light_clients.codec import rlp
from light_clients.errors import HeaderRejected
from light_clients.hashing import keccak256


class _Field(NamedTuple):
    """One field of a header.

    Attributes:
        name: in JSON-RPC.
        length: in bytes; `_QUANTITY` for an integer, `_ANY` for data of any length.
    """

    name: str
    length: int | None


_QUANTITY: Final = None
_ANY: Final = -1

FIELDS: Final = (
    _Field("parentHash", 32),
    _Field("sha3Uncles", 32),
    _Field("miner", 20),
    _Field("stateRoot", 32),
    _Field("transactionsRoot", 32),
    _Field("receiptsRoot", 32),
    _Field("logsBloom", 256),
    _Field("difficulty", _QUANTITY),
    _Field("number", _QUANTITY),
    _Field("gasLimit", _QUANTITY),
    _Field("gasUsed", _QUANTITY),
    _Field("timestamp", _QUANTITY),
    _Field("extraData", _ANY),
    _Field("mixHash", 32),
    _Field("nonce", 8),
    _Field("baseFeePerGas", _QUANTITY),
    _Field("withdrawalsRoot", 32),
    _Field("blobGasUsed", _QUANTITY),
    _Field("excessBlobGas", _QUANTITY),
    _Field("parentBeaconBlockRoot", 32),
    _Field("requestsHash", 32),
)
#: Every header has the first 15 fields. The others came fork by fork, none without those before it.
MANDATORY: Final = 15

#: The longest extraData that is read, in bytes: 255 validators with a seal each need 22 kB.
_MAX_EXTRA_DATA: Final = 1 << 16
_HEX: Final = re.compile(r"0x[0-9a-fA-F]*", re.ASCII)


def from_rpc(
    block: Mapping[str, object], name: Callable[[Sequence[bytes]], bytes] | None = None
) -> tuple[bytes, ...]:
    """Return the 15 to 21 fields of a header from a JSON-RPC block, each as the payload of its RLP string.

    Whatever else the block holds is ignored, and so are fields behind the first that is missing: no fork
    leaves out a field of an earlier one. Nodes also tell fields of later forks, of a block whose header ends
    before them. The caller has to compare the block's `hash` with the fields' hash.

    Args:
        block: as the node gave it.
        name: the hash by which the chain names a header of such fields, 32 bytes. Where the block tells its
            `hash`, the most fields that it names are returned; all of them where no number of them fits.

    Raises:
        HeaderRejected: one of the first 15 fields is missing, a field is not hex text of its length, or the
            `hash` is none.
    """
    told = list(takewhile(lambda field: block.get(field.name) is not None, FIELDS))
    if len(told) < MANDATORY:
        raise HeaderRejected(
            f"the block has no {FIELDS[len(told)].name}",
            found=[field.name for field in FIELDS if block.get(field.name) is not None],
            expected="the first 15 to 21 header fields",
        )
    fields = tuple(_read(field, block[field.name]) for field in told)
    if name is None or block.get("hash") is None:
        return fields
    expected = read_data("hash", block["hash"], 32)
    prefixes = (fields[:count] for count in range(len(fields), MANDATORY - 1, -1))
    return next((prefix for prefix in prefixes if name(prefix) == expected), fields)


def from_rlp(data: bytes) -> tuple[bytes, ...]:
    """Return the 15 to 21 fields of a header from its RLP, each as the payload of its RLP string.

    Raises:
        HeaderRejected: a field has another length.
        EncodingRejected: the bytes are not canonical RLP.
    """
    items = rlp.decode(data)
    if not isinstance(items, list) or not MANDATORY <= len(items) <= len(FIELDS):
        raise HeaderRejected(
            "a header has another number of fields",
            found=len(items) if isinstance(items, list) else "a string",
            expected="15 to 21",
        )
    fields = []
    for field, item in zip(FIELDS, items, strict=False):
        if not isinstance(item, bytes):
            raise HeaderRejected(f"{field.name} is a list", found=rlp.encode(item), expected="an RLP string")
        if field.length is _QUANTITY:
            rlp.decode_int(item, 256)
        elif field.length not in (_ANY, len(item)):
            raise HeaderRejected(
                f"{field.name} has another length", found=item, expected=f"{field.length} bytes"
            )
        fields.append(item)
    return tuple(fields)


def encode(fields: Sequence[bytes]) -> bytes:
    """Return the RLP of a header with these fields."""
    return rlp.encode_list(b"".join(map(rlp.encode_bytes, fields)))


def hash_of(fields: Sequence[bytes]) -> bytes:
    """Return the 32-byte block hash of a chain that hashes headers as they are.

    Chains whose headers carry seals hash them in ways of their own. The vectors of mainnet and of the rollups
    are checked by this (tests/conformance/mpt_rlp.py).
    """
    return keccak256(encode(fields))


def read_data(name: str, value: object, length: int) -> bytes:
    """Return the bytes of JSON-RPC data, which is `0x` and two hex digits a byte.

    Args:
        name: of the field, for the error.
        value: what the node gave.
        length: in bytes; -1 for any length up to 64 KiB.

    Raises:
        HeaderRejected: the value is not data of this length.
    """
    limit = _MAX_EXTRA_DATA if length == _ANY else length
    if (
        isinstance(value, str)
        and len(value) <= 2 + 2 * limit
        and len(value) % 2 == 0
        and _HEX.fullmatch(value)
    ):
        data = bytes.fromhex(value[2:])
        if length in (_ANY, len(data)):
            return data
    size = f"at most {limit}" if length == _ANY else length
    raise HeaderRejected(
        f"{name} is malformed", found=repr(value), expected=f"0x and the hex of {size} bytes"
    )


def read_uint64(name: str, payload: bytes) -> int:
    """Return the number of a field that has to be below 2^64, given the payload of its RLP string.

    Raises HeaderRejected: it is not.
    """
    if len(payload) > 8:
        raise HeaderRejected(f"{name} is too large", found=payload, expected="less than 2^64")
    return int.from_bytes(payload, "big")


def _read(field: _Field, value: object) -> bytes:
    if field.length is not None:
        return read_data(field.name, value, field.length)
    if isinstance(value, str) and 2 <= len(value) <= 66 and _HEX.fullmatch(value):
        # Leading zeros are tolerated, and Besu's `0x` for 0: the number is encoded canonically again, and the
        # block's hash decides whether these are the header's fields.
        number = int(value[2:] or "0", 16)
        return number.to_bytes((number.bit_length() + 7) >> 3, "big")
    raise HeaderRejected(
        f"{field.name} is malformed", found=repr(value), expected="0x and up to 64 hex digits"
    )
