# SPDX-License-Identifier: MIT
"""Good and tampered light-client objects: of a simulated network through all forks,
and of mainnet and Sepolia.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.ethereum.config import (
    MAINNET_CONFIG,
    MINIMAL,
    SEPOLIA_CONFIG,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Period,
    Slot,
)
from light_clients.ethereum.containers import BeaconBlockHeader
from relayer.consensus.ethereum.local.simulation import Simulation
from tests.live.oracle import Case, Json
from tests.live.tampering import tampered

_EPOCHS_PER_FORK = 8
_FORKS = (
    ForkName.ALTAIR,
    ForkName.BELLATRIX,
    ForkName.CAPELLA,
    ForkName.DENEB,
    ForkName.ELECTRA,
    ForkName.FULU,
)
_GENESIS_TIME = 1_700_000_000


# --- simulated ----------------------------------------------------------------------------------------------


def simulated_config() -> NetworkConfig:
    """Minimal preset, a period for each fork from Altair to Fulu."""
    forks = tuple(
        Fork(name, Epoch(at * _EPOCHS_PER_FORK), bytes([name, 0, 0, 1])) for at, name in enumerate(_FORKS)
    )
    return NetworkConfig(MINIMAL, _GENESIS_TIME, bytes(range(32)), 6000, forks)


def simulated_cases() -> Iterator[Case]:
    """Every kind of object in every fork: as it is, and with each value changed."""
    config = simulated_config()
    chain = Simulation(config, b"oracle", 64)
    last = len(_FORKS) * MINIMAL.slots_per_period + MINIMAL.slots_per_epoch
    trusted: dict[Period, tuple[bytes, Json]] = {}
    snapshots: dict[Period, list[tuple[str, Json]]] = {}
    for number in range(1, last):
        slot = Slot(number)
        # All shares from a lone member to everybody, with whole epochs in which finality goes on.
        share = (1.0, 1.0, 1 / 32, 0.5, 21 / 32, 22 / 32, 1.0, 31 / 32)[number % 8]
        chain.propose(slot, participation=share)
        period = config.period_at(slot)
        if period not in trusted and slot % MINIMAL.slots_per_period == MINIMAL.slots_per_epoch:
            block = chain.head
            bootstrap = chain.bootstrap(block.root)
            if bootstrap is None:
                raise AssertionError("the head has no bootstrap")
            trusted[period] = block.root, bootstrap.to_versioned_json(block.fork.name, MINIMAL)
        # Late in the period, so that what is final lies in it too; there 1, 16 and 22 members sign beside
        # all.
        if slot % MINIMAL.slots_per_period in {58, 59, 61, 62, 63}:
            snapshots.setdefault(period, []).extend(_newest(chain))
    for period, (root, bootstrap_json) in trusted.items():
        update = chain.update(period)
        if update is None or period not in snapshots:
            continue
        fork = config.fork_at_slot(update.attested_header.beacon.slot).name
        whole = ("update", update.to_versioned_json(fork, MINIMAL))
        begin = partial(Case, config=config, trusted_root=root, current_slot=last)
        name = f"simulated {fork.label}"
        steps = (whole, *snapshots[period])
        yield begin(f"{name}: as it is", bootstrap=bootstrap_json, steps=steps)
        yield replace(
            begin(f"{name}: too early", bootstrap=bootstrap_json, steps=(whole,)),
            current_slot=update.signature_slot - 1,
        )
        yield replace(
            begin(f"{name}: another block is trusted", bootstrap=bootstrap_json, steps=()),
            trusted_root=bytes(32),
        )
        for what, changed in tampered(bootstrap_json["data"]):
            yield begin(
                f"{name}: bootstrap {what}", bootstrap=bootstrap_json | {"data": changed}, steps=(whole,)
            )
        # One of each kind, all that everybody signed; then again for few signers, which other rules judge.
        for kind, good in (whole, *_last_of_each_kind(snapshots[period])):
            for what, changed in tampered(good["data"]):
                step = (kind, good | {"data": changed})
                yield begin(f"{name}: {kind} {what}", bootstrap=bootstrap_json, steps=(step,))
    yield from _crossing_cases(config, chain, trusted, last)


def _newest(chain: Simulation) -> list[tuple[str, Json]]:
    finality, optimistic = chain.finality_update(), chain.optimistic_update()
    if finality is None or optimistic is None:
        raise AssertionError("nothing is final")
    attested = chain.config.fork_at_slot(finality.attested_header.beacon.slot).name
    return [
        ("finality", finality.to_versioned_json(attested, MINIMAL)),
        ("optimistic", optimistic.to_versioned_json(attested, MINIMAL)),
    ]


def _last_of_each_kind(steps: list[tuple[str, Json]]) -> Iterator[tuple[str, Json]]:
    yield from {kind: (kind, given) for kind, given in steps}.values()


def _crossing_cases(
    config: NetworkConfig, chain: Simulation, trusted: dict[Period, tuple[bytes, Json]], last: int
) -> Iterator[Case]:
    """From each fork's bootstrap through all later forks; and with one period left out, or out of order."""
    best: list[tuple[str, Json]] = []
    for period in range(len(_FORKS)):
        update = chain.update(Period(period))
        if update is None:
            raise AssertionError(f"period {period} has no update")
        fork = config.fork_at_slot(update.attested_header.beacon.slot).name
        best.append(("update", update.to_versioned_json(fork, MINIMAL)))
    for period, (root, bootstrap) in trusted.items():
        begin = partial(Case, config=config, trusted_root=root, current_slot=last, bootstrap=bootstrap)
        rest = tuple(best[period:])
        yield begin(f"simulated from period {period} on", steps=rest)
        if len(rest) > 2:
            yield begin(f"simulated from period {period} on, the next left out", steps=(rest[0], *rest[2:]))
            yield begin(f"simulated from period {period} on, backwards", steps=rest[::-1])
        wrong_root = replace(config, genesis_validators_root=bytes(32))
        yield replace(
            begin(f"simulated from period {period} on, another network", steps=rest[:1]), config=wrong_root
        )
        wrong_version = replace(
            config, forks=tuple(replace(fork, version=b"\xff" + fork.version[1:]) for fork in config.forks)
        )
        yield replace(
            begin(f"simulated from period {period} on, other fork versions", steps=rest[:1]),
            config=wrong_version,
        )


