# SPDX-License-Identifier: MIT
"""Light-client objects of real networks: mainnet from Altair to Deneb, Sepolia to Electra, and devnets to Fulu."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.errors import Rejection
from light_clients.ethereum.config import (
    MAINNET,
    MAINNET_CONFIG,
    MINIMAL,
    SEPOLIA_CONFIG,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Slot,
)
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_store
from light_clients.ethereum.light_client_header import (
    current_sync_committee_gindex_at_slot,
    finalized_root_gindex_at_slot,
)
from light_clients.ethereum.serializable import Serializable
from light_clients.ethereum.signing import sync_committee_signing_root
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    initialize_light_client_store,
    process_light_client_finality_update,
    process_light_client_optimistic_update,
    process_light_client_update,
    validate_light_client_update,
    validate_sync_committee_signature,
)
from light_clients.proofs import mpt
from light_clients.proofs.merkle_branch import (
    get_subtree_index,
    is_valid_merkle_branch,
    is_valid_normalized_merkle_branch,
)
from tests.conformance.case import Case, expect, read_json, refuse, unhex
from tests.support import yaml
from tests.support.beacon_json import beacon_api

FOLDER = "beacon_updates"

LATE = Slot(2**40)
#: The contract whose accounts on Sepolia the vectors prove (`mpt_rlp/sepolia_union` names it).
SEPOLIA_CONTRACT = unhex("0xbad69711da45a0ff61e2c50b8c9b1f3314742d2b")
#: Where the block's place in a payload's header of Bellatrix is, 14 fields: state root, block number.
BELLATRIX_STATE_ROOT, BELLATRIX_BLOCK_NUMBER = 18, 22


def cases(folder: Path) -> Iterator[Case]:
    yield from mainnet_altair_cases(folder / "mainnet_altair_290_321")
    yield from mainnet_713_cases(folder / "mainnet_bellatrix_713")
    yield from mainnet_capella_crossing_cases(folder / "mainnet_bellatrix_capella_755_760")
    yield from mainnet_capella_cases(folder / "mainnet_capella_862_864")
    yield from portal_cases(folder / "mainnet_portal_deneb")
    yield from sepolia_deneb_cases(folder / "sepolia_deneb_800")
    yield from sepolia_electra_cases(folder / "sepolia_electra_874_875")
    yield from eureka_cases(folder / "devnet_minimal_electra_fulu_eureka")
    yield from devnet_bellatrix_cases(folder / "devnet_minimal_bellatrix_datachainlab")
    yield from goerli_cases(folder / "axelar_historical_and_block_roots")
    for path in sorted((folder / "beacon_blocks_electra").glob("*.json")):
        why = "whole beacon blocks, which light clients do not read; no light-client object goes with them"
        yield Case(f"beacon_blocks_electra/{path.name}", skipped=why)


# --- reading and following -------------------------------------------------------------------------------------------


def read(kind: type[Any], path: Path, fork: ForkName) -> Any:
    """A bare light-client object, in whatever form it was stored."""
    return kind.from_json(beacon_api(read_json(path), fork, MAINNET), fork, MAINNET)


def read_answers(kind: type[Any], path: Path) -> list[Any]:
    """The Beacon API's own answers: one object with its version, or a list of them."""
    answers = read_json(path)
    if not isinstance(answers, list):
        answers = [answers]
    return [kind.from_versioned_json(answer, MAINNET) for answer in answers]


def read_first(kind: type[Any], path: Path) -> Any:
    return read_answers(kind, path)[0]


def trust(
    header: BeaconBlockHeader, current: SyncCommittee, following: SyncCommittee | None = None
) -> LightClientStore:
    """A store that begins with committees that are given, where no bootstrap comes with them."""
    known = LightClientHeader(beacon=header)
    return LightClientStore(known, current, following, None, known, 0, 0)


