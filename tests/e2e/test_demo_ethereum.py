# SPDX-License-Identifier: MIT
"""`make demo-ethereum`, as anybody runs it: an Ethereum and a QBFT chain, real proofs, a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import demo

TIMEOUT_S = 180
CHAINS = "eth=ethereum,court=bft:4@0.5"


def test_ethereum_and_back(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-5, INV-7, INV-8: every message once, its bit proven, all forgeries refused."""
    words = ("--chains", CHAINS, "--json", "--messages", "2", "--batch", "300")
    done = demo.run(tmp_path, *words, timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["ok"] is True
    assert outcome["problems"] == []
    assert outcome["seconds"] < 120
    lanes = sorted((message["source"], message["sequence"]) for message in outcome["messages"])
    assert lanes == [("court", 0), ("court", 1), ("eth", 0), ("eth", 1)]
    for message in outcome["messages"]:
        steps = message["steps"]
        assert steps["watch"] <= steps["verify"] <= steps["prove"] <= steps["submit"] <= steps["confirm"]
    for forgery in outcome["forgeries"]:
        assert forgery["python"], forgery
        assert forgery["solidity"], forgery
    names = [forgery["solidity"].partition("(")[0] for forgery in outcome["forgeries"]]
    assert names == [
        "HeadMismatch",
        "SignatureInvalid",
        "NotTrustedCommittee",
        "PrecompileFailed",
        "ParticipationTooLow",
    ]
    gas = outcome["gas"]
    assert (gas["source"], gas["consensus"], gas["validators"]) == ("eth", "ethereum", 32)
    assert 200_000 < gas["single"] < 350_000
    assert 2_000 < gas["batch_share"] < gas["single"] / 5
    told = [change["trusted"] for change in outcome["trust"] if change["source"] == "eth"]
    assert len(set(told)) == len(told) >= 2, "a rotation at least"
    assert all(text.startswith("the sync committee of period ") for text in told)
    # The show is on stderr then.
    for part in (
        "31 of 32 signed, 22 are needed (two thirds)",
        "enough of a sync committee signed what finalizes it",
        "the committee's root is the one that the light client on court trusts for period",
        "e(keys, hash of the signing root) = e(generator, signature)",
        "the light client of eth on court trusts the sync committee of period",
        "the light client of eth on court has moved on: it trusts the sync committee of period",
        "Their header was anchored once for all of them",
        "nothing is left behind",
    ):
        assert part in done.stderr
    assert "✗" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_stopped_in_the_middle_it_leaves_nothing(tmp_path: Path) -> None:
    process = demo.start(tmp_path, "--chains", CHAINS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = demo.await_children(process.pid)
    time.sleep(6)
    started |= demo.children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert [pid for pid in started if demo.is_alive(pid)] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "chains", ["eth=ethereum", "a=bft:4,b=bft:4,c=ethereum", "eth=ethereum@manual,court=bft:4"]
)
def test_it_takes_two_chains_that_live_by_the_clock(tmp_path: Path, chains: str) -> None:
    done = demo.run(tmp_path, "--chains", chains)
    assert done.returncode not in (0, 1, 70)
    assert "two chains, whose blocks come by the clock" in done.stderr
    assert "Traceback" not in done.stderr
