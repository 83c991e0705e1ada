# SPDX-License-Identifier: MIT
"""Who may do what, judged: each way to change trust at once or unseen is refused, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relayer.consensus.findings import Finding, Severity
from relayer.consensus.registry import kinds
from relayer.contracts import load
from relayer.endpoint.access import (
    CLIENT_FUNCTIONS,
    GATEWAY_FUNCTIONS,
    GRANTING_FUNCTIONS,
    MANAGER_FUNCTIONS,
    PUBLIC_ROLE,
    AccessView,
    DelayChange,
    Membership,
    Operation,
    RoleView,
    Target,
    TargetView,
    decode_calls,
    role_text,
    rules_of,
)
from relayer.endpoint.access_rules import judge_access
from relayer.endpoint.steps import ADMIN_ROLE, CHANNEL_OPENER_ROLE, GUARDED_FUNCTIONS, GUARDIAN_ROLE

ROOT = Path(__file__).parents[3]
NOW = 1_800_000_000
DAY_S = 86_400
ADMIN, GUARDIAN, STRANGER = b"\x0a" * 20, b"\x0b" * 20, b"\x66" * 20
GATEWAY = Target(b"\x01" * 20, "gateway", "Gateway")
CLIENT = Target(b"\x02" * 20, "light client of port", "BftLightClient")
MANAGER = Target(b"\x03" * 20, "manager", "AccessManager")
TARGETS = (GATEWAY, CLIENT, MANAGER)
#: Of a role that is none of ours.
OTHER_ROLE = 7


def target_view(target: Target, **given: int) -> TargetView:
    roles = dict.fromkeys(load(target.contract).changing_functions, ADMIN_ROLE)
    if target is GATEWAY:
        roles |= dict.fromkeys(GUARDED_FUNCTIONS, GUARDIAN_ROLE)
    return TargetView(target, is_closed=False, admin_delay_s=0, admin_change=None, roles=roles | given)


def member(account: bytes = ADMIN, delay_s: int = 2 * DAY_S, **change: Any) -> Membership:
    return Membership(account, **{"since": NOW - 9, "delay_s": delay_s, **change})


def make_access(
    *targets: TargetView, roles: tuple[RoleView, ...] = (), operations: tuple[Operation, ...] = ()
) -> AccessView:
    """An endpoint as it is deployed, but for the targets and the roles that are given."""
    found = {view.target: view for view in map(target_view, TARGETS)} | {
        view.target: view for view in targets
    }
    by_number = {
        ADMIN_ROLE: RoleView(ADMIN_ROLE, members=(member(),)),
        GUARDIAN_ROLE: RoleView(GUARDIAN_ROLE, "postroad guardian", members=(member(GUARDIAN, 0),)),
    } | {role.number: role for role in roles}
    return AccessView(MANAGER.address, NOW, tuple(found.values()), by_number, operations)


def judge(
    access: AccessView, planned: Container[tuple[bytes, bytes]] = (), promised_s: int = 2 * DAY_S
) -> list[Finding]:
    return judge_access("court", access, promised_s, planned)


def told(findings: list[Finding], severity: Severity) -> list[str]:
    return [finding.found for finding in findings if finding.severity is severity]


def refused(access: AccessView) -> str:
    """What the only refusal says."""
    (text,) = told(judge(access), Severity.REFUSAL)
    return text


# --- what is restricted -------------------------------------------------------------------------------------


def restricted_in(source: Path, modifier: str = "restricted") -> set[str]:
    return set(re.findall(rf"function\s+(\w+)\s*\([^{{;]*\b{modifier}\b", source.read_text()))


def test_the_functions_that_people_are_shown_are_those_that_the_sources_restrict() -> None:
    source = ROOT / "solidity" / "src"
    found = set().union(*map(restricted_in, source.glob("*.sol")))
    assert found == set(GATEWAY_FUNCTIONS)
    clients = [
        *(source / "light_clients").rglob("*LightClient.sol"),
        *ROOT.glob("tests/plugins/*/solidity/*.sol"),
    ]
    assert len(clients) > len(kinds())
    for client in clients:
        assert restricted_in(client) <= set(CLIENT_FUNCTIONS), client
    access = ROOT / "solidity/node_modules/@openzeppelin/contracts/access/manager/AccessManager.sol"
    if not access.is_file():
        pytest.skip("no OpenZeppelin contracts: run `make tools`")
    assert restricted_in(access, "onlyAuthorized") == {*MANAGER_FUNCTIONS, *GRANTING_FUNCTIONS}


def test_every_function_that_changes_state_is_asked_about() -> None:
    """A function that a list forgets, or that only a plug-in's light client has, is judged all the same."""
    names = ["Gateway", "AccessManager", *(contract for kind in kinds() for contract in kind.contracts)]
    for name in names:
        changing = load(name).changing_functions
        assert {"Gateway": "registerRemote", "AccessManager": "grantRole"}.get(name, "bootstrap") in changing
        assert "authority" not in changing
    assert set(GATEWAY_FUNCTIONS) <= set(load("Gateway").changing_functions)


