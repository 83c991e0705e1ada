# SPDX-License-Identifier: MIT
"""Signer sets of Clique chains: what can be one, its hash, and the votes that change it (EIP-225)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from light_clients.errors import HeaderRejected, ValidatorSetRejected
from light_clients.hashing import keccak256

_NOBODY: Final = bytes(20)

#: The most members of a set: its length is one byte on the wire.
MAX_SIGNERS: Final = 255


def majority(members: int) -> int:
    """Return how many signers are more than half of a set: floor(n / 2) + 1.

    A signer may not seal again before so many blocks, its own included, have passed (EIP-225).
    """
    return members // 2 + 1


def set_hash(signers: Sequence[bytes]) -> bytes:
    """Return what a client keeps of a set: keccak256 of its addresses, 20 bytes each, ascending."""
    return keccak256(b"".join(signers))


def check_set(signers: Sequence[bytes]) -> None:
    """Check that a list can be a signer set: 1 to 255 addresses, strictly ascending, none zero.

    Raises:
        ValidatorSetRejected: the list cannot be one.
    """
    if not 1 <= len(signers) <= MAX_SIGNERS:
        raise ValidatorSetRejected(
            "a signer set has another size", found=len(signers), expected=f"1..{MAX_SIGNERS} signers"
        )
    for signer in signers:
        if len(signer) != 20:
            raise ValidatorSetRejected("a signer has another length", found=signer, expected="20 bytes")
    if signers[0] == _NOBODY:
        raise ValidatorSetRejected("a signer is the zero address", found=_NOBODY, expected="an address")
    for low, high in pairwise(signers):
        if low >= high:
            raise ValidatorSetRejected("the signers do not ascend", found=high, expected=f"above {low.hex()}")


class Tally:
    """The signers of a chain, and the votes that they cast since some block.

    Attributes:
        signers: who may seal the next block, ascending, 20 bytes each.

    Args:
        signers: a set that `check_set` accepts.
    """

    def __init__(self, signers: Sequence[bytes]) -> None:
        self.signers = tuple(signers)
        # Of every candidate the voters, in whose latest vote it changes its place.
        self._votes: dict[bytes, set[bytes]] = {}

    def index_of(self, signer: bytes | None, number: int) -> int:
        """Return the place of a block's signer in the set.

        Args:
            signer: 20 bytes; None where the seal is no signature.
            number: of the block, for the error.

        Raises:
            HeaderRejected: the signer is none of the set.
        """
        if signer not in self.signers:
            raise HeaderRejected(
                f"block {number} is sealed by nobody of the set",
                found=signer or "no key",
                expected=f"one of {len(self.signers)} signers",
            )
        return self.signers.index(signer)

    def clear(self) -> None:
        """Discard all votes, as an epoch block does."""
        self._votes.clear()

    def vote(self, voter: bytes, candidate: bytes, *, add: bool) -> bool:
        """Count a signer's vote, and change the set at once where more than half agree.

        A signer has one vote on a candidate, its latest. A vote to add a signer, or to drop somebody who is
        none, counts for nothing but takes back the earlier one.

        Returns:
            Whether the set has changed.

        Raises:
            ValidatorSetRejected: the set that was voted for cannot be one.
        """
        joins = candidate not in self.signers
        voters = self._votes.setdefault(candidate, set())
        voters.discard(voter)
        if add == joins:
            voters.add(voter)
        # This is asked even where the vote did not count: a signer that was dropped meanwhile may have made
        # the votes that are left a majority.
        if len(voters) < majority(len(self.signers)):
            return False
        if joins:
            changed = sorted((*self.signers, candidate))
        else:
            changed = [signer for signer in self.signers if signer != candidate]
            for others in self._votes.values():
                others.discard(candidate)
        check_set(changed)
        self.signers = tuple(changed)
        del self._votes[candidate]
        return True
