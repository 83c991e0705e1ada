# SPDX-License-Identifier: MIT
"""BLS12-381 by py_ecc: pure Python by other authors, which takes seconds for a committee's keys (ADR 10).

It serves where blst has no wheel, and tests compare the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from hashlib import sha256
from typing import Any

from eth_typing import BLSPubkey, BLSSignature
from py_ecc.bls.g2_primitives import (
    G1_to_pubkey,
    G2_to_signature,
    pubkey_to_G1,
    signature_to_G2,
    subgroup_check,
)
from py_ecc.bls.hash_to_curve import hash_to_G2
from py_ecc.optimized_bls12_381 import (
    FQ12,
    G1,
    Z1,
    Z2,
    add,
    final_exponentiate,
    is_inf,
    multiply,
    neg,
    normalize,
    pairing,
)

from light_clients.bls.protocol import DOMAIN_TAG, BlsBackend, PublicKey
from light_clients.errors import PublicKeyRejected, SignatureRejected


class ReferenceBackend(BlsBackend):
    """The backend on py_ecc. Its decompression checks the curve but not the subgroup, so that is checked
    here.
    """

    name = "py_ecc"

    def _decompress_key(self, compressed: bytes) -> Any:
        try:
            point = pubkey_to_G1(BLSPubkey(compressed))
        except ValueError as error:
            raise PublicKeyRejected(
                f"public key is no point of the curve ({error})", found=compressed, expected="a point"
            ) from error
        if not subgroup_check(point):
            raise PublicKeyRejected(
                "public key is outside G1", found=compressed, expected="a point of order r"
            )
        return point

    def _compress_key(self, point: Any) -> bytes:
        return bytes(G1_to_pubkey(point))

    def _is_infinity(self, point: Any) -> bool:
        return bool(is_inf(point))

    def _sum(self, keys: Sequence[PublicKey]) -> Any:
        return reduce(add, (key.point for key in keys), Z1)

    def _difference(self, left: Any, right: Any) -> Any:
        return add(left, neg(right))

    def _multiply_generator(self, secret: int) -> Any:
        return multiply(G1, secret)

    def _decompress_signature(self, compressed: bytes) -> Any:
        try:
            point = signature_to_G2(BLSSignature(compressed))
        except ValueError as error:
            raise SignatureRejected(
                f"signature is no point of the curve ({error})", found=compressed, expected="a point"
            ) from error
        if not subgroup_check(point):
            raise SignatureRejected(
                "signature is outside G2", found=compressed, expected="a point of order r"
            )
        return point

    def _sum_signatures(self, points: Sequence[Any]) -> bytes:
        return bytes(G2_to_signature(reduce(add, points, Z2)))

    def _hash(self, message: bytes, domain_tag: bytes) -> Any:
        # py_ecc annotates a hash object, but calls its argument as a constructor.
        return hash_to_G2(message, domain_tag, sha256)  # type: ignore[arg-type]

    def _affine(self, point: Any) -> bytes:
        x, y = normalize(point)
        return b"".join(int(coefficient).to_bytes(48) for coefficient in (*x.coeffs, *y.coeffs))

    def _sign(self, secret: int, message: bytes) -> bytes:
        return bytes(G2_to_signature(multiply(self._hash(message, DOMAIN_TAG), secret)))

    def _check_pairing(self, pairs: Sequence[tuple[Any, Any]], signature: Any) -> bool:
        product = pairing(signature, neg(G1), final_exponentiate=False)
        for key, hashed in pairs:
            product *= pairing(hashed, key, final_exponentiate=False)
        return bool(final_exponentiate(product) == FQ12.one())
