# SPDX-License-Identifier: MIT
"""Check that the product names no kind of consensus outside of the kinds' own folders.

    python -m tools.kind_names

A kind is a plug-in: whatever is said of one elsewhere is a place that the next kind would have to touch. So
neither code nor text for people may hold a kind's name, the name of one of its dialects, or a word that only
some kinds have. Exceptions stand in ALLOWED, each with its reason. An exception that nothing needs any more
is reported as well. Standard library only.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
PRODUCT: Final = ("relayer", "light_clients")

#: Pure code that several kinds share: it may speak of validators and committees, but it names no kind.
SHARED_RULES: Final = "light_clients"

#: Below each of these a kind has a folder of its own name, where every word is allowed.
KIND_FOLDERS: Final = ("relayer/consensus", "light_clients")

#: Names of dialects, older names of kinds, and words that only some kinds have.
WORDS: Final = (
    "pos",
    "qbft",
    "ibft",
    "ibft2",
    "beacon",
    "sync committee",
    "sync committees",
    "validator",
    "validators",
)

#: Exceptions with their reason, by a file and a text that the line must hold.
ALLOWED: Final[dict[tuple[str, str], str]] = {
    (
        "light_clients/bls/__init__.py",
        "as Ethereum's consensus uses them",
    ): "whose specification the signatures follow",
    ("relayer/consensus/kind.py", 'in the plural: "validators"'): "an example in the seam's own description",
    ("relayer/cli/demo/__init__.py", "DEFAULT_CHAINS"): "the defaults of the demo",
    ("relayer/cli/demo/__init__.py", "such as court=bft:4@0.5,eth=ethereum"): "an example in a help text",
    ("relayer/cli/demo/__init__.py", "--chains eth=ethereum,court=bft:4@0.5"): "an example in a help text",
    (
        "relayer/cli/demo/figures.py",
        '"validators": self.signer_count',
    ): "a key of --json, which stays what it is",
    ("relayer/cli/devnet.py", "DEFAULT_CHAINS"): "the defaults of the devnet",
    ("relayer/cli/devnet.py", "such as court=bft:4@0.5,eth=ethereum"): "an example in a help text",
    ("relayer/testing/roads.py", "DEFAULT_SPEC"): "the defaults of a test's roads",
    ("relayer/devnet/dresses.py", '_BY_CONTRACT: Final = "contract-'): "an option that a dress asks for",
    ("relayer/consensus/show.py", "cursor.pos"): "a place in bytes",
    ("relayer/cli/init.py", "court=qbft,https://"): "an example in a help text",
    ("relayer/cli/init.py", "eth=ethereum,https://"): "an example in a help text",
}


class Finding(NamedTuple):
    """A forbidden word: its file, its line, the word and the line's text."""

    path: str
    line: int
    word: str
    text: str


def main() -> int:
    """Print what is wrong; return 0 when nothing is, else 1."""
    kinds = read_kinds()
    findings, used = [], set[tuple[str, str]]()
    for path in product_files(kinds):
        for finding in find_words(path, kinds):
            exception = next(
                (key for key in ALLOWED if key[0] == finding.path and key[1] in finding.text), None
            )
            if exception is None:
                findings.append(finding)
            else:
                used.add(exception)
    for found in findings:
        print(
            f"{found.path}:{found.line}: found {found.word!r}, which belongs into its kind's folder: {found.text}"
        )
    idle = [key for key in ALLOWED if key not in used]
    for name, text in idle:
        print(f"tools/kind_names.py: the exception for {text!r} in {name} is needed no more: remove it")
    if findings or idle:
        return 1
    print(f"kind names: {', '.join(kinds)} stand in their own folders alone ({len(ALLOWED)} exceptions)")
    return 0


def read_kinds() -> tuple[str, ...]:
    """Return the names of the kinds that this project brings, from its entry points."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return tuple(project["entry-points"]["postroad.consensus"])


def product_files(kinds: tuple[str, ...]) -> Iterator[Path]:
    """Yield the product's sources outside of the kinds' folders."""
    own = [ROOT / folder / kind for folder in KIND_FOLDERS for kind in kinds]
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not any(path.is_relative_to(folder) for folder in own):
                yield path


def find_words(path: Path, kinds: tuple[str, ...]) -> Iterator[Finding]:
    """Yield the forbidden words of a file: in identifiers, in texts and in comments.

    Import paths are identifiers too.
    """
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    is_shared = path.is_relative_to(ROOT / SHARED_RULES)
    words = sorted({*kinds} if is_shared else {*kinds, *WORDS}, key=len, reverse=True)
    pattern = re.compile(r"(?<![a-z0-9])(" + "|".join(map(re.escape, words)) + r")(?![a-z0-9])")
    seen: set[tuple[int, str]] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (tokenize.NAME, tokenize.STRING, tokenize.COMMENT):
            continue
        for offset, line in enumerate(token.string.splitlines() or [""]):
            number = token.start[0] + offset
            # LightClientBft and light_client_bft hold the word as much as "bft" does.
            spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", line) if token.type == tokenize.NAME else line
            for match in pattern.finditer(spaced.lower().replace("_", " ")):
                if (number, match[1]) not in seen:
                    seen.add((number, match[1]))
                    yield Finding(
                        path.relative_to(ROOT).as_posix(), number, match[1], lines[number - 1].strip()
                    )


if __name__ == "__main__":
    sys.exit(main())
