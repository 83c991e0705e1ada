# SPDX-License-Identifier: MIT
"""Whether a light client still believes anything, for provers of every kind: our own, or one on a chain."""

from __future__ import annotations

from light_clients.client import Height, Status
from relayer.chains.base import Address
from relayer.errors import ClientExpired, ClientFrozen


def require_own_active(status: Status, height: Height, trusting_period_s: int, signers: str) -> None:
    """Refuse to go on from our own trusted state where it is no longer believed.

    Args:
        status: of our own light client, now.
        height: that it trusts.
        trusting_period_s: for how long it does.
        signers: how the kind calls those who sign, in the plural.

    Raises:
        ClientExpired, ClientFrozen: the configuration needs a newer bootstrap.
    """
    if status is Status.EXPIRED:
        raise ClientExpired(
            f"our own trusted state of height {height} is older than the trusting period",
            f"a header of the last {trusting_period_s} s",
            f"Ask the chain's owners for its {signers} of today and put them into the chain's bootstrap",
        )
    if status is Status.FROZEN:
        raise ClientFrozen(
            "our own light client is frozen by misbehaviour",
            "Active",
            "Ask the chain's owners what happened",
        )


def require_active(status: Status, client: Address, expires_at: int) -> None:
    """Refuse a client on a destination that no update can help.

    Args:
        status: its own word.
        client: its address, 20 bytes.
        expires_at: when its trusting period ends, in seconds.

    Raises:
        ClientExpired: what it trusts is too old.
        ClientFrozen: misbehaviour was proven to it.
    """
    advice = "Its admin must bootstrap it again (`postroad client bootstrap`)"
    if status is Status.FROZEN:
        raise ClientFrozen(f"the light client 0x{client.hex()} is frozen", "Active", advice)
    if status is Status.EXPIRED:
        raise ClientExpired(f"the light client 0x{client.hex()} expired at {expires_at}", "Active", advice)
