# SPDX-License-Identifier: MIT
"""One compiled contract: its code, how deployed code is recognised, and its ABI for calls and answers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from light_clients.hashing import keccak256
from relayer import plugins
from relayer.errors import PostroadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.resources.abc import Traversable

SELECTOR_BYTES: Final = 4
#: The package whose files ship with this distribution.
_OWN: Final = "relayer.contracts"
_MANIFEST: Final = "manifest.json"


class UnknownContract(PostroadError):  # noqa: N818  as in relayer.errors
    """There is no artifact of that name, or no such function, error or event in it."""


class Decoded(NamedTuple):
    """A decoded error or call: its name and its arguments by name."""

    name: str
    arguments: Mapping[str, Any]


class _Parameter(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    components: tuple[_Parameter, ...] = ()
    indexed: bool = False

    @property
    def canonical(self) -> str:
        """The type as signatures have it, with the members of tuples written out."""
        if not self.type.startswith("tuple"):
            return self.type
        inside = ",".join(component.canonical for component in self.components)
        return f"({inside}){self.type.removeprefix('tuple')}"


class _Entry(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    inputs: tuple[_Parameter, ...] = ()
    outputs: tuple[_Parameter, ...] = ()

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(parameter.canonical for parameter in self.inputs)})"

    @property
    def input_types(self) -> list[str]:
        return [parameter.canonical for parameter in self.inputs]


class _Place(msgspec.Struct, frozen=True):
    start: int
    length: int


class _File(msgspec.Struct, frozen=True, rename="camel"):
    contract_name: str
    abi: tuple[_Entry, ...]
    bytecode: str
    deployed_bytecode: str
    immutable_references: tuple[_Place, ...]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract.

    Attributes:
        name: the contract's.
        creation_code: the init code, to which the constructor's arguments are appended.
        runtime_code: the deployed code, in which immutables are zero.
        immutables: offset and length, in bytes, of each immutable in the deployed code.
        functions: by name.
        errors: by selector.
        events: by name.
        constructor: its inputs.
    """

    name: str
    creation_code: bytes
    runtime_code: bytes
    immutables: tuple[tuple[int, int], ...]
    functions: Mapping[str, _Entry]
    errors: Mapping[bytes, _Entry]
    events: Mapping[str, _Entry]
    constructor: _Entry

    def encode_creation(self, *arguments: object) -> bytes:
        """Return the init code of a deployment; arguments as eth_abi takes them."""
        return self.creation_code + _encode(self.constructor.input_types, arguments)

    def selector(self, function: str) -> bytes:
        """Return a function's selector, 4 bytes. Raises UnknownContract."""
        return keccak256(self._function(function).signature.encode())[:SELECTOR_BYTES]

    def encode_call(self, function: str, *arguments: object) -> bytes:
        """Return the calldata of a function; arguments as eth_abi takes them. Raises UnknownContract."""
        return self.selector(function) + _encode(self._function(function).input_types, arguments)

    def decode_result(self, function: str, data: bytes) -> Any:
        """Return what a call returned: the value, or a tuple of several.

        Raises UnknownContract, and ValueError where the data is not what the function returns.
        """
        from eth_abi import abi

        types = [output.canonical for output in self._function(function).outputs]
        try:
            values = abi.decode(types, data)
        except Exception as error:
            raise ValueError(
                f"{self.name}.{function} returned 0x{data[:36].hex()}, expected {', '.join(types)}"
            ) from error
        return values[0] if len(types) == 1 else values

    def decode_call(self, data: bytes) -> Decoded | None:
        """Return a call's function and its arguments; None when it is no call of this contract."""
        from eth_abi import abi

        for entry in self.functions.values():
            if self.selector(entry.name) == data[:SELECTOR_BYTES]:
                break
        else:
            return None
        try:
            values = abi.decode(entry.input_types, data[SELECTOR_BYTES:])
        except Exception:  # noqa: BLE001  as below
            return None
        return Decoded(
            entry.name, {parameter.name: value for parameter, value in zip(entry.inputs, values, strict=True)}
        )

    def decode_error(self, data: bytes) -> Decoded | None:
        """Return a revert's name and arguments; None when this contract has no such error."""
        from eth_abi import abi

        entry = self.errors.get(data[:SELECTOR_BYTES])
        if entry is None:
            return None
        try:
            values = abi.decode(entry.input_types, data[SELECTOR_BYTES:])
        except Exception:  # noqa: BLE001  eth_abi has many; bytes of a stranger may raise any
            return None
        return Decoded(
            entry.name, {parameter.name: value for parameter, value in zip(entry.inputs, values, strict=True)}
        )

    def event_topic(self, event: str) -> bytes:
        """Return an event's first topic, 32 bytes. Raises UnknownContract."""
        if event not in self.events:
            raise UnknownContract(f"{self.name} has no event {event!r}", f"one of {', '.join(self.events)}")
        return keccak256(self.events[event].signature.encode())

    def decode_event(self, event: str, topics: Sequence[bytes], data: bytes) -> Mapping[str, Any]:
        """Return an event's arguments by name, from a log's topics (32 bytes) and its data.

        Raises UnknownContract, and ValueError for a log of another event or shape.
        """
        from eth_abi import abi

        if not topics or topics[0] != self.event_topic(event):
            raise ValueError(f"a log of another event than {self.name}.{event}")
        inputs = self.events[event].inputs
        indexed = [parameter for parameter in inputs if parameter.indexed]
        others = [parameter for parameter in inputs if not parameter.indexed]
        try:
            values = {
                parameter.name: abi.decode([parameter.canonical], topic)[0]
                for parameter, topic in zip(indexed, topics[1:], strict=True)
            }
            decoded = abi.decode([parameter.canonical for parameter in others], data)
        except Exception as error:
            raise ValueError(f"no log of {self.name}.{event}: 0x{data[:36].hex()}") from error
        return values | {parameter.name: value for parameter, value in zip(others, decoded, strict=True)}

    def is_runtime(self, code: bytes) -> bool:
        """Return whether the code at an address is this contract's, whatever its immutables hold."""
        return len(code) == len(self.runtime_code) and self._masked(code) == self._masked(self.runtime_code)

    def _masked(self, code: bytes) -> bytes:
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked)

    def _function(self, name: str) -> _Entry:
        if name not in self.functions:
            raise UnknownContract(
                f"{self.name} has no function {name!r}", f"one of {', '.join(self.functions)}"
            )
        return self.functions[name]


