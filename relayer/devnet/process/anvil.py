# SPDX-License-Identifier: MIT
"""anvil as a child process: started on a free loopback port, watched, and gone however its parent ends."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import errno
import os
import random
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Final, Self

from relayer.devnet.errors import ChainStartError
from relayer.devnet.process.process_identity import is_same_process, start_mark
from relayer.devnet.process.toolchain import ToolNotFoundError, find_anvil
from relayer.devnet.process.upstream import Upstream
from relayer.devnet.rules import ChainRules

#: Below 32768, where Linux begins to hand out ports to outgoing connections, so that none of those is in the
#: way.
PORTS: Final = range(20000, 32768)

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 3.0
_START_ATTEMPTS: Final = 5

# What atexit kills, should nobody have stopped it: process ids, with what tells each from a later process of
# the same id.
_running: dict[int, str] = {}


class Anvil:
    """A running anvil. Made by `start`.

    Attributes:
        port: of 127.0.0.1.
        rules: of the chain that it executes for.
        upstream: how it is talked to.
    """

    def __init__(self, process: asyncio.subprocess.Process, port: int, rules: ChainRules) -> None:
        self._process = process
        self.rules = rules
        # The last words, which say why it ended.
        self._output: deque[str] = deque(maxlen=5)
        self._listening = asyncio.Event()
        self._drain = asyncio.create_task(self._read_output(), name=f"anvil {port} output")
        self.port = port
        self.upstream = Upstream(port)
        _running[process.pid] = start_mark(process.pid)

    @classmethod
    async def start(
        cls,
        *,
        chain_id: int,
        gas_limit: int,
        history: int,
        rules: ChainRules,
        guard: bool | None = None,
        genesis_time: int | None = None,
    ) -> Self:
        """Start one and wait until it answers.

        Args:
            chain_id: of the chain.
            gas_limit: of a block.
            history: how many past states anvil keeps, in memory; older ones can't be asked for.
            rules: of the chain; anvil executes by them, the front does the rest.
            guard: watch over anvil with a process of its own instead of the kernel's parent-death signal. By
                default only where the kernel has none.
            genesis_time: of block 0, in seconds; the wall clock's when None.

        Raises:
            ChainStartError: anvil is missing, or did not come up.
        """
        try:
            program = find_anvil()
        except ToolNotFoundError as error:
            raise ChainStartError(
                "anvil is missing", "the program that executes local chains", str(error)
            ) from error
        tried: set[int] = set()
        for _ in range(_START_ATTEMPTS):
            port = free_port(tried)
            tried.add(port)
            options = {
                "--host": "127.0.0.1",
                "--port": port,
                "--chain-id": chain_id,
                # anvil's default is newer than Prague, and moves with its version.
                "--hardfork": rules.hardfork,
                # The keys of anvil's own accounts are known to everybody. Money goes to keys that follow from
                # the chain's seed.
                "--accounts": 0,
                "--gas-limit": gas_limit,
                # Without this anvil fills a temporary folder that it never deletes.
                "--prune-history": history,
            }
            if rules.base_fee_wei is not None:
                # From 0 EIP-1559's rule never leads away in anvil; every block is looked at all the same.
                options["--block-base-fee-per-gas"] = rules.base_fee_wei
            if genesis_time is not None:
                options["--timestamp"] = genesis_time
            words = [str(program.resolve()), "--no-mining", "--no-request-size-limit"]
            words += [str(word) for option in options.items() for word in option]
            if rules.bigcode:
                words.append("--disable-code-size-limit")
            process = await _spawn(words, guard=sys.platform != "linux" if guard is None else guard)
            anvil = cls(process, port, rules)
            try:
                await anvil._wait_ready()
            except ChainStartError:
                # Another process may have taken the port since we looked; anything else fails every time.
                exited = anvil._process.returncode is not None
                await anvil.stop()
                if not exited or len(tried) == _START_ATTEMPTS:
                    raise
            except BaseException:
                await anvil.stop()
                raise
            else:
                return anvil
        raise AssertionError

    @property
    def pid(self) -> int:
        """Of anvil, or of the guard that runs it."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.returncode is None

    async def wait(self) -> str:
        """Wait until it ends, and say how it ended."""
        code = await self._process.wait()
        await asyncio.wait([self._drain], timeout=1)
        said = "; ".join(self._output)
        return f"anvil ended with code {code}" + (f" and said: {said}" if said else "")

    async def stop(self) -> None:
        """End it, politely first. Safe to call twice."""
        await self.upstream.close()
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        _running.pop(self._process.pid, None)
        self._drain.cancel()
        await asyncio.gather(self._drain, return_exceptions=True)

    async def _wait_ready(self) -> None:
        # Whoever else may have taken the port could answer in anvil's place, even as the same chain: only
        # anvil's own word that it listens will do.
        ended = asyncio.create_task(self._process.wait())
        listening = asyncio.create_task(self._listening.wait())
        try:
            await asyncio.wait(
                [ended, listening], timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (ended, listening):
                task.cancel()
            await asyncio.gather(ended, listening, return_exceptions=True)
        if self._listening.is_set():
            # From here on it would write a line for every call.
            await self.upstream.call("anvil_setLoggingEnabled", False)  # noqa: FBT003  JSON-RPC has no names
        elif not self.alive:
            raise ChainStartError(await self.wait(), "an anvil that stays")
        else:
            raise ChainStartError(f"anvil did not listen within {START_TIMEOUT_S:.0f} s of its start")

    async def _read_output(self) -> None:
        # The pipe must be emptied, or a talkative anvil would stand still once it is full.
        assert self._process.stdout is not None
        expected = f"Listening on 127.0.0.1:{self.port}"
        while line := await self._process.stdout.readline():
            text = line.decode(errors="replace").strip()
            if text == expected:
                self._listening.set()
            elif text:
                self._output.append(text)


def running_pids() -> frozenset[int]:
    """Return the process ids of the anvils (or guards) that this process has started and not stopped."""
    return frozenset(_running)


def free_port(avoid: set[int] | None = None) -> int:
    """Return a loopback TCP port that nobody listens on at this moment.

    Raises:
        ChainStartError: none of many tries was free.
    """
    for _ in range(200):
        # Chance keeps networks that start at the same time apart; it guards nothing.
        port = random.choice(PORTS)  # noqa: S311
        if avoid and port in avoid:
            continue
        try:
            listen_on(port).close()
        except ChainStartError:
            continue
        return port
    raise ChainStartError("no free port", f"one of {PORTS.start} to {PORTS.stop - 1} on 127.0.0.1")


def listen_on(port: int) -> socket.socket:
    """Return a socket that listens on a loopback port (0 = a free one of `PORTS`), and so keeps it.

    Raises:
        ChainStartError: somebody else has the port.
    """
    if port == 0:
        for _ in range(_START_ATTEMPTS):
            with contextlib.suppress(ChainStartError):
                return listen_on(free_port())
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections of a network that just went down must not block its port; a listener still does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        # On Linux SO_REUSEADDR lets two bind as long as neither listens: only listening claims the port.
        sock.listen(128)
    except OSError as error:
        sock.close()
        taken = error.errno == errno.EADDRINUSE
        raise ChainStartError(
            f"port {port} of 127.0.0.1 {'is taken' if taken else f'cannot be used: {error}'}",
            "a port that nobody listens on",
            "Choose another one, or let it be chosen.",
        ) from error
    return sock


async def _spawn(words: list[str], *, guard: bool) -> asyncio.subprocess.Process:
    mode = "watch" if guard else "signal"
    script = str(Path(__file__).with_name("child_guard.py"))
    # A group of its own: Ctrl-C in a terminal is for us to answer, in order, and not for anvil to die of at
    # once. Its folder is /, so that no .env file of a user's folder configures it.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", script, mode, str(os.getpid()), *words),
        stdin=asyncio.subprocess.PIPE if guard else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        start_new_session=True,
    )


def _kill_leftovers() -> None:
    for pid, mark in _running.items():
        if is_same_process(pid, mark):
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)


atexit.register(_kill_leftovers)
# A forked child has none of these children.
os.register_at_fork(after_in_child=_running.clear)
