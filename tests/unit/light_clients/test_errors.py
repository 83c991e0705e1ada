# SPDX-License-Identifier: MIT
from __future__ import annotations

import pickle

import pytest

from light_clients.errors import (
    ClientNotActive,
    HeaderRejected,
    ProofRejected,
    QuorumNotReached,
    Rejection,
    TrustExpired,
)


def test_a_rejection_says_what_was_found_and_expected() -> None:
    error = QuorumNotReached("too few validators sealed", found=2, expected="at least 3 of 4")
    assert str(error) == "too few validators sealed: found 2, expected at least 3 of 4"
    assert (error.what, error.found, error.expected) == ("too few validators sealed", 2, "at least 3 of 4")


def test_bytes_are_shown_as_hex_and_long_ones_cut() -> None:
    short = str(ProofRejected("another hash", found=b"\x01\x02", expected=bytes(2)))
    assert short == "another hash: found 0x0102, expected 0x0000"
    long = str(ProofRejected("another hash", found=bytes(500), expected="x" * 1000))
    assert "(500 bytes)" in long
    assert "(1000 characters)" in long
    assert len(long) < 500


def test_a_rejection_survives_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(HeaderRejected("number", found=b"\x00", expected=1)))
    assert type(error) is HeaderRejected
    assert (error.what, error.found, error.expected) == ("number", b"\x00", 1)


@pytest.mark.parametrize(
    ("kind", "base"),
    [(QuorumNotReached, HeaderRejected), (TrustExpired, ClientNotActive), (ProofRejected, Rejection)],
)
def test_errors_can_be_caught_by_what_they_have_in_common(
    kind: type[Rejection], base: type[Rejection]
) -> None:
    assert issubclass(kind, base)
    assert issubclass(kind, Rejection)
