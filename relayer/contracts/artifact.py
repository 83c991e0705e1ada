# SPDX-License-Identifier: MIT
"""One compiled contract: its code, how deployed code is recognised, and its ABI for calls and answers.

A contract is compiled for more than one EVM (docs/adr/0017-two-builds.md). Its builds have one ABI and one
storage layout: which of them stands at an address matters only to who deploys it or recognises its code.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import Enum
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


class Build(Enum):
    """The rules that a contract is compiled for; the best come first, and what runs under the last runs
    everywhere.

    Attributes:
        CANCUN: for Cancun and newer rules.
        BASELINE: for Istanbul and newer rules.
    """

    CANCUN = "cancun"
    BASELINE = "baseline"


class Decoded(NamedTuple):
    """A decoded call or event: the name of the function or event, and the arguments by name."""

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
    mutability: str = msgspec.field(default="", name="stateMutability")

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
    abi: tuple[msgspec.Raw, ...]
    bytecode: str
    deployed_bytecode: str
    immutable_references: tuple[_Place, ...]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract.

    Attributes:
        name: the contract's.
        build: the rules that it is compiled for.
        creation_code: the init code, to which the constructor's arguments are appended.
        runtime_code: the deployed code, in which immutables are zero.
        immutables: offset and length, in bytes, of each immutable in the deployed code.
        functions: by name.
        errors: by selector.
        events: by name.
        constructor: its inputs.
        abi: all of it, as the compiler tells it and other libraries read it.
    """

    name: str
    build: Build
    creation_code: bytes
    runtime_code: bytes
    immutables: tuple[tuple[int, int], ...]
    functions: Mapping[str, _Entry]
    errors: Mapping[bytes, _Entry]
    events: Mapping[str, _Entry]
    constructor: _Entry
    abi: Sequence[Mapping[str, Any]]

    @property
    def changing_functions(self) -> tuple[str, ...]:
        """The names of the functions that can change state."""
        return tuple(
            name for name, entry in self.functions.items() if entry.mutability not in ("view", "pure")
        )

    def encode_creation(self, *arguments: object) -> bytes:
        """Return the init code of a deployment; arguments as eth_abi takes them."""
        return self.creation_code + _encode(self.constructor.input_types, arguments)

    def rebuild(self, creation: bytes) -> bytes:
        """Return the init code that `encode_creation` of another build returned as one of this build.

        Raises UnknownContract when it is not of this contract.
        """
        for artifact in load_builds(self.name).values():
            code = artifact.creation_code
            if creation.startswith(code):
                return self.creation_code + creation[len(code) :]
        raise UnknownContract(f"init code that is not {self.name}'s", "what encode_creation returned")

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
        """Return whether the code at an address is this contract's in this build, whatever its immutables
        hold.
        """
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


def load(name: str, build: Build | None = None) -> Artifact:
    """Return an artifact by its contract's name, in one build; by default in the best that ships.

    It ships with this library, or with another distribution that offers contracts. Raises UnknownContract.
    """
    found = load_builds(name)
    if build is None:
        return next(iter(found.values()))
    if build not in found:
        raise UnknownContract(
            f"{name} ships without a {build.value} build",
            ", ".join(shipped.value for shipped in found),
            "It can't be deployed on a chain that needs this build.",
        )
    return found[build]


@functools.cache
def load_builds(name: str) -> Mapping[Build, Artifact]:
    """Return every build of a contract that ships, the best first. Raises UnknownContract."""
    found: dict[Build, Artifact] = {}
    for folder, build in _folders():
        path = folder.joinpath(f"{name}.json")
        if path.is_file():
            found.setdefault(build, _to_artifact(msgspec.json.decode(path.read_bytes(), type=_File), build))
    if not found:
        raise UnknownContract(
            f"no compiled contract {name!r} ships with this installation",
            "a file in relayer/contracts, or in a package that an entry point postroad.contracts names",
            "In a checkout, run `make artifacts`.",
        )
    return {build: found[build] for build in Build if build in found}


def best_build(name: str, rules: Build) -> Build | None:
    """Return the best build of a contract that runs under the rules that `rules` is compiled for.

    None where it ships in no such build. Raises UnknownContract.
    """
    order = list(Build)
    return next((build for build in load_builds(name) if order.index(build) >= order.index(rules)), None)


def recognise(name: str, code: bytes) -> Build | None:
    """Return which build of a contract the code at an address is; None for other code, and for none.

    Raises UnknownContract.
    """
    return next((build for build, artifact in load_builds(name).items() if artifact.is_runtime(code)), None)


def names() -> tuple[str, ...]:
    """Return the names of all artifacts; none in a checkout whose artifacts were not made yet."""
    files = [file.name for folder, _ in _folders() for file in folder.iterdir()]
    return tuple(
        sorted({name.removesuffix(".json") for name in files if name.endswith(".json") and name != _MANIFEST})
    )


def _folders() -> list[tuple[Traversable, Build]]:
    """Return where artifacts lie, each with its build.

    What another distribution has outside of the builds' folders is for Cancun.
    """
    packages = [resources.files(package) for package in (_OWN, *plugins.values(plugins.CONTRACTS))]
    inside = [(package.joinpath(build.value), build) for package in packages for build in Build]
    return [
        *((folder, build) for folder, build in inside if folder.is_dir()),
        *((package, Build.CANCUN) for package in packages),
    ]


def _to_artifact(file: _File, build: Build) -> Artifact:
    members = [msgspec.json.decode(member, type=_Entry) for member in file.abi]
    entries = {
        kind: [member for member in members if member.type == kind] for kind in ("function", "error", "event")
    }
    constructors = [member for member in members if member.type == "constructor"]
    return Artifact(
        name=file.contract_name,
        build=build,
        creation_code=bytes.fromhex(file.bytecode.removeprefix("0x")),
        runtime_code=bytes.fromhex(file.deployed_bytecode.removeprefix("0x")),
        immutables=tuple((place.start, place.length) for place in file.immutable_references),
        # Of overloads the first is meant; none of ours has any.
        functions={entry.name: entry for entry in reversed(entries["function"])},
        errors={keccak256(entry.signature.encode())[:SELECTOR_BYTES]: entry for entry in entries["error"]},
        events={entry.name: entry for entry in entries["event"]},
        constructor=constructors[0] if constructors else _Entry("constructor"),
        abi=tuple(msgspec.json.decode(member) for member in file.abi),
    )


def _encode(types: Sequence[str], arguments: Sequence[object]) -> bytes:
    from eth_abi import abi

    return abi.encode(types, arguments)
