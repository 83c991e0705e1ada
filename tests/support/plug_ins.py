# SPDX-License-Identifier: MIT
"""Entry points as further distributions would offer them, beside those that are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any, TypeAlias

import pytest

from relayer import plugins

PlugIn: TypeAlias = Callable[..., None]
"""Offers an entry point: its name, what it names, and its group (kinds of consensus without)."""


@contextmanager
def offered_plug_ins() -> Iterator[PlugIn]:
    """Let a test add entry points to those that are installed. What was loaded before is forgotten, and so is this."""
    installed = metadata.entry_points
    added: list[metadata.EntryPoint] = []

    def entry_points(**wanted: Any) -> metadata.EntryPoints:
        own = metadata.EntryPoints(added).select(**wanted)
        return metadata.EntryPoints([*installed(**wanted), *own])

    def offer(name: str, value: str, group: str = plugins.CONSENSUS) -> None:
        added.append(metadata.EntryPoint(name, value, group))
        _forget()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "entry_points", entry_points)
        yield offer
    _forget()


def _forget() -> None:
    plugins.names.cache_clear()
    plugins.load.cache_clear()
