# SPDX-License-Identifier: MIT
"""Decides who may make a change, now or after which delay, and what is done next. Pure.

An endpoint obeys an AccessManager, which gives a role to each function and a delay to each member of a role.
Without a delay a call is made at once. With one it is scheduled, waited for, and executed; until then it can
be cancelled. An operation is the caller, the target and the calldata, so that a change which was scheduled is
found again by what it does (`Change.identity`), also where the rest of its calldata would be another today.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from relayer.consensus.findings import Finding, Severity
from relayer.contracts import load
from relayer.endpoint.access import (
    GRANTING_FUNCTIONS,
    PUBLIC_ROLE,
    AccessView,
    Membership,
    Operation,
    RoleView,
    role_text,
)
from relayer.endpoint.steps import ADMIN_ROLE
from relayer.text import hex_of


class Act(Enum):
    """What is done next for a change.

    Attributes:
        NOTHING: it is so already, or there is nothing to cancel.
        CALL: it is called, and works at once.
        SCHEDULE: it is scheduled with the AccessManager.
        WAIT: it is scheduled, and its delay is not over.
        EXECUTE: it was scheduled, and is executed now.
        CANCEL: what was scheduled is taken back.
        REFUSED: the caller may not, or it would do harm; the findings say why.
    """

    NOTHING = "nothing"
    CALL = "call"
    SCHEDULE = "schedule"
    WAIT = "wait"
    EXECUTE = "execute"
    CANCEL = "cancel"
    REFUSED = "refused"


#: What sends a transaction.
SENDING_ACTS: Final = frozenset({Act.CALL, Act.SCHEDULE, Act.EXECUTE, Act.CANCEL})


@dataclass(frozen=True, slots=True)
class Change:
    """One call that a person wants to be made.

    Attributes:
        name: of the command, such as `remote pause`.
        effect: what it changes, one line for people.
        contract: the artifact's name of the contract that is called.
        target: that contract, 20 bytes.
        data: the calldata.
        identity: how many leading bytes of `data` say which change it is. A call that was scheduled before
            with the same ones is this change.
        is_exact: whether the person chose what follows `identity`: one that was scheduled with something else
            is then in the way.
        owner: who alone may call it, 20 bytes; None where the AccessManager decides.
        done: why nothing is left to do, for people; empty where something is.
        compare: what a person compares before it is sent, as lines.
        is_provisional: whether `data` names a contract that is deployed first, so that it is not final.
        valid_for_s: for how long the call would work, because what it makes a light client trust grows old;
            None for ever. A longer delay makes it useless.
    """

    name: str
    effect: str
    contract: str
    target: bytes
    data: bytes
    identity: int
    is_exact: bool = True
    owner: bytes | None = None
    done: str = ""
    compare: tuple[str, ...] = ()
    is_provisional: bool = False
    valid_for_s: int | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """What one account may do with one call.

    Attributes:
        role: the role that the call takes; None for one that only an owner may make.
        is_immediate: whether the account may call at once.
        delay_s: how long its call waits; 0 where it may call at once, or not at all.
        may_cancel: whether it may cancel what others have scheduled.
    """

    role: RoleView | None
    is_immediate: bool
    delay_s: int = 0
    may_cancel: bool = False


@dataclass(frozen=True, slots=True)
class ChangeDecision:
    """What is done next for a change.

    Attributes:
        change: the change.
        act: what is done.
        permission: what the account may do.
        operation: what was scheduled for the change; None where nothing was.
        findings: what a person has to know; a refusal where `act` is REFUSED.
    """

    change: Change
    act: Act
    permission: Permission
    operation: Operation | None
    findings: tuple[Finding, ...] = ()

    @property
    def data(self) -> bytes:
        """The calldata that counts: as it was scheduled, else as it is wanted."""
        return self.change.data if self.operation is None else self.operation.data


@dataclass(frozen=True, slots=True)
class PrintedCall:
    """A call for somebody else to send, such as a multisig. It carries no value.

    Attributes:
        name: `call`, `schedule`, `execute` or `cancel`.
        when: when it may be sent, for people.
        target: whom to call, 20 bytes.
        data: the calldata.
        ready_at: the second from which on it works; 0: at once, or the delay has not begun.
    """

    name: str
    when: str
    target: bytes
    data: bytes
    ready_at: int = 0


def identity_of(words: int) -> int:
    """Return the length of a selector with so many words of arguments: what says which change a call is."""
    return 4 + 32 * words


def permission_of(change: Change, access: AccessView, account: bytes) -> Permission:
    """Return what an account (20 bytes) may do with a change's call, as the AccessManager would answer it.

    For its own functions the manager has rules of its own (its `_getAdminRestrictions`).
    """
    if change.owner is not None:
        return Permission(None, is_immediate=change.owner == account)
    role, floor_s, is_closed = _restriction(change, access)
    member = _member(access, role.number, account)
    may_cancel = any(_member(access, guard, account) is not None for guard in (ADMIN_ROLE, role.guardian))
    if role.number == PUBLIC_ROLE:
        return Permission(role, is_immediate=not is_closed, may_cancel=may_cancel)
    if member is None or is_closed:
        return Permission(role, is_immediate=False, may_cancel=may_cancel)
    delay_s = max(member.delay_s, floor_s)
    return Permission(role, is_immediate=not delay_s, delay_s=delay_s, may_cancel=may_cancel)


def _restriction(change: Change, access: AccessView) -> tuple[RoleView, int, bool]:
    """Return the role that a call takes, the least delay in seconds, and whether nobody may call at all."""
    targets = {view.target.address: view for view in access.targets}
    call = load(change.contract).decode_call(change.data)
    function = "" if call is None else call.name
    if change.target != access.manager:
        view = targets[change.target]
        return access.role(view.roles.get(function, ADMIN_ROLE)), 0, view.is_closed
    assert call is not None
    if function in GRANTING_FUNCTIONS:
        return access.role(access.role(call.arguments["roleId"]).admin), 0, False
    target = targets.get(bytes.fromhex(str(call.arguments.get("target", ""))[2:]))
    return access.role(ADMIN_ROLE), 0 if target is None else target.admin_delay_s, False


def _member(access: AccessView, role: int, account: bytes) -> Membership | None:
    """Return an account's membership that is in force now."""
    return next((member for member in access.members(role) if member.account == account), None)


