# SPDX-License-Identifier: MIT
"""Subtract keys from a sum of keys by their coordinates, as the contract does (docs/reference/wire-formats.md
§7.3).

Like the addition of EIP-2537, this accepts any point of the curve, inside the subgroup or not. The caller has
to check that the result is in the subgroup: one check at the end is enough, for the result of honest keys is
in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from light_clients.bls.encoding import MODULUS, compress_g1
from light_clients.errors import PublicKeyRejected

#: X, Y, Z with x = X / Z² and y = Y / Z³; Z is 0 at infinity. Additions in this form need no inversion.
_Jacobian: TypeAlias = tuple[int, int, int]


def subtract(total: bytes, keys: Iterable[bytes]) -> bytes:
    """Return what is left of a sum of keys without some of them, compressed, 48 bytes.

    Args:
        total: a point of the curve: x ‖ y, 96 bytes.
        keys: points of the curve in the same form.

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
    """Add an affine point of the curve y² = x³ + 4."""
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
    # y is never 0, for -4 is not a cube in the field: the curve has no point of order 2.
    x1, y1, z1 = point
    yy = y1 * y1 % MODULUS
    s = 4 * x1 * yy % MODULUS
    m = 3 * x1 * x1 % MODULUS
    x3 = (m * m - 2 * s) % MODULUS
    return x3, (m * (s - x3) - 8 * yy * yy) % MODULUS, 2 * y1 * z1 % MODULUS
