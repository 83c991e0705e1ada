# SPDX-License-Identifier: MIT
"""The official vectors of the consensus specification: sync, ranking, Merkle proofs, SSZ, and aggregate
signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.bls import PY_ECC, PYBLST, backend
from light_clients.codec.merkle_branch import floorlog2, get_subtree_index, is_valid_merkle_branch
from light_clients.errors import Rejection
from light_clients.ethereum import containers
from light_clients.ethereum.config import MAINNET, MINIMAL, ForkName, NetworkConfig, Preset, Slot
from light_clients.ethereum.containers import LightClientBootstrap, LightClientHeader, LightClientUpdate
from light_clients.ethereum.fork_upgrade import upgrade_lc_bootstrap, upgrade_lc_store, upgrade_lc_update
from light_clients.ethereum.forks import LAYOUTS
from light_clients.ethereum.ssz_object import SszObject
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    get_lc_execution_root,
    initialize_light_client_store,
    is_better_update,
    process_light_client_store_force_update,
    process_light_client_update,
)
from tests.conformance.case import Case, cases_in, expect, unhex
from tests.support import snappy, yaml
from tests.support.beacon_network import network_from_config
from tests.support.beacon_state import hash_tree_root

FOLDER = "beacon_spec"

PRESETS = {"minimal": MINIMAL, "mainnet": MAINNET}


def cases(folder: Path) -> Iterator[Case]:
    """Every release that lies in the folder, and the SSZ vectors of others beside it."""
    for path in sorted(folder.glob("*/minimal/*/light_client/sync/*/*")):
        yield from cases_in(path, sync_cases)
    for path in sorted(folder.glob("*/minimal/*/light_client/update_ranking/*/*")):
        yield from cases_in(path, ranking_cases)
    for path in sorted(folder.glob("*/minimal/*/*/single_merkle_proof/*/*")):
        yield from cases_in(path, merkle_proof_cases)
    for path in sorted(folder.glob("*/general/*/bls/eth_fast_aggregate_verify/*/*/data.yaml")):
        yield from cases_in(path, aggregate_cases)
    for path in sorted((folder / "ssz_static_1.7.0a13").glob("*/*/*/*")):
        yield from cases_in(path, static_cases)
    for path in sorted((folder / "ssz_static_mainnet_deneb_trin").glob("*/*/*")):
        yield from cases_in(path, trin_cases)


def read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"))


def read_ssz(path: Path) -> bytes:
    return snappy.decompress(path.read_bytes())


# --- sync ---------------------------------------------------------------------------------------------------


class Follower:
    """A store on its way through the steps of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta = read_yaml(path / "meta.yaml")
        self.config = network_from_config(
            read_yaml(path / "config.yaml"), MINIMAL, unhex(self.meta["genesis_validators_root"])
        )
        self.fork = self.fork_of(self.meta["store_fork_digest"])
        self.store: LightClientStore | None = None

    def fork_of(self, digest: str) -> ForkName:
        return self.config.fork_with_digest(unhex(digest)).name

    def bootstrap(self) -> None:
        fork = self.fork_of(self.meta["bootstrap_fork_digest"])
        data = read_ssz(self.path / "bootstrap.ssz_snappy")
        bootstrap = LightClientBootstrap.decode_ssz(data, fork, MINIMAL)
        bootstrap = upgrade_lc_bootstrap(bootstrap, self.fork, self.config)
        self.store = initialize_light_client_store(
            unhex(self.meta["trusted_block_root"]), bootstrap, self.config
        )

    def step(self, kind: str, step: Mapping[str, Any]) -> None:
        if self.store is None:
            raise AssertionError("the bootstrap was refused")
        if kind == "process_update":
            fork = self.fork_of(step["update_fork_digest"])
            data = read_ssz(self.path / f"{step['update']}.ssz_snappy")
            update = LightClientUpdate.decode_ssz(data, fork, MINIMAL)
            expect("encoding", update.encode_ssz(fork, MINIMAL), data)
            update = upgrade_lc_update(update, self.fork, self.config)
            try:
                self.store = process_light_client_update(
                    self.store, update, Slot(int(step["current_slot"])), self.config
                )
            except Rejection as rejection:
                raise AssertionError(f"the update is good: {rejection}") from rejection
        elif kind == "force_update":
            self.store = process_light_client_store_force_update(
                self.store, Slot(int(step["current_slot"])), self.config
            )
        elif kind == "upgrade_store":
            self.fork = self.fork_of(step["store_fork_digest"])
            self.store = upgrade_lc_store(self.store, self.fork, self.config)
        else:
            raise AssertionError(f"found a step {kind!r}, expected one of the three kinds")
        self.check("finalized_header", self.store.finalized_header, step["checks"])
        self.check("optimistic_header", self.store.optimistic_header, step["checks"])

    def check(self, name: str, header: LightClientHeader, checks: Mapping[str, Any]) -> None:
        expect(f"{name}: slot", header.beacon.slot, int(checks[name]["slot"]))
        expect(f"{name}: root", header.beacon.hash_tree_root(), unhex(checks[name]["beacon_root"]))
        if "execution_root" in checks[name]:
            root = get_lc_execution_root(header, self.config)
            expect(f"{name}: execution root", root, unhex(checks[name]["execution_root"]))


