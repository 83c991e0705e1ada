# SPDX-License-Identifier: MIT
"""The trusted state of a beacon chain: the specification's store, and how updates that nodes tell move it.

Nothing moves it but finalized headers that enough members of a known sync committee signed. A forced update
is never made: it would believe a header that nobody finalized, and money hangs on what is believed here. So a
period that was never finalized within itself can't be followed over: only a newer checkpoint helps.

The functions are pure. They run in threads, for signatures take longer than an event loop has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from light_clients.errors import Rejection
from light_clients.ethereum.client import EthereumClient, EthereumState
from light_clients.ethereum.config import ForkName, NetworkConfig, Period, Slot
from light_clients.ethereum.containers import (
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_header
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    process_light_client_finality_update,
    process_light_client_update,
)
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.errors import NotFoundYet

#: A state of another version is refused, and never misread.
_STATE_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """By which rules an update counts.

    Attributes:
        network: the beacon chain.
        threshold: how many members have to sign, at least two thirds.
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
    """Where an answer leads: the store after it, and the finalized headers that it showed, oldest first.

    Empty headers mean that it showed nothing new.
    """

    store: LightClientStore
    headers: tuple[SignedHeader, ...] = ()

    def encoded(self, params: EthereumParams) -> Followed:
        """The same with the newest header's bytes at hand; takes some milliseconds. Raises Rejection.

        Before Capella headers show no execution block, so that there is nothing to prove. They are followed
        all the same.
        """
        if not self.headers or self.headers[-1].header.execution is None:
            return self
        return replace(self, headers=(*self.headers[:-1], self.headers[-1].encoded(params)))


def client_of(store: LightClientStore, params: EthereumParams) -> EthereumClient:
    """The trusted state as a client on a destination has it."""
    following = store.next_sync_committee
    state = EthereumState(
        store.finalized_header.beacon.slot,
        store.current_sync_committee.hash_tree_root(),
        None if following is None else following.hash_tree_root(),
    )
    return EthereumClient(params, state)


def follow_finality(
    store: LightClientStore, update: LightClientFinalityUpdate, current_slot: Slot, rules: Rules
) -> Followed:
    """Verify a node's newest finality update. The committee of its signature has to be known.

    Args:
        store: what is trusted.
        update: unverified.
        current_slot: the newest slot that there can be by now.
        rules: by which it counts.

    Raises:
        NotFoundYet: it is honest as far as can be told and brings nothing: it is older than what is known,
            too few members signed it, or nothing is final yet.
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
    """Verify the best updates of consecutive periods, as far as they lead on.

    Args:
        store: what is trusted.
        updates: unverified, from the period on whose committee is the last known one.
        current_slot: the newest slot that there can be by now.
        rules: by which they count.

    Raises:
        NotFoundYet: they lead nowhere: there is none, or the first one is not finalized within its period.
        Rejection: one of them does not hold.
    """
    headers: list[SignedHeader] = []
    why = "no update of a period that is needed"
    for update in updates:
        attested = rules.network.period_at(update.attested_header.beacon.slot)
        # A node serves the best update that there is. Too few signers are not its fault, so it is not blamed.
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
    """The store without what only serves forced updates and headers that are not final."""
    return replace(store, best_valid_update=None, optimistic_header=store.finalized_header)


# --- on disk ------------------------------------------------------------------------------------------------


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
    """Encode the trusted part of a store, the finalized header and the known committees, for the journal."""
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
    """Decode what `encode_store` gave. Raises ValueError when it is not that, or of another network."""
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
