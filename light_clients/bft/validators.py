# SPDX-License-Identifier: MIT
"""Validator sets: their hash, their quorum, and what can be a set at all."""

from __future__ import annotations

from collections.abc import Sequence

from light_clients.errors import ValidatorSetRejected
from light_clients.hashing import keccak256

_NOBODY = bytes(20)

#: A list's length is one byte on the wire.
MAX_VALIDATORS = 255


def quorum(members: int) -> int:
    """The least number of distinct members whose seals make a header believed: ceil(2n / 3), as Besu has it.

    Two such quorums share more than a third of the set. GoQuorum's old 2F + 1 is less for some n.
    """
    return -(-2 * members // 3)


def set_hash(validators: Sequence[bytes]) -> bytes:
    """What a client keeps of a set: keccak256 of the payload of the RLP list, in the list's order."""
    return keccak256(encode_members(validators))


def encode_members(validators: Sequence[bytes]) -> bytes:
    """The payload of the RLP list of the validators (20 bytes each)."""
    return b"\x94" + b"\x94".join(validators) if validators else b""


def check_set(validators: Sequence[bytes]) -> None:
    """Check that a list can be a validator set: 1 to 255 distinct members, none zero.

    Raises:
        ValidatorSetRejected: it cannot.
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