def find_operations(change: Change, operations: Iterable[Operation]) -> list[Operation]:
    """Return what is scheduled for a change, the earliest to be ready first."""
    found = [
        operation
        for operation in operations
        if operation.address == change.target
        and operation.data[: change.identity] == change.data[: change.identity]
    ]
    return sorted(found, key=lambda operation: operation.ready_at)


def decide(
    change: Change,
    permission: Permission,
    operations: Iterable[Operation],
    account: bytes,
    now: int,
    *,
    cancel: bool = False,
) -> ChangeDecision:
    """Decide what is done next.

    Args:
        change: what is wanted.
        permission: what `account` may do with it.
        operations: everything that is scheduled with the endpoint's AccessManager.
        account: who would send, 20 bytes.
        now: the time of the chain's newest block, in seconds.
        cancel: whether the change is to be taken back, where it is scheduled.
    """
    found = find_operations(change, operations)
    if cancel:
        return _decide_cancel(change, permission, found, account)
    own = next((operation for operation in found if operation.caller == account), None)
    other = next((operation for operation in found if operation.caller != account), None)
    if change.done:
        findings = [Finding(Severity.OK, change.name, change.done)]
        if found:
            text = f"the same is scheduled by {hex_of(found[0].caller)}, though nothing is left of it to do"
            advice = "Take it back with --cancel, unless it is meant."
            findings.append(Finding(Severity.WARNING, change.name, text, "", advice))
        return ChangeDecision(change, Act.NOTHING, permission, None, tuple(findings))
    if permission.is_immediate:
        return ChangeDecision(change, Act.CALL, permission, None)
    if not permission.delay_s:
        return _refused(change, permission, own or other, _not_allowed(change, permission, account))
    return _decide_delayed(change, permission, own, other, now)


def _decide_delayed(
    change: Change, permission: Permission, own: Operation | None, other: Operation | None, now: int
) -> ChangeDecision:
    """Decide for an account whose calls wait; `own` is what it has scheduled, `other` what others have."""
    again = "Run the same command again after that, to execute it; --cancel takes it back until then."
    if own is not None:
        if change.is_exact and own.data != change.data:
            text = f"it is scheduled with other values: {describe_arguments(change.contract, own.data)}"
            advice = "Take that back with --cancel first; or leave the option out, to execute it as it is."
            finding = Finding(Severity.REFUSAL, change.name, text, "what is asked for now", advice)
            return _refused(change, permission, own, finding)
        if now >= own.ready_at:
            return ChangeDecision(change, Act.EXECUTE, permission, own)
        warning = Finding(Severity.WARNING, change.name, f"it is scheduled, {_ready_in(own, now)}", "", again)
        return ChangeDecision(change, Act.WAIT, permission, own, (warning,))
    if other is not None:
        who = hex_of(other.caller)
        text = f"it is scheduled by {who}, {_ready_in(other, now)}; nothing is scheduled twice"
        advice = f"{who} executes it, or it is taken back with --cancel first."
        return ChangeDecision(
            change, Act.WAIT, permission, other, (Finding(Severity.WARNING, change.name, text, "", advice),)
        )
    if change.valid_for_s is not None and permission.delay_s >= change.valid_for_s:
        text = (
            f"a delay of {permission.delay_s} s: what it would trust is too old after {change.valid_for_s} s"
        )
        advice = (
            "Let an admin with a shorter delay do it, or use a light client with a longer trusting period."
        )
        finding = Finding(Severity.REFUSAL, change.name, text, "a shorter delay", advice)
        return _refused(change, permission, None, finding)
    text = f"a change of {_label(permission)} waits {permission.delay_s} s: it is only scheduled now"
    warning = Finding(Severity.WARNING, change.name, text, "", again)
    return ChangeDecision(change, Act.SCHEDULE, permission, None, (warning,))


