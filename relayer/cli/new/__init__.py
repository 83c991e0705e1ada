# SPDX-License-Identifier: MIT
"""`postroad new`: writes projects to begin with.

A project's files lie in a folder here, each with `.template` behind its name so that no tool takes them for
ours. `{{word}}` in them stands for what is known of the new project.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import json_option
from relayer.cli.output import print_json, say

#: What a directory, an npm package and a heading can all be called.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_SUFFIX: Final = ".template"
_NEXT: Final = (
    "python -m venv .venv && source .venv/bin/activate",
    "pip install -r requirements.txt",
    "npm install",
    "postroad devnet install",
    "forge test",
    "forge build && pytest",
)


@click.group()
def new() -> None:
    """Write a project to begin with."""


@new.command("app")
@click.argument("name")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write it: a new folder, or an empty one. By default NAME.",
)
@json_option
def app(name: str, directory: Path | None, as_json: bool) -> None:
    """Write an application: a contract with its tests, a client, and a test over two chains.

    NAME has letters, digits and hyphens. Nothing is overwritten.
    """
    if _NAME.fullmatch(name) is None:
        raise click.UsageError(
            f"found the name {name!r}, expected a letter, then letters, digits and hyphens, at most 64"
        )
    directory = Path(name) if directory is None else directory
    if directory.exists() and any(directory.iterdir()):
        raise CommandFailed(
            ExitCode.CONFIG,
            f"{directory} is there already, with files in it",
            "a new folder, or an empty one",
            "Name another with --dir.",
        )
    words = {"name": name, "package": name.lower(), "version": version("postroad")}
    written = sorted(_write(files("relayer.cli.new") / "app", directory, words))
    if as_json:
        from relayer.views.application import NewApplicationView

        shown = tuple(path.relative_to(directory).as_posix() for path in written)
        print_json(NewApplicationView(name=name, directory=str(directory), files=shown))
        return
    say(f"Wrote {len(written)} files to {directory}.\n\nNext:")
    for step in (f"cd {directory}", *_NEXT):
        say(f"  {step}")


def _write(source: Traversable, target: Path, words: dict[str, str]) -> list[Path]:
    """Write a folder of templates; return the paths of the files."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in source.iterdir():
        if entry.is_dir():
            written += _write(entry, target / entry.name, words)
        elif entry.name.endswith(_SUFFIX):
            path = target / entry.name.removesuffix(_SUFFIX)
            text = re.sub(r"\{\{(\w+)\}\}", lambda found: words[found[1]], entry.read_text(encoding="utf-8"))
            # `x`: a file that has come in between is not overwritten either.
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            written.append(path)
    return written
