# SPDX-License-Identifier: MIT
"""Light-client objects of real networks: mainnet from Altair to Electra, Sepolia to Electra, and devnets to
Fulu.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from light_clients.errors import Rejection
from light_clients.ethereum.config import (
    MAINNET,
    MAINNET_CONFIG,
    SEPOLIA_CONFIG,
    ForkName,
    Slot,
)
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_store
from light_clients.ethereum.signing import sync_committee_signing_root
from light_clients.ethereum.ssz_object import SszObject
from light_clients.ethereum.sync_protocol import LightClientStore
from light_clients.proofs import mpt
from tests.conformance._beacon_devnets import (
    devnet_bellatrix_cases,
    eureka_cases,
    goerli_cases,
    read_eureka,
)
from tests.conformance._beacon_follower import (
    Follower,
    execution_state_root,
    flip,
    follow,
    read,
    read_answers,
    read_first,
    trust,
)
from tests.conformance.case import Case, cases_in, expect, one_file, read_json, refuse, unhex
from tests.support import yaml
from tests.support.beacon_json import beacon_api

__all__ = [
    "FOLDER",
    "SEPOLIA_CONTRACT",
    "cases",
    "portal_contents",
    "portal_object",
    "portal_updates",
    "read",
    "read_answers",
    "read_eureka",
]

FOLDER = "beacon_updates"

#: The contract whose accounts on Sepolia the vectors prove (`mpt_rlp/sepolia_union` names it).
SEPOLIA_CONTRACT = unhex("0xbad69711da45a0ff61e2c50b8c9b1f3314742d2b")


def cases(folder: Path) -> Iterator[Case]:
    for name, read_cases in PARTS.items():
        yield from cases_in(folder / name, read_cases)


# --- mainnet ------------------------------------------------------------------------------------------------


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
    update = read(LightClientUpdate, one_file(folder, "*update_slot*.json"), fork)
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
    updates = [portal_object(LightClientUpdate, data) for data in portal_updates(content["updates"][0])]
    (bootstrap,) = (portal_object(LightClientBootstrap, data) for data in content["bootstrap"])
    (optimistic,) = (
        portal_object(LightClientOptimisticUpdate, data) for data in content["optimistic_update"]
    )
    (finality,) = (portal_object(LightClientFinalityUpdate, data) for data in content["finality_update"])
    yield Case(f"{name}/bootstrap", partial(follower.bootstrap, bootstrap))
    for update in updates:
        period = MAINNET_CONFIG.period_at(update.attested_header.beacon.slot)
        yield Case(f"{name}/update {period}", partial(follower.update, update))
    yield Case(f"{name}/finality_update", partial(follower.finality, finality))
    yield Case(f"{name}/optimistic_update", partial(follower.optimistic, optimistic))


def portal_contents(path: Path) -> list[bytes]:
    loaded = yaml.load(path.read_text(encoding="utf-8"))
    return [unhex(entry["content_value"]) for entry in (loaded if isinstance(loaded, list) else [loaded])]


def portal_updates(content: bytes) -> list[bytes]:
    """An SSZ list of updates, each with its digest."""
    count = int.from_bytes(content[:4], "little") // 4
    offsets = [int.from_bytes(content[4 * at : 4 * at + 4], "little") for at in range(count)]
    return [content[start:stop] for start, stop in zip(offsets, [*offsets[1:], None], strict=True)]


def portal_object(kind: type[Any], content: bytes) -> Any:
    fork = MAINNET_CONFIG.fork_with_digest(content[:4])
    found: SszObject = kind.decode_ssz(content[4:], fork.name, MAINNET)
    expect("encoding", found.encode_ssz(fork.name, MAINNET), content[4:])
    return found


def mainnet_deneb_cases(folder: Path) -> Iterator[Case]:
    """Fifty periods in a row as the Beacon API gives them in SSZ, and some of them as they were at other
    moments.
    """
    name, fork = folder.name, ForkName.DENEB
    first, *others = sorted(
        (decode_bootstrap(path, fork) for path in folder.glob("bootstrap_*.ssz")),
        key=lambda bootstrap: bootstrap.header.beacon.slot,
    )
    follower = Follower(MAINNET_CONFIG)
    yield Case(f"{name}/bootstrap", partial(follower.bootstrap, first))
    for bootstrap in others:
        slot = bootstrap.header.beacon.slot
        yield Case(f"{name}/bootstrap {slot}", partial(Follower(MAINNET_CONFIG).bootstrap, bootstrap))
    stores: dict[int, LightClientStore] = {}
    for path in sorted(folder.glob("updates_*.ssz")):
        for content in prefixed(path.read_bytes()):
            update = portal_object(LightClientUpdate, content)
            period = MAINNET_CONFIG.period_at(update.attested_header.beacon.slot)
            yield Case(
                f"{name}/{path.stem}/{period}", partial(follow_period, follower, stores, update, period)
            )


def follow_period(
    follower: Follower, stores: dict[int, LightClientStore], update: LightClientUpdate, period: int
) -> None:
    """Follow the first update of a period; give every other one to a store that stands where the first one
    found it.
    """
    if period in stores:
        follower = Follower(follower.config)
        follower.begin(stores[period])
    else:
        stores[period] = follower.store
    follower.update(update)


def decode_bootstrap(path: Path, fork: ForkName) -> LightClientBootstrap:
    return LightClientBootstrap.decode_ssz(path.read_bytes(), fork, MAINNET)


def prefixed(data: bytes) -> Iterator[bytes]:
    """The Beacon API's objects in SSZ: the length of each in 8 bytes before it, its digest counted in."""
    at = 0
    while at < len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 8], "little")
        if stop > len(data):
            raise ValueError(f"found {len(data)} bytes, expected {stop}")
        yield data[at + 8 : stop]
        at = stop


