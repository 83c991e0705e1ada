# SPDX-License-Identifier: MIT
"""A road whose providers go wrong: two local chains, a provider that fails and one that doesn't before both,
and the daemon in a process of its own.

The daemon prefers the provider that fails: it comes first, and the other one is further away. Whoever sends,
counts and pays here goes to the chains themselves, past the providers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from relayer.contracts import load
from relayer.devnet.network.network import Network
from relayer.devnet.rpc.jsonrpc import RpcError
from relayer.devnet.state.faults import Stall
from relayer.keys import Key
from tests.bench.flow import count_proven, settled_messages
from tests.support.daemon_process import DaemonProcess
from tests.support.faulty_provider import FaultyProvider
from tests.support.relaynet import RECEIVED, RelayNet, access_of, join_network

SOURCE, DESTINATION = "a", "b"
_SPEC: Final = f"{SOURCE}=bft:4@0.5,{DESTINATION}=bft:4@0.5"
_SETTINGS: Final = '[api]\nlisten = ""\n\n[log]\nlevel = "warning"\n\n[batch]\nmax_wait_ms = 100\n'
_FURTHER_AWAY_S: Final = 0.1
_LOOK_S: Final = 0.1
#: How long a daemon that was started again is given, and one with an empty journal.
_RESTARTED_S: Final = 20.0
_ANEW_S: Final = 60.0
#: Asked for at once from a chain's logs.
_LOG_BLOCKS: Final = 20
_TRANSFER_GAS: Final = 21_000


@dataclass(frozen=True)
class Paid:
    """The relayer's transactions to the gateway in a range of blocks.

    Attributes:
        transactions: how many.
        wasted_gas: of those that reverted or moved nothing.
        prices_wei: what was paid for a unit of gas, oldest first.
    """

    transactions: int
    wasted_gas: int
    prices_wei: tuple[int, ...]


@dataclass
class FaultyRoad:
    """The road from SOURCE to DESTINATION.

    Attributes:
        bad: the preferred provider of either chain.
        good: the other one.
        sent: how many messages were sent.
        since: when waiting began, by the monotonic clock; sending sets it.
    """

    network: Network
    net: RelayNet
    bad: dict[str, FaultyProvider]
    good: dict[str, FaultyProvider]
    daemon: DaemonProcess
    key: Key
    sent: int = 0
    since: float = 0.0
    _received: dict[str, int] = field(default_factory=dict)
    _received_to: int = 0

    # --- messages -------------------------------------------------------------------------------------------

    async def send(self, count: int, payload_bytes: int = 0) -> None:
        """Send messages in one transaction: of one word each, or of so many bytes."""
        here, there = self.net.places[SOURCE], self.net.places[DESTINATION]
        if payload_bytes:
            payloads = [
                (self.sent + index).to_bytes(32) + b"\xa5" * (payload_bytes - 32) for index in range(count)
            ]
            data = load("Multisender").encode_call("sendAll", there.interop(there.postbox), payloads, [])
            gas = 100_000 + count * (60_000 + 40 * payload_bytes)
            await here.transact(here.multisender, data, gas)
        else:
            await self.net.send_counted(SOURCE, DESTINATION, count, self.sent)
        self.sent += count
        self.since = time.monotonic()

    async def await_delivered(self, within_s: float, *, final: bool = False) -> float | None:
        """Wait until all that was sent is delivered, and (`final`) the journal calls it so.

        Returns the seconds from `since` to the delivery; None when it does not come about, or the daemon has
        ended.
        """
        seconds: float | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.daemon.is_running():
                    delivered = await self.net.delivered_count(SOURCE, DESTINATION, self.sent)
                    if delivered == self.sent:
                        seconds = seconds or round(time.monotonic() - self.since, 1)
                        if (
                            not final
                            or await asyncio.to_thread(settled_messages, self.net, SOURCE) == delivered
                        ):
                            return seconds
                    await asyncio.sleep(_LOOK_S)
        return None

    async def count_lost(self) -> int:
        """Return how many of all messages the destination's light client does not prove as executed."""
        return self.sent - await count_proven(self.net, SOURCE, DESTINATION, self.sent)

    async def count_twice(self) -> int:
        """Return how many messages the recipient's own events show more than once."""
        place = self.net.places[DESTINATION]
        head = self.head()
        for first in range(self._received_to + 1, head + 1, _LOG_BLOCKS):
            last = min(head, first + _LOG_BLOCKS - 1)
            for log in await place.node.logs(place.postbox, [RECEIVED], first, last):
                message = log["topics"][1]
                self._received[message] = self._received.get(message, 0) + 1
        self._received_to = head
        return sum(count > 1 for count in self._received.values())

    def why(self) -> str:
        """Return why messages wait by the journal; the end of the log when the daemon has ended."""
        if not self.daemon.is_running():
            return f"the daemon has ended: {self.daemon.log_end(1)}"
        with self.net.open_journal() as journal:
            waits = [message.waiting for message in journal.pending()]
        return "; ".join(sorted({f"{wait.reason.value}: {wait.detail}" for wait in waits}))

    # --- the destination ------------------------------------------------------------------------------------

    def head(self) -> int:
        """Return the destination's height."""
        return int(self.network.anvil_chain(DESTINATION).head.number)

    async def ask(self, method: str, *params: Any) -> Any:
        """Ask the destination itself."""
        return await self.network.anvil_chain(DESTINATION).rpc(method, *params)

    async def paid(self, first: int, last: int) -> Paid:
        """Return what the relayer's key paid for at the gateway in the destination's blocks first..last."""
        gateway = "0x" + self.net.places[DESTINATION].gateway.hex()
        wasted, prices = 0, []
        for number in range(first, last + 1):
            block = await self.ask("eth_getBlockByNumber", hex(number), True)
            for transaction in block["transactions"]:
                if (transaction["to"] or "").lower() != gateway:
                    continue
                receipt = await self.ask("eth_getTransactionReceipt", transaction["hash"])
                prices.append(int(receipt["effectiveGasPrice"], 16))
                spoke = any(log["address"].lower() == gateway for log in receipt["logs"])
                if receipt["status"] != "0x1" or not spoke:
                    wasted += int(receipt["gasUsed"], 16)
        return Paid(len(prices), wasted, tuple(prices))

    async def count(self, tag: str) -> int:
        """Return how many transactions of the relayer's key the destination counts, `latest` or `pending`."""
        return int(await self.ask("eth_getTransactionCount", self._account, tag), 16)

    async def balance(self) -> int:
        """Return what the relayer's key has on the destination, in wei."""
        return int(await self.ask("eth_getBalance", self._account, "latest"), 16)

    async def await_pooled(self, within_s: float = 15.0) -> None:
        """Wait until a transaction of the relayer's waits in the destination's pool.

        Raises TimeoutError.
        """
        async with asyncio.timeout(within_s):
            while await self.count("pending") == await self.count("latest"):  # noqa: ASYNC110  a pool has no event
                await asyncio.sleep(_LOOK_S)

    async def await_unpooled(self, within_s: float = 15.0) -> None:
        """Wait until none does any more. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while await self.count("pending") != await self.count("latest"):  # noqa: ASYNC110  as above
                await asyncio.sleep(_LOOK_S)

    async def transfer(self, value_wei: int, price_wei: int) -> None:
        """Sign a transfer with the relayer's own key, beside the daemon, at the lowest nonce that is free."""
        raw, _ = self.key.sign_transaction(
            {
                "chainId": self.network.anvil_chain(DESTINATION).chain_id,
                "nonce": await self.count("latest"),
                "to": self.net.places[DESTINATION].user.address,
                "value": value_wei,
                "gas": _TRANSFER_GAS,
                "gasPrice": price_wei,
            }
        )
        await self.ask("eth_sendRawTransaction", "0x" + raw.hex())

    async def take_all_money(self) -> None:
        """Transfer all that the relayer's key has on the destination, to the last wei."""
        price_wei = 2 * int(await self.ask("eth_gasPrice"), 16)
        await self.transfer(await self.balance() - _TRANSFER_GAS * price_wei, price_wei)
        await self.await_unpooled()

    async def give_money(self, amount_wei: int) -> None:
        """Fund the relayer's key on the destination."""
        await self.network.anvil_chain(DESTINATION).fund(self.key.address, amount_wei)

    @property
    def _account(self) -> str:
        return "0x" + self.key.address.hex()

    # --- how blocks come ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def no_blocks(self) -> AsyncIterator[None]:
        """Let the destination make no block by itself while the context is open."""
        with self.network.anvil_chain(DESTINATION).faults.on(Stall()):
            yield

    @asynccontextmanager
    async def blocks_on_demand(self) -> AsyncIterator[None]:
        """Let the destination make a block only where its pool has something for it: no empty blocks."""

        async def mine() -> None:
            while True:
                if int((await self.ask("txpool_status"))["pending"], 16):
                    await self.network.anvil_chain(DESTINATION).mine()
                await asyncio.sleep(_LOOK_S)

        async with self.no_blocks(), _running(mine()):
            yield

    @asynccontextmanager
    async def quick_blocks(self) -> AsyncIterator[None]:
        """Let the destination make a block every 0.2 s."""

        async def mine() -> None:
            while True:
                await self.network.anvil_chain(DESTINATION).mine()
                await asyncio.sleep(0.2)

        async with self.no_blocks(), _running(mine()):
            yield

    @asynccontextmanager
    async def pool_of_unpayable(self) -> AsyncIterator[None]:
        """Let the destination's nodes take what its sender can't pay, and keep it until he can."""
        providers = self.providers((DESTINATION,), every=True)

        async def pay() -> None:
            while True:
                # The newest first: of those with one nonce a pool keeps the dearest.
                held = [raw for provider in providers for raw in provider.held[::-1]]
                if held and await self.balance():
                    for provider in providers:
                        provider.held.clear()
                    for raw in held:
                        with contextlib.suppress(RpcError):
                            await self.ask("eth_sendRawTransaction", raw)
                await asyncio.sleep(_LOOK_S)

        async with self.suffering(providers, "takes unpayable"), _running(pay()):
            yield

    # --- what goes wrong ------------------------------------------------------------------------------------

    def providers(self, chains: Iterable[str], *, every: bool) -> list[FaultyProvider]:
        """Return the preferred provider of each of these chains, or every one of them."""
        return [providers[chain] for chain in chains for providers in (self.bad, self.good)[: 1 + every]]

    @asynccontextmanager
    async def suffering(self, providers: Iterable[FaultyProvider], *faults: str) -> AsyncIterator[None]:
        """Let providers suffer from faults of the same names while the context is open."""
        async with AsyncExitStack() as stack:
            for provider in providers:
                await stack.enter_async_context(provider.suffering(*faults))
            yield

    def acted(self) -> int:
        """Return how often faults of providers have acted."""
        return sum(provider.acted for provider in (*self.bad.values(), *self.good.values()))

    async def await_acted(self, before: int, within_s: float = 8.0) -> None:
        """Wait until a fault has acted once more than before; after that time, go on all the same."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.acted() <= before:  # noqa: ASYNC110  another process's doing has no event
                    await asyncio.sleep(_LOOK_S)

    # --- the daemon -----------------------------------------------------------------------------------------

    async def restart(self) -> None:
        """Stop the daemon, by force if need be, and start it again."""
        await self.stop_daemon()
        await self.daemon.start()

    async def stop_daemon(self) -> None:
        """Stop the daemon, by force if need be."""
        with contextlib.suppress(TimeoutError):
            await self.daemon.stop(timeout_s=10.0)

    async def recover(self) -> str:
        """Help a road that did not recover: the names of what was done, the last of which helped."""
        done = "restart"
        await self.restart()
        if await self.await_delivered(_RESTARTED_S, final=True) is None:
            done += ", empty pool and journal"
            await self.stop_daemon()
            await self.network.anvil_chain(DESTINATION).drop_transactions()
            for path in self.net.folder.glob("postroad.db*"):
                path.unlink()
            await self.daemon.start()
            if await self.await_delivered(_ANEW_S, final=True) is None:
                done += ": in vain"
        return done


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        # An error of the work is an error of the measurement.
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def faulty_road(folder: Path) -> AsyncIterator[FaultyRoad]:
    """Open a road in a folder of its own, its daemon running. Nothing of it is left running afterwards."""
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(Network(_SPEC))
        accesses = [access_of(chain) for chain in network.chains.values()]
        net = await join_network(folder, accesses, extra=_SETTINGS, lanes=[(SOURCE, DESTINATION)])
        stack.push_async_callback(net.close)
        bad, good = {}, {}
        text = net.config_path.read_text()
        for name, chain in network.chains.items():
            bad[name] = FaultyProvider(chain.http_url, chain.ws_url)
            good[name] = FaultyProvider(chain.http_url, chain.ws_url, delay_s=_FURTHER_AWAY_S)
            for provider in (bad[name], good[name]):
                stack.push_async_callback(provider.stop)
                await provider.start()
            text = text.replace(
                f'rpc = ["{chain.http_url}"]', f'rpc = ["{bad[name].http_url}", "{good[name].http_url}"]'
            ).replace(f'websocket = ["{chain.ws_url}"]', f'websocket = ["{bad[name].ws_url}"]')
        net.config_path.write_text(text)
        daemon = DaemonProcess(net.config_path)
        key = Key("relayer", net.places[DESTINATION].access.secrets[-1])
        road = FaultyRoad(network, net, bad, good, daemon, key)
        stack.push_async_callback(road.stop_daemon)
        await daemon.start()
        yield road
