# SPDX-License-Identifier: MIT
"""How a request is refused: one JSON object for people and programs (RFC 9457, application/problem+json)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from relayer.views.encoding import to_json

MEDIA_TYPE: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was refused.

    Attributes:
        type: always `about:blank`: the status says what kind of problem it is (RFC 9457 §4.2.1).
        title: the status in words.
        status: the status code of the answer.
        code: the problem's name for programs.
        detail: what was found, and what was expected.
        advice: what to do; may be empty.
    """

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    advice: str = ""


class RequestRefused(Exception):  # noqa: N818  a request that is refused is no error of ours
    """Ends the handling of a request; the client is told the problem.

    `headers` go into the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        advice: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(
            title=status.phrase, status=status.value, code=code, detail=detail, advice=advice
        )
        self.headers = dict(headers or {})


def answer(refused: RequestRefused) -> web.Response:
    """Return the answer that tells a problem."""
    return web.Response(
        body=to_json(refused.problem).encode(),
        status=refused.problem.status,
        headers={**refused.headers, "Content-Type": MEDIA_TYPE},
    )


def from_http(error: web.HTTPException) -> RequestRefused:
    """Return what aiohttp refuses by itself, such as an unknown path, as a problem of ours."""
    status = HTTPStatus(error.status)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    code, detail = _KNOWN.get(status, (status.phrase.lower().replace(" ", "_"), f"{status.phrase}."))
    return RequestRefused(status, code, detail, "/v1/openapi.json lists what can be asked for.", headers)


_KNOWN: Final[Mapping[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.NOT_FOUND: ("unknown_path", "Nothing is served under this path."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "The path is not served with this method."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body_too_large", "The request's body is too large."),
}
