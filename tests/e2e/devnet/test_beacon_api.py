# SPDX-License-Identifier: MIT
"""The Beacon API of a local chain: formats of the standard, and every way to fail on demand."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import pytest

from light_clients.errors import Rejection
from light_clients.ethereum.config import MINIMAL, ForkName, Slot
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientOptimisticUpdate,
    LightClientUpdate,
)
from light_clients.ethereum.sync_protocol import (
    initialize_light_client_store,
    process_light_client_finality_update,
    process_light_client_update,
)
from relayer.consensus.ethereum.local.beacon_server import OPERATIONS
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.local.faults import (
    ETHEREUM_FAULTS,
    SecondFinality,
    StaleLightClient,
    WrongLightClient,
)
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.state.faults import DropConnections, RpcErrors, SlowAnswers, read_fault
from tests.support.devnet import ON_DEMAND, Client, Refused

SSZ: Final = "application/octet-stream"
LIGHT: Final = "/eth/v1/beacon/light_client"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


class Node:
    """A client of one endpoint."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str, accept: str | None = None) -> Answer:
        headers = {} if accept is None else {"Accept": accept}
        async with self._session.get(self.url + path, headers=headers) as answer:
            body = await answer.read()
            is_json = answer.content_type == "application/json"
            try:
                decoded = await answer.json() if is_json else None
            except ValueError:
                decoded = None
            return Answer(answer.status, answer.headers, body, decoded)


@pytest.fixture
async def chain() -> AsyncIterator[LocalEthereumChain]:
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=None, admin=True)) as started:
        yield started


@pytest.fixture
async def node(chain: LocalEthereumChain) -> AsyncIterator[Node]:
    async with aiohttp.ClientSession() as session:
        yield Node(chain.beacon_url, session)


async def test_objects_as_json_and_as_ssz_are_the_same(chain: LocalEthereumChain, node: Node) -> None:
    await chain.advance(60)
    trusted = "0x" + chain.checkpoint.root.hex()
    kinds: dict[str, tuple[type[Any], Any]] = {
        f"{LIGHT}/bootstrap/{trusted}": (LightClientBootstrap, chain.beacon.bootstrap(chain.checkpoint.root)),
        f"{LIGHT}/finality_update": (LightClientFinalityUpdate, chain.beacon.finality_update()),
        f"{LIGHT}/optimistic_update": (LightClientOptimisticUpdate, chain.beacon.optimistic_update()),
    }
    for path, (kind, expected) in kinds.items():
        plain, packed = await node.get(path), await node.get(path, SSZ)
        assert plain.headers["Content-Type"].startswith("application/json")
        assert packed.headers["Content-Type"] == SSZ
        assert plain.headers["Eth-Consensus-Version"] == packed.headers["Eth-Consensus-Version"] == "fulu"
        assert plain.json["version"] == "fulu"
        assert kind.from_versioned_json(plain.json, MINIMAL) == expected
        assert kind.decode_ssz(packed.body, ForkName.FULU, MINIMAL) == expected


async def test_updates_over_a_fork_in_both_forms() -> None:
    forks = {ForkName.CAPELLA: 0, ForkName.DENEB: 9, ForkName.FULU: 17}
    async with (
        LocalEthereumChain("eth", ON_DEMAND, forks=forks) as chain,
        aiohttp.ClientSession() as session,
    ):
        await chain.advance(200)
        node, config = Node(chain.beacon_url, session), chain.network
        path = f"{LIGHT}/updates?start_period=0&count=4"
        listed, packed = (await node.get(path)).json, (await node.get(path, SSZ)).body
        assert [entry["version"] for entry in listed] == ["capella", "deneb", "fulu", "fulu"]
        updates = [LightClientUpdate.from_versioned_json(entry, MINIMAL) for entry in listed]
        assert tuple(updates) == chain.beacon.updates(config.period_at(Slot(0)), 4)
        for update in updates:
            length, packed = int.from_bytes(packed[:8], "little"), packed[8:]
            chunk, packed = packed[:length], packed[length:]
            fork = config.fork_with_digest(chunk[:4])
            assert LightClientUpdate.decode_ssz(chunk[4:], fork.name, MINIMAL) == update
        assert not packed


