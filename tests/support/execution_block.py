# SPDX-License-Identifier: MIT
"""Blocks of an execution layer after the merge, as a node's JSON has them."""

from __future__ import annotations

from typing import Any

from light_clients.bft.header import BftKind
from tests.support.bft import CANCUN, Draft
from tests.support.trie import keccak


def merged_block(number: int = 7) -> dict[str, Any]:
    """A block of a proof-of-stake chain by the look of it: no difficulty, withdrawals, and named by its whole header."""
    # The fields are those of any execution header; only what stands in the extra data would be a BFT chain's.
    draft = Draft(BftKind.QBFT, (), number=number, difficulty=0, tail=CANCUN)
    return draft.rpc() | {"hash": "0x" + keccak(draft.encode()).hex()}
