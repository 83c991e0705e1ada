# SPDX-License-Identifier: MIT
"""Whether a provider serves the configured chain. Each is asked once, before any of its answers is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from relayer.errors import RpcAnswerInvalid, WrongChain

#: Calls a method of one provider and returns the result as undecoded JSON.
ProviderCall = Callable[[str, Sequence[Any]], Awaitable[bytes]]


class _Genesis(msgspec.Struct):
    hash: str


def make_probe(name: str, chain_id: int, genesis_hash: bytes) -> Callable[[ProviderCall], Awaitable[None]]:
    """Return a probe for RpcPool, which raises WrongChain for a provider of another chain than `name`.

    It compares the chain id, and the genesis hash unless that is zero: pilot chains are reset under
    their old chain id. A provider that no longer has its genesis block passes. The probe catches
    mistakes of configuration and proves nothing: a lying provider passes it, and everything that
    counts is verified later.
    """

    async def probe(call: ProviderCall) -> None:
        found = _decode(await call("eth_chainId", []), str)
        if found.lower() != hex(chain_id):
            raise WrongChain(
                f"a provider for {name} of chain id {_decimal(found)}",
                f"chain id {chain_id}",
                "Correct the chain's rpc list, or its chain id",
            )
        if not any(genesis_hash):
            return
        genesis = _decode(await call("eth_getBlockByNumber", ["0x0", False]), _Genesis | None)
        if genesis is not None and genesis.hash.lower() != "0x" + genesis_hash.hex():
            raise WrongChain(
                f"a provider for {name} whose genesis block is {genesis.hash[:66]}",
                f"0x{genesis_hash.hex()}",
                "If the chain was reset it is a new endpoint: deploy and register it anew",
            )

    return probe


def _decimal(quantity: str) -> str:
    """Return a number as the configuration has it; what is none stays as it is, cut."""
    try:
        return str(int(quantity, 16))
    except ValueError:
        return quantity[:20]


def _decode(result: bytes, answer_type: Any) -> Any:
    try:
        return msgspec.json.decode(result, type=answer_type)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RpcAnswerInvalid(f"another shape ({error})", "a chain id, and the genesis block") from None
