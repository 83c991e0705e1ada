# SPDX-License-Identifier: MIT
"""ECDSA over secp256k1, as the EVM uses it: recover the address of a signer, sign a digest, derive the
address of a secret.

Recovery gives exactly the verdicts of the EVM's `ecrecover` precompile (yellow paper, appendix E). Signatures
are deterministic (RFC 6979) with a low s (EIP-2), so everything here is a function of its arguments.

The arithmetic comes from one of two backends, which give the same bytes for the same arguments: libsecp256k1,
through the package btclib-secp256k1, and the pure Python of eth-keys where that package is not installed (ADR
13). The choice falls when this module is imported. No other module imports either of them.
"""

from __future__ import annotations

from typing import Final, Protocol

from light_clients.hashing import keccak256

#: The order n of the curve's group. Secrets, r and s are 1 to this less one.
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Backend(Protocol):
    """The arithmetic by one library. The shapes and ranges of arguments are checked before these are
    called.
    """

    @property
    def is_fast(self) -> bool:
        """Whether it takes microseconds, not milliseconds."""
        ...

    def recover(self, digest: bytes, r_s: bytes, parity: int) -> bytes | None:
        """Return the public key x ‖ y (64 bytes), or None where `ecrecover` returns nothing."""
        ...

    def sign(self, digest: bytes, secret: bytes) -> tuple[bytes, int]:
        """Return r ‖ s (64 bytes, low s) and the parity of the nonce point's y, 0 or 1."""
        ...

    def public_key(self, secret: bytes) -> bytes:
        """Return the public key x ‖ y (64 bytes)."""
        ...


class Libsecp256k1:
    """The C library, through btclib-secp256k1. Raises ImportError where that is not installed."""

    is_fast = True

    def __init__(self) -> None:
        from btclib_secp256k1 import keys, recovery

        self._recover = recovery.recover
        self._sign = recovery.sign
        self._public_key = keys.pubkey_from_prvkey

    def recover(self, digest: bytes, r_s: bytes, parity: int) -> bytes | None:
        """See Backend."""
        try:
            # The first byte, 0x04, marks an uncompressed key. An address is the hash of the rest.
            return self._recover(digest, r_s, parity, compressed=False)[1:]
        except ValueError:
            return None

    def sign(self, digest: bytes, secret: bytes) -> tuple[bytes, int]:
        """See Backend. The signature is recovered from once before it is returned, so that a computing error
        shows.
        """
        return self._sign(digest, secret)

    def public_key(self, secret: bytes) -> bytes:
        """See Backend."""
        return self._public_key(secret, compressed=False)[1:]


class PurePython:
    """Plain integers, by eth-keys: some hundred times slower. Its time depends on the secret, so it can leak
    it to who measures.
    """

    is_fast = False

    def __init__(self) -> None:
        from eth_keys.backends.native import ecdsa
        from eth_keys.exceptions import BadSignature

        self._library = ecdsa
        self._refusal = BadSignature

    def recover(self, digest: bytes, r_s: bytes, parity: int) -> bytes | None:
        """See Backend."""
        r, s = int.from_bytes(r_s[:32]), int.from_bytes(r_s[32:])
        # eth-keys takes both modulo n.
        if not (0 < r < ORDER and 0 < s < ORDER):
            return None
        try:
            return self._library.ecdsa_raw_recover(digest, (parity, r, s))
        except self._refusal:
            return None

    def sign(self, digest: bytes, secret: bytes) -> tuple[bytes, int]:
        """See Backend."""
        parity, r, s = self._library.ecdsa_raw_sign(digest, secret)
        return r.to_bytes(32) + s.to_bytes(32), parity

    def public_key(self, secret: bytes) -> bytes:
        """See Backend."""
        return self._library.private_key_to_public_key(secret)


def choose_backend() -> Backend:
    """Return libsecp256k1 where its package is installed, else the pure Python."""
    try:
        return Libsecp256k1()
    except ImportError:
        return PurePython()


BACKEND: Final = choose_backend()

#: What a person should know and do where the backend is not the fast one.
SLOW_ADVICE: Final = "Checking a seal takes milliseconds and signing is slower without it: install the package btclib-secp256k1."


def recover(digest: bytes, r_s: bytes, parity: int) -> bytes | None:
    """Recover the address that signed a digest.

    Args:
        digest: 32 bytes; any value is a digest.
        r_s: r ‖ s, 32 bytes each, big-endian. Like the precompile, a high s is accepted.
        parity: of the y coordinate: 0 or 1 (27 and 28 in the precompile's input).

    Returns:
        The 20-byte address, or None where the precompile returns nothing: r or s outside 1..n-1, no curve
        point with that x, or the recovered key is the point at infinity.

    Raises:
        ValueError: the arguments have another shape.
    """
    if len(digest) != 32 or len(r_s) != 64 or parity not in (0, 1):
        raise ValueError(
            f"found a digest of {len(digest)} bytes, a signature of {len(r_s)} and parity {parity}; "
            "expected 32 bytes, 64 bytes and 0 or 1"
        )
    key = BACKEND.recover(digest, r_s, int(parity))
    return None if key is None else keccak256(key)[12:]


def sign(digest: bytes, secret: bytes) -> bytes:
    """Sign a digest: r ‖ s ‖ parity, 65 bytes, from which `recover` gets the address of the secret.

    Args:
        digest: 32 bytes.
        secret: 32 bytes, big-endian, 1 to n-1.

    Raises:
        ValueError: the arguments have another shape or range. It never repeats the secret.
    """
    if len(digest) != 32:
        raise ValueError(f"found a digest of {len(digest)} bytes, expected 32 bytes")
    check_secret(secret)
    r_s, parity = BACKEND.sign(digest, secret)
    return r_s + bytes((parity,))


def address_of(secret: bytes) -> bytes:
    """Return the 20-byte address of a secret (32 bytes, 1 to n-1). Raises ValueError, which never repeats the
    secret.
    """
    check_secret(secret)
    return keccak256(BACKEND.public_key(secret))[12:]


def check_secret(secret: bytes) -> None:
    """Raise ValueError unless the secret is 32 bytes, 1 to n-1. The error never repeats it."""
    if len(secret) != 32 or not 0 < int.from_bytes(secret) < ORDER:
        raise ValueError(
            f"found a private key of {len(secret)} bytes that is no key, "
            "expected 32 bytes between 1 and the order of secp256k1 minus 1"
        )
