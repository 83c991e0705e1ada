# SPDX-License-Identifier: MIT
"""`postroad lane`: stops one lane, at either of its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from relayer.cli.administration import How, administering, administrate
from relayer.cli.options import HexParam, combine

if TYPE_CHECKING:
    from relayer.endpoint.administration.site import Site, Wanted


@click.group()
def lane() -> None:
    """Pause and unpause single lanes.

    A lane is one direction: from SOURCE to DESTINATION. It is paused where it is sent, at SOURCE, so that no
    message is taken; or with --inbound where it is delivered, at DESTINATION, so that none is delivered.
    """


_lane = combine(
    click.argument("source"),
    click.argument("destination"),
    click.option("--inbound", is_flag=True, help="At DESTINATION, where it is delivered."),
    click.option(
        "--channel",
        type=HexParam(32),
        metavar="HEX",
        help="The lane's channel (32 bytes); the public lane without.",
    ),
)


@lane.command("pause")
@_lane
@administering
def pause(how: How, source: str, destination: str, inbound: bool, channel: bytes | None) -> None:
    """Stop the lane from SOURCE to DESTINATION. For a guardian, at once."""
    _pause(how, source, destination, channel, inbound=inbound, pause=True)


@lane.command("unpause")
@_lane
@administering
def unpause(how: How, source: str, destination: str, inbound: bool, channel: bytes | None) -> None:
    """Let the lane from SOURCE to DESTINATION flow again. For an admin."""
    _pause(how, source, destination, channel, inbound=inbound, pause=False)


def _pause(
    how: How, source: str, destination: str, channel: bytes | None, *, inbound: bool, pause: bool
) -> None:
    from relayer.protocol.lane import PUBLIC_CHANNEL

    here, there = (destination, source) if inbound else (source, destination)

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.lanes import pause_lane

        return await pause_lane(site, there, pause=pause, inbound=inbound, channel=channel or PUBLIC_CHANNEL)

    administrate(how, here, want)
