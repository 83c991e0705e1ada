# SPDX-License-Identifier: MIT
"""What light clients ask of BLS12-381, whichever library answers.

Source: the BLS section of the consensus specification (phase0 and altair) on top of the IETF BLS signature draft:
keys in G1, signatures in G2, the proof-of-possession ciphersuite.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

from light_clients.bls.encoding import check_compressed, decompress_g1
from light_clients.errors import PublicKeyRejected, SecretRejected, SignatureRejected

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


class BlsBackend(abc.ABC):
    """BLS12-381 by one library. The rules are here, once; the curve's arithmetic is each library's own.

    Immutable, and safe to use from several threads. Every method that takes a compressed signature (96 bytes) and answers
    a bool answers False, too, where those bytes are no signature at all: a wrong length, bad flags, x not below the modulus,
    off the curve, off the subgroup, infinity.

    Attributes:
        name: the library's name, as `backend(name)` takes it.
    """

    name: ClassVar[str]

    def public_key(self, compressed: bytes) -> PublicKey:
        """Decompress and check a key of 48 bytes.

        Raises:
            PublicKeyRejected: wrong length or flags, x not below the modulus, off the curve, off the subgroup, infinity.
        """
        check_compressed(compressed, 48, PublicKeyRejected, "public key")
        return PublicKey(compressed, self._decompress_key(compressed))

    def aggregate(self, keys: Sequence[PublicKey]) -> PublicKey:
        """Add keys.

        Raises:
            PublicKeyRejected: there are none, or the sum is infinity.
        """
        if not keys:
            raise PublicKeyRejected("aggregate of public keys", found="no keys", expected="one or more")
        return self._key(self._sum(keys))

    def subtract(self, total: PublicKey, keys: Sequence[PublicKey]) -> PublicKey:
        """Take keys away from a sum of keys; with no keys, the sum itself.

        Raises:
            PublicKeyRejected: infinity is left.
        """
        return self._key(self._difference(total.point, self._sum(keys))) if keys else total

    def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Whether the key signed the message. An aggregate is a key like another."""
        return self._holds([(key.point, message)], signature)

    def aggregate_verify(
        self, keys: Sequence[PublicKey], messages: Sequence[bytes], signature: bytes
    ) -> bool:
        """Whether each key signed its own message; False for no keys.

        Raises:
            ValueError: there are not as many messages as keys.
        """
        signed = [(key.point, message) for key, message in zip(keys, messages, strict=True)]
        return bool(signed) and self._holds(signed, signature)

    def fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        """Whether all the keys signed one message; False for no keys, and for keys that add up to infinity."""
        if not keys:
            return False
        total = self._sum(keys)
        return not self._is_infinity(total) and self._holds([(total, message)], signature)

    def eth_fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        """The same, but no keys and the infinity signature belong together: True (altair, `bls.md`)."""
        if not keys and signature == INFINITY_SIGNATURE:
            return True
        return self.fast_aggregate_verify(keys, message, signature)

    def aggregate_signatures(self, signatures: Sequence[bytes]) -> bytes:
        """Add signatures of 96 bytes. Infinity is a summand here, as the specification has it.

        Raises:
            SignatureRejected: there are none, or one is no point of G2.
        """
        if not signatures:
            raise SignatureRejected("aggregate of signatures", found="no signatures", expected="one or more")
        return self._sum_signatures(
            [self._signature(each) for each in signatures if each != INFINITY_SIGNATURE]
        )

    def signature_affine(self, compressed: bytes) -> bytes:
        """Decompress and check a signature: x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1, 48 bytes each, big-endian.

        Raises:
            SignatureRejected: as said of the class, infinity included.
        """
        return self._affine(self._signature(compressed))

    def hash_to_g2(self, message: bytes, domain_tag: bytes = DOMAIN_TAG) -> bytes:
        """The point of G2 that is signed for a message, affine as `signature_affine` (RFC 9380, SSWU, random oracle)."""
        return self._affine(self._hash(message, domain_tag))

    def sign(self, secret: int, message: bytes) -> bytes:
        """Sign, for local chains and tests: 96 bytes. Not in constant time.

        Raises:
            SecretRejected: the secret is not in 1 .. group order - 1.
        """
        check_secret(secret)
        return self._sign(secret, message)

    def secret_to_public(self, secret: int) -> PublicKey:
        """The key of a secret.

        Raises:
            SecretRejected: the secret is not in 1 .. group order - 1.
        """
        check_secret(secret)
        return self._key(self._multiply_generator(secret))

    def _key(self, point: Any) -> PublicKey:
        if self._is_infinity(point):
            raise PublicKeyRejected(
                "sum of public keys", found="infinity", expected="a point with coordinates"
            )
        return PublicKey(self._compress_key(point), point)

    def _signature(self, compressed: bytes) -> Any:
        check_compressed(compressed, 96, SignatureRejected, "signature")
        return self._decompress_signature(compressed)

    def _holds(self, signed: Sequence[tuple[Any, bytes]], signature: bytes) -> bool:
        try:
            point = self._signature(signature)
        except SignatureRejected:
            return False
        return self._check_pairing([(key, self._hash(message, DOMAIN_TAG)) for key, message in signed], point)

    # What follows is the library's: points of G1 (keys) and of G2 (messages and signatures) in its own form.

    @abc.abstractmethod
    def _decompress_key(self, compressed: bytes) -> Any:
        """Raise PublicKeyRejected unless the 48 bytes are a point of G1."""

    @abc.abstractmethod
    def _compress_key(self, point: Any) -> bytes: ...

    @abc.abstractmethod
    def _is_infinity(self, point: Any) -> bool:
        """Whether a point of G1 is infinity."""

    @abc.abstractmethod
    def _sum(self, keys: Sequence[PublicKey]) -> Any: ...

    @abc.abstractmethod
    def _difference(self, left: Any, right: Any) -> Any: ...

    @abc.abstractmethod
    def _multiply_generator(self, secret: int) -> Any: ...

    @abc.abstractmethod
    def _decompress_signature(self, compressed: bytes) -> Any:
        """Raise SignatureRejected unless the 96 bytes are a point of G2."""

    @abc.abstractmethod
    def _sum_signatures(self, points: Sequence[Any]) -> bytes:
        """The sum compressed; of no points, infinity."""

    @abc.abstractmethod
    def _hash(self, message: bytes, domain_tag: bytes) -> Any: ...

    @abc.abstractmethod
    def _affine(self, point: Any) -> bytes:
        """Affine coordinates of a point of G2 that is not infinity, 192 bytes."""

    @abc.abstractmethod
    def _sign(self, secret: int, message: bytes) -> bytes: ...

    @abc.abstractmethod
    def _check_pairing(self, pairs: Sequence[tuple[Any, Any]], signature: Any) -> bool:
        """Whether the product of e(key, hashed message) is e(generator, signature). No point is infinity."""
