# SPDX-License-Identifier: MIT
"""A local Ethereum chain: its clock, blocks and tags, and execution proven by what committees signed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from light_clients.ethereum.config import MAINNET, ForkName, Period, Slot
from light_clients.ethereum.sync_protocol import initialize_light_client_store, process_light_client_update
from light_clients.hashing import keccak256
from light_clients.proofs.mpt import verify_account, verify_storage
from relayer.consensus.bft.local.faults import Rounds
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.local.faults import LowParticipation, MissedSlots, WithheldFinality
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import DevnetError, SpecError
from relayer.devnet.network import background
from relayer.devnet.network.network import Network
from relayer.devnet.process.child_process import running_pids
from relayer.devnet.process.process_identity import start_mark
from relayer.devnet.state.faults import Stall
from tests.support.devnet import EMITTER, ON_DEMAND, WITNESS, Client, Wallet, open_socket, word

SLOT_S: Final = 0.1


@pytest.fixture
async def chain() -> AsyncIterator[LocalEthereumChain]:
    async with LocalEthereumChain("eth", ON_DEMAND) as started:
        yield started


@pytest.fixture
async def client(chain: LocalEthereumChain) -> AsyncIterator[Client]:
    async with Client(chain.http_url) as opened:
        yield opened


async def test_something_is_final_from_the_start(chain: LocalEthereumChain) -> None:
    assert chain.checkpoint.slot == 8
    assert chain.finalized.number == 2
    assert chain.checkpoint.execution is not None
    assert chain.checkpoint.execution.block_hash == chain.finalized.hash
    assert chain.slot == chain.head.slot == 25


async def test_headers_are_anvils_own(chain: LocalEthereumChain, client: Client) -> None:
    await chain.advance(3)
    for number in range(chain.head.number + 1):
        block = await client.call("eth_getBlockByNumber", hex(number), False)
        assert block["hash"] == "0x" + chain.block(number).hash.hex()
        raw = await client.call("debug_getRawHeader", hex(number))
        assert keccak256(bytes.fromhex(raw[2:])) == chain.block(number).hash
        assert (block["difficulty"], block["nonce"], block["extraData"]) == ("0x0", "0x" + "00" * 8, "0x")
        if number:
            assert block["parentHash"] == "0x" + chain.block(number - 1).hash.hex()
            # Randomness differs from block to block, and the payload header holds the same.
            beacon = chain.beacon.block_at(chain.block(number).slot)
            assert beacon is not None
            assert beacon.execution is not None
            assert block["mixHash"] == "0x" + beacon.execution.prev_randao.hex() != "0x" + "00" * 32
            assert int(block["timestamp"], 16) == chain.network.timestamp_at(chain.block(number).slot)


async def test_tags_tell_the_beacon_chains_view(chain: LocalEthereumChain, client: Client) -> None:
    await chain.advance(20)
    numbers = {
        tag: int((await client.call("eth_getBlockByNumber", tag, False))["number"], 16)
        for tag in ("earliest", "finalized", "safe", "latest", "pending")
    }
    justified = chain.beacon.justified.execution
    assert justified is not None
    assert numbers == {
        "earliest": 0,
        "finalized": chain.finalized.number,
        "safe": justified.block_number,
        "latest": chain.head.number,
        "pending": chain.head.number,
    }
    assert numbers["finalized"] < numbers["safe"] < numbers["latest"]


async def test_tags_reach_state_logs_and_counts(chain: LocalEthereumChain, client: Client) -> None:
    wallet = Wallet(client, chain)
    emitter = await wallet.deploy(EMITTER)
    at = {"address": "0x" + emitter.hex(), "fromBlock": "earliest"}
    await wallet.send(emitter, word(2))
    sent = (await chain.mine()).number
    slot = "0x" + word(0).hex()
    assert await client.call("eth_getStorageAt", at["address"], slot, "latest") == "0x" + word(2).hex()
    assert await client.call("eth_getStorageAt", at["address"], slot, "finalized") == "0x" + word(0).hex()
    assert len(await client.call("eth_getLogs", at | {"toBlock": "latest"})) == 2
    assert await client.call("eth_getLogs", at | {"toBlock": "finalized"}) == []
    await chain.advance_to_finality()
    assert chain.finalized.number >= sent
    assert await client.call("eth_getStorageAt", at["address"], slot, "finalized") == "0x" + word(2).hex()
    assert len(await client.call("eth_getLogs", at | {"toBlock": "finalized"})) == 2


async def test_storage_is_proven_by_what_the_committee_signed(
    chain: LocalEthereumChain, client: Client
) -> None:
    """From the checkpoint's root to a word of storage, and nothing believed on the way."""
    trusted = chain.checkpoint.root
    wallet = Wallet(client, chain)
    emitter = await wallet.deploy(EMITTER)
    await wallet.send(emitter, word(3))
    await chain.mine()
    await chain.advance_to_finality()
    bootstrap, update = chain.beacon.bootstrap(trusted), chain.beacon.newest_update()
    assert bootstrap is not None
    assert update is not None
    store = initialize_light_client_store(trusted, bootstrap, chain.network)
    store = process_light_client_update(store, update, chain.slot, chain.network)
    execution = store.finalized_header.execution
    assert execution is not None
    proof = await client.call(
        "eth_getProof", "0x" + emitter.hex(), ["0x" + word(0).hex()], hex(execution.block_number)
    )
    nodes = [bytes.fromhex(node[2:]) for node in proof["accountProof"]]
    account = verify_account(execution.state_root, emitter, nodes)
    assert account is not None
    slot_nodes = [bytes.fromhex(node[2:]) for node in proof["storageProof"][0]["proof"]]
    assert verify_storage(account.storage_root, word(0), slot_nodes) == word(3)


