# SPDX-License-Identifier: MIT
"""All routes. What is not in this table is not served, and what is in it is documented (openapi.py)."""

from __future__ import annotations

from typing import Final

from relayer.api import chains, messages, operations
from relayer.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *messages.ROUTES,
    *chains.ROUTES,
    *operations.ROUTES,
)
