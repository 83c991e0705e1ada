# SPDX-License-Identifier: MIT
"""`postroad remote`: stops what an endpoint is joined to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from relayer.cli.administration import How, administering, administrate

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
    """Pause and unpause the remotes of an endpoint.

    REMOTE is the name of a configured chain, or an endpoint id: a chain that was reset is another endpoint
    now, and the former one is reached by its id.
    """


@remote.command("pause")
@click.argument("chain")
@click.argument("remote_", metavar="REMOTE", type=RemoteParam())
@administering
def pause(how: How, chain: str, remote_: str) -> None:
    """Stop all messages between CHAIN and REMOTE, both ways, at CHAIN's endpoint. For a guardian, at once."""
    _pause(how, chain, remote_, pause=True)


@remote.command("unpause")
@click.argument("chain")
@click.argument("remote_", metavar="REMOTE", type=RemoteParam())
@administering
def unpause(how: How, chain: str, remote_: str) -> None:
    """Let messages between CHAIN and REMOTE flow again. For an admin."""
    _pause(how, chain, remote_, pause=False)


def _pause(how: How, chain: str, word: str, *, pause: bool) -> None:
    async def want(site: Site) -> Wanted:
        from relayer.endpoint.administration.remotes import pause_remote

        return await pause_remote(site, word, pause=pause)

    administrate(how, chain, want)
