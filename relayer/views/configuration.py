# SPDX-License-Identifier: MIT
"""A configuration that was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class WrittenChainView(msgspec.Struct, frozen=True, kw_only=True):
    """A chain of the file.

    Attributes:
        name: what the file calls it.
        chain: its CAIP-2 name.
        consensus: the keys of `[chains.NAME.consensus]`, as its kind has them.
    """

    name: str
    chain: str
    consensus: Mapping[str, Any]


class WrittenConfigurationView(msgspec.Struct, frozen=True, kw_only=True):
    """The file's path, and its chains in the order in which they were named."""

    config: str
    chains: tuple[WrittenChainView, ...]