async def test_contracts_see_the_chain_that_clients_see(chain: LocalEthereumChain, client: Client) -> None:
    """Unlike on sealed chains. Only the beacon chain's roots (EIP-4788) are missing."""
    wallet = Wallet(client, chain)
    witness = await wallet.deploy(WITNESS)
    await wallet.send(witness, b"")
    block = await chain.mine()
    header = await client.call("eth_getBlockByNumber", hex(block.number), False)
    seen = [
        await client.call("eth_getStorageAt", "0x" + witness.hex(), "0x" + word(slot).hex(), "latest")
        for slot in range(4)
    ]
    assert seen[0] == header["parentHash"] == "0x" + chain.block(block.number - 1).hash.hex()
    assert seen[1] == header["mixHash"]
    assert int(seen[2], 16) == int(header["miner"], 16)
    assert int(seen[3], 16) == block.timestamp
    assert header["parentBeaconBlockRoot"] == "0x" + "00" * 32


async def test_transactions_are_in_the_payloads_tree(chain: LocalEthereumChain, client: Client) -> None:
    wallet = Wallet(client, chain)
    for _ in range(3):
        await wallet.send(b"\x11" * 20, b"")
    block = await chain.mine()
    beacon = chain.beacon.head.execution
    empty = chain.beacon.genesis.execution
    assert beacon is not None
    assert empty is not None
    from relayer.consensus.ethereum.local.payload import transactions_root

    assert beacon.block_number == block.number
    assert beacon.transactions_root == transactions_root(wallet.sent) != empty.transactions_root


async def test_old_state_is_kept_for_proofs_at_the_finalized_block(
    chain: LocalEthereumChain, client: Client
) -> None:
    with chain.faults.on(WithheldFinality()):
        await chain.advance(190)
    assert chain.head.number - chain.finalized.number >= 190
    for tag in ("finalized", hex(chain.finalized.number + 1)):
        assert (await client.call("eth_getProof", "0x" + "11" * 20, [], tag))["accountProof"]


async def test_heads_are_published(chain: LocalEthereumChain) -> None:
    async with open_socket(chain.rpc_servers[0]) as socket:
        heads = await socket.call("eth_subscribe", "newHeads")
        await chain.advance(2)
        for back in (1, 0):
            head = await socket.event(heads)
            assert head["hash"] == "0x" + chain.block(chain.head.number - back).hash.hex()


async def test_slots_pass_by_the_clock_and_never_from_the_future() -> None:
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=SLOT_S)) as chain:
        began, first = time.monotonic(), chain.head.number
        last = await chain.wait_for(first + 25)
        took = time.monotonic() - began
        assert 25 * SLOT_S - 0.2 <= took < 20
        for number in range(1, last.number + 1):
            block = chain.block(number)
            assert block.timestamp == chain.network.timestamp_at(block.slot) <= time.time()
            assert block.slot > chain.block(number - 1).slot
        # Finality follows by itself.
        assert chain.finalized.number > 2


