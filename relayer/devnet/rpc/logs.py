# SPDX-License-Identifier: MIT
"""Logs by criteria, and the filters that clients poll: always between blocks of the sealed chain."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from relayer.devnet.process.upstream import Upstream
from relayer.devnet.rpc.jsonrpc import INVALID_PARAMS, SERVER_ERROR, RpcError, RpcRequest, result_of
from relayer.devnet.rpc.params import block_number, parse_hash
from relayer.devnet.state.faults import Faults, WrongLogs
from relayer.devnet.state.ledger import Ledger

MAX_FILTERS: Final = 1_000
#: Geth forgets a filter that nobody polls after the same time.
FILTER_IDLE_S: Final = 300.0

_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


_NULL: Final = msgspec.Raw(b"null")


class _CriteriaJson(msgspec.Struct):
    fromBlock: msgspec.Raw = _NULL  # noqa: N815  the wire's names
    toBlock: msgspec.Raw = _NULL  # noqa: N815
    blockHash: str | None = None  # noqa: N815
    address: msgspec.Raw = _NULL
    topics: msgspec.Raw = _NULL


_CRITERIA: Final = msgspec.json.Decoder(_CriteriaJson)


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which logs are wanted.

    Attributes:
        first, last: heights, inclusive; None = the head, whenever it is asked.
        match: JSON of addresses and topics.
    """

    first: int | None
    last: int | None
    match: bytes


class LogSource:
    """Answers `eth_getLogs`, and asks for the logs of single blocks on behalf of subscriptions."""

    def __init__(self, ledger: Ledger[Any], upstream: Upstream, faults: Faults) -> None:
        self._ledger = ledger
        self._upstream = upstream
        self._faults = faults

    def read(self, raw: bytes | None, head: int) -> Criteria:
        """Read criteria from a parameter's JSON. Raises RpcError when they make no sense."""
        try:
            wire = _CRITERIA.decode(raw or b"{}")
        except msgspec.DecodeError as error:
            raise RpcError(INVALID_PARAMS, f"a log filter that can't be read: {error}") from error
        first: int | None
        last: int | None
        if wire.blockHash is not None:
            if wire.fromBlock != _NULL or wire.toBlock != _NULL:
                raise RpcError(
                    INVALID_PARAMS, "blockHash together with fromBlock or toBlock; expected one of the two"
                )
            first = last = self._ledger.number_of(parse_hash(wire.blockHash))
            if first is None:
                raise RpcError(SERVER_ERROR, f"unknown block {wire.blockHash}")
        else:
            first, last = self._bound(wire.fromBlock, head), self._bound(wire.toBlock, head)
            if first is not None and last is not None and first > last:
                raise RpcError(
                    INVALID_PARAMS, f"invalid block range: fromBlock {first} is above toBlock {last}"
                )
        match = [
            b'"%b":%b' % (name, bytes(value))
            for name, value in ((b"address", wire.address), (b"topics", wire.topics))
            if value != _NULL
        ]
        return Criteria(first, last, b",".join(match))

    async def answer(self, call: RpcRequest, criteria: Criteria) -> bytes:
        """Answer a call for these logs: JSON-RPC of anvil's, with the block hashes replaced."""
        first = call.head if criteria.first is None else criteria.first
        last = call.head if criteria.last is None else min(criteria.last, call.head)
        if first > last:
            return call.result(b"[]")
        answer = await self._upstream.send(
            call.request(
                "eth_getLogs",
                b'{"fromBlock":"0x%x","toBlock":"0x%x"%b}'
                % (first, last, criteria.match and b"," + criteria.match),
            )
        )
        answer = self._ledger.rewrite(answer)
        if self._faults and (fault := self._faults.take(WrongLogs)) is not None:
            result = result_of(answer)
            if result is not None:
                return call.result(b"[%b]" % b",".join(_wrong_logs(_LIST.decode(result), fault)))
        return answer

    async def of_block(self, number: int, match: bytes) -> list[bytes]:
        """Return the logs of one block, every log as JSON."""
        where = b'{"fromBlock":"0x%x","toBlock":"0x%x"%b}' % (number, number, match and b"," + match)
        raw = await self._upstream.call_raw("eth_getLogs", msgspec.Raw(where))
        logs = _LIST.decode(self._ledger.rewrite(bytes(raw)))
        if logs and self._faults and (fault := self._faults.take(WrongLogs)) is not None:
            return _wrong_logs(logs, fault)
        return [bytes(log) for log in logs]

    def _bound(self, raw: msgspec.Raw, head: int) -> int | None:
        if raw == _NULL:
            return None
        text = bytes(raw)
        follows_head = {b'"latest"', b'"pending"'}
        if self._ledger.final_tags and self._ledger.finalized is None:
            follows_head |= {b'"safe"', b'"finalized"'}
        return None if text in follows_head else block_number(text, head, self._ledger)


