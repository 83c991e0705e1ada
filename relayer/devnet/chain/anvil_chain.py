# SPDX-License-Identifier: MIT
"""What local chains of every kind are: how they start and end, and what can be done with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Final, Generic, Self

import msgspec

from relayer.devnet.chain.admin_methods import common_admin_methods
from relayer.devnet.chain.admin_server import AdminMethod, AdminServer
from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.chain.chain_options import ETHER, ChainOptions
from relayer.devnet.chain.running_chain import RunningChain
from relayer.devnet.errors import DevnetError, ExecutionError, SpecError
from relayer.devnet.process.anvil import Anvil, listen_on
from relayer.devnet.rpc.jsonrpc import RpcError, RpcRequest, parse
from relayer.devnet.rpc.rpc_server import RpcServer
from relayer.devnet.rules import GIANT_GAS_LIMIT, PRAGUE, ChainRules
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.identities import chain_id_of, derive_account
from relayer.devnet.state.ledger import B
from relayer.keys import sign_transaction

_log = logging.getLogger(__name__)

_FAUCET_WEI: Final = 10**12 * ETHER


class AnvilChain(ABC, Generic[B]):
    """A local chain, as an async context manager; its consensus is a subclass's.

    Start it in a thread that lives as long as the chain: where the kernel ends anvil with its parent, it
    means that thread.

    Args:
        name: of the chain; the chain id follows from it.
        options: what can be chosen of every chain.
        faults: of the chain and of its first RPC server.

    Raises:
        SpecError: chains of this kind can't have the rules that the options ask for.
    """

    kind: ClassVar[str]
    """The name of its kind of consensus."""
    history: ClassVar[int]
    """How many past states chains of this kind keep, unless the options say otherwise."""
    can_be_legacy: ClassVar[bool] = False
    """Whether its blocks may have no base fee (`ChainRules.legacy`); such a kind leaves that out of them."""
    can_be_older: ClassVar[bool] = False
    """Whether its blocks may be of an older fork than Prague (`ChainRules.hardfork`)."""
    can_be_lazy: ClassVar[bool] = False
    """Whether it may leave out empty blocks; a kind that may asks `BlockMaker.is_due` before it makes one."""

    def __init__(self, name: str, options: ChainOptions, faults: Faults) -> None:
        self._check_rules(name, options.rules)
        self.name = name
        self.options = options
        self.chain_id = chain_id_of(name) if options.chain_id is None else options.chain_id
        self.faults = faults
        self.seed = secrets.token_bytes(32) if options.seed is None else options.seed
        self.funded_keys = tuple(
            derive_account(self.seed, name, "funded", index) for index in range(options.funded)
        )
        self._faucet = derive_account(self.seed, name, "faucet", 0)
        self._funding = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()
        self._admin = (
            AdminServer(common_admin_methods(self) | self._admin_methods()) if options.admin else None
        )
        self._chain: RunningChain[B] | None = None
        self.rpc_servers: list[RpcServer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: asyncio.Future[None] | None = None

    # --- what a consensus adds ------------------------------------------------------------------------------

    @abstractmethod
    async def _assemble(self, anvil: Anvil) -> RunningChain[B]:
        """Put the chain together over a started anvil, up to its genesis block."""

    @abstractmethod
    def describe(self) -> ChainDetails:
        """Return what the kind tells of this chain, once it has started."""

    def _genesis_time(self) -> int | None:
        """Of block 0, in seconds, decided at the start; None = the wall clock's."""
        return None

    async def _prepare(self, stack: contextlib.AsyncExitStack) -> None:
        """Do what comes between the first block and the start of the clock; `stack` ends what this starts."""

    def _admin_methods(self) -> dict[str, AdminMethod]:
        """Return what the admin RPC can do besides what it can do with every chain."""
        return {}

    # --- life -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start anvil and the front, and make block 1, where trust can begin.

        On an error nothing is left running.

        Raises:
            ChainStartError: anvil or a port can't be had.
            ExecutionError: this anvil does not work as expected.
        """
        if self._ended is not None:
            raise DevnetError(
                f"a second start of the chain {self.name}", "one start: a chain that stopped is gone"
            )
        self._ended = asyncio.get_running_loop().create_future()
        async with contextlib.AsyncExitStack() as stack:
            # The port is claimed before anvil starts: where somebody has it, there is nothing to undo.
            sock = listen_on(self.options.port)
            stack.callback(sock.close)
            anvil = await Anvil.start(
                chain_id=self.chain_id,
                gas_limit=GIANT_GAS_LIMIT if self.options.rules.giant else self.options.gas_limit,
                history=self.history if self.options.history is None else self.options.history,
                rules=self.options.rules,
                guard=self.options.guard,
                genesis_time=self._genesis_time(),
            )
            stack.push_async_callback(anvil.stop)
            chain = await self._assemble(anvil)
            funded = () if self.options.rules.free else self.funded_keys
            rich = {account.address: self.options.balance_wei for account in funded}
            await chain.block_maker.mine({**rich, self._faucet.address: _FAUCET_WEI})
            self._chain = chain
            server = chain.make_server(self.faults)
            stack.push_async_callback(server.stop)
            await server.start(sock)
            self.rpc_servers = [server]
            await self._prepare(stack)
            if self._admin is not None:
                await self._admin.start()
                stack.push_async_callback(self._admin.stop)
            self._watch(self._watch_anvil(anvil), "anvil")
            if self.block_time_s is not None:
                self._watch(chain.block_maker.run(self.block_time_s), "blocks")
            # Only from here on does the chain own what was started. Any earlier error has undone it.
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop everything. Safe to call twice, and before a start."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()
        self._end(None)

    async def wait_ended(self) -> None:
        """Wait until the chain stops.

        Raises:
            ExecutionError: it did not stop because it was told to, but died.
        """
        if self._ended is None:
            raise self._not_running()
        # Whoever stops waiting must not cancel the end for all others who wait.
        await asyncio.shield(self._ended)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- what there is --------------------------------------------------------------------------------------

    @property
    def block_time_s(self) -> float | None:
        """Seconds between blocks; None = blocks on demand."""
        return self.options.block_time_s

    @property
    def http_url(self) -> str:
        """Where JSON-RPC is posted to."""
        return self._server.http_url

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened."""
        return self._server.ws_url

    @property
    def admin_url(self) -> str | None:
        """Where the admin RPC is posted to; None unless it was asked for.

        Whoever knows it may do all of it.
        """
        return None if self._admin is None else self._admin.url

    @property
    def anvil(self) -> Anvil:
        """What executes; only for looking at, for nobody but this chain may make it do anything."""
        return self._running.parts.anvil

    @property
    def anvil_pid(self) -> int:
        """The process that executes."""
        return self.anvil.pid

    @property
    def genesis_hash(self) -> bytes:
        """The hash of block 0, 32 bytes, which names this chain among all that ever had its chain id."""
        return self._running.parts.ledger.genesis.hash

    @property
    def head(self) -> B:
        """The newest block."""
        return self._running.parts.ledger.head

    @property
    def methods(self) -> frozenset[str]:
        """The JSON-RPC methods that are served over HTTP."""
        return self._server.methods.names

    @property
    def anvil_hashes(self) -> set[str]:
        """anvil's own block hashes, as 0x-hex: no answer may ever hold one."""
        return self._running.parts.ledger.anvil_hashes()

    def block(self, number: int) -> B:
        """Return a block of the chain.

        Raises:
            DevnetError: it is above the head.
        """
        block = self._running.parts.ledger.at(number)
        if block is None:
            raise DevnetError(f"block {number} of {self.name}", f"one up to the head, {self.head.number}")
        return block

    # --- what it does ---------------------------------------------------------------------------------------

    async def mine(self, count: int = 1) -> B:
        """Make blocks now, also when they come by themselves; returns the last one."""
        for _ in range(count - 1):
            await self._running.block_maker.mine()
        return await self._running.block_maker.mine()

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Make no block while the context is open, as on a machine that sleeps: time goes on meanwhile."""
        return self._running.block_maker.paused()

    async def wait_for(self, height: int) -> B:
        """Wait until the chain has this height; returns the block."""
        return await self._running.block_maker.wait_for(height)

    async def rpc(self, method: str, *params: Any) -> Any:
        """Ask the front as a client would, without the network; faults of answers don't act here.

        Raises:
            RpcError: the answer is an error.
        """
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        (call,) = parse(body, self.head.number).calls
        assert isinstance(call, RpcRequest)
        answer = msgspec.json.decode(await self._server.methods.answer(call, None))
        if "error" in answer:
            raise RpcError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    async def add_rpc_server(self, port: int = 0) -> RpcServer:
        """Serve the chain at one more port (0 = a free one), with faults of its own, as another provider.

        The chain stops it. Faults of how blocks are made, such as `Stall`, count only among the first
        server's, which are this chain's `faults`.

        Raises:
            ChainStartError: the port can't be had.
        """
        chain, sock = self._running, listen_on(port)
        self._stack.callback(sock.close)
        server = chain.make_server(Faults(self.faults.possible))
        self._stack.push_async_callback(server.stop)
        await server.start(sock)
        self.rpc_servers.append(server)
        return server

    async def fund(self, address: bytes, amount_wei: int) -> B:
        """Give money from the chain's own faucet; return the block that has the transaction."""
        upstream = self.anvil.upstream
        # Two calls at once would read the same count and sign the same nonce.
        async with self._funding:
            price = int(await upstream.call("eth_gasPrice"), 16)
            count = await upstream.call("eth_getTransactionCount", self._faucet.address_text, "pending")
            transaction = {
                "chainId": self.chain_id,
                "nonce": int(count, 16),
                "to": address,
                "value": amount_wei,
                "gas": 100_000,
                "gasPrice": 2 * price,
            }
            raw, _ = sign_transaction(transaction, self._faucet.secret)
            await upstream.call("eth_sendRawTransaction", "0x" + raw.hex())
            return await self.mine()

    async def drop_transactions(self) -> None:
        """Forget all transactions that wait, as a node does that restarts or has no room."""
        self._running.parts.pool.clear()
        await self.anvil.upstream.call("anvil_dropAllTransactions")

    # --- inside ---------------------------------------------------------------------------------------------

    @classmethod
    def _check_rules(cls, name: str, rules: ChainRules) -> None:
        asked = (
            (rules.legacy, cls.can_be_legacy, "no base fee"),
            (rules.hardfork != PRAGUE, cls.can_be_older, f"the rules of {rules.hardfork}"),
            (rules.empty_block_period_s is not None, cls.can_be_lazy, "no empty blocks"),
        )
        for is_asked, is_possible, what in asked:
            if is_asked and not is_possible:
                raise SpecError(
                    f"{what} on the chain {name!r} of kind {cls.kind!r} ({':'.join(rules.words)})",
                    "rules that chains of this kind can have",
                    f"Leave the word out, or take another kind for {name}.",
                )

    @property
    def _running(self) -> RunningChain[B]:
        if self._chain is None:
            raise self._not_running()
        return self._chain

    @property
    def _server(self) -> RpcServer:
        if not self.rpc_servers:
            raise self._not_running()
        return self.rpc_servers[0]

    def _not_running(self) -> DevnetError:
        return DevnetError(
            f"the chain {self.name} is not started", "a started one", "Use it inside `async with`."
        )

    async def _watch_anvil(self, anvil: Anvil) -> None:
        raise ExecutionError(await anvil.wait(), "an anvil that runs as long as its chain")

    def _watch(self, work: Coroutine[Any, Any, None], what: str) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._end(error)

        task = asyncio.create_task(work, name=f"{self.name} {what}")
        task.add_done_callback(ended)
        self._tasks.append(task)

    def _end(self, error: BaseException | None) -> None:
        if self._ended is None or self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
            # Whoever does not wait for the end finds out by the errors that its calls get.
            self._ended.exception()
            _log.error("local chain %s died: %s", self.name, error)