async def test_what_a_client_takes_from_the_api_verifies(chain: LocalEthereumChain, node: Node) -> None:
    trusted = chain.checkpoint.root
    await chain.advance(150)
    bootstrap = LightClientBootstrap.from_versioned_json(
        (await node.get(f"{LIGHT}/bootstrap/0x{trusted.hex()}")).json, MINIMAL
    )
    store = initialize_light_client_store(trusted, bootstrap, chain.network)
    for entry in (await node.get(f"{LIGHT}/updates?start_period=0&count=128")).json:
        update = LightClientUpdate.from_versioned_json(entry, MINIMAL)
        store = process_light_client_update(store, update, chain.slot, chain.network)
    newest = LightClientFinalityUpdate.from_versioned_json(
        (await node.get(f"{LIGHT}/finality_update")).json, MINIMAL
    )
    store = process_light_client_finality_update(store, newest, chain.slot, chain.network)
    assert store.finalized_header.beacon == chain.checkpoint.header


async def test_the_network_is_described(chain: LocalEthereumChain, node: Node) -> None:
    spec = (await node.get("/eth/v1/config/spec")).json["data"]
    assert spec["PRESET_BASE"] == "minimal"
    sizes = ("SLOTS_PER_EPOCH", "EPOCHS_PER_SYNC_COMMITTEE_PERIOD", "SYNC_COMMITTEE_SIZE")
    assert [spec[size] for size in sizes] == ["8", "8", "32"]
    assert spec["SLOT_DURATION_MS"] == "250"
    for fork in chain.network.forks:
        assert spec[f"{fork.name.name}_FORK_VERSION"] == "0x" + fork.version.hex()
        assert spec[f"{fork.name.name}_FORK_EPOCH"] == str(fork.epoch)
    assert spec["GLOAS_FORK_EPOCH"] == str(2**64 - 1)
    genesis = (await node.get("/eth/v1/beacon/genesis")).json["data"]
    assert genesis["genesis_time"] == str(chain.network.genesis_time)
    assert genesis["genesis_validators_root"] == "0x" + chain.network.genesis_validators_root.hex()
    assert (await node.get("/eth/v1/node/version")).json["data"]["version"].startswith("postroad-devnet")
    assert (await node.get("/eth/v1/node/health")).status == 200
    syncing = (await node.get("/eth/v1/node/syncing")).json["data"]
    assert (syncing["head_slot"], syncing["sync_distance"], syncing["is_syncing"]) == ("25", "0", False)


async def test_headers_and_checkpoints(chain: LocalEthereumChain, node: Node) -> None:
    await chain.advance(20)
    beacon = chain.beacon
    named = {
        "head": beacon.head,
        "finalized": beacon.finalized,
        "genesis": beacon.genesis,
        "30": beacon.block_at(Slot(30)),
        "0x" + beacon.finalized.root.hex(): beacon.finalized,
    }
    for name, block in named.items():
        assert block is not None
        answer = (await node.get(f"/eth/v1/beacon/headers/{name}")).json
        assert answer["data"]["root"] == "0x" + block.root.hex()
        message = answer["data"]["header"]["message"]
        assert message["slot"] == str(block.slot)
        assert message["state_root"] == "0x" + block.header.state_root.hex()
        assert answer["finalized"] == (block.slot <= beacon.finalized.slot)
    found = (await node.get("/eth/v1/beacon/states/head/finality_checkpoints")).json["data"]
    assert found["finalized"] == {
        "epoch": str(beacon.head.finality.finalized.epoch),
        "root": "0x" + beacon.finalized.root.hex(),
    }
    assert int(found["current_justified"]["epoch"]) == int(found["finalized"]["epoch"]) + 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{LIGHT}/bootstrap/0x{'11' * 32}", 404),
        (f"{LIGHT}/bootstrap/0x11", 400),
        (f"{LIGHT}/bootstrap/{'11' * 32}", 400),
        (f"{LIGHT}/updates", 400),
        (f"{LIGHT}/updates?start_period=0", 400),
        (f"{LIGHT}/updates?start_period=-1&count=1", 400),
        (f"{LIGHT}/updates?start_period=0&count=0", 400),
        ("/eth/v1/beacon/headers/9", 404),
        ("/eth/v1/beacon/headers/newest", 400),
        ("/eth/v1/events?topics=head", 404),
        ("/", 404),
    ],
)
async def test_what_is_not_there(node: Node, path: str, status: int) -> None:
    answer = await node.get(path)
    assert answer.status == status == answer.json["code"]
    assert answer.json["message"]


