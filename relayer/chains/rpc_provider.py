# SPDX-License-Identifier: MIT
"""One JSON-RPC provider over HTTP: requests and batches, with every failure typed (relayer.errors).

Nothing that it answers is trusted: ids must be those that were sent, nesting and size are bounded, and what
it says in errors is cleaned before people see it. A provider is shown by its host and port alone, because
whatever else its URL holds may be a credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from relayer.chains.http import (
    HttpClient,
    RpcLimits,
    clean_text,
    describe_url,
    find_secrets,
    http_error,
    is_too_deep,
    validate_url,
)
from relayer.errors import RangeRefused, RpcAnswerInvalid, RpcRefused

__all__ = [
    "OwnProvider",
    "ProviderUrls",
    "RpcCall",
    "RpcLimits",
    "RpcProvider",
    "clean_text",
    "describe_url",
    "find_secrets",
]

#: JSON-RPC has no code for "too much"; these are what nodes and gateways say in its place.
#: The code is "limit exceeded" of EIP-1474.
_RANGE_CODES: Final = frozenset({-32005})
_RANGE_WORDS: Final = (
    "block range",
    "range is too",
    "range too",
    "exceed maximum block",
    "query returned more than",
    "response size",
    "too many results",
    "too many logs",
    "limit exceeded",
    "log response size",
    "logs matched by query exceeds",
)
#: What gateways say that take one call a request.
_NO_BATCH_WORDS: Final = ("batch",)


@dataclass(frozen=True, slots=True)
class ProviderUrls:
    """Where one provider listens. Both URLs may hold credentials; `repr` shows neither."""

    http: str
    websocket: str | None = None

    def __repr__(self) -> str:
        return f"ProviderUrls({describe_url(self.http)!r})"


#: A method and its parameters, ready for JSON.
RpcCall = tuple[str, Sequence[Any]]


class OwnProvider(Protocol):
    """A connection that somebody else made and closes: an `RpcProvider` as far as a pool needs one."""

    label: str

    async def call(self, method: str, params: Sequence[Any]) -> bytes:
        """As `RpcProvider.call`."""
        ...

    async def batch(self, calls: Sequence[RpcCall]) -> list[bytes]:
        """As `RpcProvider.batch`."""
        ...

    async def close(self) -> None:
        """Give up what was opened for it; idempotent."""
        ...


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Response(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _Error | None = None


_SINGLE: Final = msgspec.json.Decoder(_Response)
_MANY: Final = msgspec.json.Decoder(list[_Response])
_ENCODER: Final = msgspec.json.Encoder()


class RpcProvider:
    """A connection to one provider. One event loop owns it; `close` it.

    Raises ConfigError for a URL that cannot be connected to.
    """

    def __init__(self, urls: ProviderUrls, label: str, limits: RpcLimits) -> None:
        validate_url(urls.http, ("http", "https"))
        if urls.websocket is not None:
            validate_url(urls.websocket, ("ws", "wss"))
        self.label = label
        self.urls = urls
        self._limits = limits
        self._secrets = find_secrets(urls.http)
        self._http = HttpClient(label, limits, {"Content-Type": "application/json"})
        self._next_id = 1
        self._takes_batches = True

    async def call(self, method: str, params: Sequence[Any]) -> bytes:
        """Make one call, and return its result as undecoded JSON.

        Raises RpcUnavailable, RpcAnswerInvalid, RpcRefused, RangeRefused.
        """
        number = self._take_id()
        body = await self._post(_request(number, method, params))
        response = self._decode(_SINGLE, body)
        # A server that could not read the request answers with the id null (JSON-RPC 2.0, section 5), so an
        # error says more than the id does.
        if response.id != number:
            self._raise_refusal(response)
            raise RpcAnswerInvalid(f"{self.label} answered id {response.id!r}", f"id {number}")
        return self._result(response)

    async def batch(self, calls: Sequence[RpcCall]) -> list[bytes]:
        """Make several calls in as few requests as the limits allow.

        Returns:
            The results as undecoded JSON, in the order asked.

        Raises:
            PostroadError: the first error of a call, as `call` raises it; the other results are lost.
        """
        results: list[bytes] = []
        step = self._limits.max_batch if self._takes_batches else 1
        for start in range(0, len(calls), step):
            part = calls[start : start + step]
            if len(part) == 1:
                results.append(await self.call(*part[0]))
                continue
            try:
                results += await self._batch_once(part)
            except _BatchesRefusedError:
                self._takes_batches = False
                rest = await asyncio.gather(*(self.call(*call) for call in calls[start:]))
                return results + rest
        return results

    async def close(self) -> None:
        """Close the connection; idempotent."""
        await self._http.close()

    def session(self) -> aiohttp.ClientSession:
        """Return the HTTP session, which this provider's websocket shares."""
        return self._http.session()

    def _take_id(self) -> int:
        number = self._next_id
        self._next_id += 1
        return number

    async def _batch_once(self, calls: Sequence[RpcCall]) -> list[bytes]:
        first = self._next_id
        self._next_id += len(calls)
        requests = [_request(first + index, method, params) for index, (method, params) in enumerate(calls)]
        body = await self._post(b"[" + b",".join(requests) + b"]")
        if body.lstrip()[:1] != b"[":
            # JSON-RPC lets a server answer a batch with one error; gateways without batches do so.
            refusal = self._decode(_SINGLE, body)
            message = (refusal.error.message if refusal.error else "").lower()
            if any(word in message for word in _NO_BATCH_WORDS):
                raise _BatchesRefusedError
            self._raise_refusal(refusal)
            raise RpcAnswerInvalid(f"{self.label} answered a batch with one object", "a list")
        responses = self._decode(_MANY, body)
        by_id = {response.id: response for response in responses}
        if len(responses) != len(calls) or set(by_id) != set(range(first, first + len(calls))):
            raise RpcAnswerInvalid(
                f"{self.label} answered a batch with {len(responses)} ids of its own choice",
                f"the {len(calls)} ids that were sent, once each",
            )
        return [self._result(by_id[first + index]) for index in range(len(calls))]

    async def _post(self, body: bytes) -> bytes:
        answer = await self._http.request("POST", self.urls.http, data=body)
        is_json = answer.body.lstrip()[:1] in (b"{", b"[")
        # Some servers send JSON-RPC's own errors with a status of 4xx, which says less than the error.
        if answer.status == 200 or (is_json and answer.status < 500):
            return answer.body
        raise http_error(self.label, answer.status)

    def _decode(self, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
        if is_too_deep(body):
            raise RpcAnswerInvalid(
                f"{self.label} answered JSON that is nested without end", "a JSON-RPC response"
            )
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise RpcAnswerInvalid(
                f"{self.label} answered what is no JSON-RPC ({type(error).__name__})", "a JSON-RPC response"
            ) from None

    def _result(self, response: _Response) -> bytes:
        self._raise_refusal(response)
        if isinstance(response.result, msgspec.UnsetType):
            raise RpcAnswerInvalid(f"{self.label} answered neither a result nor an error", "one of them")
        return bytes(response.result)

    def _raise_refusal(self, response: _Response) -> None:
        error = response.error
        if error is None:
            return
        message = clean_text(error.message, self._secrets)
        data = read_revert_data(error.data)
        lowered = error.message[:1000].lower()
        is_range = error.code in _RANGE_CODES or any(word in lowered for word in _RANGE_WORDS)
        raise (RangeRefused if is_range else RpcRefused)(error.code, message, data=data)


class _BatchesRefusedError(Exception):
    """The provider takes one call a request."""


def _request(number: int, method: str, params: Sequence[Any]) -> bytes:
    return _ENCODER.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def read_revert_data(data: Any) -> bytes:
    """Return the revert data, wherever a node puts it: as a hex string, or in an object that holds one."""
    if isinstance(data, dict):
        data = data.get("data", data.get("result"))
    if not isinstance(data, str):
        return b""
    text = data.removeprefix("Reverted ").removeprefix("0x")[: 2 * 4096]
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
