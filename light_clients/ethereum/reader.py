# SPDX-License-Identifier: MIT
"""Read what a sync committee signed (`signed`, docs/reference/wire-formats.md §7.3), with the contract's
verdicts (INV-8).

Every tree is rebuilt from its leaves upwards, so that the bytes carry no root: what comes out is the
committee's root and the signing root that these bytes lead to. Whatever needs no trusted state is checked
here. Whether the committee is a trusted one, and whether its signature holds, is for the client to check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from light_clients.bls import BlsBackend
from light_clients.bls.encoding import compress_g1, compress_g2
from light_clients.client import Height
from light_clients.codec.merkle_branch import (
    ZERO_CHUNK,
    ZERO_HASHES,
    compute_merkle_branch_root,
    hash_pair,
)
from light_clients.cursor import Cursor
from light_clients.errors import EncodingRejected, HeaderRejected, SignatureRejected
from light_clients.ethereum.committee_multiproof import Participation, hash_key, read_everybody, read_members
from light_clients.ethereum.config import Slot
from light_clients.ethereum.g1 import subtract
from light_clients.ethereum.params import EthereumParams, WireLayout
from light_clients.ethereum.signing import DOMAIN_SYNC_COMMITTEE, compute_domain

#: The bits of `flags` (wire-formats §7.3). Any other bit is refused.
FLAG_ABSENT: Final = 1
FLAG_NEXT_COMMITTEE: Final = 2

#: The finalized checkpoint is field 20 of the beacon state. (The root is the right child of the checkpoint,
#: beside the epoch.)
FINALIZED_CHECKPOINT: Final = 20
#: The execution payload is field 9 of the body, whose tree has 16 leaves, 4 levels below the root.
EXECUTION_PAYLOAD: Final = 9
BODY_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class ExecutionParts:
    """`execution` as it came.

    What stands beside the state root in the payload's header, and the way from there to the body's root.

    Attributes:
        block_number, gas_limit: of the execution block.
        receipts_root, fields0to1, fields4to5, fields8to15: 32 bytes each, nodes of the payload header's tree.
        fields16to31: the same; None where the fork's payload header has no more than 16 fields.
        body_branch: from the payload's place up to the body's root, 32 bytes each.
        payload_root, body_root: what all of it leads to, 32 bytes each.
    """

    block_number: Height
    gas_limit: int
    receipts_root: bytes
    fields0to1: bytes
    fields4to5: bytes
    fields8to15: bytes
    fields16to31: bytes | None
    body_branch: tuple[bytes, ...]
    payload_root: bytes
    body_root: bytes


@dataclass(frozen=True, slots=True)
class SignedParts:
    """The parts of `signed` that `Signed` does not name, as they came, and the roots on the way.

    No verdict needs them: they are for those who explain one.

    Attributes:
        signature: 192 bytes, as it came.
        aggregate_key: x ‖ y of all members' keys, 96 bytes.
        participation: who signed.
        attested_proposer: an index.
        attested_parent_root, attested_body_side: beside the state root in the attested header's tree, 32
            bytes each.
        epoch: of the finalized checkpoint.
        finality_branch: from that checkpoint up to the attested state's root, 32 bytes each: the
            inactivity scores, the two committees, and what stands above.
        finalized_proposer: an index.
        finalized_parent_and_state: a node of the finalized header's tree, 32 bytes.
        execution: None where the finalized header came without it.
        attested_state_root, attested_root: what all of it leads to, 32 bytes each.
    """

    signature: bytes
    aggregate_key: bytes
    participation: Participation
    attested_proposer: int
    attested_parent_root: bytes
    attested_body_side: bytes
    epoch: int
    finality_branch: tuple[bytes, ...]
    finalized_proposer: int
    finalized_parent_and_state: bytes
    execution: ExecutionParts | None
    attested_state_root: bytes
    attested_root: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A finalized header, and what has to hold for it to be believed.

    Attributes:
        signature_slot: the slot of the block that carries the signature; its period tells which committee
            signed.
        attested_slot: the slot of the header that was signed.
        finalized_slot: the slot of the header that the attested one finalizes.
        finalized_root: the root of that header, 32 bytes.
        block_number: the number of its execution block; None where that is not shown.
        committee: the root of the sync committee that the signers belong to, 32 bytes.
        next_committee: the root of the committee after it; None where it is not shown.
        signers_key: the sum of the signers' keys, 48 bytes; it is not known yet whether it is in the
            subgroup.
        signing_root: what they signed, 32 bytes.
        signature: a point of the twist, 96 bytes; it is not known yet whether it is in the subgroup.
        parts: what came besides, for those who explain the verdict.
    """

    signature_slot: Slot
    attested_slot: Slot
    finalized_slot: Slot
    finalized_root: bytes
    block_number: Height | None
    committee: bytes
    next_committee: bytes | None
    signers_key: bytes
    signing_root: bytes
    signature: bytes
    parts: SignedParts

    def check_signature(self, bls: BlsBackend) -> None:
        """Check that the signature is that of the members who are said to have signed.

        Raises:
            PublicKeyRejected: the sum of their keys is not in the subgroup.
            SignatureRejected: the signature is not in the subgroup, or is not theirs.
        """
        if not bls.verify(bls.public_key(self.signers_key), self.signing_root, self.signature):
            raise SignatureRejected(
                "the sync committee's signature does not hold",
                found=self.signature,
                expected=f"a signature of 0x{self.signing_root.hex()}",
            )


