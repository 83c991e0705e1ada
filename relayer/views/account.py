# SPDX-License-Identifier: MIT
"""An account that signs for the relayer, and the key that it is kept by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from relayer.chains.base import Address
    from relayer.keys import StoredKey
    from relayer.sending.sender import Sender


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account on one chain.

    Attributes:
        address: 20 bytes.
        balance_wei: what it has, by the newest proof, or as a provider told last; None before it was read.
        open_transactions: how many of its transactions are in no block yet.
        deliveries_left: for about how many deliveries the balance is enough; None before the first one.
    """

    address: bytes
    balance_wei: int | None
    open_transactions: int
    deliveries_left: int | None


class ChainAccountView(AccountView, frozen=True, kw_only=True):
    """An account in a list of several chains'; `chain` is the configured name of its chain."""

    chain: str

    @classmethod
    def of(cls, chain: str, account: AccountView) -> Self:
        """Return an account of a chain for such a list."""
        return cls(chain=chain, **msgspec.structs.asdict(account))


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key in the store of keys. `address` is 20 bytes, `path` its encrypted file."""

    name: str
    address: bytes
    path: str


def account_view(sender: Sender, address: Address) -> AccountView:
    """Return the view of an account that signs for the relayer."""
    account = sender.accounts[address]
    return AccountView(
        address=address,
        balance_wei=account.balance_wei,
        open_transactions=len(account.open),
        deliveries_left=sender.funds.deliveries_left(account),
    )


def key_view(key: StoredKey) -> KeyView:
    """Return the view of a stored key. Nothing of it is unlocked."""
    return KeyView(name=key.name, address=key.address, path=str(key.path))
