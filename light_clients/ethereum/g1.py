# SPDX-License-Identifier: MIT
"""Taking keys away from a sum of keys by their coordinates: docs/reference/wire-formats.md §7.3.

EIP-2537's addition takes any point of the curve, in the subgroup or not, and so does this. Whether what is left is in
the subgroup is asked once, at the end, by whoever uses it.
"""

from __future__ import annotations

from collections.abc import Iterable

from light_clients.bls.encoding import MODULUS, compress_g1
from light_clients.errors import PublicKeyRejected

#: X, Y, Z with x = X / Z², y = Y / Z³; Z is 0 at infinity.
_Jacobian = tuple[int, int, int]


def subtract(total: bytes, keys: Iterable[bytes]) -> bytes:
    """What is left of a sum of keys when some of them are taken away.

    Args:
        total: x ‖ y, 96 bytes, a point of the curve.
        keys: the same each.

    Returns:
        48 bytes, compressed.

    Raises:
        PublicKeyRejected: infinity is left.
    """
    x, y = _split(total)
    left = (x, y, 1)
    for key in keys:
        x, y = _split(key)
        left = _add(left, x, MODULUS - y)
    x, y, z = left
    if z == 0:
        raise PublicKeyRejected(
            "sum of the keys that signed", found="infinity", expected="a point with coordinates"
        )
    inverse = pow(z, -1, MODULUS)
    square = inverse * inverse % MODULUS
    affine = (x * square % MODULUS).to_bytes(48, "big"), (y * square * inverse % MODULUS).to_bytes(48, "big")
    return compress_g1(b"".join(affine))


def _split(xy: bytes) -> tuple[int, int]:
    return int.from_bytes(xy[:48], "big"), int.from_bytes(xy[48:], "big")


def _add(point: _Jacobian, x: int, y: int) -> _Jacobian:
    """Add an affine point of y² = x³ + 4."""
    x1, y1, z1 = point
    if z1 == 0:
        return x, y, 1
    zz = z1 * z1 % MODULUS
    h = (x * zz - x1) % MODULUS
    r = (y * zz * z1 - y1) % MODULUS
    if h == 0:
        return _double(point) if r == 0 else (1, 1, 0)
    hh = h * h % MODULUS
    hhh = hh * h % MODULUS
    v = x1 * hh % MODULUS
    x3 = (r * r - hhh - 2 * v) % MODULUS
    return x3, (r * (v - x3) - y1 * hhh) % MODULUS, z1 * h % MODULUS


def _double(point: _Jacobian) -> _Jacobian:
    # y is never 0: -4 is no cube of the field, so the curve has no point of order 2.
    x1, y1, z1 = point
    yy = y1 * y1 % MODULUS
    s = 4 * x1 * yy % MODULUS
    m = 3 * x1 * x1 % MODULUS
    x3 = (m * m - 2 * s) % MODULUS
    return x3, (m * (s - x3) - 8 * yy * yy) % MODULUS, 2 * y1 * z1 % MODULUS