def read_signed(cursor: Cursor, params: EthereumParams, state_root: bytes | None = None) -> Signed:
    """Read `signed` of the wire format. The caller has to check the committee, the signature, and the time.

    Args:
        cursor: at the beginning of `signed`; it is moved behind it.
        params: what the client is deployed with.
        state_root: of the finalized header's execution block, where the bytes show that block; None where
            they have `bodySide` instead.

    Raises:
        Rejection: the bytes are malformed, or break a rule that needs no trusted state.
    """
    flags = cursor.uint(1)
    if flags & ~(FLAG_ABSENT | FLAG_NEXT_COMMITTEE):
        raise EncodingRejected("flags are unknown", found=bin(flags), expected="bits 0 and 1")
    signature_slot = cursor.uint64_le()
    affine_signature = cursor.take(192)
    # Compressing checks that this is a point of the curve, and gives the form that libraries take.
    signature = compress_g2(affine_signature)
    aggregate_key = cursor.take(96)
    aggregate = compress_g1(aggregate_key)
    members = (
        read_members(cursor, params.committee_size, params.threshold)
        if flags & FLAG_ABSENT
        else read_everybody(cursor, params.committee_size)
    )
    committee = hash_pair(members.pubkeys_root, hash_key(aggregate))

    attested_slot, attested_proposer = cursor.uint64_le(), cursor.uint64_le()
    attested_front = hash_pair(_chunk(attested_slot), _chunk(attested_proposer))
    parent_root, attested_body_side = cursor.take(32), cursor.take(32)
    # The layout follows from the slot, which is signed as well: nothing can be read in two ways (ADR 0011).
    layout = params.fork_at(attested_slot).layout
    epoch, inactivity_scores, committees = cursor.uint64_le(), cursor.take(32), cursor.take(32)
    upper = [cursor.take(32) for _ in range(layout.depth - 2)]

    finalized_slot, finalized_proposer = cursor.uint64_le(), cursor.uint64_le()
    finalized_front = hash_pair(_chunk(finalized_slot), _chunk(finalized_proposer))
    parent_and_state = cursor.take(32)
    execution: ExecutionParts | None = None
    finalized_layout = params.fork_at(finalized_slot).layout
    if state_root is None:
        finalized_body_side = cursor.take(32)
    else:
        execution = _read_execution(cursor, finalized_layout, state_root)
        finalized_body_side = hash_body_side(execution.body_root)

    _check_slots(
        params, signature_slot, attested_slot, finalized_slot, one_period=bool(flags & FLAG_NEXT_COMMITTEE)
    )
    next_committee: bytes | None = None
    if flags & FLAG_NEXT_COMMITTEE:
        next_committee = committees
        # Zero is how the contract tells that it knows no next committee.
        if not any(next_committee):
            raise HeaderRejected(
                "the next committee's root is zero",
                found=next_committee,
                expected="the root of a SyncCommittee",
            )
        # All three slots are of one period, so field 22 of the attested state is the committee that signed.
        committees = hash_pair(committee, next_committee)
    finalized_root = hash_pair(hash_pair(finalized_front, parent_and_state), finalized_body_side)
    node = hash_pair(_chunk(epoch), finalized_root)
    finality_branch = (inactivity_scores, committees, *upper)
    attested_state = compute_merkle_branch_root(node, finality_branch, FINALIZED_CHECKPOINT)
    attested_root = hash_pair(
        hash_pair(attested_front, hash_pair(parent_root, attested_state)), attested_body_side
    )
    return Signed(
        signature_slot=Slot(signature_slot),
        attested_slot=Slot(attested_slot),
        finalized_slot=Slot(finalized_slot),
        finalized_root=finalized_root,
        block_number=None if execution is None else execution.block_number,
        committee=committee,
        next_committee=next_committee,
        signers_key=_signers_key(aggregate, aggregate_key, members),
        signing_root=hash_pair(attested_root, _domain(params, signature_slot)),
        signature=signature,
        parts=SignedParts(
            signature=affine_signature,
            aggregate_key=aggregate_key,
            participation=members,
            attested_proposer=attested_proposer,
            attested_parent_root=parent_root,
            attested_body_side=attested_body_side,
            epoch=epoch,
            finality_branch=finality_branch,
            finalized_proposer=finalized_proposer,
            finalized_parent_and_state=parent_and_state,
            execution=execution,
            attested_state_root=attested_state,
            attested_root=attested_root,
        ),
    )


