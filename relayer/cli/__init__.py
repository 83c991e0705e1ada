# SPDX-License-Identifier: MIT
"""The command line, `postroad`: one module for each command, which prints what others compute.

main.py is the root and the place where errors become exit codes (failures.py, exit_codes.py). options.py has
what several commands take, output.py what they print with. Everything heavy is imported by the command that
needs it, because `--help` must be quick.
"""

from __future__ import annotations

from relayer.cli.main import main

__all__ = ["main"]
