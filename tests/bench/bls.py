# SPDX-License-Identifier: MIT
"""How long a sync committee's signature takes in Python: `python -m tests.bench.bls [--reference]`.

Prints a table and writes .bench/bls.json. Both sides hold the same 512 keys decompressed, decompress and
check the same signature, add the keys and verify; their rounds alternate in one run, so that what slows the
machine slows both. The aim is at most 1.2 times blst in Node. `--reference` adds one run of py_ecc.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from light_clients.bls import GROUP_ORDER, PY_ECC, backend, committee
from light_clients.hashing import keccak256
from relayer.devnet.process import toolchain

REPORT = Path(__file__).resolve().parents[2] / ".bench" / "bls.json"
NATIVE = Path(__file__).with_name("native_blst.cjs")
REACH_RATIO = 1.2
SIZE, ABSENT = 512, 5
ROUNDS, CALLS, WARM_UP_CALLS = 15, 20, 100
NODE_ANSWERS_WITHIN_S = 60
MESSAGE = keccak256(b"postroad bls bench")

SECRETS = [int.from_bytes(keccak256(b"seat %d" % seat)) % (GROUP_ORDER - 1) + 1 for seat in range(SIZE)]


def sign(secrets: Sequence[int]) -> bytes:
    """The signature of all: that of the sum of their secrets."""
    return backend().sign(sum(secrets) % GROUP_ORDER, MESSAGE)


def clock(call: Callable[[], bool], count: int = CALLS) -> list[float]:
    """Milliseconds of each call, which must verify."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        held = call()
        taken.append((time.perf_counter() - start) * 1e3)
        assert held, "the signature does not hold"
    return taken


@contextmanager
def native(setup: dict[str, Any]) -> Iterator[Callable[[int], dict[str, list[float]]]]:
    """A Node that holds the same keys; what it gives back runs a round of so many calls."""
    node = subprocess.Popen(
        [str(toolchain.find_node()), str(NATIVE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert node.stdin is not None
    assert node.stdout is not None
    stdin, stdout = node.stdin, node.stdout
    # A Node that hangs must not hang us.
    watch = threading.Timer(NODE_ANSWERS_WITHIN_S, node.kill)
    watch.start()

    def ask(line: str) -> str:
        with suppress(BrokenPipeError):
            stdin.write(line + "\n")
            stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(
                f"Node gave up (exit {node.wait(5)}). Run `make tools`; its own words are above."
            )
        return answer

    try:
        assert ask(json.dumps(setup)) == "ready\n"
        yield lambda calls: json.loads(ask(f"round {calls}"))
    finally:
        watch.cancel()
        with suppress(BrokenPipeError):
            stdin.close()
        stdout.close()
        try:
            node.wait(5)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


def measure_threads(call: Callable[[], bool], count: int = 40) -> float:
    """How many times as much two threads get done as one:
    1 when the library keeps the interpreter's lock, 2 at best.
    """
    alone, together = [], []
    for _ in range(ROUNDS):
        alone.append(sum(clock(call, count)) / count)
        threads = [threading.Thread(target=clock, args=(call, count)) for _ in range(2)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        together.append((time.perf_counter() - start) * 1e3 / (2 * count))
    return statistics.median(alone) / statistics.median(together)


def measure_reference(pubkeys: Sequence[bytes], signature: bytes) -> tuple[float, float]:
    """Milliseconds that py_ecc takes to decompress and check the keys,
    and for the same as ours with them in hand.
    """
    start = time.perf_counter()
    keys = committee(pubkeys, PY_ECC).keys
    decompressed_ms = (time.perf_counter() - start) * 1e3
    reference = backend(PY_ECC)
    return decompressed_ms, clock(lambda: reference.fast_aggregate_verify(keys, MESSAGE, signature), 1)[0]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bls", description=__doc__)
    parser.add_argument("--reference", action="store_true", help="measure py_ecc too, once")
    options = parser.parse_args(arguments)

    bls = backend()
    pubkeys = [bls.secret_to_public(secret).compressed for secret in SECRETS]
    start = time.perf_counter()
    members = committee(pubkeys)
    decompressed_ms = (time.perf_counter() - start) * 1e3
    everybody, bits = [True] * SIZE, [seat >= ABSENT for seat in range(SIZE)]
    whole, partial = sign(SECRETS), sign(SECRETS[ABSENT:])
    assert not members.verify(bits, MESSAGE, whole)

    calls: dict[str, Callable[[], bool]] = {
        "all": lambda: bls.fast_aggregate_verify(members.keys, MESSAGE, whole),
        "absent": lambda: members.verify(bits, MESSAGE, partial),
        "everybody": lambda: members.verify(everybody, MESSAGE, whole),
    }
    ours: dict[str, list[float]] = {name: [] for name in calls}
    theirs: dict[str, list[float]] = {"all": [], "absent": []}
    setup = {
        "pubkeys": [key.hex() for key in pubkeys],
        "message": MESSAGE.hex(),
        "signature": whole.hex(),
        "absent": ABSENT,
        "absentSignature": partial.hex(),
    }
    with native(setup) as run_native:
        run_native(WARM_UP_CALLS)
        for call in calls.values():
            clock(call, WARM_UP_CALLS)
        for _ in range(ROUNDS):
            for name, call in calls.items():
                ours[name] += clock(call)
            for name, taken in run_native(CALLS).items():
                theirs[name] += taken

    python, node = statistics.median(ours["all"]), statistics.median(theirs["all"])
    figures: dict[str, float] = {
        "fast_aggregate_verify_512_ms": python,
        "native_blst_ms": node,
        "ratio": python / node,
        "committee_verify_5_absent_ms": statistics.median(ours["absent"]),
        "native_blst_5_absent_ms": statistics.median(theirs["absent"]),
        "committee_verify_0_absent_ms": statistics.median(ours["everybody"]),
        "decompress_committee_ms": decompressed_ms,
        "two_threads_speedup": measure_threads(calls["all"]),
    }
    rows = [
        ("512 keys added and verified", python),
        ("the same, blst in Node", node),
        ("5 of 512 absent, taken away from the sum", figures["committee_verify_5_absent_ms"]),
        ("507 keys added and verified, blst in Node", figures["native_blst_5_absent_ms"]),
        ("all 512, their sum from the cache", figures["committee_verify_0_absent_ms"]),
        ("512 keys decompressed and checked, once a period", decompressed_ms),
    ]
    if options.reference:
        figures["py_ecc_decompress_ms"], figures["py_ecc_ms"] = measure_reference(pubkeys, whole)
        rows.append(("512 keys decompressed and checked, py_ecc", figures["py_ecc_decompress_ms"]))
        rows.append(("512 keys added and verified, py_ecc", figures["py_ecc_ms"]))
    for name, took in rows:
        print(f"{name:<50}{took:11.3f} ms")
    print(f"two threads get done {figures['two_threads_speedup']:.2f} times what one does")
    print(f"ratio to native blst: {figures['ratio']:.3f}, reach ≤ {REACH_RATIO}")
    REPORT.parent.mkdir(exist_ok=True)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    REPORT.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
