# SPDX-License-Identifier: MIT
"""The description has what is served, and the reference has what the description has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from relayer.api.openapi import describe
from relayer.api.table import ROUTES
from relayer.views.event import MessagesEventView
from tests.support.api import StillRelayer, serving

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"
DOCUMENT: dict[str, Any] = describe(ROUTES)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_reference_has_each_route_and_no_other() -> None:
    listed = re.findall(r"^\| `(GET|POST) (/[^`]*)` \|", REFERENCE.read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {(method, path) for method, path, _ in operations()}


def test_the_reference_has_each_parameter_of_a_search_and_no_other() -> None:
    text = REFERENCE.read_text().split("## Searching messages\n", 1)[1].split("\n## ", 1)[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert listed == {
        parameter["name"] for parameter in DOCUMENT["paths"]["/v1/messages"]["get"]["parameters"]
    }


def test_the_reference_has_each_code_of_a_problem_and_no_other() -> None:
    text = REFERENCE.read_text().split("## Problems\n", 1)[1].split("\n## ", 1)[0]
    listed = set(re.findall(r"^\| \d+ \| `(\w+)` \|", text, re.MULTILINE))
    source = "".join(
        path.read_text() for path in (Path(__file__).parents[3] / "relayer" / "api").glob("*.py")
    )
    raised = set(re.findall(r'HTTPStatus\.\w+,\s*"(\w+)"', source)) | set(
        re.findall(r'HTTPStatus\.\w+: \("(\w+)"', source)
    )
    assert listed == raised


def test_the_reference_has_each_key_of_a_step_and_no_other() -> None:
    (row,) = re.findall(r"^\| `messages` \| (.*) \|$", REFERENCE.read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) - {"id"} == set(MessagesEventView.__struct_fields__)
    stream = DOCUMENT["paths"]["/v1/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    assert stream["schema"]["description"].startswith("With the data of events: MessagesEventView, ")
    assert "MessagesEventView" in DOCUMENT["components"]["schemas"]


def test_operations_have_names_of_their_own_and_their_path_s_parameters() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for _, path, operation in operations():
        in_path = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        assert all(parameter["description"] for parameter in operation["parameters"])


def test_writes_need_the_token_and_reads_do_not() -> None:
    for method, path, operation in operations():
        assert ("security" in operation) == (method == "POST"), path
        assert ("401" in operation["responses"]) == (method == "POST")


def test_answers_have_all_keys_and_bytes_are_hex() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    story = schemas["StoryView"]
    assert story["required"] == ["state", "waiting", "told_by", "steps", "delivery", "proven"]
    assert story["properties"]["steps"]["description"] == "the oldest first."
    assert story["description"] == "What is known of a message."
    assert schemas["MessageView"]["properties"]["id"]["pattern"] == "^0x([0-9a-f]{2})*$"
    assert "base64" not in repr(DOCUMENT)
    assert "default" not in repr(schemas)


@pytest.mark.network
async def test_it_is_served(relayer: StillRelayer) -> None:
    async with serving(relayer) as client:
        assert (await client.ask("/v1/openapi.json")).json == DOCUMENT
