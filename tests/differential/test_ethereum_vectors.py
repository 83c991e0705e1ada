# SPDX-License-Identifier: MIT
"""Light-client objects of real networks, through the codec and the deployed contract: INV-8 on what nobody of
us made.

`-s` shows the gas of each transaction. Skipped where the shared vectors are absent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from light_clients.client import Timestamp
from light_clients.ethereum.client import EthereumClient, EthereumParams
from light_clients.ethereum.codec import (
    FinalizingUpdate,
    encode_anchor,
    encode_misbehaviour,
    encode_proof,
    encode_update,
)
from light_clients.ethereum.config import (
    MAINNET,
    MAINNET_CONFIG,
    SEPOLIA_CONFIG,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Period,
    Slot,
)
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.params import least_threshold
from light_clients.proofs import mpt
from relayer.consensus.ethereum.local.payload import payload_of_block
from relayer.consensus.ethereum.local.simulation import Simulation
from relayer.contracts import load
from tests.conformance.beacon_updates import (
    SEPOLIA_CONTRACT,
    portal_contents,
    portal_object,
    portal_updates,
    read,
    read_answers,
    read_eureka,
)
from tests.conformance.case import read_json, unhex
from tests.differential.clients import Case, Deployed, compare, deploy, live_on
from tests.differential.ethereum_twins import BEACON, creation_of
from tests.differential.evm import Anvil
from tests.support.beacon_json import beacon_api
from tests.support.mutation import mutate

TRUSTING_PERIOD, DRIFT = 30 * 86_400, 15
Record = Any


@pytest.fixture
def updates(shared_vectors: Path) -> Path:
    return shared_vectors / "beacon_updates"


class Follower:
    """A client and its twin on their way through a network's objects, each one sent as a transaction."""

    def __init__(
        self,
        anvil: Anvil,
        authority: bytes,
        config: NetworkConfig,
        slot: Slot,
        committee: SyncCommittee,
        following: SyncCommittee | None = None,
    ) -> None:
        size = config.preset.sync_committee_size
        self.params = EthereumParams.of(config, least_threshold(size), TRUSTING_PERIOD, DRIFT)
        known = following.hash_tree_root() if following else None
        client = EthereumClient.bootstrap(self.params, slot, committee.hash_tree_root(), known)
        self.anvil = anvil
        self.committees: dict[int, SyncCommittee] = {config.period_at(slot): committee}
        if following:
            self.committees[config.period_at(slot) + 1] = following
        creation = creation_of(client, authority)
        self.deployed: Deployed = deploy(anvil, BEACON, client, creation, [], client.timestamp)
        self.rng = random.Random(slot)

    def signer(self, update: FinalizingUpdate) -> SyncCommittee:
        return self.committees[self.params.period_at(update.signature_slot)]

    def update(self, update: FinalizingUpdate) -> None:
        committee = self.signer(update)
        self.send("update", encode_update(update, committee, self.params), update)
        after = self.deployed.client.state
        # Some networks' first update lies below the bootstrap, and only shows the next committee.
        assert after.finalized_slot >= update.finalized_header.beacon.slot
        if isinstance(update, LightClientUpdate) and update.next_sync_committee is not None:
            period = self.params.period_at(update.attested_header.beacon.slot) + 1
            self.committees[period] = update.next_sync_committee
            assert after.next_committee == update.next_sync_committee.hash_tree_root()

    def anchor(self, update: FinalizingUpdate) -> None:
        self.send("anchor", encode_anchor(update, self.signer(update), self.params), update)
        execution, found = update.finalized_header.execution, self.deployed.client.state.anchor
        assert execution is not None
        assert (found.height, found.state_root) == (execution.block_number, execution.state_root)
        # Not all networks' blocks have their slot's time, but these do.
        assert found.timestamp == execution.timestamp

    def refuse(self, method: str, data: bytes, update: FinalizingUpdate) -> None:
        """Neither side believes it, nor anything near it."""
        verdicts = compare(self.anvil, self.deployed, [self._case(method, data, update)], "refused")
        assert verdicts == {(method, False): 1}

    def send(self, method: str, data: bytes, update: FinalizingUpdate) -> None:
        """Send one, after both refused some that are nearly the same."""
        # Of an update, that is, all but its front: the signature's slot is not signed, and may be another of
        # the period.
        near = [self._case(method, data[:9] + mutate(self.rng, data[9:]), update) for _ in range(3)]
        verdicts = compare(self.anvil, self.deployed, near, f"{method} at {update.signature_slot}")
        assert verdicts == {(method, False): 3}
        early = Case(method, data, now=self._time(update) - DRIFT - 1)
        assert compare(self.anvil, self.deployed, [early], "early")[method, False] == 1
        case = self._case(method, data, update)
        assert compare(self.anvil, self.deployed, [case], f"{method} at {update.signature_slot}")[
            method, True
        ]
        self.deployed, gas = live_on(self.anvil, self.deployed, case)
        signed = update.sync_aggregate.participants
        print(f"{method:7} slot {update.signature_slot} signed by {signed}: {len(data)} bytes, {gas} gas")

    def _case(self, method: str, data: bytes, update: FinalizingUpdate) -> Case:
        return Case(method, data, now=self._time(update))

    def _time(self, update: FinalizingUpdate) -> Timestamp:
        return self.params.timestamp_at(update.signature_slot)


