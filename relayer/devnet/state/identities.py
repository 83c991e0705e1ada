# SPDX-License-Identifier: MIT
"""Keys, addresses and chain ids of local chains, all derived from a seed, so that a seed names a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from light_clients.ecdsa import ORDER, address_of
from light_clients.hashing import keccak256
from relayer.devnet.errors import SpecError

#: Local chain ids are 24 bits under this prefix (0x50 = "P"), far from every registered one.
CHAIN_ID_BASE: Final = 0x5000_0000


@dataclass(frozen=True, slots=True)
class Account:
    """A key of a local chain, worth nothing anywhere else. `address` is 20 bytes, `secret` 32."""

    address: bytes
    secret: bytes = field(repr=False)

    @property
    def address_text(self) -> str:
        """The address as people write it, with the checksum of EIP-55."""
        return checksum_address(self.address)

    @property
    def secret_text(self) -> str:
        """The private key as hex, for wallets and tools."""
        return "0x" + self.secret.hex()


def account_of(secret: bytes) -> Account:
    """Return the account of a 32-byte private key.

    Raises:
        SpecError: no private key has that value.
    """
    try:
        return Account(address=address_of(secret), secret=secret)
    except ValueError:
        raise SpecError(
            f"a private key of {len(secret)} bytes that is out of range",
            "32 bytes between 1 and the order of secp256k1 minus 1",
        ) from None


def derive_account(seed: bytes, chain: str, role: str, index: int) -> Account:
    """Return the `index`-th account of a role, such as "funded", of a chain in the network of a seed."""
    text = f"postroad devnet/{chain}/{role}/{index}".encode()
    # A secret is 1 to the order of the group less one.
    return account_of((int.from_bytes(keccak256(seed + text), "big") % (ORDER - 1) + 1).to_bytes(32, "big"))


def chain_id_of(name: str, attempt: int = 0) -> int:
    """Return the chain id that belongs to a name, on every machine; `attempt` counts collisions."""
    salt = f"#{attempt}" if attempt else ""
    return CHAIN_ID_BASE + int.from_bytes(keccak256((name + salt).encode())[:3], "big")


def checksum_address(address: bytes) -> str:
    """Return the EIP-55 text of a 20-byte address."""
    text = address.hex()
    digest = keccak256(text.encode()).hex()
    return "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(text, digest, strict=False))
