# SPDX-License-Identifier: MIT
"""Local Ethereum chains: anvil executes, and a simulated beacon chain of real sync committees decides what is final."""

from __future__ import annotations

from typing import Final

from relayer.consensus.ethereum.local.kind import LocalEthereum

LOCAL: Final = LocalEthereum()
