# SPDX-License-Identifier: MIT
"""`postroad endpoint`: deploys, joins, lists and checks endpoints."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import config_option, json_option, key_option, load_config, signer_of, yes_option
from relayer.cli.output import doing, print_json, print_table, say, span
from relayer.cli.running import RUN_AGAIN, run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.chains.evm.node import Node
    from relayer.config import Config
    from relayer.consensus.findings import Finding
    from relayer.endpoint.access import AccessView
    from relayer.endpoint.administration.run import AdministrationPlan
    from relayer.endpoint.apply import Progress
    from relayer.endpoint.manifest import Manifest
    from relayer.endpoint.plan import DeploymentPlan
    from relayer.endpoint.view import EndpointView
    from relayer.views.endpoint import EndpointAccessView, RuleView
    from relayer.views.plan import PlanOutcomeView, SavedEndpointView


@click.group()
def endpoint() -> None:
    """Deploy, join, list and check endpoints.

    An endpoint is a chain's gateway contract with the light clients of the chains that it is joined to. Every
    change is planned and shown before it is sent, and is safe to run twice: what is done is kept in a
    manifest and checked on chain.
    """


@endpoint.command("deploy")
@click.argument("chains", nargs=-1)
@click.option(
    "--join/--no-join",
    default=True,
    help="Join them with the other configured chains, both ways where possible.",
)
@click.option(
    "--leave-open", is_flag=True, help="Don't put the admin behind its delay yet (`check` will complain)."
)
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@key_option
@yes_option
@config_option
@json_option
def deploy(
    chains: tuple[str, ...],
    join: bool,
    leave_open: bool,
    dry_run: bool,
    key: str | None,
    yes: bool,
    config_path: Path,
    as_json: bool,
) -> None:
    """Deploy endpoints on CHAINS (default: all configured ones) and join them."""
    config = load_config(config_path)
    names = list(dict.fromkeys(chains)) or list(config.chains)
    for name in names:
        config.chain(name)
    pairs = _pairs_to_join(config, names) if join else []
    run_async(
        _plan_and_apply(
            config,
            config_path,
            names,
            pairs,
            key=key,
            close=not leave_open,
            dry_run=dry_run,
            yes=yes,
            as_json=as_json,
        ),
        when_interrupted=RUN_AGAIN,
    )


@endpoint.command("register")
@click.argument("chain")
@click.argument("remote")
@click.option("--both", is_flag=True, help="Also register CHAIN on REMOTE.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@key_option
@yes_option
@config_option
@json_option
def register(
    chain: str,
    remote: str,
    both: bool,
    dry_run: bool,
    key: str | None,
    yes: bool,
    config_path: Path,
    as_json: bool,
) -> None:
    """Join the endpoint of CHAIN with REMOTE: a light client of REMOTE on CHAIN, and its registration.

    Where the admin is behind a delay, the registration is scheduled first; run the same command again to
    execute it.
    """
    config = load_config(config_path)
    if config.chain(chain) is config.chain(remote):
        raise click.UsageError("a chain can't be joined with itself")
    names = [chain, remote] if both else [chain]
    pairs = [(chain, remote), (remote, chain)] if both else [(chain, remote)]
    run_async(
        _plan_and_apply(
            config,
            config_path,
            names,
            pairs,
            key=key,
            close=False,
            dry_run=dry_run,
            yes=yes,
            as_json=as_json,
            existing=True,
        ),
        when_interrupted=RUN_AGAIN,
    )


@endpoint.command("list")
@config_option
@json_option
def list_(config_path: Path, as_json: bool) -> None:
    """List the endpoints of the configured chains, with what they are joined to, as read on chain."""
    config = load_config(config_path)
    views = run_async(_view_all(config, with_access=as_json), "Reading the endpoints")
    if as_json:
        from relayer.views.endpoint import listed_endpoint

        print_json([listed_endpoint(name, view, access) for name, (view, access) in views.items()])
        return
    rows = []
    for name, (view, _) in views.items():
        if view is None:
            rows.append((name, "-", "-", "no endpoint yet"))
            continue
        joined = ", ".join(_remote_text(view, remote.name) for remote in view.remotes) or "nothing"
        rows.append((name, hex_of(view.located.gateway), hex_of(view.located.endpoint_id), joined))
    print_table(("chain", "gateway", "endpoint", "joined to"), rows, empty="No chains are configured.")


@endpoint.command("check")
@click.argument("chains", nargs=-1)
@config_option
@json_option
def check(chains: tuple[str, ...], config_path: Path, as_json: bool) -> None:
    """Check endpoints: code, ids, who may change them, light clients, and chains that look alike.

    Shows who may do what. Exits with 1 when something would let messages be forged or get lost.
    """
    from relayer.consensus.findings import has_refusal
    from relayer.endpoint.check import Checked, examine_endpoints
    from relayer.views.endpoint import access_view, endpoint_check_view

    config = load_config(config_path)
    names = list(dict.fromkeys(chains)) or list(config.chains)
    for name in names:
        config.chain(name)

    async def run() -> Checked:
        async with open_nodes(config, config.chains) as nodes:
            return await examine_endpoints(config, _manifest(config), nodes, names)

    checked = run_async(run(), "Checking the endpoints")
    if as_json:
        print_json(endpoint_check_view(checked.findings, checked.access))
    else:
        show_findings(checked.findings)
        show_access([access_view(name, view) for name, view in checked.access.items()])
    if has_refusal(checked.findings):
        raise click.exceptions.Exit(ExitCode.PROBLEM)


async def _plan_and_apply(
    config: Config,
    config_path: Path,
    names: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    key: str | None,
    close: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    existing: bool = False,
) -> None:
    from relayer.endpoint.apply import apply_plan, mend_earlier
    from relayer.endpoint.plan import make_plan

    manifest = _manifest(config)
    if existing:
        _require_endpoints(config, manifest, names)
    keys = {name: signer_of(config, name, key, purpose="deployer") for name in names}
    involved = dict.fromkeys([*names, *(chain for pair in pairs for chain in pair)])
    async with open_nodes(config, involved) as nodes:
        # The lock covers planning, too. A plan from a manifest that another process writes meanwhile could
        # deploy a second time.
        with manifest.locked():
            tell = teller(as_json=as_json)
            if not dry_run:
                await mend_earlier(config, manifest, nodes, keys, tell)
            deployers = {name: signer.address for name, signer in keys.items()}
            with doing("Looking at the chains and planning"):
                plan = await make_plan(config, manifest, nodes, deployers, pairs, close=close)
            if not as_json:
                show_plan(plan)
            stop_if_refused(plan, _outcome(plan, {}, applied=False), as_json=as_json)
            goes_on = bool(plan.steps) and not dry_run
            if goes_on and not yes:
                confirm_sending(as_json=as_json)
            if goes_on:
                await apply_plan(plan, config, manifest, nodes, keys, tell)
            # This is done also where nothing had to be sent: a run that was cut short may have deployed
            # without writing it down.
            saved = {} if dry_run else _save(config, config_path, names, plan)
    if as_json:
        print_json(_outcome(plan, saved, applied=goes_on))
        return
    if dry_run:
        say("Nothing was sent (--dry-run).")
    for name, found in saved.items():
        say(f"{name}: gateway {hex_of(found.gateway)}, written to {config_path}")


def stop_if_refused(plan: DeploymentPlan | AdministrationPlan, view: object, *, as_json: bool) -> None:
    """Raise PlanRefused where a finding forbids the plan; with `as_json`, its view is printed first."""
    from relayer.endpoint.apply import PlanRefused

    if not plan.is_refused:
        return
    if as_json:
        print_json(view)
    raise PlanRefused(
        "the plan is refused by its findings", "none that forbid it", "Mend them, and run again."
    )


def _require_endpoints(config: Config, manifest: Manifest, names: Iterable[str]) -> None:
    from relayer.endpoint.steps import locate

    for name in names:
        if locate(config, manifest, name) is None:
            raise CommandFailed(
                ExitCode.CONFIG,
                f"{name} has no endpoint yet",
                "one",
                f"Run `postroad endpoint deploy {name}` first.",
            )


def _outcome(
    plan: DeploymentPlan, saved: Mapping[str, SavedEndpointView], *, applied: bool
) -> PlanOutcomeView:
    from relayer.views.plan import PlanOutcomeView, plan_view

    return PlanOutcomeView(plan=plan_view(plan), applied=applied, endpoints=saved)


def _save(
    config: Config, path: Path, names: Iterable[str], plan: DeploymentPlan
) -> dict[str, SavedEndpointView]:
    """Write new endpoints into the configuration file, and return them; complete ones stay as they are."""
    from relayer.config import save_endpoint
    from relayer.endpoint.plan import found_endpoint
    from relayer.endpoint.steps import locate
    from relayer.views.plan import SavedEndpointView

    manifest = _manifest(config)
    saved = {}
    for name in names:
        located = locate(config, manifest, name)
        if located is None:
            continue
        table = config.chain(name)
        if not table.missing:
            continue
        found = found_endpoint(plan, config, manifest, name)
        save_endpoint(path, name, found)
        saved[name] = SavedEndpointView(
            gateway=found.gateway,
            genesis_hash=found.genesis_hash,
            endpoint_id=located.endpoint_id,
            consensus=found.consensus,
        )
    return saved


def _pairs_to_join(config: Config, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return every pair (on, remote) that a served lane needs: each direction needs both registrations."""
    from relayer.endpoint.steps import locate

    manifest = _manifest(config)
    served = {frozenset((lane.source, lane.destination)) for lane in config.served_lanes()}
    known = {name for name in config.chains if name in names or locate(config, manifest, name) is not None}
    return [
        (on, remote)
        for on in names
        for remote in config.chains
        if remote in known and frozenset((on, remote)) in served
    ]


