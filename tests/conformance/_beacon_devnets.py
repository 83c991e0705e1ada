# SPDX-License-Identifier: MIT
"""Light-client objects of networks that are no more: devnets over Bellatrix and over Fulu, and Goerli."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.errors import Rejection
from light_clients.ethereum.config import (
    MAINNET,
    MINIMAL,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Slot,
)
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.light_client_header import (
    current_sync_committee_gindex_at_slot,
    finalized_root_gindex_at_slot,
)
from light_clients.ethereum.sync_protocol import (
    validate_sync_committee_signature,
)
from light_clients.proofs import mpt
from tests.conformance._beacon_follower import (
    Follower,
    check_branch,
    execution_state_root,
    follow,
    trust,
)
from tests.conformance.case import Case, expect, read_json, refuse, unhex
from tests.support.beacon_json import beacon_api

#: Where the block's place in a payload's header of Bellatrix is, 14 fields: state root, block number.
BELLATRIX_STATE_ROOT, BELLATRIX_BLOCK_NUMBER = 18, 22


# --- devnets ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EurekaRecord:
    """From Electra to Fulu and into the next period, then a storage slot of the finalized state.

    Attributes:
        network: what the devnet is.
        contract: the account (20 bytes) of whose storage a slot is proven.
        trusted: the state that is trusted first, as it was stored.
        committee: who signs. It is the next one of that state; the current one is known by its hash alone.
        updates: that follow each other.
        proof: of the slot, in the state that the last update finalizes, as it was stored.
    """

    network: NetworkConfig
    contract: bytes
    trusted: dict[str, Any]
    committee: SyncCommittee
    updates: tuple[LightClientUpdate, ...]
    proof: dict[str, Any]


def read_eureka(folder: Path) -> EurekaRecord:
    """Read what the folder of that devnet holds."""
    path = folder / "Test_TimeoutPacketFromCosmos.json"
    begin, end = (step["data"] for step in read_json(path)["steps"])
    client = begin["client_state"]
    network = NetworkConfig(
        preset=MINIMAL,
        genesis_time=client["genesis_time"],
        genesis_validators_root=unhex(client["genesis_validators_root"]),
        slot_duration_ms=1000 * client["seconds_per_slot"],
        forks=tuple(
            Fork(ForkName.parse(label), Epoch(fork["epoch"]), unhex(fork["version"]))
            for label, fork in client["fork_parameters"].items()
            if isinstance(fork, dict)
        ),
    )
    first, second, proof = embedded_json(unhex(end["relayer_tx_body"]))
    fork = ForkName.FULU
    return EurekaRecord(
        network,
        unhex(client["ibc_contract_address"]),
        begin["consensus_state"],
        SyncCommittee.from_json(first["active_sync_committee"]["Next"], fork, MINIMAL),
        tuple(
            LightClientUpdate.from_json(beacon_api(message["consensus_update"], fork, MINIMAL), fork, MINIMAL)
            for message in (first, second)
        ),
        proof,
    )


def eureka_cases(folder: Path) -> Iterator[Case]:
    """All of the record, by the specification's own functions."""
    record = read_eureka(folder)
    trusted, committee, proof = record.trusted, record.committee, record.proof
    follower = Follower(record.network)
    header = BeaconBlockHeader(Slot(trusted["slot"]), state_root=unhex(trusted["state_root"]))
    follower.begin(trust(header, committee, committee))

    def committee_is_the_trusted_one() -> None:
        known = trusted["next_sync_committee"]
        expect("aggregate", committee.aggregate_pubkey, unhex(known["aggregate_pubkey"]))
        hashed = hashlib.sha256(b"".join(committee.pubkeys)).digest()
        leaves = [hashlib.sha256(key.ljust(64, b"\0")).digest() for key in committee.pubkeys]
        while len(leaves) > 1:
            leaves = [
                hashlib.sha256(left + right).digest()
                for left, right in zip(leaves[::2], leaves[1::2], strict=True)
            ]
        expect("keys", unhex(known["pubkeys_hash"]) in {hashed, leaves[0]}, True)

    def storage() -> None:
        expect("slot", follower.store.finalized_header.beacon.slot, 136)
        nodes = [unhex(node) for node in proof["account_proof"]["proof"]]
        account = mpt.verify_account(execution_state_root(follower.store), record.contract, nodes)
        if account is None:
            raise AssertionError("the contract has no account")
        expect("storage root", account.storage_root, unhex(proof["account_proof"]["storage_root"]))
        slot, branch = unhex(proof["storage_proof"]["key"]), proof["storage_proof"]["proof"]
        value = mpt.verify_storage(account.storage_root, slot, [unhex(node) for node in branch])
        expect("word", int.from_bytes(value, "big"), int(proof["storage_proof"]["value"], 16))

    yield Case(f"{folder.name}/committee", committee_is_the_trusted_one)
    for number, update in enumerate(record.updates):
        yield Case(f"{folder.name}/update {number}", partial(follower.update, update))
    yield Case(f"{folder.name}/storage", storage)


def embedded_json(data: bytes) -> list[dict[str, Any]]:
    """The JSON objects that stand in other bytes."""
    text, found, at = data.decode("latin1"), [], 0
    decoder = json.JSONDecoder()
    while (at := text.find('{"', at)) >= 0:
        value, stop = decoder.raw_decode(text[at:])
        found.append(value)
        at += stop
    return found


