# SPDX-License-Identifier: MIT
"""The command line, `postroad`. Everything heavy is imported by the command that needs it: `--help` must be quick."""

from __future__ import annotations

from relayer.cli.main import main

__all__ = ["main"]
