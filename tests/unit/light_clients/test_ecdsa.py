# SPDX-License-Identifier: MIT
from __future__ import annotations

import random

import pytest

from light_clients.ecdsa import recover
from tests.support import secp256k1
from tests.support.bft import validator
from tests.support.trie import keccak

N = secp256k1.N
SIGNER = validator("ecdsa")
DIGEST = keccak(b"digest")
SEAL = SIGNER.sign(DIGEST)
R, S, PARITY = int.from_bytes(SEAL[:32], "big"), int.from_bytes(SEAL[32:64], "big"), SEAL[64]


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_signer_is_recovered() -> None:
    assert recover(DIGEST, SEAL[:64], PARITY) == SIGNER.address


def test_a_high_s_is_accepted_as_by_the_precompile() -> None:
    assert recover(DIGEST, word(R) + word(N - S), 1 - PARITY) == SIGNER.address


EDGES = {
    "r zero": (0, S),
    "s zero": (R, 0),
    "r one": (1, S),
    "r is n": (N, S),
    "s is n": (R, N),
    "r is n - 1": (N - 1, S),
    "s is n - 1": (R, N - 1),
    "s is one": (R, 1),
    "r beyond n": (N + 1, S),
    "both largest": (2**256 - 1, 2**256 - 1),
    "no point has that x": (5, S),
}


@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("name", EDGES)
def test_edges_are_judged_as_by_the_precompile(name: str, parity: int) -> None:
    r, s = EDGES[name]
    assert recover(DIGEST, word(r) + word(s), parity) == secp256k1.recover(DIGEST, word(r) + word(s), parity)


def test_some_edges_recover_and_some_do_not() -> None:
    verdicts = {name: recover(DIGEST, word(r) + word(s), 0) is not None for name, (r, s) in EDGES.items()}
    assert verdicts["s is one"]
    assert not any(verdicts[name] for name in ("r zero", "s zero", "r is n", "s is n", "no point has that x"))


def test_the_point_at_infinity_is_nobody() -> None:
    # With R = k·G and s = z / k the recovered key is r⁻¹(s·R - z·G) = 0.
    k = 12345
    x, y = secp256k1.multiply(secp256k1.G, k) or (0, 0)
    z = int.from_bytes(DIGEST, "big")
    r_s = word(x % N) + word(z * pow(k, -1, N) % N)
    assert recover(DIGEST, r_s, y & 1) is None
    assert secp256k1.recover(DIGEST, r_s, y & 1) is None
    assert recover(DIGEST, r_s, 1 - y & 1) is not None


@pytest.mark.parametrize("digest", [bytes(32), b"\xff" * 32, word(N), word(N - 1)])
def test_any_32_bytes_are_a_digest(digest: bytes) -> None:
    seal = SIGNER.sign(DIGEST)
    for parity in (0, 1):
        assert recover(digest, seal[:64], parity) == secp256k1.recover(digest, seal[:64], parity)


def test_random_bytes_are_judged_as_by_the_reference() -> None:
    rng = random.Random(1)
    recovered = 0
    for _ in range(60):
        digest, r_s, parity = rng.randbytes(32), rng.randbytes(64), rng.randrange(2)
        found = recover(digest, r_s, parity)
        recovered += found is not None
        assert found == secp256k1.recover(digest, r_s, parity)
    assert 10 < recovered < 50


@pytest.mark.parametrize(
    ("digest", "r_s", "parity"),
    [(bytes(31), bytes(64), 0), (bytes(32), bytes(63), 0), (bytes(32), bytes(64), 2)],
)
def test_other_shapes_are_a_mistake_of_the_caller(digest: bytes, r_s: bytes, parity: int) -> None:
    with pytest.raises(ValueError, match="expected 32 bytes, 64 bytes and 0 or 1"):
        recover(digest, r_s, parity)
