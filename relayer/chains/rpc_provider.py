"""One JSON-RPC provider over HTTP: bounded in time, size and number of requests at once, and believed in nothing.

Every failure is one of the typed errors of relayer.errors. A provider is shown by its host and port alone: what stands
in its URL besides may be a credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec

from relayer.errors import ConfigError, RangeRefused, RpcAnswerInvalid, RpcRefused, RpcUnavailable

MAX_MESSAGE = 240
_READ_CHUNK = 1 << 16

# JSON-RPC has no code for "too much"; these are what nodes and gateways say in its place.
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
_NO_BATCH_WORDS: Final = ("batch",)


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """What one provider may cost us.

    Attributes:
        timeout_s: one request, from waiting for a connection to the last byte.
        max_answer_bytes: of one answer, after decompression.
        max_batch: calls in one HTTP request.
        concurrency: requests at once to one provider.
    """

    timeout_s: float = 10.0
    max_answer_bytes: int = 64 << 20
    max_batch: int = 100
    concurrency: int = 16


@dataclass(frozen=True, slots=True)
class RpcEndpoint:
    """Where one provider listens. Both URLs may hold credentials; `repr` shows neither."""

    http: str
    websocket: str | None = None

    def __repr__(self) -> str:
        return f"RpcEndpoint({describe_url(self.http)!r})"


RpcCall = tuple[str, Sequence[Any]]
"""A method and its parameters, ready for JSON."""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Response(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _Error | None = None


_SINGLE = msgspec.json.Decoder(_Response)
_MANY = msgspec.json.Decoder(list[_Response])
_ENCODER = msgspec.json.Encoder()


class RpcProvider:
    """A connection to one provider. Not shared between event loops; `close` it."""

    def __init__(self, endpoint: RpcEndpoint, label: str, limits: RpcLimits) -> None:
        validate_url(endpoint.http, ("http", "https"))
        if endpoint.websocket is not None:
            validate_url(endpoint.websocket, ("ws", "wss"))
        self.label = label
        self.endpoint = endpoint
        self._limits = limits
        self._secrets = find_secrets(endpoint.http)
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._next_id = 1
        self._takes_batches = True

    async def call(self, method: str, params: Sequence[Any]) -> bytes:
        """One call; its result as undecoded JSON. Raises RpcUnavailable, RpcAnswerInvalid, RpcRefused, RangeRefused."""
        number = self._take_id()
        body = await self._post(_request(number, method, params))
        response = self._decode(_SINGLE, body)
        if response.id != number:
            self._raise_refusal(response)
            raise RpcAnswerInvalid(f"{self.label} answered id {response.id!r}", f"id {number}")
        return self._result(response)

    async def batch(self, calls: Sequence[RpcCall]) -> list[bytes]:
        """Several calls in as few requests as the limits allow, in the order asked. The first error is raised."""
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
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def session(self) -> aiohttp.ClientSession:
        """The HTTP session, for this provider's websocket too."""
        if self._session is None:
            # No cookies, no proxies from the environment: nothing that one provider says reaches another.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._limits.timeout_s),
                connector=aiohttp.TCPConnector(limit=self._limits.concurrency, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Content-Type": "application/json", "User-Agent": "postroad"},
            )
        return self._session

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
        async with self._slots:
            try:
                async with self.session().post(
                    self.endpoint.http, data=body, allow_redirects=False
                ) as response:
                    answer = await self._read(response)
                    if response.status == 200 or (
                        answer.lstrip()[:1] in (b"{", b"[") and response.status < 500
                    ):
                        return answer
                    raise RpcUnavailable(
                        f"{self.label} answered HTTP {response.status}",
                        "HTTP 200",
                        _http_advice(response.status),
                    )
            except TimeoutError:
                raise RpcUnavailable(
                    f"{self.label} gave no answer in {self._limits.timeout_s:g} s", "an answer"
                ) from None
            # The library's texts hold whole URLs, so they go no further.
            except aiohttp.ClientError as error:
                raise RpcUnavailable(f"{self.label} can't be reached ({_kind(error)})", "an answer") from None
            except (OSError, ValueError) as error:
                raise RpcUnavailable(f"{self.label} can't be reached ({_kind(error)})", "an answer") from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        most = self._limits.max_answer_bytes
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_chunked(_READ_CHUNK):
            size += len(part)
            if size > most:
                response.close()
                raise RangeRefused(
                    0, f"{self.label} answered more than {most} bytes", f"at most {most} bytes"
                )
            parts.append(part)
        return b"".join(parts)

    def _decode(self, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
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
        data = _revert_data(error.data)
        lowered = error.message[:1000].lower()
        is_range = error.code in _RANGE_CODES or any(word in lowered for word in _RANGE_WORDS)
        raise (RangeRefused if is_range else RpcRefused)(error.code, message, data=data)


class _BatchesRefusedError(Exception):
    """The provider takes one call a request."""


def _request(number: int, method: str, params: Sequence[Any]) -> bytes:
    return _ENCODER.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def _kind(error: BaseException) -> str:
    """What went wrong, without the texts of libraries."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _http_advice(status: int) -> str:
    if status in (401, 403):
        return "Check the credentials in this provider's URL"
    if status == 429:
        return "It limits the rate of requests: add providers, or a better plan"
    if 300 <= status < 400:
        return "It redirects, which is not followed: configure the final URL"
    return ""


def _revert_data(data: Any) -> bytes:
    """Revert data wherever nodes put it: a hex string, or an object that holds one."""
    if isinstance(data, dict):
        data = data.get("data", data.get("result"))
    if not isinstance(data, str):
        return b""
    text = data.removeprefix("Reverted ").removeprefix("0x")[: 2 * 4096]
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def validate_url(url: str, schemes: tuple[str, ...]) -> None:
    """Raise ConfigError for a URL that cannot be connected to, without repeating it."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in schemes or not host:
        raise ConfigError(
            f"a provider's URL of scheme {parts.scheme!r} and host {host!r}",
            f"{' or '.join(schemes)}:// and a host",
            "Correct the chain's rpc and websocket lists.",
        )


def describe_url(url: str) -> str:
    """The host and port of a URL, and nothing else of it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "?"
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def find_secrets(url: str) -> tuple[str, ...]:
    """The parts of a URL that may be credentials: user, password, long path segments, query values."""
    parts = urlsplit(url)
    found = [parts.username or "", parts.password or ""]
    found += [segment for segment in parts.path.split("/") if len(segment) >= 8]
    found += [value for _, value in parse_qsl(parts.query)]
    return tuple(sorted((text for text in found if len(text) >= 4), key=len, reverse=True))


def clean_text(text: str, secrets: tuple[str, ...] = ()) -> str:
    """A provider's words: without our credentials, printable, on one line, cut."""
    for secret in secrets:
        text = text.replace(secret, "…")
    printable = "".join(
        character if character.isprintable() else " " for character in text[: 2 * MAX_MESSAGE]
    )
    return printable if len(printable) <= MAX_MESSAGE else printable[:MAX_MESSAGE] + "…"