async def test_mining_by_hand_waits_for_the_clock() -> None:
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=SLOT_S)) as chain:
        for _ in range(3):
            block = await chain.mine()
            assert block.timestamp <= time.time()
            assert chain.network.slot_duration_ms * block.slot <= 1000 * (
                time.time() - chain.network.genesis_time
            )


async def test_a_stall_passes_slots_without_blocks() -> None:
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=SLOT_S)) as chain:
        with chain.faults.on(Stall()):
            await asyncio.sleep(SLOT_S)
            before = chain.head
            await asyncio.sleep(5 * SLOT_S)
            assert chain.head == before
            passed = chain.slot
        assert passed >= before.slot + 3
        after = await chain.wait_for(before.number + 1)
        assert after.slot > passed


async def test_a_pause_of_the_machine_leaves_light_clients_a_way() -> None:
    """Two periods pass while nothing runs: a client from before must be able to follow."""
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=0.05)) as chain:
        trusted, began = chain.checkpoint.root, chain.slot
        async with chain.paused():
            await asyncio.sleep(130 * 0.05)
        await chain.wait_for(chain.head.number + 20)
        assert chain.slot > began + 128
        bootstrap = chain.beacon.bootstrap(trusted)
        assert bootstrap is not None
        store = initialize_light_client_store(trusted, bootstrap, chain.network)
        for update in chain.beacon.updates(Period(0), 9):
            store = process_light_client_update(store, update, chain.slot, chain.network)
        assert store.finalized_header.beacon.slot >= 128


async def test_time_on_demand_ends_at_the_wall_clock() -> None:
    async with LocalEthereumChain("eth", ON_DEMAND, slot_time_s=1, genesis_ago_s=40) as chain:
        await chain.advance(14)
        with pytest.raises(DevnetError, match="lies in the future"):
            await chain.advance(5)
        with pytest.raises(DevnetError, match="has passed"):
            await chain.advance_to(chain.slot)


async def test_a_chain_with_a_clock_is_not_pushed() -> None:
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=SLOT_S)) as chain:
        with pytest.raises(DevnetError, match="a chain on demand"):
            await chain.advance(1)
        sent = chain.head.number
        assert (await chain.advance_to_finality()).number <= chain.finalized.number
        assert chain.finalized.number >= sent


async def test_participation(chain: LocalEthereumChain) -> None:
    with chain.faults.on(LowParticipation(share=0.5)):
        await chain.advance()
    assert chain.beacon.head.aggregate.participants == 16
    members = chain.beacon.keys.members(Period(0))
    away = frozenset(members[:3])
    with chain.faults.on(LowParticipation(absent=away, times=2)):
        await chain.advance(2)
        bits = chain.beacon.head.aggregate.sync_committee_bits
        assert {member for member, bit in zip(members, bits, strict=True) if not bit} == away
        await chain.advance()
    assert chain.beacon.head.aggregate.participants == 32


async def test_withheld_finality(chain: LocalEthereumChain) -> None:
    with chain.faults.on(WithheldFinality()):
        await chain.advance(40)
        assert chain.checkpoint.slot == 8
    await chain.advance(40)
    assert chain.checkpoint.slot > 64


async def test_missed_slots(chain: LocalEthereumChain) -> None:
    number, slot = chain.head.number, chain.slot
    with chain.faults.on(MissedSlots(every=2)):
        await chain.advance(10)
    assert (chain.head.number, chain.slot) == (number + 5, slot + 10)
    chain.faults.start(MissedSlots(times=3))
    await chain.advance(4)
    assert (chain.head.number, chain.slot) == (number + 6, slot + 14)


async def test_faults_of_other_chains_are_refused(chain: LocalEthereumChain) -> None:
    with pytest.raises(SpecError, match="the fault rounds on a chain where it has no meaning"):
        chain.faults.start(Rounds())


async def test_a_fork_comes_at_its_epoch() -> None:
    forks = {ForkName.DENEB: 0, ForkName.ELECTRA: 6}
    async with LocalEthereumChain("eth", ON_DEMAND, forks=forks) as chain:
        trusted = chain.checkpoint.root
        seen = {chain.beacon.head.fork.name}
        store = None
        for _ in range(70):
            await chain.advance()
            seen.add(chain.beacon.head.fork.name)
            if store is None:
                bootstrap = chain.beacon.bootstrap(trusted)
                assert bootstrap is not None
                store = initialize_light_client_store(trusted, bootstrap, chain.network)
            update = chain.beacon.newest_update()
            assert update is not None
            store = process_light_client_update(store, update, chain.slot, chain.network)
        assert store is not None
        assert seen == {ForkName.DENEB, ForkName.ELECTRA}
        assert store.finalized_header.beacon == chain.checkpoint.header
        assert chain.checkpoint.fork.name is ForkName.ELECTRA


