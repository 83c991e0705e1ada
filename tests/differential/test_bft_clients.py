# SPDX-License-Identifier: MIT
"""INV-8: Python and Solidity accept exactly the same proofs and headers, and say the same of them.

POSTROAD_DIFFERENTIAL_CASES says how many cases are run (by default 12,000, and 200,000 in the test marked
long), and POSTROAD_DIFFERENTIAL_SEED from which seed. A difference is reported with its seed and its bytes.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from eth_abi.abi import encode

from light_clients import ecdsa
from light_clients.bft.client import BftKind, quorum
from light_clients.bft.validators import MAX_VALIDATORS
from light_clients.ecdsa import recover
from light_clients.errors import Rejection
from light_clients.proofs.compact import read_account, read_storage
from relayer.contracts import Build, load
from tests.differential.bft_cases import (
    KINDS,
    NOW,
    TRUSTED_TIME,
    make_case,
    make_world,
)
from tests.differential.bft_twins import deploy_world
from tests.differential.chances import SEED, case_count, new_seed
from tests.differential.clients import check_both_ways, compare, is_known
from tests.differential.compact_cases import account_case, storage_case
from tests.differential.evm import Anvil, compile_probe, probe, run_anvil, selector
from tests.support.bft import validator
from tests.support.secp256k1 import N
from tests.support.solc import ROOT, compile_contract

SIZES = [1, 2, 3, 4, 5, 7, 9, 21]
ECRECOVER = (1).to_bytes(20, "big")
HARNESS = ROOT / "solidity/test/support/CompactProofHarness.sol"


@pytest.fixture(scope="module")
def bare_probe(anvil: Anvil) -> bytes:
    """A probe that stands in nobody's place."""
    return anvil.transact(None, compile_probe().creation, TRUSTED_TIME)


@pytest.fixture(scope="module")
def harness(anvil: Anvil) -> bytes:
    return anvil.transact(None, compile_contract(HARNESS, "CompactProofHarness").creation, TRUSTED_TIME)


# --- ecrecover ----------------------------------------------------------------------------------------------


