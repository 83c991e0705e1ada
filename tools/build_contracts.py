# SPDX-License-Identifier: MIT
"""Compile the contracts and write what ships inside the Python package:
relayer/contracts/<build>/<Name>.json.

    python -m tools.build_contracts            compile and write
    python -m tools.build_contracts --check    compare sources and settings with the manifest by hash
    python -m tools.build_contracts --verify   compile again and compare every byte

The files are also the snapshots of ABI and storage layout: a change shows in review. Standard library only.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools._toolchain import ROOT, toolchain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOLIDITY: Final = ROOT / "solidity"
TARGET: Final = ROOT / "relayer" / "contracts"
MANIFEST: Final = "manifest.json"

#: The builds of the one source, each with its profile in foundry.toml. A build is a folder under TARGET, and
#: a member of relayer.contracts.Build.
BUILDS: Final[Mapping[str, str]] = {"cancun": "default", "baseline": "baseline"}

#: What can be deployed besides what `find_sources` finds in the tree, by its source under solidity/.
NAMED: Final[Mapping[str, str]] = {
    "Gateway": "src/Gateway.sol",
    "AccessManager": "node_modules/@openzeppelin/contracts/access/manager/AccessManager.sol",
}
#: A kind's light client has a word before `LightClient`; what the kinds share in
#: shared/LightClient.sol has none.
LIGHT_CLIENTS: Final = "src/light_clients/*/?*LightClient.sol"
APPS: Final = "src/apps/*.sol"

#: EIP-170: a contract over this cannot be deployed.
MAX_CODE_BYTES: Final = 24_576

COMPILE_TIMEOUT_S: Final = 900

#: Settings that cannot change a byte of what ships. They are left out of the hash, so that tuning the tests
#: does not make artifacts stale.
NEUTRAL_SETTINGS: Final = (
    "cache_path",
    "dynamic_test_linking",
    "ffi",
    "fs_permissions",
    "fuzz",
    "gas_snapshot_check",
    "gas_snapshot_emit",
    "invariant",
    "lint",
    "out",
    "snapshots",
)


class BuildError(RuntimeError):
    """The artifacts cannot be made or are not what they should be; the text says why and what to do."""


def main() -> int:
    """Write or compare the artifacts; return 0 when they are right, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_contracts", description="Build the shipped contracts."
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare hashes without compiling")
    mode.add_argument("--verify", action="store_true", help="compile again and compare every byte")
    asked = parser.parse_args()
    try:
        if asked.check:
            check_hashes()
        elif asked.verify:
            check_hashes()
            verify(compile_contracts())
        else:
            write(compile_contracts())
    except (BuildError, toolchain.ToolNotFoundError) as error:
        print(f"contracts: {error}", file=sys.stderr)
        return 1
    return 0


def sources_of(build: str) -> dict[str, str]:
    """Return those of `find_sources` that a build has: its profile skips the others."""
    skipped = read_settings(build).get("skip", ())
    return {
        name: source
        for name, source in find_sources().items()
        if not any(fnmatch.fnmatch(source, pattern) for pattern in skipped)
    }


def find_sources() -> dict[str, str]:
    """Return the sources under solidity/ of the contracts that may ship, by the contract's name.

    A contract has the name of its file. These are every light client in the folder of its kind, every
    application, and those of NAMED. Abstract applications are among them: only the compiler knows them, and
    gives them no code.

    Raises:
        BuildError: two contracts have one name.
    """
    sources = dict(NAMED)
    for pattern in (LIGHT_CLIENTS, APPS):
        for path in sorted(SOLIDITY.glob(pattern)):
            source = path.relative_to(SOLIDITY).as_posix()
            if path.stem in sources:
                message = (
                    f"two contracts are named {path.stem}: {sources[path.stem]} and {source}. Rename one."
                )
                raise BuildError(message)
            sources[path.stem] = source
    return sources


def compile_contracts() -> dict[str, str]:
    """Compile every build with forge, and return the text of each file that ships, by its path below TARGET.

    Raises BuildError.
    """
    started = time.monotonic()
    absent = [source for source in NAMED.values() if not (SOLIDITY / source).is_file()]
    if absent:
        message = f"no such source in solidity/: {', '.join(absent)}. Run `make tools`, or correct NAMED in tools/build_contracts.py."
        raise BuildError(message)
    print(f"contracts: compiling {', '.join(BUILDS)} ...", flush=True)
    # The compiler has one thread, so that the builds cost hardly more time than one of them.
    with ThreadPoolExecutor(len(BUILDS)) as pool:
        files = {name: text for built in pool.map(compile_build, BUILDS) for name, text in built.items()}
    files[MANIFEST] = to_text(to_manifest(files))
    print(f"contracts: compiled in {time.monotonic() - started:.1f} s", flush=True)
    return files


