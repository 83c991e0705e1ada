# SPDX-License-Identifier: MIT
"""keccak256 by both libraries, and what still works where the compiled ones are missing."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients import hashing
from light_clients.hashing import Keccak, by_pycryptodome, by_pysha3

LIBRARIES: tuple[Keccak, ...] = (by_pysha3(), by_pycryptodome())


@pytest.mark.parametrize("keccak256", LIBRARIES)
@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"\x80", "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
        (b"transfer(address,uint256)", "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b"),
    ],
)
def test_known_digests(keccak256: Keccak, data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest


@given(data=st.binary(max_size=600))
def test_both_libraries_hash_the_same(data: bytes) -> None:
    assert len({keccak256(data) for keccak256 in LIBRARIES}) == 1


def test_without_the_package_the_other_library_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hashing.choose()[1]
    missing: Any = None
    monkeypatch.setitem(sys.modules, "sha3", missing)
    keccak256, is_fast = hashing.choose()
    assert not is_fast
    assert keccak256(b"") == LIBRARIES[0](b"")


def test_everything_can_be_imported_without_the_packages_that_lack_wheels_somewhere() -> None:
    """All modules but the one that wraps pyblst; py_ecc verifies in its place."""
    script = """
import importlib, pkgutil, sys
for name in ("sha3", "btclib_secp256k1", "pyblst"):
    sys.modules[name] = None
for package in ("light_clients", "relayer"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if module.name != "light_clients.bls.fast" and not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
from light_clients import bls, ecdsa, hashing
assert not ecdsa.BACKEND.is_fast and not hashing.IS_FAST
digest, secret = hashing.keccak256(b"digest"), (7).to_bytes(32)
signature = ecdsa.sign(digest, secret)
assert ecdsa.recover(digest, signature[:64], signature[64]) == ecdsa.address_of(secret)
print(bls.backend().name)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "py_ecc\n"
