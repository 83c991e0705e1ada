# SPDX-License-Identifier: MIT
"""`postroad run`: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from relayer.cli.options import config_option, load_config, unlock
from relayer.cli.running import run_async


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Log JSON, one object a line.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is logged; log.level of the configuration without.",
)
@config_option
def run(config_path: Path, as_json: bool, log_level: str | None) -> None:
    """Relay messages over the configured lanes until stopped.

    SIGTERM and Ctrl-C drain: what is signed is in the journal. It can be killed at any time; the next start
    resumes. Logs go to stderr; the HTTP API and metrics are served where [api] says.
    """
    import msgspec

    config = load_config(config_path)
    if as_json:
        config = msgspec.structs.replace(config, log=msgspec.structs.replace(config.log, format="json"))
    if log_level is not None:
        config = msgspec.structs.replace(config, log=msgspec.structs.replace(config.log, level=log_level))
    names = {name for chain in config.chains.values() for name in chain.keys}
    keys = {name: unlock(config, name) for name in sorted(names)}
    signers = {name: [keys[key] for key in chain.keys] for name, chain in config.chains.items()}
    # Imported late: it imports the journal and the pipeline, which a wrong configuration never needs.
    from relayer.api import serve
    from relayer.daemon import build

    async def relay() -> None:
        await build(config, signers=signers, serve=serve).run()

    run_async(relay())
