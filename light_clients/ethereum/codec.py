# SPDX-License-Identifier: MIT
"""Write what the on-chain client reads, from the specification's objects (docs/reference/wire-formats.md
§7.3, §7.4).

Whoever reads the bytes checks them. Here an object is only checked for having what the bytes need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from light_clients.bls import backend, decompress_g1
from light_clients.codec.merkle_branch import ZERO_CHUNK, hash_pair, merkleize
from light_clients.errors import UpdateRejected, ValidatorSetRejected
from light_clients.ethereum.committee_multiproof import (
    check_threshold,
    encode_absent,
    encode_siblings,
    hash_key,
)
from light_clients.ethereum.config import MAINNET, ForkName
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.params import EthereumParams, WireLayout
from light_clients.ethereum.reader import BODY_DEPTH, FLAG_ABSENT, FLAG_NEXT_COMMITTEE, hash_body_side
from light_clients.trust import encode_claim

#: The objects that finalize a header. An optimistic update does not.
FinalizingUpdate: TypeAlias = LightClientUpdate | LightClientFinalityUpdate

#: The fork whose fields the header of the execution payload has, by the layout: Electra added none to
#: Deneb's.
_PAYLOADS: Final = {
    WireLayout.CAPELLA: ForkName.CAPELLA,
    WireLayout.DENEB: ForkName.DENEB,
    WireLayout.ELECTRA: ForkName.DENEB,
}


def encode_update(
    update: FinalizingUpdate,
    committee: SyncCommittee,
    params: EthereumParams,
    *,
    show_next: bool | None = None,
) -> bytes:
    """Encode the argument of `update` that makes the finalized header trusted.

    Args:
        update: an object that finalizes a header.
        committee: the committee of the period of its signature.
        params: what the client is deployed with.
        show_next: whether the next committee is shown too; by default it is where it can be, for it costs no
            byte.

    Raises:
        UpdateRejected: the object lacks something that the bytes need, which the error names.
        QuorumNotReached: too few members signed.
        ValidatorSetRejected: the committee has another size than the client's.
        PublicKeyRejected, SignatureRejected: the bytes of a key or of the signature are not one.
        HeaderRejected: a slot lies before the client's first fork.
    """
    return _encode_signed(update, committee, params, show_next=show_next, with_execution=False)


def encode_proof(
    storage_nodes: Sequence[bytes],
    account_nodes: Sequence[bytes],
    signed: tuple[FinalizingUpdate, SyncCommittee] | None,
    account: bytes,
    slot: bytes,
    params: EthereumParams,
) -> bytes:
    """Encode the argument of `storageAt` from what `eth_getProof` gave at the finalized execution block.

    Args:
        storage_nodes: from the storage root downwards, verified before.
        account_nodes: from the state root downwards, verified before.
        signed: the update that finalizes that block, and the committee that signed it; None for a proof
            against the anchored state root.
        account: 20 bytes.
        slot: 32 bytes.
        params: what the client is deployed with.

    Raises:
        ProofRejected: the nodes cannot be those of this account and slot.
        Rejection: as `encode_update`, or the finalized header does not show its execution block.
    """
    claim = encode_claim(storage_nodes, account_nodes, account, slot, anchored=signed is None)
    if signed is None:
        return claim
    return claim + _encode_signed(*signed, params, show_next=False, with_execution=True)


def encode_anchor(update: FinalizingUpdate, committee: SyncCommittee, params: EthereumParams) -> bytes:
    """Encode the argument of `anchor` that stores the state root of the finalized execution block.

    Raises:
        Rejection: as `encode_update`, or the finalized header does not show its execution block.
    """
    signed = _encode_signed(update, committee, params, show_next=False, with_execution=True)
    return _execution(update.finalized_header).state_root + signed


def encode_misbehaviour(
    first: tuple[FinalizingUpdate, SyncCommittee],
    second: tuple[FinalizingUpdate, SyncCommittee],
    params: EthereumParams,
) -> bytes:
    """Encode the argument of `freeze`, from two updates that contradict each other, each with its committee.

    Raises:
        Rejection: as `encode_update`.
    """
    return encode_update(*first, params) + encode_update(*second, params)


def _encode_signed(
    update: FinalizingUpdate,
    committee: SyncCommittee,
    params: EthereumParams,
    *,
    show_next: bool | None,
    with_execution: bool,
) -> bytes:
    _check_finalizes(update)
    attested, finalized = update.attested_header.beacon, update.finalized_header.beacon
    next_committee = _choose_next(update, params, show_next=show_next)
    flags, members = _encode_members(update, committee, params)
    if next_committee is not None:
        flags |= FLAG_NEXT_COMMITTEE
    bodied = (
        _encode_execution(update.finalized_header, params)
        if with_execution
        else hash_body_side(finalized.body_root)
    )
    return b"".join(
        (
            bytes((flags,)),
            _u64(update.signature_slot),
            backend().signature_affine(update.sync_aggregate.sync_committee_signature),
            decompress_g1(committee.aggregate_pubkey),
            members,
            _encode_front(attested),
            attested.parent_root,
            hash_body_side(attested.body_root),
            _encode_finality(update, params.fork_at(attested.slot).layout, next_committee),
            _encode_front(finalized),
            hash_pair(finalized.parent_root, finalized.state_root),
            bodied,
        )
    )


def _check_finalizes(update: FinalizingUpdate) -> None:
    if not update.finality_branch:
        raise UpdateRejected(
            "the update finalizes nothing", found="no finality branch", expected="a finalized header"
        )
    if update.finalized_header.beacon == BeaconBlockHeader():
        raise UpdateRejected(
            "the update finalizes genesis, which has no header",
            found=f"a finalized header of zeros at slot {update.attested_header.beacon.slot}",
            expected="a finalized header; wait for the first finalized epoch",
        )


def _choose_next(update: FinalizingUpdate, params: EthereumParams, *, show_next: bool | None) -> bytes | None:
    """Return the root of the next committee where it is to be shown, else None."""
    if show_next is False:
        return None
    shown = update.next_sync_committee if isinstance(update, LightClientUpdate) else None
    slots = update.signature_slot, update.attested_header.beacon.slot, update.finalized_header.beacon.slot
    periods = [params.period_at(slot) for slot in slots]
    # Across periods the contract refuses a next committee (wire-formats §7.3). Without it the same update
    # still moves the finalized slot.
    if shown is not None and len(set(periods)) == 1:
        return shown.hash_tree_root()
    if show_next:
        raise UpdateRejected(
            "the next committee cannot be shown",
            found="none"
            if shown is None
            else f"periods {periods} of signature, attested and finalized header",
            expected="a next sync committee, and all three in one period",
        )
    return None


def _encode_members(
    update: FinalizingUpdate, committee: SyncCommittee, params: EthereumParams
) -> tuple[int, bytes]:
    """Return the flag that tells whether members are absent, and the bytes of `members`."""
    bits = update.sync_aggregate.sync_committee_bits
    for name, found in (("committee", len(committee.pubkeys)), ("participation", len(bits))):
        if found != params.committee_size:
            raise ValidatorSetRejected(
                f"a {name} is of another size", found=found, expected=f"{params.committee_size} members"
            )
    check_threshold(sum(bits), params.threshold)
    leaves = [hash_key(pubkey) for pubkey in committee.pubkeys]
    absent = [index for index, bit in enumerate(bits) if not bit]
    if not absent:
        return 0, merkleize(leaves)
    keys = (decompress_g1(committee.pubkeys[index]) for index in absent)
    return FLAG_ABSENT, b"".join((encode_absent(bits), *keys, encode_siblings(leaves, absent)))


def _encode_front(header: BeaconBlockHeader) -> bytes:
    return _u64(header.slot) + _u64(header.proposer_index)


def _encode_finality(update: FinalizingUpdate, layout: WireLayout, next_committee: bytes | None) -> bytes:
    # The branch of an object in the form of a later fork has zeros in front.
    extra = len(update.finality_branch) - (layout.depth + 1)
    filling, branch = update.finality_branch[: max(extra, 0)], update.finality_branch[max(extra, 0) :]
    if extra < 0 or any(node != ZERO_CHUNK for node in filling):
        raise UpdateRejected(
            f"a finality branch is not of {layout.name}",
            found=f"{len(update.finality_branch)} nodes",
            expected=f"{layout.depth + 1}, after zeros",
        )
    epoch, inactivity_scores, committees, *upper = branch
    # Only the number is sent, and the reader fills its chunk with zeros.
    if any(epoch[8:]):
        raise UpdateRejected("a finality branch holds no epoch", found=epoch, expected="a number of 8 bytes")
    # The next committee takes the place of the hash of both, because the reader knows the other one: a
    # rotation costs no byte (wire-formats §7.3).
    return b"".join((epoch[:8], inactivity_scores, next_committee or committees, *upper))


def _encode_execution(header: LightClientHeader, params: EthereumParams) -> bytes:
    layout = params.fork_at(header.beacon.slot).layout
    payload_fork = _PAYLOADS.get(layout)
    if payload_fork is None:
        raise UpdateRejected(
            "the finalized header's fork does not show its execution",
            found=f"{layout.name} at slot {header.beacon.slot}",
            expected="Capella or later",
        )
    execution = _execution(header).in_form_of(payload_fork)
    if len(header.execution_branch) != BODY_DEPTH:
        raise UpdateRejected(
            "an execution branch has another length",
            found=f"{len(header.execution_branch)} nodes",
            expected=BODY_DEPTH,
        )
    # The payload's header is the same in all presets, so that the one named here does not matter.
    kind = ExecutionPayloadHeader.ssz(payload_fork, MAINNET)
    receipts_root, fields0to1, _, *rest = kind.prove(execution, "state_root")
    _, fields4to5, *_ = kind.prove(execution, "block_number")
    numbers = _u64(execution.block_number) + _u64(execution.gas_limit)
    return b"".join((numbers, receipts_root, fields0to1, fields4to5, *rest, *header.execution_branch))


def _execution(header: LightClientHeader) -> ExecutionPayloadHeader:
    if header.execution is None:
        raise UpdateRejected(
            "the finalized header does not show its execution",
            found=f"a header without execution at slot {header.beacon.slot}",
            expected="the execution payload's header",
        )
    return header.execution


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")
