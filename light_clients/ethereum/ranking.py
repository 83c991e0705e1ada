# SPDX-License-Identifier: MIT
"""What an update shows, and which of two updates of a period serves clients better.

Source: consensus-specs, `specs/altair/light-client/sync-protocol.md`, helper functions.
"""

from __future__ import annotations

from light_clients.ethereum.config import NetworkConfig
from light_clients.ethereum.containers import LightClientUpdate, is_absent


def is_sync_committee_update(update: LightClientUpdate) -> bool:
    """Return whether an update shows the next committee."""
    return not is_absent(update.next_sync_committee_branch)


def is_finality_update(update: LightClientUpdate) -> bool:
    """Return whether an update shows a finalized header."""
    return not is_absent(update.finality_branch)


def is_better_update(
    new_update: LightClientUpdate, old_update: LightClientUpdate, config: NetworkConfig
) -> bool:
    """Return whether, of two valid updates of a period, the new one serves clients better.

    The order is the specification's: two thirds of the committee, a next committee that is of the signature's
    period, a finalized header, a finalized header of the same period, more signers, and then the older
    update.
    """
    # Two thirds of the committee come first, and without them the number of signers
    max_active_participants = len(new_update.sync_aggregate.sync_committee_bits)
    new_num_active_participants = new_update.sync_aggregate.participants
    old_num_active_participants = old_update.sync_aggregate.participants
    new_has_supermajority = new_num_active_participants * 3 >= max_active_participants * 2
    old_has_supermajority = old_num_active_participants * 3 >= max_active_participants * 2
    if new_has_supermajority != old_has_supermajority:
        return new_has_supermajority
    if not new_has_supermajority and new_num_active_participants != old_num_active_participants:
        return new_num_active_participants > old_num_active_participants

    # Then a next committee that can be used, for its period is that of the signature
    new_has_relevant_sync_committee = _has_relevant_sync_committee(new_update, config)
    old_has_relevant_sync_committee = _has_relevant_sync_committee(old_update, config)
    if new_has_relevant_sync_committee != old_has_relevant_sync_committee:
        return new_has_relevant_sync_committee

    # Then a finalized header
    new_has_finality = is_finality_update(new_update)
    old_has_finality = is_finality_update(old_update)
    if new_has_finality != old_has_finality:
        return new_has_finality

    # Then one of the period of the attested header, so that the next committee is final
    if new_has_finality:
        new_has_committee_finality = has_sync_committee_finality(new_update, config)
        old_has_committee_finality = has_sync_committee_finality(old_update, config)
        if new_has_committee_finality != old_has_committee_finality:
            return new_has_committee_finality

    # Then more signers than two thirds
    if new_num_active_participants != old_num_active_participants:
        return new_num_active_participants > old_num_active_participants

    # Then the older header, so that the best update changes less often
    new_slot, old_slot = new_update.attested_header.beacon.slot, old_update.attested_header.beacon.slot
    if new_slot != old_slot:
        return new_slot < old_slot

    # And last the earlier signature
    return new_update.signature_slot < old_update.signature_slot


def _has_relevant_sync_committee(update: LightClientUpdate, config: NetworkConfig) -> bool:
    return is_sync_committee_update(update) and config.period_at(
        update.attested_header.beacon.slot
    ) == config.period_at(update.signature_slot)


def has_sync_committee_finality(update: LightClientUpdate, config: NetworkConfig) -> bool:
    """Return whether the attested and the finalized header are of one period, so that the next committee is
    final.
    """
    finalized, attested = update.finalized_header.beacon, update.attested_header.beacon
    return config.period_at(finalized.slot) == config.period_at(attested.slot)
