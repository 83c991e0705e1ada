# SPDX-License-Identifier: MIT
"""A daemon relays, and its API tells of it: as it happens, afterwards, and with proofs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from light_clients.client import Timestamp
from relayer.chains.base import Address
from relayer.consensus.bft.prover import BftProver
from relayer.consensus.open_chain import open_chain
from relayer.devnet.process.ports import free_port
from relayer.protocol.message import next_head
from tests.support.relayed import relayed
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE, RelayNet

SPEC = "a=bft:4@0.3,b=bft:ibft2:7@0.3"
COUNT = 5


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


async def test_the_api_tells_what_the_daemon_does(tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{free_port()}"
    settings = f'[api]\nlisten = "{base.removeprefix("http://")}"\n\n[batch]\nmax_wait_ms = 100\n'
    async with relayed(SPEC, tmp_path, settings) as (_, net, daemon), aiohttp.ClientSession(base) as session:

        async def get(path: str) -> Any:
            async with session.get(path) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        # What happens is heard from the beginning, whenever the listening began
        await net.send_counted("a", "b", COUNT, 1)
        await net.await_delivered("a", "b", COUNT)
        states: dict[int, list[str]] = {}
        async with asyncio.timeout(60), session.get("/v1/events?after=0") as stream:
            async for event in _message_events(stream):
                assert (event["source"], event["destination"]) == ("a", "b")
                for sequence in event["sequences"]:
                    states.setdefault(sequence, []).append(event["state"])
                if [told[-1] for told in states.values()] == ["confirmed"] * COUNT:
                    break

        # Found, and told as it was heard
        found = (await get("/v1/messages?state=confirmed"))["messages"]
        assert [message["sequence"] for message in found] == list(range(COUNT))[::-1]
        for message in found:
            story = await get(f"/v1/messages/{message['id']}")
            assert [step["state"] for step in story["steps"]] == states[message["sequence"]]
            by_delivery = await get(f"/v1/messages?transaction={story['delivery']['tx_hash']}")
            assert message["id"] in {other["id"] for other in by_delivery["messages"]}

        # Each proof stands by itself
        lane = net.lane("a", "b").id
        for message in found:
            proof = await get(f"/v1/messages/{message['id']}/proof")
            assert proof["lane"] == "0x" + lane.hex()
            await _verify(net, message["id"], proof)

        # What the pipeline has at hand
        assert {chain["name"] for chain in await get("/v1/chains")} == {"a", "b"}
        (served,) = (lane for lane in await get("/v1/lanes") if lane["source"] == "a")
        assert (served["proven"], served["settled"]) == (COUNT, COUNT)
        assert {client["status"] for client in await get("/v1/clients")} == {"active"}
        assert {account["chain"] for account in await get("/v1/accounts")} == {"a", "b"}
        assert await daemon.stop() == 0


async def _message_events(stream: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    name = ""
    async for line in stream.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data" and name == "messages":
            yield json.loads(value)


async def _verify(net: RelayNet, message_id: str, proof: Any) -> None:
    """INV-1: a light client that has only what the file trusts accepts the proof, and hashes do the rest."""
    opened = open_chain(net.config, "a", [])
    try:
        assert isinstance(opened.prover, BftProver)
        proven = opened.prover.client.storage_at(
            bytes.fromhex(proof["proof"][2:]),
            Address(bytes.fromhex(proof["gateway"][2:])),
            bytes.fromhex(proof["slot"][2:]),
            Timestamp(int(time.time())),
        )
    finally:
        await opened.close()
    assert (proven.height, "0x" + proven.value.hex()) == (proof["height"], proof["head"])
    head = bytes.fromhex(proof["previous_head"][2:])
    assert proof["id"] == message_id
    for leaf in (message_id, *proof["later"]):
        head = next_head(head, bytes.fromhex(leaf[2:]))
    assert "0x" + head.hex() == proof["head"]
