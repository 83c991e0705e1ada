# SPDX-License-Identifier: MIT
"""What gas costs on a chain, as its providers say: a hint, read at most every few seconds."""

from __future__ import annotations

import time
from typing import Final

from relayer.chains.base import GasMarket
from relayer.chains.evm.events import parse_quantity
from relayer.chains.evm.rpc_types import BlockHead, parse_base_fee
from relayer.chains.rpc_pool import RpcPool, is_method_missing
from relayer.errors import RpcRefused

#: How long a price that was read is used. A base fee moves by an eighth a block at most (EIP-1559), and what
#: we offer has room for it to double.
_AGE_S: Final = 3.0
#: A block changes the base fee by an eighth at the most (EIP-1559).
_BLOCK_CHANGE: Final = 8


class GasMarketReader:
    """Reads one chain's base fee and what its nodes suggest."""

    def __init__(self, pool: RpcPool) -> None:
        self._pool = pool
        self._base_fee_wei: int | None = None
        self._base_fee_at = float("-inf")
        self._suggested_wei = 0
        self._suggested_at = float("-inf")

    def note(self, block: BlockHead) -> None:
        """Take the price from a block that was read for something else. Raises RpcAnswerInvalid."""
        self._base_fee_wei = parse_base_fee(block)
        self._base_fee_at = time.monotonic()

    async def base_fee(self) -> int | None:
        """Return the newest block's base fee in wei; None where it has none. Raises ChainUnavailable."""
        if time.monotonic() - self._base_fee_at > _AGE_S:
            await self._pool.call("eth_getBlockByNumber", ["latest", False], self.note, answer_type=BlockHead)
        return self._base_fee_wei

    async def read(self) -> GasMarket:
        """Return the base fee and the suggestion.

        A node without a method that suggests gives 0: some chains have no use for a price.

        Raises ChainUnavailable.
        """
        base_fee_wei = await self.base_fee()
        if time.monotonic() - self._suggested_at > _AGE_S:
            price_wei = await self._suggestion("eth_gasPrice")
            if base_fee_wei is None:
                self._suggested_wei = price_wei
            else:
                tip_wei = await self._suggestion("eth_maxPriorityFeePerGas")
                self._suggested_wei = choose_tip(base_fee_wei, tip_wei, price_wei)
            self._suggested_at = time.monotonic()
        return GasMarket(base_fee_wei, self._suggested_wei)

    async def _suggestion(self, method: str) -> int:
        try:
            answer = await self._pool.ask(
                method, [], parse_quantity, answer_type=str, missing_method_is_final=True
            )
        except RpcRefused as error:
            if not is_method_missing(error):
                raise
            return 0
        return answer.value


def choose_tip(base_fee_wei: int, tip_wei: int, price_wei: int) -> int:
    """Return the tip to suggest, of what a node suggests as a tip and as a whole price; 0 where it has none.

    Besu's nodes have a least price (`--min-gas-price`), by default 1000 wei. It counts for the base fee and
    the tip together, and only the whole price tells it. Where blocks are empty the base fee falls to a few
    wei, and a transaction with no tip is put into a block by no node but the one that it was given to, which
    may make no blocks. Then the tip alone has to reach the whole price, for the base fee may fall on. A base
    fee that moved between two questions is no reason.
    """
    reached_wei = base_fee_wei + tip_wei
    return price_wei if price_wei > reached_wei + reached_wei // _BLOCK_CHANGE else tip_wei
