# SPDX-License-Identifier: MIT
"""Types of values that TOML does not have, and the limits that several tables share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from relayer.config.secret_url import SecretUrl
from relayer.errors import Malformed


class Bytes4(bytes):
    """Four bytes, written as hex with 0x."""

    __slots__ = ()


class Bytes20(bytes):
    """Twenty bytes, written as hex with 0x."""

    __slots__ = ()


class Bytes32(bytes):
    """Thirty-two bytes, written as hex with 0x."""

    __slots__ = ()


Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
#: A block number from which trust can begin.
Height = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
#: A number of 63 bits that may be zero.
Slot = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

_SIZES: Final[Mapping[type, int]] = {Bytes4: 4, Bytes20: 20, Bytes32: 32}


def _fits_checksum(address: str) -> bool:
    digits = address[2:]
    if digits in {digits.lower(), digits.upper()}:
        return True
    # Late, for it hashes: most addresses need no check.
    from relayer.protocol.interop_address import parse_evm_address

    try:
        parse_evm_address(address)
    except Malformed:
        return False
    return True


def decode_value(kind: type, value: object) -> object:
    """Turn what TOML gives into one of our own types; msgspec calls this for types that it does not know.

    Raises ValueError, whose text says what was expected, and NotImplementedError for a type of no table.
    """
    if isinstance(value, kind) and (kind is Path or not isinstance(value, (str, dict, list))):
        # Put there by the reader itself: the folder, and a table that its kind of consensus has decoded.
        return value
    if kind is SecretUrl:
        if not isinstance(value, str):
            message = "a URL in quotes"
            raise ValueError(message)
        if not re.match(r"[a-z][a-z0-9+.-]*://", value):
            message = "a URL such as https://host:port"
            raise ValueError(message)
        return SecretUrl(value)
    if kind in _SIZES:
        size = _SIZES[kind]
        if not isinstance(value, str) or not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", value):
            message = f"{size} bytes of hex in quotes, 0x and {2 * size} digits"
            raise ValueError(message)
        if kind is Bytes20 and not _fits_checksum(value):
            message = "an address whose capitals are its checksum (EIP-55), or one without capitals"
            raise ValueError(message)
        decoded: object = kind(bytes.fromhex(value[2:]))
        return decoded
    message = f"{kind.__name__} can't be read from a file"
    raise NotImplementedError(message)
