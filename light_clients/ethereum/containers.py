# SPDX-License-Identifier: MIT
"""The objects of the light-client protocol, named as the consensus specification names them.

Sources: `specs/altair/light-client/sync-protocol.md` and its successors; `specs/phase0/beacon-chain.md`.

One class serves all forks. The specification marks what is absent by a container of zeros. Here that is None,
and an absent branch is empty, so that an object equals itself after an upgrade to a fork that only adds
zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Self, TypeAlias

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

#: Siblings of 32 bytes from a node up to a root, the deepest first; empty where there is nothing to prove.
Branch: TypeAlias = tuple[bytes, ...]


def is_absent(branch: Sequence[bytes]) -> bool:
    """Return whether a branch is empty or all zeros, which means that what it would prove is absent."""
    return all(node == ZERO_CHUNK for node in branch)


@dataclass(frozen=True, slots=True)
class BeaconBlockHeader(SszObject):
    """The header of a beacon block. Its root names the block.

    Attributes:
        slot: of the block.
        proposer_index: who proposed it, as an index into all validators.
        parent_root: the root of the block before it, 32 bytes.
        state_root: the root of the beacon state after it, 32 bytes.
        body_root: the root of its body, 32 bytes.
    """

    slot: Slot = GENESIS_SLOT
    proposer_index: int = 0
    parent_root: bytes = ZERO_CHUNK
    state_root: bytes = ZERO_CHUNK
    body_root: bytes = ZERO_CHUNK

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - it is the same in all
        """Return the SSZ type of this object."""
        fields: dict[str, SszType[Any]] = {
            "slot": UINT64,
            "proposer_index": UINT64,
            "parent_root": BYTES32,
            "state_root": BYTES32,
            "body_root": BYTES32,
        }
        return Container(cls, fields)

    def hash_tree_root(self) -> bytes:
        """Return the root of the block, 32 bytes."""
        numbers = (UINT64.hash_tree_root(self.slot), UINT64.hash_tree_root(self.proposer_index))
        return merkleize((*numbers, self.parent_root, self.state_root, self.body_root))


@dataclass(frozen=True, slots=True)
class SyncCommittee(SszObject):
    """The validators that sign for light clients during a period.

    Attributes:
        pubkeys: 48 bytes each, one for each seat.
        aggregate_pubkey: the sum of all keys, 48 bytes.
    """

    pubkeys: tuple[bytes, ...]
    aggregate_pubkey: bytes
    _root: bytes | None = field(init=False, repr=False, compare=False, default=None)

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - it is the same in all
        """Return the SSZ type of this object."""
        return Container(
            cls, {"pubkeys": Vector(BYTES48, preset.sync_committee_size), "aggregate_pubkey": BYTES48}
        )

    def hash_tree_root(self) -> bytes:
        """Return the root of the committee, 32 bytes. It is computed once, for it takes some thousand
        hashes.
        """
        if self._root is None:
            leaves = [BYTES48.hash_tree_root(pubkey) for pubkey in self.pubkeys]
            root = hash_pair(merkleize(leaves), BYTES48.hash_tree_root(self.aggregate_pubkey))
            object.__setattr__(self, "_root", root)
        return self._root or b""


@dataclass(frozen=True, slots=True)
class SyncAggregate(SszObject):
    """What a committee signed.

    Attributes:
        sync_committee_bits: for each seat whether its member signed.
        sync_committee_signature: the sum of their signatures, 96 bytes.
    """

    sync_committee_bits: tuple[bool, ...]
    sync_committee_signature: bytes

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - it is the same in all
        """Return the SSZ type of this object."""
        return Container(
            cls,
            {
                "sync_committee_bits": Bitvector(preset.sync_committee_size),
                "sync_committee_signature": BYTES96,
            },
        )

    @property
    def participants(self) -> int:
        """How many members signed."""
        return sum(self.sync_committee_bits)


@dataclass(frozen=True, slots=True)
class LightClientHeader(SszObject):
    """The header of a beacon block, and what its body says of the execution block.

    Attributes:
        beacon: the header that committees sign.
        execution: the header of the execution payload; None before Capella, and in the form of Gloas.
        execution_branch: from `execution`, or from the hash of the execution block, to `beacon.body_root`;
            empty where there is nothing to prove.
        execution_block_hash: 32 bytes in the form of Gloas; None in every other.
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
        """Return the SSZ type of this object."""
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
    """What a client begins with.

    Attributes:
        header: of a block that is trusted by its root.
        current_sync_committee: the committee of its period.
        current_sync_committee_branch: from the committee to the state of that block.
    """

    header: LightClientHeader
    current_sync_committee: SyncCommittee
    current_sync_committee_branch: Branch

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """Return the SSZ type of this object."""
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
    """A signed header, and what a client needs of its state to follow the chain.

    Attributes:
        attested_header: the header that the committee signed.
        next_sync_committee: the committee of the next period; None where it is not shown.
        next_sync_committee_branch: from that committee to the attested state; empty where it is not shown.
        finalized_header: what that state has for finalized; `LightClientHeader()` where it is not shown.
        finality_branch: from the finalized header to the attested state; empty where it is not shown.
        sync_aggregate: the signature.
        signature_slot: the slot of the block that carries the signature.
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
        """Return the SSZ type of this object."""
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
    """A signed header and the finalized one of its state; the attributes are those of `LightClientUpdate`."""

    attested_header: LightClientHeader
    finalized_header: LightClientHeader
    finality_branch: Branch
    sync_aggregate: SyncAggregate
    signature_slot: Slot

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """Return the SSZ type of this object."""
        header = LightClientHeader.ssz(fork, preset)
        fields: dict[str, SszType[Any]] = {
            "attested_header": header,
            "finalized_header": header,
            "finality_branch": _branch(LAYOUTS[fork].finality_depth),
        }
        return Container(cls, fields | _signature(fork, preset))


@dataclass(frozen=True, slots=True)
class LightClientOptimisticUpdate(SszObject):
    """A signed header alone; the attributes are those of `LightClientUpdate`."""

    attested_header: LightClientHeader
    sync_aggregate: SyncAggregate
    signature_slot: Slot

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:
        """Return the SSZ type of this object."""
        return Container(
            cls, {"attested_header": LightClientHeader.ssz(fork, preset)} | _signature(fork, preset)
        )


_NO_BRANCH: Final[Branch] = ()


def _branch(depth: int) -> SszType[Branch]:
    return Zeroable(Vector(BYTES32, depth), _NO_BRANCH)


def _signature(fork: ForkName, preset: Preset) -> dict[str, SszType[Any]]:
    return {"sync_aggregate": SyncAggregate.ssz(fork, preset), "signature_slot": UINT64}
