# SPDX-License-Identifier: MIT
"""The project that `postroad new app` writes, as its user has it: types, forge's tests, and a message that is
delivered between two chains.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from relayer.cli import main as root
from relayer.devnet.process.toolchain import find_forge, find_solc

SOLIDITY = Path(__file__).parents[2] / "solidity"


def run(folder: Path, *words: str) -> str:
    # Compilers are found, not fetched.
    environment = os.environ | {"FOUNDRY_SOLC": str(find_solc()), "FOUNDRY_OFFLINE": "true"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_template_is_built_and_delivers_a_message(tmp_path: Path) -> None:
    app = tmp_path / "notes"
    with pytest.raises(SystemExit, match="0"):
        root(["new", "app", "notes", "--dir", str(app)])
    # What `npm install` would bring, from the checkout.
    modules = app / "node_modules"
    shutil.copytree(SOLIDITY / "src", modules / "postroad-contracts" / "src")
    shutil.copytree(SOLIDITY / "node_modules" / "@openzeppelin", modules / "@openzeppelin")

    assert "Success" in run(app, sys.executable, "-m", "mypy")
    assert "4 passed" in run(app, str(find_forge()), "test")
    assert "2 passed" in run(app, sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
