# SPDX-License-Identifier: MIT
"""The contracts as they would be for a chain that ends at Shanghai, for the one consensus client that does.

Lodestar 1.5.1 knows no fork after Capella, so its execution client runs Shanghai's rules, and the shipped
contracts need Cancun's: one transient word, three MCOPYs, and some more in OpenZeppelin's. Here these places
are rewritten in a copy of the sources, which is then compiled for Shanghai; everything else is the same
source. Nothing of this ships.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from relayer import contracts
from relayer.contracts import artifact
from relayer.endpoint import probes
from tools._toolchain import ROOT, toolchain
from tools.build_contracts import find_sources, to_artifact

NAMES = ("AccessManager", "Gateway", "BftLightClient", "Postbox", "Multisender")

_TIMEOUT_S = 300


class RewriteError(RuntimeError):
    """The sources are no longer what the rewriting expects, or do not compile."""


def build(folder: Path) -> Path:
    """Compile into a folder of our own; return the folder with the artifacts, those that need no rewriting
    copied.

    Raises:
        RewriteError: see there.
    """
    copy = folder / "solidity"
    shutil.copytree(ROOT / "solidity" / "src", copy / "src")
    for name in ("foundry.toml", "package.json"):
        shutil.copy(ROOT / "solidity" / name, copy / name)
    library = Path("node_modules") / "@openzeppelin" / "contracts"
    shutil.copytree(ROOT / "solidity" / library, copy / library, ignore=shutil.ignore_patterns("build"))
    (folder / "tools").mkdir()
    (folder / "tools" / "bin").symlink_to(ROOT / "tools" / "bin")
    _rewrite(copy)
    _compile(copy)
    found = folder / "artifacts"
    shutil.copytree(
        Path(contracts.__file__).parent, found, ignore=shutil.ignore_patterns("__pycache__", "*.py")
    )
    sources = find_sources()
    for name in NAMES:
        built = json.loads(
            (copy / "out" / Path(sources[name]).name / f"{name}.json").read_text(encoding="utf-8")
        )
        (found / "cancun" / f"{name}.json").write_text(
            json.dumps(to_artifact(name, sources[name], built)), encoding="utf-8"
        )
    return found


@contextlib.contextmanager
def in_use(artifacts: Path) -> Iterator[None]:
    """Let this process deploy these contracts, and not ask chains for more than Shanghai."""
    only = tuple(probe for probe in probes.PROBES if "Shanghai" in probe.since)
    with (
        mock.patch.object(artifact, "resources", SimpleNamespace(files=lambda _: artifacts)),
        mock.patch.object(probes, "PROBES", only),
    ):
        artifact.load_builds.cache_clear()
        try:
            yield
        finally:
            artifact.load_builds.cache_clear()


def _rewrite(copy: Path) -> None:
    transient = mcopy = 0
    for path in sorted(copy.rglob("*.sol")):
        text = path.read_text(encoding="utf-8")
        text, words = re.subn(
            r"\buint256 private transient _delivering;", "uint256 private _delivering;", text
        )
        text, copies = _rewrite_mcopy(text)
        if path.is_relative_to(copy / "src") and not path.is_relative_to(copy / "src/light_clients/ethereum"):
            transient, mcopy = transient + words, mcopy + copies
        if words or copies:
            path.write_text(text, encoding="utf-8")
    if (transient, mcopy) != (1, 3):
        raise RewriteError(
            f"found {transient} transient words and {mcopy} MCOPYs to rewrite in our sources, expected 1 and 3"
        )


def _rewrite_mcopy(text: str) -> tuple[str, int]:
    """Each mcopy(to, from, size) as a loop over words, upwards, which leaves alone what lies behind."""
    count = 0
    while (at := text.find(" mcopy(")) >= 0:
        begin = at + len(" mcopy(")
        end, depth, cuts = begin, 1, [begin]
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if text[end] == "," and depth == 1:
                cuts.append(end + 1)
            end += 1
        to, source, size = (text[a : b - 1].strip() for a, b in pairwise([*cuts, end]))
        loop = (
            f" {{ let copyTo := {to} let copyFrom := {source} let copyLeft := {size} "
            "for { } gt(copyLeft, 31) { copyLeft := sub(copyLeft, 32) } { mstore(copyTo, mload(copyFrom)) "
            "copyTo := add(copyTo, 32) copyFrom := add(copyFrom, 32) } "
            "if copyLeft { let copyMask := sub(shl(shl(3, sub(32, copyLeft)), 1), 1) "
            "mstore(copyTo, or(and(mload(copyTo), copyMask), and(mload(copyFrom), not(copyMask)))) } }"
        )
        text, count = text[:at] + loop + text[end:], count + 1
    return text, count


def _compile(copy: Path) -> None:
    out, cache = copy / "out", copy / "cache"
    sources = find_sources()
    words = ["build", "--out", str(out), "--cache-path", str(cache), *(sources[name] for name in NAMES)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("FOUNDRY_", "DAPP_"))}
    done = subprocess.run(
        [str(toolchain.find_forge()), *words],
        cwd=copy,
        env=clean | {"FOUNDRY_EVM_VERSION": "shanghai"},
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if done.returncode != 0:
        raise RewriteError(
            f"forge ended with {done.returncode}:\n{(done.stdout + done.stderr).strip()[-3000:]}"
        )
