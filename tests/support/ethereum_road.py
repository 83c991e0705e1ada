# SPDX-License-Identifier: MIT
"""A proof-of-stake chain `eth` joined with a QBFT chain `court`, and the daemon between them as
operators run it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

import relayer
from light_clients.client import Status
from light_clients.ethereum.client import EthereumState
from light_clients.ethereum.config import Period
from relayer import config as configuration
from relayer.chains.evm import abi
from relayer.chains.evm.node import Node
from relayer.config import JournalConfig
from relayer.config.secret_url import SecretUrl
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.ethereum.contract import decode_trusted_state
from relayer.consensus.ethereum.local.chain import DEFAULT_FORKS, LocalEthereumChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.network.join import join_local, site_of
from relayer.endpoint.manifest import Manifest
from relayer.journal.errors import JournalUnreadable
from relayer.journal.rows import BatchRow, PendingMessage, StoredLane
from relayer.keys import Key
from relayer.protocol.message import EndpointId
from relayer.road import Receipt, RoadMessage
from tests.support.daemon_process import DaemonProcess
from tests.support.relaynet import Place, RelayNet, access_of

ETH: Final = "eth"
COURT: Final = "court"
#: A period of the minimal preset is 64 slots: 6.4 s; finality trails by 16 to 24.
SLOT_TIME_S: Final = 0.1
COURT_BLOCK_TIME_S: Final = 0.2
#: Patience with a machine that is busy with other things; nothing waits that long where all is well.
PATIENCE_S: Final = 90.0
_MOST_BATCHES: Final = 1_000

_DEPLOYER, _RELAYER, _SENDER, _USER = range(4)
_PURPOSES: Final = {
    abi.CLIENT_UPDATE: "update",
    abi.CLIENT_ANCHOR: "anchor",
    abi.CLIENT_FREEZE: "freeze",
    abi.DELIVER: "deliver",
}


@dataclass(frozen=True)
class Paid:
    """A transaction that the relayer paid for, as the chain has it.

    `delivered` is how many messages it executed.
    """

    purpose: str
    block: int
    gas: int
    succeeded: bool
    delivered: int

    @property
    def is_wasted(self) -> bool:
        """Whether it moved nothing."""
        return not self.succeeded or (self.purpose == "deliver" and not self.delivered)


@dataclass
class EthereumRoad:
    """Both chains, what is deployed on them, and the daemon.

    `began`: the first block of each after deployment.
    """

    eth: LocalEthereumChain
    court: LocalBftChain
    net: RelayNet
    daemon: DaemonProcess
    began: Mapping[str, int]

    @property
    def period(self) -> Period:
        """The sync-committee period that the clock is in."""
        return self.eth.network.period_at(self.eth.slot)

    async def send(self, source: str, destination: str, payload: bytes) -> RoadMessage:
        """Send one message with the library."""
        async with relayer.connect(self.net.config) as road:
            return await road.send(
                source, destination, to=self.net.places[destination].postbox, payload=payload
            )

    async def prove_delivery(self, message: RoadMessage) -> Receipt:
        """Wait until a light client of our own, which begins at the configured checkpoint, has
        proven a delivery.
        """
        config = self.net.config
        apart = msgspec.structs.replace(config, journal=JournalConfig(url=SecretUrl("sqlite:///none.db")))
        async with relayer.connect(apart) as road:
            found = await road.message(message.id)
            return await found.delivered(timeout=PATIENCE_S)

    async def paid(self, name: str) -> list[Paid]:
        """Every transaction of the relayer on a chain, in order, from the chain's own blocks."""
        place = self.net.places[name]
        relaying = f"0x{Key('relayer', place.access.secrets[_RELAYER]).address.hex()}"
        found = []
        newest = int(str((await place.node.block("latest"))["number"]), 16)
        for number in range(self.began[name], newest + 1):
            block: dict[str, Any] = await place.node.request("eth_getBlockByNumber", [hex(number), True])
            for sent in block["transactions"]:
                if sent["from"].lower() == relaying:
                    receipt = await place.node.request("eth_getTransactionReceipt", [sent["hash"]])
                    found.append(_read_paid(sent, receipt, place.gateway))
        return found

    async def paid_for(self, name: str, purpose: str) -> list[Paid]:
        """Those of one purpose."""
        return [paid for paid in await self.paid(name) if paid.purpose == purpose]

    async def assert_once_each(self, name: str, count: int) -> None:
        """INV-2, INV-5, INV-6: each message was received exactly once, and nothing was paid for
        that moved nothing.
        """
        receipts = await self.net.receipts_by_id(name)
        assert len(receipts) == count
        assert set(receipts.values()) <= {1}
        paid = await self.paid(name)
        assert [transaction for transaction in paid if transaction.is_wasted] == []
        assert sum(transaction.delivered for transaction in paid) == count

    async def client(self) -> EthereumState:
        """What eth's light client on the court trusts."""
        return decode_trusted_state(await self._ask_client(abi.CLIENT_TRUSTED_STATE))

    async def client_status(self) -> Status:
        """Whether eth's light client on the court is active."""
        return abi.decode_status(await self._ask_client(abi.CLIENT_STATUS))

    async def _ask_client(self, data: bytes) -> bytes:
        record = Manifest(self.net.config.manifest_path).get(COURT)
        assert record is not None
        return await self.net.places[COURT].node.call(bytes(record.clients[ETH].contract.address), data)

    async def known_until(self) -> Period:
        """The last period whose sync committee eth's light client on the court knows."""
        client = await self.client()
        return Period(self.eth.network.period_at(client.finalized_slot) + (client.next_committee is not None))

    async def wait_until_known(self, period: int) -> None:
        """Wait until eth's light client on the court knows the sync committee of a period."""

        async def is_known() -> bool:
            return await self.known_until() >= period

        await self.wait_until(f"the client knows period {period}", is_known)

    def lane(self, source: str) -> StoredLane:
        """What the journal has of the lane from a chain."""
        with self.net.open_journal() as journal, journal.reading() as reading:
            (found,) = (lane for lane in reading.lanes() if lane.source == source)
        return found

    def verified(self, name: str) -> int:
        """The newest block of a chain that the daemon has verified, by its journal."""
        with self.net.open_journal() as journal, journal.reading() as reading:
            return next(chain.verified_height for chain in reading.chains() if chain.name == name)

    def proof_heights(self, source: str) -> set[int]:
        """The blocks of a chain by whose headers batches of its messages were proven."""
        row = self.lane(source).row
        with self.net.open_journal() as journal, journal.reading() as reading:
            batches = reading.batches(BatchRow(number) for number in range(1, _MOST_BATCHES))
        return {batch.proof_height for batch in batches if batch.lane == row}

    def pending(self, source: str) -> list[PendingMessage]:
        """What waits of a chain's messages, as operators are told."""
        with self.net.open_journal() as journal:
            return [waiting for waiting in journal.pending() if waiting.source == source]

    async def start_daemon(self) -> None:
        """Start the daemon, and wait until it has its journal open."""
        await self.daemon.start()
        await self.wait_until("a journal", self._has_journal)

    def _has_journal(self) -> bool:
        assert self.daemon.is_running(), self.daemon.log_end()
        try:
            self.net.open_journal().close()
        except JournalUnreadable:
            return False
        return True

    async def wait_until(self, what: str, is_so: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until something is so. Raises AssertionError when it is not in `PATIENCE_S`."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    found = is_so()
                    if found if isinstance(found, bool) else await found:
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not in {PATIENCE_S:g} s: {what}; slot {self.eth.slot}") from None

    async def wait_for_period(self, period: int) -> None:
        """Wait until the chain's clock is in a period."""
        await self.wait_until(f"period {period}", lambda: self.period >= period)


@asynccontextmanager
async def open_ethereum_road(
    folder: Path,
    *,
    forks: Mapping[Any, int] = DEFAULT_FORKS,
    edit: Callable[[str, LocalEthereumChain], str] = lambda text, _: text,
    more_beacons: int = 0,
    slot_time_s: float = SLOT_TIME_S,
) -> AsyncIterator[EthereumRoad]:
    """Start and join both chains, and start the daemon. `edit` changes its configuration first."""
    async with (
        LocalEthereumChain(ETH, ChainOptions(block_time_s=slot_time_s, history=4_096), forks=forks) as eth,
        LocalBftChain(COURT, ChainOptions(block_time_s=COURT_BLOCK_TIME_S), validators=4) as court,
    ):
        for _ in range(more_beacons):
            await eth.add_beacon_server()
        road = await _join(folder, eth, court)
        path = road.net.config_path
        path.write_text(edit(path.read_text(), eth))
        configuration.load(path)
        try:
            async with road.daemon.guarded():
                await road.start_daemon()
                yield road
        finally:
            await road.net.close()


async def _join(folder: Path, eth: LocalEthereumChain, court: LocalBftChain) -> EthereumRoad:
    chains: tuple[LocalEthereumChain | LocalBftChain, ...] = (eth, court)
    roads = await join_local([site_of(chain) for chain in chains], folder, poll_interval_ms=100)
    net = RelayNet(folder, {})
    began = {}
    for chain in chains:
        put = roads.endpoints[chain.name]
        record = Manifest(roads.config.manifest_path).get(chain.name)
        assert record is not None
        net.places[chain.name] = Place(
            access=access_of(chain),
            node=Node.over(chain.name, [chain.http_url]),
            deployer=Key("deployer", chain.funded_keys[_DEPLOYER].secret),
            user=Key("user", chain.funded_keys[_USER].secret),
            gateway=put.gateway,
            postbox=put.postbox,
            multisender=put.multisender,
            endpoint=EndpointId(put.endpoint_id),
        )
        began[chain.name] = chain.head.number + 1
    return EthereumRoad(eth, court, net, DaemonProcess(net.config_path), began)


def _read_paid(transaction: Mapping[str, Any], receipt: Mapping[str, Any], gateway: bytes) -> Paid:
    topic = f"0x{abi.DELIVERED.hex()}"
    masks = [
        int(log["data"][-64:], 16)
        for log in receipt["logs"]
        if log["address"].lower() == f"0x{gateway.hex()}" and log["topics"][0] == topic
    ]
    return Paid(
        purpose=_PURPOSES.get(bytes.fromhex(transaction["input"][2:10]), "unknown"),
        block=int(transaction["blockNumber"], 16),
        gas=int(receipt["gasUsed"], 16),
        succeeded=receipt["status"] == "0x1",
        delivered=sum(mask.bit_count() for mask in masks),
    )
