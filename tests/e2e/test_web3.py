# SPDX-License-Identifier: MIT
"""web3.py and the library, each over the other: contracts looked at over the road's providers, and the road
over a web3 object that its user has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, Web3
from web3.exceptions import ContractCustomError, Web3RPCError

import relayer
from relayer.devnet.network.join import LocalRoads, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.devnet.state.faults import WrongProofs
from relayer.errors import ConfigError, Malformed
from relayer.road.deliver import HandDelivery, deliver_by_hand
from tests.support.daemon_process import DaemonProcess


@pytest.fixture
async def joined(tmp_path: Path) -> AsyncIterator[tuple[Network, LocalRoads]]:
    async with Network("court=bft:4@0.1,port=bft:ibft2:7@0.1") as network:
        sites = [site_of(chain) for chain in network.chains.values()]
        yield network, await join_local(sites, tmp_path, poll_interval_ms=100)


async def test_contracts_are_web3s_over_our_providers(joined: tuple[Network, LocalRoads]) -> None:
    network, roads = joined
    async with relayer.connect(roads.config) as road:
        w3 = road.web3("court")
        assert await w3.is_connected()
        assert await w3.eth.chain_id == network["court"].chain_id
        # Seals make its extra data longer than web3 takes; they stand where its own middleware puts them.
        block = await w3.eth.get_block("latest")
        assert len(block["proofOfAuthorityData"]) > 32
        gateway = road.contract("court")
        assert bytes.fromhex(gateway.address[2:]) == roads.endpoints["court"].gateway
        assert await gateway.functions.endpointId().call() == roads.endpoints["court"].endpoint_id
        message = await road.send(
            "court", "port", to=roads.endpoints["port"].postbox, payload=b"seen by web3"
        )
        events = await gateway.events.MessageAppended().get_logs(from_block=message.block_number)
        assert [event["args"]["sequence"] for event in events] == [0]
        with pytest.raises(ContractCustomError):
            await gateway.functions.deliver(b"", b"").call()
        with pytest.raises(Web3RPCError):
            await w3.eth.send_raw_transaction(b"\x02\x01")
        with pytest.raises(ConfigError, match="no such chain"):
            _ = road.web3("quart")


async def test_a_provider_that_is_away_is_passed_over(joined: tuple[Network, LocalRoads]) -> None:
    network, roads = joined
    second = await network.anvil_chain("court").add_rpc_server()
    path = roads.config_path
    path.write_text(
        path.read_text().replace(
            f'rpc = ["{network["court"].http_url}"]', f'rpc = ["http://127.0.0.1:9", "{second.http_url}"]'
        )
    )
    async with relayer.connect(path) as road:
        assert await road.web3("court").eth.block_number > 0


async def test_the_road_asks_the_web3_that_its_user_has(joined: tuple[Network, LocalRoads]) -> None:
    """INV-5: it is asked below its middleware, and believed no more than any provider."""
    network, roads = joined
    over_http = AsyncHTTPProvider(network["court"].http_url, exception_retry_configuration=None)
    port_web3 = Web3(HTTPProvider(network["port"].http_url, exception_retry_configuration=None))
    own = {"court": AsyncWeb3(over_http), "port": port_web3}
    # What the configuration names is not asked at all.
    path = roads.config_path
    text = path.read_text()
    for chain in network.chains.values():
        text = text.replace(f'rpc = ["{chain.http_url}"]', 'rpc = ["http://127.0.0.1:9"]')
    path.write_text(text)
    async with relayer.connect(path, web3=own) as road:
        message = await road.send("court", "port", to=roads.endpoints["port"].postbox, payload=b"over web3")
        outcome = await deliver_by_hand(message, road.chain("court"), await road.chain_to_write("port"))
        assert outcome.result is HandDelivery.EXECUTED
        port = network.anvil_chain("port")
        with port.faults.on(WrongProofs()), pytest.raises(relayer.DeliveryTimeout):
            await message.delivered(timeout="1s")
        receipt = await message.delivered(timeout="30s")
        assert receipt.message_id == message.id
        assert repr(receipt).startswith(f"Receipt(0x{message.id.hex()}, sequence 0, executed by 0x")
        assert len(repr(receipt)) < 260
    await over_http.disconnect()


async def test_what_is_no_web3_and_what_is_no_chain_are_told_at_once(
    joined: tuple[Network, LocalRoads],
) -> None:
    _, roads = joined
    with pytest.raises(ConfigError, match="a str as the web3 of court"):
        relayer.connect(roads.config, web3={"court": "http://127.0.0.1:9"})
    with pytest.raises(ConfigError, match=r"no such chain .*Did you mean 'court'"):
        relayer.connect(roads.config, web3={"cuort": Web3()})


async def test_mistakes_of_callers_have_names(joined: tuple[Network, LocalRoads]) -> None:
    _, roads = joined
    box = roads.endpoints["port"].postbox
    async with relayer.connect(roads.config) as road:
        with pytest.raises(Malformed, match=r"a payload of the type str .*payload=text.encode\(\)"):
            await road.send("court", "port", to=box, payload="text")  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="a message from court to itself"):
            await road.send("court", "court", to=box, payload=b"")
        nobody = bytes.fromhex("11" * 20)
        message = await road.send("court", "port", to=roads.endpoints["port"].gateway, payload=b"refused")
        with pytest.raises(relayer.DeliveryTimeout, match="Its recipient would refuse it now: "):
            await message.delivered(timeout="0.5s")
        message = await road.send("court", "port", to=nobody, payload=b"to nobody")
        with pytest.raises(relayer.DeliveryTimeout, match="Is a relayer running"):
            await message.delivered(timeout="0.5s")


async def test_a_timeout_tells_what_the_relayer_waits_for(joined: tuple[Network, LocalRoads]) -> None:
    _, roads = joined
    daemon = DaemonProcess(roads.config_path)
    async with daemon.guarded():
        await daemon.start()
        async with relayer.connect(roads.config) as road:
            # anvil keeps a slot that was cleared again as a leaf that holds zero, which no other node has and
            # no proof may show: the page needs a bit that stays.
            first = await road.send("court", "port", to=roads.endpoints["port"].postbox, payload=b"taken")
            await first.delivered(timeout="60s")
        # A road reads the journal that is there when it opens.
        async with relayer.connect(roads.config) as road:
            message = await road.send("court", "port", to=roads.endpoints["port"].gateway, payload=b"refused")
            # The journal knows the reason once the daemon has tried.
            said = ""
            async with asyncio.timeout(60):
                while "recipient_reverts" not in said:
                    with pytest.raises(relayer.DeliveryTimeout) as caught:
                        await message.delivered(timeout="0.2s")
                    said = str(caught.value)
            assert "The relayer says that it waits for recipient_reverts (refused once" in said
        assert await daemon.stop() == 0


async def test_the_blocking_twin_works_inside_of_a_running_loop(joined: tuple[Network, LocalRoads]) -> None:
    """As in a notebook, where the cell's own thread has a loop that runs."""
    network, roads = joined

    def cell() -> None:
        with relayer.connect_blocking(roads.config) as road:
            message = road.send("court", "port", to=roads.endpoints["port"].postbox, payload=b"from a cell")
            assert message.message.sequence == 0
            w3 = road.web3("court")
            assert w3.is_connected()
            assert w3.eth.chain_id == network["court"].chain_id
            endpoint_id = road.contract("court").functions.endpointId().call()
            assert endpoint_id == roads.endpoints["court"].endpoint_id

    # The chains live in this loop, so the cell has a thread and a loop of its own.
    async def run_cell() -> None:
        assert asyncio.get_running_loop().is_running()
        cell()

    await asyncio.to_thread(asyncio.run, run_cell())
