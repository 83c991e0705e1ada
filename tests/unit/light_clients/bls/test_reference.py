# SPDX-License-Identifier: MIT
"""Another team's arithmetic gives the same points."""

from __future__ import annotations

from light_clients.bls import PY_ECC, PYBLST, backend

MESSAGE = b"m" * 32
GOOD_KEY = backend().secret_to_public(5).compressed
GOOD_SIGNATURE = backend().sign(5, MESSAGE)


def test_the_same_points_by_both() -> None:
    fast, reference = backend(PYBLST), backend(PY_ECC)
    assert fast.public_key(GOOD_KEY).xy == reference.public_key(GOOD_KEY).xy
    assert fast.sign(77, MESSAGE) == reference.sign(77, MESSAGE)
    assert fast.secret_to_public(77) == reference.secret_to_public(77)
    assert fast.signature_affine(GOOD_SIGNATURE) == reference.signature_affine(GOOD_SIGNATURE)
