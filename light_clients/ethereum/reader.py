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

FLAG_ABSENT: Final = 1
FLAG_NEXT_COMMITTEE: Final = 2

#: The finalized checkpoint is field 20 of the beacon state. (The root is the right child of the checkpoint,
#: beside the epoch.)
FINALIZED_CHECKPOINT: Final = 20
#: The execution payload is field 9 of the body, whose tree has 16 leaves, 4 levels below the root.
EXECUTION_PAYLOAD: Final = 9
BODY_DEPTH: Final = 4


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
    signature = compress_g2(cursor.take(192))
    aggregate_key = cursor.take(96)
    aggregate = compress_g1(aggregate_key)
    members = (
        read_members(cursor, params.committee_size, params.threshold)
        if flags & FLAG_ABSENT
        else read_everybody(cursor, params.committee_size)
    )
    committee = hash_pair(members.pubkeys_root, hash_key(aggregate))

    attested_slot = cursor.uint64_le()
    attested_front = hash_pair(_chunk(attested_slot), _chunk(cursor.uint64_le()))
    parent_root, attested_body_side = cursor.take(32), cursor.take(32)
    layout = params.fork_at(attested_slot).layout
    epoch, inactivity_scores, committees = cursor.uint64_le(), cursor.take(32), cursor.take(32)
    upper = [cursor.take(32) for _ in range(layout.depth - 2)]

    finalized_slot = cursor.uint64_le()
    finalized_front = hash_pair(_chunk(finalized_slot), _chunk(cursor.uint64_le()))
    parent_and_state = cursor.take(32)
    block_number: Height | None = None
    finalized_layout = params.fork_at(finalized_slot).layout
    if state_root is None:
        finalized_body_side = cursor.take(32)
    else:
        block_number, body_root = _read_execution(cursor, finalized_layout, state_root)
        finalized_body_side = hash_body_side(body_root)

    _check_slots(
        params, signature_slot, attested_slot, finalized_slot, one_period=bool(flags & FLAG_NEXT_COMMITTEE)
    )
    next_committee: bytes | None = None
    if flags & FLAG_NEXT_COMMITTEE:
        next_committee = committees
        if not any(next_committee):
            raise HeaderRejected(
                "the next committee's root is zero",
                found=next_committee,
                expected="the root of a SyncCommittee",
            )
        committees = hash_pair(committee, next_committee)
    finalized_root = hash_pair(hash_pair(finalized_front, parent_and_state), finalized_body_side)
    node = hash_pair(_chunk(epoch), finalized_root)
    attested_state = compute_merkle_branch_root(
        node, [inactivity_scores, committees, *upper], FINALIZED_CHECKPOINT
    )
    attested_root = hash_pair(
        hash_pair(attested_front, hash_pair(parent_root, attested_state)), attested_body_side
    )
    return Signed(
        signature_slot=Slot(signature_slot),
        attested_slot=Slot(attested_slot),
        finalized_slot=Slot(finalized_slot),
        finalized_root=finalized_root,
        block_number=block_number,
        committee=committee,
        next_committee=next_committee,
        signers_key=_signers_key(aggregate, aggregate_key, members),
        signing_root=hash_pair(attested_root, _domain(params, signature_slot)),
        signature=signature,
    )


def hash_body_side(body_root: bytes) -> bytes:
    """Return the right half of the tree of a beacon block's header, which holds nothing but the root of the
    body.
    """
    return hash_pair(hash_pair(body_root, ZERO_CHUNK), ZERO_HASHES[1])


def _signers_key(aggregate: bytes, aggregate_key: bytes, members: Participation) -> bytes:
    return subtract(aggregate_key, members.absent_keys) if members.absent_keys else aggregate


def _read_execution(cursor: Cursor, layout: WireLayout, state_root: bytes) -> tuple[Height, bytes]:
    """Read `execution` of the wire format.

    Returns the number of the execution block, and the root of the beacon block's body that the payload's
    header leads to.
    """
    if not layout.shows_execution:
        raise HeaderRejected(
            "headers of this fork don't show their execution", found=layout.name, expected="Capella or later"
        )
    block_number = cursor.uint64_le()
    gas_limit = cursor.uint64_le()
    receipts_root, fields0to1, fields4to5, fields8to15 = (cursor.take(32) for _ in range(4))
    fields4to7 = hash_pair(fields4to5, hash_pair(_chunk(block_number), _chunk(gas_limit)))
    fields0to3 = hash_pair(fields0to1, hash_pair(state_root, receipts_root))
    node = hash_pair(hash_pair(fields0to3, fields4to7), fields8to15)
    if layout.is_wide:
        node = hash_pair(node, cursor.take(32))
    branch = [cursor.take(32) for _ in range(BODY_DEPTH)]
    return Height(block_number), compute_merkle_branch_root(node, branch, EXECUTION_PAYLOAD)


def _check_slots(
    params: EthereumParams, signature: int, attested: int, finalized: int, *, one_period: bool
) -> None:
    if not signature > attested >= finalized:
        raise HeaderRejected(
            "slots are out of order",
            found=f"signature {signature}, attested {attested}, finalized {finalized}",
            expected="signature > attested ≥ finalized",
        )
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
