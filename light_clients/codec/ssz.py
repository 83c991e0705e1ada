# SPDX-License-Identifier: MIT
"""SSZ as far as light clients need it, read strictly (consensus-specs, `ssz/simple-serialize.md`; ADR 0009).

An SSZ type is an object (`Uint(8)`, `Container(...)`) that encodes, decodes and hashes plain values:
integers, bytes, tuples, and frozen dataclasses for containers. A value has one encoding, and any other bytes
are rejected: lengths, offsets, padding bits and bytes left over are all checked.
"""

# ruff: noqa: D102 - SszType documents the methods that every type has

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Generic, TypeVar

from light_clients.codec.merkle_branch import (
    ZERO_CHUNK,
    ZERO_HASHES,
    compute_merkle_proof,
    hash_pair,
    merkleize,
)
from light_clients.errors import EncodingRejected

__all__ = [
    "BYTES32",
    "BYTES48",
    "BYTES96",
    "UINT64",
    "UINT256",
    "ZERO_CHUNK",
    "ZERO_HASHES",
    "Bitvector",
    "ByteList",
    "ByteVector",
    "Container",
    "SszType",
    "Uint",
    "Vector",
    "Zeroable",
    "hash_pair",
    "merkleize",
]

T = TypeVar("T")

#: The bytes of an offset (`BYTES_PER_LENGTH_OFFSET` of the specification).
_OFFSET: Final = 4
_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)
#: A number has one text, so no leading zero is read (ADR 0009).
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)


def _chunks(data: bytes) -> list[bytes]:
    chunks = [data[at : at + 32] for at in range(0, len(data), 32)]
    if chunks:
        chunks[-1] = chunks[-1].ljust(32, b"\x00")
    return chunks


class SszType(ABC, Generic[T]):
    """An SSZ type, whose values are of the Python type `T`.

    Attributes:
        size: the bytes of an encoding; None where their number varies.
    """

    __slots__ = ()
    size: int | None

    @abstractmethod
    def default(self) -> T:
        """Return the default value, whose encoding is all zeros and as short as possible."""

    @abstractmethod
    def encode(self, value: T) -> bytes:
        """Return the encoding of a value. Raises ValueError when the value is not one of this type."""

    @abstractmethod
    def decode(self, data: bytes) -> T:
        """Return the value that the bytes encode. Raises EncodingRejected unless they are exactly one
        encoding.
        """

    @abstractmethod
    def hash_tree_root(self, value: T) -> bytes:
        """Return the Merkle root of a value, 32 bytes."""

    @abstractmethod
    def to_json(self, value: T) -> Any:
        """Return a value as the Beacon API writes it in JSON: integers as decimal text, bytes as hex."""

    @abstractmethod
    def from_json(self, value: object, where: str) -> T:
        """Return the value that JSON holds; `where` names it in errors. Raises EncodingRejected when it is
        malformed.
        """


def _check_length(what: str, data: bytes, size: int) -> None:
    if len(data) != size:
        raise EncodingRejected(f"{what} has another length", found=f"{len(data)} bytes", expected=f"{size}")


def _read_hex(value: object, where: str) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise EncodingRejected(f"{where} is malformed", found=repr(value), expected="0x and hex digits")
    return bytes.fromhex(value[2:])


@dataclass(frozen=True, slots=True)
class Uint(SszType[int]):
    """`uintN`: an unsigned integer of `size` bytes, little-endian."""

    size: int

    def default(self) -> int:
        return 0

    def encode(self, value: int) -> bytes:
        try:
            return value.to_bytes(self.size, "little")
        except OverflowError as error:
            raise ValueError(f"found {value}, expected an integer of {self.size} bytes") from error

    def decode(self, data: bytes) -> int:
        _check_length("an integer", data, self.size)
        return int.from_bytes(data, "little")

    def hash_tree_root(self, value: int) -> bytes:
        return self.encode(value).ljust(32, b"\x00")

    def to_json(self, value: int) -> str:
        return str(value)

    def from_json(self, value: object, where: str) -> int:
        # 2^256 has 78 digits. Reading longer text takes time that is quadratic in its length, so it is not
        # read.
        if isinstance(value, str) and len(value) <= 78 and _DECIMAL.fullmatch(value):
            number = int(value)
            if number >> (8 * self.size) == 0:
                return number
        raise EncodingRejected(
            f"{where} is malformed",
            found=repr(value),
            expected=f"decimal text of an integer of {self.size} bytes",
        )


@dataclass(frozen=True, slots=True)
class ByteVector(SszType[bytes]):
    """`ByteVector[N]`: exactly `size` bytes."""

    size: int

    def default(self) -> bytes:
        return bytes(self.size)

    def encode(self, value: bytes) -> bytes:
        if len(value) != self.size:
            raise ValueError(f"found {len(value)} bytes, expected {self.size}")
        return bytes(value)

    def decode(self, data: bytes) -> bytes:
        _check_length("a byte vector", data, self.size)
        return bytes(data)

    def hash_tree_root(self, value: bytes) -> bytes:
        data = self.encode(value)
        if self.size == 32:
            return data
        if 32 < self.size <= 64:
            # Two chunks. A committee has 512 keys of this size, so they skip the general way.
            return sha256(data.ljust(64, b"\x00")).digest()
        return merkleize(_chunks(data))

    def to_json(self, value: bytes) -> str:
        return "0x" + value.hex()

    def from_json(self, value: object, where: str) -> bytes:
        data = _read_hex(value, where)
        _check_length(where, data, self.size)
        return data


