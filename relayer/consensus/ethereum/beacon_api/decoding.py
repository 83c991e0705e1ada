# SPDX-License-Identifier: MIT
"""Reading answers of the Beacon API: light-client objects in the form of the fork that the answer names.

The fork decides how bytes are read and nothing else; whether an object is one of its slot's fork is for
whoever verifies it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from light_clients.errors import EncodingRejected, HeaderRejected
from light_clients.ethereum.config import ForkName, NetworkConfig
from light_clients.ethereum.containers import LightClientUpdate
from light_clients.ethereum.ssz_object import SszObject
from relayer.chains.http import is_too_deep
from relayer.consensus.ethereum.beacon_api.provider import BeaconAnswer
from relayer.errors import RpcAnswerInvalid

S = TypeVar("S", bound=SszObject)

_DIGEST_BYTES: Final = 4
_LENGTH_BYTES: Final = 8
#: 2^64 - 1 has as many.
_MOST_DIGITS: Final = 20


def decode_json(body: bytes) -> Any:
    """Decode JSON. Raises RpcAnswerInvalid where it is none, or nested without end."""
    if is_too_deep(body):
        raise RpcAnswerInvalid("JSON that is nested without end", "version and data")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RpcAnswerInvalid(f"an answer that is no JSON ({type(error).__name__})", "JSON") from None


def decode_object(answer: BeaconAnswer, kind: type[S], network: NetworkConfig) -> S:
    """Decode an answer that holds one object.

    Args:
        answer: with its fork's name, in a header of SSZ or beside the data of JSON.
        kind: what was asked for.
        network: whose forks and sizes count.

    Raises:
        RpcAnswerInvalid: it is no JSON.
        Rejection: its fork is not of the network, or it is malformed.
    """
    if answer.is_ssz:
        fork = _fork(answer.version, network)
        return kind.decode_ssz(answer.body, fork, network.preset)
    return _from_json(decode_json(answer.body), kind, network, answer.version)


def decode_updates(answer: BeaconAnswer, network: NetworkConfig, most: int) -> tuple[LightClientUpdate, ...]:
    """Decode an answer that holds the updates of consecutive periods.

    Args:
        answer: chunks of SSZ, or a list in JSON.
        network: whose forks and sizes count.
        most: how many were asked for.

    Raises:
        RpcAnswerInvalid: it is no JSON, or holds more than was asked for.
        Rejection: one of them is malformed.
    """
    if answer.is_ssz:
        found = tuple(_read_chunks(answer.body, network))
    else:
        listed = decode_json(answer.body)
        if isinstance(listed, dict):
            # Early nodes wrap the list like every other answer.
            listed = listed.get("data")
        if not isinstance(listed, list):
            raise RpcAnswerInvalid("updates that are no list", "a list of versioned updates")
        # A list may be as long as a node likes, and one update too many is enough to refuse it.
        found = tuple(
            _from_json(update, LightClientUpdate, network, answer.version) for update in listed[: most + 1]
        )
    if len(found) > most:
        raise RpcAnswerInvalid(f"{len(found)} updates or more", f"at most {most}")
    return found


def read_number(found: Mapping[str, Any], key: str, label: str) -> int:
    """Read an unsigned integer of 64 bits that an object tells as decimal text or, with some nodes, as a
    number.

    Args:
        found: the object.
        key: its name there.
        label: names the node in errors.

    Raises:
        RpcAnswerInvalid: there is none.
    """
    value = found.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return value
    raise RpcAnswerInvalid(f"{label} tells no number {key} ({str(value)[:40]!r})", "a number of 64 bits")


def read_bytes(found: Mapping[str, Any], key: str, length: int, label: str) -> bytes:
    """Read exactly `length` bytes that an object tells in hex.

    Args:
        found: the object.
        key: their name there.
        length: how many they have to be.
        label: names the node in errors.

    Raises:
        RpcAnswerInvalid: there are none.
    """
    value = found.get(key)
    try:
        read = bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else b""
    except ValueError:
        read = b""
    if len(read) != length:
        raise RpcAnswerInvalid(f"{label} tells no {key} ({str(value)[:40]!r})", f"{length} bytes in hex")
    return read


def _read_chunks(body: bytes, network: NetworkConfig) -> Iterator[LightClientUpdate]:
    """A chunk is the length (8 bytes, little-endian) of what follows: a fork digest (4 bytes), an update."""
    at = 0
    while at < len(body):
        length = int.from_bytes(body[at : at + _LENGTH_BYTES], "little")
        start, stop = at + _LENGTH_BYTES + _DIGEST_BYTES, at + _LENGTH_BYTES + length
        if length <= _DIGEST_BYTES or stop > len(body):
            raise EncodingRejected(
                "a chunk of updates is cut", found=f"{len(body) - at} bytes", expected=f"{length} after 8"
            )
        fork = network.fork_with_digest(body[at + _LENGTH_BYTES : start])
        yield LightClientUpdate.decode_ssz(body[start:stop], fork.name, network.preset)
        at = stop


def _from_json(found: Any, kind: type[S], network: NetworkConfig, version: str) -> S:
    if not isinstance(found, dict):
        raise RpcAnswerInvalid("an answer that is no object", "version and data")
    # Without a version of its own, the header's is meant.
    label = found.get("version", version)
    return kind.from_json(found.get("data"), _fork(label, network), network.preset)


def _fork(label: object, network: NetworkConfig) -> ForkName:
    fork = network.fork_named(ForkName.parse(label.lower() if isinstance(label, str) else label))
    if fork is None:
        raise HeaderRejected(
            "an object is of a fork that the network does not have",
            found=label,
            expected=[fork.name.label for fork in network.forks],
        )
    return fork.name
