# SPDX-License-Identifier: MIT
"""`signed` of a proof, taken apart and put together again (docs/reference/wire-formats.md §7.3), so that it can be shown and bent.

The light client's own reader keeps no part of it; here every part keeps its name. What is rebuilt here is compared with what
that reader makes of the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from light_clients.bls import compress_g1
from light_clients.codec.merkle_branch import compute_merkle_branch_root, hash_pair
from light_clients.cursor import Cursor
from light_clients.ethereum.committee_multiproof import encode_absent, hash_key, rebuild
from light_clients.ethereum.config import Slot
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.reader import (
    BODY_DEPTH,
    EXECUTION_PAYLOAD,
    FINALIZED_CHECKPOINT,
    FLAG_ABSENT,
    hash_body_side,
)

SIGNATURE_BYTES = 192
KEY_BYTES = 96
SIGNATURE_AT = 9
"""Where the signature begins, behind flags and slot."""


@dataclass(frozen=True, slots=True)
class Members:
    """Who signed. `absent_keys` are x ‖ y; `siblings` lead from their leaves to the root of the committee's keys."""

    bits: tuple[bool, ...]
    absent_keys: tuple[bytes, ...]
    siblings: tuple[bytes, ...]
    pubkeys_root: bytes

    @property
    def signed(self) -> int:
        """How many did."""
        return sum(self.bits)

    def encode(self) -> bytes:
        """The bytes on the wire."""
        if all(self.bits):
            return self.pubkeys_root
        return encode_absent(self.bits) + b"".join(self.absent_keys) + b"".join(self.siblings)


@dataclass(frozen=True, slots=True)
class Attested:
    """The header that was signed, without its state root."""

    slot: Slot
    proposer: int
    parent_root: bytes
    body_side: bytes