def sync_cases(path: Path) -> Iterator[Case]:
    follower, name = Follower(path), f"sync/{path.parts[-5]}/{path.name}"
    yield Case(f"{name}/bootstrap", follower.bootstrap)
    for number, step in enumerate(read_yaml(path / "steps.yaml")):
        ((kind, values),) = step.items()
        yield Case(f"{name}/{number} {kind}", partial(follower.step, kind, values))


# --- ranking ------------------------------------------------------------------------------------------------


def ranking_cases(path: Path) -> Iterator[Case]:
    fork = ForkName.parse(path.parts[-5])
    count = int(read_yaml(path / "meta.yaml")["updates_count"])
    config = network_from_config({f"{fork.name}_FORK_EPOCH": "0"}, MINIMAL, bytes(32))
    updates = [
        LightClientUpdate.decode_ssz(read_ssz(path / f"updates_{at}.ssz_snappy"), fork, MINIMAL)
        for at in range(count)
    ]
    for at in range(count):
        yield Case(f"update_ranking/{fork.label}/{at}", partial(check_rank, updates, at, config))


def check_rank(updates: list[LightClientUpdate], at: int, config: NetworkConfig) -> None:
    # Given from the best to the worst: each is better than all that follow, and none of these is better than
    # it
    for other in updates[at + 1 :]:
        expect("better", is_better_update(updates[at], other, config), True)
        expect("better in reverse", is_better_update(other, updates[at], config), False)
    expect("better than itself", is_better_update(updates[at], updates[at], config), False)


# --- Merkle proofs ------------------------------------------------------------------------------------------


def merkle_proof_cases(path: Path) -> Iterator[Case]:
    check = partial(check_merkle_proof, path, ForkName.parse(path.parts[-5]))
    yield Case(f"merkle_proof/{path.parts[-5]}/{path.name}", check)


def check_merkle_proof(path: Path, fork: ForkName) -> None:
    proof = read_yaml(path / "proof.yaml")
    gindex, layout = int(proof["leaf_index"]), LAYOUTS[fork]
    expected = {
        "current_sync_committee_merkle_proof": layout.current_sync_committee,
        "next_sync_committee_merkle_proof": layout.next_sync_committee,
        "finality_root_merkle_proof": layout.finalized_root,
        "execution_merkle_proof": layout.execution,
    }.get(path.name)
    if expected is not None:
        expect("generalized index", gindex, expected)
    root = hash_tree_root(path.parent.name, fork, read_ssz(path / "object.ssz_snappy"))
    leaf, branch = unhex(proof["leaf"]), tuple(map(unhex, proof["branch"]))
    depth, index = floorlog2(gindex), get_subtree_index(gindex)
    expect("branch", is_valid_merkle_branch(leaf, branch, depth, index, root), True)
    for at in range(depth):
        wrong = (*branch[:at], bytes(a ^ 1 for a in branch[at]), *branch[at + 1 :])
        expect("tampered branch", is_valid_merkle_branch(leaf, wrong, depth, index, root), False)


# --- signatures ---------------------------------------------------------------------------------------------


def aggregate_cases(path: Path) -> Iterator[Case]:
    for library in (PYBLST, PY_ECC):
        yield Case(f"bls/{path.parent.name}/{library}", partial(check_aggregate, path, library))


def check_aggregate(path: Path, name: str) -> None:
    case = read_yaml(path)
    bls, given = backend(name), case["input"]
    try:
        keys = [bls.public_key(unhex(key)) for key in given["pubkeys"]]
        found = bls.eth_fast_aggregate_verify(keys, unhex(given["message"]), unhex(given["signature"]))
    except Rejection:
        found = False
    expect("verdict", found, case["output"] == "true")


# --- SSZ ----------------------------------------------------------------------------------------------------


def static_cases(path: Path) -> Iterator[Case]:
    preset, label, kind, name = path.parts[-4:]
    check = partial(check_static, path, ForkName.parse(label), PRESETS[preset], kind)
    yield Case(f"ssz_static/{preset}/{label}/{kind}/{name}", check)


def trin_cases(path: Path) -> Iterator[Case]:
    check = partial(check_static, path, ForkName.DENEB, MAINNET, path.parts[-3])
    yield Case(f"ssz_static_trin/{path.parts[-3]}/{path.name}", check)


def check_static(path: Path, fork: ForkName, preset: Preset, kind: str) -> None:
    made: type[SszObject] = getattr(containers, kind)
    data = read_ssz(path / "serialized.ssz_snappy")
    value = made.decode_ssz(data, fork, preset)
    expect("encoding", value.encode_ssz(fork, preset), data)
    expect("JSON there and back", made.from_json(value.to_json(fork, preset), fork, preset), value)
    if (path / "roots.yaml").is_file():
        expect("root", value.root_at(fork, preset), unhex(read_yaml(path / "roots.yaml")["root"]))
    if (path / "value.yaml").is_file():
        expect("JSON", made.from_json(read_yaml(path / "value.yaml"), fork, preset), value)
