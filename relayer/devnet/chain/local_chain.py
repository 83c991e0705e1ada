# SPDX-License-Identifier: MIT
"""What the devnet knows of a local chain, whatever makes its blocks: its life, and where it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, Final, Protocol, Self

from relayer.devnet.chain.admin_server import AdminMethod, AdminServer
from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.chain.chain_options import ETHER, ChainOptions
from relayer.devnet.errors import DevnetError
from relayer.devnet.state.identities import chain_id_of, derive_account

_log = logging.getLogger(__name__)

#: What a chain's own faucet has.
FAUCET_WEI: Final = 10**12 * ETHER


class HasNumber(Protocol):
    """A block, as far as those who wait for one need it."""

    @property
    def number(self) -> int:
        """The block's height."""
        ...


class LocalChain(ABC):
    """A local chain, as an async context manager; what makes its blocks is a subclass's.

    Start it in a thread that lives as long as the chain: where the kernel ends a program with its parent, it
    means that thread.

    Args:
        name: of the chain; the chain id follows from it.
        options: what can be chosen of every chain.
    """

    kind: ClassVar[str]
    """The name of its kind of consensus."""

    def __init__(self, name: str, options: ChainOptions) -> None:
        self.name = name
        self.options = options
        self.chain_id = chain_id_of(name) if options.chain_id is None else options.chain_id
        self.seed = secrets.token_bytes(32) if options.seed is None else options.seed
        self.funded_keys = tuple(
            derive_account(self.seed, name, "funded", index) for index in range(options.funded)
        )
        self._faucet = derive_account(self.seed, name, "faucet", 0)
        self._funding = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()
        self._admin = AdminServer(self._served_admin_methods()) if options.admin else None
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: asyncio.Future[None] | None = None

    # --- what a subclass adds -------------------------------------------------------------------------------

    @abstractmethod
    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        """Start all that the chain is made of; `stack` ends it.

        What `_watch` is given comes last, or ends by itself where the stack ends the rest.
        """

    @abstractmethod
    def _served_admin_methods(self) -> Mapping[str, AdminMethod]:
        """Return what the admin RPC can do, by name."""

    @abstractmethod
    def describe(self) -> ChainDetails:
        """Return what the kind tells of this chain, once it has started."""

    @property
    @abstractmethod
    def http_url(self) -> str:
        """Where JSON-RPC is posted to."""

    @property
    @abstractmethod
    def ws_url(self) -> str:
        """Where WebSockets are opened."""

    @property
    @abstractmethod
    def genesis_hash(self) -> bytes:
        """The hash of block 0, 32 bytes, which names this chain among all that ever had its chain id."""

    @property
    @abstractmethod
    def pids(self) -> tuple[int, ...]:
        """The processes that run for it beside this one."""

    @abstractmethod
    async def fund(self, address: bytes, amount_wei: int) -> HasNumber:
        """Give money from the chain's own faucet; return the block that has the transaction."""

    @abstractmethod
    async def wait_for(self, height: int) -> HasNumber:
        """Wait until the chain has this height; returns the block."""

    @abstractmethod
    def provide(self, tell: Callable[[str], None]) -> None:
        """Get the programs that it needs, where they have to be made first, which may take minutes.

        Without a call, the start does it. `tell` is told what takes so long. Raises ChainStartError,
        and ProgramMissing where it can't be got.
        """

    # --- life -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the chain, up to a block where trust can begin.

        On an error nothing is left running.

        Raises:
            ChainStartError: a program or a port can't be had.
            ExecutionError: a program does not work as expected.
        """
        if self._ended is not None:
            raise DevnetError(
                f"a second start of the chain {self.name}", "one start: a chain that stopped is gone"
            )
        self._ended = asyncio.get_running_loop().create_future()
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            stack.push_async_callback(self._cancel_tasks)
            if self._admin is not None:
                await self._admin.start()
                stack.push_async_callback(self._admin.stop)
            # Only from here on does the chain own what was started. Any earlier error has undone it.
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop everything. Safe to call twice, and before a start."""
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
    def admin_url(self) -> str | None:
        """Where the admin RPC is posted to; None unless it was asked for.

        Whoever knows it may do all of it.
        """
        return None if self._admin is None else self._admin.url

    # --- inside ---------------------------------------------------------------------------------------------

    def _not_running(self) -> DevnetError:
        return DevnetError(
            f"the chain {self.name} is not started", "a started one", "Use it inside `async with`."
        )

    def _watch(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Do work beside the chain until it stops; where the work fails, the chain has died."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._end(error)

        task = asyncio.create_task(work, name=f"{self.name} {what}")
        task.add_done_callback(ended)
        self._tasks.append(task)

    async def _cancel_tasks(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
