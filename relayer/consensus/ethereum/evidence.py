# SPDX-License-Identifier: MIT
"""What proves that a sync committee deceived: two finalized headers of one slot, or two next committees of one period."""

from __future__ import annotations

from collections.abc import Sequence

from light_clients.errors import Rejection
from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.codec import FinalizingUpdate, encode_misbehaviour
from light_clients.ethereum.containers import LightClientUpdate, SyncCommittee
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.sync_protocol import LightClientStore
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.consensus.ethereum.store import Rules


def encode_freeze(first: SignedHeader, second: SignedHeader, params: EthereumParams) -> bytes:
    """The argument of `freeze`. Raises Rejection where it can't be said in those bytes."""
    return encode_misbehaviour((first.update, first.committee), (second.update, second.committee), params)


def find_contradiction(
    client: EthereumClient, store: LightClientStore, told: Sequence[FinalizingUpdate], rules: Rules
) -> bytes | None:
    """The argument of `freeze` where two of the updates that were told prove misbehaviour to a client; else None.

    What is not signed by a committee that the store knows proves nothing, whoever tells it.
    """
    signed: list[SignedHeader] = []
    for update in told:
        period = rules.network.period_at(update.signature_slot)
        committee = rules.committee_of(store, period)
        if committee is not None and update.finality_branch:
            signed.append(SignedHeader(update, committee, period))
    for index, first in enumerate(signed):
        for second in signed[index + 1 :]:
            if not _contradicts(first, second, rules):
                continue
            try:
                data = encode_freeze(first, second, client.params)
                client.freeze(data)
            except Rejection:
                continue
            return data
    return None


def _contradicts(first: SignedHeader, second: SignedHeader, rules: Rules) -> bool:
    if first.slot == second.slot and first.header.beacon != second.header.beacon:
        return True
    shown = [_next_committee(each.update) for each in (first, second)]
    periods = {rules.network.period_at(each.slot) for each in (first, second)}
    return None not in shown and len(periods) == 1 and shown[0] != shown[1]


def _next_committee(update: FinalizingUpdate) -> SyncCommittee | None:
    return update.next_sync_committee if isinstance(update, LightClientUpdate) else None
