# SPDX-License-Identifier: MIT
"""How long proofs and headers take in Python: `python -m tests.bench.proofs`.

Prints a table and writes .bench/proofs.json. Beside each absolute time stands its ratio to work that cannot
be left out (hashing the same bytes, recovering the same keys), for that is what can be compared between
machines. The aim is an account proof of 6 nodes in at most 50 µs.
"""

from __future__ import annotations

import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

from light_clients.bft.client import BftClient, BftKind, BftParams
from light_clients.bft.codec import encode_proof
from light_clients.bft.header import BftHeader
from light_clients.client import Height, Timestamp
from light_clients.codec import rlp
from light_clients.ecdsa import Libsecp256k1, PurePython, recover
from light_clients.hashing import keccak256
from light_clients.proofs import mpt
from light_clients.proofs.compact import encode_account, read_account
from tests.support.bft import PRAGUE, Draft, validators
from tests.support.rlp import encode
from tests.support.trie import EMPTY_ROOT, hex_prefix, to_nibbles

REPORT = Path(__file__).resolve().parents[2] / ".bench" / "proofs.json"
REACH_US = 50.0
NOW = Timestamp(1_700_000_000)
ADDRESS, SLOT = b"\xaa" * 20, bytes(32)


def build_account_proof(nodes: int) -> tuple[bytes, list[bytes]]:
    """A state root and an account's proof as deep state has it: full branches, and the leaf below them."""
    rng = random.Random(6)
    key = to_nibbles(keccak256(ADDRESS))
    account = encode([b"\x01", b"\x0d\xe0\xb6\xb3\xa7\x64\x00\x00", EMPTY_ROOT, rng.randbytes(32)])
    proof = [encode([hex_prefix(key[nodes - 1 :], leaf=True), account])]
    for depth in reversed(range(nodes - 1)):
        children = [rng.randbytes(32) for _ in range(16)]
        children[key[depth]] = keccak256(proof[0])
        proof.insert(0, encode([*children, b""]))
    return keccak256(proof[0]), proof


def verify_plainly(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """The ordinary way, as a baseline: decode every node whole, then look at what is needed of it."""
    nibbles, at, reference = to_nibbles(key), 0, root
    for node in nodes:
        if keccak256(node) != reference:
            raise ValueError("another hash")
        items = rlp.decode(node)
        assert isinstance(items, list)
        if len(items) == 17:
            child = items[nibbles[at]]
            at += 1
        else:
            path, child = items
            assert isinstance(path, bytes)
            if hex_prefix(nibbles[at:], leaf=True) != path:
                raise ValueError("another key")
        assert isinstance(child, bytes)
        reference = child
    return reference


def measure(call: Callable[[], object], *, least_s: float = 0.2) -> float:
    """The best of several runs, in µs a call."""
    call()
    number = 1
    while True:
        start = time.perf_counter()
        for _ in range(number):
            call()
        took = time.perf_counter() - start
        if took > least_s / 4:
            break
        number *= 2
    best = took
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, time.perf_counter() - start)
    return best / number * 1e6


def measure_memory(block: dict[str, object], count: int = 200) -> float:
    """Bytes that a header takes while it is kept."""
    tracemalloc.start()
    kept = [BftHeader.from_rpc(block, BftKind.QBFT) for _ in range(count)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept)


def main() -> int:
    root, nodes = build_account_proof(6)
    key = keccak256(ADDRESS)
    compact = encode_account(ADDRESS, nodes)
    assert read_account(compact, 0, ADDRESS, EMPTY_ROOT).root == root
    assert verify_plainly(root, key, nodes) == mpt.verify(root, key, nodes)

    members = validators(7)
    draft = Draft(BftKind.QBFT, members, number=9, timestamp=NOW, state_root=root, tail=PRAGUE)
    block, header = draft.rpc(), draft.header()
    client = BftClient.bootstrap(BftParams(BftKind.QBFT, 1000, 15), header.validators, Height(1), NOW)
    proof = encode_proof([], nodes, header, ADDRESS, SLOT)
    digest, seal = header.commit_seal_hash, header.seals[0]

    fast, plain = Libsecp256k1(), PurePython()

    # A header remembers who sealed it, so finding them is timed beneath `sealers`.
    times = {
        "hash_6_nodes": measure(lambda: [keccak256(node) for node in nodes]),
        "verify_account_6_nodes": measure(lambda: mpt.verify_account(root, ADDRESS, nodes)),
        "verify_plainly_6_nodes": measure(lambda: verify_plainly(root, key, nodes)),
        "encode_compact_6_nodes": measure(lambda: encode_account(ADDRESS, nodes)),
        "read_compact_6_nodes": measure(lambda: read_account(compact, 0, ADDRESS, EMPTY_ROOT)),
        "recover_seal": measure(lambda: recover(digest, seal[:64], seal[64])),
        "recover_key_fast": measure(lambda: fast.recover(digest, seal[:64], seal[64])),
        "recover_key_python": measure(lambda: plain.recover(digest, seal[:64], seal[64])),
        "sign_fast": measure(lambda: fast.sign(digest, members[0].key)),
        "sign_python": measure(lambda: plain.sign(digest, members[0].key)),
        "header_from_json": measure(lambda: BftHeader.from_rpc(block, BftKind.QBFT)),
        "header_7_seals": measure(lambda: header._find_sealers(header.validators)),  # noqa: SLF001  `sealers` remembers
        "storage_at_7_validators": measure(lambda: client.storage_at(proof, ADDRESS, SLOT, NOW)),
    }
    hashing, recovery = times["hash_6_nodes"], times["recover_seal"]
    ratios = {
        "recover_key_python": (times["recover_key_python"] / times["recover_key_fast"], "the fast one"),
        "sign_python": (times["sign_python"] / times["sign_fast"], "the fast one"),
        "verify_account_6_nodes": (times["verify_account_6_nodes"] / hashing, "hashing its nodes"),
        "verify_plainly_6_nodes": (times["verify_plainly_6_nodes"] / hashing, "hashing its nodes"),
        "encode_compact_6_nodes": (times["encode_compact_6_nodes"] / hashing, "hashing its nodes"),
        "read_compact_6_nodes": (times["read_compact_6_nodes"] / hashing, "hashing its nodes"),
        "header_7_seals": (times["header_7_seals"] / (7 * recovery), "7 recoveries"),
        "storage_at_7_validators": (
            times["storage_at_7_validators"] / (hashing + 5 * recovery),
            "hashing and 5 recoveries",
        ),
    }
    for name, took in times.items():
        ratio = f"{ratios[name][0]:6.2f} × {ratios[name][1]}" if name in ratios else ""
        print(f"{name:<26}{took:10.1f} µs   {ratio}")
    memory = measure_memory(block)
    found = times["verify_account_6_nodes"]
    print(f"{'header kept in memory':<26}{memory:10.0f} bytes")
    print(
        f"account proof of 6 nodes: {found:.1f} µs, reach ≤ {REACH_US:.0f} µs; "
        f"{times['verify_plainly_6_nodes'] / found:.1f} times as fast as decoding every node"
    )
    REPORT.parent.mkdir(exist_ok=True)
    figures = {f"{name}_us": round(took, 2) for name, took in times.items()}
    figures |= {f"{name}_ratio": round(ratio, 3) for name, (ratio, _) in ratios.items()}
    REPORT.write_text(
        json.dumps(figures | {"header_bytes": round(memory)}, indent=1) + "\n", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