@dataclass(frozen=True, slots=True)
class ByteList(SszType[bytes]):
    """`ByteList[N]`: at most `limit` bytes."""

    limit: int
    size: int | None = field(init=False, default=None)

    def default(self) -> bytes:
        return b""

    def encode(self, value: bytes) -> bytes:
        if len(value) > self.limit:
            raise ValueError(f"found {len(value)} bytes, expected at most {self.limit}")
        return bytes(value)

    def decode(self, data: bytes) -> bytes:
        if len(data) > self.limit:
            raise EncodingRejected(
                "a byte list is too long", found=f"{len(data)} bytes", expected=f"at most {self.limit}"
            )
        return bytes(data)

    def hash_tree_root(self, value: bytes) -> bytes:
        root = merkleize(_chunks(self.encode(value)), (self.limit + 31) // 32)
        return hash_pair(root, len(value).to_bytes(32, "little"))

    def to_json(self, value: bytes) -> str:
        return "0x" + value.hex()

    def from_json(self, value: object, where: str) -> bytes:
        return self.decode(_read_hex(value, where))


@dataclass(frozen=True, slots=True)
class Bitvector(SszType[tuple[bool, ...]]):
    """`Bitvector[N]`: exactly `length` bits, as a tuple of booleans.

    The first bit is the lowest of the first byte, and the bits that pad the last byte are zero.
    """

    length: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", (self.length + 7) // 8)

    def default(self) -> tuple[bool, ...]:
        return (False,) * self.length

    def encode(self, value: tuple[bool, ...]) -> bytes:
        if len(value) != self.length:
            raise ValueError(f"found {len(value)} bits, expected {self.length}")
        return sum(1 << at for at, bit in enumerate(value) if bit).to_bytes(self.size, "little")

    def decode(self, data: bytes) -> tuple[bool, ...]:
        _check_length("a bit vector", data, self.size)
        number = int.from_bytes(data, "little")
        if number >> self.length:
            raise EncodingRejected(
                "a padding bit is set", found=data, expected=f"zeros after {self.length} bits"
            )
        return tuple(digit == "1" for digit in reversed(f"{number:0{self.length}b}"))

    def hash_tree_root(self, value: tuple[bool, ...]) -> bytes:
        return merkleize(_chunks(self.encode(value)))

    def to_json(self, value: tuple[bool, ...]) -> str:
        return "0x" + self.encode(value).hex()

    def from_json(self, value: object, where: str) -> tuple[bool, ...]:
        data = _read_hex(value, where)
        _check_length(where, data, self.size)
        return self.decode(data)


@dataclass(frozen=True, slots=True)
class Vector(SszType[tuple[Any, ...]]):
    """`Vector[T, N]`: exactly `length` values of one type, as a tuple.

    The type has a fixed size of at least 32 bytes. SSZ packs smaller ones together into chunks, which no
    object of the light-client protocol needs.
    """

    element: SszType[Any]
    length: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        if self.element.size is None or self.element.size < 32:
            raise ValueError("found an element of variable or small size, expected 32 bytes or more")
        object.__setattr__(self, "size", self.element.size * self.length)

    def default(self) -> tuple[Any, ...]:
        return (self.element.default(),) * self.length

    def encode(self, value: tuple[Any, ...]) -> bytes:
        self._check(value)
        return b"".join(map(self.element.encode, value))

    def decode(self, data: bytes) -> tuple[Any, ...]:
        _check_length("a vector", data, self.size)
        step = self.size // self.length
        return tuple(self.element.decode(data[at : at + step]) for at in range(0, self.size, step))

    def hash_tree_root(self, value: tuple[Any, ...]) -> bytes:
        self._check(value)
        return merkleize([self.element.hash_tree_root(element) for element in value])

    def to_json(self, value: tuple[Any, ...]) -> list[Any]:
        return [self.element.to_json(element) for element in value]

    def from_json(self, value: object, where: str) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != self.length:
            found = f"{len(value)} items" if isinstance(value, (list, tuple)) else repr(value)
            raise EncodingRejected(f"{where} is malformed", found=found, expected=f"{self.length} items")
        return tuple(self.element.from_json(element, where) for element in value)

    def _check(self, value: tuple[Any, ...]) -> None:
        if len(value) != self.length:
            raise ValueError(f"found {len(value)} values, expected {self.length}")


@dataclass(frozen=True, slots=True)
class Zeroable(SszType[T], Generic[T]):
    """A type whose default value means absence, which is the Python value `absent` here.

    The specification marks an absent object by its default, all zeros, and compares with that.
    """

    inner: SszType[Any]
    absent: T
    size: int | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.inner.size)

    def default(self) -> T:
        return self.absent

    def encode(self, value: T) -> bytes:
        return self.inner.encode(self._fill(value))

    def decode(self, data: bytes) -> T:
        return self._clear(self.inner.decode(data))

    def hash_tree_root(self, value: T) -> bytes:
        return self.inner.hash_tree_root(self._fill(value))

    def to_json(self, value: T) -> Any:
        return self.inner.to_json(self._fill(value))

    def from_json(self, value: object, where: str) -> T:
        return self._clear(self.inner.from_json(value, where))

    def _fill(self, value: T) -> Any:
        return self.inner.default() if value == self.absent else value

    def _clear(self, value: Any) -> T:
        return self.absent if value == self.inner.default() else value


