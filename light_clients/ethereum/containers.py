# SPDX-License-Identifier: MIT
"""The objects of the light-client protocol, named as the consensus specification names them.

Sources: `specs/altair/light-client/sync-protocol.md` and its successors; `specs/phase0/beacon-chain.md`.

One class serves all forks. What the specification marks as absent with a container of zeros is None here, and an
absent branch is empty, so that an object equals itself after an upgrade to a fork that only adds zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Self

from light_clients.codec.merkle_branch import ZERO_CHUNK, hash_pair, merkleize
from light_clients.codec.ssz import (
    BYTES32,
    BYTES48,
    BYTES96,
    UINT64,
    Bitvector,
    Container,
    SszType,
    Vector,
    Zeroable,
)
from light_clients.ethereum.config import GENESIS_SLOT, ForkName, Preset, Slot
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.forks import LAYOUTS
from light_clients.ethereum.ssz_object import SszObject

Branch = tuple[bytes, ...]


def is_absent(branch: Sequence[bytes]) -> bool:
    """Whether a branch is empty or all zeros, which is how absence is told."""
    return all(node == ZERO_CHUNK for node in branch)


@dataclass(frozen=True, slots=True)
class BeaconBlockHeader(SszObject):
    """A beacon block, its body hashed; `hash_tree_root` is the block's name."""

    slot: Slot = GENESIS_SLOT
    proposer_index: int = 0
    parent_root: bytes = ZERO_CHUNK
    state_root: bytes = ZERO_CHUNK
    body_root: bytes = ZERO_CHUNK

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - the same in all
        """The SSZ type."""
        fields: dict[str, SszType[Any]] = {
            "slot": UINT64,
            "proposer_index": UINT64,
            "parent_root": BYTES32,
            "state_root": BYTES32,
            "body_root": BYTES32,
        }
        return Container(cls, fields)

    def hash_tree_root(self) -> bytes:
        """The block's root, 32 bytes."""
        numbers = (UINT64.hash_tree_root(self.slot), UINT64.hash_tree_root(self.proposer_index))
        return merkleize((*numbers, self.parent_root, self.state_root, self.body_root))


@dataclass(frozen=True, slots=True)
class SyncCommittee(SszObject):
    """Who signs for a period.

    Attributes:
        pubkeys: 48 bytes each, one a seat.
        aggregate_pubkey: the sum of all, 48 bytes.
    """

    pubkeys: tuple[bytes, ...]
    aggregate_pubkey: bytes
    _root: bytes | None = field(init=False, repr=False, compare=False, default=None)

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - the same in all
        """The SSZ type."""
        return Container(
            cls, {"pubkeys": Vector(BYTES48, preset.sync_committee_size), "aggregate_pubkey": BYTES48}
        )

    def hash_tree_root(self) -> bytes:
        """The committee's root, 32 bytes; computed once, for it takes some thousand hashes."""
        if self._root is None:
            leaves = [BYTES48.hash_tree_root(pubkey) for pubkey in self.pubkeys]
            root = hash_pair(merkleize(leaves), BYTES48.hash_tree_root(self.aggregate_pubkey))
            object.__setattr__(self, "_root", root)
        return self._root or b""


@dataclass(frozen=True, slots=True)
class SyncAggregate(SszObject):
    """Who of a committee signed, and the sum of their signatures (96 bytes)."""

    sync_committee_bits: tuple[bool, ...]
    sync_committee_signature: bytes

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - the same in all
        """The SSZ type."""
        return Container(
            cls,
            {
                "sync_committee_bits": Bitvector(preset.sync_committee_size),
                "sync_committee_signature": BYTES96,
            },
        )

    @property
    def participants(self) -> int:
        """How many signed."""
        return sum(self.sync_committee_bits)


