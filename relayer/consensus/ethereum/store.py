# SPDX-License-Identifier: MIT
"""Following a beacon chain: the specification's store, moved by what nodes tell and by nothing but finalized headers.

A forced update is never made: it would believe a header that nobody finalized, and money hangs on what is believed here.
So a period that was never finalized within itself can't be followed over; the operator gives a newer checkpoint then.
The functions are pure; they run in threads, for signatures take longer than an event loop has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from light_clients.errors import Rejection
from light_clients.ethereum.config import ForkName, NetworkConfig, Period, Slot
from light_clients.ethereum.containers import (
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_header
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    process_light_client_finality_update,
    process_light_client_update,
)
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.errors import NotFoundYet

_STATE_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """By which an update counts.

    Attributes:
        network: what the chain is.
        threshold: members that have to sign, at least two thirds.
    """

    network: NetworkConfig
    threshold: int

    def known_until(self, store: LightClientStore) -> Period:
        """The last period whose committee is known."""
        period = self.network.period_at(store.finalized_header.beacon.slot)
        return period if store.next_sync_committee is None else Period(period + 1)

    def committee_of(self, store: LightClientStore, period: Period) -> SyncCommittee | None:
        """The committee of a period; None where the store does not know it."""
        own = self.network.period_at(store.finalized_header.beacon.slot)
        return {own: store.current_sync_committee, own + 1: store.next_sync_committee}.get(period)


@dataclass(frozen=True, slots=True)
class Followed:
    """Where an update led: the store, and the finalized headers that it was shown, oldest first."""

    store: LightClientStore
    headers: tuple[SignedHeader, ...]


def follow_finality(
    store: LightClientStore, update: LightClientFinalityUpdate, current_slot: Slot, rules: Rules
) -> Followed:
    """Take a node's newest finality update.

    Raises:
        NotFoundYet: it is honest as far as can be told, and brings nothing: older than what is known, of too few signers,
            nothing final yet.
        Rejection: it does not hold.
    """
    network = rules.network
    if update.finalized_header == LightClientHeader() or not update.finality_branch:
        raise NotFoundYet("nothing is final on this chain yet", "a finalized epoch after genesis")
    newest = store.finalized_header.beacon.slot
    if update.finalized_header.beacon.slot < newest or update.attested_header.beacon.slot <= newest:
        raise NotFoundYet(
            f"finality at slot {update.finalized_header.beacon.slot}", f"at least slot {newest}"
        )
    _check_participation(update, rules)
    period = network.period_at(update.signature_slot)
    committee = rules.committee_of(store, period)
    moved = process_light_client_finality_update(store, update, current_slot, network)
    if committee is None:
        raise AssertionError("a signature of an unknown committee was let through")
    return Followed(_trimmed(moved), (SignedHeader(update, committee, period),))


def follow_updates(
    store: LightClientStore, updates: tuple[LightClientUpdate, ...], current_slot: Slot, rules: Rules
) -> Followed:
    """Take the best updates of consecutive periods, as far as they lead on.

    Raises:
        NotFoundYet: they lead nowhere: there is none, or the first is not finalized within its period.
        Rejection: one of them does not hold.
    """
    headers: list[SignedHeader] = []
    why = "no update of a period that is needed"
    for update in updates:
        attested = rules.network.period_at(update.attested_header.beacon.slot)
        if update.sync_aggregate.participants < rules.threshold:
            why = f"{update.sync_aggregate.participants} members signed the best update of period {attested}"
            break
        period = rules.network.period_at(update.signature_slot)
        committee = rules.committee_of(store, period)
        moved = _trimmed(process_light_client_update(store, update, current_slot, rules.network))
        if rules.known_until(moved) == rules.known_until(store):
            why = f"period {attested} was not finalized within itself (yet)"
            break
        assert committee is not None
        store = moved
        headers.append(SignedHeader(update, committee, period))
    if not headers:
        raise NotFoundYet(
            f"sync committees known up to period {rules.known_until(store)}: {why}",
            f"an update that {rules.threshold} members signed and that finalizes a block of its own period",
        )
    return Followed(store, tuple(headers))


def _check_participation(update: LightClientFinalityUpdate, rules: Rules) -> None:
    found = update.sync_aggregate.participants
    if found < rules.threshold:
        raise NotFoundYet(
            f"{found} of {len(update.sync_aggregate.sync_committee_bits)} members of the sync committee signed "
            f"slot {update.attested_header.beacon.slot}",
            f"at least {rules.threshold}",
            "Low participation: finality can't be shown until more of them sign again",
        )


def _trimmed(store: LightClientStore) -> LightClientStore:
    """Without what only serves forced updates and headers that are not final."""
    return replace(store, best_valid_update=None, optimistic_header=store.finalized_header)


# --- on disk -----------------------------------------------------------------------------------------------------------


class _Exported(msgspec.Struct):
    version: int
    checkpoint: bytes
    genesis_validators_root: bytes
    form: int
    header: bytes
    current: bytes
    next: bytes


@dataclass(frozen=True, slots=True)
class StoredTrust:
    """A store as the journal has it, and the checkpoint that it goes back to."""

    checkpoint: bytes
    store: LightClientStore


def encode_store(store: LightClientStore, checkpoint: bytes, network: NetworkConfig) -> bytes:
    """The trusted part of a store: the finalized header and the known committees."""
    form = _form(network)
    header = upgrade_lc_header(store.finalized_header, form, network)
    following = store.next_sync_committee
    return msgspec.msgpack.encode(
        _Exported(
            _STATE_VERSION,
            checkpoint,
            network.genesis_validators_root,
            form.value,
            header.encode_ssz(form, network.preset),
            store.current_sync_committee.encode_ssz(form, network.preset),
            b"" if following is None else following.encode_ssz(form, network.preset),
        )
    )


def decode_store(data: bytes, network: NetworkConfig) -> StoredTrust:
    """Take what `encode_store` gave. Raises ValueError when it is not that, or of another network."""
    try:
        found = msgspec.msgpack.decode(data, type=_Exported)
        form = ForkName(found.form)
        header = LightClientHeader.decode_ssz(found.header, form, network.preset)
        current = SyncCommittee.decode_ssz(found.current, form, network.preset)
        following = SyncCommittee.decode_ssz(found.next, form, network.preset) if found.next else None
    except (msgspec.DecodeError, ValueError, Rejection) as error:
        raise ValueError(f"found a prover's state that can't be read ({error}), expected one") from error
    if found.version != _STATE_VERSION or found.genesis_validators_root != network.genesis_validators_root:
        raise ValueError(
            f"found a prover's state of version {found.version} for the network of genesis root "
            f"0x{found.genesis_validators_root.hex()}, expected version {_STATE_VERSION} for "
            f"0x{network.genesis_validators_root.hex()}"
        )
    return StoredTrust(found.checkpoint, LightClientStore(header, current, following, None, header, 0, 0))


def _form(network: NetworkConfig) -> ForkName:
    """The newest form of headers that the network has, and that still shows the execution block."""
    return max(fork.name for fork in network.forks if fork.name < ForkName.GLOAS)
