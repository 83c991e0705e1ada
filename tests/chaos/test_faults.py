# SPDX-License-Identifier: MIT
"""Providers that lie, stall and break, one fault after the other, while messages flow: nothing is lost,
doubled or wasted.

Every fault acts on both chains' fronts for a moment and is then taken away. INV-5: whatever was said
meanwhile, no transaction was paid for that moved nothing. INV-1 and INV-2 by the recipient's own events and
the proven bits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from relayer.consensus.bft.local.faults import (
    ForeignSeals,
    ForgedHeader,
    ForgedSeals,
    MissingSeals,
    RepeatedSeals,
    Rounds,
)
from relayer.devnet.state.faults import (
    DropConnections,
    Fault,
    RpcErrors,
    SlowAnswers,
    Stall,
    WrongLogs,
    WrongProofs,
)
from tests.support.journal import gas_totals
from tests.support.relayed import relayed
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE

SETTINGS = '[api]\nlisten = ""\n\n[log]\nlevel = "error"\n\n[batch]\nmax_wait_ms = 100\n'
#: How long each fault acts, and how many messages are sent meanwhile. POSTROAD_CHAOS_S makes it long.
ACTS_S = float(os.environ.get("POSTROAD_CHAOS_S", "1.5"))
MESSAGES = 20

FAULTS: list[tuple[str, Fault]] = [
    ("too few seals", MissingSeals()),
    ("forged seals", ForgedSeals()),
    ("strangers' seals", ForeignSeals(count=3)),
    ("one seal many times", RepeatedSeals()),
    ("an invented state root", ForgedHeader()),
    ("a proof with a flipped bit", WrongProofs(how="node")),
    ("a proof of another value", WrongProofs(how="value")),
    ("a proof cut short", WrongProofs(how="short")),
    ("a storage proof with a flipped bit", WrongProofs(how="storage")),
    ("logs left out", WrongLogs(how="drop")),
    ("logs altered", WrongLogs(how="data")),
    ("no logs at all", WrongLogs(how="none")),
    ("logs told twice", WrongLogs(how="twice")),
    ("no new blocks", Stall()),
    ("a later round", Rounds(round=2)),
    ("slow answers", SlowAnswers(delay_s=0.4)),
    ("broken connections", DropConnections()),
    ("errors", RpcErrors(http_status=503)),
]


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


async def test_no_fault_of_providers_loses_doubles_or_wastes_anything(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-5."""
    async with relayed("a=bft:4@0.3,b=bft:ibft2:7@0.3", tmp_path, SETTINGS) as (network, net, daemon):
        await net.send_counted("a", "b", 1, 10**6)
        await net.await_delivered("a", "b", 1)
        total = 1
        for name, fault in FAULTS:
            # Sent before the fault begins: they are in a block, or will be, when it acts.
            await net.send_counted("a", "b", MESSAGES, total)
            total += MESSAGES
            with contextlib.ExitStack() as faults:
                for chain in network.chains:
                    faults.enter_context(network.anvil_chain(chain).faults.on(fault))
                await asyncio.sleep(ACTS_S)
            assert daemon.is_running(), f"{name}:\n{daemon.log_end()}"
        await net.await_delivered("a", "b", total, timeout_s=240)
        await net.await_settled("a", "b", total, timeout_s=240)
        assert await daemon.stop() == 0
        # Trouble with providers is expected and handled; a task that ends by it would be a fault of ours.
        assert "a task failed" not in daemon.log.read_text()
        receipts = await net.receipts_by_id("b")
        assert len(receipts) == total
        assert set(receipts.values()) == {1}
        with net.open_journal() as journal, journal.reading() as reading:
            assert journal.pending() == ()
            assert gas_totals(reading)[1] == 0
