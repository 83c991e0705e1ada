# SPDX-License-Identifier: MIT
"""Judges who may do what to an endpoint: whatever would let somebody change trust at once, or soon. Pure.

Trust is changed by whoever registers a remote, replaces or bootstraps a light client, or changes who may do
these. All of it is the admin's, behind a delay in which people see it come. Every function that changes state
counts, found in the ABI: what is not named here as harmless is the admin's alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final

from relayer.consensus.findings import Finding, Severity
from relayer.contracts import load
from relayer.endpoint.access import (
    GRANTING_FUNCTIONS,
    PUBLIC_ROLE,
    AccessView,
    CallView,
    Membership,
    Operation,
    RoleView,
    Target,
    TargetView,
    role_text,
)
from relayer.endpoint.steps import ADMIN_ROLE, GUARDED_FUNCTIONS, OPENER_FUNCTIONS

#: An admin's delay below this is worth a warning.
_SHORT_DELAY_S: Final = 86_400

#: What of a contract may be given to another role than the admin's, but never to everybody.
_DELEGABLE: Final = {"Gateway": frozenset({*GUARDED_FUNCTIONS, *OPENER_FUNCTIONS})}
#: What, when it is scheduled, changes no trust; all else does.
_HARMLESS: Final = {
    "Gateway": _DELEGABLE["Gateway"] | {"limitLane", "unpauseLane", "unpauseInboundLane", "unpauseRemote"},
    "AccessManager": frozenset({"labelRole", "revokeRole"}),
}
#: How much of an argument is shown.
_SHOWN: Final = 80


def judge_access(
    subject: str, access: AccessView, promised_s: int, planned: Container[tuple[bytes, bytes]] = ()
) -> list[Finding]:
    """Judge who may do what.

    Args:
        subject: the endpoint's chain.
        access: as it was read.
        promised_s: the delay that the configuration promises for each change of the admin.
        planned: targets and calldata that this configuration would schedule itself.

    Returns:
        REFUSAL for whatever lets somebody change trust at once or unseen; WARNING for what people should
        know.
    """
    opened = _open_roles(access)
    trusting = _trusting_roles(access)
    findings = [
        finding for view in access.targets for finding in _judge_target(subject, view, access, opened)
    ]
    findings += _judge_roles(subject, access, opened, trusting)
    for number in sorted(trusting):
        role = access.role(number)
        for member in role.members:
            findings += _judge_trusted(subject, role, member, access.now, promised_s)
    for operation in access.operations:
        findings.append(_judge_operation(subject, operation, access, trusting, planned))
    if not any(finding.severity is Severity.REFUSAL for finding in findings):
        names = ", ".join(view.target.name for view in access.targets)
        findings.append(Finding(Severity.OK, subject, f"what changes trust is for the admin alone: {names}"))
    gateways = (view for view in access.targets if view.target.contract == "Gateway")
    guarding = {view.roles[function] for view in gateways for function in GUARDED_FUNCTIONS}
    if ADMIN_ROLE in guarding or not any(access.role(number).members for number in guarding):
        advice = "Without one nobody can stop a lane at once."
        findings.append(Finding(Severity.WARNING, subject, "no guardian", "somebody who may pause", advice))
    return findings


def is_delegable(target: Target, function: str) -> bool:
    """Tell whether a function may be given to another role than the admin's."""
    return function in _DELEGABLE.get(target.contract, ())


def describe_call(call: CallView, access: AccessView) -> str:
    """Return a call for people: what is called on which contract, with its arguments."""
    if call.target is None:
        return "a call of a contract that is not of the endpoint"
    where = call.target.name
    if not call.function:
        return f"an unknown function of the {where}"
    if call.function == "setTargetFunctionRole":
        target, names = _named_functions(call.arguments, access)
        role = role_text(access.role(call.arguments["roleId"]))
        return f"give {', '.join(names)} of {target} to {role}"
    given = ", ".join(f"{name}={_short(value)}" for name, value in call.arguments.items())
    return f"{call.function}({given}) of the {where}"


