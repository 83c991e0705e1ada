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

        A node without the method that suggests gives 0: some chains have no use for a price.

        Raises ChainUnavailable.
        """
        base_fee_wei = await self.base_fee()
        if time.monotonic() - self._suggested_at > _AGE_S:
            method = "eth_gasPrice" if base_fee_wei is None else "eth_maxPriorityFeePerGas"
            try:
                answer = await self._pool.ask(
                    method, [], parse_quantity, answer_type=str, missing_method_is_final=True
                )
                self._suggested_wei = answer.value
            except RpcRefused as error:
                if not is_method_missing(error):
                    raise
                self._suggested_wei = 0
            self._suggested_at = time.monotonic()
        return GasMarket(base_fee_wei, self._suggested_wei)