def mainnet_electra_cases(folder: Path) -> Iterator[Case]:
    bootstrap = decode_bootstrap(one_file(folder, "*.ssz"), ForkName.ELECTRA)
    yield Case(f"{folder.name}/bootstrap", partial(Follower(MAINNET_CONFIG).bootstrap, bootstrap))


# --- Sepolia ------------------------------------------------------------------------------------------------


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


def check_sepolia_account(follower: Follower, path: Path) -> None:
    expect("slot", follower.store.finalized_header.beacon.slot, int(path.stem.rpartition("_")[2]))
    root, nodes = execution_state_root(follower.store), [unhex(node) for node in read_json(path)]
    account = mpt.verify_account(root, SEPOLIA_CONTRACT, nodes)
    if account is None:
        raise AssertionError("the contract has no account")
    expect("nonce", account.nonce, 1)
    refuse("another state root", lambda: mpt.verify_account(flip(root), SEPOLIA_CONTRACT, nodes), Rejection)


# --- the parts ----------------------------------------------------------------------------------------------


def whole_block_cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.json")):
        why = "whole beacon blocks, which light clients do not read; no light-client object goes with them"
        yield Case(f"{folder.name}/{path.name}", skipped=why)


PARTS: Final[dict[str, Callable[[Path], Iterator[Case]]]] = {
    "mainnet_altair_290_321": mainnet_altair_cases,
    "mainnet_bellatrix_713": mainnet_713_cases,
    "mainnet_bellatrix_capella_755_760": mainnet_capella_crossing_cases,
    "mainnet_capella_862_864": mainnet_capella_cases,
    "mainnet_deneb_1347_1396": mainnet_deneb_cases,
    "mainnet_portal_deneb": portal_cases,
    "mainnet_electra_bootstrap_1573": mainnet_electra_cases,
    "sepolia_deneb_800": sepolia_deneb_cases,
    "sepolia_electra_874_875": sepolia_electra_cases,
    "devnet_minimal_electra_fulu_eureka": eureka_cases,
    "devnet_minimal_bellatrix_datachainlab": devnet_bellatrix_cases,
    "axelar_historical_and_block_roots": goerli_cases,
    "beacon_blocks_electra": whole_block_cases,
}
