# SPDX-License-Identifier: MIT
"""The rules of BLS signatures, whichever library does the arithmetic.

Source: the consensus specification (`specs/phase0/beacon-chain.md`, `specs/altair/bls.md`) on top of the
IETF's BLS signature draft: keys in G1, signatures in G2, the ciphersuite with proofs of possession.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from light_clients.bls.encoding import check_compressed, decompress_g1
from light_clients.errors import PublicKeyRejected, SecretRejected, SignatureRejected

#: The domain tag of the ciphersuite with proofs of possession. Another tag hashes a message to another point.
DOMAIN_TAG: Final = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
#: The order of G1 and G2. Secrets are below it.
GROUP_ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
#: The point at infinity, compressed: the one signature that `eth_fast_aggregate_verify` accepts for an empty
#: set.
INFINITY_SIGNATURE: Final = b"\xc0" + bytes(95)


def check_secret(secret: int) -> None:
    """Raise SecretRejected for a secret that has no key. The error does not show the secret."""
    if not 0 < secret < GROUP_ORDER:
        raise SecretRejected(
            "secret is out of range", found="zero, or not below the group order", expected="1 .. order - 1"
        )


class PublicKey:
    """A key that a backend has decompressed and checked: on the curve, in the subgroup, not infinity.

    Attributes:
        compressed: 48 bytes.
        point: the backend's own form, so that a key can be used with the backend that made it only.
    """

    __slots__ = ("_xy", "compressed", "point")

    def __init__(self, compressed: bytes, point: Any) -> None:
        self.compressed = compressed
        self.point = point
        self._xy: bytes | None = None

    @property
    def xy(self) -> bytes:
        """The affine coordinates x ‖ y, 48 bytes each, big-endian. The first call computes a square root."""
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
    """BLS12-381 by one library. The rules are in this class; a subclass does the arithmetic of the curve.

    A backend is immutable and can be used from several threads. Methods that take a compressed signature (96
    bytes) and return a bool return False where those bytes are not a signature at all: a wrong length or
    flags, x not below the modulus, a point off the curve or outside the subgroup, infinity.

    Attributes:
        name: the name of the library, as `backend(name)` takes it.
    """

    name: ClassVar[str]

    def public_key(self, compressed: bytes) -> PublicKey:
        """Return the key of 48 compressed bytes, checked.

        Raises:
            PublicKeyRejected: the length or the flags are wrong, x is not below the modulus, or the point is
                off the curve, outside the subgroup, or infinity.
        """
        check_compressed(compressed, 48, PublicKeyRejected, "public key")
        return PublicKey(compressed, self._decompress_key(compressed))

    def aggregate(self, keys: Sequence[PublicKey]) -> PublicKey:
        """Return the sum of keys.

        Raises:
            PublicKeyRejected: there are none, or the sum is infinity.
        """
        if not keys:
            raise PublicKeyRejected("aggregate of public keys", found="no keys", expected="one or more")
        return self._key(self._sum(keys))

    def subtract(self, total: PublicKey, keys: Sequence[PublicKey]) -> PublicKey:
        """Return what is left of a sum of keys without these keys; the sum itself where there are none.

        Raises:
            PublicKeyRejected: infinity is left.
        """
        return self._key(self._difference(total.point, self._sum(keys))) if keys else total

    def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Return whether the key signed the message. An aggregated key is a key like any other."""
        return self._holds([(key.point, message)], signature)

    def aggregate_verify(
        self, keys: Sequence[PublicKey], messages: Sequence[bytes], signature: bytes
    ) -> bool:
        """Return whether each key signed its own message; False where there are no keys.

        The vectors of the specification ask for this (tests/conformance/bls.py); no light client does.

        Raises:
            ValueError: there are not as many messages as keys.
        """
        signed = [(key.point, message) for key, message in zip(keys, messages, strict=True)]
        return bool(signed) and self._holds(signed, signature)

    def fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        """Return whether all keys signed one message; False for no keys, and for keys that add up to
        infinity.
        """
        if not keys:
            return False
        total = self._sum(keys)
        return not self._is_infinity(total) and self._holds([(total, message)], signature)

    def eth_fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        """Return the same as `fast_aggregate_verify`, but True for no keys and the infinity signature.

        Source: `specs/altair/bls.md`. The vectors of the specification ask for this
        (tests/conformance/beacon_spec.py); no light client accepts an update that nobody signed.
        """
        if not keys and signature == INFINITY_SIGNATURE:
            return True
        return self.fast_aggregate_verify(keys, message, signature)

    def aggregate_signatures(self, signatures: Sequence[bytes]) -> bytes:
        """Return the sum of signatures of 96 bytes each. Infinity is a valid summand, as in the
        specification.

        The vectors of the specification ask for this (tests/conformance/bls.py); no light client does.

        Raises:
            SignatureRejected: there are none, or one is not a point of G2.
        """
        if not signatures:
            raise SignatureRejected("aggregate of signatures", found="no signatures", expected="one or more")
        return self._sum_signatures(
            [self._signature(signature) for signature in signatures if signature != INFINITY_SIGNATURE]
        )

    def signature_affine(self, compressed: bytes) -> bytes:
        """Return the affine form of a compressed signature, checked: x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1, 48 bytes
        each.

        Raises:
            SignatureRejected: the bytes are not a signature, as said of the class.
        """
        return self._affine(self._signature(compressed))

    def hash_to_g2(self, message: bytes, domain_tag: bytes = DOMAIN_TAG) -> bytes:
        """Return the point of G2 that is signed for a message, in affine form (RFC 9380,
        BLS12381G2_XMD:SHA-256_SSWU_RO).

        The contract's own hash-to-curve is compared with this, and so are the vectors
        (tests/conformance/bls.py).
        """
        return self._affine(self._hash(message, domain_tag))

    def sign(self, secret: int, message: bytes) -> bytes:
        """Return the signature of a message, 96 bytes. It is made for local chains and tests: it is not in
        constant time.

        Raises:
            SecretRejected: the secret is not in 1 .. group order - 1.
        """
        check_secret(secret)
        return self._sign(secret, message)

    def secret_to_public(self, secret: int) -> PublicKey:
        """Return the public key of a secret.

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

    # What follows is for the library to do, on points of G1 (keys) and G2 (messages, signatures) in its own
    # form.

    @abc.abstractmethod
    def _decompress_key(self, compressed: bytes) -> Any:
        """Return the point; raise PublicKeyRejected unless the 48 bytes are one of G1."""

    @abc.abstractmethod
    def _compress_key(self, point: Any) -> bytes: ...

    @abc.abstractmethod
    def _is_infinity(self, point: Any) -> bool:
        """Return whether a point of G1 is infinity."""

    @abc.abstractmethod
    def _sum(self, keys: Sequence[PublicKey]) -> Any: ...

    @abc.abstractmethod
    def _difference(self, left: Any, right: Any) -> Any: ...

    @abc.abstractmethod
    def _multiply_generator(self, secret: int) -> Any: ...

    @abc.abstractmethod
    def _decompress_signature(self, compressed: bytes) -> Any:
        """Return the point; raise SignatureRejected unless the 96 bytes are one of G2."""

    @abc.abstractmethod
    def _sum_signatures(self, points: Sequence[Any]) -> bytes:
        """Return the sum of points of G2, compressed; infinity where there are none."""

    @abc.abstractmethod
    def _hash(self, message: bytes, domain_tag: bytes) -> Any: ...

    @abc.abstractmethod
    def _affine(self, point: Any) -> bytes:
        """Return the affine form of a point of G2 that is not infinity, 192 bytes."""

    @abc.abstractmethod
    def _sign(self, secret: int, message: bytes) -> bytes: ...

    @abc.abstractmethod
    def _check_pairing(self, pairs: Sequence[tuple[Any, Any]], signature: Any) -> bool:
        """Return whether the product of all e(key, hashed message) is e(generator, signature). No point is
        infinity.
        """
