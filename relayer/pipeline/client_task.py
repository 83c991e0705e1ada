# SPDX-License-Identifier: MIT
"""Upkeep: keeps one chain's light client on one destination able to believe that chain's newest headers.

Changes of the signer set are brought as soon as the client would not know who signed the newest
header, and trust is renewed before a third of the trusting period is left; nothing else is paid for. While the client lags,
its lanes send nothing: a proof of signers that it does not know would only cost gas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from light_clients.client import Height, Status
from light_clients.errors import Rejection
from relayer.chains.base import Address, Call
from relayer.chains.evm.abi import CLIENT_ANCHOR, CLIENT_FREEZE, CLIENT_UPDATE, encode_bytes
from relayer.consensus.base import OnChainClient
from relayer.errors import CallReverted, ClientExpired, ClientFrozen, KeyUnavailable, Retryable, StopLane
from relayer.journal.rows import Purpose
from relayer.metrics import Metrics
from relayer.pipeline.anchoring import Anchoring
from relayer.pipeline.chain_task import ChainTask
from relayer.pipeline.destination import Destination
from relayer.protocol.delivery import Waiting, WaitingReason

#: How often the client is read without a reason.
_CHECK_S = 15.0
#: After a suspicion, and between tries that fail.
_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0
#: How long an update may take to get into a block before the client is looked at again anyway.
_INCLUSION_S = 60.0
_BASE_GAS = 300_000
_GAS_PER_BYTE = 400


class LightClientTask:
    """The client of `source` on `destination`."""

    def __init__(
        self,
        source: ChainTask,
        destination: Destination,
        metrics: Metrics,
        lanes: Iterable[Callable[[], None]] = (),
    ) -> None:
        self.source = source
        self.destination = destination
        self.waiting: Waiting | None = Waiting(WaitingReason.CLIENT_UPDATE, "the client was not read yet")
        self.client: OnChainClient | None = None
        self.oldest_height = 0
        self.anchoring = Anchoring(source.prover)
        self.wake_lanes = list(lanes)
        self._metrics = metrics
        self._address: Address | None = None
        self._fresh = asyncio.Event()
        self._signer_set: bytes | None = None
        self._brought_for: bytes | None = None
        self._failures = 0
        self._log = structlog.get_logger().bind(client=f"{source.chain.name} on {destination.name}")

    def suspect(self) -> None:
        """A proof was refused: read the client now."""
        self._address = None
        self._fresh.set()

    def notice(self) -> None:
        """The source has a newer verified header, or proof of misbehaviour."""
        if self.client is not None and self.source.prover.signer_set_id != self._signer_set:
            # A client that does not know them refuses every proof from now on: it is read before any is sent.
            self._signer_set = self.source.prover.signer_set_id
            if self.waiting is None:
                self._set(Waiting(WaitingReason.CLIENT_UPDATE, "others sign now; the client is read"))
            self._fresh.set()
        if self.source.misbehaviour is not None or (self.waiting is not None and not self._failures):
            self._fresh.set()

    def anchor(self, height: Height) -> None:
        """Have a header anchored; lanes are woken once it is, or can't be."""
        if self.anchoring.wanted != height:
            self.anchoring.want(height)
            self._fresh.set()

    async def run(self) -> None:
        """Look after the client until cancelled."""
        while True:
            self._fresh.clear()
            wait_s = await self._look()
            try:
                async with asyncio.timeout(wait_s):
                    await self._fresh.wait()
                # Many lanes suspect at once; a moment later they all have.
                await asyncio.sleep(min(_RETRY_S, wait_s) / 10)
            except TimeoutError:
                continue

    async def _look(self) -> float:
        """Check once; return after how many seconds to check again."""
        try:
            await self.check()
        except (ClientExpired, ClientFrozen) as error:
            self._hold(WaitingReason.CLIENT_EXPIRED, error)
        except CallReverted as error:
            self._hold(WaitingReason.CLIENT_UPDATE, error)
        except StopLane as error:
            self._hold(WaitingReason.PAUSED, error)
        except KeyUnavailable as error:
            self._hold(WaitingReason.FUNDS, error)
        except (Retryable, Rejection, TimeoutError) as error:
            # A client that was fine stays in use: the simulation of each batch is the guard.
            if self.waiting is not None:
                self._hold(WaitingReason.RPC_TROUBLE, error)
            self._log.warning("the client could not be read", error=str(error) or type(error).__name__)
        else:
            self._failures = 0
            return _CHECK_S
        self._failures += 1
        return min(_LONGEST_RETRY_S, _RETRY_S * 2.0 ** min(self._failures - 1, 10))

    def _hold(self, reason: WaitingReason, error: BaseException) -> None:
        self._set(Waiting(reason, str(error) or type(error).__name__))

    def _set(self, waiting: Waiting | None) -> None:
        if waiting == self.waiting:
            return
        if waiting is None:
            self._log.info("the client is ready")
        else:
            self._log.warning("lanes wait for the client", reason=str(waiting))
        self.waiting = waiting
        for wake in self.wake_lanes:
            wake()

    async def check(self) -> None:
        """Read the client and bring it up to date where it has to be.

        Raises:
            StopLane: it can't be: not registered, paused, expired, frozen.
            Retryable, Rejection: not now.
        """
        chain = self.destination.chain
        address = await self._find()
        if self.source.misbehaviour is not None:
            await self._freeze(address, self.source.misbehaviour)
        signer_set = self.source.prover.signer_set_id
        client = await self._read(address)
        self._signer_set = signer_set
        if client.status is Status.FROZEN:
            raise ClientFrozen(
                f"{self.source.chain.name}'s light client 0x{address.hex()} on {chain.name} is frozen",
                "Active",
                "Ask the chains' owners what happened; only its admin can bootstrap it again",
            )
        if client.status is Status.EXPIRED:
            raise ClientExpired(
                f"{self.source.chain.name}'s light client 0x{address.hex()} on {chain.name} expired: its newest header "
                f"is of {client.timestamp}",
                f"one younger than {client.trusting_period_s} s",
                "Only its admin can bootstrap it again",
            )
        if self.source.header is None:
            # Nothing can be proven yet, so nothing waits for the client.
            return
        if client.current:
            # It is good until its trust ends: nothing waits for a renewal, which may fail for reasons of its own.
            self._renew_proofs(client)
            self._set(None)
            await self._anchor_wanted(address)
            if self._is_old(client):
                await self._update(address, client)
        else:
            await self._update(address, client)
            await self._anchor_wanted(address)

    async def _read(self, address: Address) -> OnChainClient:
        self.client = await self.source.prover.client_at(self.destination.chain, address)
        self.anchoring.read(self.client)
        return self.client

    def _renew_proofs(self, client: OnChainClient) -> None:
        """Have proofs made anew whose signers the client no longer knows."""
        if client.proofs_from > self.oldest_height:
            self.oldest_height = client.proofs_from
            self.source.nudge()

    def _is_old(self, client: OnChainClient) -> bool:
        """Whether less than a third of the trusting period is left."""
        now = max(self.destination.timestamp, self.source.verified_timestamp)
        return (now - client.timestamp) * 3 > client.trusting_period_s * 2

    async def _find(self) -> Address:
        if self._address is None:
            remote = await self.destination.chain.remote(self.source.chain.endpoint_id)
            if remote is None:
                raise StopLane(
                    f"{self.destination.name}'s gateway does not know {self.source.chain.name}'s endpoint",
                    "it registered there",
                    "Run `postroad endpoint register`",
                )
            if remote.paused:
                raise StopLane(
                    f"{self.source.chain.name} is paused on {self.destination.name}",
                    "the remote unpaused",
                    "Ask the endpoint's guardian or admin",
                )
            self._address = remote.client
        return self._address

    async def _update(self, address: Address, client: OnChainClient) -> None:
        if not client.current:
            self._set(
                Waiting(
                    WaitingReason.CLIENT_UPDATE,
                    f"the {self.source.prover.signers} have changed; the client is brought to them",
                )
            )
            # Deliveries under way prove by the signers before: they land first.
            await self._let_deliveries_land()
        await self._send_updates(address)
        updated = await self._read(address)
        if not updated.current:
            raise Retryable(
                f"the client at height {updated.height} still trusts other {self.source.prover.signers} than ours",
                "the newest ones",
                "They changed again meanwhile; it is updated again",
            )
        self._renew_proofs(updated)
        self._set(None)

    async def _send_updates(self, address: Address) -> None:
        chain, tracker = self.destination.chain, self.destination.tracker
        for live in tracker.open_calls(Purpose.UPDATE, address):
            # An earlier process signed it: it lands first, and may be all that is needed.
            async with asyncio.timeout(_INCLUSION_S):
                await live.settled.wait()
        for data in await self.source.prover.updates_for(chain, address):
            call = Call(
                address, CLIENT_UPDATE + encode_bytes(data), gas=_BASE_GAS + _GAS_PER_BYTE * len(data)
            )
            await chain.call(call)
            self._log.info(
                "updating the client", from_height=None if self.client is None else self.client.height
            )
            live = await tracker.send(call, Purpose.UPDATE, lambda _writing, _row: None)
            async with asyncio.timeout(_INCLUSION_S):
                await live.settled.wait()

    async def _anchor_wanted(self, address: Address) -> None:
        """Anchor a header that several deliveries wait for. Where that can't be, they carry its signature each."""
        height = self.anchoring.wanted
        if height is None:
            return
        chain, tracker = self.destination.chain, self.destination.tracker
        data = self.source.prover.anchor_for(height)
        try:
            if data is None:
                self.anchoring.refuse(height)
                return
            # Deliveries under way may refer to the anchor that this one replaces.
            await self._let_deliveries_land()
            for live in tracker.open_calls(Purpose.ANCHOR, address):
                async with asyncio.timeout(_INCLUSION_S):
                    await live.settled.wait()
            if height <= (await self._read(address)).anchored:
                return
            call = Call(
                address, CLIENT_ANCHOR + encode_bytes(data), gas=_BASE_GAS + _GAS_PER_BYTE * len(data)
            )
            await chain.call(call)
            self.destination.check_spending()
            self._log.info("anchoring a header", block=height)
            live = await tracker.send(call, Purpose.ANCHOR, lambda _writing, _row: None)
            async with asyncio.timeout(_INCLUSION_S):
                await live.settled.wait()
            if (await self._read(address)).anchored < height:
                self.anchoring.refuse(height)
        except (Retryable, CallReverted, KeyUnavailable, TimeoutError) as error:
            # It only saves gas: what goes wrong here holds nothing up.
            self._log.warning("a header could not be anchored", error=str(error) or type(error).__name__)
            self.anchoring.refuse(height)
        finally:
            for wake in self.wake_lanes:
                wake()

    async def _let_deliveries_land(self) -> None:
        waiting = [
            each.settled.wait()
            for each in self.destination.tracker.live.values()
            if each.purpose is Purpose.DELIVER and each.receipt is None
        ]
        if waiting and len(self.destination.chain.senders) > 1:
            # One account's transactions are served in order anyway.
            tasks = [asyncio.ensure_future(each) for each in waiting]
            _, late = await asyncio.wait(tasks, timeout=_INCLUSION_S)
            for each in late:
                each.cancel()

    async def _freeze(self, address: Address, data: bytes) -> None:
        """Show the destination the proof of misbehaviour, unless somebody else did."""
        call = Call(address, CLIENT_FREEZE + encode_bytes(data), gas=_BASE_GAS + _GAS_PER_BYTE * len(data))
        if not await self._is_accepted(call):
            if self._brought_for == data or (await self._read(address)).status is not Status.ACTIVE:
                return
            # It may be signed by those who come after the ones that the client knows: it is brought there, once.
            await self._send_updates(address)
            self._brought_for = data
            if not await self._is_accepted(call):
                self._log.error("the client does not accept the proof of misbehaviour")
                return
        self._log.error("misbehaviour: freezing the client")
        live = await self.destination.tracker.send(call, Purpose.FREEZE, lambda _writing, _row: None)
        async with asyncio.timeout(_INCLUSION_S):
            await live.settled.wait()

    async def _is_accepted(self, call: Call) -> bool:
        try:
            await self.destination.chain.call(call)
        except CallReverted:
            return False
        return True
