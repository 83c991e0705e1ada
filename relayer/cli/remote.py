# SPDX-License-Identifier: MIT
"""`postroad remote`: stops and gives up what an endpoint is joined to, and takes that back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from relayer.cli.administration import How, administering, administrate
from relayer.cli.options import combine

if TYPE_CHECKING:
    from relayer.endpoint.administration.site import Site, Wanted

_ID: Final = re.compile(r"0x[0-9a-fA-F]{64}")


class RemoteParam(click.ParamType[str]):
    """A remote: a configured chain's name, or an endpoint id."""

    name = "remote"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word; an id of another length is a usage error."""
        word = str(value)
        if word.startswith("0x") and not _ID.fullmatch(word):
            self.fail(f"found {word!r}, expected a chain's name, or 0x and 64 digits", param, ctx)
        return word


@click.group()
def remote() -> None:
    """Pause, retire and reinstate the remotes of an endpoint.

    REMOTE is the name of a configured chain, or an endpoint id: a chain that was reset is another endpoint
    now, and the former one is reached by its id.
    """


_remote = combine(
    click.argument("chain"),
    click.argument("remote_", metavar="REMOTE", type=RemoteParam()),
)


@remote.command("pause")
@_remote
@administering
def pause(how: How, chain: str, remote_: str) -> None:
    """Stop all messages between CHAIN and REMOTE, both ways, at CHAIN's endpoint. For a guardian, at once."""
    _pause(how, chain, remote_, pause=True)


@remote.command("unpause")
@_remote
@administering
def unpause(how: How, chain: str, remote_: str) -> None:
    """Let messages between CHAIN and REMOTE flow again. For an admin."""
    _pause(how, chain, remote_, pause=False)


def _pause(how: How, chain: str, word: str, *, pause: bool) -> None:
    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.remotes import pause_remote

        return await pause_remote(site, word, pause=pause)

    administrate(how, chain, want)


@remote.command("retire")
@_remote
@click.option(
    "--last-height",
    type=click.IntRange(0, 2**64 - 1),
    metavar="BLOCK",
    help="The last block of REMOTE that is still believed.",
)
@administering
def retire(how: How, chain: str, remote_: str, last_height: int | None) -> None:
    """Give up REMOTE on CHAIN, because its chain was reset or its gateway replaced. For an admin.

    What it sent up to its last block is still delivered, until another endpoint is registered for its chain.
    """

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.remotes import retire_remote

        return await retire_remote(site, remote_, last_height, cancel=how.cancel)

    administrate(how, chain, want)


@remote.command("reinstate")
@_remote
@administering
def reinstate(how: How, chain: str, remote_: str) -> None:
    """Take the retirement of REMOTE on CHAIN back. For an admin.

    That works until another endpoint is registered for its chain.
    """

    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.remotes import reinstate_remote

        return await reinstate_remote(site, remote_)

    administrate(how, chain, want)