@dataclass(frozen=True, slots=True)
class LightClientHeader(SszObject):
    """A beacon block's header, and what its body says of the execution block.

    Attributes:
        beacon: the header that committees sign.
        execution: the execution payload's header; None before Capella, and in the form of Gloas.
        execution_branch: from `execution` (or the execution block's hash) to `beacon.body_root`; empty where there is
            nothing to prove.
        execution_block_hash: 32 bytes in the form of Gloas, else None.
    """

    beacon: BeaconBlockHeader = BeaconBlockHeader()
    execution: ExecutionPayloadHeader | None = None
    execution_branch: Branch = ()
    execution_block_hash: bytes | None = None

    def __post_init__(self) -> None:
        if self.execution_branch and is_absent(self.execution_branch):
            object.__setattr__(self, "execution_branch", ())

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """The SSZ type."""
        fields: dict[str, SszType[Any]] = {"beacon": BeaconBlockHeader.ssz(fork, preset)}
        branch = _branch(LAYOUTS[fork].execution_depth)
        if fork >= ForkName.GLOAS:
            fields |= {"execution_block_hash": Zeroable(BYTES32, None), "execution_branch": branch}
        elif fork >= ForkName.CAPELLA:
            payload = Zeroable(ExecutionPayloadHeader.ssz(fork, preset), None)
            fields |= {"execution": payload, "execution_branch": branch}
        return Container(cls, fields)


@dataclass(frozen=True, slots=True)
class LightClientBootstrap(SszObject):
    """What a client begins with: the header of a trusted block, and the committee of its period."""

    header: LightClientHeader
    current_sync_committee: SyncCommittee
    current_sync_committee_branch: Branch

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """The SSZ type."""
        return Container(
            cls,
            {
                "header": LightClientHeader.ssz(fork, preset),
                "current_sync_committee": SyncCommittee.ssz(fork, preset),
                "current_sync_committee_branch": _branch(LAYOUTS[fork].committee_depth),
            },
        )


@dataclass(frozen=True, slots=True)
class LightClientUpdate(SszObject):
    """A signed header, with what of its state a client needs to follow.

    Attributes:
        attested_header: what the committee signed.
        next_sync_committee, next_sync_committee_branch: from the attested state; None and empty when not shown.
        finalized_header, finality_branch: likewise; `LightClientHeader()` and empty when not shown.
        sync_aggregate: the signature.
        signature_slot: of the block that carried the signature.
    """

    attested_header: LightClientHeader
    next_sync_committee: SyncCommittee | None
    next_sync_committee_branch: Branch
    finalized_header: LightClientHeader
    finality_branch: Branch
    sync_aggregate: SyncAggregate
    signature_slot: Slot

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """The SSZ type."""
        header = LightClientHeader.ssz(fork, preset)
        fields: dict[str, SszType[Any]] = {
            "attested_header": header,
            "next_sync_committee": Zeroable(SyncCommittee.ssz(fork, preset), None),
            "next_sync_committee_branch": _branch(LAYOUTS[fork].committee_depth),
            "finalized_header": header,
            "finality_branch": _branch(LAYOUTS[fork].finality_depth),
        }
        return Container(cls, fields | _signature(fork, preset))


@dataclass(frozen=True, slots=True)
class LightClientFinalityUpdate(SszObject):
    """A signed header and the finalized one of its state."""

    attested_header: LightClientHeader
    finalized_header: LightClientHeader
    finality_branch: Branch
    sync_aggregate: SyncAggregate
    signature_slot: Slot

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """The SSZ type."""
        header = LightClientHeader.ssz(fork, preset)
        fields: dict[str, SszType[Any]] = {
            "attested_header": header,
            "finalized_header": header,
            "finality_branch": _branch(LAYOUTS[fork].finality_depth),
        }
        return Container(cls, fields | _signature(fork, preset))


@dataclass(frozen=True, slots=True)
class LightClientOptimisticUpdate(SszObject):
    """A signed header alone."""

    attested_header: LightClientHeader
    sync_aggregate: SyncAggregate
    signature_slot: Slot

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """The SSZ type."""
        return Container(
            cls, {"attested_header": LightClientHeader.ssz(fork, preset)} | _signature(fork, preset)
        )


_NO_BRANCH: Final[Branch] = ()


def _branch(depth: int) -> SszType[Branch]:
    return Zeroable(Vector(BYTES32, depth), _NO_BRANCH)


def _signature(fork: ForkName, preset: Preset) -> dict[str, SszType[Any]]:
    return {"sync_aggregate": SyncAggregate.ssz(fork, preset), "signature_slot": UINT64}
