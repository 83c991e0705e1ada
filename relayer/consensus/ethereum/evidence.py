# SPDX-License-Identifier: MIT
"""Evidence against sync committees: two finalized headers of one slot, or two next ones of a period."""

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
from relayer.errors import MisbehaviourFound


def encode_freeze(first: SignedHeader, second: SignedHeader, params: EthereumParams) -> bytes:
    """The argument of `freeze`. Raises Rejection where the wire format has no bytes for it."""
    return encode_misbehaviour((first.update, first.committee), (second.update, second.committee), params)


def check_same_header(before: SignedHeader | None, signed: SignedHeader, params: EthereumParams) -> None:
    """Compare a signed header with what was signed before for its slot; None where nothing was.

    Raises:
        MisbehaviourFound: the two are different headers. It carries the argument of `freeze`.
    """
    if before is None or before.header.beacon == signed.header.beacon:
        return
    raise MisbehaviourFound(
        f"two finalized headers of slot {signed.slot}: 0x{before.header.beacon.hash_tree_root().hex()} "
        f"and 0x{signed.header.beacon.hash_tree_root().hex()}",
        encode_freeze(before, signed, params),
    )


def find_contradiction(
    client: EthereumClient, store: LightClientStore, told: Sequence[FinalizingUpdate], rules: Rules
) -> bytes | None:
    """Search unverified updates for two that prove misbehaviour to a client.

    What is not signed by a committee that the store knows proves nothing, whoever tells it.

    Returns:
        The argument of `freeze`, which the client has accepted; None where nothing is proven.
    """
    signed_headers: list[SignedHeader] = []
    for update in told:
        period = rules.network.period_at(update.signature_slot)
        committee = rules.committee_of(store, period)
        if committee is not None and update.finality_branch:
            signed_headers.append(SignedHeader(update, committee, period))
    for index, first in enumerate(signed_headers):
        for second in signed_headers[index + 1 :]:
            if not _contradicts(first, second, rules):
                continue
            try:
                data = encode_freeze(first, second, client.params)
                # The client judges the very bytes: what it does not accept would only cost gas (INV-5).
                client.freeze(data)
            except Rejection:
                continue
            return data
    return None


def _contradicts(first: SignedHeader, second: SignedHeader, rules: Rules) -> bool:
    if first.slot == second.slot and first.header.beacon != second.header.beacon:
        return True
    shown = [_next_committee(signed.update) for signed in (first, second)]
    periods = {rules.network.period_at(signed.slot) for signed in (first, second)}
    return None not in shown and len(periods) == 1 and shown[0] != shown[1]


def _next_committee(update: FinalizingUpdate) -> SyncCommittee | None:
    return update.next_sync_committee if isinstance(update, LightClientUpdate) else None
