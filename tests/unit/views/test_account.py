# SPDX-License-Identifier: MIT
"""Accounts and keys, as they are shown."""

from __future__ import annotations

from pathlib import Path

from relayer.keys import StoredKey
from relayer.views.account import AccountView, key_view
from relayer.views.encoding import to_plain


def test_an_account_has_its_balance_in_wei() -> None:
    view = AccountView(address=b"\xab" * 20, balance_wei=10**24, open_transactions=1, deliveries_left=None)
    assert to_plain(view) == {
        "address": "0x" + "ab" * 20,
        "balance_wei": 10**24,
        "open_transactions": 1,
        "deliveries_left": None,
    }


def test_a_key_shows_nothing_secret() -> None:
    key = StoredKey(name="relayer", address=b"\xab" * 20, path=Path("keys/relayer.json"))
    assert to_plain(key_view(key)) == {
        "name": "relayer",
        "address": "0x" + "ab" * 20,
        "path": "keys/relayer.json",
    }