@dataclass(frozen=True, slots=True)
class Finality:
    """From the finalized header's root to the attested state's: `branch` begins with field 21."""

    epoch: int
    branch: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """The payload's header around its state root, and the way from it to the body's root."""

    block_number: int
    gas_limit: int
    receipts_root: bytes
    fields0to1: bytes
    fields4to5: bytes
    fields8to15: bytes
    fields16to31: bytes | None
    body_branch: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The roots that all of it leads to, from a state root upwards."""

    payload_root: bytes
    body_root: bytes
    finalized_root: bytes
    attested_state_root: bytes
    attested_root: bytes


@dataclass(frozen=True, slots=True)
class SignedParts:
    """All parts of `signed`, with the execution block shown and the next committee not."""

    signature_slot: Slot
    signature: bytes
    aggregate_key: bytes
    members: Members
    attested: Attested
    finality: Finality
    finalized_slot: Slot
    finalized_proposer: int
    parent_and_state: bytes
    execution: Execution

    @classmethod
    def read(cls, data: bytes, params: EthereumParams) -> Self:
        """Take apart what a light client has believed. Raises Rejection where it is too short or goes on."""
        cursor = Cursor(data)
        flags = cursor.uint(1)
        signature_slot = Slot(cursor.uint64_le())
        signature, aggregate_key = cursor.take(SIGNATURE_BYTES), cursor.take(KEY_BYTES)
        members = _read_members(cursor, params.committee_size, some_absent=bool(flags & FLAG_ABSENT))
        attested = Attested(Slot(cursor.uint64_le()), cursor.uint64_le(), cursor.take(32), cursor.take(32))
        depth = params.fork_at(attested.slot).layout.depth
        finality = Finality(cursor.uint64_le(), tuple(cursor.take(32) for _ in range(depth)))
        slot, proposer, parent_and_state = Slot(cursor.uint64_le()), cursor.uint64_le(), cursor.take(32)
        execution = _read_execution(cursor, is_wide=params.fork_at(slot).layout.is_wide)
        cursor.finish()
        return cls(
            signature_slot,
            signature,
            aggregate_key,
            members,
            attested,
            finality,
            slot,
            proposer,
            parent_and_state,
            execution,
        )

    def encode(self) -> bytes:
        """The bytes on the wire."""
        attested, execution = self.attested, self.execution
        flags = 0 if all(self.members.bits) else FLAG_ABSENT
        return b"".join(
            (
                bytes((flags,)),
                _u64(self.signature_slot),
                self.signature,
                self.aggregate_key,
                self.members.encode(),
                _u64(attested.slot),
                _u64(attested.proposer),
                attested.parent_root,
                attested.body_side,
                _u64(self.finality.epoch),
                *self.finality.branch,
                _u64(self.finalized_slot),
                _u64(self.finalized_proposer),
                self.parent_and_state,
                _u64(execution.block_number),
                _u64(execution.gas_limit),
                execution.receipts_root,
                execution.fields0to1,
                execution.fields4to5,
                execution.fields8to15,
                execution.fields16to31 or b"",
                *execution.body_branch,
            )
        )

    @property
    def committee_root(self) -> bytes:
        """Of the SyncCommittee whose members these are."""
        return hash_pair(self.members.pubkeys_root, hash_key(compress_g1(self.aggregate_key)))

    def rebuild(self, state_root: bytes) -> Rebuilt:
        """Every root above an execution state root."""
        execution = self.execution
        fields0to3 = hash_pair(execution.fields0to1, hash_pair(state_root, execution.receipts_root))
        numbers = hash_pair(_chunk(execution.block_number), _chunk(execution.gas_limit))
        fields0to7 = hash_pair(fields0to3, hash_pair(execution.fields4to5, numbers))
        payload = hash_pair(fields0to7, execution.fields8to15)
        if execution.fields16to31 is not None:
            payload = hash_pair(payload, execution.fields16to31)
        body = compute_merkle_branch_root(payload, execution.body_branch, EXECUTION_PAYLOAD)
        front = hash_pair(_chunk(self.finalized_slot), _chunk(self.finalized_proposer))
        finalized = hash_pair(hash_pair(front, self.parent_and_state), hash_body_side(body))
        checkpoint = hash_pair(_chunk(self.finality.epoch), finalized)
        state = compute_merkle_branch_root(checkpoint, self.finality.branch, FINALIZED_CHECKPOINT)
        attested = self.attested
        front = hash_pair(_chunk(attested.slot), _chunk(attested.proposer))
        root = hash_pair(hash_pair(front, hash_pair(attested.parent_root, state)), attested.body_side)
        return Rebuilt(payload, body, finalized, state, root)


def _read_members(cursor: Cursor, size: int, *, some_absent: bool) -> Members:
    if not some_absent:
        return Members((True,) * size, (), (), cursor.take(32))
    marks = int.from_bytes(cursor.take(size // 8), "little")
    bits = tuple(not marks >> place & 1 for place in range(size))
    absent = [place for place, bit in enumerate(bits) if not bit]
    keys = tuple(cursor.take(KEY_BYTES) for _ in absent)
    leaves = [(place, hash_key(compress_g1(key))) for place, key in zip(absent, keys, strict=True)]
    siblings: list[bytes] = []

    def take(_level: int, _place: int) -> bytes:
        siblings.append(cursor.take(32))
        return siblings[-1]

    root = rebuild(leaves, size.bit_length() - 1, take)
    return Members(bits, keys, tuple(siblings), root)


def _read_execution(cursor: Cursor, *, is_wide: bool) -> Execution:
    return Execution(
        block_number=cursor.uint64_le(),
        gas_limit=cursor.uint64_le(),
        receipts_root=cursor.take(32),
        fields0to1=cursor.take(32),
        fields4to5=cursor.take(32),
        fields8to15=cursor.take(32),
        fields16to31=cursor.take(32) if is_wide else None,
        body_branch=tuple(cursor.take(32) for _ in range(BODY_DEPTH)),
    )


def _chunk(value: int) -> bytes:
    return value.to_bytes(32, "little")


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")
