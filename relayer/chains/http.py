# SPDX-License-Identifier: MIT
"""HTTP to one provider: bounded in time, size and number of requests at once, and typed in every failure.

A provider is shown by its host and port alone: whatever else its URL holds may be a credential.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from relayer.errors import ConfigError, RangeRefused, RpcUnavailable

#: Characters that are shown of what a provider says.
MAX_MESSAGE: Final = 240
#: No honest answer is nested deeper. The decoder's own limit is the interpreter's, and libraries raise that
#: one beyond what the stack holds.
_MOST_DEPTH: Final = 64
#: An answer with no more brackets than this cannot exhaust the stack, so it is not looked at.
_FEW_BRACKETS: Final = 4_096
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_READ_CHUNK: Final = 1 << 16


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
    """Connections to one provider. One event loop owns it; `close` it.

    `label` is how errors name the provider; `headers` go with every request.
    """

    def __init__(self, label: str, limits: RpcLimits, headers: Mapping[str, str]) -> None:
        self.label = label
        self._limits = limits
        self._headers = {"User-Agent": "postroad", **headers}
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(limits.concurrency)

    def session(self) -> aiohttp.ClientSession:
        """Return the session, opened at its first use; the provider's websocket shares it."""
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
        """Send one request and return its whole answer, whatever its status; redirects are not followed.

        Raises:
            RpcUnavailable: no answer, or none in time.
            RangeRefused: more than `most_bytes`, or than the limits allow.
        """
        most = self._limits.max_answer_bytes if most_bytes is None else most_bytes
        async with self._slots:
            try:
                # Whoever redirects would choose who is given our requests, and what our URL holds.
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
        # Bytes are counted as they come, after decompression: what the headers say of the length is a
        # provider's word.
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
    """Whether JSON is nested so deeply that decoding it could exhaust the stack.

    Brackets inside of strings count too: an odd honest answer may be refused, a hostile one never passes.
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
    """Return the error for an HTTP status that is no answer, with what to do about it."""
    return RpcUnavailable(f"{label} answered HTTP {status}", "HTTP 200", _http_advice(status))


def _kind(error: BaseException) -> str:
    """Return what went wrong, without the texts of libraries: those hold whole URLs."""
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
    """Raise ConfigError for a URL that cannot be connected to. The error does not repeat the URL."""
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
    """Return the host and port of a URL, and nothing else of it; `?` where it cannot be read."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "?"
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def find_secrets(url: str) -> tuple[str, ...]:
    """Return the parts of a URL that may be credentials, the longest first.

    These are the user, the password, path segments of 8 characters or more, and values of the query.
    """
    parts = urlsplit(url)
    found = [parts.username or "", parts.password or ""]
    # A shorter segment is a word such as `v1`, which would be struck out of every text.
    found += [segment for segment in parts.path.split("/") if len(segment) >= 8]
    found += [value for _, value in parse_qsl(parts.query)]
    return tuple(sorted((text for text in found if len(text) >= 4), key=len, reverse=True))


def clean_text(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return a provider's words as people may see them.

    They are on one line, printable, without any of `secrets`, and cut to MAX_MESSAGE.
    """
    # This comes before the cut, which would leave half of a secret that nothing recognises.
    for secret in secrets:
        text = text.replace(secret, "…")
    printable = "".join(
        character if character.isprintable() else " " for character in text[: 2 * MAX_MESSAGE]
    )
    return printable if len(printable) <= MAX_MESSAGE else printable[:MAX_MESSAGE] + "…"
