# SPDX-License-Identifier: MIT
"""The plug-in distribution of tests/plugins, built and installed into a folder as anybody would install it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.solc import ROOT, compile_artifact

SOURCE = ROOT / "tests" / "plugins" / "postroad-solo"
CONTRACT = "SoloLightClient"
_WITHIN_S = 120


@dataclass(frozen=True)
class InstalledPlugin:
    """A folder of installed packages; whoever has it on the module path finds the plug-in."""

    site: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that finds the plug-in."""
        before = os.environ.get("PYTHONPATH")
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(self.site), *([before] if before else [])])}


def install_plugin(folder: Path) -> InstalledPlugin:
    """Compile the plug-in's contract, and install its distribution below `folder` with pip, without the network."""
    source, site = folder / "source", folder / "site"
    shutil.copytree(SOURCE, source)
    artifact = compile_artifact(SOURCE / "solidity" / f"{CONTRACT}.sol", CONTRACT)
    (source / "postroad_solo" / "contracts" / f"{CONTRACT}.json").write_bytes(artifact)
    words = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", *words, str(source)], check=True, timeout=_WITHIN_S)
    return InstalledPlugin(site)
