# SPDX-License-Identifier: MIT
"""What local chains of every kind have in common whose blocks anvil executes and a front of ours seals."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic

import msgspec

from relayer.devnet.chain.admin_methods import common_admin_methods
from relayer.devnet.chain.admin_server import AdminMethod
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.local_chain import FAUCET_WEI, LocalChain
from relayer.devnet.chain.running_chain import RunningChain
from relayer.devnet.errors import DevnetError, ExecutionError, SpecError
from relayer.devnet.process.anvil import Anvil, require_anvil
from relayer.devnet.process.ports import listen_on
from relayer.devnet.rpc.jsonrpc import RpcError, RpcRequest, parse
from relayer.devnet.rpc.rpc_server import RpcServer
from relayer.devnet.rules import GIANT_GAS_LIMIT, PRAGUE, ChainRules
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.ledger import B
from relayer.keys import sign_transaction


class AnvilChain(LocalChain, Generic[B]):
    """A local chain over anvil; its consensus is a subclass's.

    Args:
        name: of the chain; the chain id follows from it.
        options: what can be chosen of every chain.
        faults: of the chain and of its first RPC server.

    Raises:
        SpecError: chains of this kind can't have the rules that the options ask for.
    """

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
        # The admin RPC can do something about faults.
        self.faults = faults
        super().__init__(name, options)
        self._chain: RunningChain[B] | None = None
        self.rpc_servers: list[RpcServer] = []

    # --- what a consensus adds ------------------------------------------------------------------------------

    @abstractmethod
    async def _assemble(self, anvil: Anvil) -> RunningChain[B]:
        """Put the chain together over a started anvil, up to its genesis block."""

    def _genesis_time(self) -> int | None:
        """Of block 0, in seconds, decided at the start; None = the wall clock's."""
        return None

    async def _prepare(self, stack: contextlib.AsyncExitStack) -> None:
        """Do what comes between the first block and the start of the clock; `stack` ends what this starts."""

    def _admin_methods(self) -> dict[str, AdminMethod]:
        """Return what the admin RPC can do besides what it can do with every chain."""
        return {}

    def provide(self, tell: Callable[[str], None]) -> None:  # noqa: ARG002  nothing takes minutes here
        """Look for anvil, which is installed and never made. Raises ProgramMissing."""
        require_anvil()

    # --- life -----------------------------------------------------------------------------------------------

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Start anvil and the front, and make block 1, where trust can begin."""
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
        await chain.block_maker.mine({**rich, self._faucet.address: FAUCET_WEI})
        self._chain = chain
        server = chain.make_server(self.faults)
        stack.push_async_callback(server.stop)
        await server.start(sock)
        self.rpc_servers = [server]
        await self._prepare(stack)
        self._watch(self._watch_anvil(anvil), "anvil")
        if self.block_time_s is not None:
            self._watch(chain.block_maker.run(self.block_time_s), "blocks")

    # --- what there is --------------------------------------------------------------------------------------

    @property
    def http_url(self) -> str:
        """Where JSON-RPC is posted to."""
        return self._server.http_url

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened."""
        return self._server.ws_url

    @property
    def anvil(self) -> Anvil:
        """What executes; only for looking at, for nobody but this chain may make it do anything."""
        return self._running.parts.anvil

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that executes."""
        return (self.anvil.pid,)

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

    def _served_admin_methods(self) -> Mapping[str, AdminMethod]:
        return common_admin_methods(self) | self._admin_methods()

    async def _watch_anvil(self, anvil: Anvil) -> None:
        raise ExecutionError(await anvil.wait(), "an anvil that runs as long as its chain")
