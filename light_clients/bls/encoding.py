# SPDX-License-Identifier: MIT
"""Points of BLS12-381 as bytes.

    group               compressed     affine coordinates
    G1 (keys)           48 bytes       96 bytes: x ‖ y
    G2 (signatures)     96 bytes       192 bytes: x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1

The compressed form is that of the IETF's BLS signature draft, which ZCash defined; the affine one is that of
EIP-2537 without its padding. Only the equation of the curve is checked here. Whether a point is in the
subgroup is for a backend to check.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from light_clients.errors import PublicKeyRejected, Rejection, SignatureRejected

#: The modulus of the base field. It is 3 modulo 4, so that a square root is a power.
MODULUS: Final = (
    0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
)

#: The three flags in the first byte of a compressed point.
_COMPRESSED: Final = 0x80
_INFINITY: Final = 0x40
_LARGER_Y: Final = 0x20
_FLAGS: Final = 0xE0
#: The largest y that is not the larger one of y and -y.
_HALF: Final = (MODULUS - 1) // 2
#: The inverse of 2 in the field.
_ONE_HALF: Final = (MODULUS + 1) // 2
#: The power that takes a square root, because the modulus is 3 modulo 4.
_ROOT_POWER: Final = (MODULUS + 1) // 4

#: A member of the quadratic extension, c0 + c1·u with u² = -1.
_Fp2: TypeAlias = tuple[int, int]


def check_compressed(data: bytes, size: int, kind: type[Rejection], noun: str) -> None:
    """Check the length and the flags of a compressed point, and that it is not infinity.

    Args:
        data: the bytes.
        size: how many there have to be, 48 or 96.
        kind: the error to raise.
        noun: what the bytes should be, for the error.
    """
    if len(data) != size:
        raise kind(f"length of a {noun}", found=f"{len(data)} bytes", expected=f"{size} bytes")
    if not data[0] & _COMPRESSED:
        raise kind(f"{noun} is not marked as compressed", found=data, expected="the first bit set")
    # The libraries accept infinity as a key, and its pairing is one whatever the message: such a key would
    # have signed everything (ADR 0010).
    if data[0] & _INFINITY:
        raise kind(f"{noun} is marked as infinity", found=data, expected="a point with coordinates")


def decompress_g1(compressed: bytes) -> bytes:
    """Return the affine form (96 bytes) of a compressed point of the curve (48 bytes).

    Raises:
        PublicKeyRejected: the bytes are not a point of the curve, or are infinity.
    """
    check_compressed(compressed, 48, PublicKeyRejected, "public key")
    x = int.from_bytes(bytes((compressed[0] & ~_FLAGS & 0xFF,)) + compressed[1:])
    _check_below_modulus((x,), PublicKeyRejected, "public key")
    square = (x * x * x + 4) % MODULUS
    y = pow(square, _ROOT_POWER, MODULUS)
    # The power gives a number for any input, which is a root only where there is one.
    if y * y % MODULUS != square:
        raise PublicKeyRejected(
            "public key is not on the curve", found=compressed, expected="x³ + 4 a square"
        )
    if bool(compressed[0] & _LARGER_Y) != (y > _HALF):
        y = -y % MODULUS
    return _join(x, y)


def compress_g1(xy: bytes) -> bytes:
    """Return the compressed form (48 bytes) of an affine point of the curve (96 bytes).

    Raises:
        PublicKeyRejected: the length is wrong, a coordinate is not below the modulus, or the point is not on
            the curve.
    """
    x, y = _split(xy, 2, PublicKeyRejected, "public key")
    if (y * y - x * x * x - 4) % MODULUS:
        raise PublicKeyRejected("public key is not on the curve", found=xy, expected="y² = x³ + 4")
    return _flagged(_join(x), larger=y > _HALF)


def decompress_g2(compressed: bytes) -> bytes:
    """Return the affine form (192 bytes) of a compressed point of the twist (96 bytes, which hold x.c1 ‖
    x.c0).

    Raises:
        SignatureRejected: the bytes are not a point of the twist, or are infinity.
    """
    check_compressed(compressed, 96, SignatureRejected, "signature")
    x = (
        int.from_bytes(compressed[48:]),
        int.from_bytes(bytes((compressed[0] & ~_FLAGS & 0xFF,)) + compressed[1:48]),
    )
    _check_below_modulus(x, SignatureRejected, "signature")
    y = _sqrt_fp2(_twist(x))
    if y is None:
        raise SignatureRejected(
            "signature is not on the curve", found=compressed, expected="x³ + 4(1 + u) a square"
        )
    if bool(compressed[0] & _LARGER_Y) != _is_larger(y):
        y = (-y[0] % MODULUS, -y[1] % MODULUS)
    return _join(*x, *y)


def compress_g2(affine: bytes) -> bytes:
    """Return the compressed form (96 bytes) of an affine point of the twist (192 bytes).

    Raises:
        SignatureRejected: the length is wrong, a coordinate is not below the modulus, or the point is not on
            the twist.
    """
    x0, x1, y0, y1 = _split(affine, 4, SignatureRejected, "signature")
    if _multiply((y0, y1), (y0, y1)) != _twist((x0, x1)):
        raise SignatureRejected("signature is not on the curve", found=affine, expected="y² = x³ + 4(1 + u)")
    return _flagged(_join(x1, x0), larger=_is_larger((y0, y1)))


def _split(data: bytes, count: int, kind: type[Rejection], noun: str) -> tuple[int, ...]:
    if len(data) != 48 * count:
        raise kind(f"length of an affine {noun}", found=f"{len(data)} bytes", expected=f"{48 * count} bytes")
    numbers = tuple(int.from_bytes(data[i : i + 48]) for i in range(0, 48 * count, 48))
    _check_below_modulus(numbers, kind, noun)
    return numbers


def _join(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(48) for number in numbers)


def _flagged(data: bytes, *, larger: bool) -> bytes:
    return bytes((data[0] | _COMPRESSED | (_LARGER_Y if larger else 0),)) + data[1:]


def _check_below_modulus(numbers: tuple[int, ...], kind: type[Rejection], noun: str) -> None:
    for number in numbers:
        if number >= MODULUS:
            raise kind(f"coordinate of a {noun}", found=hex(number), expected="less than the field's modulus")


def _is_larger(y: _Fp2) -> bool:
    # The compressed form compares c1 before c0.
    return y[1] > _HALF if y[1] else y[0] > _HALF


def _multiply(a: _Fp2, b: _Fp2) -> _Fp2:
    return (a[0] * b[0] - a[1] * b[1]) % MODULUS, (a[0] * b[1] + a[1] * b[0]) % MODULUS


def _twist(x: _Fp2) -> _Fp2:
    cube = _multiply(_multiply(x, x), x)
    return (cube[0] + 4) % MODULUS, (cube[1] + 4) % MODULUS


def _sqrt_fp2(a: _Fp2) -> _Fp2 | None:
    """Return one of the two square roots, or None where there is none, by the complex method.

    With a = a0 + a1·u, one of (a0 ± |a|) / 2 is the square of the root's real part, where |a|² = a0² + a1².
    """
    norm = pow(a[0] * a[0] + a[1] * a[1], _ROOT_POWER, MODULUS)
    for sign in (norm, -norm):
        half = (a[0] + sign) * _ONE_HALF % MODULUS
        c0 = pow(half, _ROOT_POWER, MODULUS)
        if c0 and c0 * c0 % MODULUS == half:
            root = (c0, a[1] * pow(2 * c0, -1, MODULUS) % MODULUS)
            return root if _multiply(root, root) == a else None
    # The root has no real part: `a` is minus a square of the base field, or zero.
    c1 = pow(-a[0] % MODULUS, _ROOT_POWER, MODULUS)
    return (0, c1) if _multiply((0, c1), (0, c1)) == a else None
