# SPDX-License-Identifier: MIT
"""An application that was written from the template."""

from __future__ import annotations

import msgspec


class NewApplicationView(msgspec.Struct, frozen=True, kw_only=True):
    """Its name, its folder, and its files below that folder, sorted."""

    name: str
    directory: str
    files: tuple[str, ...]
