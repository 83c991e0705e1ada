# SPDX-License-Identifier: MIT
"""The toolchain module, loaded from its file.

`import relayer.devnet.process.toolchain` would import the package around it first, and that package needs the
compiled contracts, which are what the programs here make.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]

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
