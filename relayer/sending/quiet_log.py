# SPDX-License-Identifier: MIT
"""The log of a sender in a process that is no daemon: what a command prints must not be mixed with it."""

from __future__ import annotations

import logging

import structlog


def quiet_log() -> structlog.typing.FilteringBoundLogger:
    """Return a log that an application hears under the name `postroad`, where it wants to."""
    log = logging.getLogger("postroad")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    wrapped: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        log,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return wrapped
