# SPDX-License-Identifier: MIT
"""What a committee signs that deceives: a second finalized block of a slot, another next committee.

Both are whole updates whose branches and signature hold. The honest chain knows nothing of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from light_clients.codec.merkle_branch import merkleize
from light_clients.ethereum.config import Period
from light_clients.ethereum.containers import LightClientUpdate, SyncAggregate, SyncCommittee
from light_clients.ethereum.execution import ExecutionPayloadHeader
from relayer.consensus.ethereum.local import light_client_objects as objects
from relayer.consensus.ethereum.local.beacon_block import (
    BODY_EXECUTION_PAYLOAD,
    STATE_FINALIZED_CHECKPOINT,
    STATE_NEXT_SYNC_COMMITTEE,
    BeaconBlock,
    checkpoint_root,
)
from relayer.consensus.ethereum.local.finality import Checkpoint
from relayer.consensus.ethereum.local.keyring import Keyring
from relayer.consensus.ethereum.local.simulation import Simulation

_INVENTED_STATE_ROOT: Final = b"\xbb" * 32


def second_finality(
    chain: Simulation,
    block: BeaconBlock,
    attested: BeaconBlock,
    final: BeaconBlock,
    execution: ExecutionPayloadHeader | None = None,
) -> LightClientUpdate:
    """Return an update with another finalized header at the slot of `final`, which the committee signed.

    Args:
        chain: whose committees sign.
        block: whose honest update this one contradicts.
        attested: its parent.
        final: what the parent's state holds for final.
        execution: what the second block executed; by default the first one's, with another state root.
    """
    if execution is None and final.execution is not None:
        execution = replace(final.execution, state_root=_INVENTED_STATE_ROOT)
    body = list(final.body)
    if execution is not None:
        body[BODY_EXECUTION_PAYLOAD] = execution.hash_tree_root()
    header = replace(final.header, body_root=merkleize(body), state_root=_INVENTED_STATE_ROOT)
    other = replace(final, header=header, root=header.hash_tree_root(), execution=execution, body=tuple(body))
    checkpoint = Checkpoint(attested.finality.finalized.epoch, other.root)
    state = list(attested.state)
    state[STATE_FINALIZED_CHECKPOINT] = checkpoint_root(checkpoint)
    forged = replace(attested, finality=replace(attested.finality, finalized=checkpoint))
    return _signed(chain, block, _with_state(forged, state), other, _next_committee(chain, block, attested))


def second_committee(
    chain: Simulation, block: BeaconBlock, attested: BeaconBlock, final: BeaconBlock
) -> LightClientUpdate:
    """Return an update that names another committee for the next period, with keys of nobody in the chain.

    Raises:
        ValueError: block and parent are of two periods, so that no next committee is shown.
    """
    if _next_committee(chain, block, attested) is None:
        raise ValueError(f"found slots {attested.slot} and {block.slot}, expected two of one period")
    strangers = Keyring(b"strangers", chain.keys.validators, chain.keys.committee_size)
    committee = strangers.committee(chain.config.period_at(attested.slot))
    state = list(attested.state)
    state[STATE_NEXT_SYNC_COMMITTEE] = committee.hash_tree_root()
    return _signed(chain, block, _with_state(attested, state), final, committee)


def _with_state(block: BeaconBlock, state: list[bytes]) -> BeaconBlock:
    header = replace(block.header, state_root=merkleize(state))
    return replace(block, header=header, root=header.hash_tree_root(), state=tuple(state))


def _next_committee(chain: Simulation, block: BeaconBlock, attested: BeaconBlock) -> SyncCommittee | None:
    period = chain.config.period_at(attested.slot)
    is_shown = period == chain.config.period_at(block.slot)
    return chain.committee(Period(period + 1)) if is_shown else None


def _signed(
    chain: Simulation,
    block: BeaconBlock,
    attested: BeaconBlock,
    final: BeaconBlock,
    committee: SyncCommittee | None,
) -> LightClientUpdate:
    bits = (True,) * chain.keys.committee_size
    message = chain.signing_root(attested.root, block.slot)
    signature = chain.keys.sign(chain.config.period_at(block.slot), bits, message)
    aggregate = SyncAggregate(sync_committee_bits=bits, sync_committee_signature=signature)
    return objects.update(replace(block, aggregate=aggregate), attested, final, committee)
