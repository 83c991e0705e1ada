# SPDX-License-Identifier: MIT
from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients import ecdsa
from light_clients.ecdsa import (
    ORDER,
    Backend,
    Libsecp256k1,
    PurePython,
    address_of,
    choose_backend,
    recover,
    sign,
)
from tests.support import secp256k1
from tests.support.bft import validator
from tests.support.trie import keccak

N = secp256k1.N
SIGNER = validator("ecdsa")
DIGEST = keccak(b"digest")
SEAL = SIGNER.sign(DIGEST)
R, S, PARITY = int.from_bytes(SEAL[:32], "big"), int.from_bytes(SEAL[32:64], "big"), SEAL[64]


BACKENDS: tuple[Backend, ...] = (Libsecp256k1(), PurePython())
WORDS = st.one_of(
    st.sampled_from([0, 1, 2, N // 2, N // 2 + 1, N - 1, N, N + 1, secp256k1.P - 1, secp256k1.P, 2**256 - 1]),
    st.integers(0, 2**256 - 1),
)


@pytest.fixture(autouse=True, params=BACKENDS, ids=lambda backend: type(backend).__name__)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Every test is for both."""
    monkeypatch.setattr(ecdsa, "BACKEND", request.param)
    chosen: Backend = request.param
    return chosen


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
    "no point has that x, s is one": (5, 1),
    "r two, s half of n": (2, N // 2),
    "r is the field's prime": (secp256k1.P, S),
    "r is the field's prime minus n": (secp256k1.P - N, S),
    "both zero": (0, 0),
    "both n": (N, N),
    "both n - 1": (N - 1, N - 1),
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


def test_a_sum_of_two_equal_points_is_recovered() -> None:
    # With s = -z / k the two points that are added, s·R and -z·G, are the same one.
    k = 12345
    x, y = secp256k1.multiply(secp256k1.G, k) or (0, 0)
    z = int.from_bytes(DIGEST, "big")
    r_s = word(x % N) + word(-z * pow(k, -1, N) % N)
    assert recover(DIGEST, r_s, y & 1) == secp256k1.recover(DIGEST, r_s, y & 1) is not None


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


@given(digest=WORDS, r=WORDS, s=WORDS, parity=st.integers(0, 1))
def test_both_backends_recover_the_same(digest: int, r: int, s: int, parity: int) -> None:
    found = {backend.recover(word(digest), word(r) + word(s), parity) for backend in BACKENDS}
    assert len(found) == 1


@given(digest=WORDS, secret=st.integers(1, N - 1))
def test_both_backends_sign_the_same_and_it_recovers(digest: int, secret: int) -> None:
    """RFC 6979 leaves no choice: neither in the nonce, which takes the digest modulo n, nor in s, which is
    the low one.
    """
    first, second = (backend.sign(word(digest), word(secret)) for backend in BACKENDS)
    assert first == second
    r_s, parity = first
    assert 0 < int.from_bytes(r_s[32:]) <= N // 2
    assert recover(word(digest), r_s, parity) == address_of(word(secret))


@pytest.mark.parametrize("secret", [1, 2, N // 2, N - 1, 0xC0FFEE])
def test_addresses_are_those_of_the_reference(secret: int) -> None:
    point = secp256k1.multiply(secp256k1.G, secret)
    assert point is not None
    assert address_of(word(secret)) == keccak(word(point[0]) + word(point[1]))[12:]


def test_a_signature_is_the_one_of_rfc_6979() -> None:
    """The vector that libraries for this curve share: the secret 1 signs SHA-256 of a name."""
    signature = sign(hashlib.sha256(b"Satoshi Nakamoto").digest(), word(1))
    assert signature[:64].hex() == (
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
    )


@pytest.mark.parametrize("secret", [b"", bytes(32), bytes(31), bytes(33), word(ORDER), b"\xff" * 32])
def test_what_is_no_secret_is_refused_without_being_repeated(secret: bytes) -> None:
    calls: tuple[Callable[[bytes], bytes], ...] = (partial(sign, DIGEST), address_of)
    for call in calls:
        with pytest.raises(ValueError, match="that is no key") as caught:
            call(secret)
        assert "ffff" not in str(caught.value)


def test_a_digest_of_another_length_is_not_signed() -> None:
    with pytest.raises(ValueError, match="found a digest of 31 bytes"):
        sign(bytes(31), word(1))


def test_without_the_package_the_pure_python_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(choose_backend(), Libsecp256k1)
    missing: Any = None
    monkeypatch.setitem(sys.modules, "btclib_secp256k1", missing)
    found = choose_backend()
    assert isinstance(found, PurePython)
    assert not found.is_fast
