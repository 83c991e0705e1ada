# SPDX-License-Identifier: MIT
"""What `lane pause` and `lane unpause` want."""

from __future__ import annotations

from relayer.contracts import load
from relayer.endpoint.administration.decisions import Change, identity_of
from relayer.endpoint.administration.remotes import find_remote
from relayer.endpoint.administration.site import NotAdministrable, Site, Wanted, first_block
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.protocol.message import EndpointId


async def pause_lane(
    site: Site, word: str, *, pause: bool, inbound: bool = False, channel: bytes = PUBLIC_CHANNEL
) -> Wanted:
    """Stop one lane at the endpoint that sends on it, or at the one that delivers from it.

    Args:
        site: the endpoint at which the lane is stopped.
        word: the remote at its other end.
        pause: False to let it flow again.
        inbound: whether the lane comes from the remote.
        channel: of the lane, 32 bytes.

    Raises:
        NotAdministrable: there is no such remote, or no such lane.
    """
    remote = await find_remote(site, word)
    artifact, verb = load("Gateway"), "pause" if pause else "unpause"
    if inbound:
        lane = Lane(EndpointId(remote.endpoint_id), EndpointId(site.view.own_id), channel)
        is_paused = await _is_inbound_paused(site, lane)
        function = "pauseInboundLane" if pause else "unpauseInboundLane"
        data = artifact.encode_call(function, remote.endpoint_id, channel, 0)
        identity = identity_of(3)
        does = f"delivers nothing of {_lane_text(lane, 'the lane')} from {remote.name}"
        again = f"delivers {_lane_text(lane, 'the lane')} from {remote.name} again"
    else:
        lane = Lane(EndpointId(site.view.own_id), EndpointId(remote.endpoint_id), channel)
        _, is_open, is_paused, _, _ = await site.reader.ask(site.gateway, "Gateway", "outboundLane", lane.id)
        if not is_open:
            advice = "`postroad channel open` opens one on a channel of its own."
            found = f"no {_lane_text(lane, 'lane')} from {site.name} to {remote.name}"
            raise NotAdministrable(found, "an open lane", advice)
        data = artifact.encode_call("pauseLane" if pause else "unpauseLane", lane.id)
        identity = identity_of(1)
        does = f"takes no message for {_lane_text(lane, 'the lane')} to {remote.name}"
        again = f"takes messages for {_lane_text(lane, 'the lane')} to {remote.name} again"
    state = "paused" if is_paused else "not paused"
    change = Change(
        name=f"lane {verb}",
        effect=f"{site.name} {does if pause else again}",
        contract="Gateway",
        target=site.gateway,
        data=data,
        identity=identity,
        done=f"the lane is {state} on {site.name} already" if is_paused is pause else "",
    )
    return Wanted((change,))


async def _is_inbound_paused(site: Site, lane: Lane) -> bool:
    """Return whether a lane is stopped where it is delivered. The contract tells it by events alone."""
    events = await site.reader.events(
        site.gateway, "Gateway", ["InboundLanePaused"], first_block(site), lane.id
    )
    return bool(events) and events[-1].arguments["paused"]


def _lane_text(lane: Lane, public: str) -> str:
    return public if lane.is_public else f"{public} on channel 0x{lane.channel.hex()[:8]}…"
