# SPDX-License-Identifier: MIT
"""A JSON-RPC client for anvil on loopback that does the least: kept connections, bytes in, bytes out.

aiohttp's client costs three times as much processor time a request, and the front makes one for nearly every
request that it gets. This one speaks exactly the HTTP that anvil speaks (keep-alive, Content-Length) and
refuses anything else.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import Any, Final

import msgspec

from relayer.devnet.errors import ExecutionError

# A block of thousands of transactions takes seconds on a busy machine; no answer takes a minute.
ANSWER_TIMEOUT_S: Final = 60.0
MAX_CONNECTIONS: Final = 64
# StreamReader's limit bounds the headers only; bodies are read by length.
_HEADER_LIMIT: Final = 1 << 16


class UpstreamError(ExecutionError):
    """anvil could not be reached, or broke off."""


class RefusedByAnvil(ExecutionError):  # noqa: N818  says who refused
    """anvil answered one of our own requests with a JSON-RPC error."""


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class Upstream:
    """anvil behind a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._host = f"127.0.0.1:{port}".encode()
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._ids = itertools.count(1)
        self._closed = False

    async def send(self, body: bytes) -> bytes:
        """Post a JSON-RPC request or batch and return the answer's bytes as they are.

        Raises:
            UpstreamError: anvil is not there, broke off, was too slow, or spoke another HTTP.
        """
        request = (
            b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (self._host, len(body), body)
        )
        async with self._slots:
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return await self._exchange(request)
            except TimeoutError as error:
                raise UpstreamError(f"no answer from anvil within {ANSWER_TIMEOUT_S:.0f} s") from error
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
                raise UpstreamError(f"the connection to anvil failed: {error}") from error

    async def call(self, method: str, *params: Any) -> Any:
        """Call one method and return its decoded result.

        Raises:
            UpstreamError: as `send`.
            RefusedByAnvil: anvil answered with an error.
        """
        return msgspec.json.decode(await self.call_raw(method, *params))

    async def call_raw(self, method: str, *params: Any) -> msgspec.Raw:
        """Call one method and return its result as JSON. Errors as `call`."""
        body = msgspec.json.encode(
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        )
        answer = _ANSWER.decode(await self.send(body))
        if bytes(answer.error) != b"null":
            raise RefusedByAnvil(f"anvil refused {method}: {bytes(answer.error).decode()}")
        return answer.result

    async def close(self) -> None:
        """Close the idle connections; those in use are closed as they come back."""
        self._closed = True
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            # Waiting lets the transport go before the loop does; how the other side left is no matter.
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = self._take_idle() or await asyncio.open_connection(
            "127.0.0.1", self._port, limit=_HEADER_LIMIT
        )
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            answer = await reader.readexactly(_content_length(head))
        except BaseException:
            # An answer may still come: this connection can't be used again.
            writer.transport.abort()
            raise
        if self._closed:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return answer

    def _take_idle(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None


def _content_length(head: bytes) -> int:
    status, _, fields = head.partition(b"\r\n")
    if b" 200 " not in status + b" ":
        raise ValueError(f"HTTP status {status!r}, expected 200")
    for line in fields.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an HTTP answer without Content-Length")
