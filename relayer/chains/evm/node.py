# SPDX-License-Identifier: MIT
"""The few JSON-RPC methods that deploying and surveying need, over any way of asking a node.

The owner of an endpoint chooses the provider, so there is no health and no failover on wrong answers here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from relayer.chains.base import GasMarket
from relayer.chains.evm.market import choose_tip
from relayer.chains.rpc_pool import is_method_missing
from relayer.chains.rpc_provider import ProviderUrls, RpcLimits, RpcProvider, describe_url
from relayer.errors import CallReverted, ChainUnavailable, RpcAnswerInvalid, RpcRefused, RpcUnavailable

#: Takes a method and its parameters and returns the decoded result. Raises RpcRefused, with the revert data,
#: and ChainUnavailable.
Request = Callable[[str, Sequence[Any]], Awaitable[Any]]

#: What a log's topic must be: one value, one of several, or any.
Topic = bytes | Sequence[bytes] | None

_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block. `fee_wei` is gas used times the price paid."""

    tx_hash: bytes
    block_number: int
    succeeded: bool
    gas_used: int
    fee_wei: int


class Node:
    """One chain as its owner's provider shows it. Nothing here is verified; whoever reads it judges it.

    Methods raise ChainUnavailable when no provider answers, RpcRefused for a refusal, RpcAnswerInvalid for an
    answer of another shape. `request` calls any other method of JSON-RPC.
    """

    def __init__(
        self, name: str, request: Request, close: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.name = name
        self.request = request
        self._close = close

    @classmethod
    def over(cls, name: str, urls: Sequence[str]) -> Node:
        """Return a node over providers' URLs; each is asked where those before it can't be reached.

        `close` it.
        """
        providers = [RpcProvider(ProviderUrls(url), describe_url(url), RpcLimits()) for url in urls]

        async def request(method: str, params: Sequence[Any]) -> Any:
            failure: RpcUnavailable | None = None
            for provider in providers:
                try:
                    return msgspec.json.decode(await provider.call(method, params))
                except RpcUnavailable as error:
                    failure = error
                except msgspec.DecodeError as error:
                    raise RpcAnswerInvalid(
                        f"{provider.label} answered no JSON to {method}", "JSON"
                    ) from error
            raise ChainUnavailable(f"no provider of {name} answers: {failure}", "one that does") from failure

        async def close() -> None:
            for provider in providers:
                await provider.close()

        return cls(name, request, close)

    async def close(self) -> None:
        """Close connections; idempotent."""
        if self._close is not None:
            await self._close()

    async def chain_id(self) -> int:
        """Return the EIP-155 chain id."""
        return _number(await self.request("eth_chainId", []))

    async def block(self, number: int | Literal["latest"]) -> Mapping[str, Any]:
        """Return a block as JSON-RPC gives it. Raises RpcAnswerInvalid when there is none."""
        tag = number if isinstance(number, str) else hex(number)
        block = await self.request("eth_getBlockByNumber", [tag, False])
        if not isinstance(block, dict):
            raise RpcAnswerInvalid(f"{self.name} has no block {tag}", "a block")
        return block

    async def height(self) -> int:
        """Return the number of the newest block."""
        return _number((await self.block("latest")).get("number"))

    async def genesis_hash(self) -> bytes:
        """Return the hash of block 0, 32 bytes."""
        return _data((await self.block(0)).get("hash"), 32)

    async def code(self, address: bytes) -> bytes:
        """Return the code at an address; empty when there is none."""
        return _data(await self.request("eth_getCode", [_hex(address), "latest"]))

    async def balance(self, address: bytes) -> int:
        """Return an account's balance in wei."""
        return _number(await self.request("eth_getBalance", [_hex(address), "latest"]))

    async def client_version(self) -> str:
        """Return what the node calls itself; empty when it doesn't say."""
        try:
            version = await self.request("web3_clientVersion", [])
        except RpcRefused:
            return ""
        return version if isinstance(version, str) else ""

    async def market(self) -> GasMarket:
        """Return what gas costs now: the base fee of the newest block, and what the node suggests.

        A suggestion is 0 where the node has no method for it.
        """
        base = (await self.block("latest")).get("baseFeePerGas")
        price_wei = await self._suggestion("eth_gasPrice")
        if base is None:
            return GasMarket(None, price_wei)
        tip_wei = await self._suggestion("eth_maxPriorityFeePerGas")
        return GasMarket(_number(base), choose_tip(_number(base), tip_wei, price_wei))

    async def _suggestion(self, method: str) -> int:
        try:
            return _number(await self.request(method, []))
        except RpcRefused as error:
            if not is_method_missing(error):
                raise
            return 0

    async def call(self, to: bytes | None, data: bytes, sender: bytes | None = None) -> bytes:
        """Simulate a call at the newest block; without `to`, `data` runs as init code.

        Raises CallReverted.
        """
        call = {"data": _hex(data)} | ({} if to is None else {"to": _hex(to)})
        if sender is not None:
            call["from"] = _hex(sender)
        try:
            return _data(await self.request("eth_call", [call, "latest"]))
        except RpcRefused as error:
            raise _reverted(error) from error

    async def estimate(self, to: bytes, data: bytes, sender: bytes) -> int:
        """Return what gas a call of `sender` takes now. Raises CallReverted."""
        call = {"data": _hex(data), "to": _hex(to), "from": _hex(sender)}
        try:
            return _number(await self.request("eth_estimateGas", [call]))
        except RpcRefused as error:
            raise _reverted(error) from error

    async def mined(self, tx_hash: bytes) -> Mined | None:
        """Return what became of a transaction; None while it is in no block."""
        receipt = await self.request("eth_getTransactionReceipt", [_hex(tx_hash)])
        if not isinstance(receipt, dict) or receipt.get("blockNumber") is None:
            return None
        gas = _number(receipt["gasUsed"])
        price = _number(receipt.get("effectiveGasPrice") or "0x0")
        return Mined(
            tx_hash, _number(receipt["blockNumber"]), receipt.get("status") == "0x1", gas, gas * price
        )

    async def logs(
        self, address: bytes, topics: Sequence[Topic], first: int, last: int, *, split: bool = True
    ) -> list[Mapping[str, Any]]:
        """Return a contract's logs in blocks first..last, both inclusive, as JSON-RPC gives them.

        Args:
            address: the contract's, 20 bytes.
            topics: what each topic must be.
            first: the lowest block.
            last: the highest block.
            split: whether to halve the range where the node refuses it; otherwise RpcRefused is raised.
        """
        wanted = [_topic(topic) for topic in topics]
        query = {"address": _hex(address), "topics": wanted, "fromBlock": hex(first), "toBlock": hex(last)}
        try:
            answer = await self.request("eth_getLogs", [query])
        except RpcRefused:
            if first >= last or not split:
                raise
            middle = (first + last) // 2
            earlier = await self.logs(address, topics, first, middle)
            return earlier + await self.logs(address, topics, middle + 1, last)
        if not isinstance(answer, list):
            raise RpcAnswerInvalid(f"{self.name} gave no list of logs", "a list")
        return answer

    async def transaction_data(self, tx_hash: bytes) -> bytes:
        """Return a transaction's calldata. Raises RpcAnswerInvalid when the node doesn't know it."""
        answer = await self.request("eth_getTransactionByHash", [_hex(tx_hash)])
        if not isinstance(answer, dict):
            raise RpcAnswerInvalid(f"{self.name} knows no transaction 0x{tx_hash.hex()}", "a transaction")
        return _data(answer.get("input"))

    async def proof(self, account: bytes, slots: Sequence[bytes], number: int) -> Mapping[str, Any]:
        """Return `eth_getProof` at a block, as JSON-RPC gives it; slots are 32 bytes."""
        answer = await self.request(
            "eth_getProof", [_hex(account), [_hex(slot) for slot in slots], hex(number)]
        )
        if not isinstance(answer, dict):
            raise RpcAnswerInvalid(f"{self.name} gave no proof at block {number}", "an EIP-1186 proof")
        return answer


def _reverted(error: RpcRefused) -> CallReverted:
    # Loaded only where there is something to decode.
    from relayer.chains.evm.reverts import decode_revert

    if error.data:
        return decode_revert(error.data)
    reverted = CallReverted("", {}, b"")
    reverted.reason = error.message
    reverted.found = f"call reverted: {reverted.reason}"
    return reverted


def _topic(topic: Topic) -> object:
    if topic is None or isinstance(topic, bytes):
        return None if topic is None else _hex(topic)
    return [_hex(choice) for choice in topic]


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _number(value: object) -> int:
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        return int(value, 16)
    raise RpcAnswerInvalid(f"the number {value!r}", "hex with 0x")


def _data(value: object, length: int | None = None) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            data = bytes.fromhex(value[2:])
        except ValueError:
            data = None
        if data is not None and length in (None, len(data)):
            return data
    raise RpcAnswerInvalid(
        f"the data {str(value)[:80]!r}", "hex with 0x" if length is None else f"{length} bytes of hex"
    )