class Follower:
    """A store on its way through a network's updates."""

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config
        self.held: LightClientStore | None = None

    @property
    def store(self) -> LightClientStore:
        if self.held is None:
            raise AssertionError("what begins this chain was refused")
        return self.held

    def bootstrap(self, bootstrap: LightClientBootstrap) -> None:
        root = bootstrap.header.beacon.hash_tree_root()
        self.held = initialize_light_client_store(root, bootstrap, self.config)
        wrong = bytes(byte ^ 1 for byte in root)
        refuse(
            "another root", lambda: initialize_light_client_store(wrong, bootstrap, self.config), Rejection
        )

    def begin(self, store: LightClientStore) -> None:
        self.held = store

    def update(self, update: LightClientUpdate) -> None:
        before = self.store
        refuse_tampered(before, update, self.config)
        after = process_light_client_update(before, update, update.signature_slot, self.config)
        self.expect_finalized(after, before, update)
        if update.next_sync_committee is not None:
            expect("next committee", after.next_sync_committee, update.next_sync_committee)
        refuse(
            "an update from the future",
            lambda: process_light_client_update(before, update, Slot(update.signature_slot - 1), self.config),
            Rejection,
        )
        self.held = after

    def expect_finalized(
        self,
        after: LightClientStore,
        before: LightClientStore,
        update: LightClientUpdate | LightClientFinalityUpdate,
    ) -> None:
        # Some begin above the first update's finalized header: then that update only adds the next committee
        newer = update.finalized_header.beacon.slot > before.finalized_header.beacon.slot
        expected = update.finalized_header if newer else before.finalized_header
        expect("finalized", after.finalized_header, expected)

    def finality(self, update: LightClientFinalityUpdate) -> None:
        after = process_light_client_finality_update(self.store, update, update.signature_slot, self.config)
        self.expect_finalized(after, self.store, update)
        self.held = after

    def optimistic(self, update: LightClientOptimisticUpdate) -> None:
        after = process_light_client_optimistic_update(self.store, update, update.signature_slot, self.config)
        expect("optimistic", after.optimistic_header, update.attested_header)
        self.held = after


def flip(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]


def refuse_tampered(store: LightClientStore, update: LightClientUpdate, config: NetworkConfig) -> None:
    """One bit off in any part that the signature or a branch covers."""
    attested = update.attested_header
    changed = {
        "the attested header": replace(
            update,
            attested_header=replace(
                attested, beacon=replace(attested.beacon, parent_root=flip(attested.beacon.parent_root))
            ),
        ),
        "the finality branch": replace(
            update, finality_branch=(*update.finality_branch[:-1], flip(update.finality_branch[-1]))
        ),
    }
    if update.next_sync_committee is not None:
        keys = update.next_sync_committee.pubkeys
        wrong = SyncCommittee((flip(keys[0]), *keys[1:]), update.next_sync_committee.aggregate_pubkey)
        changed["the next committee"] = replace(update, next_sync_committee=wrong)
    for what, wrong_update in changed.items():
        refuse(what, partial(validate_light_client_update, store, wrong_update, LATE, config), Rejection)


def follow(name: str, act: Callable[[Any], None], read_object: Callable[[], Any]) -> Case:
    return Case(name, lambda: act(read_object()))


# --- mainnet ---------------------------------------------------------------------------------------------------------


def mainnet_altair_cases(folder: Path) -> Iterator[Case]:
    """Thirty-two periods in a row: each committee is handed on by the one before."""
    follower, name = Follower(MAINNET_CONFIG), folder.name
    bootstrap = partial(read, LightClientBootstrap, folder / "bootstrap_p290.json", ForkName.ALTAIR)
    yield follow(f"{name}/bootstrap", follower.bootstrap, bootstrap)
    for path in sorted(folder.glob("0*.json")):
        yield follow(
            f"{name}/{path.stem}", follower.update, partial(read, LightClientUpdate, path, ForkName.ALTAIR)
        )


def mainnet_713_cases(folder: Path) -> Iterator[Case]:
    config, fork = MAINNET_CONFIG, ForkName.BELLATRIX
    update = read(LightClientUpdate, next(folder.glob("*update_slot*.json")), fork)
    committee = read(SyncCommittee, folder / "mainnet_sync_committee_period_713.json", fork)
    attested = update.attested_header.beacon

    def signing_root() -> None:
        genesis = read_json(folder / "mainnet_context.json")["genesis_validators_root"]
        expect("genesis validators root", config.genesis_validators_root, unhex(genesis))
        found = sync_committee_signing_root(attested.hash_tree_root(), update.signature_slot, config)
        expected = read_json(folder / "mainnet_signing_root_slot_5841037.json")
        expect("signing root", found, unhex(expected))

    yield Case(f"{folder.name}/signing root", signing_root)
    follower = Follower(config)
    first_slot = Slot(config.period_at(attested.slot) * MAINNET.slots_per_period)
    follower.begin(trust(BeaconBlockHeader(first_slot), committee))
    yield Case(f"{folder.name}/update", partial(follower.update, update))


