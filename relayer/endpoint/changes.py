# SPDX-License-Identifier: MIT
"""What each command of the administration wants: the calls, and whether they are made already.

Light clients are in client_changes.py. Every function reads the chain and sends nothing. What it returns goes
to administer.py, which asks who may call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from relayer.chains.evm.contract_reader import ContractReader
from relayer.consensus.findings import Finding, Severity
from relayer.contracts import load
from relayer.endpoint.access import PUBLIC_ROLE, role_text
from relayer.endpoint.administer import NotAdministrable, Site, Wanted
from relayer.endpoint.administration import ROLE_NAMES, Change
from relayer.endpoint.steps import (
    ADMIN_ROLE,
    CHANNEL_OPENER_ROLE,
    GUARDED_FUNCTIONS,
    GUARDIAN_ROLE,
    OPENER_FUNCTIONS,
    locate,
)
from relayer.endpoint.view import RemoteView, view_remote
from relayer.errors import PostroadError
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.protocol.message import PAGE_SIZE, EndpointId

#: Leading bytes of calldata: the selector, and the first words behind it.
_SELECTOR: Final = 4
_WORD: Final = 32
#: How many pages of a lane are looked at for what waits, the newest first.
_MOST_PAGES: Final = 64

#: The functions of each role that deployments give.
_FUNCTIONS: Final[Mapping[int, tuple[str, ...]]] = {
    GUARDIAN_ROLE: GUARDED_FUNCTIONS,
    CHANNEL_OPENER_ROLE: OPENER_FUNCTIONS,
}


def identity_of(words: int) -> int:
    """Return the length of a selector with so many words of arguments: what says which change a call is."""
    return _SELECTOR + _WORD * words


# --- remotes ------------------------------------------------------------------------------------------------


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


# --- lanes --------------------------------------------------------------------------------------------------


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
    node = site.reader.node
    topics = [load("Gateway").event_topic("InboundLanePaused"), bytes(lane.id)]
    last = int(str((await node.block("latest"))["number"]), 16)
    logs = await node.logs(site.gateway, topics, first_block(site), last)
    return bool(logs) and int(str(logs[-1]["data"]), 16) != 0


def first_block(site: Site) -> int:
    """Return the block from which on an endpoint's events are searched."""
    record = site.manifest.get(site.name)
    return 0 if record is None or record.gateway is None else record.gateway.block_number


def _lane_text(lane: Lane, public: str) -> str:
    return public if lane.is_public else f"{public} on channel 0x{lane.channel.hex()[:8]}…"


# --- roles --------------------------------------------------------------------------------------------------


def find_role(site: Site, word: str) -> int:
    """Return the number of a role: a number, `admin`, or the role that an endpoint gave a name's functions.

    An endpoint that was deployed elsewhere may have other numbers, so that `guardian` is whoever may pause.

    Raises NotAdministrable.
    """
    if word.isdecimal() and int(word) <= PUBLIC_ROLE:
        return int(word)
    if word not in ROLE_NAMES:
        names = ", ".join(ROLE_NAMES)
        raise NotAdministrable(f"the role {word!r}", f"one of {names}, or a number of 64 bits")
    role = ROLE_NAMES[word]
    held = set(_function_roles(site, role).values()) - {ADMIN_ROLE}
    # Where the functions are the admin's, the role is free, and `grant_role` gives them to it.
    return min(held) if held else role


def _function_roles(site: Site, role: int) -> dict[str, int]:
    """Return which role may call the functions that deployments give a role, by the function's name."""
    gateway = next(view for view in site.access.targets if view.target.address == site.gateway)
    return {function: gateway.roles[function] for function in _FUNCTIONS.get(role, ())}


