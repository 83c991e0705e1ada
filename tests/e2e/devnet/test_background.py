# SPDX-License-Identifier: MIT
"""`up`, `down` and `status`: a network that outlives its starter, found again by its directory."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from relayer.devnet.errors import DevnetError, NetworkNotReady, NetworkRunning, SpecError
from relayer.devnet.network.background import down, heights, status, up
from relayer.devnet.network.network import Network
from relayer.devnet.network.state_file import LOG_FILE, NetworkState, write_state
from relayer.devnet.process.process_identity import is_same_process, start_mark

HOOK: Final = "tests.e2e.devnet.test_background"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory whose network, if a test leaves one, is ended."""
    path = tmp_path / "devnet"
    yield path
    down(path)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor imports the hooks below from here."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))


async def deploy(network: Network) -> dict[str, Any]:
    """A hook that works."""
    await network.anvil_chain("a").mine()
    return {name: network.anvil_chain(name).head.number for name in network.chains}


async def fail(_: Network) -> None:
    """A hook that does not."""
    raise RuntimeError("no contract wants to be deployed")


def processes(state: NetworkState) -> list[int]:
    return [state.pid, *(process.pid for chain in state.chains for process in chain.processes)]


def test_up_status_down(directory: Path) -> None:
    state = up("a=bft:4@0.1,b=bft:ibft2:7@manual", directory, admin=True, hook=f"{HOOK}:deploy")
    assert state == status(directory)
    assert state.is_running()
    assert state.deployment == {"a": 2, "b": 1}
    assert [chain.name for chain in state.chains] == ["a", "b"]
    assert [len(chain.details.facts["validators"]) for chain in state.chains] == [4, 7]
    assert [chain.block_time_s for chain in state.chains] == [0.1, None]
    assert state.chain("b").details.consensus == {"kind": "bft", "protocol": "ibft2"}
    assert len(state.chain("a").funded_keys) == 10
    assert state.chain("a").admin_url is not None
    with pytest.raises(DevnetError, match="one of a, b"):
        state.chain("c")
    # It holds keys, so it is its owner's alone.
    assert stat.S_IMODE((directory / "network.json").stat().st_mode) == 0o600
    deadline = time.monotonic() + 5
    while (heights(state)["a"] or 0) < 4:
        assert time.monotonic() < deadline, "no blocks come"
        time.sleep(0.05)
    assert heights(state)["b"] == 1
    with pytest.raises(NetworkRunning, match=f"process {state.pid}"):
        up("c=bft", directory)
    assert all(map(start_mark, processes(state)))

    assert down(directory) is True
    assert not any(map(start_mark, processes(state)))
    assert not state.is_running()
    assert heights(state) == {"a": None, "b": None}
    assert not directory.exists()
    assert status(directory) is None
    assert down(directory) is False


def test_a_seed_names_a_network(directory: Path) -> None:
    first = up("a=bft@manual", directory, seed=b"one")
    down(directory)
    second = up("a=bft@manual", directory, seed=b"one")
    assert first.chain("a").funded_keys == second.chain("a").funded_keys
    assert first.chain("a").details == second.chain("a").details


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_in_the_foreground_a_signal_ends_it_cleanly(directory: Path, ending: signal.Signals) -> None:
    words = [
        sys.executable,
        "-m",
        "relayer.devnet",
        "--spec",
        "a=bft@0.1,b=bft:ibft2@0.1",
        "--dir",
        str(directory),
    ]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 20
        while (state := status(directory)) is None or state.phase != "ready":
            assert time.monotonic() < deadline, "not ready"
            time.sleep(0.05)
        assert state.pid == running.pid
        running.send_signal(ending)
        assert running.wait(timeout=10) == 0
        assert running.stderr is not None
        assert running.stderr.read() == ""
    assert not any(map(start_mark, processes(state)))
    assert status(directory) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere `down` ends what the guard could not")
def test_a_killed_supervisor_leaves_no_anvil_and_a_new_network_can_start(directory: Path) -> None:
    state = up("a=bft@manual", directory)
    os.kill(state.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(map(start_mark, processes(state))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(start_mark, processes(state)))
    left = status(directory)
    assert left is not None
    assert not left.is_running()
    assert up("b=bft:ibft2@manual", directory).chain("b").chain_id


def test_the_supervisor_ends_when_a_chain_dies(directory: Path) -> None:
    state = up("a=bft@manual,b=bft@manual", directory)
    (anvil,) = state.chain("a").processes
    os.kill(anvil.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while state.is_running() and time.monotonic() < deadline:
        time.sleep(0.02)
    left = status(directory)
    assert left is not None
    assert (left.phase, left.is_running()) == ("failed", False)
    assert "anvil ended" in left.error
    assert not any(map(start_mark, processes(state)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hook": f"{HOOK}:fail"}, "no contract wants to be deployed"),
        ({"hook": "no_such_module:deploy"}, "no_such_module"),
        ({"hook": f"{HOOK}:no_such_function"}, "no_such_function"),
        ({"hook": f"{HOOK}:deploy", "timeout_s": 0.0}, "not ready within 0 s"),
    ],
)
def test_what_keeps_it_from_starting_is_said(directory: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkNotReady, match=message):
        up("a=bft@manual", directory, **options)
    assert status(directory) is None
    # The log stays, for the error speaks of it.
    assert [path.name for path in directory.iterdir()] == [LOG_FILE]


def test_a_wrong_spec_starts_nothing(directory: Path) -> None:
    with pytest.raises(SpecError, match="'aura'"):
        up("a=aura:4", directory)
    assert not directory.exists()


def test_a_process_id_that_now_belongs_to_somebody_else_is_left_alone(directory: Path) -> None:
    """`down` goes by start time: here the id is this test's own process."""
    directory.mkdir()
    other = NetworkState(os.getpid(), "another boot/1", "ready")
    write_state(directory, other)
    assert not other.is_running()
    assert down(directory) is False
    assert is_same_process(os.getpid(), start_mark(os.getpid()))


def test_a_state_file_that_cannot_be_read_is_said(directory: Path) -> None:
    directory.mkdir()
    write_state(directory, NetworkState(1, "x", "ready"))
    path = directory / "network.json"
    broken = json.loads(path.read_text()) | {"pid": "one"}
    path.write_text(json.dumps(broken))
    with pytest.raises(DevnetError, match="can't be read"):
        status(directory)
    write_state(directory, replace(NetworkState(1, "x", "ready")))