def begin(anvil: Anvil, authority: bytes, config: NetworkConfig, bootstrap: LightClientBootstrap) -> Follower:
    return Follower(anvil, authority, config, bootstrap.header.beacon.slot, bootstrap.current_sync_committee)


def begin_period(
    anvil: Anvil, authority: bytes, config: NetworkConfig, slot: Slot, committee: SyncCommittee
) -> Follower:
    """Trust from the first slot of a period, where no bootstrap comes with the committee."""
    first = Slot(config.period_at(slot) * config.preset.slots_per_period)
    return Follower(anvil, authority, config, first, committee)


def follow(follower: Follower, updates: Sequence[LightClientUpdate]) -> None:
    for update in updates:
        follower.update(update)
        if update.finalized_header.execution is not None:
            follower.anchor(update)


def test_mainnet_periods_290_to_321_in_a_row(anvil: Anvil, authority: bytes, updates: Path) -> None:
    folder = updates / "mainnet_altair_290_321"
    bootstrap = read(LightClientBootstrap, folder / "bootstrap_p290.json", ForkName.ALTAIR)
    follower = begin(anvil, authority, MAINNET_CONFIG, bootstrap)
    found = [read(LightClientUpdate, path, ForkName.ALTAIR) for path in sorted(folder.glob("0*.json"))]
    follow(follower, found)
    assert len(found) == 32
    assert MAINNET_CONFIG.period_at(follower.deployed.client.state.finalized_slot) == 321


def test_mainnet_from_bellatrix_to_capella(anvil: Anvil, authority: bytes, updates: Path) -> None:
    folder = updates / "mainnet_bellatrix_capella_755_760"
    (bootstrap,) = read_answers(LightClientBootstrap, folder / "bootstrap_slot_006184960.json")
    follower = begin(anvil, authority, MAINNET_CONFIG, bootstrap)
    paths = sorted(folder.glob("update_*.json"))
    follow(follower, [update for path in paths for update in read_answers(LightClientUpdate, path)])
    assert MAINNET_CONFIG.period_at(follower.deployed.client.state.finalized_slot) == 760


def test_mainnet_bellatrix_713(anvil: Anvil, authority: bytes, updates: Path) -> None:
    folder, fork = updates / "mainnet_bellatrix_713", ForkName.BELLATRIX
    update = read(LightClientUpdate, next(folder.glob("*update_slot*.json")), fork)
    committee = read(SyncCommittee, folder / "mainnet_sync_committee_period_713.json", fork)
    follower = begin_period(anvil, authority, MAINNET_CONFIG, update.signature_slot, committee)
    follow(follower, [update])


def test_mainnet_capella(anvil: Anvil, authority: bytes, updates: Path) -> None:
    folder = updates / "mainnet_capella_862_864"
    (bootstrap,) = read_answers(LightClientBootstrap, folder / "bootstrap.json")
    # The bootstrap lies above the first update, which teaches the next committee all the same.
    follower = begin(anvil, authority, MAINNET_CONFIG, bootstrap)
    follow(follower, read_answers(LightClientUpdate, folder / "updates_862_864.json"))


def test_mainnet_deneb(anvil: Anvil, authority: bytes, updates: Path) -> None:
    content = {path.stem: portal_contents(path) for path in (updates / "mainnet_portal_deneb").glob("*.yaml")}
    found = [
        portal_object(LightClientUpdate, portal_update)
        for portal_update in portal_updates(content["updates"][0])
    ]
    (bootstrap,) = (portal_object(LightClientBootstrap, item) for item in content["bootstrap"])
    # As before.
    follow(begin(anvil, authority, MAINNET_CONFIG, bootstrap), found)


def test_sepolia_deneb(anvil: Anvil, authority: bytes, updates: Path) -> None:
    folder, fork = updates / "sepolia_deneb_800", ForkName.DENEB
    update = read(LightClientUpdate, folder / "light_client_update_6553725.json", fork)
    committee = read(SyncCommittee, folder / "sync_committee_6553725.json", fork)
    follow(begin_period(anvil, authority, SEPOLIA_CONFIG, update.signature_slot, committee), [update])


