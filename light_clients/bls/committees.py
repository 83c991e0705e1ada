# SPDX-License-Identifier: MIT
"""Sync committees, decompressed once: their keys, the sum of all, and the quickest way to the sum of those who signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress

from light_clients.bls.backends import backend
from light_clients.bls.protocol import BlsBackend, PublicKey
from light_clients.errors import PublicKeyRejected, SignatureRejected

# This period's and the next one's of seven networks and one update under check; 512 keys take some 200 kB.
_COMMITTEES = 16


@dataclass(frozen=True, slots=True)
class CommitteeKeys:
    """A committee's keys in its order.

    Attributes:
        keys: one a seat; a validator can have several.
        total: the sum of all.
        bls: the backend that the keys belong to.
    """

    keys: tuple[PublicKey, ...]
    total: PublicKey
    bls: BlsBackend

    def sum_of(self, bits: Sequence[bool]) -> PublicKey:
        """The sum of the members whose bit is set, by whichever is less work: adding them, or taking the others away.

        Raises:
            PublicKeyRejected: nobody's bit is set, or the sum is infinity.
            SignatureRejected: there is not one bit a member.
        """
        self._check_count(bits)
        present = sum(map(bool, bits))
        if 2 * present <= len(self.keys):
            return self.bls.aggregate(tuple(compress(self.keys, bits)))
        return self.bls.subtract(self.total, tuple(compress(self.keys, (not bit for bit in bits))))

    def verify(self, bits: Sequence[bool], message: bytes, signature: bytes) -> bool:
        """Whether exactly the members whose bit is set signed the message.

        The same verdict as `fast_aggregate_verify` of their keys, False for nobody and for keys that add up to infinity,
        but at the price of a single key's when few are absent.

        Raises:
            SignatureRejected: there is not one bit a member.
        """
        try:
            total = self.sum_of(bits)
        except PublicKeyRejected:
            return False
        return self.bls.verify(total, message, signature)

    def _check_count(self, bits: Sequence[bool]) -> None:
        if len(bits) != len(self.keys):
            raise SignatureRejected(
                "participation bits", found=f"{len(bits)} bits", expected=f"{len(self.keys)}, one a member"
            )


def committee(pubkeys: Sequence[bytes], name: str | None = None) -> CommitteeKeys:
    """A committee by its compressed keys, from the cache when it was asked for lately.

    Args:
        pubkeys: 48 bytes each, in the committee's order.
        name: the backend's; None is the default one.

    Raises:
        PublicKeyRejected: a key is no key, or there are none, or they add up to infinity. Nothing is cached then.
    """
    return _committee(backend(name), tuple(pubkeys))


def committee_keys(pubkeys: Sequence[bytes], name: str | None = None) -> tuple[PublicKey, ...]:
    """A committee's keys, decompressed once; arguments and errors as `committee`."""
    return committee(pubkeys, name).keys


@lru_cache(maxsize=_COMMITTEES)
def _committee(bls: BlsBackend, pubkeys: tuple[bytes, ...]) -> CommitteeKeys:
    # A member can have several seats, on small networks most do.
    distinct = {pubkey: bls.public_key(pubkey) for pubkey in dict.fromkeys(pubkeys)}
    keys = tuple(distinct[pubkey] for pubkey in pubkeys)
    return CommitteeKeys(keys, bls.aggregate(keys), bls)
