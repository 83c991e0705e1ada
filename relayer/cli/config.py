# SPDX-License-Identifier: MIT
"""`postroad config check`: checks the file by itself, and with --live everything that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.options import config_option, json_option, load_config
from relayer.cli.output import print_json
from relayer.cli.running import run_async

if TYPE_CHECKING:
    from relayer.config import Config
    from relayer.consensus.findings import Finding


@click.group()
def config() -> None:
    """Check the configuration."""


@config.command("check")
@click.option(
    "--live", is_flag=True, help="Also ask every provider, look for every key, and compare every gateway."
)
@config_option
@json_option
def check(live: bool, config_path: Path, as_json: bool) -> None:
    """Check the configuration file.

    Exits with 3 when it can't be used, with 1 when what it names is not right.
    """
    from relayer.cli.checks import check_files, check_live
    from relayer.cli.endpoint import show_findings
    from relayer.consensus.findings import Finding, Severity, has_refusal
    from relayer.views.finding import check_view

    loaded = load_config(config_path)

    async def look() -> list[Finding]:
        return await check_live(loaded)

    findings = [Finding(Severity.OK, str(config_path), _summary(loaded)), *check_files(loaded)]
    if live:
        findings += run_async(look(), "Asking every provider")
    if as_json:
        print_json(check_view(findings))
    else:
        show_findings(findings)
    if has_refusal(findings):
        raise click.exceptions.Exit(ExitCode.PROBLEM)


def _summary(config: Config) -> str:
    lanes, relayed = config.served_lanes(), config.relayed_lanes()
    kind = "every pair both ways" if config.lanes is None else f"{len(lanes)} named"
    rest = "" if len(relayed) == len(lanes) else f", of which `postroad run` serves {len(relayed)} now"
    return f"{len(config.chains)} chains ({', '.join(config.chains)}), {len(lanes)} lanes ({kind}){rest}"