async def grant_role(site: Site, word: str, account: bytes, delay_s: int | None) -> Wanted:
    """Give an account a role, or another delay with it.

    Args:
        site: the endpoint.
        word: the role.
        account: who gets it, 20 bytes.
        delay_s: how long each of its calls waits. None: as configured for admins, none for others.

    Raises:
        NotAdministrable: there is no such role.
    """
    role = find_role(site, word)
    subject, manager = "roles grant", load("AccessManager")
    if role == PUBLIC_ROLE:
        advice = "Everybody has it already, and a function that is given to it is everybody's."
        return Wanted(
            (), (Finding(Severity.REFUSAL, subject, "everybody's role", "a role that can be given", advice),)
        )
    is_exact = delay_s is not None
    if delay_s is None:
        delay_s = site.config.endpoints.admin_delay_s if role == ADMIN_ROLE else 0
    changes = _assign_functions(site, role)
    view = site.access.role(role)
    member = next((one for one in view.members if one.account == account), None)
    findings, done = [], ""
    if member is not None:
        planned_s = member.delay_s if member.change is None else member.change.delay_s
        if planned_s == delay_s or not is_exact:
            done = f"0x{account.hex()} is {role_text(view)} of {site.name} already, with a delay of {planned_s} s"
            if member.change is not None:
                done += f" from {member.change.effect} on ({member.delay_s} s until then)"
            if member.since > site.access.now:
                done += f"; it has the role from {member.since} on"
        elif delay_s < member.delay_s:
            least_s = await site.reader.ask(site.view.authority, "AccessManager", "minSetback")
            after_s = max(least_s, member.delay_s - delay_s)
            note = f"a delay that is cut from {member.delay_s} s to {delay_s} s is in force {after_s} s later"
            findings.append(Finding(Severity.WARNING, subject, note))
    elif view.grant_delay_s:
        note = f"a new member of {role_text(view)} has the role {view.grant_delay_s} s after it was granted"
        findings.append(Finding(Severity.WARNING, subject, note))
    if role == ADMIN_ROLE and not delay_s:
        advice = "It could replace light clients at once, so it could forge: give it a delay."
        findings.append(Finding(Severity.WARNING, subject, "an admin without a delay", "a delay", advice))
    waits = f"each of its calls waits {delay_s} s" if delay_s else "its calls work at once"
    changes.append(
        Change(
            name=subject,
            effect=f"0x{account.hex()} is {role_text(site.access.role(role))} of {site.name}; {waits}",
            contract="AccessManager",
            target=site.view.authority,
            data=manager.encode_call("grantRole", role, account, delay_s),
            identity=identity_of(2),
            is_exact=is_exact,
            done=done,
            compare=(f"Compare the account with what its owner says: 0x{account.hex()}",),
        )
    )
    return Wanted(tuple(changes), tuple(findings))


def _assign_functions(site: Site, role: int) -> list[Change]:
    """Return the change that gives a role its functions, where they are the admin's so far."""
    gateway = load("Gateway")
    missing = [name for name, held in _function_roles(site, role).items() if held == ADMIN_ROLE]
    if not missing:
        return []
    selectors = [gateway.selector(function) for function in missing]
    data = load("AccessManager").encode_call("setTargetFunctionRole", site.gateway, selectors, role)
    return [
        Change(
            name="roles grant",
            effect=f"{', '.join(missing)} of {site.name} belong to {role_text(site.access.role(role))}",
            contract="AccessManager",
            target=site.view.authority,
            data=data,
            identity=len(data),
        )
    ]


async def revoke_role(site: Site, word: str, account: bytes, *, force: bool = False) -> Wanted:
    """Take a role from an account. The last admin's is not taken without `force`. Raises NotAdministrable."""
    role, subject = find_role(site, word), "roles revoke"
    members = site.access.role(role).members
    present = {member.account for member in members if member.since <= site.access.now}
    findings = []
    if role == PUBLIC_ROLE:
        advice = "Give the function to another role (setTargetFunctionRole)."
        return Wanted(
            (), (Finding(Severity.REFUSAL, subject, "everybody's role", "a role that can be taken", advice),)
        )
    if role == ADMIN_ROLE and present == {account}:
        severity = Severity.WARNING if force else Severity.REFUSAL
        advice = "Nobody could ever change the endpoint again: grant the role to another account first."
        found = f"0x{account.hex()}, the last admin of {site.name}"
        findings.append(Finding(severity, subject, found, "another admin that stays", advice))
    change = Change(
        name=subject,
        effect=f"0x{account.hex()} is {role_text(site.access.role(role))} of {site.name} no more",
        contract="AccessManager",
        target=site.view.authority,
        data=load("AccessManager").encode_call("revokeRole", role, account),
        identity=identity_of(2),
        done=""
        if account in {member.account for member in members}
        else f"0x{account.hex()} is no {role_text(site.access.role(role))} of {site.name}",
    )
    return Wanted((change,), () if change.done else tuple(findings))


# --- what waits ---------------------------------------------------------------------------------------------


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
