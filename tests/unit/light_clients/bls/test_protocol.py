# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Callable

import pytest

from light_clients.bls import (
    GROUP_ORDER,
    INFINITY_SIGNATURE,
    PY_ECC,
    PYBLST,
    BlsBackend,
    PublicKey,
    backend,
    decompress_g1,
    decompress_g2,
)
from light_clients.bls.encoding import MODULUS
from light_clients.errors import PublicKeyRejected, Rejection, SecretRejected, SignatureRejected

MESSAGE = b"m" * 32
SECRETS = (5, 6, 7)
INFINITY_KEY = b"\xc0" + bytes(47)


@pytest.fixture(params=[PYBLST, PY_ECC])
def bls(request: pytest.FixtureRequest) -> BlsBackend:
    return backend(request.param)


def keys_of(bls: BlsBackend, *secrets: int) -> list[PublicKey]:
    return [bls.secret_to_public(secret) for secret in secrets]


def sign_all(bls: BlsBackend, *secrets: int) -> bytes:
    return bls.aggregate_signatures([bls.sign(secret, MESSAGE) for secret in secrets])


def find_x(decompress: Callable[[bytes], bytes], padding: bytes, *, has_y: bool) -> bytes:
    """A compressed small x that the curve has a y for, or has none for. Of small ones, none is of order r."""
    for x in range(1, 100):
        number = x.to_bytes(48)
        compressed = padding + number if padding else bytes((number[0] | 0x80,)) + number[1:]
        try:
            decompress(compressed)
        except Rejection:
            if not has_y:
                return compressed
        else:
            if has_y:
                return compressed
    raise AssertionError


IMAGINARY_ZERO = b"\x80" + bytes(47)
OFF_G1, OUTSIDE_G1 = (find_x(decompress_g1, b"", has_y=has_y) for has_y in (False, True))
OFF_G2, OUTSIDE_G2 = (find_x(decompress_g2, IMAGINARY_ZERO, has_y=has_y) for has_y in (False, True))
GOOD_KEY = backend().secret_to_public(5).compressed
GOOD_SIGNATURE = backend().sign(5, MESSAGE)
WRONG_KEYS = {
    "empty": b"",
    "too short": GOOD_KEY[:47],
    "too long": GOOD_KEY + b"\0",
    "affine": backend().secret_to_public(5).xy,
    "infinity": INFINITY_KEY,
    "infinity with a sign": b"\xe0" + bytes(47),
    "infinity with a number": INFINITY_KEY[:-1] + b"\x01",
    "marked as uncompressed": bytes((GOOD_KEY[0] & 0x7F,)) + GOOD_KEY[1:],
    "infinity without its flag": b"\x80" + bytes(47),
    "all zero": bytes(48),
    "x is the modulus": (MODULUS | 1 << 383).to_bytes(48),
    "x above the modulus": (MODULUS + 1 | 1 << 383).to_bytes(48),
    "not on the curve": OFF_G1,
    "outside the subgroup": OUTSIDE_G1,
}
WRONG_SIGNATURES = {
    "empty": b"",
    "too short": GOOD_SIGNATURE[:95],
    "too long": GOOD_SIGNATURE + b"\0",
    "infinity": INFINITY_SIGNATURE,
    "infinity with a sign": b"\xe0" + bytes(95),
    "infinity with a number": INFINITY_SIGNATURE[:-1] + b"\x01",
    "marked as uncompressed": bytes((GOOD_SIGNATURE[0] & 0x7F,)) + GOOD_SIGNATURE[1:],
    "infinity without its flag": b"\x80" + bytes(95),
    "x.c1 is the modulus": (MODULUS | 1 << 383).to_bytes(48) + GOOD_SIGNATURE[48:],
    "x.c0 is the modulus": GOOD_SIGNATURE[:48] + MODULUS.to_bytes(48),
    "flags in x.c0": GOOD_SIGNATURE[:48] + bytes((GOOD_SIGNATURE[48] | 0x80,)) + GOOD_SIGNATURE[49:],
    "not on the curve": OFF_G2,
    "outside the subgroup": OUTSIDE_G2,
}


