# SPDX-License-Identifier: MIT
"""All routes. What is not in this table is not served, and what is in it is documented (openapi.py)."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from relayer.api import chains, events, messages, operations, transactions
from relayer.api.openapi import describe
from relayer.api.route import Asked, NoParams, Route


async def show_description(_: Asked[NoParams]) -> dict[str, Any]:
    """Give the OpenAPI document of this table."""
    return _describe_all()


@cache
def _describe_all() -> dict[str, Any]:
    return describe(ROUTES)


ROUTES: Final[tuple[Route, ...]] = (
    *messages.ROUTES,
    *chains.ROUTES,
    *transactions.ROUTES,
    *events.ROUTES,
    Route("/v1/openapi.json", "show_description", "This description.", show_description),
    *operations.ROUTES,
)