def recovery_cases(rng: random.Random, count: int) -> Iterator[tuple[bytes, bytes, int]]:
    signer = validator("differential")
    edges = [0, 1, N - 1, N, N + 1, N // 2, N // 2 + 1, 2**255 - 1, 2**255, 2**256 - 1]
    for _ in range(count):
        digest = rng.choice([rng.randbytes(32), bytes(32), b"\xff" * 32, N.to_bytes(32, "big")])
        seal = signer.sign(digest)
        r, s, parity = int.from_bytes(seal[:32], "big"), int.from_bytes(seal[32:64], "big"), seal[64]
        match rng.randrange(6):
            case 0:
                s, parity = N - s, 1 - parity
            case 1:
                r = rng.choice(edges)
            case 2:
                s = rng.choice(edges)
            case 3:
                r, s, parity = rng.getrandbits(256), rng.getrandbits(256), rng.randrange(2)
            case 4:
                parity = 1 - parity
        yield digest, r.to_bytes(32, "big") + s.to_bytes(32, "big"), parity


@pytest.mark.parametrize("backend", [ecdsa.Libsecp256k1, ecdsa.PurePython])
def test_recovery_is_that_of_the_precompile(
    anvil: Anvil, bare_probe: bytes, backend: type[ecdsa.Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-8 for single signatures: every edge of r and s, high s, and points that are none."""
    monkeypatch.setattr(ecdsa, "BACKEND", backend())
    cases = list(recovery_cases(random.Random(SEED), max(300, case_count(12_000) // 8)))
    calls = [digest + (27 + parity).to_bytes(32, "big") + r_s for digest, r_s, parity in cases]
    verdicts: Counter[bool] = Counter()
    for (digest, r_s, parity), outcome in zip(
        cases, probe(anvil, bare_probe, ECRECOVER, calls, NOW), strict=True
    ):
        found = recover(digest, r_s, parity)
        assert outcome.result[12:] == (found or b""), (
            f"digest {digest.hex()}, r ‖ s {r_s.hex()}, parity {parity}"
        )
        verdicts[found is not None] += 1
    assert min(verdicts[True], verdicts[False]) > len(cases) // 10


# --- compact proofs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProofCase:
    """A proof by itself: what Python is asked, and what the harness is asked."""

    name: str
    data: bytes
    ask: Callable[[], tuple[int, bytes]]
    call: bytes

    def verdict(self) -> bytes | None:
        try:
            end, answer = self.ask()
        except Rejection:
            return None
        return answer if end == len(self.data) else None


def storage_question(data: bytes, slot: bytes) -> ProofCase:
    def ask() -> tuple[int, bytes]:
        read = read_storage(data, 0, slot)
        return read.end, read.root + read.value

    call = selector("storageRoot(bytes,bytes32)") + encode(["bytes", "bytes32"], [data, slot])
    return ProofCase(f"slot {slot.hex()}", data, ask, call)


def account_question(data: bytes, address: bytes, storage_root: bytes) -> ProofCase:
    def ask() -> tuple[int, bytes]:
        read = read_account(data, 0, address, storage_root)
        return read.end, read.root

    arguments = encode(["bytes", "address", "bytes32"], [data, "0x" + address.hex(), storage_root])
    call = selector("stateRoot(bytes,address,bytes32)") + arguments
    return ProofCase(f"account {address.hex()}, storage root {storage_root.hex()}", data, ask, call)


def proof_cases(rng: random.Random, count: int) -> Iterator[ProofCase]:
    for _ in range(count):
        if rng.random() < 0.65:
            slot = rng.randbytes(32)
            yield storage_question(storage_case(rng, slot), slot)
        else:
            address = rng.randbytes(20)
            yield account_question(account_case(rng, address), address, rng.randbytes(32))


HARNESS_ERRORS = [selector("ProofMalformed(uint256)"), selector("LengthMismatch(uint256,uint256)")]


def compare_proofs(anvil: Anvil, bare_probe: bytes, harness: bytes, seed: int, count: int) -> None:
    cases = list(proof_cases(random.Random(seed), count))
    verdicts: Counter[bool] = Counter()
    outcomes = probe(anvil, bare_probe, harness, [case.call for case in cases], NOW)
    for case, outcome in zip(cases, outcomes, strict=True):
        found = case.verdict()
        assert found == (outcome.result if outcome.accepted else None), (
            f"{case.name}, proof {case.data.hex()}"
        )
        assert is_known(outcome, HARNESS_ERRORS), (
            f"{case.name}: {outcome.result.hex()}, proof {case.data.hex()}"
        )
        verdicts[found is not None] += 1
    assert min(verdicts[True], verdicts[False]) > count // 5, verdicts


def test_compact_proofs_lead_to_the_same_root(anvil: Anvil, bare_probe: bytes, harness: bytes) -> None:
    """INV-8 for tries: the same root and word, or a rejection on both sides."""
    compare_proofs(anvil, bare_probe, harness, SEED, case_count(12_000) * 3 // 8)


# --- clients ------------------------------------------------------------------------------------------------


def compare_worlds(
    anvil: Anvil, authority: bytes, seed: int, count: int, build: Build = Build.CANCUN
) -> None:
    worlds = [(kinds, size) for kinds in KINDS for size in SIZES]
    verdicts: Counter[tuple[str, bool]] = Counter()
    for index, (kinds, size) in enumerate(worlds):
        rng = random.Random(f"{seed} {kinds} {size}")
        world = make_world(rng, kinds, size)
        deployed = deploy_world(anvil, authority, world, anchored=index % 4 != 0, build=build)
        cases = [make_case(rng, world) for _ in range(count // len(worlds))]
        verdicts += compare(anvil, deployed, cases, f"seed {seed}, {kinds!r} of {size}")
    check_both_ways(verdicts)


def test_clients_believe_the_same(anvil: Anvil, authority: bytes) -> None:
    """INV-8 for clients: the same word, height and time, the same state afterwards,
    or a rejection on both sides.
    """
    compare_worlds(anvil, authority, SEED, case_count(12_000) // 2)


def test_clients_believe_the_same_in_the_baseline_build() -> None:
    """INV-8 in the build for older chains, on an EVM with Istanbul's rules: what differs is how memory is
    copied, so fewer cases say as much.
    """
    with run_anvil("istanbul") as older:
        manager = load("AccessManager", Build.BASELINE).encode_creation(older.sender)
        authority = older.transact(None, manager, TRUSTED_TIME)
        compare_worlds(older, authority, SEED, case_count(12_000) // 6, Build.BASELINE)


def test_frozen_clients_believe_nothing_on_both_sides(anvil: Anvil, authority: bytes) -> None:
    """INV-7 and INV-8."""
    rng = random.Random(SEED)
    for kinds in KINDS:
        world = make_world(rng, kinds, 4)
        deployed = deploy_world(anvil, authority, world, anchored=True, frozen=True)
        verdicts = compare(anvil, deployed, [make_case(rng, world) for _ in range(40)], "frozen")
        assert not any(believed for (_, believed), often in verdicts.items() if often)


def test_quorums_are_the_same(anvil: Anvil, authority: bytes) -> None:
    """INV-8, for every size that a set can have."""
    deployed = deploy_world(
        anvil, authority, make_world(random.Random(SEED), BftKind.QBFT, 1), anchored=False
    )
    artifact = load("BftLightClient")
    calls = [artifact.encode_call("quorum", count) for count in range(MAX_VALIDATORS + 1)]
    outcomes = probe(anvil, deployed.place, deployed.implementation, calls, NOW)
    assert [int.from_bytes(outcome.result, "big") for outcome in outcomes] == list(map(quorum, range(256)))


@pytest.mark.long
def test_at_length(anvil: Anvil, authority: bytes, bare_probe: bytes, harness: bytes) -> None:
    """The same comparisons over as many cases as a release deserves,
    from a seed of the day unless one is given.
    """
    seed = new_seed()
    count, slices = case_count(200_000), 20
    for part in range(slices):
        compare_proofs(anvil, bare_probe, harness, seed + part, count // 2 // slices)
        compare_worlds(anvil, authority, seed + part, count // 2 // slices)
