# SPDX-License-Identifier: MIT
"""The library over two local chains: send, wait for a proven delivery, stories,
lies of providers, the blocking twin.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account

import relayer
from light_clients.bft.client import BftClient
from light_clients.client import Timestamp
from relayer.chains.base import Call
from relayer.config import Config
from relayer.consensus.bft.config import BftConfig
from relayer.consensus.bft.endpoint import bft_prover
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.contracts import load
from relayer.devnet.network.join import LocalEndpoint, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.devnet.state.faults import WrongProofs
from relayer.errors import CallReverted, ConfigError, KeyUnavailable, LanePaused, Malformed
from relayer.keys import Key
from relayer.protocol.delivery import DeliveryState
from relayer.protocol.lane import delivered_slot
from relayer.road import Road, RoadMessage
from relayer.road.deliver import HandDelivery, HandOutcome, deliver_by_hand, update_client

SPEC = "court=bft:4@0.1,port=bft:ibft2:7@0.1"


@dataclass
class Stage:
    network: Network
    config: Config
    config_path: Path
    endpoints: dict[str, LocalEndpoint]

    def signers(self, index: int = 2) -> dict[str, list[Key]]:
        return {
            name: [Key("k", chain.funded_keys[index].secret)] for name, chain in self.network.chains.items()
        }


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Network(SPEC) as network:
        sites = [site_of(chain) for chain in network.chains.values()]
        roads = await join_local(sites, tmp_path, poll_interval_ms=100)
        yield Stage(network, roads.config, roads.config_path, dict(roads.endpoints))


async def by_hand(road: Road, message: RoadMessage) -> HandOutcome:
    return await deliver_by_hand(
        message, road.chain(message.source), await road.chain_to_write(message.destination)
    )


async def send(stage: Stage, road: Road, payload: bytes = b"x", deadline: str | None = None) -> RoadMessage:
    return await road.send(
        "court", "port", to=stage.endpoints["port"].postbox, payload=payload, deadline=deadline
    )


async def test_three_lines_send_and_a_receipt_anyone_can_check_again(stage: Stage) -> None:
    """INV-5: confirmed means that the bit is proven by the destination's light client."""
    async with relayer.connect(stage.config_path) as road:
        message = await send(stage, road, b"three lines", "10m")
        outcome = await by_hand(road, message)
        assert outcome.result is HandDelivery.EXECUTED
        receipt = await message.delivered(timeout="30s")
        assert (receipt.message_id, receipt.sequence) == (message.id, 0)
        # Who delivered it, apart from what proves it.
        assert outcome.receipt is not None
        assert receipt.delivery is not None
        assert receipt.delivery.tx_hash == outcome.receipt.tx_hash
        assert receipt.delivery.block == outcome.receipt.block_number <= receipt.height
        assert (receipt.delivery.told_by, receipt.delivery.is_checked) == ("logs", True)
        # A light client of our own, from the bootstrap alone, believes the same bytes.
        prover = bft_prover(road.chain("port").prover)
        consensus = stage.config.require_endpoint("port").consensus
        assert isinstance(consensus, BftConfig)
        bootstrap = consensus.bootstrap
        assert bootstrap is not None
        fresh = BftClient.bootstrap(
            prover.client.params,
            [bytes(validator) for validator in bootstrap.validators],
            prover.client.state.height,
            Timestamp(bootstrap.timestamp),
        )
        slot = delivered_slot(message.lane_id, 0)
        found = fresh.storage_at(receipt.proof, road.chain("port").chain.gateway, slot, receipt.timestamp)
        assert (found.value, found.height) == (receipt.word, receipt.height)


async def test_an_account_of_eth_account_signs(stage: Stage) -> None:
    """The account that every Python program has signs as our own keys do."""
    secret = stage.network["court"].funded_keys[2].secret
    account = Account.from_key(secret)
    async with relayer.connect(stage.config, signers={"court": [account]}) as road:
        message = await send(stage, road, b"signed by a LocalAccount")
        assert message.sender == bytes.fromhex(account.address[2:])
    with pytest.raises(KeyUnavailable, match="a signer of the type str"):
        relayer.connect(stage.config, signers={"court": ["0x" + "11" * 32]})  # type: ignore[list-item]


