# SPDX-License-Identifier: MIT
"""The three pages for machines that watch the relayer: /metrics, /healthz and /readyz."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from relayer.api.route import TEXT, Asked, NoParams, Route

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


async def show_metrics(asked: Asked[NoParams]) -> web.Response:
    """Give everything that Prometheus is told, with the gauges as they are now."""
    return web.Response(body=asked.served.relayer.metrics.text(), headers={"Content-Type": _CONTENT_TYPE})


async def show_health(asked: Asked[NoParams]) -> web.Response:
    """Give 200, or 503 with what is wrong with the process."""
    return _answer(asked.served.relayer.health())


async def show_readiness(asked: Asked[NoParams]) -> web.Response:
    """Give 200, or 503 with why the process does not relay; in both cases what holds up single chains."""
    return _answer(asked.served.relayer.readiness(), asked.served.relayer.remarks())


def _answer(trouble: str | None, remarks: Iterable[str] = ()) -> web.Response:
    lines = ["ok" if trouble is None else trouble, *remarks]
    status = HTTPStatus.OK if trouble is None else HTTPStatus.SERVICE_UNAVAILABLE
    return web.Response(text="\n".join(lines) + "\n", status=status)


ROUTES: Final = (
    Route("/metrics", "metrics", "Metrics for Prometheus.", show_metrics, media=TEXT),
    Route("/healthz", "health", "Whether the process works.", show_health, media=TEXT),
    Route("/readyz", "readiness", "Whether it relays.", show_readiness, media=TEXT),
)
