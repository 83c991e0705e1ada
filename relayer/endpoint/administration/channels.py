# SPDX-License-Identifier: MIT
"""What the `channel` commands want: channels opened, their senders, and whose they are.

Opening is for a role. All else is for the channel's owner, whom no AccessManager delays.
"""

from __future__ import annotations

from dataclasses import dataclass

from relayer.chains.evm.contract_reader import address_of
from relayer.consensus.findings import Finding, Severity
from relayer.contracts import load
from relayer.endpoint.administration.decisions import Change, identity_of
from relayer.endpoint.administration.remotes import find_remote
from relayer.endpoint.administration.site import NotAdministrable, Site, Wanted
from relayer.endpoint.steps import limits_of
from relayer.endpoint.view import RemoteView
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId
from relayer.text import hex_of

_NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel as it stands: its lane, its remote, whether it is open, and whose it is (20 bytes each)."""

    lane: Lane
    remote: RemoteView
    is_open: bool
    owner: bytes
    pending_owner: bytes

    @property
    def name(self) -> str:
        return f"channel 0x{self.lane.channel.hex()} to {self.remote.name}"


async def open_channel(site: Site, word: str, channel: bytes, owner: bytes) -> Wanted:
    """Open a lane with its own list of senders towards a remote, with the configured limits.

    Args:
        site: the endpoint that sends on it.
        word: the remote.
        channel: 32 bytes, not zero, which is the public lane.
        owner: who decides about its senders, 20 bytes.

    Raises:
        NotAdministrable: there is no such remote.
    """
    found = await _find(site, word, channel)
    findings, done = [], ""
    if found.is_open:
        done = f"the {found.name} is open on {site.name} already; it belongs to {hex_of(found.owner)}"
        if found.owner != owner:
            advice = (
                f"Its owner hands it over: `postroad channel transfer {site.name} {word} {hex_of(channel)}`."
            )
            text = f"it belongs to {hex_of(found.owner)}"
            findings.append(Finding(Severity.WARNING, "channel open", text, hex_of(owner), advice))
    limits = limits_of(site.config)
    gas, most_gas, most_bytes = limits
    data = load("Gateway").encode_call("openChannel", found.remote.endpoint_id, channel, 0, limits, owner)
    change = Change(
        name="channel open",
        effect=f"{site.name} opens the {found.name}; {hex_of(owner)} decides who sends on it",
        contract="Gateway",
        target=site.gateway,
        data=data,
        identity=identity_of(2),
        done=done,
        compare=(
            f"A message gets {gas:,} gas unless it asks for more, {most_gas:,} at most, and has {most_bytes:,} bytes at most.",
        ),
    )
    return Wanted((change,), tuple(findings))


async def allow_sender(site: Site, word: str, channel: bytes, sender: bytes, *, allow: bool) -> Wanted:
    """Let an account (20 bytes) send on a channel, or no more. Raises NotAdministrable."""
    found = await _require(site, word, channel)
    verb = "allow" if allow else "deny"
    is_allowed = await site.reader.ask(site.gateway, "Gateway", "isSenderAllowed", found.lane.id, sender)
    state = "may send" if allow else "may not send"
    change = Change(
        name=f"channel {verb}",
        effect=f"{hex_of(sender)} {state} on the {found.name}",
        contract="Gateway",
        target=site.gateway,
        data=load("Gateway").encode_call("allowSender", found.lane.id, sender, allow),
        identity=identity_of(2),
        owner=found.owner,
        done=f"{hex_of(sender)} {state} on the {found.name} already" if is_allowed is allow else "",
    )
    return Wanted((change,))


async def transfer_channel(site: Site, word: str, channel: bytes, account: bytes) -> Wanted:
    """Offer a channel to an account (20 bytes), which accepts it; its owner takes an offer back.

    Raises NotAdministrable.
    """
    found = await _require(site, word, channel)
    done = ""
    if account == found.owner:
        effect = f"the {found.name} stays with its owner, and is offered to nobody"
        if found.pending_owner == _NOBODY:
            done = f"the {found.name} belongs to {hex_of(account)} already"
    else:
        effect = f"{hex_of(found.owner)} offers the {found.name} to {hex_of(account)}"
        if found.pending_owner == account:
            done = f"the {found.name} is offered to {hex_of(account)} already, which has to accept it"
    change = Change(
        name="channel transfer",
        effect=effect,
        contract="Gateway",
        target=site.gateway,
        data=load("Gateway").encode_call("transferChannel", found.lane.id, account),
        identity=identity_of(1),
        owner=found.owner,
        done=done,
        compare=(f"Compare the account with what its owner says: {hex_of(account)}",),
    )
    return Wanted((change,))


async def accept_channel(site: Site, word: str, channel: bytes) -> Wanted:
    """Take a channel that is offered. Raises NotAdministrable."""
    found = await _require(site, word, channel)
    is_offered = found.pending_owner != _NOBODY
    change = Change(
        name="channel accept",
        effect=f"the {found.name} belongs to {hex_of(found.pending_owner)}, and no more to {hex_of(found.owner)}",
        contract="Gateway",
        target=site.gateway,
        data=load("Gateway").encode_call("acceptChannel", found.lane.id),
        identity=identity_of(1),
        owner=found.pending_owner if is_offered else found.owner,
        done=""
        if is_offered
        else f"the {found.name} belongs to {hex_of(found.owner)}, and is offered to nobody",
    )
    return Wanted((change,))


async def _find(site: Site, word: str, channel: bytes) -> _Channel:
    remote = await find_remote(site, word)
    lane = Lane(EndpointId(site.view.own_id), EndpointId(remote.endpoint_id), channel)
    if lane.is_public:
        raise NotAdministrable("channel 0, the public lane", "another one", "Everybody may send there.")
    _, is_open, *_ = await site.reader.ask(site.gateway, "Gateway", "outboundLane", lane.id)
    owner, pending = await site.reader.ask(site.gateway, "Gateway", "laneOwner", lane.id)
    return _Channel(lane, remote, is_open, address_of(owner), address_of(pending))


async def _require(site: Site, word: str, channel: bytes) -> _Channel:
    found = await _find(site, word, channel)
    if not found.is_open:
        raise NotAdministrable(
            f"no {found.name} on {site.name}",
            "one that is open",
            f"`postroad channel open {site.name} {word} {hex_of(channel)} --owner ADDRESS` opens it.",
        )
    return found