async def test_the_mainnet_preset_on_demand() -> None:
    """What the gas bench needs: 512 members, finality and a change of committees, within seconds."""
    began = time.monotonic()
    async with LocalEthereumChain(
        "eth", ON_DEMAND, preset=MAINNET, validators=512, slot_time_s=12, genesis_ago_s=300_000
    ) as chain:
        trusted = chain.checkpoint
        await chain.advance_to_period(2)
        await chain.advance_to_finality()
        assert chain.checkpoint.slot >= 2 * 8192
        bootstrap = chain.beacon.bootstrap(trusted.root)
        assert bootstrap is not None
        store = initialize_light_client_store(trusted.root, bootstrap, chain.network)
        updates = chain.beacon.updates(Period(0), 8)
        assert len(updates) == 3
        for update in updates:
            assert update.sync_aggregate.participants == 512
            store = process_light_client_update(store, update, chain.slot, chain.network)
        newest = chain.beacon.newest_update()
        assert newest is not None
        store = process_light_client_update(store, newest, chain.slot, chain.network)
        assert store.finalized_header.beacon.slot == chain.checkpoint.slot
    assert time.monotonic() - began < 20


async def test_misbehaviour_on_request(chain: LocalEthereumChain) -> None:
    lie, usurped = chain.equivocate(), chain.usurp()
    honest = chain.beacon.newest_update()
    assert honest is not None
    assert lie.finalized_header.beacon.slot == honest.finalized_header.beacon.slot
    assert lie.finalized_header != honest.finalized_header
    assert usurped.next_sync_committee != honest.next_sync_committee


async def test_stopping_leaves_nothing() -> None:
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=SLOT_S, admin=True)) as chain:
        (pid,) = chain.pids
        ports = [int(url.rsplit(":", 1)[1]) for url in (chain.http_url, chain.beacon_url)]
        await chain.add_beacon_server()
        await chain.wait_for(chain.head.number + 2)
    assert not start_mark(pid)
    assert not running_pids()
    for port in ports:
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_network_of_both_sorts() -> None:
    async with Network("eth=ethereum@0.1,court=bft:4@0.1", ChainOptions(funded=1)) as network:
        eth, court = network.anvil_chain("eth"), network["court"]
        assert eth.chain_id != court.chain_id
        await asyncio.gather(eth.wait_for(eth.head.number + 2), court.wait_for(3))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "devnet"
    yield folder
    background.down(folder)


def test_a_background_network_tells_where_the_beacon_api_is(directory: Path) -> None:
    state = background.up("eth=ethereum,court=bft:4", directory)
    eth, court = state.chain("eth"), state.chain("court")
    assert (eth.kind, court.kind, eth.block_time_s) == ("ethereum", "bft", 0.25)
    beacon, checkpoint = eth.details.facts["beacon"], eth.details.facts["checkpoint"]
    assert eth.details.consensus == {"kind": "ethereum", "beacon": [beacon]}
    assert court.details.consensus == {"kind": "bft", "protocol": "qbft"}
    assert len(checkpoint["root"]) == 66
    assert (checkpoint["slot"], checkpoint["height"]) == (8, 2)
    assert background.heights(state)["eth"] is not None
    assert background.status(directory) == state
    assert background.down(directory)
    assert not any(process.is_running() for process in eth.processes)


@pytest.mark.parametrize(
    "options",
    [
        {"validators": 0},
        {"forks": {}},
        {"forks": {ForkName.ELECTRA: 3}},
        {"forks": {ForkName.GLOAS: 0}},
        {"forks": {ForkName.ELECTRA: 0, ForkName.DENEB: 4}},
    ],
)
def test_impossible_chains_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        LocalEthereumChain("eth", ON_DEMAND, **options)  # type: ignore[arg-type]  # wrong on purpose


def test_slot_is_what_it_says() -> None:
    chain = LocalEthereumChain("eth", ON_DEMAND)
    with pytest.raises(DevnetError, match="not started"):
        assert chain.slot == Slot(0)
    with pytest.raises(DevnetError, match="not started"):
        assert chain.beacon_url
