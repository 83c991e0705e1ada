# SPDX-License-Identifier: MIT
"""A network that outlives the command that started it: `up`, `down` and `status`.

All block; none needs an event loop.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from relayer.devnet.errors import DevnetError, NetworkNotReady, NetworkRunning
from relayer.devnet.network.network import Network
from relayer.devnet.network.state_file import (
    LOCK_FILE,
    LOG_FILE,
    STATE_FILE,
    EndpointState,
    NetworkState,
    read_state,
    write_state,
)
from relayer.devnet.process.process_identity import is_same_process, start_mark

DEFAULT_DIRECTORY: Final = Path(".postroad/devnet")
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0
_PROBE_TIMEOUT_S: Final = 2.0
_POLL_S: Final = 0.05
_LOG_LINES: Final = 15


def up(
    spec: str,
    directory: Path = DEFAULT_DIRECTORY,
    *,
    seed: bytes | None = None,
    admin: bool = False,
    hook: str | None = None,
    timeout_s: float = START_TIMEOUT_S,
    tell: Callable[[str], None] = lambda _: None,
) -> NetworkState:
    """Start a network in the background, and return when it is ready.

    Args:
        spec: the chains, as `parse_spec` reads them.
        directory: made if absent; one network at a time.
        seed: all keys follow from it; random when None.
        admin: serve every chain's admin RPC.
        hook: `module:function`; the supervisor awaits `function(network)` once all chains run, and keeps what
            it returns, which must be JSON, as `deployment`.
        timeout_s: for all of it, the hook too, but not for programs that have to be made first.
        tell: is told what takes minutes.

    Raises:
        SpecError: the spec makes no sense.
        ProgramMissing: a program that the chains need is not installed.
        NetworkRunning: the directory's network runs already.
        NetworkNotReady: it failed, with the end of its log; nothing is left running.
    """
    # It is built here too, so that a mistake is told at once and not in the log of a background process.
    network = Network(spec)
    directory = directory.absolute()
    before = read_state(directory)
    if before is not None and before.is_running():
        raise NetworkRunning(
            f"a network that runs in {directory} (process {before.pid})",
            "none",
            "Stop it first: postroad devnet down.",
        )
    for chain in network.chains.values():
        chain.provide(tell)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / STATE_FILE).unlink(missing_ok=True)
    # A disk that is full is told here: the process behind this could not even log it.
    (directory / LOG_FILE).write_text(f"{spec}\n", encoding="utf-8")
    pid, mark = _spawn(spec, directory, seed, hook, admin=admin)
    try:
        return _await_ready(pid, mark, directory, timeout_s)
    except BaseException:
        _end(pid, mark)
        _clean(directory, keep_log=True)
        raise


def down(directory: Path = DEFAULT_DIRECTORY) -> bool:
    """Stop the directory's network and remove its files. Returns whether one was running.

    Raises:
        DevnetError: its file can't be read.
    """
    directory = directory.absolute()
    state = read_state(directory)
    was_running = False
    if state is not None:
        was_running = _end(state.pid, state.mark)
        for chain in state.chains:
            # Where the kernel kills no orphans, a supervisor that was killed may have left some.
            for process in chain.processes:
                _end(process.pid, process.mark)
    _clean(directory)
    return was_running


def status(directory: Path = DEFAULT_DIRECTORY) -> NetworkState | None:
    """Read what the directory's network is from its file; None when there is none.

    Ask `is_running` of what is returned whether the network lives.

    Raises:
        DevnetError: the file can't be read.
    """
    return read_state(directory.absolute())


def keep_endpoints(
    state: NetworkState, endpoints: Mapping[str, EndpointState], directory: Path = DEFAULT_DIRECTORY
) -> NetworkState:
    """Write into the directory's file what was put on its chains, by name, and return the new state."""
    chains = tuple(replace(chain, endpoint=endpoints.get(chain.name)) for chain in state.chains)
    state = replace(state, chains=chains)
    write_state(directory.absolute(), state)
    return state


def heights(state: NetworkState) -> dict[str, int | None]:
    """Ask every chain for its newest block number; None where it does not."""
    return {chain.name: _probe(chain.http_url) for chain in state.chains}


def _spawn(
    spec: str, directory: Path, seed: bytes | None, hook: str | None, *, admin: bool
) -> tuple[int, str]:
    words = [sys.executable, "-m", "relayer.devnet", "--detach", "--spec", spec, "--dir", str(directory)]
    words += [] if seed is None else ["--seed", seed.hex()]
    words += ["--admin"] if admin else []
    words += [] if hook is None else ["--hook", hook]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode != 0 or not done.stdout.strip().isdigit():
        raise NetworkNotReady(f"the network's process could not be started (exit code {done.returncode})")
    pid = int(done.stdout)
    return pid, start_mark(pid)


def _await_ready(pid: int, mark: str, directory: Path, timeout_s: float) -> NetworkState:
    deadline = time.monotonic() + timeout_s
    advice = f"The whole log is {directory / LOG_FILE}."
    while time.monotonic() < deadline:
        # Asked before the file is read, so that a file written just before the end is seen.
        alive = is_same_process(pid, mark)
        state = read_state(directory)
        if state is not None and state.pid == pid:
            if state.phase == "ready":
                return state
            if state.phase == "failed":
                raise NetworkNotReady(state.error, "a network that starts", advice)
        if not alive:
            raise NetworkNotReady(f"the network's process {pid} ended: {_log_end(directory)}", "", advice)
        time.sleep(_POLL_S)
    raise NetworkNotReady(f"not ready within {timeout_s:.0f} s: {_log_end(directory)}", "", advice)


def _end(pid: int, mark: str) -> bool:
    """End exactly this process, politely first. Returns whether it was there."""
    if not is_same_process(pid, mark):
        return False
    for number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, STOP_TIMEOUT_S)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if not is_same_process(pid, mark):
                return True
            time.sleep(_POLL_S)
    raise DevnetError(f"process {pid} still runs after SIGKILL", "its end", "Look at what it waits for.")


def _clean(directory: Path, *, keep_log: bool = False) -> None:
    for name in (STATE_FILE, LOCK_FILE) if keep_log else (STATE_FILE, LOCK_FILE, LOG_FILE):
        (directory / name).unlink(missing_ok=True)
    # What others put there stays, and so does the directory then.
    with contextlib.suppress(OSError):
        directory.rmdir()


def _log_end(directory: Path) -> str:
    with contextlib.suppress(OSError):
        lines = (directory / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
        return " | ".join(lines[-_LOG_LINES:]) or "its log is empty"
    return "it has no log"


def _probe(url: str) -> int | None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  our own URL
    # A proxy of the environment has no business on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PROBE_TIMEOUT_S) as answer:
            return int(json.load(answer)["result"], 16)
    except (OSError, ValueError, KeyError, TypeError):
        return None
