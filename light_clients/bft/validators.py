# SPDX-License-Identifier: MIT
"""Validator sets: what can be one, its hash, and its quorum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from light_clients.errors import QuorumNotReached, ValidatorSetRejected
from light_clients.hashing import keccak256

_NOBODY: Final = bytes(20)

#: The most members of a set: its length is one byte on the wire.
MAX_VALIDATORS: Final = 255


def quorum(members: int) -> int:
    """Return how many distinct members have to seal a header before it is believed: ceil(2n / 3), as in Besu.

    Two such quorums have at least a third of the set in common, so at least one honest member while fewer
    than a third are hostile. GoQuorum's former 2F + 1 is less than this for some n.
    """
    return -(-2 * members // 3)


def check_quorum(sealed: int, members: int) -> None:
    """Check that as many members of a set sealed as its quorum is.

    Raises:
        QuorumNotReached: there are fewer.
    """
    if sealed < quorum(members):
        raise QuorumNotReached(
            "too few validators sealed", found=sealed, expected=f"at least {quorum(members)}"
        )


def set_hash(validators: Sequence[bytes]) -> bytes:
    """Return what a client keeps of a set: keccak256 of the payload of its RLP list, in the order of the
    list.
    """
    return keccak256(encode_members(validators))


def encode_members(validators: Sequence[bytes]) -> bytes:
    """Return the payload of the RLP list of validators, 20 bytes each."""
    return b"\x94" + b"\x94".join(validators) if validators else b""


def check_set(validators: Sequence[bytes]) -> None:
    """Check that a list can be a validator set: 1 to 255 distinct members, none zero.

    Raises:
        ValidatorSetRejected: the list cannot be one.
    """
    if not validators:
        raise ValidatorSetRejected(
            "the validator list is empty (chosen by a contract?)",
            found="no validator",
            expected="1..255 in extraData",
        )
    if len(validators) > MAX_VALIDATORS:
        raise ValidatorSetRejected("the validator list is too long", found=len(validators), expected="1..255")
    for validator in validators:
        if len(validator) != 20:
            raise ValidatorSetRejected("a validator has another length", found=validator, expected="20 bytes")
    if _NOBODY in validators:
        raise ValidatorSetRejected("a validator is the zero address", found=_NOBODY, expected="an address")
    if len(set(validators)) != len(validators):
        twice = next(v for i, v in enumerate(validators) if v in validators[:i])
        raise ValidatorSetRejected("a validator is listed twice", found=twice, expected="distinct members")