def devnet_bellatrix_cases(folder: Path) -> Iterator[Case]:
    """Periods 5 to 9 of a devnet; each update comes with the finalized block's place in its payload."""
    state, _, genesis = read_json(folder / "initial_state.json")
    fork, name = ForkName.BELLATRIX, folder.name
    # The fork version is that of the minimal preset's usual configuration; under it every signature holds.
    forks = (Fork(ForkName.BELLATRIX, Epoch(0), unhex("02000001")),)
    follower = Follower(NetworkConfig(MINIMAL, 0, unhex(genesis), 6000, forks))

    def initial() -> None:
        api = beacon_api(state, fork, MINIMAL)
        header = {"header": {"beacon": api.pop("beacon_header")}}
        follower.bootstrap(LightClientBootstrap.from_json(header | api, fork, MINIMAL))

    yield Case(f"{name}/initial_state", initial)
    updates = sorted(folder.glob("*_period_*.json"), key=lambda path: devnet_update(path).signature_slot)
    for path in updates:
        yield Case(f"{name}/{path.stem}: execution", partial(check_devnet_execution, path))
        yield follow(f"{name}/{path.stem}", follower.update, partial(devnet_update, path))


def devnet_update(path: Path) -> LightClientUpdate:
    api = beacon_api(read_json(path)[0]["light_client_update"], ForkName.BELLATRIX, MINIMAL)
    return LightClientUpdate.from_json(api, ForkName.BELLATRIX, MINIMAL)


def check_devnet_execution(path: Path) -> None:
    outer, execution = read_json(path)
    finalized = devnet_update(path).finalized_header.beacon
    payload = unhex(outer["finalized_execution_root"])
    check_branch(payload, list(map(unhex, outer["finalized_execution_branch"])), 25, finalized.body_root)
    number = execution["block_number"].to_bytes(32, "little")
    check_branch(number, list(map(unhex, execution["block_number_branch"])), BELLATRIX_BLOCK_NUMBER, payload)
    state = unhex(execution["state_root"])
    check_branch(state, list(map(unhex, execution["state_root_branch"])), BELLATRIX_STATE_ROOT, payload)


# --- Goerli -------------------------------------------------------------------------------------------------


GOERLI_CONFIG = NetworkConfig(
    preset=MAINNET,
    genesis_time=1_616_508_000,
    genesis_validators_root=unhex("043db0d9a83813551ee2f33450d23797757d430911a9320530ad8a0eabc43efb"),
    slot_duration_ms=12_000,
    forks=(
        Fork(ForkName.ALTAIR, Epoch(36_660), unhex("01001020")),
        Fork(ForkName.BELLATRIX, Epoch(112_260), unhex("02001020")),
        Fork(ForkName.CAPELLA, Epoch(162_304), unhex("03001020")),
        Fork(ForkName.DENEB, Epoch(231_680), unhex("04001020")),
    ),
)


def goerli_cases(folder: Path) -> Iterator[Case]:
    """Of the headers of Capella only the beacon part was stored, so that their execution part can't be
    asked.
    """
    name = folder.name
    bootstrap = beacon_api(read_json(folder / "goerli_bootstrap.json"), ForkName.ALTAIR, MAINNET)
    beacon = BeaconBlockHeader.from_json(bootstrap["header"]["beacon"], ForkName.CAPELLA, MAINNET)
    committee = SyncCommittee.from_json(bootstrap["current_sync_committee"], ForkName.CAPELLA, MAINNET)

    def check_committee() -> None:
        branch = [unhex(node) for node in bootstrap["current_sync_committee_branch"]]
        gindex = current_sync_committee_gindex_at_slot(beacon.slot, GOERLI_CONFIG)
        check_branch(committee.hash_tree_root(), branch, gindex, beacon.state_root)

    yield Case(f"{name}/bootstrap", check_committee)
    for kind in ("finality", "optimistic"):
        update = read_json(folder / f"goerli_{kind}_block_roots.json")["update"][kind.capitalize()]
        yield Case(f"{name}/{kind}", partial(check_goerli, update, committee))
        why = "proofs of ancestors, transactions and receipts, which no client of ours reads"
        yield Case(f"{name}/{kind}: ancestry", skipped=why)


def check_goerli(stored: Any, committee: SyncCommittee) -> None:
    config, fork = GOERLI_CONFIG, ForkName.ALTAIR
    update = LightClientUpdate.from_json(
        {
            "finalized_header": {"beacon": BeaconBlockHeader().to_json(fork, MAINNET)},
            "finality_branch": ["0x" + bytes(32).hex()] * 6,
        }
        | beacon_api(stored, fork, MAINNET),
        fork,
        MAINNET,
    )
    attested = update.attested_header.beacon
    validate_sync_committee_signature(
        committee, update.sync_aggregate, attested, update.signature_slot, config
    )
    refuse(
        "a signature of another slot's block",
        lambda: validate_sync_committee_signature(
            committee,
            update.sync_aggregate,
            replace(attested, slot=Slot(attested.slot + 1)),
            update.signature_slot,
            config,
        ),
        Rejection,
    )
    if update.finality_branch:
        gindex = finalized_root_gindex_at_slot(attested.slot, config)
        finalized = update.finalized_header.beacon.hash_tree_root()
        check_branch(finalized, update.finality_branch, gindex, attested.state_root)