@dataclass(frozen=True, slots=True)
class Container(SszType[T], Generic[T]):
    """`Container`: named fields, in the order of `fields`.

    Encoding reads them from attributes of the same names; decoding gives them to `make` as keyword arguments.
    """

    make: Callable[..., T]
    fields: Mapping[str, SszType[Any]]
    size: int | None = field(init=False)

    def __post_init__(self) -> None:
        sizes = [kind.size for kind in self.fields.values()]
        fixed = [size for size in sizes if size is not None]
        object.__setattr__(self, "size", sum(fixed) if len(fixed) == len(sizes) else None)

    def default(self) -> T:
        return self.make(**{name: kind.default() for name, kind in self.fields.items()})

    def encode(self, value: T) -> bytes:
        parts = [(kind, kind.encode(self._get(value, name))) for name, kind in self.fields.items()]
        offset = self._fixed_length()
        fixed, variable = [], []
        for kind, part in parts:
            if kind.size is not None:
                fixed.append(part)
            else:
                fixed.append(offset.to_bytes(_OFFSET, "little"))
                variable.append(part)
                offset += len(part)
        return b"".join(fixed + variable)

    def decode(self, data: bytes) -> T:
        start = self._fixed_length()
        if len(data) < start if self.size is None else len(data) != start:
            raise EncodingRejected(
                f"{self._name()} has another length",
                found=f"{len(data)} bytes",
                expected=f"{'at least ' if self.size is None else ''}{start}",
            )
        spans: dict[str, tuple[int, int]] = {}
        offsets: list[tuple[str, int]] = []
        at = 0
        for name, kind in self.fields.items():
            if kind.size is None:
                offsets.append((name, int.from_bytes(data[at : at + _OFFSET], "little")))
                at += _OFFSET
            else:
                spans[name] = (at, at + kind.size)
                at += kind.size
        ends = [offset for _, offset in offsets[1:]] + [len(data)]
        for (name, offset), end in zip(offsets, ends, strict=False):
            # Variable parts follow each other without a gap, so the first begins where the fixed part ends. A
            # gap would be a second encoding of the same value.
            if (name == offsets[0][0] and offset != start) or not offset <= end <= len(data):
                raise EncodingRejected(
                    f"the offset of {self._name()}.{name} is wrong",
                    found=offset,
                    expected=start if name == offsets[0][0] and offset != start else f"at most {end}",
                )
            spans[name] = (offset, end)
        return self.make(
            **{name: kind.decode(data[slice(*spans[name])]) for name, kind in self.fields.items()}
        )

    def hash_tree_root(self, value: T) -> bytes:
        return merkleize(self._roots(value))

    def prove(self, value: T, name: str) -> tuple[bytes, ...]:
        """Return the branch from the root of a field to the root of the container, as `compute_merkle_proof`
        gives it.
        """
        return compute_merkle_proof(self._roots(value), list(self.fields).index(name))

    def to_json(self, value: T) -> dict[str, Any]:
        return {name: kind.to_json(self._get(value, name)) for name, kind in self.fields.items()}

    def from_json(self, value: object, where: str) -> T:
        # Further keys are ignored: what is not read enters no root.
        if not isinstance(value, Mapping) or not self.fields.keys() <= value.keys():
            found = sorted(map(str, value)) if isinstance(value, Mapping) else repr(value)
            raise EncodingRejected(f"{where} is malformed", found=found, expected=list(self.fields))
        return self.make(
            **{name: kind.from_json(value[name], f"{where}.{name}") for name, kind in self.fields.items()}
        )

    def _roots(self, value: T) -> list[bytes]:
        return [kind.hash_tree_root(self._get(value, name)) for name, kind in self.fields.items()]

    def _get(self, value: T, name: str) -> Any:
        found = getattr(value, name)
        if found is None and not isinstance(self.fields[name], Zeroable):
            raise ValueError(f"found no {self._name()}.{name}, expected the form of a fork that has it")
        return found

    def _fixed_length(self) -> int:
        return sum(_OFFSET if kind.size is None else kind.size for kind in self.fields.values())

    def _name(self) -> str:
        return getattr(self.make, "__name__", "a container")


UINT64: Final = Uint(8)
UINT256: Final = Uint(32)
BYTES32: Final = ByteVector(32)
BYTES48: Final = ByteVector(48)
BYTES96: Final = ByteVector(96)
