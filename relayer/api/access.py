# SPDX-License-Identifier: MIT
"""Who may ask for what: the token of writes, the names that may be asked for, the pages of other origins."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from relayer.api.problem import RequestRefused
from relayer.config import ApiConfig
from relayer.errors import ConfigError

#: What a token is made of (RFC 6750 §2.1), so long that nobody guesses it.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_CHALLENGE: Final = 'Bearer realm="postroad"'


def read_token(config: ApiConfig, directory: Path, environment: Mapping[str, str]) -> bytes | None:
    """Return the token that writes need; None where none is configured.

    Raises:
        ConfigError: the configured place has none, or one that is too short.
    """
    if config.token_env is not None:
        place, text = f"the environment variable {config.token_env}", environment.get(config.token_env, "")
    elif config.token_file is not None:
        path = directory / Path(config.token_file).expanduser()
        place = f"the file {path}"
        try:
            text = path.read_text(encoding="utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{place} can't be read", "the API's token in its first line") from error
    else:
        return None
    if not _TOKEN.fullmatch(text):
        raise ConfigError(
            f"no token in {place} (not shown)",
            "at least 16 letters, digits or characters of ._~+/-",
            "Make one with `openssl rand -hex 32`, or remove the key from [api]",
        )
    return text.encode()


def check_token(request: web.Request, token: bytes | None) -> None:
    """Raise RequestRefused unless a request carries the token: 401, or 403 where there is none.

    Comparing takes as long whatever the token is.
    """
    if token is None:
        raise RequestRefused(
            HTTPStatus.FORBIDDEN,
            "writes_off",
            "This relayer takes no writes: it has no token to know its operator by.",
            "Set token_env or token_file in [api] and start it again.",
        )
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise RequestRefused(
            HTTPStatus.UNAUTHORIZED,
            "token_missing",
            "The request carries no bearer token.",
            "Send it as `Authorization: Bearer TOKEN`.",
            {hdrs.WWW_AUTHENTICATE: _CHALLENGE},
        )
    if not hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token):
        raise RequestRefused(
            HTTPStatus.UNAUTHORIZED,
            "token_wrong",
            "The request's token is another one than the relayer's.",
            "Send the token that token_env or token_file in [api] names.",
            {hdrs.WWW_AUTHENTICATE: f'{_CHALLENGE}, error="invalid_token"'},
        )


def names_of(config: ApiConfig) -> frozenset[str] | None:
    """Return the names that requests may ask for; None for any.

    On loopback there always are some: a page of another site can give its own name to 127.0.0.1 (DNS
    rebinding), and a browser would then let it read what is served here.
    """
    host = "" if config.address is None else config.address[0]
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback and not config.hosts:
        return None
    return _LOOPBACK_NAMES | {host, f"[{host}]", *config.hosts}


def check_host(request: web.Request, names: frozenset[str] | None) -> None:
    """Raise RequestRefused, 421, for a request that asks for another name than the server's."""
    if names is None:
        return
    name = re.sub(r":[0-9]*$", "", request.headers.get(hdrs.HOST, "")).lower()
    if name not in names:
        raise RequestRefused(
            HTTPStatus.MISDIRECTED_REQUEST,
            "wrong_host",
            "The Host header names a server that this one is not.",
            "Ask for localhost, or list the name under hosts in [api].",
        )


def share(request: web.Request, response: web.StreamResponse, origins: tuple[str, ...]) -> None:
    """Let a page of a listed origin read an answer (the CORS protocol of WHATWG Fetch)."""
    if not origins:
        return
    # The answer depends on the header, whatever it is.
    response.headers[hdrs.VARY] = "Origin"
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in origins:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin


def answer_preflight(request: web.Request, origins: tuple[str, ...]) -> web.Response | None:
    """Return the answer to a browser that asks before it asks; None for any other request."""
    is_preflight = (
        request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )
    if not is_preflight or request.headers.get(hdrs.ORIGIN) not in origins:
        return None
    return web.Response(
        status=HTTPStatus.NO_CONTENT,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Last-Event-ID",
        },
    )
