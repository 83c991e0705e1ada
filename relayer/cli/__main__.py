# SPDX-License-Identifier: MIT
"""`python -m relayer.cli`, for where the `postroad` script is not on PATH."""

from __future__ import annotations

from relayer.cli.main import main

if __name__ == "__main__":
    main()
