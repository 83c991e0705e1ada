# SPDX-License-Identifier: MIT
"""The task of one chain's light client on one destination: it keeps the client able to believe the newest
headers.

A change of the signer set is sent to the client as soon as it would not know who signed the newest header.
Trust is renewed before less than a third of the trusting period is left. Nothing else is paid for. While the
client does not know the newest signer set, its lanes send nothing: it would refuse their proofs, which only
costs gas.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from light_clients.client import Height, Status
from light_clients.errors import Rejection
from relayer.chains.base import Address, Call
from relayer.chains.evm.abi import CLIENT_ANCHOR, CLIENT_FREEZE, CLIENT_UPDATE, encode_bytes
from relayer.consensus.base import OnChainClient
from relayer.errors import (
    CallReverted,
    ClientExpired,
    ClientFrozen,
    FeeLimitReached,
    InsufficientFunds,
    KeyUnavailable,
    Retryable,
    StopLane,
)
from relayer.journal.rows import Purpose, Wish
from relayer.pipeline.chain_task import ChainTask
from relayer.pipeline.destination import Destination
from relayer.pipeline.rules.anchoring import Anchoring
from relayer.pipeline.wakes import LanePort
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.sending.transaction import Transaction
from relayer.trouble import Trouble

#: How often the client is read without a reason.
_CHECK_S: Final = 15.0
#: The pause after a check that failed; after every other failure twice as long.
_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 60.0
#: How long a transaction may take to get into a block before the client is read again anyway.
_INCLUSION_S: Final = 60.0
#: What a call of the client asks for, beside so much for a byte of its argument. Unused gas is not paid, and
#: a simulation with the same gas comes first.
_BASE_GAS: Final = 300_000
_GAS_PER_BYTE: Final = 400


class LightClientTask:
    """Keeps the light client of `source` on `destination`.

    Attributes:
        source: the task of the chain whose headers the client believes.
        destination: the chain on which the client is.
        waiting: why lanes must not send under the client; None while it is ready.
        client: the client's state when it was read last; None before.
        oldest_height: the client does not believe proofs below this block of the source any more.
        anchoring: what is anchored, and what is to be.
        lanes: the tasks of the lanes that depend on the client.
    """

    def __init__(
        self,
        source: ChainTask,
        destination: Destination,
    ) -> None:
        self.source = source
        self.destination = destination
        self.waiting: Waiting | None = Waiting(WaitingReason.CLIENT_UPDATE, "the client was not read yet")
        self.client: OnChainClient | None = None
        self.oldest_height = 0
        self.anchoring = Anchoring(source.prover)
        self.lanes: list[LanePort] = []
        self._address: Address | None = None
        self._woken = asyncio.Event()
        self._signer_set: bytes | None = None
        self._updated_for: bytes | None = None
        self._failures = 0
        self._log = structlog.get_logger().bind(client=f"{source.chain.name} on {destination.name}")
        self._trouble = Trouble(self._log, "the client could not be read")
        self._waits = Trouble(self._log, "lanes wait for the client")

    def remark(self) -> str | None:
        """Return what will stop the lanes before long, for people; None where nothing is known to."""
        if self.client is None or not self._is_old(self.client):
            return None
        return (
            f"the light client of {self.source.chain.name} has less than a third of its trusting period left"
        )

    def recheck(self) -> None:
        """Read the client now, its address included: the destination refused a proof."""
        self._address = None
        self._woken.set()

    def on_source_header(self) -> None:
        """Take note that the source has a newer verified header, or a proof of misbehaviour."""
        if self.client is not None and self.source.prover.signer_set_id != self._signer_set:
            # A client that does not know the new signer set refuses all proofs from now on, so it is read
            # first.
            self._signer_set = self.source.prover.signer_set_id
            if self.waiting is None:
                detail = f"the {self.source.prover.signers} have changed; the client is read"
                self._set_waiting(Waiting(WaitingReason.CLIENT_UPDATE, detail))
            self._woken.set()
        # After a failure the growing pause decides when the client is read again, not the source's blocks.
        if self.source.misbehaviour is not None or (self.waiting is not None and not self._failures):
            self._woken.set()

    def recovered(self) -> None:
        """Read the client now: its destination can be asked again."""
        self._failures = 0
        self._woken.set()

    def count_ready(self, height: Height) -> int:
        """Return how many batches the client's lanes have ready under a header, at the least."""
        return sum(lane.count_ready(height) for lane in self.lanes)

    def _wake_lanes(self) -> None:
        for lane in self.lanes:
            lane.wake()

    def anchor(self, height: Height) -> None:
        """Ask for a header to be anchored. The lanes are woken once it is, or can't be."""
        if self.anchoring.wanted != height:
            self.anchoring.want(height)
            self._woken.set()

    async def run(self) -> None:
        """Check the client, now and then and when something asks for it, until cancelled."""
        while True:
            self._woken.clear()
            wait_s = await self._check_once()
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
                # Many lanes ask for a check at the same time: a moment later all of them have asked.
                await asyncio.sleep(min(_RETRY_S, wait_s) / 10)
            except TimeoutError:
                continue

    async def _check_once(self) -> float:
        """Check the client, and return after how many seconds to check it again."""
        try:
            await self.check()
        except (ClientExpired, ClientFrozen) as error:
            self._report_failure(WaitingReason.CLIENT_EXPIRED, error)
        except CallReverted as error:
            self._report_failure(WaitingReason.CLIENT_UPDATE, error)
        except StopLane as error:
            self._report_failure(WaitingReason.PAUSED, error)
        except (KeyUnavailable, InsufficientFunds) as error:
            self._report_failure(WaitingReason.FUNDS, error)
        except FeeLimitReached as error:
            self._report_failure(WaitingReason.GAS_PRICE, error)
        except (Retryable, Rejection, TimeoutError) as error:
            # A client that was ready stays in use, since every batch is simulated before it is sent.
            if self.waiting is not None:
                self._report_failure(WaitingReason.RPC_TROUBLE, error)
            else:
                self._trouble.note(str(error) or type(error).__name__)
        else:
            self._trouble.over()
            self._failures = 0
            return _CHECK_S
        self._failures += 1
        return min(_LONGEST_RETRY_S, _RETRY_S * 2.0 ** min(self._failures - 1, 10))

    def _report_failure(self, reason: WaitingReason, error: BaseException) -> None:
        self._set_waiting(Waiting(reason, str(error) or type(error).__name__))

    def _set_waiting(self, waiting: Waiting | None) -> None:
        if waiting == self.waiting:
            return
        if waiting is None:
            self._waits.over()
            self._log.info("the client is ready")
        else:
            self._waits.note(str(waiting))
        self.waiting = waiting
        self._wake_lanes()

    async def check(self) -> None:
        """Read the client, and update, anchor or freeze it where that is needed.

        Raises:
            StopLane: the client is not registered, paused, expired or frozen.
            Retryable, Rejection: it can't be read or updated now.
        """
        chain = self.destination.chain
        address = await self._find_client()
        # First of all: until it is frozen, the client believes signers that have contradicted themselves.
        if self.source.misbehaviour is not None:
            await self._freeze(address, self.source.misbehaviour)
        # Taken before the client is read: `on_source_header` notices a change that comes meanwhile.
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
                f"{self.source.chain.name}'s light client 0x{address.hex()} on {chain.name} expired: "
                f"its newest header is of {client.timestamp}",
                f"one younger than {client.trusting_period_s} s",
                "Only its admin can bootstrap it again",
            )
        if self.source.header is None:
            # Nothing can be proven yet, so nothing waits for the client.
            return
        if client.current and self._open_updates(address):
            client = await self._end_updates(address)
        if client.current:
            # The client is good until its trust ends. So lanes do not wait for a renewal, which may fail.
            self._renew_proofs(client)
            self._set_waiting(None)
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
        """Have the source prove anew what a signer set proved that the client does not know any more."""
        if client.proofs_from > self.oldest_height:
            self.oldest_height = client.proofs_from
            self.source.wake()

    def _is_old(self, client: OnChainClient) -> bool:
        """Return whether less than a third of the trusting period is left."""
        # The client expires by the destination's clock. Our newest header of the destination may be old, or
        # not there yet, so the later of both chains' times is taken.
        now = max(self.destination.timestamp, self.source.verified_timestamp)
        return (now - client.timestamp) * 3 > client.trusting_period_s * 2

    async def _find_client(self) -> Address:
        # Kept until the destination refuses a proof: an admin may have registered another client then.
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
            self._set_waiting(
                Waiting(
                    WaitingReason.CLIENT_UPDATE,
                    f"the {self.source.prover.signers} have changed; the client is brought to them",
                )
            )
            # Deliveries under way have proofs by the signer set before, so they have to land first.
            await self._let_deliveries_land()
        await self._send_updates(address)
        updated = await self._read(address)
        if not updated.current:
            raise Retryable(
                f"the client at height {updated.height} still trusts other {self.source.prover.signers} "
                "than ours",
                "the newest ones",
                "They changed again meanwhile; it is updated again",
            )
        self._renew_proofs(updated)
        self._set_waiting(None)

    async def _send_updates(self, address: Address) -> None:
        chain, sender = self.destination.chain, self.destination.sender
        # One that is signed has to land first, and may be all that is needed.
        await self._let_all_land(Purpose.UPDATE, address)
        for data in await self.source.prover.updates_for(chain, address):
            call = Call(
                address, CLIENT_UPDATE + encode_bytes(data), gas=_BASE_GAS + _GAS_PER_BYTE * len(data)
            )
            # Simulated first, because what the client refuses must not be paid for (INV-5).
            await chain.call(call)
            self._log.info(
                "updating the client", from_height=None if self.client is None else self.client.height
            )
            # The next update begins with the state that this one leaves behind.
            await self._let_land(await sender.send(call, Purpose.UPDATE))

    async def _anchor_wanted(self, address: Address) -> None:
        """Anchor the header that several deliveries wait for.

        Where that fails, all of them carry its signature.
        """
        height = self.anchoring.wanted
        if height is None:
            return
        chain, sender = self.destination.chain, self.destination.sender
        data = self.source.prover.anchor_for(height)
        try:
            if data is None:
                self.anchoring.refuse(height)
                return
            # Deliveries under way may refer to the anchor that this one replaces.
            await self._let_deliveries_land()
            await self._let_all_land(Purpose.ANCHOR, address)
            if height <= (await self._read(address)).anchored:
                return
            call = Call(
                address, CLIENT_ANCHOR + encode_bytes(data), gas=_BASE_GAS + _GAS_PER_BYTE * len(data)
            )
            await chain.call(call)
            self._log.info("anchoring a header", block=height)
            await self._let_land(await sender.send(call, Purpose.ANCHOR))
            if (await self._read(address)).anchored < height:
                self.anchoring.refuse(height)
        except (Retryable, CallReverted, KeyUnavailable, TimeoutError) as error:
            # An anchor only saves gas, so its failure must not hold deliveries up.
            self._log.warning("a header could not be anchored", error=str(error) or type(error).__name__)
            self.anchoring.refuse(height)
        # Woken in any case: the lanes hold their batches back until the anchor is there or was given up.
        finally:
            self._wake_lanes()

    def _open_updates(self, address: Address) -> list[Transaction]:
        updates = self.destination.sender.find(Purpose.UPDATE, address)
        return [transaction for transaction in updates if transaction.receipt is None]

    async def _end_updates(self, address: Address) -> OnChainClient:
        """Wait for updates that an earlier check signed, and return the client after them.

        They may lead to a signer set that signs no more, as where a change was taken back. What is delivered
        behind one would be refused then, and its gas lost.

        Raises TimeoutError: one is in no block yet, and is cancelled.
        """
        detail = "an update that was signed before has to land, or to be given up"
        self._set_waiting(Waiting(WaitingReason.CLIENT_UPDATE, detail))
        for transaction in self._open_updates(address):
            if (
                not await self.destination.sender.included(transaction, _INCLUSION_S)
                and transaction.receipt is None
            ):
                await self.destination.sender.wish(transaction, Wish.CANCEL)
                raise TimeoutError(f"its update waits, and is cancelled: {transaction.waiting}")
        return await self._read(address)

    async def _let_deliveries_land(self) -> None:
        # With one account there is nothing to wait for: a chain takes its transactions in order.
        if len(self.destination.chain.senders) > 1:
            sender = self.destination.sender
            waiting = [
                transaction
                for transaction in sender.transactions
                if transaction.purpose is Purpose.DELIVER and transaction.receipt is None
            ]
            await asyncio.gather(*(sender.included(transaction, _INCLUSION_S) for transaction in waiting))

    async def _let_all_land(self, purpose: Purpose, address: Address) -> None:
        """Wait for the transactions under way. Their effect is missing, so receipts are looked up again."""
        for transaction in self.destination.sender.find(purpose, address):
            if not await self.destination.sender.still_included(transaction):
                await self._let_land(transaction)

    async def _let_land(self, transaction: Transaction) -> None:
        """Wait until a transaction is in a block. Raises TimeoutError; it is followed all the same."""
        if not await self.destination.sender.included(transaction, _INCLUSION_S):
            raise TimeoutError(f"its transaction waits: {transaction.waiting}")

    async def _freeze(self, address: Address, data: bytes) -> None:
        """Freeze the client with a proof of misbehaviour, unless somebody else did."""
        call = Call(address, CLIENT_FREEZE + encode_bytes(data), gas=_BASE_GAS + _GAS_PER_BYTE * len(data))
        if not await self._is_accepted(call):
            if self._updated_for == data or (await self._read(address)).status is not Status.ACTIVE:
                return
            # The proof may be signed by a later signer set than the client knows: it is updated for it, once.
            await self._send_updates(address)
            self._updated_for = data
            if not await self._is_accepted(call):
                self._log.error("the client does not accept the proof of misbehaviour")
                return
        self._log.error("misbehaviour: freezing the client")
        await self._let_land(await self.destination.sender.send(call, Purpose.FREEZE))

    async def _is_accepted(self, call: Call) -> bool:
        try:
            await self.destination.chain.call(call)
        except CallReverted:
            return False
        return True