# --- real ---------------------------------------------------------------------------------------------------


def real_cases(vectors: Path) -> Iterator[Case]:
    """Mainnet from Altair to Capella, Sepolia in Electra; good, and with each value changed."""
    folder = vectors / "beacon_updates"
    yield from _altair_cases(folder / "mainnet_altair_290_321")
    yield from _capella_cases(folder)
    yield from _electra_cases(folder / "sepolia_electra_874_875")


def _altair_cases(folder: Path) -> Iterator[Case]:
    bootstrap = _altair(_read(folder / "bootstrap_p290.json"))
    updates = [("update", _altair(_read(folder / f"{period:05d}.json"))) for period in range(290, 322)]
    begin = partial(
        Case,
        config=MAINNET_CONFIG,
        bootstrap=bootstrap,
        trusted_root=_root(bootstrap),
        current_slot=int(updates[-1][1]["data"]["signature_slot"]),
    )
    yield begin("mainnet altair, periods 290 to 321", steps=tuple(updates))
    yield begin("mainnet altair, period 291 left out", steps=(updates[0], *updates[2:4]))
    yield from _tampered_steps(begin, "mainnet altair", updates[0])


def _capella_cases(folder: Path) -> Iterator[Case]:
    crossing = folder / "mainnet_bellatrix_capella_755_760"
    bootstrap = _read(crossing / "bootstrap_slot_006184960.json")
    updates = [("update", _read(crossing / f"update_{period}.json")[0]) for period in range(755, 761)]
    begin = partial(
        Case,
        config=MAINNET_CONFIG,
        bootstrap=bootstrap,
        trusted_root=_root(bootstrap),
        current_slot=int(updates[-1][1]["data"]["signature_slot"]),
    )
    yield begin("mainnet bellatrix to capella, periods 755 to 760", steps=tuple(updates))
    for path in sorted(crossing.glob("bootstrap_*.json")):
        given = _read(path)
        slot = int(given["data"]["header"]["beacon"]["slot"])
        period = slot // MAINNET_CONFIG.preset.slots_per_period
        rest = tuple(updates[period - 755 :])
        yield replace(
            begin(f"mainnet, bootstrap of slot {slot}", steps=rest),
            bootstrap=given,
            trusted_root=_root(given),
        )
    bootstrap = _read(folder / "mainnet_capella_862_864" / "bootstrap.json")
    updates = [
        ("update", given) for given in _read(folder / "mainnet_capella_862_864" / "updates_862_864.json")
    ]
    begin = partial(
        Case,
        config=MAINNET_CONFIG,
        bootstrap=bootstrap,
        trusted_root=_root(bootstrap),
        current_slot=int(updates[-1][1]["data"]["signature_slot"]),
    )
    yield begin("mainnet capella, periods 862 to 864", steps=tuple(updates))
    yield from _tampered_steps(begin, "mainnet capella", updates[0])


def _electra_cases(folder: Path) -> Iterator[Case]:
    header = _read(folder / "header_7167008.json")
    execution = _read(folder / "finality_update_7167008.json")["finalized_header"]
    bootstrap = {
        "version": "electra",
        "data": {
            "header": execution | {"beacon": header},
            "current_sync_committee": _read(folder / "current_sync_committee_7167008.json"),
            "current_sync_committee_branch": ["0x" + bytes(32).hex()] * 6,
        },
    }
    steps = [
        ("finality", {"version": "electra", "data": _read(folder / "finality_update_7167040.json")}),
        ("update", {"version": "electra", "data": _read(folder / "period_changing_update_7167040.json")}),
    ]
    begin = partial(
        Case,
        config=SEPOLIA_CONFIG,
        bootstrap=bootstrap,
        trusted_root=None,
        next_committee=_read(folder / "next_sync_committee_7167008.json"),
        current_slot=int(steps[-1][1]["data"]["signature_slot"]),
    )
    yield begin("sepolia electra, into period 875", steps=tuple(steps))
    yield begin("sepolia electra, into period 875 at once", steps=(steps[1],))
    for step in steps:
        yield from _tampered_steps(begin, "sepolia electra", step)


def _tampered_steps(begin: partial[Case], name: str, step: tuple[str, Json]) -> Iterator[Case]:
    kind, good = step
    for what, changed in tampered(good["data"]):
        yield begin(f"{name}: {kind} {what}", steps=((kind, good | {"data": changed}),))


def _altair(given: Json) -> Json:
    """The files of 2021 have headers without the `beacon` around them."""
    headers = {"header", "attested_header", "finalized_header"}
    data = {name: {"beacon": value} if name in headers else value for name, value in given.items()}
    return {"version": "altair", "data": data}


def _root(bootstrap: Json) -> bytes:
    beacon = bootstrap["data"]["header"]["beacon"]
    fork = ForkName.parse(bootstrap["version"])
    return BeaconBlockHeader.from_json(beacon, fork, MAINNET_CONFIG.preset).hash_tree_root()


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
