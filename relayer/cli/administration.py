# SPDX-License-Identifier: MIT
"""What the commands of an endpoint's administration share: options, a plan that is shown, its sending."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from relayer.cli.endpoint import (
    confirm_sending,
    describe_step,
    open_nodes,
    show_findings,
    stop_if_refused,
    teller,
)
from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import (
    AddressParam,
    combine,
    config_option,
    json_option,
    key_option,
    load_config,
    signer_name,
    unlock,
    yes_option,
)
from relayer.cli.output import doing, ether, moment, print_json, say, span
from relayer.cli.running import RUN_AGAIN, run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.chains.evm.node import Node
    from relayer.config import Config
    from relayer.endpoint.administration.run import AdministrationPlan
    from relayer.endpoint.administration.site import Site, Want, Wanted
    from relayer.endpoint.apply import Progress
    from relayer.endpoint.manifest import Manifest
    from relayer.keys import Key
    from relayer.views.administration import AdministrationView, ChangeView, SentCallView

_READING: Final = "Reading the endpoint"


@dataclass(frozen=True, slots=True)
class How:
    """The options that all commands of the administration take.

    Attributes:
        yes: don't ask.
        dry_run: show the plan and stop.
        cancel: take back what is scheduled.
        print_call: print the calls and send nothing.
        sender: who will send what is printed, 20 bytes; None for the key's account, or who has the role.
        key: the keystore that signs; None for the configured one.
        config_path: the configuration file.
        as_json: print JSON.
    """

    yes: bool
    dry_run: bool
    cancel: bool
    print_call: bool
    sender: bytes | None
    key: str | None
    config_path: Path
    as_json: bool

    @property
    def sends(self) -> bool:
        """Whether anything may be sent."""
        return not self.dry_run and not self.print_call


_how = combine(
    click.option("--dry-run", is_flag=True, help="Show the plan and stop."),
    click.option("--cancel", is_flag=True, help="Take it back where it is scheduled."),
    click.option("--print-call", is_flag=True, help="Print the calls for a multisig, and send nothing."),
    click.option(
        "--from",
        "sender",
        type=AddressParam(),
        metavar="ADDRESS",
        help="Who will send what --print-call prints.",
    ),
    key_option,
    yes_option,
    config_option,
    json_option,
)


def administering(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the administration to a command, which gets them as `how`."""

    @functools.wraps(command)
    def run(
        *,
        yes: bool,
        dry_run: bool,
        cancel: bool,
        print_call: bool,
        sender: bytes | None,
        key: str | None,
        config_path: Path,
        as_json: bool,
        **others: Any,
    ) -> None:
        how = How(yes, dry_run, cancel, print_call, sender, key, config_path, as_json)
        if sender is not None and how.sends:
            raise click.UsageError(
                "--from goes with --print-call or --dry-run; what is sent is sent by --key"
            )
        command(how=how, **others)

    return _how(run)


def administrate(how: How, chain: str, want: Want, *, deploy_only: bool = False) -> None:
    """Plan what a command wants of the endpoint on a chain, show it, and send it or print it.

    With `deploy_only`, only the contract that comes first is deployed.
    """
    config = load_config(how.config_path)
    config.chain(chain)
    work = _administrate(config, how, chain, want, deploy_only=deploy_only)
    run_async(work, when_interrupted=RUN_AGAIN if how.sends else "")


async def _administrate(config: Config, how: How, chain: str, want: Want, *, deploy_only: bool) -> None:
    from relayer.endpoint.manifest import Manifest

    manifest = Manifest(config.manifest_path)
    key = None
    if how.sends:
        key = unlock(config, signer_name(config, chain, how.key, purpose="deployer"))
    async with open_nodes(config, config.chains) as nodes:
        if key is None:
            await _only_show(config, manifest, nodes, how, chain, want)
            return
        # The lock covers planning, too: what another process sends meanwhile would be sent twice.
        with manifest.locked():
            await _Sending(config, manifest, nodes, how, chain, key).run(want, deploy_only=deploy_only)


async def _only_show(
    config: Config, manifest: Manifest, nodes: dict[str, Node], how: How, chain: str, want: Want
) -> None:
    from relayer.endpoint.administration.run import make_administration_plan
    from relayer.endpoint.administration.site import read_site
    from relayer.views.administration import administration_view

    with doing(_READING):
        site = await read_site(config, manifest, nodes, chain)
        wanted = await want(site)
    account = how.sender or _find_account(config, how, site, wanted)
    plan = await make_administration_plan(site, wanted, account, cancel=how.cancel)
    created_at_ms = int(time.time() * 1000) if how.print_call else None
    view = administration_view(plan, created_at_ms=created_at_ms)
    if how.print_call and any(decision.change.is_provisional for decision in plan.decisions):
        raise CommandFailed(
            ExitCode.USAGE,
            "no light client yet that the call could name",
            "one that is deployed",
            "Anybody may deploy it: run this with --deploy-only and a key that pays, then again; or name one with --client.",
        )
    if not how.as_json:
        show_plan(plan, view)
    stop_if_refused(plan, view, as_json=how.as_json)
    if how.as_json:
        print_json(view)
    elif how.print_call:
        _show_calls(view)
    else:
        say("Nothing was sent (--dry-run).")


def _find_account(config: Config, how: How, site: Site, wanted: Wanted) -> bytes:
    """Return who sends: the named or configured key's account, or for a multisig the only one who may."""
    from relayer.endpoint.administration.run import find_senders
    from relayer.keys import KeyStore

    if how.print_call and how.key is None and wanted.changes:
        senders = find_senders(site, wanted.changes[-1])
        if len(senders) == 1:
            return senders[0]
        names = ", ".join(hex_of(sender) for sender in senders) or "nobody"
        raise CommandFailed(
            ExitCode.USAGE,
            f"a call that {len(senders)} accounts may make ({names})",
            "one of them",
            "Name the one that will send it with --from: its delay decides what is printed.",
        )
    return (
        KeyStore(config.keys_directory)
        .find(signer_name(config, site.name, how.key, purpose="deployer"))
        .address
    )


