# SPDX-License-Identifier: MIT
"""The light client of the consensus specification, function by function, in its names and its order.

Source: consensus-specs, `specs/altair/light-client/sync-protocol.md`, as changed by Capella, Deneb, Electra
and Gloas.

Three things differ from that text. A check that fails raises a Rejection, which says what was found and what
was expected. A store is immutable: what changes it returns the new store, so that a rejected update leaves no
half of a change behind. And `genesis_validators_root` is a part of the network in `config`.

The relayer follows chains by `process_light_client_update` and `process_light_client_finality_update`.
Optimistic updates and the forced update are here because the specification has them, and its vectors ask for
them (tests/conformance/beacon_spec.py): a header that is not final, or that fewer than two thirds signed,
proves no message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from light_clients import bls
from light_clients.codec.merkle_branch import ZERO_CHUNK, is_valid_normalized_merkle_branch
from light_clients.errors import ProofRejected, QuorumNotReached, SignatureRejected, UpdateRejected
from light_clients.ethereum.config import GENESIS_SLOT, NetworkConfig, Period, Slot
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncAggregate,
    SyncCommittee,
)
from light_clients.ethereum.light_client_header import (
    current_sync_committee_gindex_at_slot,
    finalized_root_gindex_at_slot,
    get_lc_execution_root,
    is_valid_light_client_header,
    next_sync_committee_gindex_at_slot,
    validate_light_client_header,
)
from light_clients.ethereum.ranking import (
    has_sync_committee_finality,
    is_better_update,
    is_finality_update,
    is_sync_committee_update,
)
from light_clients.ethereum.signing import sync_committee_signing_root

__all__ = [
    "LightClientStore",
    "apply_light_client_update",
    "compute_sync_committee_period_at_slot",
    "current_sync_committee_gindex_at_slot",
    "finalized_root_gindex_at_slot",
    "get_lc_execution_root",
    "get_safety_threshold",
    "initialize_light_client_store",
    "is_better_update",
    "is_finality_update",
    "is_next_sync_committee_known",
    "is_sync_committee_update",
    "is_valid_light_client_header",
    "next_sync_committee_gindex_at_slot",
    "process_light_client_finality_update",
    "process_light_client_optimistic_update",
    "process_light_client_store_force_update",
    "process_light_client_update",
    "validate_light_client_header",
    "validate_light_client_update",
    "validate_sync_committee_signature",
]

#: The fewest signers of an update that is looked at. To finalize anything, two thirds of the committee have
#: to sign.
MIN_SYNC_COMMITTEE_PARTICIPANTS: Final = 1


@dataclass(frozen=True, slots=True)
class LightClientStore:
    """What a client knows.

    Attributes:
        finalized_header: the newest header that is final.
        current_sync_committee: the committee of the finalized header's period.
        next_sync_committee: the committee of the period after it; None while it is not known.
        best_valid_update: what a forced update would apply; None where there is none.
        optimistic_header: the newest header that enough members signed, whether it is final or not.
        previous_max_active_participants: the most signers of an update in the previous period.
        current_max_active_participants: the most signers of an update in this period.
    """

    finalized_header: LightClientHeader
    current_sync_committee: SyncCommittee
    next_sync_committee: SyncCommittee | None
    best_valid_update: LightClientUpdate | None
    optimistic_header: LightClientHeader
    previous_max_active_participants: int
    current_max_active_participants: int


# --- helpers ------------------------------------------------------------------------------------------------


def is_next_sync_committee_known(store: LightClientStore) -> bool:
    """Return whether a store knows who signs in the next period."""
    return store.next_sync_committee is not None


def get_safety_threshold(store: LightClientStore) -> int:
    """Return the number of signers that an optimistic header has to exceed: half of the most that were seen
    lately.
    """
    return max(store.previous_max_active_participants, store.current_max_active_participants) // 2


def compute_sync_committee_period_at_slot(slot: Slot, config: NetworkConfig) -> Period:
    """Return the period whose committee signs in the block of a slot."""
    return config.period_at(slot)


# --- initialization -----------------------------------------------------------------------------------------


def initialize_light_client_store(
    trusted_block_root: bytes, bootstrap: LightClientBootstrap, config: NetworkConfig
) -> LightClientStore:
    """Return the store that begins with a block, which the caller trusts by its root (32 bytes).

    Raises:
        HeaderRejected, ProofRejected: the execution part or the committee is not what the block says.
        UpdateRejected: the bootstrap is of another block.
    """
    validate_light_client_header(bootstrap.header, config)
    beacon = bootstrap.header.beacon
    root = beacon.hash_tree_root()
    if root != trusted_block_root:
        raise UpdateRejected("the bootstrap is of another block", found=root, expected=trusted_block_root)
    _check_branch(
        "the current sync committee",
        leaf=bootstrap.current_sync_committee.hash_tree_root(),
        branch=bootstrap.current_sync_committee_branch,
        gindex=current_sync_committee_gindex_at_slot(beacon.slot, config),
        header=beacon,
    )
    return LightClientStore(
        finalized_header=bootstrap.header,
        current_sync_committee=bootstrap.current_sync_committee,
        next_sync_committee=None,
        best_valid_update=None,
        optimistic_header=bootstrap.header,
        previous_max_active_participants=0,
        current_max_active_participants=0,
    )


# --- state updates ------------------------------------------------------------------------------------------


def validate_light_client_update(
    store: LightClientStore, update: LightClientUpdate, current_slot: Slot, config: NetworkConfig
) -> None:
    """Check an update against a store, at the time of `current_slot`.

    Raises:
        QuorumNotReached: nobody signed.
        UpdateRejected: the update is of another time or period, shows nothing new, or contradicts the store.
        HeaderRejected, ProofRejected: a header or a branch does not hold.
        SignatureRejected, PublicKeyRejected: the committee did not sign the attested header.
    """
    # Somebody signed
    participants = update.sync_aggregate.participants
    if participants < MIN_SYNC_COMMITTEE_PARTICIPANTS:
        raise QuorumNotReached(
            "nobody signed the update", found=participants, expected=MIN_SYNC_COMMITTEE_PARTICIPANTS
        )

    # Its slots are in order, and it is signed in a period whose committee the store knows
    validate_light_client_header(update.attested_header, config)
    attested, finalized = update.attested_header.beacon, update.finalized_header.beacon
    if not current_slot >= update.signature_slot > attested.slot >= finalized.slot:
        raise UpdateRejected(
            "the slots of an update are out of order",
            found=f"current {current_slot}, signature {update.signature_slot}, attested {attested.slot}, "
            f"finalized {finalized.slot}",
            expected="current >= signature > attested >= finalized",
        )
    store_period = config.period_at(store.finalized_header.beacon.slot)
    update_signature_period = config.period_at(update.signature_slot)
    known_periods = (
        (store_period, store_period + 1) if is_next_sync_committee_known(store) else (store_period,)
    )
    if update_signature_period not in known_periods:
        raise UpdateRejected(
            "the update is signed by a committee that is not known",
            found=f"period {update_signature_period}",
            expected=f"period {' or '.join(map(str, known_periods))}",
        )

    # It brings something: a newer header, or the next committee
    update_attested_period = config.period_at(attested.slot)
    update_has_next_sync_committee = not is_next_sync_committee_known(store) and (
        is_sync_committee_update(update) and update_attested_period == store_period
    )
    if attested.slot <= store.finalized_header.beacon.slot and not update_has_next_sync_committee:
        raise UpdateRejected(
            "the update is older than what is known",
            found=f"slot {attested.slot}",
            expected=f"a slot above {store.finalized_header.beacon.slot}, or the next sync committee",
        )

    _validate_finality(update, config)
    _validate_next_sync_committee(store, update, config)

    # The committee of the signature's period signed it
    sync_committee = (
        store.current_sync_committee if update_signature_period == store_period else store.next_sync_committee
    )
    if sync_committee is None:
        raise AssertionError("a period whose committee is unknown was let through")
    validate_sync_committee_signature(
        sync_committee, update.sync_aggregate, attested, update.signature_slot, config
    )


def _validate_finality(update: LightClientUpdate, config: NetworkConfig) -> None:
    # Where a finality branch is shown, it leads from the finalized header to the checkpoint in the attested
    # state. Until the first epochs are finalized, the root in that checkpoint is zero and stands for the
    # genesis block.
    if not is_finality_update(update):
        if update.finalized_header != LightClientHeader():
            raise UpdateRejected(
                "a finalized header comes without its branch",
                found=f"slot {update.finalized_header.beacon.slot}",
                expected="a finality branch, or an empty header",
            )
        return
    if update.finalized_header.beacon.slot == GENESIS_SLOT:
        if update.finalized_header != LightClientHeader():
            raise UpdateRejected(
                "the genesis block is not shown by its header",
                found=update.finalized_header.beacon.hash_tree_root(),
                expected="an empty header",
            )
        finalized_root = ZERO_CHUNK
    else:
        validate_light_client_header(update.finalized_header, config)
        finalized_root = update.finalized_header.beacon.hash_tree_root()
    attested = update.attested_header.beacon
    _check_branch(
        "the finalized header",
        leaf=finalized_root,
        branch=update.finality_branch,
        gindex=finalized_root_gindex_at_slot(attested.slot, config),
        header=attested,
    )


def _validate_next_sync_committee(
    store: LightClientStore, update: LightClientUpdate, config: NetworkConfig
) -> None:
    # Where a next committee is shown, it is the one of the attested state, and the one that is known if any
    # is
    committee, attested = update.next_sync_committee, update.attested_header.beacon
    if not is_sync_committee_update(update):
        if committee is not None:
            raise UpdateRejected(
                "a sync committee comes without its branch",
                found=committee.hash_tree_root(),
                expected="a branch, or no committee",
            )
        return
    if committee is None:
        raise UpdateRejected(
            "a sync committee's branch comes without it", found="no committee", expected="one"
        )
    known = store.next_sync_committee
    if (
        known is not None
        and config.period_at(attested.slot) == config.period_at(store.finalized_header.beacon.slot)
        and committee != known
    ):
        raise UpdateRejected(
            "the next sync committee is another one than is known",
            found=committee.hash_tree_root(),
            expected=known.hash_tree_root(),
        )
    _check_branch(
        "the next sync committee",
        leaf=committee.hash_tree_root(),
        branch=update.next_sync_committee_branch,
        gindex=next_sync_committee_gindex_at_slot(attested.slot, config),
        header=attested,
    )


def validate_sync_committee_signature(
    committee: SyncCommittee,
    aggregate: SyncAggregate,
    attested: BeaconBlockHeader,
    signature_slot: Slot,
    config: NetworkConfig,
) -> None:
    """Check that exactly the members whose bits are set signed a header.

    Raises:
        SignatureRejected: they did not sign it, or there is not exactly one bit for each member.
        PublicKeyRejected: the bytes of a member's key are not a key, or the keys add up to infinity.
        HeaderRejected: the signature is older than the network's first fork.
    """
    signing_root = sync_committee_signing_root(attested.hash_tree_root(), signature_slot, config)
    # The keys are added up here. The committee's own `aggregate_pubkey` is not relied on.
    keys = bls.committee(committee.pubkeys)
    if not keys.verify(aggregate.sync_committee_bits, signing_root, aggregate.sync_committee_signature):
        raise SignatureRejected(
            f"the sync committee of period {config.period_at(signature_slot)} did not sign slot {attested.slot}",
            found=aggregate.sync_committee_signature,
            expected=f"a signature of {aggregate.participants} members over 0x{signing_root.hex()}",
        )


def _check_branch(
    what: str, *, leaf: bytes, branch: tuple[bytes, ...], gindex: int, header: BeaconBlockHeader
) -> None:
    if not is_valid_normalized_merkle_branch(leaf, branch, gindex, header.state_root):
        raise ProofRejected(
            f"{what} is not in the state of slot {header.slot}",
            found=f"root 0x{leaf.hex()} with {len(branch)} branch nodes",
            expected=f"a branch from {gindex} to state root 0x{header.state_root.hex()}",
        )


def apply_light_client_update(
    store: LightClientStore, update: LightClientUpdate, config: NetworkConfig
) -> LightClientStore:
    """Return the store with the finalized header and the next committee of a valid update.

    Raises:
        UpdateRejected: the update finalizes another period while the next committee is not known.
    """
    store_period = config.period_at(store.finalized_header.beacon.slot)
    update_finalized_period = config.period_at(update.finalized_header.beacon.slot)
    if not is_next_sync_committee_known(store):
        if update_finalized_period != store_period:
            raise UpdateRejected(
                "the update finalizes another period while the next sync committee is unknown",
                found=f"period {update_finalized_period}",
                expected=f"period {store_period}",
            )
        store = replace(store, next_sync_committee=update.next_sync_committee)
    elif update_finalized_period == store_period + 1 and store.next_sync_committee is not None:
        store = replace(
            store,
            current_sync_committee=store.next_sync_committee,
            next_sync_committee=update.next_sync_committee,
            previous_max_active_participants=store.current_max_active_participants,
            current_max_active_participants=0,
        )
    if update.finalized_header.beacon.slot > store.finalized_header.beacon.slot:
        store = replace(store, finalized_header=update.finalized_header)
        if store.finalized_header.beacon.slot > store.optimistic_header.beacon.slot:
            store = replace(store, optimistic_header=store.finalized_header)
    return store


def process_light_client_store_force_update(
    store: LightClientStore, current_slot: Slot, config: NetworkConfig
) -> LightClientStore:
    """Return the store that takes the attested header of the best update for final, after a period without
    finality.

    Before that period is over, the store is returned as it is. This gives up safety for progress: nothing in
    this project calls it but the vectors of the specification.
    """
    best = store.best_valid_update
    timeout = config.preset.slots_per_period
    if best is None or current_slot <= store.finalized_header.beacon.slot + timeout:
        return store
    # An update is applied by its finalized header. Where that is not newer, the attested header takes its
    # place, so that the client gets into later periods at all
    if best.finalized_header.beacon.slot <= store.finalized_header.beacon.slot:
        best = replace(best, finalized_header=best.attested_header)
    return replace(apply_light_client_update(store, best, config), best_valid_update=None)


def process_light_client_update(
    store: LightClientStore, update: LightClientUpdate, current_slot: Slot, config: NetworkConfig
) -> LightClientStore:
    """Check an update, and return the store with what it proves.

    Raises:
        Rejection: as `validate_light_client_update`.
    """
    validate_light_client_update(store, update, current_slot, config)
    bits, participants = update.sync_aggregate.sync_committee_bits, update.sync_aggregate.participants

    # Keep the best update for a forced one
    if store.best_valid_update is None or is_better_update(update, store.best_valid_update, config):
        store = replace(store, best_valid_update=update)

    # Count signers for the safety threshold
    store = replace(
        store,
        current_max_active_participants=max(store.current_max_active_participants, participants),
    )

    # An optimistic header needs more signers than the safety threshold
    if (
        participants > get_safety_threshold(store)
        and update.attested_header.beacon.slot > store.optimistic_header.beacon.slot
    ):
        store = replace(store, optimistic_header=update.attested_header)

    # A finalized header needs two thirds, and the update has to bring a newer one or the next committee
    update_has_finalized_next_sync_committee = (
        not is_next_sync_committee_known(store)
        and is_sync_committee_update(update)
        and is_finality_update(update)
        and has_sync_committee_finality(update, config)
    )
    if participants * 3 >= len(bits) * 2 and (
        update.finalized_header.beacon.slot > store.finalized_header.beacon.slot
        or update_has_finalized_next_sync_committee
    ):
        store = replace(apply_light_client_update(store, update, config), best_valid_update=None)
    return store


def process_light_client_finality_update(
    store: LightClientStore,
    finality_update: LightClientFinalityUpdate,
    current_slot: Slot,
    config: NetworkConfig,
) -> LightClientStore:
    """Process a finality update: an update that shows no next committee."""
    update = LightClientUpdate(
        attested_header=finality_update.attested_header,
        next_sync_committee=None,
        next_sync_committee_branch=(),
        finalized_header=finality_update.finalized_header,
        finality_branch=finality_update.finality_branch,
        sync_aggregate=finality_update.sync_aggregate,
        signature_slot=finality_update.signature_slot,
    )
    return process_light_client_update(store, update, current_slot, config)


def process_light_client_optimistic_update(
    store: LightClientStore,
    optimistic_update: LightClientOptimisticUpdate,
    current_slot: Slot,
    config: NetworkConfig,
) -> LightClientStore:
    """Process an optimistic update: an update that shows neither a next committee nor a finalized header."""
    update = LightClientUpdate(
        attested_header=optimistic_update.attested_header,
        next_sync_committee=None,
        next_sync_committee_branch=(),
        finalized_header=LightClientHeader(),
        finality_branch=(),
        sync_aggregate=optimistic_update.sync_aggregate,
        signature_slot=optimistic_update.signature_slot,
    )
    return process_light_client_update(store, update, current_slot, config)