def confirm_sending(*, as_json: bool) -> None:
    """Ask whether the plan is sent. Raises CommandFailed on a no, and where nobody is there to ask."""
    if as_json or not sys.stdin.isatty():
        raise CommandFailed(
            ExitCode.USAGE,
            "a plan, and nobody to ask",
            "--yes",
            "Look at the plan with --dry-run, then add --yes.",
        )
    if not click.confirm("Send these transactions?", err=True):
        raise CommandFailed(ExitCode.ABORTED, "the answer no", "", "Nothing was sent.")


def teller(*, as_json: bool) -> Any:
    """Return a function that prints progress on stderr, so that stdout has only what was asked for."""
    from relayer.endpoint.apply import Moment

    def tell(progress: Progress) -> None:
        if as_json:
            return
        number = f"[{progress.number}/{progress.total}] " if progress.number else ""
        step = progress.step
        place = f"{number}{step.chain}: {describe_step(step.kind.value, step.remote)}"
        if progress.moment is Moment.DONE:
            news = f"✓ {progress.gas_used:,} gas"
        elif progress.moment is Moment.RESUMED:
            news = f"… taking up {hex_of(progress.tx_hash)}"
        elif progress.moment is Moment.WAITING:
            news = f"… waits: {progress.reason}"
        else:
            news = f"… {hex_of(progress.tx_hash)}"
        say(f"{place} {news}", stderr=True)

    return tell


