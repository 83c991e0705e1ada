# SPDX-License-Identifier: MIT
"""What stands before anvil's pool: the transactions that a chain's nodes refuse, and those that they keep
although their senders can't pay.
"""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec

from relayer.devnet.process.upstream import RefusedByAnvil, Upstream
from relayer.devnet.rpc.jsonrpc import SERVER_ERROR, RpcError, RpcRequest, result_of
from relayer.devnet.rpc.raw_transaction import (
    ACCESS_LIST,
    RawTransaction,
    offers_price,
    read_transaction,
    type_of,
)
from relayer.devnet.rules import ChainRules

#: anvil's words, for a sender whose balance is below value and most gas.
_CANNOT_PAY: Final = "insufficient funds"
#: Nodes take a second transaction of a nonce from a tenth more on.
_BUMP_PERCENT: Final = 10


class Pool:
    """One chain's pool, as its nodes would judge.

    Where anvil judges as they do, what it says goes out as it is.

    Args:
        upstream: anvil.
        rules: of the chain.
    """

    def __init__(self, upstream: Upstream, rules: ChainRules) -> None:
        self._upstream = upstream
        self._rules = rules
        self._unpaid: dict[tuple[bytes, int], RawTransaction] = {}

    async def offer(self, call: RpcRequest) -> bytes:
        """Return the whole answer to `eth_sendRawTransaction`. Raises RpcError for what nodes refuse."""
        raw = _raw_of(call)
        if self._rules.legacy and type_of(raw) > ACCESS_LIST:
            raise RpcError(SERVER_ERROR, "transaction type not supported")
        limit = self._rules.max_tx_bytes
        if limit is not None and len(raw) > limit:
            raise RpcError(SERVER_ERROR, f"oversized data: transaction size {len(raw)}, limit {limit}")
        only_free = self._rules.manners.only_free
        if only_free and offers_price(raw):
            raise RpcError(SERVER_ERROR, only_free)
        answer = await self._upstream.send(call.body)
        if not self._rules.unpaid:
            return answer
        if result_of(answer) is None and _CANNOT_PAY not in answer.decode().lower():
            return answer
        transaction = read_transaction(raw)
        if result_of(answer) is not None:
            # It replaces one that could not be paid, whatever that offered.
            self._unpaid.pop((transaction.sender, transaction.nonce), None)
            return answer
        self._keep(transaction)
        return call.result(msgspec.json.encode("0x" + transaction.hash.hex()))

    async def offer_unpaid(self) -> None:
        """Offer anvil what could not be paid so far, before a block is made.

        What it takes, or refuses for another reason, is none of ours any more.
        """
        for place, transaction in list(self._unpaid.items()):
            try:
                await self._upstream.call("eth_sendRawTransaction", "0x" + transaction.raw.hex())
            except RefusedByAnvil as refusal:
                if _CANNOT_PAY in str(refusal).lower():
                    continue
            # Another one may have taken its place meanwhile.
            if self._unpaid.get(place) is transaction:
                del self._unpaid[place]

    async def is_empty(self) -> bool:
        """Return whether nothing waits that a block could hold."""
        await self.offer_unpaid()
        return int((await self._upstream.call("txpool_status"))["pending"], 16) == 0

    def unpaid(self, tx_hash: bytes) -> RawTransaction | None:
        """Return the transaction of a hash that can't be paid; None when it is not kept here."""
        return next((kept for kept in self._unpaid.values() if kept.hash == tx_hash), None)

    def next_nonce(self, sender: bytes, nonce: int) -> int:
        """Return what follows `nonce`, the next one in anvil's pool, behind what can't be paid."""
        while (sender, nonce) in self._unpaid:
            nonce += 1
        return nonce

    def clear(self) -> None:
        """Forget what can't be paid."""
        self._unpaid.clear()

    def _keep(self, transaction: RawTransaction) -> None:
        place = (transaction.sender, transaction.nonce)
        kept = self._unpaid.get(place)
        if kept is not None and kept.hash == transaction.hash:
            raise RpcError(SERVER_ERROR, "Known transaction")
        if kept is not None and transaction.price_wei * 100 < kept.price_wei * (100 + _BUMP_PERCENT):
            raise RpcError(SERVER_ERROR, "Replacement transaction underpriced")
        self._unpaid[place] = transaction


def _raw_of(call: RpcRequest) -> bytes:
    """Return the transaction's bytes; none where anvil is to say what is wrong with the parameter."""
    with contextlib.suppress(msgspec.DecodeError, ValueError):
        return bytes.fromhex(msgspec.json.decode(call.param(0) or b'""', type=str).removeprefix("0x"))
    return b""