# --- functions ----------------------------------------------------------------------------------------------


def test_an_endpoint_as_it_is_deployed_is_good() -> None:
    findings = judge(make_access())
    assert {finding.severity for finding in findings} == {Severity.OK}
    assert any(f"admin 0x{ADMIN.hex()}, each change waits {2 * DAY_S} s" in item.found for item in findings)


@pytest.mark.parametrize(
    ("target", "function"),
    [
        *((target, name) for target in TARGETS for name in load(target.contract).changing_functions),
        (CLIENT, "somethingOfAPlugIn"),
    ],
)
def test_no_function_is_for_everybody(target: Target, function: str) -> None:
    access = make_access(target_view(target, **{function: PUBLIC_ROLE}))
    assert f"{function} of the {target.name} for everybody" in refused(access)


@pytest.mark.parametrize(
    ("target", "function"),
    [(GATEWAY, "registerRemote"), (GATEWAY, "replaceClient"), (CLIENT, "bootstrap"), (MANAGER, "execute")],
)
@pytest.mark.parametrize("delay_s", [0, 9 * DAY_S])
def test_what_changes_trust_is_for_no_other_role(target: Target, function: str, delay_s: int) -> None:
    role = RoleView(OTHER_ROLE, members=(member(STRANGER, delay_s),))
    findings = judge(make_access(target_view(target, **{function: OTHER_ROLE}), roles=(role,)))
    texts = told(findings, Severity.REFUSAL)
    assert texts[0].startswith(f"{function} of the {target.name} for role 7: 0x{STRANGER.hex()}")
    assert [text for text in texts if "without a delay" in text] == texts[1:]
    assert (len(texts) == 2) is (delay_s == 0)


def test_a_channel_opener_is_no_threat_to_trust() -> None:
    role = RoleView(CHANNEL_OPENER_ROLE, members=(member(STRANGER, 0),))
    findings = judge(make_access(target_view(GATEWAY, openChannel=CHANNEL_OPENER_ROLE), roles=(role,)))
    assert {finding.severity for finding in findings} == {Severity.OK}


def test_a_closed_target_is_refused_because_nobody_can_stop_it() -> None:
    access = make_access(replace(target_view(GATEWAY), is_closed=True))
    assert refused(access) == "the gateway closed in the AccessManager"


def test_without_a_guardian_people_are_warned() -> None:
    for access in (
        make_access(roles=(RoleView(GUARDIAN_ROLE),)),
        make_access(target_view(GATEWAY, pauseLane=ADMIN_ROLE)),
    ):
        assert told(judge(access), Severity.WARNING) == ["no guardian"]


# --- roles and members --------------------------------------------------------------------------------------


def test_a_role_that_everybody_grants_is_everybodys() -> None:
    guardian = RoleView(GUARDIAN_ROLE, admin=OTHER_ROLE, members=(member(GUARDIAN, 0),))
    opened = RoleView(OTHER_ROLE, admin=PUBLIC_ROLE)
    texts = told(judge(make_access(roles=(guardian, opened))), Severity.REFUSAL)
    assert sum("which anybody can take" in text for text in texts) == len(GUARDED_FUNCTIONS)
    assert "role 1, which role 7 may grant" in texts
    assert "role 7, which everybody may grant" in texts


def test_whoever_grants_a_role_without_power_over_trust_is_shown() -> None:
    guardian = RoleView(GUARDIAN_ROLE, admin=OTHER_ROLE, members=(member(GUARDIAN, 0),))
    other = RoleView(OTHER_ROLE, members=(member(STRANGER, 0),))
    findings = judge(make_access(roles=(guardian, other)))
    (text,) = told(findings, Severity.WARNING)
    assert text == f"role 1 is granted by role 7: 0x{STRANGER.hex()} (delay 0 s)"
    assert told(findings, Severity.REFUSAL) == []


def test_whoever_grants_a_role_with_power_over_trust_has_that_power() -> None:
    trusted = RoleView(OTHER_ROLE, admin=8, members=(member(),))
    granting = RoleView(8, members=(member(STRANGER, 0),))
    findings = judge(make_access(target_view(CLIENT, bootstrap=OTHER_ROLE), roles=(trusted, granting)))
    assert any(
        text == f"role 8 0x{STRANGER.hex()} without a delay" for text in told(findings, Severity.REFUSAL)
    )


