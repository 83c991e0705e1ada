# SPDX-License-Identifier: MIT
"""`postroad demo`: two local chains, and messages between them, before the user's eyes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import click

from relayer.cli import output
from relayer.cli.exit_codes import ExitCode
from relayer.cli.options import json_option
from relayer.cli.running import run_async

DEFAULT_CHAINS: Final = "court=bft:4@0.5,port=bft:ibft2:7@0.5"


@click.command()
@click.option(
    "--chains",
    default=DEFAULT_CHAINS,
    show_default=True,
    help="Two of NAME=KIND[:OPTION]...[@BLOCK_TIME], separated by a comma, such as court=bft:4@0.5,eth=ethereum.",
)
@click.option(
    "--messages",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="How many cross in either direction.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1_000),
    default=100,
    show_default=True,
    help="How many are sent at once for the gas table.",
)
@click.option("--plain", is_flag=True, help="Plain lines, as where there is no terminal.")
@json_option
def demo(chains: str, messages: int, batch: int, plain: bool, as_json: bool) -> None:
    """Start two chains, join them, relay messages both ways, and explain the proof of one.

    Everything is real: signatures, headers, storage proofs, contracts, a relayer with its journal.
    Forgeries are tried, too. With `--chains eth=ethereum,court=bft:4@0.5` one of them finalizes late; the
    explained message is from the first chain. Nothing is left behind. Exits with 1 when anything is not as
    it should be.
    """
    from relayer.cli.demo.console import DemoConsole
    from relayer.cli.demo.scenario import Options, play
    from relayer.devnet.errors import SpecError
    from relayer.devnet.network.spec import parse_spec

    specs = parse_spec(chains)
    if len(specs) != 2 or None in {spec.block_time_s for spec in specs}:
        raise SpecError(f"the chains {chains!r}", "two chains, whose blocks come by the clock")
    out = output.console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="postroad-demo-") as folder:
        shown_on = DemoConsole(out, is_live=out.is_terminal and not plain and not as_json)
        outcome = run_async(play(Options(specs, messages, batch), Path(folder), shown_on))
    if as_json:
        output.print_json(outcome.view())
    if not outcome.is_good:
        raise click.exceptions.Exit(ExitCode.PROBLEM)
