# SPDX-License-Identifier: MIT
"""What `roles grant` and `roles revoke` want."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from relayer.consensus.findings import Finding, Severity
from relayer.contracts import load
from relayer.endpoint.access import PUBLIC_ROLE, role_text
from relayer.endpoint.administration.decisions import Change, identity_of
from relayer.endpoint.administration.site import NotAdministrable, Site, Wanted
from relayer.endpoint.steps import (
    ADMIN_ROLE,
    CHANNEL_OPENER_ROLE,
    GUARDED_FUNCTIONS,
    GUARDIAN_ROLE,
    OPENER_FUNCTIONS,
)

#: Role names as commands take them, in the numbers of our deployments.
ROLE_NAMES: Final = {"admin": ADMIN_ROLE, "guardian": GUARDIAN_ROLE, "channel-opener": CHANNEL_OPENER_ROLE}

#: The functions of each role that deployments give.
_FUNCTIONS: Final[Mapping[int, tuple[str, ...]]] = {
    GUARDIAN_ROLE: GUARDED_FUNCTIONS,
    CHANNEL_OPENER_ROLE: OPENER_FUNCTIONS,
}


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
    present = {member.account for member in site.access.members(role)}
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
