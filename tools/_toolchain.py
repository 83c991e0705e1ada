# SPDX-License-Identifier: MIT
"""The module relayer.devnet.process.toolchain, loaded from its file.

Its import would import the package around it first. That package needs the compiled contracts, which the
programs here make.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parents[1]

if TYPE_CHECKING:
    from relayer.devnet.process import toolchain
else:
    _spec = importlib.util.spec_from_file_location(
        "postroad_toolchain", ROOT / "relayer" / "devnet" / "process" / "toolchain.py"
    )
    toolchain = importlib.util.module_from_spec(_spec)
    sys.modules[_spec.name] = toolchain
    _spec.loader.exec_module(toolchain)

__all__ = ["ROOT", "toolchain"]
