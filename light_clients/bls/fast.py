# SPDX-License-Identifier: MIT
"""BLS12-381 by blst, the library that consensus clients run, through pyblst (ADR 10)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from pyblst import BlstP1Element, BlstP2Element, final_verify, miller_loop

from light_clients.bls.encoding import check_compressed, decompress_g2
from light_clients.bls.protocol import DOMAIN_TAG, INFINITY_SIGNATURE, PublicKey, check_secret
from light_clients.errors import PublicKeyRejected, SignatureRejected

_INFINITY_1: Final[Any] = BlstP1Element.uncompress(b"\xc0" + bytes(47))
_INFINITY_2: Final[Any] = BlstP2Element.uncompress(INFINITY_SIGNATURE)
_GENERATOR: Final[Any] = BlstP1Element.uncompress(
    bytes.fromhex(
        "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    )
)
_point = attrgetter("point")


class FastBackend:
    """blst. It decompresses with checks of curve and subgroup, but takes infinity for a point like another: we don't."""

    name = "pyblst"

    def public_key(self, compressed: bytes) -> PublicKey:
        check_compressed(compressed, 48, PublicKeyRejected, "public key")
        compressed = bytes(compressed)
        try:
            return PublicKey(compressed, BlstP1Element.uncompress(compressed))
        except ValueError as error:
            raise PublicKeyRejected(
                f"public key is no point of G1 ({error})", found=compressed, expected="a point of order r"
            ) from error

    def aggregate(self, keys: Sequence[PublicKey]) -> PublicKey:
        if not keys:
            raise PublicKeyRejected("aggregate of public keys", found="no keys", expected="one or more")
        return _key(_sum(keys))

    def subtract(self, total: PublicKey, keys: Sequence[PublicKey]) -> PublicKey:
        return _key(total.point + -_sum(keys)) if keys else total

    def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        return _holds([(key.point, message)], signature)

    def aggregate_verify(
        self, keys: Sequence[PublicKey], messages: Sequence[bytes], signature: bytes
    ) -> bool:
        return _holds([(key.point, message) for key, message in zip(keys, messages, strict=True)], signature)

    def fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        if not keys:
            return False
        total = _sum(keys)
        return total != _INFINITY_1 and _holds([(total, message)], signature)

    def eth_fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        if not keys and signature == INFINITY_SIGNATURE:
            return True
        return self.fast_aggregate_verify(keys, message, signature)

    def aggregate_signatures(self, signatures: Sequence[bytes]) -> bytes:
        if not signatures:
            raise SignatureRejected("aggregate of signatures", found="no signatures", expected="one or more")
        total = _INFINITY_2
        for signature in signatures:
            total += _INFINITY_2 if signature == INFINITY_SIGNATURE else _signature(signature)
        return bytes(total.compress())

    def signature_affine(self, compressed: bytes) -> bytes:
        return decompress_g2(bytes(_signature(compressed).compress()))

    def hash_to_g2(self, message: bytes, domain_tag: bytes = DOMAIN_TAG) -> bytes:
        return decompress_g2(bytes(BlstP2Element.hash_to_group(message, domain_tag).compress()))

    def sign(self, secret: int, message: bytes) -> bytes:
        check_secret(secret)
        return bytes(BlstP2Element.hash_to_group(message, DOMAIN_TAG).scalar_mul(secret).compress())

    def secret_to_public(self, secret: int) -> PublicKey:
        check_secret(secret)
        return _key(_GENERATOR.scalar_mul(secret))


def _sum(keys: Sequence[PublicKey]) -> Any:
    return sum(map(_point, keys), _INFINITY_1)


def _key(point: Any) -> PublicKey:
    if point == _INFINITY_1:
        raise PublicKeyRejected("sum of public keys", found="infinity", expected="a point with coordinates")
    return PublicKey(bytes(point.compress()), point)


def _signature(compressed: bytes) -> Any:
    check_compressed(compressed, 96, SignatureRejected, "signature")
    try:
        return BlstP2Element.uncompress(bytes(compressed))
    except ValueError as error:
        raise SignatureRejected(
            f"signature is no point of G2 ({error})", found=compressed, expected="a point of order r"
        ) from error


def _holds(signed: list[tuple[Any, bytes]], signature: bytes) -> bool:
    """Whether the product of e(key, H(message)) is e(generator, signature)."""
    if not signed:
        return False
    try:
        point = _signature(signature)
    except SignatureRejected:
        return False
    left = None
    for key, message in signed:
        factor = miller_loop(key, BlstP2Element.hash_to_group(message, DOMAIN_TAG))
        left = factor if left is None else left * factor
    return bool(final_verify(left, miller_loop(_GENERATOR, point)))