def hash_body_side(body_root: bytes) -> bytes:
    """Return the right half of the tree of a beacon block's header, which holds nothing but the root of the
    body.
    """
    return hash_pair(hash_pair(body_root, ZERO_CHUNK), ZERO_HASHES[1])


def _signers_key(aggregate: bytes, aggregate_key: bytes, members: Participation) -> bytes:
    return subtract(aggregate_key, members.absent_keys) if members.absent_keys else aggregate


def _read_execution(cursor: Cursor, layout: WireLayout, state_root: bytes) -> ExecutionParts:
    """Read `execution` of the wire format, and compute the body's root that the payload's header leads to."""
    if not layout.shows_execution:
        raise HeaderRejected(
            "headers of this fork don't show their execution", found=layout.name, expected="Capella or later"
        )
    block_number = cursor.uint64_le()
    gas_limit = cursor.uint64_le()
    receipts_root, fields0to1, fields4to5, fields8to15 = (cursor.take(32) for _ in range(4))
    fields4to7 = hash_pair(fields4to5, hash_pair(_chunk(block_number), _chunk(gas_limit)))
    fields0to3 = hash_pair(fields0to1, hash_pair(state_root, receipts_root))
    payload_root = hash_pair(hash_pair(fields0to3, fields4to7), fields8to15)
    fields16to31 = cursor.take(32) if layout.is_wide else None
    if fields16to31 is not None:
        payload_root = hash_pair(payload_root, fields16to31)
    branch = tuple([cursor.take(32) for _ in range(BODY_DEPTH)])
    return ExecutionParts(
        block_number=Height(block_number),
        gas_limit=gas_limit,
        receipts_root=receipts_root,
        fields0to1=fields0to1,
        fields4to5=fields4to5,
        fields8to15=fields8to15,
        fields16to31=fields16to31,
        body_branch=branch,
        payload_root=payload_root,
        body_root=compute_merkle_branch_root(payload_root, branch, EXECUTION_PAYLOAD),
    )


def _check_slots(
    params: EthereumParams, signature: int, attested: int, finalized: int, *, one_period: bool
) -> None:
    if not signature > attested >= finalized:
        raise HeaderRejected(
            "slots are out of order",
            found=f"signature {signature}, attested {attested}, finalized {finalized}",
            expected="signature > attested ≥ finalized",
        )
    # The attested slot lies between the two, so it is of the same period as well.
    if one_period and params.period_at(signature) != params.period_at(finalized):
        raise HeaderRejected(
            "the next committee is shown across periods",
            found=f"periods {params.period_at(finalized)} to {params.period_at(signature)}",
            expected="one period",
        )


def _domain(params: EthereumParams, signature_slot: int) -> bytes:
    # Members sign one slot before their signature is in a block, so the version is that of the slot before.
    version = params.fork_at(signature_slot - 1).version
    return compute_domain(DOMAIN_SYNC_COMMITTEE, version, params.genesis_validators_root)


def _chunk(value: int) -> bytes:
    return value.to_bytes(32, "little")
