# SPDX-License-Identifier: MIT
"""What every object of the light-client protocol can do: SSZ, and the JSON of the Beacon API, in the form of
a fork.

Nodes of Ethereum's consensus serve these objects in both forms (Beacon API, `/eth/v1/beacon/light_client/*`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from light_clients.codec.ssz import Container
from light_clients.errors import EncodingRejected
from light_clients.ethereum.config import ForkName, Preset


class SszObject(ABC):
    """An object whose SSZ type depends on the fork and the preset."""

    __slots__ = ()

    @classmethod
    @abstractmethod
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """Return the SSZ type of this object."""

    def encode_ssz(self, fork: ForkName, preset: Preset) -> bytes:
        """Return the SSZ encoding in the form of a fork.

        Raises:
            ValueError: the object is of another preset, or in the form of another fork (see `fork_upgrade`).
        """
        return self.ssz(fork, preset).encode(self)

    @classmethod
    def decode_ssz(cls, data: bytes, fork: ForkName, preset: Preset) -> Self:
        """Return the object that bytes in the form of a fork encode.

        Raises:
            EncodingRejected: the bytes are not exactly one encoding.
        """
        return cls.ssz(fork, preset).decode(data)

    def root_at(self, fork: ForkName, preset: Preset) -> bytes:
        """Return the hash tree root in the form of a fork, 32 bytes."""
        return self.ssz(fork, preset).hash_tree_root(self)

    def to_json(self, fork: ForkName, preset: Preset) -> dict[str, Any]:
        """Return what the Beacon API has under `data`."""
        return self.ssz(fork, preset).to_json(self)

    @classmethod
    def from_json(cls, data: object, fork: ForkName, preset: Preset) -> Self:
        """Return the object that the Beacon API has under `data`; keys that are not known are ignored.

        Raises:
            EncodingRejected: a key is missing or its value malformed.
        """
        return cls.ssz(fork, preset).from_json(data, cls.__name__)

    def to_versioned_json(self, fork: ForkName, preset: Preset) -> dict[str, Any]:
        """Return a whole answer of the Beacon API: `version` and `data`."""
        return {"version": fork.label, "data": self.to_json(fork, preset)}

    @classmethod
    def from_versioned_json(cls, answer: object, preset: Preset) -> Self:
        """Return the object of a whole answer of the Beacon API: `version` and `data`.

        Raises:
            EncodingRejected: the answer is malformed.
            HeaderRejected: its fork is not known.
        """
        if not isinstance(answer, Mapping) or not {"version", "data"} <= answer.keys():
            raise EncodingRejected(
                f"{cls.__name__} is malformed", found=repr(answer), expected="version and data"
            )
        return cls.from_json(answer["data"], ForkName.parse(answer["version"]), preset)