async def test_updates_of_the_future_are_none(node: Node) -> None:
    answer = await node.get(f"{LIGHT}/updates?start_period=9&count=3")
    assert (answer.status, answer.json) == (200, [])


@pytest.mark.parametrize(
    ("accept", "is_ssz"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        (SSZ, True),
        (f"{SSZ};q=1.0,application/json;q=0.9", True),
        (f"{SSZ};q=0.5, application/json", False),
        (f"{SSZ}, application/json", True),
    ],
)
async def test_the_form_that_is_accepted(node: Node, accept: str | None, is_ssz: bool) -> None:
    answer = await node.get(f"{LIGHT}/finality_update", accept)
    assert (answer.headers["Content-Type"] == SSZ) is is_ssz


async def test_other_forms_are_refused(node: Node) -> None:
    assert (await node.get(f"{LIGHT}/finality_update", "text/html")).status == 406


@pytest.mark.parametrize(
    "how",
    [
        "signature",
        "participation",
        "header",
        "finality-branch",
        "committee-branch",
        "execution-branch",
        "committee",
    ],
)
async def test_wrong_updates_do_not_verify(chain: LocalEthereumChain, node: Node, how: str) -> None:
    bootstrap = chain.beacon.bootstrap(chain.checkpoint.root)
    assert bootstrap is not None
    store = initialize_light_client_store(chain.checkpoint.root, bootstrap, chain.network)
    await chain.advance(20)
    path = f"{LIGHT}/updates?start_period=0&count=1"
    chain.faults.start(read_fault({"kind": "wrong-light-client", "how": how, "times": 1}, ETHEREUM_FAULTS))
    wrong = LightClientUpdate.from_versioned_json((await node.get(path)).json[0], MINIMAL)
    with pytest.raises(Rejection):
        process_light_client_update(store, wrong, chain.slot, chain.network)
    right = LightClientUpdate.from_versioned_json((await node.get(path)).json[0], MINIMAL)
    process_light_client_update(store, right, chain.slot, chain.network)


@pytest.mark.parametrize("how", ["header", "committee-branch", "execution-branch", "committee"])
async def test_wrong_bootstraps_do_not_verify(chain: LocalEthereumChain, node: Node, how: str) -> None:
    root = chain.checkpoint.root
    chain.faults.start(read_fault({"kind": "wrong-light-client", "how": how}, ETHEREUM_FAULTS))
    answer = await node.get(f"{LIGHT}/bootstrap/0x{root.hex()}")
    wrong = LightClientBootstrap.from_versioned_json(answer.json, MINIMAL)
    with pytest.raises(Rejection):
        initialize_light_client_store(root, wrong, chain.network)


async def test_garbage(chain: LocalEthereumChain, node: Node) -> None:
    chain.faults.start(WrongLightClient(how="garbage"))
    for path in ("finality_update", "updates?start_period=0&count=1", "optimistic_update"):
        answer = await node.get(f"{LIGHT}/{path}")
        assert (answer.status, answer.json) == (200, None)


