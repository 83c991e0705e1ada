# SPDX-License-Identifier: MIT
"""`postroad demo`: two local chains, and messages between them, before the user's eyes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.options import json_option
from relayer.cli.output import console, print_json
from relayer.cli.running import run_async


@click.command()
@click.option(
    "--messages",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="How many cross in each direction.",
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
def demo(messages: int, batch: int, plain: bool, as_json: bool) -> None:
    """Start a QBFT and an IBFT 2.0 chain, join them, relay messages both ways, and explain the proof of one.

    Everything is real: seals, headers, storage proofs, contracts, a relayer with its journal. Forgeries are tried, too.
    Nothing is left behind. Exits with 1 when anything is not as it should be.
    """
    from relayer.cli.demo.scenario import Options, play
    from relayer.cli.demo.stage import Stage

    out = console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="postroad-demo-") as folder:
        stage = Stage(out, is_live=out.is_terminal and not plain and not as_json)
        outcome = run_async(play(Options(messages, batch), Path(folder), stage))
    if as_json:
        print_json(outcome.to_json())
    if not outcome.is_good:
        raise click.exceptions.Exit(ExitCode.PROBLEM)
