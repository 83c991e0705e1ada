# SPDX-License-Identifier: MIT
"""Where a slot's fork keeps what a header proves, and whether a header's execution part holds.

Source: consensus-specs, `specs/{altair,capella,deneb,electra,gloas}/light-client/sync-protocol.md`.
"""

from __future__ import annotations

from light_clients.codec.merkle_branch import (
    ZERO_CHUNK,
    compute_merkle_branch_root,
    floorlog2,
    get_subtree_index,
    is_valid_merkle_branch,
    is_valid_normalized_merkle_branch,
)
from light_clients.errors import HeaderRejected, ProofRejected
from light_clients.ethereum.config import ForkName, NetworkConfig, Slot
from light_clients.ethereum.containers import LightClientHeader
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.forks import EXECUTION_PAYLOAD_GINDEX, LAYOUTS, Layout


def layout_at_slot(slot: Slot, config: NetworkConfig) -> Layout:
    """The generalized indices that the fork of a slot has.

    Raises:
        HeaderRejected: the slot lies before the network's first fork.
    """
    return LAYOUTS[config.fork_at_slot(slot).name]


def finalized_root_gindex_at_slot(slot: Slot, config: NetworkConfig) -> int:
    """Of the finalized checkpoint's root in the state."""
    return layout_at_slot(slot, config).finalized_root


def current_sync_committee_gindex_at_slot(slot: Slot, config: NetworkConfig) -> int:
    """Of the current sync committee in the state."""
    return layout_at_slot(slot, config).current_sync_committee


def next_sync_committee_gindex_at_slot(slot: Slot, config: NetworkConfig) -> int:
    """Of the next sync committee in the state."""
    return layout_at_slot(slot, config).next_sync_committee


def get_lc_execution_root(header: LightClientHeader, config: NetworkConfig) -> bytes:
    """What a header says of its execution block, 32 bytes.

    The payload header's root from Capella on, zero before it, and from Gloas on the execution block's hash. A header
    that was upgraded to Gloas's form has only the hash, and the root is computed along its branch.

    Raises:
        HeaderRejected: the slot lies before the network's first fork.
    """
    fork = config.fork_at_slot(header.beacon.slot).name
    if fork >= ForkName.GLOAS:
        return header.execution_block_hash or ZERO_CHUNK
    if fork < ForkName.CAPELLA:
        return ZERO_CHUNK
    if header.execution_block_hash is not None:
        body_depth = floorlog2(EXECUTION_PAYLOAD_GINDEX)
        gindex = LAYOUTS[fork].execution_block_hash or EXECUTION_PAYLOAD_GINDEX
        depth = floorlog2(gindex) - body_depth
        inner = header.execution_branch[: len(header.execution_branch) - body_depth]
        index = get_subtree_index(gindex) & ((1 << depth) - 1)
        return compute_merkle_branch_root(header.execution_block_hash, inner[len(inner) - depth :], index)
    # Where the genesis block already follows Capella's rules, its payload is the default one: absence, here.
    return (header.execution or ExecutionPayloadHeader()).in_form_of(fork).hash_tree_root()


def is_valid_light_client_header(header: LightClientHeader, config: NetworkConfig) -> bool:
    """Whether a header's execution part is what its beacon block's body says."""
    try:
        validate_light_client_header(header, config)
    except (HeaderRejected, ProofRejected):
        return False
    return True


def validate_light_client_header(header: LightClientHeader, config: NetworkConfig) -> None:
    """Check that a header's execution part is what its beacon block's body says (`is_valid_light_client_header`).

    Raises:
        HeaderRejected: it has a part that its fork does not have, or lies before the network's first fork.
        ProofRejected: its execution branch does not lead to the body's root.
    """
    fork = config.fork_at_slot(header.beacon.slot).name
    layout = LAYOUTS[fork]
    execution, block_hash = header.execution, header.execution_block_hash

    # Before Capella nothing is shown
    if layout.execution_block_hash is None:
        if execution is not None or block_hash is not None or header.execution_branch:
            raise HeaderRejected(
                f"a header of {fork.label} shows its execution block",
                found=_shown(header),
                expected="nothing before capella",
            )
        return

    # In the form of Gloas the execution block's hash is proven
    if layout.execution is None or block_hash is not None:
        if execution is not None:
            raise HeaderRejected(
                f"a header of {fork.label} shows more than the execution block's hash",
                found=_shown(header),
                expected="execution_block_hash alone",
            )
        holds = is_valid_normalized_merkle_branch(
            leaf=block_hash or ZERO_CHUNK,
            branch=header.execution_branch,
            gindex=layout.execution_block_hash,
            root=header.beacon.body_root,
        )

    # From Capella to Fulu it is the payload's header
    else:
        if (
            execution is not None
            and execution.fork > fork
            and (execution.blob_gas_used or execution.excess_blob_gas)
        ):
            raise HeaderRejected(
                f"an execution header of {fork.label} has blobs",
                found=(execution.blob_gas_used, execution.excess_blob_gas),
                expected="no blobs before deneb",
            )
        holds = is_valid_merkle_branch(
            leaf=get_lc_execution_root(header, config),
            branch=header.execution_branch,
            depth=floorlog2(layout.execution),
            index=get_subtree_index(layout.execution),
            root=header.beacon.body_root,
        )
    if not holds:
        raise ProofRejected(
            f"the execution branch of a header of {fork.label} does not lead to its body",
            found=f"{_shown(header)} at slot {header.beacon.slot}",
            expected=f"body root 0x{header.beacon.body_root.hex()}",
        )


def _shown(header: LightClientHeader) -> str:
    """What of its execution block a header shows, for errors."""
    if header.execution is not None:
        shown = f"execution block {header.execution.block_number}"
    elif header.execution_block_hash is not None:
        shown = f"execution block hash 0x{header.execution_block_hash.hex()}"
    else:
        shown = "no execution block"
    return f"{shown}, {len(header.execution_branch)} branch nodes"