def test_nobody_cancels_for_everybody() -> None:
    guardian = RoleView(GUARDIAN_ROLE, guardian=PUBLIC_ROLE, members=(member(GUARDIAN, 0),))
    assert refused(make_access(roles=(guardian,))) == "role 1, whose scheduled calls everybody may cancel"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (member(STRANGER, 0), "without a delay"),
        (member(STRANGER, 1), "with a delay of 1 s"),
        (member(STRANGER, 2 * DAY_S - 1), "with a delay of 172799 s"),
        (member(STRANGER, since=NOW + 60), "to come in 60 s, with a delay of 172800 s"),
        (member(STRANGER, change=DelayChange(0, NOW + 5)), "whose delay is cut from 172800 s to 0 s"),
        (member(STRANGER, change=DelayChange(DAY_S, NOW + 5)), "whose delay is cut from 172800 s to 86400 s"),
    ],
)
def test_one_admin_who_is_not_behind_the_promised_delay_is_refused(changed: Membership, words: str) -> None:
    text = refused(make_access(roles=(RoleView(ADMIN_ROLE, members=(member(), changed)),)))
    assert words in text
    assert STRANGER.hex() in text


def test_a_delay_that_stays_what_is_promised_or_grows_is_no_cut() -> None:
    longer = member(STRANGER, 9 * DAY_S, change=DelayChange(2 * DAY_S, NOW + 5))
    findings = judge(make_access(roles=(RoleView(ADMIN_ROLE, members=(longer,)),)))
    assert told(findings, Severity.REFUSAL) == []
    assert len(told(findings, Severity.WARNING)) == 1
    grows = member(change=DelayChange(9 * DAY_S, NOW + 5))
    assert {
        item.severity for item in judge(make_access(roles=(RoleView(ADMIN_ROLE, members=(grows,)),)))
    } == {Severity.OK}


def test_a_short_delay_is_a_warning_also_where_no_more_is_promised() -> None:
    access = make_access(roles=(RoleView(ADMIN_ROLE, members=(member(delay_s=60),)),))
    findings = judge(access, promised_s=60)
    assert told(findings, Severity.REFUSAL) == []
    assert told(findings, Severity.WARNING) == [f"the admin 0x{ADMIN.hex()} with a delay of 60 s"]


def test_cuts_of_the_delays_of_roles_and_targets_are_refused() -> None:
    cut = DelayChange(0, NOW + 5)
    role = RoleView(ADMIN_ROLE, grant_delay_s=DAY_S, grant_change=cut, members=(member(),))
    assert "a new admin cut from 86400 s to 0 s" in refused(make_access(roles=(role,)))
    view = replace(target_view(CLIENT), admin_delay_s=DAY_S, admin_change=cut)
    assert "roles of the light client of port change cut from 86400 s" in refused(make_access(view))
    raised = replace(target_view(CLIENT), admin_delay_s=DAY_S, admin_change=DelayChange(2 * DAY_S, NOW + 5))
    assert told(judge(make_access(raised)), Severity.REFUSAL) == []


def test_a_guardian_to_come_is_a_warning() -> None:
    role = RoleView(GUARDIAN_ROLE, members=(member(GUARDIAN, 0), member(STRANGER, 0, since=NOW + 60)))
    (text,) = told(judge(make_access(roles=(role,))), Severity.WARNING)
    assert text == f"0x{STRANGER.hex()} gets role 1 in 60 s"


# --- what is scheduled --------------------------------------------------------------------------------------


def scheduled(target: Target, function: str, *arguments: object) -> Operation:
    data = load(target.contract).encode_call(function, *arguments)
    calls = tuple(decode_calls(target.address, data, TARGETS))
    return Operation(bytes(32), STRANGER, target.address, data, NOW + 60, calls)


BOOTSTRAP = load("BftLightClient").selector("bootstrap")
GRANT = load("AccessManager").encode_call("grantRole", ADMIN_ROLE, STRANGER, 0)
LABEL = load("AccessManager").encode_call("labelRole", OTHER_ROLE, "a label")
NESTED = load("AccessManager").encode_call("multicall", [LABEL, GRANT])


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (scheduled(CLIENT, "bootstrap", [STRANGER], 5, 6), "bootstrap(validators=('0x66"),
        (scheduled(GATEWAY, "replaceClient", bytes(32), STRANGER), "replaceClient(remoteId=0x00"),
        (scheduled(MANAGER, "grantRole", ADMIN_ROLE, STRANGER, 0), "grantRole(roleId=0, account=0x66"),
        (scheduled(MANAGER, "multicall", [GRANT]), "grantRole(roleId=0, account=0x66"),
        (scheduled(MANAGER, "multicall", [LABEL, GRANT]), "grantRole(roleId=0, account=0x66"),
        (scheduled(MANAGER, "multicall", [NESTED]), "grantRole(roleId=0, account=0x66"),
        (scheduled(MANAGER, "updateAuthority", GATEWAY.address, STRANGER), "updateAuthority(target=0x01"),
        (
            scheduled(MANAGER, "setTargetFunctionRole", CLIENT.address, [BOOTSTRAP], PUBLIC_ROLE),
            "give bootstrap of the light client of port to everybody",
        ),
        (scheduled(MANAGER, "setTargetClosed", GATEWAY.address, True), "setTargetClosed"),
        (scheduled(MANAGER, "setGrantDelay", ADMIN_ROLE, 5), "setGrantDelay(roleId=0, newDelay=5)"),
    ],
)
def test_what_would_change_trust_is_refused_while_it_is_scheduled(operation: Operation, words: str) -> None:
    text = refused(make_access(operations=(operation,)))
    assert f"scheduled by 0x{STRANGER.hex()}, can be executed in 60 s" in text
    assert words in text