def mainnet_capella_crossing_cases(folder: Path) -> Iterator[Case]:
    follower, name = Follower(MAINNET_CONFIG), folder.name
    for path in sorted(folder.glob("bootstrap_*.json")):
        yield follow(
            f"{name}/{path.stem}",
            Follower(MAINNET_CONFIG).bootstrap,
            partial(read_first, LightClientBootstrap, path),
        )
    # The earliest one begins the walk over the fork.
    first = folder / "bootstrap_slot_006184960.json"
    yield follow(f"{name}/begin", follower.bootstrap, partial(read_first, LightClientBootstrap, first))
    for path in sorted(folder.glob("update_*.json")):
        yield Case(f"{name}/{path.stem}", partial(cross, follower, path))


def cross(follower: Follower, path: Path) -> None:
    config = MAINNET_CONFIG
    (update,) = read_answers(LightClientUpdate, path)
    fork = config.fork_at_slot(update.attested_header.beacon.slot).name
    follower.held = upgrade_lc_store(follower.store, fork, config)
    follower.update(update)
    for header in (update.attested_header, update.finalized_header):
        shows = header.execution is not None
        expect("an execution header", shows, config.fork_at_slot(header.beacon.slot).name >= ForkName.CAPELLA)


def mainnet_capella_cases(folder: Path) -> Iterator[Case]:
    follower, name = Follower(MAINNET_CONFIG), folder.name
    (bootstrap,) = read_answers(LightClientBootstrap, folder / "bootstrap.json")
    yield Case(f"{name}/bootstrap", partial(follower.bootstrap, bootstrap))
    for update in read_answers(LightClientUpdate, folder / "updates_862_864.json"):
        period = MAINNET_CONFIG.period_at(update.attested_header.beacon.slot)
        yield Case(f"{name}/{period}", partial(follower.update, update))


def portal_cases(folder: Path) -> Iterator[Case]:
    """Raw SSZ behind a fork digest, as Portal nodes exchange it."""
    follower, name = Follower(MAINNET_CONFIG), folder.name
    content = {path.stem: portal_contents(path) for path in sorted(folder.glob("*.yaml"))}
    updates = [portal_object(LightClientUpdate, each) for each in portal_updates(content["updates"][0])]
    (bootstrap,) = (portal_object(LightClientBootstrap, each) for each in content["bootstrap"])
    (optimistic,) = (
        portal_object(LightClientOptimisticUpdate, each) for each in content["optimistic_update"]
    )
    (finality,) = (portal_object(LightClientFinalityUpdate, each) for each in content["finality_update"])
    yield Case(f"{name}/bootstrap", partial(follower.bootstrap, bootstrap))
    for update in updates:
        period = MAINNET_CONFIG.period_at(update.attested_header.beacon.slot)
        yield Case(f"{name}/update {period}", partial(follower.update, update))
    yield Case(f"{name}/finality_update", partial(follower.finality, finality))
    yield Case(f"{name}/optimistic_update", partial(follower.optimistic, optimistic))


def portal_contents(path: Path) -> list[bytes]:
    loaded = yaml.load(path.read_text(encoding="utf-8"))
    return [unhex(each["content_value"]) for each in (loaded if isinstance(loaded, list) else [loaded])]


def portal_updates(content: bytes) -> list[bytes]:
    """An SSZ list of updates, each with its digest."""
    count = int.from_bytes(content[:4], "little") // 4
    offsets = [int.from_bytes(content[4 * at : 4 * at + 4], "little") for at in range(count)]
    return [content[start:stop] for start, stop in zip(offsets, [*offsets[1:], None], strict=True)]


def portal_object(kind: type[Any], content: bytes) -> Any:
    fork = MAINNET_CONFIG.fork_with_digest(content[:4])
    found: Serializable = kind.decode_ssz(content[4:], fork.name, MAINNET)
    expect("encoding", found.encode_ssz(fork.name, MAINNET), content[4:])
    return found


# --- Sepolia ---------------------------------------------------------------------------------------------------------


def sepolia_deneb_cases(folder: Path) -> Iterator[Case]:
    follower = Follower(SEPOLIA_CONFIG)
    update = read(LightClientUpdate, folder / "light_client_update_6553725.json", ForkName.DENEB)
    committee = read(SyncCommittee, folder / "sync_committee_6553725.json", ForkName.DENEB)
    slot = Slot(SEPOLIA_CONFIG.period_at(update.signature_slot) * MAINNET.slots_per_period)
    follower.begin(trust(BeaconBlockHeader(slot), committee))
    yield Case(f"{folder.name}/update", partial(follower.update, update))


