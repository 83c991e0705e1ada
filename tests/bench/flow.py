# SPDX-License-Identifier: MIT
"""What both relaying figures share: a network in the background, load through the Multisender,
and honest counting.

The network runs in processes of its own and so does the daemon; this process sends, watches blocks come, and
counts afterwards. Nothing is counted from what the daemon says of itself: lost is what the destination's
light client does not prove, twice is what the recipient's own events show.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relayer.chains.base import Address
from relayer.chains.evm.chain import EvmChain, EvmSettings
from relayer.chains.rpc_provider import ProviderUrls
from relayer.config import Config
from relayer.consensus import open_chain as opening
from relayer.devnet.network import background
from relayer.devnet.network.state_file import ChainState, NetworkState
from relayer.journal.errors import JournalUnreadable
from relayer.keys import Key
from relayer.protocol.lane import delivered_slot
from relayer.protocol.message import PAGE_SIZE
from tests.support.relaynet import (
    PASSWORD,
    PASSWORD_VARIABLE,
    ChainAccess,
    Place,
    RelayNet,
    join_network,
)


@contextmanager
def scratch(*, keep: bool) -> Iterator[Path]:
    """A folder for keys, journal and logs; `keep` leaves it, and says where."""
    folder = Path(tempfile.mkdtemp(prefix="postroad-"))
    try:
        yield folder
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def access_of(chain: ChainState) -> ChainAccess:
    secrets = tuple(bytes.fromhex(key.secret[2:]) for key in chain.funded_keys)
    return ChainAccess(
        chain.name, chain.details.consensus, chain.chain_id, chain.http_url, chain.ws_url, secrets
    )


@asynccontextmanager
async def network(
    folder: Path, spec: str, *, extra: str = "", lanes: list[tuple[str, str]], admin: bool = False
) -> AsyncIterator[RelayNet]:
    """A joined network in the background; nothing of it is left afterwards.

    `admin` serves the chains' admin RPC.
    """
    os.environ[PASSWORD_VARIABLE] = PASSWORD
    directory = folder / "devnet"
    state: NetworkState = await asyncio.to_thread(background.up, spec, directory, admin=admin)
    try:
        net = await join_network(
            folder, [access_of(chain) for chain in state.chains], extra=extra, lanes=lanes
        )
        try:
            yield net
        finally:
            await net.close()
    finally:
        await asyncio.to_thread(background.down, directory)


def open_chain(config: Config, name: str) -> EvmChain:
    """The chain as the relayer sees it, without keys."""
    chain, endpoint = config.chain(name), config.require_endpoint(name)
    sockets = [url.reveal() for url in chain.websocket]
    return EvmChain(
        EvmSettings(
            name=name,
            chain_id=chain.chain_id,
            gateway=Address(endpoint.gateway),
            genesis_hash=endpoint.genesis_hash,
            providers=(ProviderUrls(chain.rpc[0].reveal(), sockets[0] if sockets else None),),
            # Short: a websocket that is late must not make blocks look later than they are.
            poll_interval_s=0.05,
        )
    )


async def count_proven(net: RelayNet, source: str, destination: str, total: int) -> int:
    """How many of a lane's first `total` messages the destination's light client proves as executed."""
    config = net.config
    opened = opening.open_chain(config, destination)
    try:
        chain, prover = opened.chain, opened.prover
        header = await prover.verify_head(await chain.head())
        lane = net.lane(source, destination)
        pages = range((total + PAGE_SIZE - 1) // PAGE_SIZE)
        slots = tuple(delivered_slot(lane.id, page) for page in pages)
        proven = await prover.prove(header, chain.gateway, slots)
    finally:
        await opened.close()
    mask = (1 << total) - 1
    bits = sum(
        int.from_bytes(item.value) << (PAGE_SIZE * page) for page, item in zip(pages, proven, strict=True)
    )
    return (bits & mask).bit_count()


@dataclass(frozen=True, slots=True)
class Included:
    """A transaction of the relayer's account, as the chain has it.

    `moved` is whether it succeeded, and the gateway has logged something where it was called.
    """

    sender: bytes
    nonce: int
    tx_hash: bytes
    block_number: int
    gas_used: int
    moved: bool


async def relayed_transactions(place: Place) -> list[Included]:
    """All transactions of the relayer's account that a chain has, by their nonces."""
    sender = Key("relayer", place.access.secrets[-1]).address
    account, gateway = "0x" + sender.hex(), "0x" + place.gateway.hex()
    newest = int(str((await place.node.block("latest"))["number"]), 16)
    found = []
    for number in range(1, newest + 1):
        block: dict[str, Any] = await place.node.request("eth_getBlockByNumber", [hex(number), True])
        for transaction in block["transactions"]:
            if transaction["from"].lower() != account:
                continue
            receipt = await place.node.request("eth_getTransactionReceipt", [transaction["hash"]])
            spoke = any(log["address"].lower() == gateway for log in receipt["logs"])
            called = (transaction["to"] or "").lower() == gateway
            found.append(
                Included(
                    sender,
                    int(transaction["nonce"], 16),
                    bytes.fromhex(transaction["hash"][2:]),
                    number,
                    int(receipt["gasUsed"], 16),
                    receipt["status"] == "0x1" and (spoke or not called),
                )
            )
    return found


@dataclass
class BlockTimes:
    """When this process saw each block of a chain, on its own monotonic clock, in seconds."""

    chain: EvmChain
    seen: dict[int, float] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None

    async def _watch(self) -> None:
        async for head in self.chain.heads():
            now = time.monotonic()
            last = max(self.seen, default=head.number - 1)
            for number in range(last + 1, head.number + 1):
                self.seen[number] = now

    def start(self) -> None:
        self.task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
        await self.chain.close()


def settled_messages(net: RelayNet, source: str) -> int:
    """How many messages of the source's lanes the journal calls final, all lanes together."""
    try:
        with net.open_journal() as journal, journal.reading() as reading:
            return sum(lane.settled for lane in reading.lanes() if lane.source == source)
    except JournalUnreadable:
        # The daemon is about to make it.
        return 0