def _judge_target(
    subject: str, view: TargetView, access: AccessView, opened: Container[int]
) -> Iterator[Finding]:
    where = view.target.name
    advice = "Give it back to the admin: setTargetFunctionRole."
    for function, number in view.roles.items():
        role = access.role(number)
        found = f"{function} of the {where} for {role_text(role)}"
        if number in opened:
            if number != PUBLIC_ROLE:
                found += ", which anybody can take"
            yield _refuse(subject, found, "for nobody but its role", advice)
        elif number != ADMIN_ROLE and not is_delegable(view.target, function):
            yield _refuse(subject, found + _listed(role), "for the admin alone", advice)
    # The manager's own admin functions work also where it is closed.
    if view.is_closed and view.target.address != access.manager:
        found = f"the {where} closed in the AccessManager"
        advice = "Nobody can pause it, bootstrap it or replace a client there: open it (setTargetClosed)."
        yield _refuse(subject, found, "open", advice)
    change = view.admin_change
    if change is not None and change.delay_s < view.admin_delay_s:
        found = f"the delay before the roles of the {where} change cut from {view.admin_delay_s} s to {change.delay_s} s"
        yield _cut(subject, found, change.effect - access.now)


def _judge_roles(
    subject: str, access: AccessView, opened: Container[int], trusting: Container[int]
) -> Iterator[Finding]:
    """Judge who rules the roles that matter: those of functions, and those that rule these."""
    for number in sorted(_used_roles(access)):
        role = access.role(number)
        name, admin = role_text(role), access.role(role.admin)
        if role.admin in opened:
            found = f"{name}, which {role_text(admin)} may grant"
            yield _refuse(subject, found, "granted by the admin alone", "Give it back: setRoleAdmin.")
        elif role.admin != ADMIN_ROLE and role.admin not in trusting:
            found = f"{name} is granted by {role_text(admin)}{_listed(admin)}"
            advice = "Whoever has that role chooses who may do this; setRoleAdmin gives it back to the admin."
            yield Finding(Severity.WARNING, subject, found, "granted by the admin alone", advice)
        if role.guardian in opened:
            found = f"{name}, whose scheduled calls everybody may cancel"
            yield _refuse(subject, found, "cancelled by its guardian alone", "Correct it: setRoleGuardian.")
        change = role.grant_change
        if number in trusting and change is not None and change.delay_s < role.grant_delay_s:
            found = f"the delay of a new {name} cut from {role.grant_delay_s} s to {change.delay_s} s"
            yield _cut(subject, found, change.effect - access.now)
        if number not in trusting:
            for member in role.members:
                if member.since > access.now:
                    found = f"0x{member.account.hex()} gets {name} in {member.since - access.now} s"
                    advice = "Is it meant? Otherwise the admin revokes it (revokeRole)."
                    yield Finding(Severity.WARNING, subject, found, "", advice)


def _judge_trusted(
    subject: str, role: RoleView, member: Membership, now: int, promised_s: int
) -> Iterator[Finding]:
    """Judge somebody who may change trust: from when on, and after which delay."""
    who = f"{'the ' if role.number == ADMIN_ROLE else ''}{role_text(role)} 0x{member.account.hex()}"
    if member.since > now:
        found = f"{who}, to come in {member.since - now} s, with a delay of {member.delay_s} s"
        advice = "From then on it may change whom this endpoint trusts. If you don't know it, revoke it (revokeRole)."
        yield _refuse(subject, found, "nobody to come", advice)
    if member.delay_s == 0:
        advice = f"Finish with `postroad endpoint deploy {subject}`, or grant the role again with a delay."
        yield _refuse(subject, f"{who} without a delay", "a delay before every change", advice)
    elif member.delay_s < promised_s:
        advice = (
            "Grant the role again with that delay, or say in endpoints.admin_delay_s that less is enough."
        )
        found = f"{who} with a delay of {member.delay_s} s"
        yield _refuse(subject, found, f"at least {promised_s} s, as configured", advice)
    elif member.delay_s < _SHORT_DELAY_S:
        advice = "Less than a day leaves little time to see a bad change coming."
        found = f"{who} with a delay of {member.delay_s} s"
        yield Finding(Severity.WARNING, subject, found, f"at least {_SHORT_DELAY_S} s", advice)
    elif member.since <= now and role.number == ADMIN_ROLE:
        yield Finding(
            Severity.OK,
            subject,
            f"{role_text(role)} 0x{member.account.hex()}, each change waits {member.delay_s} s",
        )
    change = member.change
    if change is not None and change.delay_s < member.delay_s:
        found = f"{who}, whose delay is cut from {member.delay_s} s to {change.delay_s} s"
        if change.delay_s < promised_s or change.delay_s == 0:
            yield _cut(subject, found, change.effect - now)
        else:
            advice = f"It comes in {change.effect - now} s, and is still what the configuration promises."
            yield Finding(Severity.WARNING, subject, found, f"at least {promised_s} s", advice)


