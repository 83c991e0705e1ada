# SPDX-License-Identifier: MIT
"""One local chain of real QBFT or IBFT 2.0 blocks: anvil executes them, a front before it seals and serves them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Coroutine, Sequence
from typing import Any, Self

import msgspec

from relayer.devnet.admin import AdminServer
from relayer.devnet.anvil import Anvil, listen_on
from relayer.devnet.errors import DevnetError, ExecutionError, SpecError
from relayer.devnet.faults import Faults
from relayer.devnet.header import Kind, SealedBlock
from relayer.devnet.identities import Account, account_of, chain_id_of, derive_account
from relayer.devnet.jsonrpc import Call, RpcError, parse
from relayer.devnet.parts import Endpoint, Parts, assemble
from relayer.devnet.sealing import Validators

_log = logging.getLogger(__name__)

ETHER = 10**18
DEFAULT_GAS_LIMIT = 100_000_000
#: At 10,000 accounts each state takes anvil 2.7 MB.
DEFAULT_HISTORY = 128
DEFAULT_BLOCK_TIME_S = 1.0
_FAUCET_WEI = 10**12 * ETHER
#: Faster, anvil would have no time left to execute.
MIN_BLOCK_TIME_S = 0.05


class LocalChain:
    """A local chain, as an async context manager.

    Start it in a thread that lives as long as the chain: where the kernel ends anvil with its parent, it means that thread.

    Args:
        name: of the chain; the chain id follows from it.
        kind: QBFT or IBFT 2.0.
        validators: how many seal its first blocks.
        block_time_s: seconds between blocks; None = a block is made only by `mine` or the RPC method `evm_mine`.
        seed: 32 bytes (any number, in fact) from which all keys follow; random when None.
        chain_id: instead of the one that follows from the name.
        funded: how many accounts get `balance_wei` each before block 1.
        gas_limit: of a block.
        history: how many past states can still be asked for (`eth_getProof`, `eth_call` at a block).
        port: of the front; 0 = a free one.
        all_seals: every validator seals, where real chains import a block as soon as a quorum has.
        admin: serve the admin RPC (faults, validators, mining) on a port of its own.
        guard: see `Anvil.start`.
    """

    def __init__(
        self,
        name: str,
        kind: Kind | str = Kind.QBFT,
        *,
        validators: int = 4,
        block_time_s: float | None = DEFAULT_BLOCK_TIME_S,
        seed: bytes | None = None,
        chain_id: int | None = None,
        funded: int = 10,
        balance_wei: int = 1_000_000 * ETHER,
        gas_limit: int = DEFAULT_GAS_LIMIT,
        history: int = DEFAULT_HISTORY,
        port: int = 0,
        all_seals: bool = False,
        admin: bool = False,
        guard: bool | None = None,
    ) -> None:
        if block_time_s is not None and not block_time_s >= MIN_BLOCK_TIME_S:
            raise SpecError(
                f"a block time of {block_time_s} s",
                f"at least {MIN_BLOCK_TIME_S} s, or None for blocks on demand",
            )
        self.name = name
        self.kind = Kind(kind)
        self.chain_id = chain_id_of(name) if chain_id is None else chain_id
        self.block_time_s = block_time_s
        self.faults = Faults()
        self._seed = secrets.token_bytes(32) if seed is None else seed
        self.funded_keys = tuple(derive_account(self._seed, name, "funded", i) for i in range(funded))
        self._faucet = derive_account(self._seed, name, "faucet", 0)
        self._funding = asyncio.Lock()
        self._joined = validators
        self._stack = contextlib.AsyncExitStack()
        self._validators = Validators.of(self.kind, (self._validator(i) for i in range(validators)))
        self._balance_wei = balance_wei
        self._gas_limit = gas_limit
        self._history = history
        self._port = port
        self._all_seals = all_seals
        self._guard = guard
        self._admin = AdminServer(self) if admin else None
        self._parts: Parts | None = None
        self.endpoints: list[Endpoint] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: asyncio.Future[None] | None = None

    # --- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start anvil and the front, and make block 1, where trust can begin. On an error nothing is left running.

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
            sock = listen_on(self._port)
            stack.callback(sock.close)
            anvil = await Anvil.start(
                chain_id=self.chain_id, gas_limit=self._gas_limit, history=self._history, guard=self._guard
            )
            stack.push_async_callback(anvil.stop)
            parts = await assemble(
                anvil=anvil,
                chain_id=self.chain_id,
                validators=self._validators,
                faults=self.faults,
                seed=self._seed,
                all_seals=self._all_seals,
            )
            rich = {account.address: self._balance_wei for account in self.funded_keys}
            await parts.producer.mine({**rich, self._faucet.address: _FAUCET_WEI})
            endpoint = parts.make_endpoint(self.faults)
            stack.push_async_callback(endpoint.stop)
            await endpoint.start(sock)
            if self._admin is not None:
                await self._admin.start()
                stack.push_async_callback(self._admin.stop)
            self._parts, self.endpoints = parts, [endpoint]
            self._watch(self._watch_anvil(anvil), "anvil")
            if self.block_time_s is not None:
                self._watch(parts.producer.run(self.block_time_s), "blocks")
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
        await asyncio.shield(self._ended)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- what there is ---------------------------------------------------------------------------------------------

    @property
    def http_url(self) -> str:
        """Where JSON-RPC is posted to."""
        return self._endpoint.http_url

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened."""
        return self._endpoint.ws_url

    @property
    def admin_url(self) -> str | None:
        """Where the admin RPC is posted to; None unless it was asked for. Whoever knows it may do all of it."""
        return None if self._admin is None else self._admin.url

    @property
    def anvil_pid(self) -> int:
        """The process that executes."""
        return self._running.anvil.pid

    @property
    def genesis_hash(self) -> bytes:
        """The hash of block 0, 32 bytes, which names this chain among all that ever had its chain id."""
        return self._running.ledger.genesis.hash

    @property
    def head(self) -> SealedBlock:
        """The newest block."""
        return self._running.ledger.head

    @property
    def validators(self) -> tuple[bytes, ...]:
        """The addresses that seal the next block, 20 bytes each, ascending."""
        return self._validators.at(self._running.ledger.head.number + 1)

    @property
    def methods(self) -> frozenset[str]:
        """The JSON-RPC methods that are served over HTTP."""
        return self._endpoint.methods.names

    @property
    def native_hashes(self) -> set[str]:
        """anvil's own block hashes, as 0x-hex: no answer may ever hold one."""
        return self._running.ledger.native_hashes()

    def block(self, number: int) -> SealedBlock:
        """A block of the chain.

        Raises:
            DevnetError: it is above the head.
        """
        block = self._running.ledger.at(number)
        if block is None:
            raise DevnetError(f"block {number} of {self.name}", f"one up to the head, {self.head.number}")
        return block

    # --- what it does ----------------------------------------------------------------------------------------------

    async def mine(self, count: int = 1) -> SealedBlock:
        """Make blocks now, also when they come by themselves; returns the last one."""
        for _ in range(count - 1):
            await self._running.producer.mine()
        return await self._running.producer.mine()

    async def wait_for(self, height: int) -> SealedBlock:
        """Wait until the chain has this height; returns the block."""
        return await self._running.producer.wait_for(height)

    async def rpc(self, method: str, *params: Any) -> Any:
        """Ask the front as a client would, without the network; faults of answers don't act here.

        Raises:
            RpcError: the answer is an error.
        """
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        (call,) = parse(body, self.head.number).calls
        assert isinstance(call, Call)
        answer = msgspec.json.decode(await self._endpoint.methods.answer(call, None))
        if "error" in answer:
            raise RpcError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    async def add_endpoint(self, port: int = 0) -> Endpoint:
        """Serve the chain at one more endpoint (0 = a free port), with faults of its own: another provider, in a test.

        The chain stops it. Faults of the chain itself, `Stall` and `Rounds`, count only among the first endpoint's, which are
        this chain's `faults`.

        Raises:
            ChainStartError: the port can't be had.
        """
        parts, sock = self._running, listen_on(port)
        self._stack.callback(sock.close)
        endpoint = parts.make_endpoint(Faults())
        self._stack.push_async_callback(endpoint.stop)
        await endpoint.start(sock)
        self.endpoints.append(endpoint)
        return endpoint

    async def fund(self, address: bytes, amount_wei: int) -> SealedBlock:
        """Give money from the chain's own faucet, in a transaction; returns the block that holds it, made at once."""
        from eth_account import Account as Signer

        upstream = self._running.anvil.upstream
        async with self._funding:
            price = int(await upstream.call("eth_gasPrice"), 16)
            transaction = {
                "chainId": self.chain_id,
                "nonce": await upstream.call("eth_getTransactionCount", self._faucet.address_text, "pending"),
                "to": address,
                "value": amount_wei,
                "gas": 100_000,
                "gasPrice": 2 * price,
            }
            signed = Signer.sign_transaction(transaction, self._faucet.secret)
            await upstream.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
            return await self.mine()

    async def drop_transactions(self) -> None:
        """Forget all transactions that wait, as a node does that restarts or has no room."""
        await self._running.anvil.upstream.call("anvil_dropAllTransactions")

    # --- validators ------------------------------------------------------------------------------------------------

    def add_validator(self, secret: bytes | None = None, *, at: int | None = None) -> bytes:
        """Add a validator (with a key of its own unless one is given) and return its address.

        Without `at` the proposers of the next blocks vote for it, until floor(n/2) + 1 have; the block after lists the new
        set. With `at`, that block lists it without a vote, as after a transition in the chain's configuration.

        Raises:
            SpecError: it is in the set already, or the block is made already.
        """
        account = self._new_validator() if secret is None else account_of(secret)
        self._validators.know(account)
        if at is None:
            self._validators.wish(account.address, add=True)
        else:
            self.set_validators([*self._validators.at(at), account.address], at=at)
        return account.address

    def remove_validator(self, address: bytes, *, at: int | None = None) -> None:
        """Remove a validator; the way that `add_validator` adds one, and with its errors."""
        if at is None:
            self._validators.wish(address, add=False)
        else:
            self.set_validators([other for other in self._validators.at(at) if other != address], at=at)

    def set_validators(self, addresses: Sequence[bytes], *, at: int | None = None) -> None:
        """Replace the list from a block on (by default the next one). Each address's key must be known: see `new_validators`.

        Raises:
            SpecError: no such set is possible, or the block is made already.
        """
        following = self.head.number + 1
        self._validators.override(addresses, following if at is None else at, following)

    def new_validators(self, count: int) -> tuple[bytes, ...]:
        """Make keys for validators that are not in any set yet, and return their addresses."""
        accounts = [self._new_validator() for _ in range(count)]
        for account in accounts:
            self._validators.know(account)
        return tuple(account.address for account in accounts)

    def validator_account(self, address: bytes) -> Account:
        """The key of somebody who is, was or may become a validator."""
        return self._validators.accounts[address]

    # --- misbehaviour ----------------------------------------------------------------------------------------------

    def equivocate(self, number: int) -> SealedBlock:
        """Let a quorum seal a second block of a height, and return it. Clients find it by its hash."""
        self.block(number)
        return self._endpoint.blocks.make_twin(number)

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _running(self) -> Parts:
        if self._parts is None:
            raise self._not_running()
        return self._parts

    @property
    def _endpoint(self) -> Endpoint:
        if not self.endpoints:
            raise self._not_running()
        return self.endpoints[0]

    def _not_running(self) -> DevnetError:
        return DevnetError(
            f"the chain {self.name} is not started", "a started one", "Use it inside `async with`."
        )

    def _validator(self, index: int) -> Account:
        return derive_account(self._seed, self.name, "validator", index)

    def _new_validator(self) -> Account:
        account = self._validator(self._joined)
        self._joined += 1
        return account

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