def describe_step(kind: str, remote: str) -> str:
    """Return what a step does, for people; `kind` is the value of its StepKind."""
    return {
        "authority": "deploy the AccessManager, which says who may change the endpoint",
        "gateway": "deploy the Gateway (outbox and inbox)",
        "roles": "give the guardian the right to pause",
        "client": f"deploy a light client of {remote}",
        "register": f"register {remote}",
        "schedule": f"schedule the registration of {remote} (the admin's delay)",
        "execute": f"register {remote}, as scheduled",
        "close": "put the admin behind its delay",
        "administer": remote,
    }[kind]


def show_plan(plan: DeploymentPlan) -> None:
    """Print what a plan found, what its light clients will trust, and what it will send."""
    from relayer.cli.output import ether, price

    show_findings(plan.findings)
    for line in plan.describe_trusts():
        say(line)
    if not plan.steps:
        say("\nNothing to send.")
        return
    say("\nTransactions:")
    rows = [
        (
            str(number),
            step.chain,
            f"{step.gas:,}",
            ether(plan.cost_wei(step)),
            describe_step(step.kind.value, step.remote),
        )
        for number, step in enumerate(plan.steps, 1)
    ]
    print_table(("#", "chain", "gas at most", "cost now", "what"), rows, empty="")
    for name, account in plan.deployers.items():
        total = sum(plan.cost_wei(step) for step in plan.steps if step.chain == name)
        if total:
            most, now = plan.prices[name].max_wei, plan.unit_wei(name)
            terms = f"at {price(now)}, signed for at most {price(most)}"
            say(f"{name}: about {ether(total)} from {hex_of(account)}, {terms}")


