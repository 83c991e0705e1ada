# SPDX-License-Identifier: MIT
"""Why a message is not delivered yet, for whoever has waited for it in vain."""

from __future__ import annotations

import asyncio
from typing import Final

from relayer.chains.base import SentMessage
from relayer.chains.evm.abi import encode_receive_message
from relayer.consensus.open_chain import OpenChain
from relayer.errors import CallReverted, PostroadError
from relayer.journal.rows import StoredStory

#: The reason is an extra, and must not hold up the error that it stands in.
_PATIENCE_S: Final = 5.0


async def explain_wait(
    sent: SentMessage, source: OpenChain, destination: OpenChain, told: StoredStory | None
) -> str:
    """Return why a message waits, as a sentence; empty where nobody knows.

    It is what the relayer's journal says, if there is one, else what the recipient answers to a simulation.
    """
    if told is not None and told.waiting is not None:
        detail = f" ({told.waiting.detail})" if told.waiting.detail else ""
        return f"The relayer says that it waits for {told.waiting.reason.value}{detail}."
    message = sent.message
    # On its own chain an account is written as a recipient is.
    data = encode_receive_message(message.id, source.recipient(message.sender[12:]), message.payload)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await destination.node.call(message.recipient[12:], data, destination.chain.gateway)
    except CallReverted as error:
        return f"Its recipient would refuse it now: {error.reason}."
    except (PostroadError, TimeoutError):
        pass
    return ""
