# SPDX-License-Identifier: MIT
"""A joined network for a relayer: endpoints deployed as operators do it, a configuration file, keys,
and test contracts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from light_clients.hashing import keccak256
from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.config.editing import save_endpoint
from relayer.contracts import Build, load
from relayer.devnet.chain.local_chain import LocalChain
from relayer.devnet.network.join import consensus_table
from relayer.endpoint.apply import apply_plan, created_address
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.plan import found_endpoint, make_plan
from relayer.journal.store import Journal
from relayer.keys import SCRYPT_N_DEVNET, Key, KeyStore
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import Lane, endpoint_id
from relayer.protocol.message import EndpointId

PASSWORD_VARIABLE = "POSTROAD_TEST_PASSWORD"
PASSWORD = "for local chains only"
RECEIVED = keccak256(b"Received(bytes32,bytes,bytes)")


async def count_pending(node: Node, account: bytes) -> int:
    """An account's transactions, those that wait for a block included."""
    return int(await node.request("eth_getTransactionCount", ["0x" + account.hex(), "pending"]), 16)


@dataclass(frozen=True)
class ChainAccess:
    """How to reach a local chain, wherever it runs.

    `consensus`: the keys of `[chains.NAME.consensus]`; `secrets`: private keys with
    money, the relayer's last; `build`: of test contracts, by default the best.
    """

    name: str
    consensus: Mapping[str, Any]
    chain_id: int
    http_url: str
    ws_url: str
    secrets: tuple[bytes, ...]
    build: Build | None = None


@dataclass
class Place:
    """A chain with everything that tests use on it."""

    access: ChainAccess
    node: Node
    deployer: Key
    user: Key
    gateway: bytes = b""
    postbox: bytes = b""
    multisender: bytes = b""
    endpoint: EndpointId = field(default_factory=lambda: EndpointId(b""))
    nonces: dict[bytes, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.access.name

    def interop(self, account: bytes) -> bytes:
        """ERC-7930 bytes of an account of this chain."""
        return InteropAddress.evm(self.access.chain_id, account).to_bytes()

    async def transact(self, to: bytes | None, data: bytes, gas: int, *, key: Key | None = None) -> bytes:
        """Sign and broadcast; the transaction's hash. Nonces are counted here: one process uses a key."""
        key = key or self.user
        if key.address not in self.nonces:
            self.nonces[key.address] = await count_pending(self.node, key.address)
        market = await self.node.market()
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": self.access.chain_id,
            "nonce": self.nonces[key.address],
            "value": 0,
            "data": data,
            "gas": gas,
            "maxFeePerGas": 4 * (market.base_fee_wei or 0) + 2 * 10**9,
            "maxPriorityFeePerGas": 10**9,
        }
        if to is not None:
            transaction["to"] = to
        raw, tx_hash = key.sign_transaction(transaction)
        await self.node.request("eth_sendRawTransaction", ["0x" + raw.hex()])
        self.nonces[key.address] += 1
        return tx_hash

    async def included(self, tx_hash: bytes, timeout_s: float = 30.0) -> int:
        """Wait for a transaction; the block that has it."""
        async with asyncio.timeout(timeout_s):
            while (mined := await self.node.mined(tx_hash)) is None:  # noqa: ASYNC110  a chain has no event to wait for
                await asyncio.sleep(0.05)
        assert mined.succeeded, f"a transaction on {self.name} reverted"
        return mined.block_number

    async def create(self, contract: str, *arguments: object) -> bytes:
        data = load(contract, self.access.build).encode_creation(*arguments)
        nonce = await count_pending(self.node, self.user.address)
        await self.included(await self.transact(None, data, 3_000_000))
        return created_address(self.user.address, nonce)


