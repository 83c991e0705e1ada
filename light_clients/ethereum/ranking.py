# SPDX-License-Identifier: MIT
"""What updates show, and which of two serves clients better (`specs/altair/light-client/sync-protocol.md`, helpers)."""

from __future__ import annotations

from light_clients.ethereum.config import NetworkConfig
from light_clients.ethereum.containers import LightClientUpdate, is_absent


def is_sync_committee_update(update: LightClientUpdate) -> bool:
    """Whether an update shows the next committee."""
    return not is_absent(update.next_sync_committee_branch)


def is_finality_update(update: LightClientUpdate) -> bool:
    """Whether an update shows a finalized header."""
    return not is_absent(update.finality_branch)


def is_better_update(
    new_update: LightClientUpdate, old_update: LightClientUpdate, config: NetworkConfig
) -> bool:
    """Whether, of two valid updates of a period, the new one serves clients better."""
    # Compare supermajority (> 2/3) sync committee participation
    max_active_participants = len(new_update.sync_aggregate.sync_committee_bits)
    new_num_active_participants = new_update.sync_aggregate.participants
    old_num_active_participants = old_update.sync_aggregate.participants
    new_has_supermajority = new_num_active_participants * 3 >= max_active_participants * 2
    old_has_supermajority = old_num_active_participants * 3 >= max_active_participants * 2
    if new_has_supermajority != old_has_supermajority:
        return new_has_supermajority
    if not new_has_supermajority and new_num_active_participants != old_num_active_participants:
        return new_num_active_participants > old_num_active_participants

    # Compare presence of relevant sync committee
    new_has_relevant_sync_committee = _has_relevant_sync_committee(new_update, config)
    old_has_relevant_sync_committee = _has_relevant_sync_committee(old_update, config)
    if new_has_relevant_sync_committee != old_has_relevant_sync_committee:
        return new_has_relevant_sync_committee

    # Compare indication of any finality
    new_has_finality = is_finality_update(new_update)
    old_has_finality = is_finality_update(old_update)
    if new_has_finality != old_has_finality:
        return new_has_finality

    # Compare sync committee finality
    if new_has_finality:
        newhas_sync_committee_finality = has_sync_committee_finality(new_update, config)
        oldhas_sync_committee_finality = has_sync_committee_finality(old_update, config)
        if newhas_sync_committee_finality != oldhas_sync_committee_finality:
            return newhas_sync_committee_finality

    # Tiebreaker 1: more participants than the supermajority needs
    if new_num_active_participants != old_num_active_participants:
        return new_num_active_participants > old_num_active_participants

    # Tiebreaker 2: older data, for it changes the best one less often
    new_slot, old_slot = new_update.attested_header.beacon.slot, old_update.attested_header.beacon.slot
    if new_slot != old_slot:
        return new_slot < old_slot

    # Tiebreaker 3: the earlier signature
    return new_update.signature_slot < old_update.signature_slot


def _has_relevant_sync_committee(update: LightClientUpdate, config: NetworkConfig) -> bool:
    return is_sync_committee_update(update) and config.period_at(
        update.attested_header.beacon.slot
    ) == config.period_at(update.signature_slot)


def has_sync_committee_finality(update: LightClientUpdate, config: NetworkConfig) -> bool:
    """Whether an update's attested and finalized headers are of one period, so that its next committee is final."""
    finalized, attested = update.finalized_header.beacon, update.attested_header.beacon
    return config.period_at(finalized.slot) == config.period_at(attested.slot)
