# SPDX-License-Identifier: MIT
"""`postroad tx` over local chains: open transactions are listed, replaced and cancelled, by the command where
no daemon runs, and by the daemon where one does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from relayer.api import serve
from relayer.chains.base import Address, Call, GasPrice
from relayer.cli.exit_codes import ExitCode
from relayer.cli.options import unlock
from relayer.config import Config
from relayer.consensus.open_chain import open_chain
from relayer.daemon import Daemon, Server, build
from relayer.devnet.network.join import join_local, site_of
from relayer.devnet.network.network import Network
from relayer.devnet.state.faults import RpcErrors
from relayer.journal.rows import Purpose, TransactionRow
from relayer.journal.store import Journal, now_micros
from relayer.sending.transaction import make_attempt

SPEC = "court=bft:4@0.2,port=bft:ibft2:7@0.2"
GAS = 21_000


@dataclass
class Place:
    network: Network
    config: Config
    config_path: Path

    async def run(self, *words: str, code: int = 0) -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "relayer.cli", "tx", *words, "--json", "-c", str(self.config_path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == code, (
            f"{words}: exit {process.returncode}\n{out.decode()}\n{err.decode()}"
        )
        return json.loads(out or err)

    async def sign(
        self, *, base_fee_share: float = 2.0, nonce: int | None = None
    ) -> tuple[TransactionRow, bytes]:
        """A transfer in the journal that was never offered, as if the daemon had been killed before it."""
        key = unlock(self.config, self.config.chain("port").keys[0])
        opened = open_chain(self.config, "port", [key])
        try:
            sender = opened.chain.senders[0]
            if nonce is None:
                (nonce,) = await opened.chain.count_transactions(sender)
            market = await opened.chain.market()
            assert market.base_fee_wei is not None
            price = int(base_fee_share * market.base_fee_wei)
            call = Call(Address(b"\x11" * 20), b"", value_wei=1)
            signed = opened.chain.sign(sender, nonce, call, GAS, GasPrice(price, 0))
            with Journal.open(self.config.journal_url.reveal()) as journal:
                chain = await journal.commit(
                    lambda writing: writing.put_chain(
                        opened.chain.endpoint_id, "port", scanned_height=0, at=now_micros()
                    )
                )
                row = await journal.commit(
                    lambda writing: writing.add_transaction(
                        chain, Purpose.OTHER, sender, nonce, make_attempt(signed, now_micros())
                    )
                )
        finally:
            await opened.close()
        return row, signed.tx_hash

    def count_attempts(self, row: TransactionRow) -> int:
        url = self.config.journal_url.reveal()
        with Journal.open(url, read_only=True) as journal, journal.reading() as reading:
            return len(reading.transactions([row])[0].attempts)

    @asynccontextmanager
    async def daemon(self, serve: Callable[[Daemon], Server] | None = None) -> AsyncIterator[None]:
        daemon = build(self.config, serve=serve)
        running = asyncio.create_task(daemon.run())
        try:
            yield
        finally:
            daemon.stop()
            await asyncio.wait_for(running, 30)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with Network(SPEC) as network:
        roads = await join_local([site_of(chain) for chain in network.chains.values()], tmp_path)
        yield Place(network, roads.config, roads.config_path)


async def test_without_a_daemon_the_command_does_it_itself(place: Place) -> None:
    row, tx_hash = await place.sign()
    (listed,) = await place.run("list", "--chain", "port")
    assert (listed["id"], listed["chain"], listed["tx_hash"]) == (row, "port", "0x" + tx_hash.hex())
    assert (listed["state"], listed["purpose"], listed["reason"]) == ("open", "other", "inclusion")
    assert await place.run("list", "--chain", "court") == []
    replaced = await place.run("replace", "0x" + tx_hash.hex())
    assert (replaced["by"], replaced["wish"]) == ("command", "replace")
    transaction = replaced["transaction"]
    assert transaction["attempts"] >= 2
    assert transaction["max_fee_wei"] > listed["max_fee_wei"]
    assert transaction["block"] is not None
    assert await place.run("list") == []
    again = await place.run("cancel", str(row), code=ExitCode.REFUSED)
    assert "is included" in again["error"]["found"] or "is settled" in again["error"]["found"]
    row, _ = await place.sign()
    cancelled = (await place.run("cancel", str(row)))["transaction"]
    assert cancelled["is_cancelled"] is True
    assert cancelled["block"] is not None


async def test_what_can_not_be_steered_is_told(place: Place) -> None:
    await place.sign()
    found = await place.run("cancel", "4711", code=ExitCode.NOT_FOUND)
    assert "no transaction 4711" in found["error"]["found"]
    await place.run("cancel", "0x12", code=ExitCode.USAGE)


async def test_a_limit_keeps_the_command_from_signing(place: Place) -> None:
    row, _ = await place.sign()
    text = place.config_path.read_text()
    place.config_path.write_text(text.replace("[chains.port]\n", "[chains.port]\nmax_fee_gwei = 0\n"))
    found = await place.run("replace", str(row), code=ExitCode.UNAVAILABLE)
    assert "max_fee_gwei = 0 (0 wei)" in found["error"]["expected"]


async def test_a_running_daemon_is_asked(place: Place) -> None:
    refusing = place.network.anvil_chain("port").faults.start(
        RpcErrors(methods=frozenset({"eth_sendRawTransaction"}), code=-32000, message="txpool is full")
    )
    row, _ = await place.sign()
    async with place.daemon():
        (listed,) = await place.run("list")
        while listed["reason"] != "rpc_trouble":
            (listed,) = await place.run("list")
        assert "txpool is full" in listed["detail"]
        asked = await place.run("replace", str(row))
        assert (asked["by"], asked["transaction"]["id"]) == ("daemon", row)
        late = await place.run("cancel", str(row), "--wait", "--timeout", "8s", code=ExitCode.TIMEOUT)
        assert late["transaction"]["attempts"] >= 3
        asking = asyncio.create_task(place.run("cancel", str(row), "--wait", "--timeout", "30s"))
        for _ in range(200):
            if place.count_attempts(row) > late["transaction"]["attempts"]:
                break
            await asyncio.sleep(0.1)
        place.network.anvil_chain("port").faults.stop(refusing)
        done = await asking
        assert done["transaction"]["block"] is not None
        assert done["transaction"]["is_cancelled"] is True


async def test_a_running_daemon_is_asked_over_http(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "a-token-of-some-length")
    table = msgspec.structs.replace(place.config.api, token_env="API_TOKEN")
    place.config = msgspec.structs.replace(place.config, api=table)
    refusing = place.network.anvil_chain("port").faults.start(
        RpcErrors(methods=frozenset({"eth_sendRawTransaction"}), code=-32000, message="txpool is full")
    )
    row, _ = await place.sign()
    url = f"http://{table.listen}/v1/transactions/{row}"
    headers = {"Authorization": "Bearer a-token-of-some-length"}
    async with place.daemon(serve), aiohttp.ClientSession() as session, asyncio.timeout(60):

        async def has(key: str) -> bool:
            async with session.get(url) as answer:
                return bool((await answer.json())[key])

        await _until(lambda: _is_up(session, url))
        async with session.post(f"{url}/cancel") as answer:
            assert answer.status == 401
        async with session.post(f"{url}/cancel", headers=headers) as answer:
            assert answer.status == 202
            asked = await answer.json()
        assert (asked["by"], asked["transaction"]["id"]) == ("daemon", row)
        assert (asked["transaction"]["chain"], asked["transaction"]["is_cancelled"]) == ("port", False)
        await _until(lambda: has("is_cancelled"))
        place.network.anvil_chain("port").faults.stop(refusing)
        await _until(lambda: has("block"))


async def _is_up(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectorError:
        return False


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await holds():
            return
        await asyncio.sleep(0.05)
