# SPDX-License-Identifier: MIT
"""Sync committees with their keys decompressed and added up, kept in a cache.

Nearly all members sign. So the sum of all keys is kept, and the keys of the few who are absent are subtracted
from it: a signature then costs one pairing check and a few additions, where adding up all signers would take
512.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import Final

from light_clients.bls.backends import backend
from light_clients.bls.protocol import BlsBackend, PublicKey
from light_clients.errors import PublicKeyRejected, SignatureRejected

#: How many committees are kept: those of this period and the next for seven networks, and two of updates that
#: are being checked. The keys of one, 512, take some 200 kB.
_COMMITTEES: Final = 16


@dataclass(frozen=True, slots=True)
class CommitteeKeys:
    """The keys of a committee.

    Attributes:
        keys: one for each seat, in the committee's order; a validator can have several seats.
        total: the sum of all keys.
        bls: the backend that the keys belong to.
    """

    keys: tuple[PublicKey, ...]
    total: PublicKey
    bls: BlsBackend

    def sum_of(self, bits: Sequence[bool]) -> PublicKey:
        """Return the sum of the keys whose bit is set, by adding these or subtracting the others, whichever
        is less work.

        Raises:
            PublicKeyRejected: no bit is set, or the sum is infinity.
            SignatureRejected: there is not exactly one bit for each seat.
        """
        self._check_count(bits)
        present = sum(map(bool, bits))
        if 2 * present <= len(self.keys):
            return self.bls.aggregate(tuple(compress(self.keys, bits)))
        return self.bls.subtract(self.total, tuple(compress(self.keys, (not bit for bit in bits))))

    def verify(self, bits: Sequence[bool], message: bytes, signature: bytes) -> bool:
        """Return whether exactly the members whose bit is set signed the message.

        The verdict is that of `fast_aggregate_verify` of their keys: False where no bit is set, and where the
        keys add up to infinity.

        Raises:
            SignatureRejected: there is not exactly one bit for each seat.
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
    """Return the committee with these keys, from the cache where it was asked for lately.

    Args:
        pubkeys: 48 bytes each, in the committee's order.
        name: of the backend; None for the default one.

    Raises:
        PublicKeyRejected: bytes are not a key, there are no keys, or they add up to infinity. Nothing is
            cached then.
    """
    return _committee(backend(name), tuple(pubkeys))


def committee_keys(pubkeys: Sequence[bytes], name: str | None = None) -> tuple[PublicKey, ...]:
    """Return the keys of a committee, in its order; arguments and errors are those of `committee`."""
    return committee(pubkeys, name).keys


# The cache is keyed by the keys themselves. A lying update can push a committee out of it, and can't change
# which keys another committee has.
@lru_cache(maxsize=_COMMITTEES)
def _committee(bls: BlsBackend, pubkeys: tuple[bytes, ...]) -> CommitteeKeys:
    # A validator can have several seats; on small networks most have.
    distinct = {pubkey: bls.public_key(pubkey) for pubkey in dict.fromkeys(pubkeys)}
    keys = tuple(distinct[pubkey] for pubkey in pubkeys)
    return CommitteeKeys(keys, bls.aggregate(keys), bls)
