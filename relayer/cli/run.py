# SPDX-License-Identifier: MIT
"""`postroad run`: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relayer.cli.options import config_option, load_config, unlock
from relayer.cli.running import run_async

if TYPE_CHECKING:
    from relayer.keys import Key


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
    resumes. A chain without a complete endpoint is left out. Logs go to stderr; the HTTP API and metrics are
    served where [api] says.
    """
    import msgspec

    config = load_config(config_path)
    if as_json:
        config = msgspec.structs.replace(config, log=msgspec.structs.replace(config.log, format="json"))
    if log_level is not None:
        config = msgspec.structs.replace(config, log=msgspec.structs.replace(config.log, level=log_level))

    # Imported late: they import the journal and the pipeline, which a wrong configuration never needs.
    from relayer.api import require_free, serve
    from relayer.daemon import build

    def unlock_all() -> dict[str, list[Key]]:
        # Before the seconds that it takes, and before a person is asked.
        require_free(config.api)
        names = {name for chain in config.chains.values() for name in chain.keys}
        keys = {name: unlock(config, name) for name in sorted(names)}
        return {name: [keys[key] for key in chain.keys] for name, chain in config.chains.items()}

    async def relay() -> None:
        await build(config, signers=unlock_all, serve=serve).run()

    run_async(relay())