def test_a_scheduled_grant_of_any_role_that_changes_trust_is_refused() -> None:
    granting = scheduled(MANAGER, "grantRole", OTHER_ROLE, STRANGER, 0)
    trusted = RoleView(OTHER_ROLE, members=(member(),))
    view = target_view(CLIENT, bootstrap=OTHER_ROLE)
    texts = told(judge(make_access(view, roles=(trusted,), operations=(granting,))), Severity.REFUSAL)
    assert any("grantRole(roleId=7" in text for text in texts)


@pytest.mark.parametrize(
    "operation",
    [
        scheduled(GATEWAY, "unpauseLane", bytes(32)),
        scheduled(MANAGER, "revokeRole", GUARDIAN_ROLE, GUARDIAN),
        scheduled(MANAGER, "grantRole", GUARDIAN_ROLE, STRANGER, 0),
        scheduled(MANAGER, "setTargetClosed", GATEWAY.address, False),
    ],
)
def test_what_changes_no_trust_is_shown(operation: Operation) -> None:
    findings = judge(make_access(operations=(operation,)))
    assert told(findings, Severity.REFUSAL) == []
    assert len(told(findings, Severity.WARNING)) == 1


def test_a_registration_that_this_configuration_plans_is_shown_and_not_refused() -> None:
    operation = scheduled(GATEWAY, "replaceClient", bytes(32), STRANGER)
    access = make_access(operations=(operation,))
    findings = judge(access, {(operation.address, operation.data)})
    assert told(findings, Severity.REFUSAL) == []
    assert len(told(findings, Severity.WARNING)) == 1
    for other in ((operation.address, b"\x01"), (CLIENT.address, operation.data)):
        assert len(told(judge(access, {other}), Severity.REFUSAL)) == 1


def test_a_call_that_can_not_be_read_is_refused_and_one_of_another_contract_is_shown() -> None:
    unknown = replace(
        scheduled(CLIENT, "bootstrap", [], 1, 2),
        calls=tuple(decode_calls(CLIENT.address, b"\x01\x02\x03\x04", TARGETS)),
    )
    assert "an unknown function of the light client of port" in refused(make_access(operations=(unknown,)))
    other = replace(unknown, address=STRANGER, calls=tuple(decode_calls(STRANGER, GRANT, TARGETS)))
    findings = judge(make_access(operations=(other,)))
    assert told(findings, Severity.REFUSAL) == []
    assert f"not of the endpoint, 0x{STRANGER.hex()}" in told(findings, Severity.WARNING)[0]


# --- what people read ---------------------------------------------------------------------------------------


def test_who_may_do_what_is_told_by_contract_and_role() -> None:
    access = make_access(target_view(CLIENT, update=OTHER_ROLE))
    rules = {(rule.target.name, rule.role): set(rule.functions) for rule in rules_of(access)}
    assert rules == {
        ("gateway", ADMIN_ROLE): set(GATEWAY_FUNCTIONS) - set(GUARDED_FUNCTIONS),
        ("gateway", GUARDIAN_ROLE): set(GUARDED_FUNCTIONS),
        ("light client of port", ADMIN_ROLE): {"bootstrap"},
        ("light client of port", OTHER_ROLE): {"update"},
        ("manager", ADMIN_ROLE): {
            *MANAGER_FUNCTIONS,
            "grantRole(admin)",
            "revokeRole(admin)",
            "grantRole(postroad guardian (1))",
            "revokeRole(postroad guardian (1))",
        },
    }


def test_a_label_can_not_pass_for_another_role_or_for_markup() -> None:
    assert role_text(RoleView(9, "[bold]admin\n\x1b[0m")) == "boldadmin0m (9)"
    assert role_text(RoleView(9)) == "role 9"
    assert role_text(RoleView(PUBLIC_ROLE)) == "everybody"
