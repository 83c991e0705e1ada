# SPDX-License-Identifier: MIT
"""Public key recovery as the EVM's `ecrecover` does it, in plain integers: slow, and easy to compare
with SEC 1 §4.1.6.
"""

from __future__ import annotations

from tests.support.trie import keccak

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int] | None


def add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    (x1, y1), (x2, y2) = a, b
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = 3 * x1 * x1 * pow(2 * y1, -1, P) if a == b else (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def multiply(point: Point, factor: int) -> Point:
    result: Point = None
    while factor:
        if factor & 1:
            result = add(result, point)
        point = add(point, point)
        factor >>= 1
    return result


def recover(digest: bytes, r_s: bytes, parity: int) -> bytes | None:
    r, s = int.from_bytes(r_s[:32], "big"), int.from_bytes(r_s[32:], "big")
    if not (0 < r < N and 0 < s < N):
        return None
    square = (pow(r, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    if y % 2 != parity:
        y = P - y
    z = int.from_bytes(digest, "big")
    inverse = pow(r, -1, N)
    key = add(multiply((r, y), s * inverse % N), multiply(G, -z * inverse % N))
    if key is None:
        return None
    return keccak(key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big"))[12:]
