# SPDX-License-Identifier: MIT
"""The way of a light client on a destination from what it trusts to a newer header: one update a period.

What the steps are made of, the best update of a period and its committee, is in the cache where we have
followed that period ourselves; else beacon nodes are asked. The path needs no trust of its own: every update
that it gives was accepted by the Python client first, from the state that the contract is in.
"""

from __future__ import annotations

import asyncio
from typing import Final

from light_clients.client import Timestamp
from light_clients.errors import HeaderRejected, Rejection
from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.codec import FinalizingUpdate, encode_update
from light_clients.ethereum.config import NetworkConfig, Period
from light_clients.ethereum.containers import LightClientUpdate, SyncCommittee
from relayer.consensus.ethereum.cache import EthereumCache
from relayer.consensus.ethereum.deployed_client import knows_signers
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.consensus.ethereum.sources import BeaconSource
from relayer.errors import NotFoundYet

#: Updates of one walk; the rest follows once these are on chain.
_MOST_STEPS: Final = 32


class PeriodSource:
    """The best update and the committee of a period: from the cache, or from beacon nodes.

    Args:
        beacon: nodes of the network.
        network: what they serve.
        cache: what was followed already; committees that nodes show are kept there.
    """

    def __init__(self, beacon: BeaconSource, network: NetworkConfig, cache: EthereumCache) -> None:
        self._beacon = beacon
        self._network = network
        self._cache = cache

    async def best_update(self, period: Period, threshold: int) -> LightClientUpdate:
        """An update of a period: the one that we followed, or the best one that a node has.

        It tells that at least `threshold` members signed it. Its signature is unverified.

        Raises:
            NotFoundYet: no node has one by so many.
        """
        kept = self._cache.update(period)
        if kept is not None and kept.sync_aggregate.participants >= threshold:
            return kept

        def first(updates: tuple[LightClientUpdate, ...]) -> LightClientUpdate:
            if not updates or self._network.period_at(updates[0].attested_header.beacon.slot) != period:
                raise NotFoundYet(f"a node has no update of period {period}", "one that its committee signed")
            signed = updates[0].sync_aggregate.participants
            if signed < threshold:
                raise NotFoundYet(
                    f"{signed} members signed a node's best update of period {period}",
                    f"at least {threshold}",
                )
            return updates[0]

        return await self._beacon.checked_updates(period, 1, first)

    async def committee(self, root: bytes, period: Period) -> SyncCommittee:
        """The committee of a period, by its trusted root (32 bytes).

        Raises:
            NotFoundYet: no node has an update that shows a committee of that period.
            ChainUnavailable: all of them show another one.
        """
        kept = self._cache.committee(root)
        if kept is not None:
            return kept

        def check(updates: tuple[LightClientUpdate, ...]) -> SyncCommittee:
            shown = updates[0].next_sync_committee if updates else None
            if shown is None:
                raise NotFoundYet(f"a node has no update that shows the sync committee of period {period}")
            if shown.hash_tree_root() != root:
                raise HeaderRejected(
                    f"another sync committee of period {period} than the client's",
                    found=shown.hash_tree_root(),
                    expected=root,
                )
            return shown

        # A committee is shown by the update of the period before its own.
        committee = await self._beacon.checked_updates(Period(max(0, period - 1)), 1, check)
        self._cache.keep_committee(committee)
        return committee


class EthereumUpdatePath:
    """A client on its way to know who signed a header.

    Trust moves by updates that show the next committee, one a period. A client that got into a period without
    learning its next committee could be left behind there, for nodes keep one update a period.

    Args:
        source: where updates and committees come from.
        client: the trusted state to start from.
        now: the time at the client, in seconds since 1970.

    Attributes:
        client: the state that was reached.
        updates: the arguments of `update` that led there; the Python client has accepted all of them.
    """

    def __init__(self, source: PeriodSource, client: EthereumClient, now: Timestamp) -> None:
        self._source = source
        self._now = now
        self.client = client
        self.updates: list[bytes] = []

    async def advance(self, target: SignedHeader) -> bool:
        """Walk until the client knows the committee that signed a header.

        Returns:
            False when the walk is so long that it stopped before. The rest is for another walk.

        Raises:
            NotFoundYet: nodes have no update that leads on.
        """
        for _ in range(_MOST_STEPS):
            if knows_signers(self.client, target):
                return True
            await self.step()
        return False

    async def step(self) -> None:
        """Walk one period: learn its next committee where that is unknown, else the one after it.

        Raises:
            NotFoundYet: nodes have no update that does.
        """
        state, params = self.client.state, self.client.params
        own = Period(params.period_at(state.finalized_slot))
        if state.next_committee is None:
            period, root = own, state.committee
        else:
            period, root = Period(own + 1), state.next_committee
        committee = await self._source.committee(root, period)
        update = await self._source.best_update(period, params.threshold)
        try:
            data, self.client = await asyncio.to_thread(self._accept, update, committee)
        except Rejection as error:
            raise NotFoundYet(
                f"the best update of period {period} does not lead the client at slot {state.finalized_slot} on: {error}",
                "an update that shows the next sync committee and finalizes a later block of the same period",
                "A better one may come; where a whole period was not finalized, only its admin can bootstrap the client",
            ) from error
        self.updates.append(data)

    async def renew(self, target: SignedHeader) -> None:
        """Renew the client's trust: move to a header of its own period, or a step towards a later one.

        Does nothing where the header is not newer than what the client trusts.

        Raises:
            NotFoundYet: as `step`.
            Rejection: the client does not accept the header.
        """
        state, params = self.client.state, self.client.params
        if target.slot <= state.finalized_slot:
            return
        if state.next_committee is None or params.period_at(target.slot) != params.period_at(
            state.finalized_slot
        ):
            await self.step()
            return
        data, self.client = await asyncio.to_thread(self._accept, target.update, target.committee)
        self.updates.append(data)

    def _accept(self, update: FinalizingUpdate, committee: SyncCommittee) -> tuple[bytes, EthereumClient]:
        # A step without the next committee would leave the client behind in its new period, so it fails here.
        show_next = True if isinstance(update, LightClientUpdate) else None
        data = encode_update(update, committee, self.client.params, show_next=show_next)
        return data, self.client.update(data, self._now)
