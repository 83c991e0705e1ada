# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.bls import backend, compress_g1, compress_g2, decompress_g1, decompress_g2
from light_clients.bls.encoding import MODULUS, _is_larger, _multiply, _sqrt_fp2
from light_clients.errors import PublicKeyRejected, SignatureRejected

#: The generator's affine coordinates, from the specification of the curve.
GENERATOR = (
    "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
)
SIGNATURE = backend().sign(3, b"encoding")
HALF = (MODULUS - 1) // 2


def negate(number: bytes) -> bytes:
    return (MODULUS - int.from_bytes(number)).to_bytes(48)


def test_the_key_of_one_is_the_generator() -> None:
    key = backend().secret_to_public(1)
    assert key.xy.hex() == GENERATOR
    assert compress_g1(key.xy) == key.compressed


def test_the_flag_tells_the_two_keys_of_an_x_apart() -> None:
    xy = bytes.fromhex(GENERATOR)
    opposite = xy[:48] + negate(xy[48:])
    assert compress_g1(opposite)[0] ^ compress_g1(xy)[0] == 0x20
    assert compress_g1(opposite)[1:] == compress_g1(xy)[1:]
    assert decompress_g1(compress_g1(opposite)) == opposite


def test_the_flag_tells_the_two_signatures_of_an_x_apart() -> None:
    affine = backend().signature_affine(SIGNATURE)
    opposite = affine[:96] + negate(affine[96:144]) + negate(affine[144:])
    assert compress_g2(affine) == SIGNATURE
    assert compress_g2(opposite)[0] ^ SIGNATURE[0] == 0x20
    assert decompress_g2(compress_g2(opposite)) == opposite


@pytest.mark.parametrize("at", range(2))
def test_affine_keys_are_checked(at: int) -> None:
    xy = bytes.fromhex(GENERATOR)
    with pytest.raises(PublicKeyRejected, match="not on the curve"):
        compress_g1(xy[: 48 * at] + (1234).to_bytes(48) + xy[48 * at + 48 :])
    # The same number modulo the field, but not the one way to write it.
    with pytest.raises(PublicKeyRejected, match="less than the field's modulus"):
        compress_g1(
            xy[: 48 * at]
            + (int.from_bytes(xy[48 * at : 48 * at + 48]) + MODULUS).to_bytes(48)
            + xy[48 * at + 48 :]
        )


@pytest.mark.parametrize("at", range(4))
def test_affine_signatures_are_checked(at: int) -> None:
    affine = backend().signature_affine(SIGNATURE)
    before, number, after = affine[: 48 * at], affine[48 * at : 48 * at + 48], affine[48 * at + 48 :]
    with pytest.raises(SignatureRejected, match="not on the curve"):
        compress_g2(before + (1234).to_bytes(48) + after)
    with pytest.raises(SignatureRejected, match="less than the field's modulus"):
        compress_g2(before + (int.from_bytes(number) + MODULUS).to_bytes(48) + after)


@pytest.mark.parametrize("size", [0, 48, 95, 97])
def test_affine_keys_have_one_length(size: int) -> None:
    with pytest.raises(PublicKeyRejected, match="expected 96 bytes"):
        compress_g1(bytes(size))


@pytest.mark.parametrize("size", [0, 96, 191, 193])
def test_affine_signatures_have_one_length(size: int) -> None:
    with pytest.raises(SignatureRejected, match="expected 192 bytes"):
        compress_g2(bytes(size))


def test_zero_coordinates_are_not_infinity() -> None:
    with pytest.raises(PublicKeyRejected, match="not on the curve"):
        compress_g1(bytes(96))
    with pytest.raises(SignatureRejected, match="not on the curve"):
        compress_g2(bytes(192))


@pytest.mark.parametrize(
    "root", [(0, 0), (1, 0), (0, 1), (5, 0), (0, 5), (7, 9), (MODULUS - 1, 1), (1, MODULUS - 1), (HALF, HALF)]
)
def test_squares_have_roots_whatever_part_is_missing(root: tuple[int, int]) -> None:
    square = _multiply(root, root)
    found = _sqrt_fp2(square)
    assert found in {root, ((-root[0]) % MODULUS, (-root[1]) % MODULUS)}


def test_half_of_all_numbers_have_no_root() -> None:
    # u + 1 is no square (the sextic twist needs that), so of a number and its multiple by it one has a root.
    for number in ((3, 4), (0, 1), (1, 0), (9, 2)):
        multiple = _multiply(number, (1, 1))
        assert (_sqrt_fp2(number) is None) != (_sqrt_fp2(multiple) is None)


def test_the_imaginary_part_says_which_y_is_the_larger() -> None:
    assert _is_larger((0, HALF + 1))
    assert not _is_larger((MODULUS - 1, HALF))
    # Without one, the real part.
    assert _is_larger((HALF + 1, 0))
    assert not _is_larger((HALF, 0))