async def test_a_second_finalized_block_is_signed_and_believed_by_whoever_sees_only_it(
    chain: LocalEthereumChain, node: Node
) -> None:
    bootstrap = chain.beacon.bootstrap(chain.checkpoint.root)
    assert bootstrap is not None
    store = initialize_light_client_store(chain.checkpoint.root, bootstrap, chain.network)
    await chain.advance(20)
    with chain.faults.on(SecondFinality()):
        lie = (await node.get(f"{LIGHT}/finality_update")).json
    honest = (await node.get(f"{LIGHT}/finality_update")).json
    found = []
    for answer in (lie, honest):
        update = LightClientFinalityUpdate.from_versioned_json(answer, MINIMAL)
        after = process_light_client_finality_update(store, update, chain.slot, chain.network)
        found.append(after.finalized_header)
    assert found[0] != found[1]
    assert found[0].beacon.slot == found[1].beacon.slot


async def test_a_node_that_is_stuck(chain: LocalEthereumChain, node: Node) -> None:
    paths = ("finality_update", "optimistic_update", "updates?start_period=0&count=9")
    before = [(await node.get(f"{LIGHT}/{path}")).json for path in paths]
    fault = chain.faults.start(StaleLightClient())
    await chain.advance(100)
    assert [(await node.get(f"{LIGHT}/{path}")).json for path in paths] == before
    assert (await node.get("/eth/v1/beacon/headers/head")).json["data"][
        "root"
    ] == "0x" + chain.beacon.head.root.hex()
    chain.faults.stop(fault)
    after = [(await node.get(f"{LIGHT}/{path}")).json for path in paths]
    assert all(new != old for new, old in zip(after, before, strict=True))
    assert len(after[2]) == 2


async def test_errors_on_demand(chain: LocalEthereumChain, node: Node) -> None:
    with chain.faults.on(RpcErrors(methods=frozenset({"beacon_finality_update"}))):
        answer = await node.get(f"{LIGHT}/finality_update")
        assert (answer.status, answer.json["code"]) == (500, 500)
        assert (await node.get(f"{LIGHT}/optimistic_update")).status == 200
        assert await chain.rpc("eth_chainId") == hex(chain.chain_id)
    with chain.faults.on(RpcErrors(http_status=404, methods=OPERATIONS)):
        assert (await node.get("/eth/v1/node/health")).status == 404
    with chain.faults.on(SlowAnswers(delay_s=0.2, methods=OPERATIONS)):
        began = time.monotonic()
        assert (await node.get("/eth/v1/beacon/genesis")).status == 200
        assert time.monotonic() - began >= 0.2
    with (
        chain.faults.on(DropConnections(methods=OPERATIONS)),
        pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)),
    ):
        await node.get("/eth/v1/beacon/genesis")
    assert (await node.get("/eth/v1/beacon/genesis")).status == 200


async def test_endpoints_fail_singly(chain: LocalEthereumChain, node: Node) -> None:
    other = await chain.add_beacon_server()
    other.faults.start(RpcErrors(http_status=503))
    async with aiohttp.ClientSession() as session:
        assert (await Node(other.url, session).get("/eth/v1/node/health")).status == 503
    assert (await node.get("/eth/v1/node/health")).status == 200


async def test_the_admin_rpc_does_it_from_another_process(chain: LocalEthereumChain, node: Node) -> None:
    assert chain.admin_url is not None
    async with Client(chain.admin_url) as admin:
        before = chain.head.number
        assert await admin.call("postroad_advance", 5) == hex(before + 5)
        assert await admin.call("postroad_finalize") == hex(before + 5)
        assert chain.finalized.number >= before + 5
        number = await admin.call("postroad_fault", {"kind": "participation", "share": 0.25})
        await admin.call("postroad_mine", 1)
        assert chain.beacon.head.aggregate.participants == 8
        await admin.call("postroad_stopFault", number)
        with pytest.raises(Refused, match="missed-slots, participation"):
            await admin.call("postroad_fault", {"kind": "missing-seals"})
        with pytest.raises(Refused, match="expected one of"):
            await admin.call("postroad_addValidator")