def sepolia_electra_cases(folder: Path) -> Iterator[Case]:
    """Finality, then a new period, and accounts of the finalized execution states."""
    follower, fork, name = Follower(SEPOLIA_CONFIG), ForkName.ELECTRA, folder.name
    api = beacon_api(read_json(folder / "header_7167008.json"), fork, MAINNET)
    follower.begin(
        trust(
            BeaconBlockHeader.from_json(api, fork, MAINNET),
            read(SyncCommittee, folder / "current_sync_committee_7167008.json", fork),
            read(SyncCommittee, folder / "next_sync_committee_7167008.json", fork),
        )
    )

    def finality(path: Path) -> None:
        data = beacon_api(read_json(path), fork, MAINNET)
        follower.finality(LightClientFinalityUpdate.from_json(data, fork, MAINNET))

    yield Case(f"{name}/finality_update_7167008", partial(finality, folder / "finality_update_7167008.json"))
    yield Case(f"{name}/finality_update_7167040", partial(finality, folder / "finality_update_7167040.json"))
    yield Case(
        f"{name}/account_proof_7167040",
        partial(check_sepolia_account, follower, folder / "account_proof_7167040.json"),
    )
    path = folder / "period_changing_update_7167040.json"
    yield follow(f"{name}/{path.stem}", follower.update, partial(read, LightClientUpdate, path, fork))
    yield Case(
        f"{name}/account_proof_7168000",
        partial(check_sepolia_account, follower, folder / "account_proof_7168000.json"),
    )


def execution_state_root(store: LightClientStore) -> bytes:
    if store.finalized_header.execution is None:
        raise AssertionError("the finalized header shows no execution block")
    return store.finalized_header.execution.state_root


def check_sepolia_account(follower: Follower, path: Path) -> None:
    expect("slot", follower.store.finalized_header.beacon.slot, int(path.stem.rpartition("_")[2]))
    root, nodes = execution_state_root(follower.store), [unhex(node) for node in read_json(path)]
    account = mpt.verify_account(root, SEPOLIA_CONTRACT, nodes)
    if account is None:
        raise AssertionError("the contract has no account")
    expect("nonce", account.nonce, 1)
    refuse("another state root", lambda: mpt.verify_account(flip(root), SEPOLIA_CONTRACT, nodes), Rejection)


# --- devnets ---------------------------------------------------------------------------------------------------------


def eureka_cases(folder: Path) -> Iterator[Case]:
    """From Electra to Fulu and into the next period, then a storage slot of the finalized state."""
    path = folder / "Test_TimeoutPacketFromCosmos.json"
    begin, end = (step["data"] for step in read_json(path)["steps"])
    client, trusted = begin["client_state"], begin["consensus_state"]
    config = NetworkConfig(
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
    updates = [
        LightClientUpdate.from_json(beacon_api(each["consensus_update"], fork, MINIMAL), fork, MINIMAL)
        for each in (first, second)
    ]
    committee = SyncCommittee.from_json(first["active_sync_committee"]["Next"], fork, MINIMAL)
    follower = Follower(config)
    header = BeaconBlockHeader(Slot(trusted["slot"]), state_root=unhex(trusted["state_root"]))
    # The current committee is known by its hash alone, but it is the next one that signs.
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
        contract = unhex(client["ibc_contract_address"])
        account = mpt.verify_account(execution_state_root(follower.store), contract, nodes)
        if account is None:
            raise AssertionError("the contract has no account")
        expect("storage root", account.storage_root, unhex(proof["account_proof"]["storage_root"]))
        slot, branch = unhex(proof["storage_proof"]["key"]), proof["storage_proof"]["proof"]
        value = mpt.verify_storage(account.storage_root, slot, [unhex(node) for node in branch])
        expect("word", int.from_bytes(value, "big"), int(proof["storage_proof"]["value"], 16))

    yield Case(f"{folder.name}/committee", committee_is_the_trusted_one)
    for number, update in enumerate(updates):
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


def check_branch(leaf: bytes, branch: Any, gindex: int, root: bytes) -> None:
    found = is_valid_normalized_merkle_branch(leaf, branch, gindex, root)
    expect(f"branch to {gindex}", found, True)
    wrong = (*branch[:-1], flip(branch[-1]))
    found = is_valid_merkle_branch(leaf, wrong, len(wrong), get_subtree_index(gindex), root)
    expect(f"tampered branch to {gindex}", found, False)


# --- Goerli ----------------------------------------------------------------------------------------------------------


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
    """Of the headers of Capella only the beacon part was stored, so that their execution part can't be asked."""
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
