# SPDX-License-Identifier: MIT
"""What is told of a local network is what its one state file has."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from relayer.cli import main
from relayer.cli.exit_codes import ExitCode
from relayer.devnet.network.background import keep_endpoints
from relayer.devnet.network.state_file import (
    EndpointState,
    FundedKey,
    NetworkState,
    read_state,
    write_state,
)
from relayer.devnet.process.process_identity import start_mark
from tests.support.network_state import chain_state

BOX = EndpointState(gateway="0x11", endpoint_id="0x22", postbox="0x33", multisender="0x44")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the file of a network that this process stands for, not joined yet."""
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    keys = tuple(FundedKey(f"0x{index}", f"0xs{index}") for index in range(4))
    chain = chain_state(name="a-b", funded_keys=keys)
    write_state(folder, NetworkState(os.getpid(), start_mark(os.getpid()), "ready", (chain,)))
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().out


def test_without_endpoints_only_urls_are_exported(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out = run(capsys, "devnet", "env", "--dir", str(folder), "--json")
    assert code == ExitCode.OK
    assert json.loads(out) == {
        "POSTROAD_A_B_RPC": "http://127.0.0.1:1",
        "POSTROAD_A_B_WEBSOCKET": "ws://127.0.0.1:1",
    }


def test_values_are_quoted_for_the_shell(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    state = read_state(folder)
    assert state is not None
    keep_endpoints(state, {"a-b": BOX}, folder)
    _, out = run(capsys, "devnet", "env", "--dir", str(folder))
    words = dict(line.removeprefix("export ").split("=", 1) for line in out.splitlines())
    assert shlex.split(words["POSTROAD_CONFIG"]) == [str(folder / "postroad.toml")]
    assert words["POSTROAD_A_B_POSTBOX"] == "0x33"
    assert words["POSTROAD_A_B_GATEWAY"] == "0x11"
    assert words["POSTROAD_A_B_MULTISENDER"] == "0x44"


@pytest.mark.network
def test_status_tells_what_the_state_has(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    state = read_state(folder)
    assert state is not None
    assert keep_endpoints(state, {"a-b": BOX}, folder) == read_state(folder)
    _, out = run(capsys, "devnet", "status", "--dir", str(folder), "--json")
    told = json.loads(out)
    assert told["config"] == str(folder / "postroad.toml")
    (chain,) = told["chains"]
    assert (chain["gateway"], chain["postbox"], chain["height"]) == ("0x11", "0x33", None)
    assert [account["purpose"] for account in chain["funded"]] == ["deployer", "relayer", "sender", None]
    _, text = run(capsys, "devnet", "status", "--dir", str(folder))
    for word in ("0x11", "0x22", "0x33", "0x44", "0xs3", "it does not answer"):
        assert word in text