@functools.cache
def load(name: str) -> Artifact:
    """Read an artifact by its contract's name, once.

    It ships with this library, or with another distribution that offers contracts. Raises UnknownContract.
    """
    for folder in _folders():
        file = folder.joinpath(f"{name}.json")
        if file.is_file():
            return _to_artifact(msgspec.json.decode(file.read_bytes(), type=_File))
    raise UnknownContract(
        f"no compiled contract {name!r} ships with this installation",
        "a file in relayer/contracts, or in a package that an entry point postroad.contracts names",
        "In a checkout, run `make artifacts`.",
    )


def names() -> tuple[str, ...]:
    """Return the names of all artifacts; none in a checkout whose artifacts were not made yet."""
    files = [file.name for folder in _folders() for file in folder.iterdir()]
    return tuple(
        sorted({name.removesuffix(".json") for name in files if name.endswith(".json") and name != _MANIFEST})
    )


def _folders() -> list[Traversable]:
    packages = [_OWN, *plugins.values(plugins.CONTRACTS)]
    return [resources.files(package) for package in packages]


def _to_artifact(file: _File) -> Artifact:
    entries = {
        kind: [member for member in file.abi if member.type == kind]
        for kind in ("function", "error", "event")
    }
    constructors = [member for member in file.abi if member.type == "constructor"]
    return Artifact(
        name=file.contract_name,
        creation_code=bytes.fromhex(file.bytecode.removeprefix("0x")),
        runtime_code=bytes.fromhex(file.deployed_bytecode.removeprefix("0x")),
        immutables=tuple((place.start, place.length) for place in file.immutable_references),
        # Of overloads the first is meant; none of ours has any.
        functions={entry.name: entry for entry in reversed(entries["function"])},
        errors={keccak256(entry.signature.encode())[:SELECTOR_BYTES]: entry for entry in entries["error"]},
        events={entry.name: entry for entry in entries["event"]},
        constructor=constructors[0] if constructors else _Entry("constructor"),
    )


def _encode(types: Sequence[str], arguments: Sequence[object]) -> bytes:
    from eth_abi import abi

    return abi.encode(types, arguments)
