# SPDX-License-Identifier: MIT
"""One beacon node over HTTP: bounded in time, size and requests at once, and believed in nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from relayer.chains.http import (
    HttpAnswer,
    HttpClient,
    RpcLimits,
    clean_text,
    find_secrets,
    http_error,
    validate_url,
)
from relayer.errors import NotFoundYet, PostroadError, RpcAnswerInvalid, RpcRefused

_SSZ: Final = "application/octet-stream"
_JSON: Final = "application/json"
#: SSZ is preferred, because JSON is more than twice as long.
_ACCEPT: Final = f"{_SSZ};q=1.0,{_JSON};q=0.9"
_VERSION_HEADER: Final = "eth-consensus-version"
#: How nodes say that they do not have it, under a status that the standard has for their own faults.
_MISSING_WORDS: Final = (
    "not available",
    "unavailable",
    "no latest",
    "no partial",
    "no finality",
    "no optimistic",
    "no light client",
    "no lightclient",
    "not found",
    "not yet",
    "no update",
    "no sync committee",
    "no syncaggregate",
    "unknown block",
)


@dataclass(frozen=True, slots=True)
class BeaconLimits:
    """What one beacon node may cost us.

    Attributes:
        timeout_s: of one request, from waiting for a connection to the last byte.
        object_bytes: most bytes of one object, after decompression; JSON is more than twice as long as SSZ.
        concurrency: most requests at once.
    """

    timeout_s: float = 20.0
    # A committee of 512 keys, which an update shows once, takes 25 kB in SSZ and some 52 kB in JSON.
    object_bytes: int = 256 << 10
    concurrency: int = 4


@dataclass(frozen=True, slots=True)
class BeaconAnswer:
    """An answer of status 200.

    Attributes:
        body: at most as long as was allowed.
        is_ssz: whether it is SSZ; else it is JSON.
        version: the fork that its header names, "" without one.
    """

    body: bytes
    is_ssz: bool
    version: str


class BeaconProvider:
    """A connection to one beacon node. Not shared between event loops; `close` it.

    Args:
        url: of the node. It may hold credentials, which no error shows.
        label: names the node, for people.
        limits: what it may cost us.

    Raises:
        ConfigError: the URL is none.
    """

    def __init__(self, url: str, label: str, limits: BeaconLimits) -> None:
        validate_url(url, ("http", "https"))
        self.label = label
        # Credentials in the query part stay where they are.
        base, question, query = url.partition("?")
        self._base = base.rstrip("/")
        self._query = question + query
        self._secrets = find_secrets(url)
        self._takes_ssz = True
        self._http = HttpClient(
            label, RpcLimits(timeout_s=limits.timeout_s, concurrency=limits.concurrency), {}
        )

    async def get(self, path: str, *, most_bytes: int, ssz: bool = False) -> BeaconAnswer:
        """Get a path below the node's URL, as SSZ where that is asked for and offered, else as JSON.

        Raises:
            NotFoundYet: the node does not have it (yet).
            RpcRefused: it understood and refused.
            RangeRefused: more than `most_bytes`.
            RpcUnavailable: no answer, or one that says nothing.
            RpcAnswerInvalid: a content type that was not asked for.
        """
        asks_ssz = ssz and self._takes_ssz
        answer = await self._request(path, most_bytes, asks_ssz=asks_ssz)
        if asks_ssz and answer.status in {406, 415}:
            self._takes_ssz = False
            answer = await self._request(path, most_bytes, asks_ssz=False)
        if answer.status != 200:
            raise self._refusal(answer)
        kind = answer.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
        if kind not in {_JSON, _SSZ} or (kind == _SSZ and not ssz):
            raise RpcAnswerInvalid(
                f"{self.label} answered content of type {clean_text(kind)[:60]!r}",
                f"{_JSON} or {_SSZ}" if ssz else _JSON,
            )
        return BeaconAnswer(answer.body, kind == _SSZ, answer.headers.get(_VERSION_HEADER, ""))

    async def close(self) -> None:
        """Close the connection; idempotent."""
        await self._http.close()

    async def _request(self, path: str, most_bytes: int, *, asks_ssz: bool) -> HttpAnswer:
        own, question, query = path.partition("?")
        joined = self._query + ("&" if self._query and question else question) + query
        return await self._http.request(
            "GET",
            self._base + own + joined,
            headers={"Accept": _ACCEPT if asks_ssz else _JSON},
            most_bytes=most_bytes,
        )

    def _refusal(self, answer: HttpAnswer) -> PostroadError:
        said = clean_text(_message(answer.body), self._secrets)
        text = f"{self.label} answered HTTP {answer.status}" + (f": {said}" if said else "")
        lowered = said.lower()
        if answer.status in {404, 503} or (
            answer.status == 500 and any(word in lowered for word in _MISSING_WORDS)
        ):
            return NotFoundYet(text, "an object that the node has")
        if answer.status in {400, 500}:
            return RpcRefused(answer.status, f"{self.label}: {said}")
        return http_error(self.label, answer.status)


def _message(body: bytes) -> str:
    """The message of an error's JSON, "" when it is none."""
    try:
        found: Any = msgspec.json.decode(body[:4096])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""
    said = found.get("message") if isinstance(found, dict) else None
    return said if isinstance(said, str) else ""
