# SPDX-License-Identifier: MIT
"""The types of parameters, and how they are read from a path and a query."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
from aiohttp import web

from relayer.api.problem import RequestRefused

P = TypeVar("P", bound=msgspec.Struct)

#: The journal's numbers are signed and have 64 bits.
_MOST: Final = 2**63 - 1
#: Seconds that have room in 64 bits as microseconds, and that a float has exactly.
_LAST_S: Final = 2**43

# The lengths are given too: `$` alone would let a line feed stand at the end.
Hex32 = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{64}$", min_length=66, max_length=66)]
Hex20 = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{40}$", min_length=42, max_length=42)]
RowNumber = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Moment = Annotated[float, msgspec.Meta(ge=0, le=_LAST_S)]


def to_bytes(text: str) -> bytes:
    """Return the bytes of a Hex32 or Hex20."""
    return bytes.fromhex(text[2:])


def read_params(kind: type[P], request: web.Request) -> P:
    """Return a request's parameters as `kind` types them.

    Raises:
        RequestRefused: 400 for one that is unknown, missing, given twice, or none of its type.
    """
    raw: dict[str, Any] = dict(request.match_info)
    for name, text in request.query.items():
        if name in raw:
            raise _refused(f"{name} is given twice, expected once")
        raw[name] = text
    try:
        params = msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _refused(_explain(str(error))) from error
    for name in raw:
        # msgspec reads the text "null" as no value where there may be none.
        if getattr(params, name) is None:
            raise _refused(f"{name}: found no value, expected one, or no such parameter")
    return params


def _explain(text: str) -> str:
    what, _, place = text.partition(" - at `$.")
    what = what.replace("Object contains unknown field", "found the unknown parameter")
    what = what.replace("Object missing required field", "found no parameter")
    return f"{place.rstrip('`')}: {what}" if place else what


def _refused(detail: str) -> RequestRefused:
    return RequestRefused(
        HTTPStatus.BAD_REQUEST,
        "invalid_parameter",
        detail,
        "/v1/openapi.json lists the parameters and their types.",
    )
