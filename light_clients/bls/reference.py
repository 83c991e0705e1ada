# SPDX-License-Identifier: MIT
"""BLS12-381 by py_ecc: pure Python, by other hands, seconds a signature. For tests and second opinions."""

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

from light_clients.bls.encoding import check_compressed
from light_clients.bls.protocol import (
    DOMAIN_TAG,
    INFINITY_SIGNATURE,
    PublicKey,
    check_secret,
)
from light_clients.errors import PublicKeyRejected, SignatureRejected


class ReferenceBackend:
    """py_ecc's curve arithmetic. It leaves the subgroup and infinity to its callers."""

    name = "py_ecc"

    def public_key(self, compressed: bytes) -> PublicKey:
        check_compressed(compressed, 48, PublicKeyRejected, "public key")
        compressed = bytes(compressed)
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
        return PublicKey(compressed, point)

    def aggregate(self, keys: Sequence[PublicKey]) -> PublicKey:
        if not keys:
            raise PublicKeyRejected("aggregate of public keys", found="no keys", expected="one or more")
        return _key(_sum(keys))

    def subtract(self, total: PublicKey, keys: Sequence[PublicKey]) -> PublicKey:
        return _key(add(total.point, neg(_sum(keys)))) if keys else total

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
        return not is_inf(total) and _holds([(total, message)], signature)

    def eth_fast_aggregate_verify(self, keys: Sequence[PublicKey], message: bytes, signature: bytes) -> bool:
        if not keys and signature == INFINITY_SIGNATURE:
            return True
        return self.fast_aggregate_verify(keys, message, signature)

    def aggregate_signatures(self, signatures: Sequence[bytes]) -> bytes:
        if not signatures:
            raise SignatureRejected("aggregate of signatures", found="no signatures", expected="one or more")
        points = [
            Z2 if signature == INFINITY_SIGNATURE else _signature(signature) for signature in signatures
        ]
        return bytes(G2_to_signature(reduce(add, points)))

    def signature_affine(self, compressed: bytes) -> bytes:
        return _affine(_signature(compressed))

    def hash_to_g2(self, message: bytes, domain_tag: bytes = DOMAIN_TAG) -> bytes:
        return _affine(_hash(message, domain_tag))

    def sign(self, secret: int, message: bytes) -> bytes:
        check_secret(secret)
        return bytes(G2_to_signature(multiply(_hash(message), secret)))

    def secret_to_public(self, secret: int) -> PublicKey:
        check_secret(secret)
        return _key(multiply(G1, secret))


def _hash(message: bytes, domain_tag: bytes = DOMAIN_TAG) -> Any:
    # py_ecc's annotation names a hash object; it calls the constructor.
    return hash_to_G2(message, domain_tag, sha256)  # type: ignore[arg-type]


def _affine(point: Any) -> bytes:
    x, y = normalize(point)
    return b"".join(int(c).to_bytes(48) for c in (*x.coeffs, *y.coeffs))


def _sum(keys: Sequence[PublicKey]) -> Any:
    return reduce(add, (key.point for key in keys), Z1)


def _key(point: Any) -> PublicKey:
    if is_inf(point):
        raise PublicKeyRejected("sum of public keys", found="infinity", expected="a point with coordinates")
    return PublicKey(bytes(G1_to_pubkey(point)), point)


def _signature(compressed: bytes) -> Any:
    check_compressed(compressed, 96, SignatureRejected, "signature")
    try:
        point = signature_to_G2(BLSSignature(bytes(compressed)))
    except ValueError as error:
        raise SignatureRejected(
            f"signature is no point of the curve ({error})", found=compressed, expected="a point"
        ) from error
    if not subgroup_check(point):
        raise SignatureRejected("signature is outside G2", found=compressed, expected="a point of order r")
    return point


def _holds(signed: list[tuple[Any, bytes]], signature: bytes) -> bool:
    """Whether the product of e(key, H(message)) and e(-generator, signature) is one."""
    if not signed:
        return False
    try:
        point = _signature(signature)
    except SignatureRejected:
        return False
    product = pairing(point, neg(G1), final_exponentiate=False)
    for key, message in signed:
        product *= pairing(_hash(message), key, final_exponentiate=False)
    return bool(final_exponentiate(product) == FQ12.one())
