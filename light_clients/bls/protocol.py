# SPDX-License-Identifier: MIT
"""What light clients ask of BLS12-381, whichever library answers.

Source: the BLS section of the consensus specification (phase0 and altair) on top of the IETF BLS signature draft:
keys in G1, signatures in G2, the proof-of-possession ciphersuite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from light_clients.bls.encoding import decompress_g1
from light_clients.errors import SecretRejected

#: The domain tag of the proof-of-possession ciphersuite. Other suites' tags give other points.
DOMAIN_TAG = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
#: The order of G1 and G2; secrets are 1 to this less one.
GROUP_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
#: The one signature that `eth_fast_aggregate_verify` takes for a set of nobody.
INFINITY_SIGNATURE = b"\xc0" + bytes(95)


def check_secret(secret: int) -> None:
    """Refuse secrets that have no key, without repeating them."""
    if not 0 < secret < GROUP_ORDER:
        raise SecretRejected(
            "secret is out of range", found="zero, or not below the group order", expected="1 .. order - 1"
        )


class PublicKey:
    """A key that its backend has decompressed and checked: on the curve, in the subgroup, not infinity.

    Attributes:
        compressed: 48 bytes.
        point: the backend's own form. A key belongs to the backend that made it.
    """

    __slots__ = ("_xy", "compressed", "point")

    def __init__(self, compressed: bytes, point: Any) -> None:
        self.compressed = compressed
        self.point = point
        self._xy: bytes | None = None

    @property
    def xy(self) -> bytes:
        """x ‖ y, 48 bytes each, big-endian; a square root at the first call."""
        if self._xy is None:
            self._xy = decompress_g1(self.compressed)
        return self._xy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.compressed == other.compressed

    def __hash__(self) -> int:
        return hash(self.compressed)

    def __repr__(self) -> str:
        return f"PublicKey(0x{self.compressed.hex()})"


class BlsBackend(Protocol):
    """BLS12-381 by one library. Pure, and safe to use from several threads.

    Every method that takes a compressed signature (96 bytes) and answers a bool answers False, too, where those bytes
    are no signature at all: a wrong length, bad flags, x not below the modulus, off the curve, off the subgroup, infinity.
    """

    @property
    def name(self) -> str:
        """The library's name, as `backend(name)` takes it."""
        ...

    def public_key(self, compressed: bytes) -> PublicKey:
        """Decompress and check a key of 48 bytes.

        Raises:
            PublicKeyRejected: wrong length or flags, x not below the modulus, off the curve, off the subgroup, infinity.
        """
        ...

    def aggregate(self, keys: Sequence[PublicKey]) -> PublicKey:
        """Add keys.

        Raises:
            PublicKeyRejected: there are none, or the sum is infinity.
        """
        ...

    def subtract(self, total: PublicKey, keys: Sequence[PublicKey]) -> PublicKey:
        """Take keys away from a sum of keys; with no keys, the sum itself.

        Raises:
            PublicKeyRejected: infinity is left.
        """
        ...

    def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Whether the key signed the message. An aggregate is a key like another."""
        ...

    def aggregate_verify(
        self, keys: Sequence[PublicKey], messages: Sequence[bytes], signature: bytes
    ) -> bool:
        """Whether each key signed its own message; False for no keys.

        Raises:
            ValueError: there are not as many messages as keys.
        """
        ...

    def fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        """Whether all the keys signed one message; False for no keys."""
        ...

    def eth_fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        """The same, but no keys and the infinity signature belong together: True (altair, `bls.md`)."""
        ...

    def aggregate_signatures(self, signatures: Sequence[bytes]) -> bytes:
        """Add signatures of 96 bytes. Infinity is a summand here, as the specification has it.

        Raises:
            SignatureRejected: there are none, or one is no point of G2.
        """
        ...

    def signature_affine(self, compressed: bytes) -> bytes:
        """Decompress and check a signature: x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1, 48 bytes each, big-endian.

        Raises:
            SignatureRejected: as said of the class, infinity included.
        """
        ...

    def hash_to_g2(self, message: bytes, domain_tag: bytes = DOMAIN_TAG) -> bytes:
        """The point of G2 that is signed for a message, affine as `signature_affine` (RFC 9380, SSWU, random oracle)."""
        ...

    def sign(self, secret: int, message: bytes) -> bytes:
        """Sign, for local chains and tests: 96 bytes. Not in constant time.

        Raises:
            SecretRejected: the secret is not in 1 .. group order - 1.
        """
        ...

    def secret_to_public(self, secret: int) -> PublicKey:
        """The key of a secret.

        Raises:
            SecretRejected: the secret is not in 1 .. group order - 1.
        """
        ...