def compile_build(build: str) -> dict[str, str]:
    """Compile one build, and return the text of each of its files, by its path below TARGET.

    The output goes to a folder apart from solidity/out, so that neither a cache nor a forge that runs at the
    same time decides what ships. Raises BuildError.
    """
    sources = sources_of(build)
    with tempfile.TemporaryDirectory(prefix="postroad-contracts-") as folder:
        out = Path(folder) / "out"
        words = ["build", "--out", str(out), "--cache-path", str(Path(folder) / "cache")]
        run_forge([*words, *sources.values()], BUILDS[build])
        built = {name: read_built(out, name, source) for name, source in sources.items()}
    return {
        f"{build}/{name}.json": to_text(to_artifact(name, sources[name], output))
        for name, output in built.items()
        if not is_abstract_app(sources[name], output)
    }


def run_forge(words: list[str], profile: str) -> None:
    """Run forge in solidity/, which its settings expect. Raises BuildError with the compiler's words."""
    # FOUNDRY_* of a developer's shell must not change what ships.
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("FOUNDRY_", "DAPP_"))
    } | {"FOUNDRY_PROFILE": profile}
    try:
        done = subprocess.run(
            [str(toolchain.find_forge()), *words],
            cwd=SOLIDITY,
            env=environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=COMPILE_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        message = f"forge took over {COMPILE_TIMEOUT_S} s"
        raise BuildError(message) from error
    if done.returncode != 0:
        message = f"forge failed (exit {done.returncode}):\n{(done.stdout + done.stderr).strip()}"
        raise BuildError(message)


def read_built(out: Path, name: str, source: str) -> dict[str, Any]:
    """Return forge's output for one contract.

    Raises BuildError where the source has no contract of its own name.
    """
    path = out / Path(source).name / f"{name}.json"
    if not path.is_file():
        message = f"{source} has no contract named {name}. Give the contract the name of its file, or move the file."
        raise BuildError(message)
    return read_json(path)


def is_abstract_app(source: str, built: Mapping[str, Any]) -> bool:
    """Return whether this is an application that others inherit from: an abstract contract has no code."""
    return Path(source).match(APPS) and code_size(built) == 0


def code_size(built: Mapping[str, Any]) -> int:
    """Return the size of the runtime code in forge's output or in an artifact, in bytes."""
    code = built["deployedBytecode"]
    return (len(code["object"] if isinstance(code, dict) else code) - len("0x")) // 2


def to_artifact(name: str, source: str, built: Mapping[str, Any]) -> dict[str, Any]:
    """Return what deploying and calling a contract need of forge's output.

    Raises BuildError for a contract that could not be deployed.
    """
    creation, runtime = built["bytecode"], built["deployedBytecode"]
    if creation.get("linkReferences"):
        message = f"{name} needs linked libraries, which `endpoint deploy` does not place; make their functions internal"
        raise BuildError(message)
    size = code_size(built)
    if size == 0:
        message = (
            f"{name} in {source} has no code: it is abstract or an interface, where a contract is expected"
        )
        raise BuildError(message)
    if size > MAX_CODE_BYTES:
        message = (
            f"{name} is too large to deploy: found {size} bytes, expected at most {MAX_CODE_BYTES} (EIP-170)"
        )
        raise BuildError(message)
    return {
        "contractName": name,
        "sourceName": source,
        "abi": built["abi"],
        "bytecode": creation["object"],
        "deployedBytecode": runtime["object"],
        "immutableReferences": plain_immutables(runtime.get("immutableReferences") or {}),
        "storageLayout": plain_layout(built["storageLayout"]),
    }


def plain_immutables(references: Mapping[str, list[Mapping[str, int]]]) -> list[dict[str, int]]:
    """Return the places of immutables in the code, without the compiler's keys.

    Those are AST ids, which change whenever any other file changes.
    """
    places = [
        {"start": place["start"], "length": place["length"]} for at in references.values() for place in at
    ]
    return sorted(places, key=lambda place: place["start"])


def plain_layout(layout: Mapping[str, Any]) -> dict[str, Any]:
    """Return a storage layout without AST ids, which change whenever any other file changes."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {plain(key): plain(below) for key, below in value.items() if key != "astId"}
        if isinstance(value, list):
            return [plain(element) for element in value]
        # t_struct(Lane)1234_storage, t_contract(IAuthority)567, t_enum(Status)89
        return re.sub(r"\)\d+(?=[_,)]|$)", ")", value) if isinstance(value, str) else value

    return {"storage": plain(layout["storage"]), "types": plain(layout.get("types") or {})}


def to_manifest(files: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest of the artifacts: hashes of what they were made from, and of themselves."""
    return {
        "format": 2,
        "compiler": read_json(ROOT / "tools" / "package.json")["dependencies"]["solc"],
        "inputs": hash_inputs(),
        "artifacts": {name: hash_text(text) for name, text in sorted(files.items())},
    }


def hash_inputs() -> str:
    """Return a hash of everything that the bytes depend on, in hex.

    That is the settings of every build, each source that an import reaches there, the lock of their
    dependencies, and the compiler.
    """
    digest = hashlib.sha256()
    for build in BUILDS:
        sources = sources_of(build)
        digest.update(to_text([build, read_settings(build), sources]).encode())
        for path in source_files(sources.values(), build):
            name = path.relative_to(SOLIDITY).as_posix()
            digest.update(f"{name}\n{hash_text(path.read_text(encoding='utf-8'))}\n".encode())
    digest.update((SOLIDITY / "package-lock.json").read_bytes())
    digest.update(read_json(ROOT / "tools" / "package.json")["dependencies"]["solc"].encode())
    return digest.hexdigest()


def read_settings(build: str) -> dict[str, Any]:
    """Return what foundry.toml says of a build, without comments and without NEUTRAL_SETTINGS."""
    profiles = tomllib.loads((SOLIDITY / "foundry.toml").read_text(encoding="utf-8"))["profile"]
    settings = profiles["default"] | profiles[BUILDS[build]]
    return {key: value for key, value in settings.items() if key not in NEUTRAL_SETTINGS}


def source_files(starts: Iterable[str], build: str) -> list[Path]:
    """Return every file of ours that imports lead to in a build; the lock pins OpenZeppelin's files.

    Raises BuildError for an import of a file that is not there.
    """
    own = dict(line.split("=", 1) for line in read_settings(build)["remappings"] if "=src/" in line)
    prefixes = "|".join(re.escape(prefix) for prefix in own)
    statement = re.compile(rf"""^\s*import\b[^;"']*["']((?:\.{{1,2}}/|{prefixes})[^"']+)["']""", re.MULTILINE)
    found: set[Path] = set()
    waiting = [SOLIDITY / start for start in starts if not start.startswith("node_modules/")]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        if not path.is_file():
            message = f"an import leads to {path.relative_to(ROOT)}, which is not there"
            raise BuildError(message)
        found.add(path)
        text = path.read_text(encoding="utf-8")
        for match in statement.findall(text):
            prefix = next((prefix for prefix in own if match.startswith(prefix)), None)
            base = (
                path.parent / match if prefix is None else SOLIDITY / own[prefix] / match.removeprefix(prefix)
            )
            waiting.append(base.resolve())
    return sorted(found)


def check_hashes() -> None:
    """Compare sources, settings and files with the manifest. Raises BuildError when they are stale."""
    do = "Run `make artifacts` and commit relayer/contracts/."
    try:
        manifest = read_json(TARGET / MANIFEST)
    except FileNotFoundError as error:
        message = f"there is no relayer/contracts/{MANIFEST}. {do}"
        raise BuildError(message) from error
    inputs = hash_inputs()
    if manifest["inputs"] != inputs:
        message = f"stale: sources or settings hash to {inputs[:16]}, the artifacts were made from {manifest['inputs'][:16]}. {do}"
        raise BuildError(message)
    found = {name: hash_text(path.read_text(encoding="utf-8")) for name, path in artifact_files().items()}
    if found != manifest["artifacts"]:
        names = sorted(
            name
            for name in found | manifest["artifacts"]
            if found.get(name) != manifest["artifacts"].get(name)
        )
        message = f"not what the manifest lists: {', '.join(names)}. {do}"
        raise BuildError(message)
    print(f"contracts: {len(found)} artifacts match their sources and settings ({inputs[:16]})", flush=True)


def verify(files: Mapping[str, str]) -> None:
    """Compare what was just compiled with what is committed, byte by byte. Raises BuildError."""
    stale = sorted(
        name
        for name, text in files.items()
        if not (TARGET / name).is_file() or (TARGET / name).read_text(encoding="utf-8") != text
    )
    if stale:
        message = (
            f"compiling again gives other bytes for {', '.join(stale)}. Run `make artifacts` and commit them."
        )
        raise BuildError(message)
    print("contracts: compiling again gives the same bytes", flush=True)


def write(files: Mapping[str, str]) -> None:
    """Write the files, remove those of contracts that no longer ship, and print the sizes."""
    for name, path in artifact_files().items():
        if name not in files:
            path.unlink()
    # The manifest is the last of `files`: a run that is cut short leaves artifacts that it does not list.
    for name, text in files.items():
        path = TARGET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        if name != MANIFEST:
            size = code_size(json.loads(text))
            print(
                f"contracts: {name.removesuffix('.json'):30} {size:6} of {MAX_CODE_BYTES} bytes", flush=True
            )


def artifact_files() -> dict[str, Path]:
    """Return the artifacts that are there by their paths below TARGET, without the manifest."""
    found = {path.relative_to(TARGET).as_posix(): path for path in sorted(TARGET.rglob("*.json"))}
    return {name: path for name, path in found.items() if name != MANIFEST}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def to_text(value: object) -> str:
    """Return JSON in one form only: equal values are equal bytes, and a diff shows one
    line for each change.
    """
    return json.dumps(value, indent=1, sort_keys=True, default=dict) + "\n"


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
