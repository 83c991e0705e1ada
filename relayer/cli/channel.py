# SPDX-License-Identifier: MIT
"""`postroad channel`: lanes with a list of senders, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from relayer.cli.administration import How, administering, administrate
from relayer.cli.options import AddressParam, HexParam, combine

if TYPE_CHECKING:
    from relayer.endpoint.administration.site import Site, Wanted


@click.group()
def channel() -> None:
    """Open channels, and say who sends on them.

    A channel is a lane of its own from SOURCE to DESTINATION, named by 32 bytes, on which only those send
    whom its owner allows.
    """


_channel = combine(
    click.argument("source"),
    click.argument("destination"),
    click.argument("channel_", metavar="CHANNEL", type=HexParam(32)),
)


@channel.command("open")
@_channel
@click.option(
    "--owner",
    type=AddressParam(),
    required=True,
    metavar="ADDRESS",
    help="Who decides about its senders.",
)
@administering
def open_(how: How, source: str, destination: str, channel_: bytes, owner: bytes) -> None:
    """Open CHANNEL from SOURCE to DESTINATION. For a channel opener, or an admin where there is none.

    Its limits are those of the configuration's [endpoints].
    """

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.channels import open_channel

        return await open_channel(site, destination, channel_, owner)

    administrate(how, source, want)


@channel.command("allow")
@_channel
@click.argument("account", type=AddressParam())
@administering
def allow(how: How, source: str, destination: str, channel_: bytes, account: bytes) -> None:
    """Let ACCOUNT send on CHANNEL. For its owner."""
    _allow(how, source, destination, channel_, account, allow=True)


@channel.command("deny")
@_channel
@click.argument("account", type=AddressParam())
@administering
def deny(how: How, source: str, destination: str, channel_: bytes, account: bytes) -> None:
    """Let ACCOUNT send on CHANNEL no more. For its owner."""
    _allow(how, source, destination, channel_, account, allow=False)


def _allow(how: How, source: str, destination: str, channel_: bytes, account: bytes, *, allow: bool) -> None:
    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.channels import allow_sender

        return await allow_sender(site, destination, channel_, account, allow=allow)

    administrate(how, source, want)


@channel.command("transfer")
@_channel
@click.argument("account", type=AddressParam())
@administering
def transfer(how: How, source: str, destination: str, channel_: bytes, account: bytes) -> None:
    """Offer CHANNEL to ACCOUNT, which accepts it. For its owner, who takes an offer back by naming itself."""

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.channels import transfer_channel

        return await transfer_channel(site, destination, channel_, account)

    administrate(how, source, want)


@channel.command("accept")
@_channel
@administering
def accept(how: How, source: str, destination: str, channel_: bytes) -> None:
    """Take CHANNEL, with its list of senders. For whom it is offered to."""

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.channels import accept_channel

        return await accept_channel(site, destination, channel_)

    administrate(how, source, want)
