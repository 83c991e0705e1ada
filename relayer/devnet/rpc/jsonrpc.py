# SPDX-License-Identifier: MIT
"""JSON-RPC 2.0 as bytes: requests are decoded no further than needed, and answers not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

#: JSON-RPC 2.0, section 5.1.
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_ERROR: Final = -32000

#: A client that asks for more at once is mistaken.
MAX_BATCH: Final = 5_000
#: Whole numbers of 64 bits, which is what anvil takes as an id.
_MAX_ID_CHARS: Final = 18


class RpcError(Exception):
    """Ends a call with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """One request.

    `call_id` and `params` are JSON; `body` is the request as it came; `head` is the height it sees.

    All calls of a batch see the same head, so that a block and a proof asked for together belong together.
    """

    call_id: bytes
    method: str
    params: list[msgspec.Raw]
    body: bytes
    head: int

    def param(self, index: int) -> bytes | None:
        """Return a parameter's JSON; None when it is absent or null."""
        if index >= len(self.params):
            return None
        value = bytes(self.params[index])
        return None if value == b"null" else value

    def request(self, method: str, *params: bytes) -> bytes:
        """Return a request to anvil with this call's id, so that anvil's answer can go out as it is."""
        return b'{"jsonrpc":"2.0","id":%b,"method":"%b","params":[%b]}' % (
            self.call_id,
            method.encode(),
            b",".join(params),
        )

    def result(self, result: bytes) -> bytes:
        """Return the answer with this result, given as JSON."""
        return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (self.call_id, result)

    def error(self, code: int, message: str) -> bytes:
        """Return the answer with this error."""
        return error_answer(self.call_id, code, message)


@dataclass(frozen=True, slots=True)
class MalformedRequest:
    """A request that can't be answered otherwise than with this error."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a message holds: its calls in order, and whether they came as a batch."""

    calls: list[RpcRequest | MalformedRequest] = field(default_factory=list)
    is_batch: bool = False


class _Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"[]")


class _Outcome(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"")


_REQUEST: Final = msgspec.json.Decoder(_Request)
_BATCH: Final = msgspec.json.Decoder(list[msgspec.Raw])
_PARAMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OUTCOME: Final = msgspec.json.Decoder(_Outcome)


def parse(body: bytes, head: int) -> Parsed:
    """Take a message apart; what is wrong with it becomes answers."""
    if body.lstrip()[:1] != b"[":
        return Parsed([_parse_one(body, head)])
    try:
        requests = _BATCH.decode(body)
    except msgspec.DecodeError as error:
        return Parsed([MalformedRequest(error_answer(b"null", PARSE_ERROR, f"not JSON: {error}"))])
    if not 0 < len(requests) <= MAX_BATCH:
        text = f"a batch of {len(requests)} requests; expected 1 to {MAX_BATCH}"
        return Parsed([MalformedRequest(error_answer(b"null", INVALID_REQUEST, text))])
    return Parsed([_parse_one(bytes(request), head) for request in requests], is_batch=True)


def result_of(answer: bytes) -> bytes | None:
    """Return the result's JSON in an answer of anvil's; None when the answer is an error."""
    return bytes(_OUTCOME.decode(answer).result) or None


def error_answer(call_id: bytes, code: int, message: str) -> bytes:
    """Return an answer with an error; `call_id` is JSON."""
    error = msgspec.json.encode({"code": code, "message": message})
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (call_id, error)


def _parse_one(body: bytes, head: int) -> RpcRequest | MalformedRequest:
    try:
        request = _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        return MalformedRequest(error_answer(b"null", INVALID_REQUEST, f"not a JSON-RPC request: {error}"))
    except msgspec.DecodeError as error:
        return MalformedRequest(error_answer(b"null", PARSE_ERROR, f"not JSON: {error}"))
    call_id = bytes(request.id)
    if not _is_id(call_id):
        text = f"the id {call_id.decode(errors='replace')[:40] or '(none)'}; expected a string, a whole number or null"
        return MalformedRequest(error_answer(b"null", INVALID_REQUEST, text))
    params = bytes(request.params)
    try:
        listed = [] if params == b"null" else _PARAMS.decode(params)
    except msgspec.DecodeError:
        return MalformedRequest(
            error_answer(call_id, INVALID_PARAMS, "params of another kind; expected an array")
        )
    return RpcRequest(call_id, request.method, listed, body, head)


def _is_id(call_id: bytes) -> bool:
    if call_id[:1] == b'"' or call_id == b"null":
        return True
    return len(call_id) <= _MAX_ID_CHARS and call_id.removeprefix(b"-").isdigit()