async def test_nothing_is_delivered_until_it_is(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        message = await send(stage, road)
        with pytest.raises(relayer.DeliveryTimeout, match="its bit is not set"):
            await message.delivered(timeout=0.5)
        waiting = asyncio.create_task(message.delivered(timeout="30s"))
        await by_hand(road, message)
        assert (await waiting).sequence == message.sequence


async def test_a_provider_that_lies_with_a_proof_is_not_believed(stage: Stage) -> None:
    """INV-5: what a provider says of a delivery counts for nothing without a proof that
    our light client accepts.
    """
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        message = await send(stage, road)
        await by_hand(road, message)
        lying = stage.network.anvil_chain("port").faults.start(WrongProofs())
        with pytest.raises(relayer.DeliveryTimeout):
            await message.delivered(timeout="2s")
        stage.network.anvil_chain("port").faults.stop(lying)
        assert (await message.delivered(timeout="30s")).sequence == 0


async def test_a_deadline_that_passes_is_proven_and_final(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        message = await send(stage, road, deadline="1s")
        with pytest.raises(relayer.MessageExpired, match="proves its bit clear"):
            await message.delivered(timeout="30s")
        assert (await by_hand(road, message)).result is HandDelivery.EXPIRED
        assert (await message.story()).state is DeliveryState.EXPIRED


async def test_a_message_is_found_by_its_id_with_its_whole_content(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        sent = await send(stage, road, b"find me", "1h")
        for wanted in (sent.id, "0x" + sent.id.hex(), sent.id.hex()):
            found = await road.message(wanted)
            assert (found.id, found.payload, found.sequence) == (sent.id, b"find me", 0)
            assert (found.source, found.destination, found.deadline) == ("court", "port", sent.deadline)
            assert found.recipient == stage.endpoints["port"].postbox
        with pytest.raises(relayer.MessageUnknown):
            await road.message(bytes(32))
        with pytest.raises(Malformed):
            await road.message("0x12")


async def test_messages_of_a_page_are_delivered_by_hand_in_any_order(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        messages = [await send(stage, road, bytes([index])) for index in range(4)]
        for message in (messages[2], messages[0], messages[3], messages[1]):
            assert (await by_hand(road, message)).result is HandDelivery.EXECUTED
            assert (await by_hand(road, message)).result is HandDelivery.ALREADY_DELIVERED
        for message in messages:
            await message.delivered(timeout="30s")


async def test_a_message_of_a_later_page_is_delivered_by_hand(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        sender = await road.chain_to_write("court")
        recipient = road.chain("port").recipient(stage.endpoints["port"].postbox)
        receipt = None
        for count in (200, 60):
            call = load("Multisender").encode_call("sendCounted", recipient, count, 0, [])
            receipt = await sender.transact(Call(stage.endpoints["court"].multisender, call))  # type: ignore[arg-type]
        assert receipt is not None
        sent = await sender.chain.sent_messages(receipt.block_number, receipt.block_number)
        for sequence in (255, 256, 258):
            message = await road.message(
                next(item.message.id for item in sent if item.message.sequence == sequence)
            )
            assert (await by_hand(road, message)).result is HandDelivery.EXECUTED
            assert (await message.delivered(timeout="30s")).sequence == sequence


async def test_validators_that_change_are_followed_by_hand(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        court = stage.network.chain_of("court", LocalBftChain)
        court.add_validator(at=court.head.number + 3)
        await court.wait_for(court.head.number + 5)
        message = await send(stage, road)
        assert (await by_hand(road, message)).result is HandDelivery.EXECUTED
        receipts = await update_client(road.chain("court"), await road.chain_to_write("port"))
        assert len(receipts) == 1


async def test_a_paused_remote_is_told_before_gas_is_spent(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        message = await send(stage, road)
    async with relayer.connect(stage.config, signers=stage.signers(0)) as guardian:
        port = await guardian.chain_to_write("port")
        call = load("Gateway").encode_call("pauseRemote", message.lane.source)
        await port.transact(Call(port.chain.gateway, call))
        found = await guardian.message(message.id)
        with pytest.raises(LanePaused, match="court is paused on port"):
            await by_hand(guardian, found)


async def test_refusals_of_the_gateway_are_decoded_and_nothing_is_sent(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        chain = (await road.chain_to_write("court")).chain
        before = await chain.count_transactions(chain.senders[0])
        with pytest.raises(CallReverted, match="PayloadTooLarge"):
            await send(stage, road, bytes(30_000))
        with pytest.raises(CallReverted, match="LaneNotOpen"):
            await road.send("court", "port", to=bytes(20), payload=b"", channel=b"\x01" * 32)
        for wrong in (b"\x01", "0x12", "court"):
            with pytest.raises(Malformed):
                await road.send("court", "port", to=wrong, payload=b"")
        with pytest.raises(Malformed, match="time span"):
            await send(stage, road, deadline="soon")
        with pytest.raises(ConfigError, match="curt"):
            await road.send("curt", "port", to=bytes(20), payload=b"")
        assert await chain.count_transactions(chain.senders[0], pending=True) == before


async def test_many_senders_of_one_key_do_not_collide(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers=stage.signers()) as road:
        messages = await asyncio.gather(*(send(stage, road, bytes([index])) for index in range(8)))
        assert sorted(message.sequence for message in messages) == list(range(8))
        assert len({message.id for message in messages}) == 8


async def test_without_a_key_or_an_open_road_nothing_is_sent(stage: Stage) -> None:
    async with relayer.connect(stage.config, signers={}) as road:
        with pytest.raises(KeyUnavailable):
            await send(stage, road)
    with pytest.raises(ConfigError, match="not open"):
        await send(stage, road)


async def test_the_blocking_twin_does_the_same_without_a_loop(stage: Stage) -> None:
    def script() -> tuple[bytes, int, str]:
        with relayer.connect_blocking(stage.config_path) as road:
            box = stage.endpoints["port"].postbox
            message = road.send("court", "port", to=box, payload=b"blocking", deadline="10m")
            with pytest.raises(relayer.DeliveryTimeout):
                message.delivered(timeout=0.3)
            again = road.message(message.id)
            return message.id, again.message.sequence, again.story().told_by

    message_id, sequence, told_by = await asyncio.to_thread(script)
    assert (len(message_id), sequence, told_by) == (32, 0, "chains")
    with pytest.raises(RuntimeError, match="not open"):
        relayer.connect_blocking(stage.config_path).message(message_id)
