# SPDX-License-Identifier: MIT
"""Whether a provider serves the configured chain: asked once, before anything that it says is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from relayer.errors import RpcAnswerInvalid, WrongChain

ProviderCall = Callable[[str, Sequence[Any]], Awaitable[bytes]]
"""A method and its parameters to one provider; the result as undecoded JSON."""


class _Genesis(msgspec.Struct):
    hash: str


def make_probe(chain_id: int, genesis_hash: bytes) -> Callable[[ProviderCall], Awaitable[None]]:
    """A check of chain id and genesis hash.

    Pilot chains are reset under their old chain id, so the genesis block is compared as well, wherever the
    provider still has it. Identity is no proof: everything that counts is verified later.
    """

    async def probe(call: ProviderCall) -> None:
        found = _decode(await call("eth_chainId", []), str)
        if found.lower() != hex(chain_id):
            raise WrongChain(
                f"a provider of chain id {found[:20]}",
                f"chain id {hex(chain_id)}",
                "Correct the chain's rpc list",
            )
        if not any(genesis_hash):
            return
        genesis = _decode(await call("eth_getBlockByNumber", ["0x0", False]), _Genesis | None)
        if genesis is not None and genesis.hash.lower() != "0x" + genesis_hash.hex():
            raise WrongChain(
                f"a provider whose genesis block is {genesis.hash[:66]}",
                f"0x{genesis_hash.hex()}",
                "If the chain was reset it is a new endpoint: deploy and register it anew",
            )

    return probe


def _decode(result: bytes, answer_type: Any) -> Any:
    try:
        return msgspec.json.decode(result, type=answer_type)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RpcAnswerInvalid(f"another shape ({error})", "a chain id, and the genesis block") from None
