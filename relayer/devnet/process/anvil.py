# SPDX-License-Identifier: MIT
"""anvil as a child process, on a free loopback port."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from relayer.devnet.errors import ChainStartError, ProgramMissing
from relayer.devnet.process.child_process import ChildProcess
from relayer.devnet.process.ports import free_port
from relayer.devnet.process.toolchain import ToolNotFoundError, find_anvil
from relayer.devnet.process.upstream import Upstream
from relayer.devnet.rules import ChainRules

_START_ATTEMPTS: Final = 5


def require_anvil() -> Path:
    """Return the program. Raises ProgramMissing, which says how to get it."""
    try:
        return find_anvil()
    except ToolNotFoundError as error:
        raise ProgramMissing(
            "anvil is missing", "the program that executes local chains", str(error)
        ) from error


class Anvil:
    """A running anvil. Made by `start`.

    Attributes:
        port: of 127.0.0.1.
        rules: of the chain that it executes for.
        upstream: how it is talked to.
    """

    def __init__(self, process: ChildProcess, port: int, rules: ChainRules) -> None:
        self._process = process
        self.rules = rules
        self.port = port
        self.upstream = Upstream(port)

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
            ProgramMissing: there is no anvil.
            ChainStartError: it did not come up.
        """
        program = require_anvil()
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
            # Whoever else may have taken the port could answer in anvil's place, even as the same chain: only
            # anvil's own word that it listens will do.
            listening = f"Listening on 127.0.0.1:{port}"
            process = await ChildProcess.start("anvil", words, is_ready=listening.__eq__, guard=guard)
            anvil = cls(process, port, rules)
            try:
                await process.wait_ready()
                # From here on it would write a line for every call.
                await anvil.upstream.call("anvil_setLoggingEnabled", False)  # noqa: FBT003  JSON-RPC has no names
            except ChainStartError:
                # Another process may have taken the port since we looked; anything else fails every time.
                exited = process.exit_code is not None
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

    async def wait(self) -> str:
        """Wait until it ends, and say how it ended."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End it, politely first. Safe to call twice."""
        await self.upstream.close()
        await self._process.stop()
