# SPDX-License-Identifier: MIT
"""URLs that may hold credentials."""

from __future__ import annotations

from urllib.parse import urlsplit


class SecretUrl:
    """A URL that may hold credentials: only its scheme, host and port are ever shown;
    `reveal` gives it whole.
    """

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        """Return the URL as it was configured, for the connection alone."""
        return self._url

    def __str__(self) -> str:
        return redact_url(self._url)

    def __repr__(self) -> str:
        return f"SecretUrl({redact_url(self._url)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and self._url == other._url

    def __hash__(self) -> int:
        return hash(self._url)


def redact_url(url: str) -> str:
    """Return a URL without what may be secret: user, password, path and query. SQLite's path is none."""
    if url.startswith("sqlite:"):
        return url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(a URL that can't be read)"
    rest = "/…" if parts.path.strip("/") or parts.query else ""
    user = "…@" if parts.username is not None else ""
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{user}{bracketed}{'' if port is None else f':{port}'}{rest}"
