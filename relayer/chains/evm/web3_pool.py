# SPDX-License-Identifier: MIT
"""web3.py over the distrusted providers of a chain: failover and limits are the pool's, the rest is web3's.

Importing this imports web3, which takes a second or two. Nothing that web3 is told here is verified: it is
for looking at contracts and for writing to them, as with any provider. Only a receipt of the road, and what a
light client proves, is more than a provider's word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from eth_typing import ChecksumAddress, HexAddress, HexStr
from web3 import AsyncWeb3, Web3
from web3.contract import AsyncContract, Contract
from web3.middleware import FormattingMiddlewareBuilder
from web3.providers import AsyncBaseProvider, BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from relayer.chains.evm.chain import EvmChain
from relayer.errors import PostroadError, RpcRefused
from relayer.protocol.interop_address import format_evm_address

#: web3 refuses longer ones (the yellow paper's limit), which blocks with seals in them have.
_EXTRA_DATA_BYTES: Final = 32

Wait = Callable[[Coroutine[Any, Any, Any]], Any]


def open_async_web3(chain: EvmChain) -> AsyncWeb3[AsyncBaseProvider]:
    """Return web3 over a chain's providers; it lives as long as the chain."""
    web3: AsyncWeb3[AsyncBaseProvider] = AsyncWeb3(_AsyncPoolProvider(chain))
    web3.middleware_onion.inject(_SealedHeaders, layer=0)
    return web3


def open_web3(chain: EvmChain, wait: Wait) -> Web3:
    """Return web3 over a chain's providers for code without an event loop; `wait` runs a coroutine."""
    web3 = Web3(_PoolProvider(chain, wait))
    web3.middleware_onion.inject(_SealedHeaders, layer=0)
    return web3


def async_contract(web3: AsyncWeb3[Any], address: bytes, abi: Sequence[Mapping[str, Any]]) -> AsyncContract:
    """Return a contract object at an address of 20 bytes."""
    return web3.eth.contract(_checksum(address), abi=abi)


def blocking_contract(web3: Web3, address: bytes, abi: Sequence[Mapping[str, Any]]) -> Contract:
    """Return a contract object at an address of 20 bytes, for code without an event loop."""
    return web3.eth.contract(_checksum(address), abi=abi)


def _checksum(address: bytes) -> ChecksumAddress:
    return ChecksumAddress(HexAddress(HexStr(format_evm_address(address))))


class _AsyncPoolProvider(AsyncBaseProvider):
    def __init__(self, chain: EvmChain) -> None:
        super().__init__()
        self._chain = chain

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return await _ask(self._chain, method, params)

    async def is_connected(self, show_traceback: bool = False) -> bool:
        return await _is_connected(self._chain, show_traceback)


class _PoolProvider(BaseProvider):
    def __init__(self, chain: EvmChain, wait: Wait) -> None:
        super().__init__()
        self._chain = chain
        self._wait = wait

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        answer: RPCResponse = self._wait(_ask(self._chain, method, params))
        return answer

    def is_connected(self, show_traceback: bool = False) -> bool:
        return bool(self._wait(_is_connected(self._chain, show_traceback)))


async def _ask(chain: EvmChain, method: str, params: Sequence[Any]) -> RPCResponse:
    """Return an answer in JSON-RPC's form. Raises ChainUnavailable."""
    # web3 has types of its own for bytes and for dictionaries; its JSON has hex for them.
    plain = json.loads(Web3.to_json(params))  # type: ignore[arg-type]
    try:
        return {"jsonrpc": "2.0", "id": 1, "result": await chain.request(method, plain)}
    except RpcRefused as refusal:
        error: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
        if refusal.data:
            error["data"] = "0x" + refusal.data.hex()
        return {"jsonrpc": "2.0", "id": 1, "error": error}  # type: ignore[typeddict-item]


async def _is_connected(chain: EvmChain, show_traceback: bool) -> bool:
    try:
        await chain.head()
    except PostroadError:
        if show_traceback:
            raise
        return False
    return True


def _set_seals_apart(block: Any) -> Any:
    """Move extra data that holds seals to where web3 looks for it, as its own middleware does for all."""
    extra = block.get("extraData") if isinstance(block, dict) else None
    if not isinstance(extra, str) or len(extra) <= 2 + 2 * _EXTRA_DATA_BYTES:
        return block
    return {
        **{name: value for name, value in block.items() if name != "extraData"},
        "proofOfAuthorityData": extra,
    }


_SealedHeaders: Final = FormattingMiddlewareBuilder.build(
    result_formatters={
        RPCEndpoint(method): _set_seals_apart
        for method in ("eth_getBlockByHash", "eth_getBlockByNumber", "eth_subscribe")
    }
)