@dataclass
class RelayNet:
    """The joined network."""

    folder: Path
    places: dict[str, Place]

    @property
    def config_path(self) -> Path:
        return self.folder / "postroad.toml"

    @property
    def config(self) -> Config:
        return configuration.load(self.config_path, {PASSWORD_VARIABLE: PASSWORD})

    def lane(self, source: str, destination: str) -> Lane:
        return Lane(self.places[source].endpoint, self.places[destination].endpoint)

    async def send_counted(
        self,
        source: str,
        destination: str,
        count: int,
        seed: int,
        *,
        recipient: bytes | None = None,
        gas: int = 0,
    ) -> bytes:
        """Send `count` messages in one transaction through the Multisender; its hash."""
        here, there = self.places[source], self.places[destination]
        to = there.interop(recipient or there.postbox)
        data = load("Multisender").encode_call("sendCounted", to, count, seed, [])
        return await here.transact(here.multisender, data, gas or 100_000 + 60_000 * count)

    async def word(self, source: str, destination: str, page: int) -> int:
        data = load("Gateway").encode_call("delivered", self.lane(source, destination).id, page)
        answer = await self.places[destination].node.call(self.places[destination].gateway, data)
        return int.from_bytes(answer)

    async def next_sequence(self, source: str, destination: str) -> int:
        data = load("Gateway").encode_call("outboundLane", self.lane(source, destination).id)
        answer = await self.places[source].node.call(self.places[source].gateway, data)
        return int.from_bytes(answer[:32])

    async def delivered_count(self, source: str, destination: str, total: int) -> int:
        words = [await self.word(source, destination, page) for page in range((total + 255) // 256)]
        return sum(word.bit_count() for word in words)

    async def await_delivered(
        self, source: str, destination: str, total: int, *, missing: int = 0, timeout_s: float = 60.0
    ) -> None:
        """Wait until the destination's inbox has the bits of a lane's first `total` messages,
        all but `missing`.
        """
        count = 0
        try:
            async with asyncio.timeout(timeout_s):
                while count < total - missing:
                    count = await self.delivered_count(source, destination, total)
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(
                f"{count} of {total} messages {source} > {destination} in {timeout_s} s, expected {total - missing}"
            ) from None

    def open_journal(self) -> Journal:
        """The relayer's journal, beside the relayer."""
        return Journal.open(f"sqlite:///{self.folder / 'postroad.db'}", read_only=True)

    async def await_settled(self, source: str, destination: str, total: int, timeout_s: float = 60.0) -> None:
        """Wait until the journal calls a lane's first `total` messages final."""
        settled = 0
        try:
            async with asyncio.timeout(timeout_s):
                while settled < total:
                    await asyncio.sleep(0.2)
                    with self.open_journal() as journal, journal.reading() as reading:
                        lanes = [lane for lane in reading.lanes() if lane.destination == destination]
                        settled = sum(lane.settled for lane in lanes if lane.source == source)
        except TimeoutError:
            raise AssertionError(f"{settled} of {total} messages final in {timeout_s} s") from None

    async def receipts_by_id(self, name: str) -> dict[str, int]:
        """How often the postbox of a chain has received each id."""
        place = self.places[name]
        newest = int(str((await place.node.block("latest"))["number"]), 16)
        counts: dict[str, int] = {}
        first = 0
        while first <= newest:
            last = min(newest, first + 19)
            for log in await place.node.logs(place.postbox, [RECEIVED], first, last):
                counts[log["topics"][1]] = counts.get(log["topics"][1], 0) + 1
            first = last + 1
        return counts

    async def close(self) -> None:
        for place in self.places.values():
            await place.node.close()


def access_of(chain: LocalChain) -> ChainAccess:
    """A chain of this process, as the relayer reaches it."""
    secrets = tuple(key.secret for key in chain.funded_keys)
    return ChainAccess(
        chain.name, chain.describe().consensus, chain.chain_id, chain.http_url, chain.ws_url, secrets
    )


async def join_network(
    folder: Path,
    chains: Sequence[ChainAccess],
    *,
    extra: str = "",
    per_chain: str = "",
    lanes: Sequence[tuple[str, str]] = (),
    websocket: bool = True,
) -> RelayNet:
    """Deploy endpoints and test contracts on chains that run, and write the relayer's
    configuration into `folder`.

    `extra` is put before the chains' tables, `per_chain` into each of them.
    """
    keys = KeyStore(folder / "keys")
    text = f'[keys]\npassword_env = "{PASSWORD_VARIABLE}"\n\n{extra}\n'
    for access in chains:
        keys.import_private_key(
            f"relayer-{access.name}", access.secrets[-1].hex(), PASSWORD, scrypt_n=SCRYPT_N_DEVNET
        )
        socket = f'websocket = ["{access.ws_url}"]\n' if websocket else ""
        text += (
            f'[chains.{access.name}]\nchain = "eip155:{access.chain_id}"\nrpc = ["{access.http_url}"]\n{socket}'
            f'keys = ["relayer-{access.name}"]\n{per_chain}\n{consensus_table(access.name, access.consensus)}\n'
        )
    for source, destination in lanes:
        text += f'[[lanes]]\nsource = "{source}"\ndestination = "{destination}"\n\n'
    net = RelayNet(folder, {})
    net.config_path.write_text(text)
    for access in chains:
        net.places[access.name] = Place(
            access=access,
            node=Node.over(access.name, [access.http_url]),
            deployer=Key("deployer", access.secrets[0]),
            user=Key("user", access.secrets[1]),
        )
    await _deploy(net)
    await asyncio.gather(*(_add_contracts(place) for place in net.places.values()))
    return net


async def _deploy(net: RelayNet) -> None:
    config, manifest = net.config, Manifest(net.config.manifest_path)
    nodes = {name: place.node for name, place in net.places.items()}
    keys = {name: place.deployer for name, place in net.places.items()}
    names = list(net.places)
    pairs = [(on, remote) for on in names for remote in names if on != remote]
    deployers = {name: key.address for name, key in keys.items()}
    plan = await make_plan(config, manifest, nodes, deployers, pairs)
    await apply_plan(plan, config, manifest, nodes, keys)
    for name, place in net.places.items():
        record = Manifest(config.manifest_path).get(name)
        assert record is not None
        assert record.gateway is not None
        place.gateway = bytes(record.gateway.address)
        genesis_hash = bytes(record.genesis_hash)
        place.endpoint = endpoint_id(place.interop(place.gateway), genesis_hash)
        endpoint = found_endpoint(plan, config, Manifest(config.manifest_path), name)
        save_endpoint(net.config_path, name, endpoint)


async def _add_contracts(place: Place) -> None:
    place.postbox = await place.create("Postbox", place.gateway)
    place.multisender = await place.create("Multisender", place.gateway)


def write_json(path: Path, value: object) -> None:
    """A figure's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")
