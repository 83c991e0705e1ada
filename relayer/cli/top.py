# SPDX-License-Identifier: MIT
"""`postroad top`: a running relayer in a terminal, as its API tells it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import config_option, json_option, load_config
from relayer.cli.output import console, ether, print_json, span
from relayer.cli.running import run_async

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType
    from rich.table import Table

_ROUTES: Final = ("lanes", "chains", "clients", "transactions")
_TIMEOUT_S: Final = 10.0
_LEAST_INTERVAL_S: Final = 0.2
#: What one failure costs a provider that otherwise does well (relayer.chains.provider_pool).
_TROUBLED: Final = 1.0
#: A client that has less of its time left than this is shown in red: whoever can update it should.
_LATE_S: Final = 86_400


@dataclass(frozen=True)
class Snapshot:
    """What the API told at one moment: each route's answer, as JSON has it."""

    at: float
    lanes: Sequence[Mapping[str, Any]]
    chains: Sequence[Mapping[str, Any]]
    clients: Sequence[Mapping[str, Any]]
    transactions: Sequence[Mapping[str, Any]]


@click.command()
@click.option(
    "--api", metavar="URL", help="Of a relayer's API; where [api] of the configuration listens without."
)
@click.option(
    "--interval",
    type=click.FloatRange(_LEAST_INTERVAL_S, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Show it once and end.")
@config_option
@json_option
def top(api: str | None, interval: float, once: bool, config_path: Path, as_json: bool) -> None:
    """Show a running relayer: lanes and what waits in them, chains, accounts, light clients, transactions.

    Ctrl-C ends it. Without a terminal, and with --json, it shows one moment.
    """
    base = (api or _listening(config_path)).rstrip("/")
    out = console()
    if as_json or once or not out.is_terminal:
        snapshot = run_async(_ask(base))
        if as_json:
            print_json(snapshot)
        else:
            out.print(render(snapshot))
        return
    run_async(_watch(base, interval))


def _listening(config_path: Path) -> str:
    from relayer.errors import ConfigError

    listen = load_config(config_path).api.listen
    if not listen:
        raise ConfigError(
            "[api] listen is empty: the relayer serves no API", "an address", "Set it, or name --api."
        )
    return f"http://{listen}"


async def _watch(base: str, interval: float) -> None:
    from rich.live import Live

    with Live(console=console(), screen=True, auto_refresh=False) as live:
        while True:
            try:
                shown = render(await _ask(base))
            except CommandFailed as error:
                # A relayer that starts anew is back in a moment.
                shown = str(error)
            live.update(shown, refresh=True)
            await asyncio.sleep(interval)


async def _ask(base: str) -> Snapshot:
    """Ask for all that is shown. Raises CommandFailed."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    found: dict[str, Any] = {}
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for name in _ROUTES:
                async with session.get(f"{base}/v1/{name}") as answer:
                    answer.raise_for_status()
                    found[name] = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CommandFailed(
            ExitCode.UNAVAILABLE,
            f"{base} does not answer as a relayer does: {str(error) or type(error).__name__}",
            "a running relayer's API",
            "Is `postroad run` running, and is this its [api] listen?",
        ) from error
    transactions = found.pop("transactions")["transactions"]
    return Snapshot(time.time(), **found, transactions=transactions)


# --- what is shown ------------------------------------------------------------------------------------------


def render(snapshot: Snapshot) -> RenderableType:
    """Return a snapshot for people: nothing of it is wider than 80 columns, and ids are never cut."""
    from rich.console import Group
    from rich.text import Text

    waiting = sum(lane["backlog"] for lane in snapshot.lanes)
    head = Text.assemble(
        ("Postroad", "bold"),
        f"  chains: {len(snapshot.chains)}  lanes: {len(snapshot.lanes)}  waiting: {waiting}",
        f"  open transactions: {len(snapshot.transactions)}  ",
        (time.strftime("%H:%M:%S", time.localtime(snapshot.at)), "dim"),
    )
    return Group(
        head,
        Text(),
        _lanes(snapshot),
        Text(),
        _chains(snapshot),
        Text(),
        _clients(snapshot),
        *((Text(), _transactions(snapshot)) if snapshot.transactions else ()),
    )


def _table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def _lanes(snapshot: Snapshot) -> RenderableType:
    from rich.text import Text

    table = _table(
        "lane", "sent", "settled", "wait", "oldest", "why", numbers=("sent", "settled", "wait", "oldest")
    )
    # What waits longest is what somebody looks for.
    for lane in sorted(snapshot.lanes, key=lambda lane: lane["oldest_since"] or snapshot.at):
        oldest = lane["oldest_since"]
        reasons = [f"{count} {reason}" for reason, count in lane["waiting_messages"].items() if count]
        held = lane["waiting"]
        why = Text(", ".join(reasons))
        if held is not None:
            why = Text(
                f"{held['reason']}: {held['detail']}", style="" if held["reason"] == "finality" else "yellow"
            )
        table.add_row(
            lane["name"],
            str(lane["proven"]),
            str(lane["settled"]),
            str(lane["backlog"]),
            "" if oldest is None else span(max(0.0, snapshot.at - oldest)),
            why,
        )
    return table


def _chains(snapshot: Snapshot) -> RenderableType:
    from rich.text import Text

    table = _table(
        "chain", "head", "verified", "age", "open", "account", numbers=("head", "verified", "age", "open")
    )
    for chain in snapshot.chains:
        accounts = Text("\n").join(_account(account) for account in chain["accounts"])
        age = snapshot.at - chain["verified_timestamp"] if chain["verified_timestamp"] else None
        table.add_row(
            chain["name"],
            "" if chain["head_height"] is None else str(chain["head_height"]),
            str(chain["verified_height"]),
            "" if age is None else span(max(0.0, age)),
            str(chain["open_transactions"]),
            accounts,
        )
        for provider in chain["providers"]:
            if provider["is_excluded"] or provider["cost"] >= _TROUBLED:
                state = "serves another chain" if provider["is_excluded"] else "in trouble"
                table.add_row("", "", "", "", "", Text(f"{provider['label']} {state}", style="yellow"))
    return table


def _account(account: Mapping[str, Any]) -> Any:
    from rich.text import Text

    balance, left = account["balance_wei"], account["deliveries_left"]
    if balance is None:
        return Text("balance not read yet", style="dim")
    text = ether(balance)
    if left is not None:
        text += f", {left} deliveries"
    return Text(text, style="red" if left is not None and left < 20 else "")


def _clients(snapshot: Snapshot) -> RenderableType:
    from rich.text import Text

    table = _table("light client", "status", "height", "expires in", numbers=("height", "expires in"))
    for client in snapshot.clients:
        left = None if client["expires_at"] is None else client["expires_at"] - snapshot.at
        is_late = left is not None and left < _LATE_S
        table.add_row(
            f"{client['source']} on {client['destination']}",
            Text(str(client["status"]), style="" if client["status"] == "active" else "red"),
            "" if client["height"] is None else str(client["height"]),
            Text(
                "" if left is None else span(left) if left > 0 else "over", style="yellow" if is_late else ""
            ),
        )
    return table


def _transactions(snapshot: Snapshot) -> RenderableType:
    table = _table("open transaction", "chain", "nonce", "purpose", "why it waits", numbers=("nonce",))
    for transaction in snapshot.transactions[:10]:
        table.add_row(
            str(transaction["id"]),
            transaction["chain"],
            str(transaction["nonce"]),
            transaction["purpose"],
            _reason(transaction),
        )
    return table


def _reason(transaction: Mapping[str, Any]) -> str:
    reason, detail = transaction.get("reason"), transaction.get("detail")
    return ": ".join(part for part in (reason, detail) if part)