@dataclass(slots=True)
class _Sending:
    """One run that sends."""

    config: Config
    manifest: Manifest
    nodes: dict[str, Node]
    how: How
    chain: str
    key: Key

    async def run(self, want: Want, *, deploy_only: bool) -> None:
        from relayer.endpoint.administration.run import apply_administration, find_scheduled, finish_earlier
        from relayer.views.administration import SentCallView, administration_view

        sent: list[SentCallView] = []
        show = teller(as_json=self.how.as_json)

        def tell(progress: Progress) -> None:
            show(progress)
            if progress.moment.value == "done":
                sent.append(
                    SentCallView(
                        what=describe_step(progress.step.kind.value, progress.step.remote),
                        tx_hash=progress.tx_hash,
                        gas_used=progress.gas_used,
                        fee_wei=progress.fee_wei,
                    )
                )

        await finish_earlier(self.config, self.manifest, self.nodes, self.chain, self.key, tell)
        plan = await self._plan(want, deploy_only=deploy_only)
        first = plan
        view = administration_view(plan)
        if not self.how.as_json:
            show_plan(plan, view)
        stop_if_refused(plan, view, as_json=self.how.as_json)
        goes_on = bool(plan.steps)
        if goes_on and not self.how.yes:
            confirm_sending(as_json=self.how.as_json)
        if goes_on:
            await apply_administration(plan, self.key, tell)
            if plan.is_deploying and not deploy_only:
                # The client's address is known now, and what was deployed is judged as it stands there.
                plan = await self._plan(want)
                stop_if_refused(plan, administration_view(plan), as_json=self.how.as_json)
                await apply_administration(plan, self.key, tell)
        scheduled = await find_scheduled(plan.site, [decision.change for decision in plan.decisions])
        view = administration_view(plan, applied=goes_on, transactions=sent, scheduled=scheduled)
        if self.how.as_json:
            print_json(view)
        elif goes_on:
            _show_outcome(view, deploy_only=deploy_only and first.is_deploying, manifest=self.manifest)

    async def _plan(self, want: Want, *, deploy_only: bool = False) -> AdministrationPlan:
        from relayer.endpoint.administration.run import make_administration_plan
        from relayer.endpoint.administration.site import read_site

        with doing(_READING):
            site = await read_site(self.config, self.manifest, self.nodes, self.chain)
            wanted = await want(site)
        return await make_administration_plan(
            site, wanted, self.key.address, cancel=self.how.cancel, only_deploy=deploy_only
        )


def show_plan(plan: AdministrationPlan, view: AdministrationView) -> None:
    """Print what was found, what is compared, and what is done next by whom, through which role, and when."""
    show_findings(plan.findings)
    for change in view.changes:
        for line in change.compare:
            say(line)
    if plan.is_deploying:
        say(f"First, {hex_of(view.account)} deploys a light client on {view.chain}.")
    for change in view.changes:
        for line in _plan_lines(view, change):
            say(line)
    say(f"About {plan.gas:,} gas." if plan.steps else "Nothing to send.")


def _plan_lines(view: AdministrationView, change: ChangeView) -> list[str]:
    who = hex_of(view.account)
    through = "as its owner" if change.role is None else f"as {change.label}"
    does = {
        "call": f"{who} calls it {through}; it works at once",
        "schedule": f"{who} schedules it {through}; it waits {change.delay_s} s ({span(change.delay_s)})",
        "execute": f"{who} executes it {through}, as it was scheduled",
        "cancel": f"{who} takes back what is scheduled",
    }.get(change.act)
    if does is None:
        return []
    lines = [f"{change.name}: {change.effect}", f"    {does}"]
    if change.call is not None:
        lines.append(f"    {change.contract} {hex_of(change.target)}: {change.call}")
    return lines


def _show_calls(view: AdministrationView) -> None:
    if not view.calls:
        say(f"No call is left for {hex_of(view.account)} to make.")
    for number, call in enumerate(view.calls, 1):
        ready = "" if call.ready_at is None else f", from {moment(call.ready_at)} on"
        for line in (
            f"\n{number}. {call.name}: {call.change}",
            f"   when    {call.when}{ready}",
            f"   from    {hex_of(view.account)}",
            f"   to      {hex_of(call.target)}",
            f"   value   {call.value}",
            f"   data    {hex_of(call.data)}",
        ):
            say(line)
    say(
        "\nNothing was sent (--print-call). With --json, each call has a `batch` for Safe's Transaction Builder."
    )


def _show_outcome(view: AdministrationView, *, deploy_only: bool, manifest: Manifest) -> None:
    if deploy_only:
        record = manifest.get(view.chain)
        assert record is not None
        for source, client in record.clients.items():
            say(f"The light client of {source}: {hex_of(client.contract.address)}")
        return
    for change in view.changes:
        if change.act == "schedule" and change.ready_at is not None:
            when = moment(change.ready_at)
            text = (
                f"scheduled; run the same command again after {when} to execute it, or with --cancel before"
            )
        elif change.act in {"call", "execute"}:
            text = "done"
        elif change.act == "cancel":
            text = "taken back"
        else:
            continue
        say(f"{change.name}: {text}")
    fee_wei = sum(sent.fee_wei for sent in view.transactions)
    count = len(view.transactions)
    say(f"{count} transaction{'' if count == 1 else 's'}, {ether(fee_wei)} paid")
