# SPDX-License-Identifier: MIT
"""A relayer that has relayed, and transactions of it that are open."""

from __future__ import annotations

import dataclasses

from relayer.journal.rows import Purpose, TransactionRow
from relayer.journal.writing import Writing
from relayer.protocol.message import Message
from tests.support.api import StillRelayer
from tests.support.memory_network import MemoryNetwork
from tests.unit.journal.samples import NOW, attempt


@dataclasses.dataclass
class Relayed:
    """A pipeline between two chains in memory, a > b, with messages in several states, and what shows it.

    Attributes:
        relayer: for the API.
        network: the chains.
        confirmed: three messages that were delivered.
        waiting: one that no verified header covers yet.
    """

    relayer: StillRelayer
    network: MemoryNetwork
    confirmed: list[Message]
    waiting: Message


async def add_open(
    relayed: Relayed, count: int = 1, *, endpoint_id: bytes | None = None
) -> list[TransactionRow]:
    """Write open transactions of an account that no sender has, so that nobody moves them meanwhile."""
    chain = relayed.network.chains["b"]

    def write(writing: Writing) -> list[TransactionRow]:
        row = writing.put_chain(endpoint_id or chain.endpoint_id, "b", scanned_height=0, at=NOW)
        return [
            writing.add_transaction(row, Purpose.OTHER, b"k" * 20, nonce, attempt(nonce + 1))
            for nonce in range(count)
        ]

    return await relayed.network.journal.commit(write)