def _judge_operation(
    subject: str,
    operation: Operation,
    access: AccessView,
    trusting: Container[int],
    planned: Container[tuple[bytes, bytes]],
) -> Finding:
    left_s = operation.ready_at - access.now
    when = f"can be executed in {left_s} s" if left_s > 0 else "can be executed now"
    what = "; ".join(describe_call(call, access) for call in operation.calls)
    if operation.calls[0].target is None:
        what += f", 0x{operation.address.hex()}"
    found = f"scheduled by 0x{operation.caller.hex()}, {when}: {what}"
    if not any(_changes_trust(call, trusting) for call in operation.calls):
        advice = "It changes nothing that is trusted. If it is not meant, cancel it."
        return Finding(Severity.WARNING, subject, found, "", advice)
    if (operation.address, operation.data) in planned:
        advice = "It is the registration that this configuration plans: run `endpoint register` again to execute it."
        return Finding(Severity.WARNING, subject, found, "", advice)
    advice = "It changes whom this endpoint trusts. If you did not plan it, cancel it before (AccessManager.cancel)."
    return _refuse(subject, found, "nothing scheduled that changes trust", advice)


def _changes_trust(call: CallView, trusting: Container[int]) -> bool:
    target = call.target
    if target is None or call.function in _HARMLESS.get(target.contract, ()):
        return False
    if target.contract == "AccessManager":
        if call.function in GRANTING_FUNCTIONS:
            return call.arguments["roleId"] in trusting
        if call.function == "setTargetClosed":
            return bool(call.arguments["closed"])
    return True


def _open_roles(access: AccessView) -> set[int]:
    """Return the roles that everybody has, or can take: those that an open role grants are open as well."""
    opened = {PUBLIC_ROLE}
    while more := {number for number, role in access.roles.items() if role.admin in opened} - opened:
        opened |= more
    return opened


def _trusting_roles(access: AccessView) -> set[int]:
    """Return the roles whose members can change trust, be it by making themselves members of another."""
    return _with_admins(
        access,
        (
            role
            for view in access.targets
            for name, role in view.roles.items()
            if not is_delegable(view.target, name)
        ),
    )


def _used_roles(access: AccessView) -> set[int]:
    return _with_admins(access, (role for view in access.targets for role in view.roles.values()))


def _with_admins(access: AccessView, roles: Iterable[int]) -> set[int]:
    """Return roles, those that grant them, and so on; without everybody's."""
    found = {ADMIN_ROLE, *roles}
    while more := {access.role(number).admin for number in found} - found:
        found |= more
    return found - {PUBLIC_ROLE}


def _named_functions(arguments: Mapping[str, Any], access: AccessView) -> tuple[str, list[str]]:
    address = bytes.fromhex(arguments["target"][2:])
    target = next((view.target for view in access.targets if view.target.address == address), None)
    selectors = [bytes(selector) for selector in arguments["selectors"]]
    if target is None:
        return f"0x{address.hex()}", [f"0x{selector.hex()}" for selector in selectors]
    artifact = load(target.contract)
    names = {artifact.selector(name): name for name in artifact.functions}
    return f"the {target.name}", [names.get(selector, f"0x{selector.hex()}") for selector in selectors]


def _listed(role: RoleView) -> str:
    """Return who has a role, for the end of a sentence."""
    if not role.members:
        return ", which nobody has"
    shown = ", ".join(f"0x{member.account.hex()} (delay {member.delay_s} s)" for member in role.members[:3])
    return f": {shown}{', …' if len(role.members) > 3 else ''}"


def _short(value: object) -> str:
    text = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _cut(subject: str, found: str, left_s: int) -> Finding:
    advice = f"It comes in {left_s} s. If it is not meant, find out who may do this, and set the delay again."
    return _refuse(subject, found, "no delay that becomes shorter", advice)


def _refuse(subject: str, found: str, expected: str, advice: str) -> Finding:
    return Finding(Severity.REFUSAL, subject, found, expected, advice)
