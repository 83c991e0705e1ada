# SPDX-License-Identifier: MIT
"""SSZ of a mainnet committee and update, ours beside the libraries that are installed: `python -m
tests.bench.ssz`.

Prints a table and writes .bench/ssz.json. The libraries are no dependency of ours; to compare, `pip install
remerkleable ssz` into any environment and run this file there. Roots are compared, so that nobody is quick
and wrong.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.ethereum.config import MAINNET, ForkName, Slot
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientHeader,
    LightClientUpdate,
    SyncAggregate,
    SyncCommittee,
)
from light_clients.ethereum.execution import ExecutionPayloadHeader

REPORT = Path(__file__).resolve().parents[2] / ".bench" / "ssz.json"
FORK = ForkName.DENEB

#: A library: from a committee's bytes to its root, and from an update's to the attested state root.
Candidate = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]

_BLOCK = (
    ("parent_hash", 32),
    ("fee_recipient", 20),
    ("state_root", 32),
    ("receipts_root", 32),
    ("logs_bloom", 256),
    ("prev_randao", 32),
    ("block_number", "uint64"),
    ("gas_limit", "uint64"),
    ("gas_used", "uint64"),
    ("timestamp", "uint64"),
    ("extra_data", "list"),
    ("base_fee_per_gas", "uint256"),
    ("block_hash", 32),
    ("transactions_root", 32),
    ("withdrawals_root", 32),
    ("blob_gas_used", "uint64"),
    ("excess_blob_gas", "uint64"),
)
_BEACON = (
    ("slot", "uint64"),
    ("proposer_index", "uint64"),
    ("parent_root", 32),
    ("state_root", 32),
    ("body_root", 32),
)


def noise(size: int, *name: object) -> bytes:
    return hashlib.shake_128(repr(name).encode()).digest(size)


def make_update() -> LightClientUpdate:
    def header(name: str) -> LightClientHeader:
        roots = [noise(32, name, at) for at in range(3)]
        execution = ExecutionPayloadHeader(
            logs_bloom=noise(256, name), extra_data=b"bench", block_number=7
        ).in_form_of(FORK)
        branch = tuple(noise(32, name, "branch", at) for at in range(4))
        return LightClientHeader(BeaconBlockHeader(Slot(1), 2, *roots), execution, branch)

    committee = SyncCommittee(tuple(noise(48, "key", at) for at in range(512)), noise(48, "aggregate"))
    return LightClientUpdate(
        header("attested"),
        committee,
        tuple(noise(32, "committee", at) for at in range(5)),
        header("finalized"),
        tuple(noise(32, "finality", at) for at in range(6)),
        SyncAggregate(tuple(at % 50 != 0 for at in range(512)), noise(96, "signature")),
        Slot(3),
    )


def ours() -> Candidate:
    def root(data: bytes) -> bytes:
        return SyncCommittee.decode_ssz(data, FORK, MAINNET).hash_tree_root()

    def decode(data: bytes) -> bytes:
        return LightClientUpdate.decode_ssz(data, FORK, MAINNET).attested_header.beacon.state_root

    return root, decode


def remerkleable() -> Candidate:
    basic, arrays = (importlib.import_module(f"remerkleable.{name}") for name in ("basic", "byte_arrays"))
    compound, bits = (importlib.import_module(f"remerkleable.{name}") for name in ("complex", "bitfields"))

    def kind(of: int | str) -> Any:
        if of == "list":
            return arrays.ByteList[32]
        return getattr(basic, of) if isinstance(of, str) else arrays.ByteVector[of]

    def container(name: str, **fields: Any) -> Any:
        return type(name, (compound.Container,), {"__annotations__": fields})

    beacon = container("Beacon", **{name: kind(of) for name, of in _BEACON})
    execution = container("Execution", **{name: kind(of) for name, of in _BLOCK})
    branch = {depth: compound.Vector[kind(32), depth] for depth in (4, 5, 6)}
    header = container("Header", beacon=beacon, execution=execution, execution_branch=branch[4])
    committee = container("Committee", pubkeys=compound.Vector[kind(48), 512], aggregate_pubkey=kind(48))
    update = container(
        "Update",
        attested_header=header,
        next_sync_committee=committee,
        next_sync_committee_branch=branch[5],
        finalized_header=header,
        finality_branch=branch[6],
        sync_aggregate=container("Aggregate", bits=bits.Bitvector[512], signature=kind(96)),
        signature_slot=basic.uint64,
    )
    return (
        lambda data: bytes(committee.decode_bytes(data).hash_tree_root()),
        lambda data: bytes(update.decode_bytes(data).attested_header.beacon.state_root),
    )


def py_ssz() -> Candidate:
    ssz, sedes = importlib.import_module("ssz"), importlib.import_module("ssz.sedes")

    def kind(of: int | str) -> Any:
        if of == "list":
            return sedes.ByteList(32)
        return getattr(sedes, of) if isinstance(of, str) else sedes.ByteVector(of)

    def container(*fields: Any) -> Any:
        return sedes.Container(fields)

    beacon = container(*(kind(of) for _, of in _BEACON))
    execution = container(*(kind(of) for _, of in _BLOCK))
    branch = {depth: sedes.Vector(kind(32), depth) for depth in (4, 5, 6)}
    header = container(beacon, execution, branch[4])
    committee = container(sedes.Vector(kind(48), 512), kind(48))
    aggregate = container(sedes.Bitvector(512), kind(96))
    update = container(header, committee, branch[5], header, branch[6], aggregate, sedes.uint64)
    return (
        lambda data: bytes(ssz.get_hash_tree_root(ssz.decode(data, committee), committee)),
        lambda data: bytes(ssz.decode(data, update)[0][0][3]),
    )


def best_ms(work: Callable[[], object], rounds: int = 9) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main() -> int:
    update = make_update()
    data = update.encode_ssz(FORK, MAINNET)
    committee = update.next_sync_committee
    if committee is None:
        raise AssertionError
    committee_data = replace(committee).encode_ssz(FORK, MAINNET)
    expected = committee.hash_tree_root(), update.attested_header.beacon.state_root
    hashes = best_ms(lambda: [hashlib.sha256(committee_data[:64]).digest() for _ in range(1025)])
    report: dict[str, object] = {"sha256_1025_ms": round(hashes, 3)}
    print(f"{'':<24}{'committee root':>16}{'update decoded':>16}")
    print(f"{'1,025 bare hashes':<24}{hashes:>13.2f} ms")
    for name, package, make in (
        ("ours", None, ours),
        ("remerkleable", "remerkleable", remerkleable),
        ("eth-remerkleable", "eth-remerkleable", remerkleable),
        ("py-ssz", "ssz", py_ssz),
    ):
        try:
            version = importlib.metadata.version(package) if package else ""
        except importlib.metadata.PackageNotFoundError:
            print(f"{name:<24}{'not installed':>16}")
            continue
        root, decode = make()
        if (root(committee_data), decode(data)) != expected:
            raise AssertionError(f"{name} finds another root, or reads another update")
        figures = best_ms(partial(root, committee_data)), best_ms(partial(decode, data))
        report[name] = {
            "version": version,
            "committee_root_ms": round(figures[0], 3),
            "update_decode_ms": round(figures[1], 3),
        }
        print(f"{f'{name} {version}':<24}{figures[0]:>13.2f} ms{figures[1]:>13.2f} ms")
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
