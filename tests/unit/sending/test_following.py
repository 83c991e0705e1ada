# SPDX-License-Identifier: MIT
"""Transactions under way, attacked: nothing of ours is dropped, doubled or dear because of how many there
are, who answers late, or what a provider said once.
"""

from __future__ import annotations

from relayer.chains.base import Call
from relayer.journal.rows import Purpose
from relayer.journal.store import now_micros
from relayer.sending.price import PricePolicy
from relayer.sending.sender import Sender
from relayer.sending.store import MemoryStore
from relayer.sending.transaction import Outcomes
from relayer.testing.chain import MemoryChain

GWEI = 10**9
PRICES = PricePolicy(500 * GWEI, GWEI)


def transfer(chain: MemoryChain) -> Call:
    return Call(chain.senders[0], b"", gas=21_000)


def make_sender(chain: MemoryChain, policy: PricePolicy = PRICES) -> tuple[Sender, list[Outcomes]]:
    """A sender without proofs, and what its looks find."""
    sender = Sender(chain, MemoryStore(), policy, now_micros)
    found: list[Outcomes] = []
    sender.on_outcomes = found.append
    return sender, found


async def test_many_transactions_in_blocks_strand_none_of_the_next() -> None:
    """INV-6: nonces that our own transactions used are no gap, however many wait for their proof."""
    chain = MemoryChain("b", 1002)
    sender, found = make_sender(chain)
    # As deliveries are, which are settled by the bits that they set.
    for _ in range(20):
        await sender.send(transfer(chain), Purpose.OTHER)
    await chain.mine()
    chain.faults.lost_broadcasts = 1
    await sender.send(transfer(chain), Purpose.OTHER)
    await sender.look(1)
    assert [outcomes.given_up for outcomes in found] == [[]]
