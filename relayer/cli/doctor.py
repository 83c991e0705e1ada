# SPDX-License-Identifier: MIT
"""`postroad doctor`: looks at everything that could be wrong, and says what to do about it."""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.options import config_option, json_option
from relayer.cli.output import doing, print_json
from relayer.cli.running import run_async

if TYPE_CHECKING:
    from relayer.config import Config
    from relayer.consensus.findings import Finding

#: It holds the journal of some two million messages of 32 bytes (ADR 0004).
_LEAST_FREE_BYTES: Final = 1 << 30


@click.command()
@config_option
@json_option
def doctor(config_path: Path, as_json: bool) -> None:
    """Look for what is wrong: installation, tools, configuration, keys, chains, endpoints, journal.

    Nothing is changed. Without a configuration, it says what to do next. Exits with 1 when something keeps
    messages from arriving.
    """
    from relayer.cli.endpoint import show_findings
    from relayer.consensus.findings import has_refusal
    from relayer.views.finding import check_view

    with doing("Looking at the installation"):
        findings = [*_look_at_installation(), *_look_at_tools()]
    findings += _look_at_config(config_path) if config_path.exists() else _look_around(config_path)
    if as_json:
        print_json(check_view(findings))
    else:
        show_findings(findings)
    if has_refusal(findings):
        raise click.exceptions.Exit(ExitCode.PROBLEM)


def _look_around(path: Path) -> list[Finding]:
    """Return what a person without a configuration can do, by what lies around."""
    from relayer.cli.devnet import DEFAULT_DIRECTORY
    from relayer.consensus.findings import Finding, Severity
    from relayer.devnet.network.join import CONFIG_FILE, KEYS_FOLDER
    from relayer.errors import PostroadError
    from relayer.keys import KeyStore

    findings = []
    with contextlib.suppress(PostroadError):
        names = [key.name for key in KeyStore(path.parent / KEYS_FOLDER).list()]
        if names:
            findings.append(Finding(Severity.OK, "keys", f"{', '.join(names)}, beside where it would be"))
    local = Path(DEFAULT_DIRECTORY) / CONFIG_FILE
    if local.exists():
        advice = 'Local chains have one: eval "$(postroad devnet env)", and run this again.'
    else:
        advice = (
            "To see everything work on two local chains: postroad demo. To try it there yourself: postroad "
            "devnet up. For chains of your own: postroad init, or name a file with --config."
        )
    return [*findings, Finding(Severity.WARNING, str(path), "no such file", "a configuration", advice)]


def _look_at_installation() -> list[Finding]:
    from light_clients import ecdsa, hashing
    from relayer.consensus.findings import Finding, Severity
    from relayer.consensus.registry import kinds
    from relayer.contracts import UnknownContract, load

    findings = [
        Finding(Severity.OK, "Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    ]
    if not ecdsa.BACKEND.is_fast:
        findings.append(
            Finding(Severity.WARNING, "btclib-secp256k1", "not installed", "installed", ecdsa.SLOW_ADVICE)
        )
    if not hashing.IS_FAST:
        findings.append(
            Finding(Severity.WARNING, "safe-pysha3", "not installed", "installed", hashing.SLOW_ADVICE)
        )
    for kind in kinds():
        findings += [
            Finding(Severity.WARNING, f"{module} ({kind.name})", "not installed", "installed", advice)
            for module, advice in kind.slow_without().items()
        ]
    try:
        names = [
            load(name).name
            for name in ("Gateway", "AccessManager", *(name for kind in kinds() for name in kind.contracts))
        ]
        findings.append(Finding(Severity.OK, "contracts", f"{', '.join(names)} ship with this installation"))
    except UnknownContract as error:
        findings.append(Finding(Severity.REFUSAL, "contracts", error.found, error.expected, error.advice))
    return findings


def _look_at_tools() -> list[Finding]:
    from relayer.consensus.findings import Finding, Severity
    from relayer.devnet.process import toolchain

    try:
        version = toolchain.read_version(toolchain.find_anvil())
    except toolchain.ToolNotFoundError as error:
        # Only local chains need anvil, so this is no refusal.
        return [
            Finding(
                Severity.WARNING,
                "anvil",
                str(error),
                "anvil, for `demo` and `devnet`",
                "Relaying works without.",
            )
        ]
    return [Finding(Severity.OK, "anvil", version)]


def _look_at_config(path: Path) -> list[Finding]:
    from relayer.cli.checks import check_files, check_live
    from relayer.cli.options import load_config
    from relayer.config import InvalidConfig
    from relayer.consensus.findings import Finding, Severity

    try:
        config = load_config(path)
    except InvalidConfig as error:
        return [Finding(Severity.REFUSAL, str(path), error.found, error.expected, error.advice)]
    findings = [Finding(Severity.OK, str(path), f"{len(config.chains)} chains: {', '.join(config.chains)}")]
    findings += check_files(config)

    async def look() -> list[Finding]:
        return [*await check_live(config), *await _look_at_endpoints(config)]

    findings += run_async(look(), "Asking every provider, and checking the endpoints")
    # What the journal's URL alone shows is told already.
    return [*findings, *(finding for finding in _look_at_journal(config) if finding not in findings)]


async def _look_at_endpoints(config: Config) -> list[Finding]:
    from relayer.cli.endpoint import open_nodes
    from relayer.consensus.findings import Finding, Severity
    from relayer.endpoint.check import check_endpoints
    from relayer.endpoint.manifest import Manifest
    from relayer.endpoint.steps import locate
    from relayer.errors import PostroadError

    manifest = Manifest(config.manifest_path)
    names = [name for name in config.chains if locate(config, manifest, name) is not None]
    try:
        async with open_nodes(config, config.chains) as nodes:
            return list(await check_endpoints(config, manifest, nodes, names))
    except PostroadError as error:
        return [Finding(Severity.REFUSAL, "endpoints", error.found, error.expected, error.advice)]


def _look_at_journal(config: Config) -> list[Finding]:
    from relayer.consensus.findings import Finding, Severity
    from relayer.errors import PostroadError
    from relayer.journal.errors import JournalUnreadable
    from relayer.journal.store import Journal

    findings = []
    try:
        with Journal.open(config.journal_url.reveal(), read_only=True) as journal:
            waiting = len(journal.pending())
        findings.append(Finding(Severity.OK, "journal", f"{waiting} messages wait"))
    except JournalUnreadable as error:
        advice = "There is one once `postroad run` was started here."
        findings.append(Finding(Severity.WARNING, "journal", error.found, error.expected, advice))
    except PostroadError as error:
        findings.append(Finding(Severity.REFUSAL, "journal", error.found, error.expected, error.advice))
    free = shutil.disk_usage(config.directory).free
    if free < _LEAST_FREE_BYTES:
        found = f"{free >> 20} MiB free in {config.directory}"
        advice = "A journal that can't be written stops the relayer: make room."
        findings.append(Finding(Severity.WARNING, "disk", found, "at least 1 GiB", advice))
    if sys.platform not in {"linux", "darwin"}:
        findings.append(
            Finding(Severity.WARNING, "system", sys.platform, "Linux or macOS", "Nobody tries others.")
        )
    return findings
