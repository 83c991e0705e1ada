# SPDX-License-Identifier: MIT
"""The process behind a background network: it runs the chains until it is told to stop."""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import DevnetError, NetworkRunning, SpecError
from relayer.devnet.network.network import Network
from relayer.devnet.network.state_file import LOCK_FILE, STATE_FILE, NetworkState, describe, write_state
from relayer.devnet.process.process_identity import start_mark

Hook = Callable[[Network], Awaitable[Any]]


def load_hook(name: str) -> Hook:
    """Return the async function that `module:function` names.

    Raises:
        SpecError: there is none.
    """
    module, _, function = name.partition(":")
    try:
        hook = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecError(f"the hook {name!r}: {error}", "module:function") from error
    if not callable(hook):
        raise SpecError(f"the hook {name!r}, which is no function", "module:function")
    return hook  # type: ignore[no-any-return]


async def supervise(
    spec: str, directory: Path, *, seed: bytes | None = None, admin: bool = False, hook: str | None = None
) -> None:
    """Run a network until SIGTERM or SIGINT, with its state in the directory's file.

    Raises:
        DevnetError: it could not be started, or a chain died; the file then says so too.
    """
    lock = _lock(directory)
    state = NetworkState(os.getpid(), start_mark(os.getpid()), "starting")
    try:
        write_state(directory, state)
        await _run_until_told(spec, directory, state, seed, hook, admin=admin)
        (directory / STATE_FILE).unlink(missing_ok=True)
    except Exception as error:
        write_state(directory, replace(state, phase="failed", error=str(error) or type(error).__name__))
        raise
    finally:
        os.close(lock)


async def _run_until_told(
    spec: str, directory: Path, state: NetworkState, seed: bytes | None, hook: str | None, *, admin: bool
) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)

    async def run() -> None:
        prepare = None if hook is None else load_hook(hook)
        async with Network(spec, ChainOptions(seed=seed, admin=admin)) as network:
            deployment = None if prepare is None else await prepare(network)
            write_state(
                directory, replace(state, phase="ready", chains=describe(network), deployment=deployment)
            )
            await network.wait_ended()

    running = asyncio.create_task(run())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not running.done():
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return
    running.result()
    raise DevnetError("a chain stopped by itself", "chains that run until they are told to stop")


def _lock(directory: Path) -> int:
    """Hold the directory's lock until the returned descriptor is closed, or this process is gone."""
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise NetworkRunning(f"a network that runs in {directory}", "none", "Stop it first.") from error
    return descriptor
