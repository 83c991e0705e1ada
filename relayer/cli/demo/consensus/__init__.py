# SPDX-License-Identifier: MIT
"""What the demo shows of each kind of consensus; all else in the demo is the same for all."""

from __future__ import annotations

from relayer.cli.demo.consensus.base import Delivered, Forgery, Show, Truth, Vouching
from relayer.cli.demo.consensus.bft import BftShow
from relayer.cli.demo.consensus.ethereum import EthereumShow
from relayer.devnet.network import AnyChain
from relayer.devnet.pos import LocalPosChain

__all__ = ["Delivered", "Forgery", "Show", "Truth", "Vouching", "show_of"]


def show_of(chain: AnyChain) -> Show:
    """What is shown of a local chain."""
    return EthereumShow(chain) if isinstance(chain, LocalPosChain) else BftShow(chain)
