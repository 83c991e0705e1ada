# SPDX-License-Identifier: MIT
"""Light-client objects of simulated blocks (consensus-specs, `light-client/full-node.md` of every fork)."""

from __future__ import annotations

from light_clients.ethereum.config import ForkName
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from relayer.consensus.ethereum.local.beacon_block import (
    STATE_CURRENT_SYNC_COMMITTEE,
    STATE_NEXT_SYNC_COMMITTEE,
    BeaconBlock,
)


def light_header(block: BeaconBlock, form: ForkName | None = None) -> LightClientHeader:
    """Return a block's header as light clients get it (`block_to_light_client_header`).

    `form` is the fork of the object that holds it, where that is a later one than the block's own.
    """
    if block.fork.name < ForkName.CAPELLA or block.execution is None:
        return LightClientHeader(beacon=block.header)
    return LightClientHeader(
        beacon=block.header,
        execution=block.execution.in_form_of(block.fork.name if form is None else form),
        execution_branch=block.execution_branch,
    )


def bootstrap(block: BeaconBlock, committee: SyncCommittee) -> LightClientBootstrap:
    """With the committee of the block's period (`create_light_client_bootstrap`)."""
    return LightClientBootstrap(
        header=light_header(block),
        current_sync_committee=committee,
        current_sync_committee_branch=block.state_branch(STATE_CURRENT_SYNC_COMMITTEE),
    )


def update(
    block: BeaconBlock,
    attested: BeaconBlock,
    final: BeaconBlock | None,
    next_committee: SyncCommittee | None,
) -> LightClientUpdate:
    """Return what `block` says of its parent `attested` (`create_light_client_update`).

    Args:
        block: whose aggregate signs.
        attested: its parent.
        final: what the parent's state holds for final; None when it is the genesis block.
        next_committee: of the period after the parent's; None when another period's committee signed.
    """
    return LightClientUpdate(
        attested_header=light_header(attested),
        next_sync_committee=next_committee,
        next_sync_committee_branch=(
            () if next_committee is None else attested.state_branch(STATE_NEXT_SYNC_COMMITTEE)
        ),
        finalized_header=LightClientHeader() if final is None else light_header(final, attested.fork.name),
        finality_branch=() if final is None else attested.finality_branch,
        sync_aggregate=block.aggregate,
        signature_slot=block.slot,
    )


def finality_update(
    block: BeaconBlock, attested: BeaconBlock, final: BeaconBlock
) -> LightClientFinalityUpdate:
    """Return finality alone (`create_light_client_finality_update`)."""
    return LightClientFinalityUpdate(
        attested_header=light_header(attested),
        finalized_header=light_header(final, attested.fork.name),
        finality_branch=attested.finality_branch,
        sync_aggregate=block.aggregate,
        signature_slot=block.slot,
    )


def optimistic_update(block: BeaconBlock, attested: BeaconBlock) -> LightClientOptimisticUpdate:
    """Return the signed header alone (`create_light_client_optimistic_update`)."""
    return LightClientOptimisticUpdate(
        attested_header=light_header(attested),
        sync_aggregate=block.aggregate,
        signature_slot=block.slot,
    )
