# SPDX-License-Identifier: MIT
"""One transaction of the library's own: signed, broadcast, waited for."""

from __future__ import annotations

import asyncio
from typing import Final

from relayer.chains.base import Call, TxHash, TxReceipt
from relayer.consensus.open_chain import OpenChain
from relayer.errors import ChainUnavailable, InsufficientFunds, NonceConflict, Underpriced

_RECEIPT_POLL_S: Final = 0.1
_INCLUSION_TIMEOUT_S: Final = 180.0
#: Another process may sign with the same key, and take a nonce between our look and our broadcast.
_SEND_ATTEMPTS: Final = 3


async def transact(sender: OpenChain, call: Call) -> TxReceipt:
    """Sign, broadcast, and wait for the block. Raises ChainUnavailable when it isn't included in time."""
    chain = sender.chain
    for attempt in range(1, _SEND_ATTEMPTS + 1):
        transaction = await chain.prepare(call)
        try:
            await chain.broadcast(transaction.raw)
        except NonceConflict:
            # Another process signs with this key; nothing of ours was sent.
            if attempt == _SEND_ATTEMPTS:
                raise
            continue
        except (InsufficientFunds, Underpriced):
            # Refused for certain, so its nonce is free again; any other failure may have reached a node all
            # the same.
            chain.abandon(transaction)
            raise
        return await _await_receipt(sender, transaction.tx_hash)
    raise AssertionError("the loop ends by return or raise")


async def _await_receipt(sender: OpenChain, tx_hash: TxHash) -> TxReceipt:
    for _ in range(int(_INCLUSION_TIMEOUT_S / _RECEIPT_POLL_S)):
        receipt = await sender.chain.receipt(tx_hash)
        if receipt is not None:
            if not receipt.succeeded:
                raise ChainUnavailable(
                    f"0x{tx_hash.hex()} reverted on {sender.name} though it was estimated to succeed",
                    "success",
                    "The chain's state has changed in between: try again.",
                )
            return receipt
        await asyncio.sleep(_RECEIPT_POLL_S)
    raise ChainUnavailable(
        f"0x{tx_hash.hex()} is in no block of {sender.name} after {_INCLUSION_TIMEOUT_S:g} s",
        "to be included",
        "It may still be: look for it before you send again.",
    )
