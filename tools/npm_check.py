# SPDX-License-Identifier: MIT
"""Check what `npm install postroad-contracts` brings: `python -m tools.npm_check`, or `make npm-check`.

solidity/ is packed as it would be published, and the package is installed beside tools/application, in a
folder of its own. The example of the package's README is compiled there by Hardhat and by forge, both with
the oldest compiler that the pragmas allow. Hardhat and that compiler come from npm, by the lock there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

from tools._checking import CheckError, run
from tools._toolchain import ROOT, toolchain
from tools.install import SOLIDITY, InstallError, npm, write_shim

APPLICATION: Final = ROOT / "tools" / "application"
ARTIFACTS: Final = ROOT / "relayer" / "contracts" / "cancun"

_EXAMPLE: Final = re.compile(r"^```solidity\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Pack, install and compile; return 0 when all is well, else 1."""
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="postroad-npm-check-") as folder:
            package = pack(Path(folder))
            check_files(package)
            application = Path(folder) / "application"
            install(package, application)
            build_with_hardhat(application)
            build_with_forge(application)
    except (CheckError, InstallError, toolchain.ToolNotFoundError) as error:
        print(f"npm: {error}", file=sys.stderr)
        return 1
    print(f"npm: all is well after {time.monotonic() - started:.0f} s")
    return 0


def pack(folder: Path) -> Path:
    """Pack solidity/, which writes its abi/ first, and return the package's path. Raises CheckError."""
    run_in(SOLIDITY, [*toolchain.npm_command(), "pack", "--silent", "--pack-destination", str(folder)])
    (package,) = folder.glob("*.tgz")
    return package


def check_files(package: Path) -> None:
    """Compare the package's files with the tree's, and its ABIs with the artifacts. Raises CheckError."""
    sources = {path.relative_to(SOLIDITY).as_posix() for path in (SOLIDITY / "src").rglob("*.sol")}
    abis = {f"abi/{path.name}": path for path in ARTIFACTS.glob("*.json")}
    expected = {"package.json", "README.md", "LICENSE"} | sources | set(abis)
    with tarfile.open(package) as tar:
        names = {member.name.removeprefix("package/") for member in tar if member.isfile()}
        if names != expected:
            raise CheckError(f"found {sorted(names - expected)}, missing {sorted(expected - names)}")
        for name, path in abis.items():
            packed = tar.extractfile(f"package/{name}")
            assert packed is not None
            if json.load(packed) != json.loads(path.read_text(encoding="utf-8"))["abi"]:
                raise CheckError(f"{name} is not the ABI of {path.relative_to(ROOT)}")
    print(f"npm: {package.name} with {len(names)} files, {package.stat().st_size >> 10} KiB", flush=True)


def install(package: Path, application: Path) -> None:
    """Make an application from the README's example, with the package and its tools. Raises InstallError."""
    started = time.monotonic()
    shutil.copytree(APPLICATION, application, ignore=shutil.ignore_patterns("node_modules"))
    examples = _EXAMPLE.findall((SOLIDITY / "README.md").read_text(encoding="utf-8"))
    (application / "contracts").mkdir()
    for number, example in enumerate(examples):
        (application / "contracts" / f"Example{number}.sol").write_text(example, encoding="utf-8")
    # Whatever lets an application choose its compiler must compile with the oldest.
    importable = [path for path in SOLIDITY.glob("src/**/*.sol") if "\npragma solidity ^" in path.read_text()]
    imports = [f'import "postroad-contracts/{path.relative_to(SOLIDITY)}";\n' for path in importable]
    text = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n" + "".join(imports)
    (application / "contracts" / "Imports.sol").write_text(text, encoding="utf-8")
    npm(application, "ci")
    npm(application, "install", "--no-save", "--no-package-lock", str(package))
    print(f"npm: installed: {time.monotonic() - started:.1f} s", flush=True)


def build_with_hardhat(application: Path) -> None:
    """Compile with Hardhat. Raises CheckError."""
    script = application / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
    run_in(application, [str(toolchain.find_node()), str(script), "build"])
    expect_artifact(application / "artifacts", "Hardhat")


def build_with_forge(application: Path) -> None:
    """Compile with forge, which takes the same compiler for its own. Raises CheckError."""
    # Copied, so that it finds the compiler of the application and not that of the checkout.
    script = application / "solc-shim.cjs"
    shutil.copy(ROOT / "tools" / "solc-shim.cjs", script)
    solc = application / "solc"
    write_shim(solc, script)
    run_in(application, [str(toolchain.find_forge()), "build", "--use", str(solc)])
    expect_artifact(application / "out", "forge")


def expect_artifact(folder: Path, tool: str) -> None:
    """Look for the example's code. Raises CheckError."""
    artifacts = list(folder.rglob("Register.json"))
    if len(artifacts) != 1 or not json.loads(artifacts[0].read_text(encoding="utf-8"))["bytecode"]:
        raise CheckError(f"{tool} wrote {artifacts or 'nothing'}, expected one Register.json with code")
    print(f"npm: {tool} compiles the example", flush=True)


def run_in(folder: Path, words: list[str]) -> None:
    """Run a program of npm's world. Raises CheckError when it fails."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("FOUNDRY_", "DAPP_"))
    } | {
        "PATH": f"{toolchain.find_node().parent}{os.pathsep}{os.environ.get('PATH', '')}",
        # Nobody is asked for anything, and nothing is kept in the home folder.
        "CI": "true",
        "XDG_CACHE_HOME": str(folder / ".cache"),
    }
    run(words, folder, environment)


if __name__ == "__main__":
    sys.exit(main())
