# SPDX-License-Identifier: MIT
"""`postroad roles`: who may do what with an endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relayer.cli.administration import How, administering, administrate
from relayer.cli.endpoint import open_nodes, show_access
from relayer.cli.options import AddressParam, DurationParam, config_option, json_option, load_config
from relayer.cli.output import print_json
from relayer.cli.running import run_async

if TYPE_CHECKING:
    from relayer.endpoint.administration.site import Site, Wanted
    from relayer.views.endpoint import EndpointAccessView


@click.group()
def roles() -> None:
    """Show, grant and revoke roles of an endpoint.

    ROLE is `admin`, `guardian`, `channel-opener`, or a number.
    """


@roles.command("list")
@click.argument("chain")
@config_option
@json_option
def list_(chain: str, config_path: Path, as_json: bool) -> None:
    """List who may do what on CHAIN, how long each of their calls waits, and what is scheduled."""
    config = load_config(config_path)
    config.chain(chain)

    async def read() -> EndpointAccessView:
        from relayer.endpoint.administration.site import read_site
        from relayer.endpoint.manifest import Manifest
        from relayer.views.endpoint import access_view

        async with open_nodes(config, config.chains) as nodes:
            site = await read_site(config, Manifest(config.manifest_path), nodes, chain)
            return access_view(chain, site.access)

    view = run_async(read(), "Reading who may do what")
    if as_json:
        print_json(view)
    else:
        show_access([view])


@roles.command("grant")
@click.argument("chain")
@click.argument("role")
@click.argument("account", type=AddressParam())
@click.option(
    "--delay",
    type=DurationParam(),
    metavar="SPAN",
    help="How long each of its calls waits; for an admin as configured, for others not at all.",
)
@administering
def grant(how: How, chain: str, role: str, account: bytes, delay: float | None) -> None:
    """Give ACCOUNT a role on CHAIN, or another delay with it."""

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.roles import grant_role

        return await grant_role(site, role, account, None if delay is None else int(delay))

    administrate(how, chain, want)


@roles.command("revoke")
@click.argument("chain")
@click.argument("role")
@click.argument("account", type=AddressParam())
@click.option("--force", is_flag=True, help="Also the last admin's: nobody can change the endpoint then.")
@administering
def revoke(how: How, chain: str, role: str, account: bytes, force: bool) -> None:
    """Take a role on CHAIN from ACCOUNT."""

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.roles import revoke_role

        return await revoke_role(site, role, account, force=force)

    administrate(how, chain, want)
