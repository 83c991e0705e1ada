# SPDX-License-Identifier: MIT
"""HTTP to one provider: bounded in time, size and number of requests at once, and typed in every failure.

A provider is shown by its host and port alone: what stands in its URL besides may be a credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from relayer.errors import ConfigError, RangeRefused, RpcUnavailable

MAX_MESSAGE = 240
# No answer is nested deeper. The decoder has the interpreter's limit, which libraries raise beyond what a
# stack holds.
_MOST_DEPTH = 64
_FEW_BRACKETS = 4_096
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_READ_CHUNK = 1 << 16


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
class HttpAnswer:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Connections to one provider. Not shared between event loops; `close` it."""

    def __init__(self, label: str, limits: RpcLimits, headers: Mapping[str, str]) -> None:
        self.label = label
        self._limits = limits
        self._headers = {"User-Agent": "postroad", **headers}
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(limits.concurrency)

    def session(self) -> aiohttp.ClientSession:
        """The HTTP session, for this provider's websocket too."""
        if self._session is None:
            # No cookies, no proxies from the environment: nothing that one provider says reaches another.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._limits.timeout_s),
                connector=aiohttp.TCPConnector(limit=self._limits.concurrency, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
            )
        return self._session

    async def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int | None = None,
    ) -> HttpAnswer:
        """One request and its whole answer, whatever its status; redirects are not followed.

        Raises:
            RpcUnavailable: no answer, or none in time.
            RangeRefused: more than `most_bytes`, or than the limits allow.
        """
        most = self._limits.max_answer_bytes if most_bytes is None else most_bytes
        async with self._slots:
            try:
                async with self.session().request(
                    method, url, data=data, headers=headers, allow_redirects=False
                ) as response:
                    body = await self._read(response, most)
                    found = {name.lower(): value for name, value in response.headers.items()}
                    return HttpAnswer(response.status, found, body)
            except TimeoutError:
                raise RpcUnavailable(
                    f"{self.label} gave no answer in {self._limits.timeout_s:g} s", "an answer"
                ) from None
            # The library's texts hold whole URLs, so they go no further.
            except aiohttp.ClientError as error:
                raise RpcUnavailable(f"{self.label} can't be reached ({_kind(error)})", "an answer") from None
            except (OSError, ValueError) as error:
                raise RpcUnavailable(f"{self.label} can't be reached ({_kind(error)})", "an answer") from None

    async def close(self) -> None:
        """Close the connections; idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
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


def is_too_deep(body: bytes) -> bool:
    """Whether JSON is nested so deeply that reading it could exhaust the stack.

    Brackets in texts count, too.
    """
    if body.count(b"[") + body.count(b"{") <= _FEW_BRACKETS:
        return False
    brackets = body.translate(None, _NO_BRACKETS)
    for _ in range(_MOST_DEPTH):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return True


def http_error(label: str, status: int) -> RpcUnavailable:
    """The error of an HTTP status that is no answer, with what to do about it."""
    return RpcUnavailable(f"{label} answered HTTP {status}", "HTTP 200", _http_advice(status))


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