def _decide_cancel(
    change: Change, permission: Permission, found: Sequence[Operation], account: bytes
) -> ChangeDecision:
    if not found:
        text = "nothing of the kind is scheduled"
        return ChangeDecision(
            change, Act.NOTHING, permission, None, (Finding(Severity.OK, change.name, text),)
        )
    # One's own first: of others' a person cancels one after another.
    operation = next((mine for mine in found if mine.caller == account), found[0])
    if operation.caller != account and not permission.may_cancel:
        text = f"it is scheduled by {hex_of(operation.caller)}, and {hex_of(account)} may not take it back"
        advice = "Use the key of one of these (--key), or print the call for it (--print-call)."
        finding = Finding(Severity.REFUSAL, change.name, text, "whoever scheduled it, or an admin", advice)
        return _refused(change, permission, operation, finding)
    return ChangeDecision(change, Act.CANCEL, permission, operation)


def call_of(decision: ChangeDecision, authority: bytes, account: bytes) -> tuple[bytes, bytes]:
    """Return the target (20 bytes) and the calldata of the transaction that a decision asks for.

    `authority` is the AccessManager, `account` who sends. The decision's act is one of SENDING_ACTS.
    """
    calls = {call.name: call for call in printed_calls(decision, authority, account)}
    call = calls[decision.act.value]
    return call.target, call.data


def printed_calls(decision: ChangeDecision, authority: bytes, account: bytes) -> tuple[PrintedCall, ...]:
    """Return the calls that are still to be made for a change, in their order, for `account` to send.

    Empty where nothing is to be done, and where another account has to do it.
    """
    manager, change = load("AccessManager"), decision.change
    operation, data = decision.operation, decision.data
    if decision.act is Act.CALL:
        return (PrintedCall("call", "at once", change.target, data),)
    if decision.act is Act.CANCEL:
        assert operation is not None
        cancel = manager.encode_call("cancel", operation.caller, operation.address, operation.data)
        return (PrintedCall("cancel", "at once, until it is executed", authority, cancel),)
    execute = manager.encode_call("execute", change.target, data)
    if decision.act is Act.SCHEDULE:
        # 0: as soon as the delay allows
        schedule = manager.encode_call("schedule", change.target, data, 0)
        after = f"{decision.permission.delay_s} s after the schedule, and within the week that follows"
        return (
            PrintedCall("schedule", "at once", authority, schedule),
            PrintedCall("execute", after, authority, execute),
        )
    if operation is not None and operation.caller == account:
        if decision.act is Act.EXECUTE:
            return (PrintedCall("execute", "at once", authority, execute),)
        if decision.act is Act.WAIT:
            return (PrintedCall("execute", "after its delay", authority, execute, operation.ready_at),)
    return ()


def describe_arguments(contract: str, data: bytes) -> str:
    """Return a call as people read it: its function, and each argument by name."""
    call = load(contract).decode_call(data)
    if call is None:
        return hex_of(data)
    return f"{call.name}({', '.join(f'{name}: {_plain(value)}' for name, value in call.arguments.items())})"


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return hex_of(value)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_plain(inner) for inner in value)}]"
    return str(value)


def _not_allowed(change: Change, permission: Permission, account: bytes) -> Finding:
    found = f"the account {hex_of(account)}"
    if permission.role is None:
        assert change.owner is not None
        expected, advice = f"its owner {hex_of(change.owner)}", "Use its key (--key)"
    else:
        holders = ", ".join(hex_of(member.account) for member in permission.role.members) or "nobody has it"
        expected, advice = (
            f"a member of {_label(permission)} ({holders})",
            "Use the key of one of them (--key)",
        )
    advice += ", or print the call for it (--print-call --from ADDRESS)."
    return Finding(Severity.REFUSAL, change.name, found, expected, advice)


def _label(permission: Permission) -> str:
    return "the owner" if permission.role is None else role_text(permission.role)


def _refused(
    change: Change, permission: Permission, operation: Operation | None, finding: Finding
) -> ChangeDecision:
    return ChangeDecision(change, Act.REFUSED, permission, operation, (finding,))


def _ready_in(operation: Operation, now: int) -> str:
    left_s = operation.ready_at - now
    return f"and can be executed in {left_s} s" if left_s > 0 else "and can be executed now"