def show_findings(findings: Iterable[Finding]) -> None:
    """Print findings, one a line, with what to do about those that are not fine."""
    marks = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "refusal": ("✗", "red")}
    for finding in findings:
        expected = f" (expected {finding.expected})" if finding.expected else ""
        advice = f"\n    {finding.advice}" if finding.advice and finding.severity.value != "ok" else ""
        mark, style = marks[finding.severity.value]
        say(f"{finding.subject}: {finding.found}{expected}{advice}", mark=mark, style=style)


def show_access(views: Iterable[EndpointAccessView]) -> None:
    """Print who may do what, a table a chain."""
    for view in views:
        say(f"\nWho may do what on {view.chain} (AccessManager {hex_of(view.manager)}):")
        rows = [
            (rule.contract, ", ".join(rule.functions), rule.label, _members_text(rule, view.now))
            for rule in view.rules
        ]
        print_table(("contract", "functions", "role", "who, and what each call waits"), rows, empty="")


def _members_text(rule: RuleView, now: int) -> str:
    from relayer.endpoint.access import PUBLIC_ROLE

    if rule.role == PUBLIC_ROLE:
        return "everybody, at once"
    texts = []
    for member in rule.members:
        text = f"{hex_of(member.account)} " + (
            f"after {span(member.delay_s)}" if member.delay_s else "at once"
        )
        if member.next_delay_s is not None and member.next_delay_at is not None:
            text += f" ({span(member.next_delay_s)} in {span(member.next_delay_at - now)})"
        texts.append(text + (f" (in {span(member.since - now)})" if member.since > now else ""))
    return ", ".join(texts) or "nobody"


@contextlib.asynccontextmanager
async def open_nodes(config: Config, names: Iterable[str]) -> AsyncIterator[dict[str, Node]]:
    """Give a node for each named chain, and close them in the end."""
    from relayer.chains.evm.node import Node

    nodes = {name: Node.over(name, [url.reveal() for url in config.chain(name).rpc]) for name in names}
    try:
        yield nodes
    finally:
        for node in nodes.values():
            await node.close()


async def _view_all(
    config: Config, *, with_access: bool
) -> dict[str, tuple[EndpointView | None, AccessView | None]]:
    """Read every endpoint, and who may do what there where that is asked for and can be read."""
    from relayer.endpoint.access import read_access_of
    from relayer.endpoint.view import view_endpoint

    manifest, views = _manifest(config), {}
    async with open_nodes(config, config.chains) as nodes:
        for name, node in nodes.items():
            view = await view_endpoint(config, manifest, node, name)
            access = None
            if with_access and view is not None and view.is_manager:
                access = await read_access_of(node, manifest, view)
            views[name] = (view, access)
    return views


def _remote_text(view: EndpointView, name: str) -> str:
    remote = view.remote(name)
    assert remote is not None
    if remote.client is None:
        return f"{name} (unknown client)"
    left = remote.client.timestamp + remote.client.trusting_period_s - view.now
    state = remote.client.status.name.lower()
    paused = ", paused" if remote.is_paused else ", retired" if remote.is_retired else ""
    return f"{name} (client {state}, {span(left)} left{paused})"


def _manifest(config: Config) -> Any:
    from relayer.endpoint.manifest import Manifest

    return Manifest(config.manifest_path)
