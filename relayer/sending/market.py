# SPDX-License-Identifier: MIT
"""What gas costs on one chain: by the newest verified header where there is one, else as a provider says."""

from __future__ import annotations

import time
from typing import Final

from relayer.chains.base import Chain, GasMarket
from relayer.consensus.base import VerifiedHeader
from relayer.errors import Retryable
from relayer.sending.limits import NodeLimits
from relayer.sending.price import PricePolicy, bound_base_fee

#: How old the price that nodes suggest may be where a verified header tells the base fee.
_SUGGESTION_S: Final = 15.0
#: The base fee of a verified header that is older than this says little of the next block.
_HEADER_S: Final = 30.0


class MarketReader:
    """Reads the market of one chain.

    Args:
        chain: the chain.
        policy: the operator's limits for gas.
        limits: what its nodes refuse.
        proves_now: whether verified headers are the newest blocks.

    Attributes:
        verified_height: the newest verified header's block; 0 before the first.
    """

    def __init__(self, chain: Chain, policy: PricePolicy, limits: NodeLimits, *, proves_now: bool) -> None:
        self.verified_height = 0
        self._chain = chain
        self._policy = policy
        self._limits = limits
        self._proves_now = proves_now
        self._header: VerifiedHeader | None = None
        self._header_at = float("-inf")
        self._told: GasMarket | None = None
        self._told_at = float("-inf")

    def note_header(self, header: VerifiedHeader) -> None:
        """Take a verified header."""
        if header.base_fee_wei is not None and (self._header is None or header.number > self._header.number):
            self._header, self._header_at = header, time.monotonic()
        self.verified_height = max(self.verified_height, header.number)

    async def read(self, height: int) -> GasMarket:
        """Return what gas costs; `height` is the newest block that is known.

        Raises ChainUnavailable.
        """
        now = time.monotonic()
        proven_wei = None if self._header is None else self._header.base_fee_wei
        blocks = 0 if self._header is None else max(0, height - self._header.number)
        is_new = self._proves_now and (blocks == 0 or now - self._header_at < _HEADER_S)
        if self._told is None or proven_wei is None or not is_new or now - self._told_at > _SUGGESTION_S:
            self._told, self._told_at = await self._chain.market(), now
        told = self._told
        base_fee_wei = told.base_fee_wei
        if proven_wei is not None:
            is_told = base_fee_wei is not None and not is_new
            base_fee_wei = (
                bound_base_fee(base_fee_wei or 0, proven_wei, blocks + 1) if is_told else proven_wei
            )
        if base_fee_wei is not None and self._limits.is_legacy:
            # Type 0 pays all that it offers, so there is less room for the base fee to rise.
            wanted_wei = base_fee_wei + base_fee_wei // 8 + told.suggested_wei
            return GasMarket(None, min(wanted_wei, max(self._policy.max_fee_wei, base_fee_wei)))
        return GasMarket(base_fee_wei, told.suggested_wei)

    async def try_read(self, height: int) -> GasMarket | None:
        """Return what `read` returns; None where nobody tells it."""
        try:
            return await self.read(height)
        except Retryable:
            return None
