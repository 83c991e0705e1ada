# SPDX-License-Identifier: MIT
"""The description of the API for programs (OpenAPI 3.1), made from the table of routes and its types."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from relayer.api.problem import MEDIA_TYPE, Problem
from relayer.api.route import JSON, Route

_REF: Final = "#/components/schemas/{name}"
_TOKEN: Final = "token"  # noqa: S105  the name of the scheme
#: What every route of the API can be refused with.
_OF_ALL: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_OF_WRITES: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
#: Probes and metrics are no part of the API's version.
_OF_PAGES: Final = (HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)
#: The JSON form of bytes (relayer.views.encoding).
_BYTES: Final[Mapping[str, str]] = {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"}


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document of the routes."""
    table = tuple(routes)
    types = [Problem, *(view for route in table for view in route.views), *(route.params for route in table)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    # By their place: types such as tuples have no name to find them by.
    known = dict(zip(map(_key, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, known, components)
    shown = {name: _explain(schema) for name, schema in components.items() if not name.endswith("Params")}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Postroad",
            "summary": "What a running relayer knows, and what may be asked of it.",
            "version": "1",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": shown,
            "securitySchemes": {_TOKEN: {"type": "http", "scheme": "bearer"}},
        },
    }
    described: dict[str, Any] = _with_hex(document)
    return described


def _operation(route: Route, known: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    codes = (*(_OF_ALL if route.is_versioned else _OF_PAGES), *(_OF_WRITES if route.is_write else ()))
    problem = {MEDIA_TYPE: {"schema": known[_key(Problem)]}}
    responses: dict[str, Any] = {
        str(code.value): {"description": code.phrase, "content": problem}
        for code in sorted({*codes, *route.problems})
    }
    responses[str(route.status.value)] = {
        "description": route.summary,
        "content": {route.media: {"schema": _answer(route, known)}},
    }
    if not route.is_versioned and route.path != "/metrics":
        responses["503"] = {
            "description": "What is wrong, one thing a line.",
            "content": {route.media: {"schema": {"type": "string"}}},
        }
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route, components),
        "responses": responses,
    }
    if route.is_write:
        described["security"] = [{_TOKEN: []}]
    return described


def _answer(route: Route, known: Mapping[str, Any]) -> dict[str, Any]:
    if route.media != JSON:
        # OpenAPI 3.1 has no words for a stream's parts but these.
        names = ", ".join(view.__name__ for view in route.views)
        return {"type": "string"} | ({"description": f"With the data of events: {names}."} if names else {})
    schemas: list[dict[str, Any]] = [known[_key(view)] for view in route.views]
    if not schemas:
        return {"type": "object"}
    return schemas[0] if len(schemas) == 1 else {"allOf": schemas}


def _parameters(route: Route, components: Mapping[str, Any]) -> list[dict[str, Any]]:
    described = components[route.params.__name__]
    _, texts = _read_docstring(described.get("description", ""))
    parameters = []
    for name, schema in described["properties"].items():
        in_path = f"{{{name}}}" in route.path
        parameters.append(
            {
                "name": name,
                "in": "path" if in_path else "query",
                "required": in_path or name in described.get("required", ()),
                "description": texts[name],
                "schema": _without_null(schema),
            }
        )
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that may be absent: there is no text for null in a query."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        (only,) = choices
        return dict(only)
    return {key: value for key, value in schema.items() if value is not None}


def _explain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an answer's part, with the texts of its attributes beside them.

    Our JSON has every key, be its value null, so each is required and none has a default.
    """
    summary, texts = _read_docstring(schema.get("description", ""))
    explained = {**schema, "description": summary}
    if "properties" in schema:
        explained["required"] = list(schema["properties"])
        explained["properties"] = {
            name: {key: value for key, value in inner.items() if key != "default"}
            | ({"description": texts[name]} if name in texts else {})
            for name, inner in schema["properties"].items()
        }
    return explained


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of a type, and what it says of its attributes, each in one line."""
    # msgspec gives a docstring as it stands in the source, or without the indentation, by its version.
    summary, _, section = inspect.cleandoc(text).partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    texts = {name: " ".join(what.split()) for names, what in found for name in names.split(", ")}
    return " ".join(summary.split()), texts


def _with_hex(value: Any) -> Any:
    """Return a document in which bytes have the form that they have in our JSON."""
    if isinstance(value, dict):
        if value.get("contentEncoding") == "base64":
            return dict(_BYTES)
        return {key: _with_hex(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_hex(inner) for inner in value]
    return value


def _key(kind: Any) -> str:
    return repr(kind)
