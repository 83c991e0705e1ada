# SPDX-License-Identifier: MIT
"""`postroad client`: light clients on chain, shown and updated by hand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relayer.cli.administration import How, administering, administrate
from relayer.cli.options import AddressParam, config_option, json_option, key_option, load_config, signer_of
from relayer.cli.output import ether, print_json, print_table, say, span
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.config import Config
    from relayer.endpoint.administration.site import Site, Wanted
    from relayer.road import Road
    from relayer.views.client import LightClientView


@click.group()
def client() -> None:
    """Show, update, bootstrap and replace light clients. A running relayer updates them by itself."""


@client.command("status")
@config_option
@json_option
def status(config_path: Path, as_json: bool) -> None:
    """Show each chain's light client on each chain that it is joined to."""
    config = load_config(config_path)
    views = run_async(_read_all(config), "Reading the light clients")
    if as_json:
        print_json(views)
        return
    now_s = time.time()
    columns = ("of", "on", "client", "status", "trusted height", "expires in", "signers")
    print_table(columns, [_row(view, now_s) for view in views], empty="No chains are joined.")
    for view in views:
        for remark in view.remarks:
            say(f"{view.source} on {view.destination}: {remark}")


def _row(view: LightClientView, now_s: float) -> tuple[str, ...]:
    if view.client is None or view.status is None or view.expires_at is None:
        return (view.source, view.destination, "-", "-", "-", "-", view.error or "")
    signers = view.signers or "signers"
    return (
        view.source,
        view.destination,
        hex_of(view.client),
        view.status,
        str(view.height),
        span(max(0.0, view.expires_at - now_s)),
        f"knows the {signers} of today" if view.current else f"the {signers} changed since",
    )


@client.command("update")
@click.argument("source")
@click.argument("destination")
@key_option
@config_option
@json_option
def update(source: str, destination: str, key: str | None, config_path: Path, as_json: bool) -> None:
    """Bring the light client of SOURCE on DESTINATION to the newest verified block.

    Every update is accepted by the same client in Python before it is sent; anybody may send one.
    """
    from relayer.views.client import ClientUpdateView
    from relayer.views.transaction import transaction_view

    config = load_config(config_path)
    config.chain(source)
    signer = signer_of(config, destination, key, purpose="sender")

    async def work() -> Any:
        import relayer
        from relayer.road.deliver import update_client

        async with relayer.connect(config, signers={destination: [signer]}) as road:
            return await update_client(road.chain(source), await road.chain_to_write(destination))

    receipts = run_async(work(), f"Updating the light client of {source} on {destination}")
    updates = tuple(transaction_view(receipt) for receipt in receipts)
    if as_json:
        print_json(ClientUpdateView(source=source, destination=destination, updates=updates))
        return
    for sent in updates:
        say(
            f"update {hex_of(sent.tx_hash)} in block {sent.block}: {sent.gas_used:,} gas, {ether(sent.fee_wei)}"
        )
    if not updates:
        say("It trusts the newest block already.")


async def _read_all(config: Config) -> list[LightClientView]:
    import relayer

    async with relayer.connect(config) as road:
        return [
            await _read_one(road, source, destination)
            for source in config.chains
            for destination in config.chains
            if source != destination
        ]


async def _read_one(road: Road, source: str, destination: str) -> LightClientView:
    """Read one light client; why it can't be read is part of the view."""
    from light_clients.errors import Rejection
    from relayer.consensus.registry import kind_of
    from relayer.errors import PostroadError
    from relayer.road.deliver import client_address
    from relayer.views.client import light_client_view, unread_client_view

    kind = kind_of(road.config.chain(source))
    try:
        one, other = road.chain(source), road.chain(destination)
        # Whether the client knows the signers of today shows only against a header that was verified today.
        await one.prover.verify_head(await one.chain.head())
        address = await client_address(one, other.chain)
        read = await one.prover.client_at(other.chain, address)
    except (PostroadError, Rejection) as error:
        return unread_client_view(source, destination, kind, str(error))
    return light_client_view(source, destination, read, kind=kind)


@client.command("bootstrap")
@click.argument("source")
@click.argument("destination")
@click.option("--force", is_flag=True, help="Also where the client is active.")
@administering
def bootstrap(how: How, source: str, destination: str, force: bool) -> None:
    """Choose anew what the light client of SOURCE on DESTINATION trusts, and unfreeze it. For an admin.

    For a client that is frozen or expired. It begins with the newest block of SOURCE, verified from the
    configured bootstrap where there is one; compare what is shown with what its owners say.
    """

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.clients import bootstrap_client

        return await bootstrap_client(site, source, force=force, cancel=how.cancel)

    administrate(how, destination, want)


@client.command("replace")
@click.argument("source")
@click.argument("destination")
@click.option(
    "--client",
    "address",
    type=AddressParam(),
    metavar="ADDRESS",
    help="One that is deployed already; without, one is deployed.",
)
@click.option("--deploy-only", is_flag=True, help="Deploy it and stop: anybody can pay for that.")
@click.option("--force", is_flag=True, help="Also where the registered client is good.")
@administering
def replace(
    how: How, source: str, destination: str, address: bytes | None, deploy_only: bool, force: bool
) -> None:
    """Let DESTINATION believe SOURCE by another light client. For an admin.

    For a client whose rules are another chain's, or whose code is unknown. What a new one begins with is as
    in `client bootstrap`; one that is named is judged as `endpoint check` does.
    """
    if deploy_only and (address is not None or how.cancel):
        raise click.UsageError("--deploy-only goes with neither --client nor --cancel")

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.clients import replace_client

        return await replace_client(site, source, address=address, force=force, cancel=how.cancel)

    administrate(how, destination, want, deploy_only=deploy_only)
