# SPDX-License-Identifier: MIT
"""Bring objects of one fork into the form of a later one (consensus-specs, `specs/*/light-client/fork.md`).

After a fork, nodes serve objects in its form, and a client upgrades its store to compare with them. Headers
from before the fork keep their content, and are checked by the rules of their own slot. Most of what a fork
adds to them is zeros, which the objects of this project leave out. So only three things change: the fields
that Deneb adds, the longer branches of Electra and Gloas, and the header of Gloas.

The specification has one function for each object and fork (`upgrade_lc_*_to_*`); here the fork is an
argument. The relayer upgrades its store, and with it an update and headers. The functions for the other
objects are what the specification's vectors ask for (tests/conformance/beacon_spec.py), or complete the set.

Gloas is not final: this follows consensus-specs 1.7.0-alpha.13.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from light_clients.codec.merkle_branch import normalize_merkle_branch
from light_clients.ethereum.config import ForkName, NetworkConfig
from light_clients.ethereum.containers import (
    Branch,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    is_absent,
)
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.forks import EXECUTION_BLOCK_HASH_GINDEX_GLOAS, LAYOUTS
from light_clients.ethereum.sync_protocol import LightClientStore

_FIRST_WITH_EXECUTION: Final = ForkName.CAPELLA


def upgrade_lc_header(pre: LightClientHeader, fork: ForkName, config: NetworkConfig) -> LightClientHeader:
    """Return a header in the form of a fork (`upgrade_lc_header_to_*`).

    Raises:
        ValueError: the header is in the form of a later fork already.
    """
    if fork >= ForkName.GLOAS:
        return _upgrade_lc_header_to_gloas(pre, config)
    if pre.execution_block_hash is not None:
        raise ValueError(f"found a header in the form of gloas, expected one of {fork.label} or before")
    if pre.execution is None or fork < ForkName.DENEB:
        return pre
    return replace(pre, execution=pre.execution.in_form_of(fork))


def _upgrade_lc_header_to_gloas(pre: LightClientHeader, config: NetworkConfig) -> LightClientHeader:
    if pre == LightClientHeader() or pre.execution_block_hash is not None:
        return pre
    at = config.fork_at_slot(pre.beacon.slot).name
    if at < _FIRST_WITH_EXECUTION:
        return LightClientHeader(beacon=pre.beacon)
    # Where the hash stands in the payload depends on how many fields the payload has at that slot
    execution = (pre.execution or ExecutionPayloadHeader()).in_form_of(at)
    inner = ExecutionPayloadHeader.ssz(at, config.preset).prove(execution, "block_hash")
    return LightClientHeader(
        beacon=pre.beacon,
        execution_block_hash=execution.block_hash,
        execution_branch=normalize_merkle_branch(
            inner + tuple(pre.execution_branch), EXECUTION_BLOCK_HASH_GINDEX_GLOAS
        ),
    )


def upgrade_lc_bootstrap(
    pre: LightClientBootstrap, fork: ForkName, config: NetworkConfig
) -> LightClientBootstrap:
    """Return a bootstrap in the form of a fork (`upgrade_lc_bootstrap_to_*`)."""
    return LightClientBootstrap(
        header=upgrade_lc_header(pre.header, fork, config),
        current_sync_committee=pre.current_sync_committee,
        current_sync_committee_branch=_lengthen(
            pre.current_sync_committee_branch, LAYOUTS[fork].current_sync_committee
        ),
    )


def upgrade_lc_update(pre: LightClientUpdate, fork: ForkName, config: NetworkConfig) -> LightClientUpdate:
    """Return an update in the form of a fork (`upgrade_lc_update_to_*`)."""
    return replace(
        pre,
        attested_header=upgrade_lc_header(pre.attested_header, fork, config),
        next_sync_committee_branch=_lengthen(
            pre.next_sync_committee_branch, LAYOUTS[fork].next_sync_committee
        ),
        finalized_header=upgrade_lc_header(pre.finalized_header, fork, config),
        finality_branch=_lengthen(pre.finality_branch, LAYOUTS[fork].finalized_root),
    )


def upgrade_lc_finality_update(
    pre: LightClientFinalityUpdate, fork: ForkName, config: NetworkConfig
) -> LightClientFinalityUpdate:
    """Return a finality update in the form of a fork (`upgrade_lc_finality_update_to_*`)."""
    return replace(
        pre,
        attested_header=upgrade_lc_header(pre.attested_header, fork, config),
        finalized_header=upgrade_lc_header(pre.finalized_header, fork, config),
        finality_branch=_lengthen(pre.finality_branch, LAYOUTS[fork].finalized_root),
    )


def upgrade_lc_optimistic_update(
    pre: LightClientOptimisticUpdate, fork: ForkName, config: NetworkConfig
) -> LightClientOptimisticUpdate:
    """Return an optimistic update in the form of a fork (`upgrade_lc_optimistic_update_to_*`)."""
    return replace(pre, attested_header=upgrade_lc_header(pre.attested_header, fork, config))


def upgrade_lc_store(pre: LightClientStore, fork: ForkName, config: NetworkConfig) -> LightClientStore:
    """Return a store in the form of a fork (`upgrade_lc_store_to_*`)."""
    best = pre.best_valid_update
    return replace(
        pre,
        finalized_header=upgrade_lc_header(pre.finalized_header, fork, config),
        best_valid_update=None if best is None else upgrade_lc_update(best, fork, config),
        optimistic_header=upgrade_lc_header(pre.optimistic_header, fork, config),
    )


def _lengthen(branch: Branch, gindex: int) -> Branch:
    return () if is_absent(branch) else normalize_merkle_branch(branch, gindex)