@dataclass(slots=True)
class _Filter:
    criteria: Criteria | None
    seen: int
    native_id: str | None
    used_at: float


class Filters:
    """Filters that live here and not in anvil: their changes are ranges of the sealed chain."""

    def __init__(
        self,
        logs: LogSource,
        ledger: Ledger[Any],
        upstream: Upstream,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logs = logs
        self._ledger = ledger
        self._upstream = upstream
        self._clock = clock
        self._filters: dict[str, _Filter] = {}

    def add_logs(self, raw: bytes | None, head: int) -> str:
        """Add a filter of logs; return its id."""
        return self._add(_Filter(self._logs.read(raw, head), head, None, self._clock()))

    def add_blocks(self, head: int) -> str:
        """Add a filter of new blocks' hashes; return its id."""
        return self._add(_Filter(None, head, None, self._clock()))

    async def add_pending(self, head: int) -> str:
        """Add a filter of transactions' hashes as they come in, which anvil keeps; return its id."""
        native_id = await self._upstream.call("eth_newPendingTransactionFilter")
        return self._add(_Filter(None, head, native_id, self._clock()))

    def remove(self, raw: bytes | None) -> bool:
        """Forget a filter; returns whether it was there."""
        return self._filters.pop(_filter_id(raw), None) is not None

    async def changes(self, call: RpcRequest) -> bytes:
        """Return what is new since the last time, as a whole answer."""
        entry = self._get(call)
        if entry.native_id is not None:
            return await self._upstream.send(
                call.request("eth_getFilterChanges", msgspec.json.encode(entry.native_id))
            )
        first, entry.seen = entry.seen + 1, max(entry.seen, call.head)
        if entry.criteria is None:
            blocks = (self._ledger.at(number) for number in range(first, call.head + 1))
            return call.result(msgspec.json.encode(["0x" + block.hash.hex() for block in blocks if block]))
        wanted = entry.criteria
        if first > call.head:
            return call.result(b"[]")
        low = first if wanted.first is None else max(first, wanted.first)
        return await self._logs.answer(call, replace(wanted, first=low))

    async def logs(self, call: RpcRequest) -> bytes:
        """Return all logs that a filter of logs lets through, as a whole answer."""
        entry = self._get(call)
        if entry.criteria is None:
            raise RpcError(SERVER_ERROR, "a filter of another kind; expected a filter of logs")
        return await self._logs.answer(call, entry.criteria)

    def _add(self, entry: _Filter) -> str:
        now = self._clock()
        self._filters = {key: old for key, old in self._filters.items() if now - old.used_at < FILTER_IDLE_S}
        if len(self._filters) >= MAX_FILTERS:
            raise RpcError(SERVER_ERROR, f"{MAX_FILTERS} filters already; uninstall some")
        filter_id = "0x" + secrets.token_hex(16)
        self._filters[filter_id] = entry
        return filter_id

    def _get(self, call: RpcRequest) -> _Filter:
        entry = self._filters.get(_filter_id(call.param(0)))
        if entry is None:
            raise RpcError(
                SERVER_ERROR, "filter not found: it was uninstalled, or not polled for five minutes"
            )
        entry.used_at = self._clock()
        return entry


def _filter_id(raw: bytes | None) -> str:
    try:
        return msgspec.json.decode(raw or b'""', type=str)
    except msgspec.DecodeError as error:
        raise RpcError(INVALID_PARAMS, "a filter id of another kind; expected a string") from error


def _wrong_logs(logs: list[msgspec.Raw], fault: WrongLogs) -> list[bytes]:
    listed = [bytes(log) for log in logs]
    match fault.how:
        case "none":
            return []
        case "drop":
            return listed[1::2]
        case "twice":
            return [log for log in listed for _ in range(2)]
        case "data":
            return [_with_flipped_bit(log) for log in listed]


def _with_flipped_bit(log: bytes) -> bytes:
    fields = msgspec.json.decode(log)
    if len(fields["data"]) > 2:
        fields["data"] = flip_last_bit(fields["data"])
    elif fields["topics"]:
        fields["topics"][-1] = flip_last_bit(fields["topics"][-1])
    return msgspec.json.encode(fields)


def flip_last_bit(text: str) -> str:
    """Hex with its lowest bit changed."""
    return text[:-1] + format(int(text[-1], 16) ^ 1, "x")
