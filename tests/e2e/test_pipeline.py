# SPDX-License-Identifier: MIT
"""The first road, whole: two BFT chains with real seals and contracts, and the daemon as operators run it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.protocol.delivery import DeliveryState, WaitingReason
from tests.support.journal import gas_totals
from tests.support.relayed import relayed
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE, RelayNet

SPEC = "a=bft:4@0.3,b=bft:ibft2:7@0.3"
NO_CONTRACT = b"\x99" * 20


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


async def once_each(net: RelayNet, name: str, count: int) -> None:
    """INV-2: the recipient's own events, each id once."""
    receipts = await net.receipts_by_id(name)
    assert len(receipts) == count
    assert set(receipts.values()) <= {1}


async def test_the_first_road(tmp_path: Path) -> None:
    """INV-1, INV-2, INV-4, INV-6, INV-10: both ways, a refusing recipient, new validators,
    a killed daemon, a clean end.
    """
    async with relayed(SPEC, tmp_path) as (network, net, daemon):
        # Both ways, over several pages
        await net.send_counted("a", "b", 200, 1)
        await net.send_counted("a", "b", 200, 1_000)
        await net.send_counted("b", "a", 50, 1)
        await net.await_delivered("a", "b", 400)
        await net.await_delivered("b", "a", 50)
        await net.await_settled("a", "b", 400)

        # A recipient that is none stops nobody, is paid for once, and its message says why it waits
        await net.send_counted("a", "b", 1, 7, recipient=NO_CONTRACT)
        await net.send_counted("a", "b", 3, 2_000)
        await net.await_delivered("a", "b", 404, missing=1)
        await _await_state(net, 400, DeliveryState.FAILED)
        with net.open_journal() as journal:
            (waits,) = journal.pending()
            assert waits.sequence == 400
            assert waits.waiting.reason is WaitingReason.RECIPIENT_REVERTS
            assert "no contract there" in waits.waiting.detail

        # The validators of the source change while messages are on their way
        chain = network.chain_of("a", LocalBftChain)
        await net.send_counted("a", "b", 40, 3_000)
        chain.add_validator()
        chain.set_validators([*chain.validators[1:], *chain.new_validators(2)])
        await net.send_counted("a", "b", 40, 4_000)
        await net.await_delivered("a", "b", 484, missing=1)

        # The daemon is killed in the middle, messages are sent while it is dead, and it is started again
        await net.send_counted("a", "b", 100, 5_000)
        await asyncio.sleep(0.45)
        await daemon.kill()
        await net.send_counted("a", "b", 100, 6_000)
        await net.send_counted("b", "a", 10, 6_000)
        await asyncio.sleep(0.5)
        await daemon.start()
        await net.await_delivered("b", "a", 60)
        await net.await_delivered("a", "b", 684, missing=1)

        # SIGTERM drains, and what is in the journal is what the chains have
        await _await_state(net, 683, DeliveryState.CONFIRMED)
        assert await daemon.stop() == 0
        await once_each(net, "b", 683)
        await once_each(net, "a", 60)
        with net.open_journal() as journal, journal.reading() as reading:
            assert gas_totals(reading)[1] == 0
            assert [waiting.sequence for waiting in journal.pending()] == [400]


async def _await_state(net: RelayNet, sequence: int, state: DeliveryState) -> None:
    """Wait until the journal has a message of a > b in a state."""
    async with asyncio.timeout(30):
        while True:
            with net.open_journal() as journal, journal.reading() as reading:
                (row,) = (lane.row for lane in reading.lanes() if lane.source == "a")
                stored = reading.messages(row, sequence, sequence)
            if stored:
                with net.open_journal() as journal:
                    story = journal.story(stored[0].leaf)
                assert story is not None
                if story.state is state:
                    return
            await asyncio.sleep(0.2)


async def test_metrics_and_readiness_are_served(tmp_path: Path) -> None:
    import aiohttp

    from relayer.devnet.process.ports import free_port

    port = free_port()
    settings = f'[api]\nlisten = "127.0.0.1:{port}"\n'
    async with relayed(SPEC, tmp_path, settings) as (_, net, daemon):
        await net.send_counted("a", "b", 5, 1)
        await net.await_delivered("a", "b", 5)
        await net.await_settled("a", "b", 5)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert answer.status == 200
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                text = await answer.text()
        assert 'postroad_messages_total{lane="a>b",step="confirmed"} 5.0' in text
        assert 'postroad_lane_settled{lane="a>b"} 5.0' in text
        assert 'postroad_client_active{destination="b",source="a"} 1.0' in text
        assert 'postroad_backlog_messages{lane="a>b"} 0.0' in text
        assert "postroad_balance_wei" in text
        assert await daemon.stop() == 0
