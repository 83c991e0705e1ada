# SPDX-License-Identifier: MIT
"""secp256k1 public key recovery with exactly the verdicts of the EVM's `ecrecover` precompile (yellow paper, appendix E)."""

from __future__ import annotations

from coincurve import PublicKey

from light_clients.hashing import keccak256


def recover(digest: bytes, r_s: bytes, parity: int) -> bytes | None:
    """Recover the address that signed a digest.

    Args:
        digest: 32 bytes; any value is a digest.
        r_s: r ‖ s, 32 bytes each, big-endian. Like the precompile, a high s is accepted.
        parity: of the y coordinate: 0 or 1 (27 and 28 in the precompile's input).

    Returns:
        The 20-byte address, or None where the precompile returns nothing: r or s outside 1..n-1, no curve point
        with that x, or the recovered key is the point at infinity.

    Raises:
        ValueError: the arguments have another shape.
    """
    if len(digest) != 32 or len(r_s) != 64 or parity not in (0, 1):
        raise ValueError(
            f"found a digest of {len(digest)} bytes, a signature of {len(r_s)} and parity {parity}; "
            "expected 32 bytes, 64 bytes and 0 or 1"
        )
    try:
        key = PublicKey.from_signature_and_message(
            r_s + (b"\x01" if parity else b"\x00"), digest, hasher=None
        )
    except ValueError:
        return None
    return keccak256(key.format(compressed=False)[1:])[12:]
