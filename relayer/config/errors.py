# SPDX-License-Identifier: MIT
"""What is wrong with a configuration."""

from __future__ import annotations

from relayer.errors import ConfigError


class InvalidConfig(ConfigError):  # noqa: N818  as in relayer.errors
    """A key of the configuration can't be used; `where` is the file, the line and the dotted path."""

    def __init__(self, where: str, found: str, expected: str, advice: str) -> None:
        super().__init__(f"{where}: found {found}", expected, advice)
        self.where = where
