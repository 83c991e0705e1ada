# SPDX-License-Identifier: MIT
"""An account that signs for the relayer, and the key that it is kept by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from relayer.keys import StoredKey


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account on one chain. `address` is 20 bytes, `balance_wei` what a provider told last."""

    address: bytes
    balance_wei: int


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key in the store of keys. `address` is 20 bytes, `path` its encrypted file."""

    name: str
    address: bytes
    path: str


def key_view(key: StoredKey) -> KeyView:
    """Return the view of a stored key. Nothing of it is unlocked."""
    return KeyView(name=key.name, address=key.address, path=str(key.path))
