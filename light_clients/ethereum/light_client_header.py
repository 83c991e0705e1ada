# SPDX-License-Identifier: MIT
"""Where the fork of a slot keeps what a header proves, and whether the execution part of a header is what its
body says.

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
    """Return the generalized indices of the fork of a slot. The three functions below are the
    specification's.

    Raises:
        HeaderRejected: the slot lies before the network's first fork.
    """
    return LAYOUTS[config.fork_at_slot(slot).name]


def finalized_root_gindex_at_slot(slot: Slot, config: NetworkConfig) -> int:
    """Return the index of the finalized checkpoint's root in the state."""
    return layout_at_slot(slot, config).finalized_root


def current_sync_committee_gindex_at_slot(slot: Slot, config: NetworkConfig) -> int:
    """Return the index of the current sync committee in the state."""
    return layout_at_slot(slot, config).current_sync_committee


def next_sync_committee_gindex_at_slot(slot: Slot, config: NetworkConfig) -> int:
    """Return the index of the next sync committee in the state."""
    return layout_at_slot(slot, config).next_sync_committee


def get_lc_execution_root(header: LightClientHeader, config: NetworkConfig) -> bytes:
    """Return what a header says of its execution block, 32 bytes, by the fork of its slot.

    Before Capella this is zero. From Capella on it is the root of the payload's header, and from Gloas on the
    hash of the execution block. A header of Capella to Fulu that was upgraded to the form of Gloas has only
    that hash, so that the root is computed along its branch.

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
        # The upgrade to the form of Gloas has put zeros in front, which belong to no level of this tree.
        return compute_merkle_branch_root(header.execution_block_hash, inner[len(inner) - depth :], index)
    # The genesis block of a network that begins at Capella or later has the default payload, which is None
    # here.
    return (header.execution or ExecutionPayloadHeader()).in_form_of(fork).hash_tree_root()


def is_valid_light_client_header(header: LightClientHeader, config: NetworkConfig) -> bool:
    """Return whether the execution part of a header is what the body of its beacon block says."""
    try:
        validate_light_client_header(header, config)
    except (HeaderRejected, ProofRejected):
        return False
    return True


def validate_light_client_header(header: LightClientHeader, config: NetworkConfig) -> None:
    """Check that the execution part of a header is what the body of its beacon block says.

    This is the specification's `is_valid_light_client_header`, which says why not.

    Raises:
        HeaderRejected: the header has a part that its fork does not have, or lies before the network's first
            fork.
        ProofRejected: its execution branch does not lead to the root of the body.
    """
    fork = config.fork_at_slot(header.beacon.slot).name
    layout = LAYOUTS[fork]
    execution, block_hash = header.execution, header.execution_block_hash

    # Before Capella headers show nothing of the execution block
    if layout.execution_block_hash is None:
        if execution is not None or block_hash is not None or header.execution_branch:
            raise HeaderRejected(
                f"a header of {fork.label} shows its execution block",
                found=_shown(header),
                expected="nothing before capella",
            )
        return

    # In the form of Gloas they show its hash
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

    # From Capella to Fulu they show the header of its payload
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
    """Return what a header shows of its execution block, for errors."""
    if header.execution is not None:
        shown = f"execution block {header.execution.block_number}"
    elif header.execution_block_hash is not None:
        shown = f"execution block hash 0x{header.execution_block_hash.hex()}"
    else:
        shown = "no execution block"
    return f"{shown}, {len(header.execution_branch)} branch nodes"