@pytest.mark.parametrize("wrong", WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_wrong_keys_are_refused(bls: BlsBackend, wrong: bytes) -> None:
    with pytest.raises(PublicKeyRejected) as error:
        bls.public_key(wrong)
    assert error.value.expected


@pytest.mark.parametrize("wrong", WRONG_SIGNATURES.values(), ids=WRONG_SIGNATURES)
def test_wrong_signatures_are_refused_and_verify_nothing(bls: BlsBackend, wrong: bytes) -> None:
    with pytest.raises(SignatureRejected):
        bls.signature_affine(wrong)
    key = bls.public_key(GOOD_KEY)
    assert not bls.verify(key, MESSAGE, wrong)
    assert not bls.fast_aggregate_verify([key], MESSAGE, wrong)
    assert not bls.eth_fast_aggregate_verify([key], MESSAGE, wrong)
    assert not bls.aggregate_verify([key], [MESSAGE], wrong)


def test_what_was_signed_verifies_and_nothing_else_does(bls: BlsBackend) -> None:
    keys, signature = keys_of(bls, *SECRETS), sign_all(bls, *SECRETS)
    assert bls.fast_aggregate_verify(keys, MESSAGE, signature)
    assert bls.eth_fast_aggregate_verify(keys, MESSAGE, signature)
    assert bls.verify(bls.aggregate(keys), MESSAGE, signature)
    assert not bls.fast_aggregate_verify(keys[:2], MESSAGE, signature)
    assert not bls.fast_aggregate_verify([*keys, keys[0]], MESSAGE, signature)
    assert not bls.fast_aggregate_verify(keys, MESSAGE[:-1], signature)
    assert not bls.verify(keys[0], MESSAGE, signature)


def test_each_may_sign_a_message_of_its_own(bls: BlsBackend) -> None:
    keys, messages = keys_of(bls, *SECRETS), [b"a", b"", b"a"]
    signed = [bls.sign(secret, message) for secret, message in zip(SECRETS, messages, strict=True)]
    signature = bls.aggregate_signatures(signed)
    assert bls.aggregate_verify(keys, messages, signature)
    assert not bls.aggregate_verify(keys, [b"a", b"a", b""], signature)
    with pytest.raises(ValueError, match="shorter"):
        bls.aggregate_verify(keys, messages[:2], signature)


def test_nobody_signs_nothing(bls: BlsBackend) -> None:
    for signature in (INFINITY_SIGNATURE, GOOD_SIGNATURE):
        assert not bls.fast_aggregate_verify([], MESSAGE, signature)
        assert not bls.aggregate_verify([], [], signature)
    with pytest.raises(PublicKeyRejected, match="no keys"):
        bls.aggregate([])
    with pytest.raises(SignatureRejected, match="no signatures"):
        bls.aggregate_signatures([])


def test_only_ethereums_rule_lets_nobody_sign_with_infinity(bls: BlsBackend) -> None:
    assert bls.eth_fast_aggregate_verify([], MESSAGE, INFINITY_SIGNATURE)
    assert not bls.eth_fast_aggregate_verify([], MESSAGE, GOOD_SIGNATURE)
    assert not bls.eth_fast_aggregate_verify([], MESSAGE, b"\xe0" + bytes(95))
    assert not bls.eth_fast_aggregate_verify([], MESSAGE, b"")


def test_keys_that_cancel_out_are_no_key_and_sign_nothing(bls: BlsBackend) -> None:
    # The pairing of infinity is one, whatever the message: with infinity as the signature, too, everything
    # would hold.
    opposite = keys_of(bls, 9, GROUP_ORDER - 9)
    with pytest.raises(PublicKeyRejected, match="infinity"):
        bls.aggregate(opposite)
    for signature in (INFINITY_SIGNATURE, GOOD_SIGNATURE, sign_all(bls, 9, GROUP_ORDER - 9)):
        assert not bls.fast_aggregate_verify(opposite, MESSAGE, signature)
    total = bls.aggregate(keys_of(bls, 9, 4))
    with pytest.raises(PublicKeyRejected, match="infinity"):
        bls.subtract(total, keys_of(bls, 4, 9))


def test_absent_keys_are_taken_away(bls: BlsBackend) -> None:
    keys = keys_of(bls, *SECRETS)
    total = bls.aggregate(keys)
    assert bls.subtract(total, keys[:1]) == bls.aggregate(keys[1:])
    assert bls.subtract(total, keys[:1]) != bls.aggregate(keys[:2])
    assert bls.subtract(total, []) is total


def test_a_seat_can_be_held_twice(bls: BlsBackend) -> None:
    key = bls.secret_to_public(5)
    assert bls.aggregate([key, key]) == bls.secret_to_public(10)
    assert bls.fast_aggregate_verify([key, key], MESSAGE, bls.sign(10, MESSAGE))


def test_infinity_is_a_summand_of_signatures(bls: BlsBackend) -> None:
    assert bls.aggregate_signatures([INFINITY_SIGNATURE]) == INFINITY_SIGNATURE
    assert bls.aggregate_signatures([GOOD_SIGNATURE, INFINITY_SIGNATURE]) == GOOD_SIGNATURE
    assert sign_all(bls, 9, GROUP_ORDER - 9) == INFINITY_SIGNATURE
    with pytest.raises(SignatureRejected):
        bls.aggregate_signatures([GOOD_SIGNATURE, OUTSIDE_G2])


@pytest.mark.parametrize("secret", [0, -1, GROUP_ORDER, GROUP_ORDER + 1])
def test_secrets_out_of_range_are_refused_without_being_shown(bls: BlsBackend, secret: int) -> None:
    for call in (bls.secret_to_public, lambda number: bls.sign(number, MESSAGE)):
        with pytest.raises(SecretRejected) as error:
            call(secret)
        assert str(GROUP_ORDER) not in str(error.value)


@pytest.mark.parametrize("secret", [1, 2, GROUP_ORDER - 1])
def test_the_ends_of_the_range_have_keys(bls: BlsBackend, secret: int) -> None:
    assert bls.verify(bls.secret_to_public(secret), MESSAGE, bls.sign(secret, MESSAGE))


def test_keys_are_equal_by_their_bytes() -> None:
    key, again, other = (
        backend().public_key(GOOD_KEY),
        backend().public_key(GOOD_KEY),
        keys_of(backend(), 6)[0],
    )
    assert key == again
    assert len({key, again, other}) == 2
    assert key != GOOD_KEY
    assert repr(key) == f"PublicKey(0x{GOOD_KEY.hex()})"
    assert key.xy is key.xy


def test_rejections_are_of_the_family() -> None:
    assert issubclass(PublicKeyRejected, Rejection)
    assert issubclass(SignatureRejected, Rejection)
    assert issubclass(SecretRejected, Rejection)
