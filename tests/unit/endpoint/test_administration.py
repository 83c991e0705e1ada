# SPDX-License-Identifier: MIT
"""The rules of administration, by table: what is done next, for whom, and which calls a multisig gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from relayer.consensus.findings import Severity
from relayer.contracts import load
from relayer.endpoint.access import (
    PUBLIC_ROLE,
    AccessView,
    Membership,
    Operation,
    RoleView,
    Target,
    TargetView,
)
from relayer.endpoint.administration.decisions import (
    SENDING_ACTS,
    Act,
    Change,
    ChangeDecision,
    Permission,
    call_of,
    decide,
    describe_arguments,
    find_operations,
    permission_of,
    printed_calls,
)

ME, OTHER, GATEWAY, MANAGER = b"\x01" * 20, b"\x02" * 20, b"\x0a" * 20, b"\x0b" * 20
NOW, READY = 1_000, 1_100
REMOTE = b"\x33" * 32


def replacing(client: bytes) -> bytes:
    return load("Gateway").encode_call("replaceClient", REMOTE, client)


CHANGE = Change(
    name="client replace",
    effect="court believes port by another light client",
    contract="Gateway",
    target=GATEWAY,
    data=replacing(b"\x05" * 20),
    identity=4 + 32,
)
ADMIN = RoleView(0, members=(Membership(OTHER, 0, 100),))
AT_ONCE = Permission(RoleView(1), is_immediate=True)
DELAYED = Permission(ADMIN, is_immediate=False, delay_s=100, may_cancel=True)
NEVER = Permission(ADMIN, is_immediate=False)
MINE = Operation(b"", ME, GATEWAY, CHANGE.data, READY, ())
THEIRS = replace(MINE, caller=OTHER)
MINE_OTHERWISE = replace(MINE, data=replacing(b"\x06" * 20))
LOOSE = replace(CHANGE, is_exact=False)
DONE = replace(CHANGE, done="it is so already")
SHORT = replace(CHANGE, valid_for_s=100)
OWNED = replace(CHANGE, owner=OTHER)
OWNER = Permission(None, is_immediate=True)
NOT_OWNER = Permission(None, is_immediate=False)


@pytest.mark.parametrize(
    ("change", "permission", "operations", "now", "act"),
    [
        (CHANGE, AT_ONCE, [], NOW, Act.CALL),
        (CHANGE, DELAYED, [], NOW, Act.SCHEDULE),
        (CHANGE, NEVER, [], NOW, Act.REFUSED),
        (CHANGE, DELAYED, [MINE], NOW, Act.WAIT),
        (CHANGE, DELAYED, [MINE], READY - 1, Act.WAIT),
        (CHANGE, DELAYED, [MINE], READY, Act.EXECUTE),
        # A role that was lost executes nothing.
        (CHANGE, NEVER, [MINE], READY, Act.REFUSED),
        # Who may at once does not wait for what was scheduled.
        (CHANGE, AT_ONCE, [MINE], NOW, Act.CALL),
        (CHANGE, AT_ONCE, [THEIRS], NOW, Act.CALL),
        # What another one has scheduled is not scheduled a second time, before and after its delay.
        (CHANGE, DELAYED, [THEIRS], NOW, Act.WAIT),
        (CHANGE, DELAYED, [THEIRS], READY, Act.WAIT),
        (CHANGE, DELAYED, [THEIRS, MINE], READY, Act.EXECUTE),
        # Scheduled with other values: in the way of what was asked for, and executed where nothing was.
        (CHANGE, DELAYED, [MINE_OTHERWISE], READY, Act.REFUSED),
        (LOOSE, DELAYED, [MINE_OTHERWISE], READY, Act.EXECUTE),
        (LOOSE, DELAYED, [MINE_OTHERWISE], NOW, Act.WAIT),
        # Of another contract, or another change.
        (CHANGE, DELAYED, [replace(MINE, address=MANAGER)], READY, Act.SCHEDULE),
        (CHANGE, DELAYED, [replace(MINE, data=b"\x00" * 68)], READY, Act.SCHEDULE),
        (DONE, DELAYED, [], NOW, Act.NOTHING),
        (DONE, NEVER, [], NOW, Act.NOTHING),
        (DONE, DELAYED, [MINE], READY, Act.NOTHING),
        # What would be too old to be believed after the delay is not scheduled.
        (SHORT, DELAYED, [], NOW, Act.REFUSED),
        (SHORT, AT_ONCE, [], NOW, Act.CALL),
        (replace(SHORT, valid_for_s=101), DELAYED, [], NOW, Act.SCHEDULE),
        (OWNED, OWNER, [], NOW, Act.CALL),
        (OWNED, NOT_OWNER, [], NOW, Act.REFUSED),
    ],
)
def test_what_is_done_next(
    change: Change, permission: Permission, operations: Sequence[Operation], now: int, act: Act
) -> None:
    decision = decide(change, permission, operations, ME, now)
    assert decision.act is act
    refused = any(finding.severity is Severity.REFUSAL for finding in decision.findings)
    assert refused is (act is Act.REFUSED)


@pytest.mark.parametrize(
    ("permission", "operations", "act"),
    [
        (DELAYED, [], Act.NOTHING),
        (DELAYED, [MINE], Act.CANCEL),
        (DELAYED, [THEIRS], Act.CANCEL),
        # One takes back what one has scheduled, whatever one may do by now.
        (NEVER, [MINE], Act.CANCEL),
        (NEVER, [THEIRS], Act.REFUSED),
    ],
)
def test_what_is_taken_back(permission: Permission, operations: Sequence[Operation], act: Act) -> None:
    decision = decide(CHANGE, permission, operations, ME, NOW, cancel=True)
    assert decision.act is act
    if act is Act.CANCEL:
        manager = load("AccessManager")
        (call,) = printed_calls(decision, MANAGER, ME)
        cancelled = manager.decode_call(call.data)
        assert call.target == MANAGER
        assert cancelled is not None
        assert cancelled.name == "cancel"
        assert cancelled.arguments["caller"] == "0x" + operations[0].caller.hex()
        assert cancelled.arguments["data"] == operations[0].data


def test_a_change_that_is_done_can_still_be_taken_back_where_it_is_scheduled() -> None:
    assert decide(DONE, DELAYED, [MINE], ME, NOW, cancel=True).act is Act.CANCEL
    (_, warning) = decide(DONE, DELAYED, [MINE], ME, NOW).findings
    assert "--cancel" in warning.advice


def test_ones_own_is_taken_back_before_that_of_others_and_the_earliest_comes_first() -> None:
    later = replace(MINE_OTHERWISE, ready_at=READY + 5)
    assert find_operations(CHANGE, [later, MINE]) == [MINE, later]
    decision = decide(CHANGE, DELAYED, [THEIRS, later], ME, NOW, cancel=True)
    assert decision.operation == later


def test_the_calls_that_are_printed_are_those_that_would_be_sent() -> None:
    manager = load("AccessManager")

    def calls(decision: ChangeDecision) -> list[tuple[str, bytes, bytes]]:
        return [(call.name, call.target, call.data) for call in printed_calls(decision, MANAGER, ME)]

    schedule = ("schedule", MANAGER, manager.encode_call("schedule", GATEWAY, CHANGE.data, 0))
    execute = ("execute", MANAGER, manager.encode_call("execute", GATEWAY, CHANGE.data))
    assert calls(decide(CHANGE, AT_ONCE, [], ME, NOW)) == [("call", GATEWAY, CHANGE.data)]
    assert calls(decide(CHANGE, DELAYED, [], ME, NOW)) == [schedule, execute]
    assert calls(decide(CHANGE, DELAYED, [MINE], ME, NOW)) == [execute]
    assert printed_calls(decide(CHANGE, DELAYED, [MINE], ME, NOW), MANAGER, ME)[0].ready_at == READY
    assert calls(decide(CHANGE, DELAYED, [MINE], ME, READY)) == [execute]
    # What another one has to execute, and what is refused, is nobody's to send.
    assert calls(decide(CHANGE, DELAYED, [THEIRS], ME, READY)) == []
    assert calls(decide(CHANGE, NEVER, [], ME, NOW)) == []
    assert calls(decide(DONE, AT_ONCE, [], ME, NOW)) == []
    for decision in (decide(CHANGE, permission, [], ME, NOW) for permission in (AT_ONCE, DELAYED)):
        assert decision.act in SENDING_ACTS
        first = printed_calls(decision, MANAGER, ME)[0]
        assert call_of(decision, MANAGER, ME) == (first.target, first.data)


def test_what_was_scheduled_is_executed_as_it_was_and_not_as_it_would_be_today() -> None:
    decision = decide(LOOSE, DELAYED, [MINE_OTHERWISE], ME, READY)
    assert decision.data == MINE_OTHERWISE.data
    assert call_of(decision, MANAGER, ME)[1] == load("AccessManager").encode_call(
        "execute", GATEWAY, MINE_OTHERWISE.data
    )


def test_calls_are_told_in_words() -> None:
    text = describe_arguments("Gateway", CHANGE.data)
    assert text == f"replaceClient(remoteId: 0x{REMOTE.hex()}, client: 0x{'05' * 20})"
    assert describe_arguments("Gateway", b"\x01\x02\x03\x04") == "0x01020304"


# --- who may ---------------------------------------------------------------------------------------------

THIRD = b"\x03" * 20
GUARDIAN = RoleView(1, members=(Membership(ME, 0, 0),))
ADMINS = RoleView(0, members=(Membership(ME, 0, 100), Membership(THIRD, NOW + 1, 0)))
#: A role that another one grants, and a third one guards.
RULED = RoleView(5, admin=6, guardian=7)


def access(*, is_closed: bool = False, roles: dict[str, int] | None = None) -> AccessView:
    given = {"pauseRemote": 1, "replaceClient": 0} | (roles or {})
    gateway = TargetView(Target(GATEWAY, "gateway", "Gateway"), is_closed, 500, None, given)
    known = (ADMINS, GUARDIAN, RULED, RoleView(6, members=(Membership(OTHER, 0, 7),)))
    guards = RoleView(7, members=(Membership(THIRD, 0, 0),))
    return AccessView(MANAGER, NOW, (gateway,), {role.number: role for role in (*known, guards)}, ())


def of_manager(function: str, *arguments: object) -> Change:
    data = load("AccessManager").encode_call(function, *arguments)
    return replace(CHANGE, contract="AccessManager", target=MANAGER, data=data, identity=4)


PAUSE = replace(CHANGE, data=load("Gateway").encode_call("pauseRemote", REMOTE))
GIVE = of_manager("setTargetFunctionRole", GATEWAY, [b"\x01\x02\x03\x04"], 1)
GRANT, GRANT_RULED = of_manager("grantRole", 1, OTHER, 0), of_manager("grantRole", 5, OTHER, 0)


@pytest.mark.parametrize(
    ("change", "view", "account", "is_immediate", "delay_s"),
    [
        (PAUSE, access(), ME, True, 0),
        (PAUSE, access(), OTHER, False, 0),
        (CHANGE, access(), ME, False, 100),
        # A member that is still to come may nothing yet.
        (CHANGE, access(), THIRD, False, 0),
        # Everybody's, and nobody's.
        (CHANGE, access(roles={"replaceClient": PUBLIC_ROLE}), OTHER, True, 0),
        (CHANGE, access(is_closed=True), ME, False, 0),
        (PAUSE, access(is_closed=True), ME, False, 0),
        # The manager's own functions: the admin's, by the target's own delay where that is longer.
        (GIVE, access(), ME, False, 500),
        (GRANT, access(), ME, False, 100),
        # Who grants a role is its admin, which here is another role.
        (GRANT_RULED, access(), ME, False, 0),
        (GRANT_RULED, access(), OTHER, False, 7),
    ],
)
def test_who_may_call_and_after_which_delay(
    change: Change, view: AccessView, account: bytes, is_immediate: bool, delay_s: int
) -> None:
    permission = permission_of(change, view, account)
    assert (permission.is_immediate, permission.delay_s) == (is_immediate, delay_s)


def test_an_admin_and_the_guardian_of_the_role_take_back_what_others_scheduled() -> None:
    change = replace(CHANGE, data=load("Gateway").encode_call("limitLane", REMOTE, (1, 1, 1)))
    view = access(roles={"limitLane": 5})
    assert [permission_of(change, view, account).may_cancel for account in (ME, OTHER, THIRD)] == [
        True,
        False,
        True,
    ]
