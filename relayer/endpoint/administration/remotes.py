# SPDX-License-Identifier: MIT
"""What the `remote` commands want: remotes paused, retired and reinstated; and how a remote is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from relayer.chains.evm.contract_reader import ContractReader
from relayer.contracts import load
from relayer.endpoint.administration.decisions import Change, find_operations, identity_of
from relayer.endpoint.administration.site import NotAdministrable, Site, Wanted
from relayer.endpoint.steps import locate
from relayer.endpoint.view import RemoteView, view_remote
from relayer.errors import PostroadError
from relayer.protocol.lane import Lane
from relayer.protocol.message import PAGE_SIZE, EndpointId

#: How many pages of a lane are looked at for what waits, the newest first.
_MOST_PAGES: Final = 64


async def find_remote(site: Site, word: str) -> RemoteView:
    """Return a registered remote by its chain's name, or by its endpoint id as 0x and 64 digits.

    The id reaches one that the configuration has no more, because its chain was reset.

    Raises NotAdministrable.
    """
    if word.startswith("0x"):
        endpoint_id = bytes.fromhex(word[2:])
        named = next((remote for remote in site.view.remotes if remote.endpoint_id == endpoint_id), None)
        remote = named or await view_remote(site.reader, site.gateway, word[:10] + "…", endpoint_id)
    else:
        site.config.chain(word)
        remote = site.view.remote(word)
    if remote is None:
        advice = f"`postroad endpoint register {site.name} {word}` joins them; `postroad endpoint list` shows what is."
        raise NotAdministrable(f"{word} is not registered on {site.name}", "a remote of it", advice)
    return remote


async def pause_remote(site: Site, word: str, *, pause: bool) -> Wanted:
    """Stop all traffic with a remote, both ways, or let it flow again. Raises NotAdministrable."""
    remote = await find_remote(site, word)
    function = "pauseRemote" if pause else "unpauseRemote"
    state = "paused" if remote.is_paused else "not paused"
    if pause:
        effect = f"{site.name} sends nothing to {remote.name}, and delivers nothing from it"
    else:
        effect = f"messages between {site.name} and {remote.name} flow again"
    change = Change(
        name=f"remote {'pause' if pause else 'unpause'}",
        effect=effect,
        contract="Gateway",
        target=site.gateway,
        data=load("Gateway").encode_call(function, remote.endpoint_id),
        identity=identity_of(1),
        done=f"{remote.name} is {state} on {site.name} already" if remote.is_paused is pause else "",
    )
    return Wanted((change,))


async def retire_remote(site: Site, word: str, last_height: int | None, *, cancel: bool = False) -> Wanted:
    """Give up a remote whose chain was reset, or whose gateway was replaced.

    Args:
        site: the endpoint.
        word: the remote.
        last_height: the last block of the remote chain that is still believed. None: as it was scheduled.
        cancel: whether a retirement that is scheduled is only to be found.

    Raises:
        NotAdministrable: there is no such remote, it was succeeded, or a height is needed.
    """
    remote = await find_remote(site, word)
    change = Change(
        name="remote retire",
        effect=f"{site.name} sends nothing to {remote.name}, and delivers only what {remote.name} sent up to its last block",
        contract="Gateway",
        target=site.gateway,
        data=load("Gateway").encode_call("retireRemote", remote.endpoint_id, last_height or 0),
        identity=identity_of(1),
        is_exact=last_height is not None,
    )
    if remote.is_retired and last_height in {None, remote.last_height}:
        done = f"{remote.name} is retired on {site.name} already, at its block {remote.last_height}"
        return Wanted((replace(change, done=done),))
    _require_no_successor(site, remote)
    scheduled = find_operations(change, site.access.operations)
    if last_height is None and not cancel and not scheduled:
        believed = "" if remote.client is None else f"; its light client trusts block {remote.client.height}"
        raise NotAdministrable(
            f"no last block of {remote.name}{believed}",
            "--last-height N",
            "Name the last block before the reset, or the last one that you trust: nothing that is proven by a later "
            "one is delivered any more.",
        )
    if scheduled:
        call = load("Gateway").decode_call(scheduled[0].data)
        last_height = (
            call.arguments["lastHeight"] if call is not None and last_height is None else last_height
        )
    waits = await count_waiting(site, remote)
    compare = (f"The last block of {remote.name} that {site.name} believes: {last_height}.", *waits)
    return Wanted((replace(change, compare=compare),))


async def reinstate_remote(site: Site, word: str) -> Wanted:
    """Take a remote's retirement back. Raises NotAdministrable, also where it was succeeded."""
    remote = await find_remote(site, word)
    if remote.is_retired:
        _require_no_successor(site, remote)
    change = Change(
        name="remote reinstate",
        effect=f"{site.name} believes all that {remote.name} sends again, and sends to it",
        contract="Gateway",
        target=site.gateway,
        data=load("Gateway").encode_call("reinstateRemote", remote.endpoint_id),
        identity=identity_of(1),
        done="" if remote.is_retired else f"{remote.name} is not retired on {site.name}",
    )
    return Wanted((change,))


def _require_no_successor(site: Site, remote: RemoteView) -> None:
    if remote.is_succeeded:
        raise NotAdministrable(
            f"{remote.name}, in whose place another endpoint is registered on {site.name}",
            "one without a successor",
            "It is retired for good.",
        )


async def count_waiting(site: Site, remote: RemoteView) -> tuple[str, ...]:
    """Return how many messages of the public lanes with a remote are sent and not delivered, as lines.

    Where the remote chain can't be asked, that is said.
    """
    there = locate(site.config, site.manifest, remote.name) if remote.name in site.config.chains else None
    if there is None or there.endpoint_id != remote.endpoint_id:
        return ("Its endpoint is not configured: nobody can tell here what waits.",)
    here, far = (site.reader, site.gateway), (ContractReader(site.nodes[remote.name]), there.gateway)
    own, other = EndpointId(site.view.own_id), EndpointId(remote.endpoint_id)
    lines = []
    for name, to, lane, (source, outbox), (destination, inbox) in (
        (remote.name, site.name, Lane(other, own), far, here),
        (site.name, remote.name, Lane(own, other), here, far),
    ):
        try:
            sent, *_ = await source.ask(outbox, "Gateway", "outboundLane", lane.id)
            undelivered = await _count_undelivered(destination, inbox, lane, sent)
        except PostroadError as error:
            lines.append(f"From {name} to {to}: nobody can tell what waits ({error.found}).")
            continue
        lines.append(f"From {name} to {to}: {undelivered} of {sent} messages of the public lane wait.")
    return tuple(lines)


async def _count_undelivered(reader: ContractReader, inbox: bytes, lane: Lane, sent: int) -> int:
    """Count the messages of a lane that are not delivered, among the newest `_MOST_PAGES` pages."""
    pages = range((sent + PAGE_SIZE - 1) // PAGE_SIZE)[-_MOST_PAGES:]
    count = 0
    for page in pages:
        word = await reader.ask(inbox, "Gateway", "delivered", lane.id, page)
        in_page = min(PAGE_SIZE, sent - page * PAGE_SIZE)
        count += in_page - (word & ((1 << in_page) - 1)).bit_count()
    return count
