# SPDX-License-Identifier: MIT
"""Compares the committees that an EthereumLightClient trusts with those of the beacon chain's own periods.

The period's committee comes with the block of the client's slot, by a branch to that block's state; where a
node serves no bootstrap of that block any more, it comes with the update of the period before, as the next
period's always does.
"""

from __future__ import annotations

from light_clients.errors import Rejection
from light_clients.ethereum.config import Period, Slot
from light_clients.ethereum.containers import LightClientUpdate
from light_clients.ethereum.sync_protocol import initialize_light_client_store
from relayer.consensus.ethereum.beacon_api import BeaconApi
from relayer.consensus.ethereum.contract import EthereumClientView
from relayer.consensus.findings import HIJACKED, Finding, Severity, refuse
from relayer.errors import NotFoundYet, PostroadError


async def compare_committees(
    subject: str, name: str, api: BeaconApi, client: EthereumClientView
) -> list[Finding]:
    """Compare both committees of a client with the beacon chain's.

    Args:
        subject: how the findings name the client.
        name: of the chain that it follows.
        api: that chain's.
        client: as it was read.

    Returns:
        One finding: see EndpointRole.prove_trust.
    """
    slot = Slot(client.height)
    period = api.network.period_at(slot)
    try:
        own = await _committee_of(api, slot, period)
    except (PostroadError, Rejection) as error:
        return [await _judge_unshown(subject, name, api, client, error)]
    if client.committee != own:
        found = f"a client that trusts the committee 0x{client.committee.hex()} in period {period}"
        return [refuse(subject, found, f"the chain's own, 0x{own.hex()}", HIJACKED)]
    if client.next_committee is not None:
        try:
            following = await _next_committee_of(api, period)
        except (PostroadError, Rejection) as error:
            return [unproven(subject, name, client, str(error))]
        if client.next_committee != following:
            found = (
                f"a client that trusts the committee 0x{client.next_committee.hex()} in period {period + 1}"
            )
            expected = f"the chain's own, 0x{following.hex()}"
            return [refuse(subject, found, expected, HIJACKED)]
    try:
        newest = (await api.finality_update()).finalized_header.beacon.slot
    except (PostroadError, Rejection) as error:
        return [unproven(subject, name, client, str(error))]
    if slot > newest:
        found = f"a client that trusts slot {slot}, while slot {newest} is the newest finalized one"
        advice = "Is the Beacon API behind? If it is not, the client can't be updated before that slot: replace it."
        return [Finding(Severity.WARNING, subject, found, "a finalized slot", advice)]
    text = f"trusts the sync committee that the beacon chain itself has in period {period}"
    return [Finding(Severity.OK, subject, text)]


def unproven(
    subject: str, name: str, client: EthereumClientView, reason: str, *, signs_now: bool = False
) -> Finding:
    """Return the finding of a client whose committees can't be compared with the chain's.

    A slot that no node shows is what a forger would choose, so it is a refusal, unless the one committee that
    the client trusts is that which `signs_now`.
    """
    found = f"a client whose committee of slot {client.height} can't be compared with the chain's: {reason}"
    expected = "the beacon chain's own committee"
    advice = (
        f"Name a Beacon API that serves older periods in chains.{name}.consensus.beacon, or bring the client to a newer "
        "slot (`postroad client update`), and check again"
    )
    if signs_now:
        return Finding(
            Severity.WARNING, subject, found, expected, f"{advice}. Its committee is the one that signs now."
        )
    advice += f": until then its committee may never have existed. {HIJACKED}"
    return refuse(subject, found, expected, advice)


async def _judge_unshown(
    subject: str, name: str, api: BeaconApi, client: EthereumClientView, error: Exception
) -> Finding:
    try:
        newest = (await api.finality_update()).finalized_header.beacon.slot
        committee = await _committee_of(api, newest, api.network.period_at(newest))
    except (PostroadError, Rejection):
        return unproven(subject, name, client, str(error))
    signs_now = client.committee == committee and client.next_committee is None
    return unproven(subject, name, client, str(error), signs_now=signs_now)


async def _committee_of(api: BeaconApi, slot: Slot, period: Period) -> bytes:
    try:
        root = (await api.header(str(slot))).root
        store = await api.checked_bootstrap(
            root, lambda bootstrap: initialize_light_client_store(root, bootstrap, api.network)
        )
    except (PostroadError, Rejection):
        if period == 0:
            raise
        return await _next_committee_of(api, Period(period - 1))
    return store.current_sync_committee.hash_tree_root()


async def _next_committee_of(api: BeaconApi, period: Period) -> bytes:
    def read(updates: tuple[LightClientUpdate, ...]) -> bytes:
        for update in updates:
            committee = update.next_sync_committee
            if committee is not None and api.network.period_at(update.attested_header.beacon.slot) == period:
                return committee.hash_tree_root()
        raise NotFoundYet(f"no update of period {period}", "one")

    return await api.checked_updates(period, 1, read)
