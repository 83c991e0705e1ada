# SPDX-License-Identifier: MIT
"""`postroad demo`, as anybody runs it: real chains, real proofs, a clean end."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import demo


def test_the_demo_delivers_proves_and_refuses(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-5, INV-8: every message once, its bit proven, all forgeries refused."""
    done = demo.run(tmp_path, "--json", "--messages", "2", "--batch", "40")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["ok"] is True
    assert outcome["problems"] == []
    assert outcome["seconds"] < demo.TIMEOUT_S
    lanes = sorted((message["source"], message["sequence"]) for message in outcome["messages"])
    assert lanes == [("court", 0), ("court", 1), ("port", 0), ("port", 1)]
    for message in outcome["messages"]:
        steps = message["steps"]
        assert set(steps) == {"watch", "verify", "prove", "submit", "confirm"}
        assert steps["watch"] <= steps["verify"] <= steps["prove"] <= steps["submit"] <= steps["confirm"]
    assert len(outcome["forgeries"]) == 4
    for forgery in outcome["forgeries"]:
        assert forgery["python"], forgery
        assert forgery["solidity"], forgery
    names = [forgery["solidity"].partition("(")[0] for forgery in outcome["forgeries"]]
    assert names == ["HeadMismatch", "SealRejected", "NotTrustedSet", "SealRejected"]
    gas = outcome["gas"]
    assert gas["validators"] == 7
    assert 30_000 < gas["send"] < 60_000
    assert 80_000 < gas["single"] < 200_000
    assert 2_000 < gas["batch_share"] < gas["single"]
    assert list(tmp_path.iterdir()) == []


def test_a_chain_whose_validators_a_contract_chooses_is_shown_too(tmp_path: Path) -> None:
    """INV-5, INV-7, INV-8: the list in the contract is explained, and forgeries are refused."""
    chains = "court=bft:4:contract-validators@0.2,port=bft:4@0.2"
    done = demo.run(tmp_path, "--json", "--messages", "1", "--batch", "2", "--chains", chains)
    assert done.returncode == 0, done.stderr
    assert "the contract on court has that storage, and these validators in it" in done.stderr
    forgeries = json.loads(done.stdout)["forgeries"]
    assert all(forgery["python"] for forgery in forgeries)
    names = [forgery["solidity"].partition("(")[0] for forgery in forgeries]
    assert names == ["HeadMismatch", "SealRejected", "NotTrustedSet", "NotParent"]


def test_plain_lines_tell_every_step_where_there_is_no_terminal(tmp_path: Path) -> None:
    process = demo.start(
        tmp_path, "--messages", "1", "--batch", "2", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = process.communicate(timeout=demo.TIMEOUT_S)
    text = out.decode()
    assert process.returncode == 0, text
    assert "\x1b[" not in text
    for step in ("sent", "watch", "verify", "prove", "submit", "confirm"):
        assert f"court → port #0  {step}" in text
    for part in (
        "3 of 4 sealed, 3 are needed",
        "the hashes lead to the head that the chain's state holds",
        "Solidity refuses: HeadMismatch",
        "each exactly once",
        "nothing is left behind",
    ):
        assert part in text
    assert "✗" not in text


def test_it_works_in_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = demo.start(
        tmp_path, "--messages", "1", "--batch", "2", stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    out = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:
            break
        if not part:
            break
        out += part
    os.close(ours)
    assert process.wait(demo.TIMEOUT_S) == 0, out.decode()
    # The live table is redrawn in place.
    assert b"\x1b[" in out
    assert b"Everything held" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after_s", [0.0, 5.0])
def test_stopped_at_any_time_it_leaves_nothing(
    tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    """Stopped while the chains start, and in the middle."""
    process = demo.start(tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = demo.await_children(process.pid)
    time.sleep(after_s)
    started |= demo.children_of(process.pid)
    process.send_signal(number)
    assert process.wait(30) == 130
    assert [pid for pid in started if demo.is_alive(pid)] == []
    assert list(tmp_path.iterdir()) == []


def test_without_anvil_it_says_what_to_do(tmp_path: Path) -> None:
    done = demo.run(tmp_path, POSTROAD_ANVIL=str(tmp_path / "none"))
    assert done.returncode not in (0, 70), done.stderr
    assert "POSTROAD_ANVIL" in done.stderr
    assert "Traceback" not in done.stderr