def test_sepolia_electra_down_to_an_account(anvil: Anvil, authority: bytes, updates: Path) -> None:
    """Finality, rotation, and a contract's account under the state roots that the contract anchored."""
    folder, fork = updates / "sepolia_electra_874_875", ForkName.ELECTRA
    current, following = (
        read(SyncCommittee, folder / f"{which}_sync_committee_7167008.json", fork)
        for which in ("current", "next")
    )
    follower = Follower(anvil, authority, SEPOLIA_CONFIG, Slot(7_166_976), current, following)
    first, second = (
        LightClientFinalityUpdate.from_json(
            beacon_api(read_json(folder / name), fork, MAINNET), fork, MAINNET
        )
        for name in ("finality_update_7167008.json", "finality_update_7167040.json")
    )
    follower.update(first)
    follower.anchor(first)
    follower.update(second)
    follower.anchor(second)
    check_anchored_account(follower, folder / "account_proof_7167040.json")
    # Old words: refused by both, for trust has moved on.
    follower.refuse("update", encode_update(first, current, follower.params), second)
    follower.refuse(
        "freeze", encode_misbehaviour((first, current), (second, current), follower.params), second
    )

    rotation = read(LightClientUpdate, folder / "period_changing_update_7167040.json", fork)
    follower.update(rotation)
    follower.anchor(rotation)
    check_anchored_account(follower, folder / "account_proof_7168000.json")
    state = follower.deployed.client.state
    assert state.committee == following.hash_tree_root()
    assert state.next_committee == rotation.next_sync_committee.hash_tree_root()


def check_anchored_account(follower: Follower, path: Path) -> None:
    anchor = follower.deployed.client.state.anchor
    account = mpt.verify_account(anchor.state_root, SEPOLIA_CONTRACT, list(map(unhex, read_json(path))))
    assert account is not None
    assert account.nonce == 1


def test_a_devnet_over_fulu_down_to_a_storage_slot(anvil: Anvil, authority: bytes, updates: Path) -> None:
    """The whole of `storageAt` on real data: the minimal preset, a fork in between,
    a slot of a real contract.
    """
    record = read_eureka(updates / "devnet_minimal_electra_fulu_eureka")
    slot = Slot(record.trusted["slot"])
    follower = Follower(anvil, authority, record.network, slot, record.committee, record.committee)
    for update in record.updates:
        follower.update(update)
    contract, proof = record.contract, record.proof
    last = record.updates[-1]
    value = prove_storage(
        follower,
        last,
        contract,
        unhex(proof["storage_proof"]["key"]),
        [unhex(node) for node in proof["account_proof"]["proof"]],
        [unhex(node) for node in proof["storage_proof"]["proof"]],
    )
    assert int.from_bytes(value, "big") == int(proof["storage_proof"]["value"], 16)


def test_mainnets_state_down_to_a_storage_slot(anvil: Anvil, authority: bytes, shared_vectors: Path) -> None:
    """A real block's state root and a real proof below it. No beacon header of it is to be had, so a
    simulated committee of 512 finalizes it, in a payload header whose transactions and withdrawals are left
    out.
    """
    folder = shared_vectors / "mpt_rlp" / "mainnet_21925176"
    block, proof = read_json(folder / "block.json"), read_json(folder / "proof.json")
    epoch = MAINNET.slots_per_epoch
    began = int(block["timestamp"], 16) - 2 * epoch * 12
    forks = (Fork(ForkName.DENEB, Epoch(0), b"\4\0\0\0"),)
    config = NetworkConfig(MAINNET, began, MAINNET_CONFIG.genesis_validators_root, 12_000, forks)
    chain = Simulation(config, b"mainnet's state")
    for slot in (epoch, 2 * epoch, 3 * epoch, 4 * epoch, 4 * epoch + 1):
        payload = payload_of_block(block, (), ForkName.DENEB, 16) if slot == 2 * epoch else None
        chain.propose(Slot(slot), payload)
    update = chain.newest_update()
    assert update is not None
    follower = Follower(anvil, authority, config, Slot(0), chain.committee(Period(0)))
    (entry,) = proof["storageProof"]
    value = prove_storage(
        follower,
        update,
        unhex(proof["address"]),
        unhex(entry["key"]),
        [unhex(node) for node in proof["accountProof"]],
        [unhex(node) for node in entry["proof"]],
    )
    assert value == unhex(entry["value"])
    assert update.finalized_header.execution is not None
    assert update.finalized_header.execution.state_root == unhex(block["stateRoot"])


def prove_storage(
    follower: Follower,
    update: FinalizingUpdate,
    contract: bytes,
    place: bytes,
    account_nodes: Sequence[bytes],
    storage_nodes: Sequence[bytes],
) -> bytes:
    """The word of a slot by the whole of `storageAt`, in both languages."""
    signed = update, follower.signer(update)
    data = encode_proof(storage_nodes, account_nodes, signed, contract, place, follower.params)
    now = follower.params.timestamp_at(update.signature_slot)
    believed = follower.deployed.client.storage_at(data, contract, place, now)
    artifact = load(BEACON.contract)
    call = artifact.encode_call("storageAt", data, "0x" + contract.hex(), place)
    answer = artifact.decode_result(
        "storageAt", follower.anvil.call(follower.deployed.implementation, call, now)
    )
    assert tuple(answer) == (believed.value, believed.height, believed.timestamp)
    value: bytes = believed.value
    return value
