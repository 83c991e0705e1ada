# SPDX-License-Identifier: MIT
"""Accounts and the transaction counts that a node would tell of them."""

from __future__ import annotations

import asyncio

from relayer.chains.base import Address, TxHash
from relayer.keys import Key

KEYS = [Key(f"key{n}", bytes(31) + bytes([n])) for n in (1, 2, 3)]
SENDERS = [Address(key.address) for key in KEYS]


class Counts:
    """The chain's transaction counts."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(SENDERS, 0)
        self.asked = 0

    async def fetch(self, sender: Address) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        return self.counts[sender]


def hash_of(number: int) -> TxHash:
    return TxHash(number.to_bytes(32))
