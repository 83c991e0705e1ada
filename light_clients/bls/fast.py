# SPDX-License-Identifier: MIT
"""BLS12-381 by blst, the library that consensus clients run, through pyblst (ADR 10)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from pyblst import BlstP1Element, BlstP2Element, final_verify, miller_loop

from light_clients.bls.encoding import decompress_g2
from light_clients.bls.protocol import DOMAIN_TAG, INFINITY_SIGNATURE, BlsBackend, PublicKey
from light_clients.errors import PublicKeyRejected, SignatureRejected

#: Sums begin with infinity, which changes none.
_INFINITY_1: Final[Any] = BlstP1Element.uncompress(b"\xc0" + bytes(47))
_INFINITY_2: Final[Any] = BlstP2Element.uncompress(INFINITY_SIGNATURE)
_GENERATOR: Final[Any] = BlstP1Element.uncompress(
    bytes.fromhex(
        "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    )
)
_point: Final = attrgetter("point")


class FastBackend(BlsBackend):
    """The backend on blst. Its decompression checks curve and subgroup, but accepts infinity as it accepts
    any point.

    `BlsBackend` refuses infinity before it decompresses.
    """

    name = "pyblst"

    def _decompress_key(self, compressed: bytes) -> Any:
        try:
            return BlstP1Element.uncompress(compressed)
        except ValueError as error:
            raise PublicKeyRejected(
                f"public key is no point of G1 ({error})", found=compressed, expected="a point of order r"
            ) from error

    def _compress_key(self, point: Any) -> bytes:
        return bytes(point.compress())

    def _is_infinity(self, point: Any) -> bool:
        return bool(point == _INFINITY_1)

    def _sum(self, keys: Sequence[PublicKey]) -> Any:
        return sum(map(_point, keys), _INFINITY_1)

    def _difference(self, left: Any, right: Any) -> Any:
        return left + -right

    def _multiply_generator(self, secret: int) -> Any:
        return _GENERATOR.scalar_mul(secret)

    def _decompress_signature(self, compressed: bytes) -> Any:
        try:
            return BlstP2Element.uncompress(compressed)
        except ValueError as error:
            raise SignatureRejected(
                f"signature is no point of G2 ({error})", found=compressed, expected="a point of order r"
            ) from error

    def _sum_signatures(self, points: Sequence[Any]) -> bytes:
        return bytes(sum(points, _INFINITY_2).compress())

    def _hash(self, message: bytes, domain_tag: bytes) -> Any:
        return BlstP2Element.hash_to_group(message, domain_tag)

    def _affine(self, point: Any) -> bytes:
        # pyblst gives no access to coordinates, only to the compressed form.
        return decompress_g2(bytes(point.compress()))

    def _sign(self, secret: int, message: bytes) -> bytes:
        return bytes(self._hash(message, DOMAIN_TAG).scalar_mul(secret).compress())

    def _check_pairing(self, pairs: Sequence[tuple[Any, Any]], signature: Any) -> bool:
        (key, hashed), *others = pairs
        product = miller_loop(key, hashed)
        for key, hashed in others:
            product *= miller_loop(key, hashed)
        return bool(final_verify(product, miller_loop(_GENERATOR, signature)))
