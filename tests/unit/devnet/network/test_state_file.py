# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
from pathlib import Path

import pytest

from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.errors import DevnetError
from relayer.devnet.network.state_file import (
    STATE_FILE,
    NetworkState,
    ProcessState,
    read_state,
    write_state,
)
from relayer.devnet.process.process_identity import start_mark
from tests.support.network_state import chain_state


def state_of(pid: int, mark: str) -> NetworkState:
    details = ChainDetails(
        summary="solo, one key",
        consensus={"kind": "solo", "urls": ["http://127.0.0.1:3"]},
        facts={"signer": "0x11", "heights": {"first": 1}},
        lines=(("signer", "0x11"),),
    )
    chain = chain_state(details=details, processes=(ProcessState(pid, mark),), rules=("free", "tx64k"))
    return NetworkState(pid, mark, "ready", (chain,), {"box": 1})


def test_what_a_kind_tells_comes_back(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    state = state_of(os.getpid(), start_mark(os.getpid()))
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert state.is_running()
    assert not state_of(os.getpid(), "another").is_running()
    with pytest.raises(DevnetError, match="one of a"):
        state.chain("b")


@pytest.mark.parametrize("text", ["", "{}", '{"pid": "many"}'])
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(DevnetError, match=STATE_FILE):
        read_state(tmp_path)
