# SPDX-License-Identifier: MIT
"""An endpoint, what it is joined to, and who may do what: as `endpoint list` and `check` show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from relayer.views.finding import FindingView, check_view

if TYPE_CHECKING:
    from relayer.consensus.findings import Finding
    from relayer.endpoint.access import AccessView, Membership, Operation, Rule
    from relayer.endpoint.view import EndpointView, RemoteView


class ListedAdmin(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with the admin's role, and how long each of their changes waits."""

    account: bytes
    delay_s: int


class ListedRemote(msgspec.Struct, frozen=True, kw_only=True):
    """A remote endpoint that is registered.

    Attributes:
        chain: its configured name.
        endpoint_id: 32 bytes.
        client: the address of its light client.
        status: `active`, `expired` or `frozen`; None where there is no light client of ours at the address,
            and so with `height`, `expires_at` and `kind`.
        height: its trusted height, in what its consensus counts by.
        expires_at: when it stops believing anything, unless it is updated before.
        kind: its contract.
        details: what this kind of light client has besides.
        paused: whether its guardian has paused it.
        retired: whether it was retired.
    """

    chain: str
    endpoint_id: bytes
    client: bytes
    status: str | None
    height: int | None
    expires_at: int | None
    kind: str | None
    details: Mapping[str, Any]
    paused: bool
    retired: bool


class ListedEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint. Without one yet, only `chain` is told."""

    chain: str
    gateway: bytes | None = None
    endpoint_id: bytes | None = None
    authority: bytes | None = None
    admins: tuple[ListedAdmin, ...] = ()
    remotes: tuple[ListedRemote, ...] = ()


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """An account with a role, now or later.

    Attributes:
        account: 20 bytes.
        since: from when on, in seconds.
        delay_s: how long each of its calls waits.
        next_delay_s: what that becomes at `next_delay_at`, in seconds; None for both where it stays.
    """

    account: bytes
    since: int
    delay_s: int
    next_delay_s: int | None
    next_delay_at: int | None


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """Who may call some functions of a contract.

    Attributes:
        contract: what people call it: `gateway`, `light client of NAME`, `manager`.
        address: 20 bytes.
        functions: their names; `grantRole(ROLE)` is for that role alone.
        role: the number of the role that may call them. 2^64-1 is everybody, who are not listed.
        label: what people call the role.
        members: who has it.
    """

    contract: str
    address: bytes
    functions: tuple[str, ...]
    role: int
    label: str
    members: tuple[MemberView, ...]


class ScheduledView(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is scheduled: by whom and of which contract (20 bytes each), from when on it can be
    executed (seconds), what it does, and its calldata.
    """

    caller: bytes
    target: bytes
    ready_at: int
    call: str
    data: bytes


class EndpointAccessView(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what to one endpoint.

    Attributes:
        chain: its name.
        manager: its AccessManager, 20 bytes.
        now: the time of the chain's newest block, in seconds.
        rules: who may call what.
        scheduled: what waits for its delay.
    """

    chain: str
    manager: bytes
    now: int
    rules: tuple[RuleView, ...]
    scheduled: tuple[ScheduledView, ...]


class EndpointCheckView(msgspec.Struct, frozen=True, kw_only=True):
    """All that a check of endpoints found. `ok` is False where a finding is a refusal.

    `access` has the endpoints whose AccessManager could be read.
    """

    ok: bool
    findings: tuple[FindingView, ...]
    access: tuple[EndpointAccessView, ...]


def endpoint_check_view(findings: Iterable[Finding], access: Mapping[str, AccessView]) -> EndpointCheckView:
    """Return the view of a check; `access` is by the chain's name."""
    checked = check_view(findings)
    views = tuple(access_view(name, view) for name, view in access.items())
    return EndpointCheckView(ok=checked.ok, findings=checked.findings, access=views)


def access_view(name: str, access: AccessView) -> EndpointAccessView:
    """Return the view of who may do what on a chain."""
    from relayer.endpoint.access import rules_of

    return EndpointAccessView(
        chain=name,
        manager=access.manager,
        now=access.now,
        rules=tuple(_rule_view(rule, access) for rule in rules_of(access)),
        scheduled=tuple(_scheduled_view(operation, access) for operation in access.operations),
    )


def _rule_view(rule: Rule, access: AccessView) -> RuleView:
    from relayer.endpoint.access import role_text

    role = access.role(rule.role)
    return RuleView(
        contract=rule.target.name,
        address=rule.target.address,
        functions=rule.functions,
        role=rule.role,
        label=role_text(role),
        members=tuple(_member_view(member) for member in role.members),
    )


def _member_view(member: Membership) -> MemberView:
    change = member.change
    return MemberView(
        account=member.account,
        since=member.since,
        delay_s=member.delay_s,
        next_delay_s=None if change is None else change.delay_s,
        next_delay_at=None if change is None else change.effect,
    )


def _scheduled_view(operation: Operation, access: AccessView) -> ScheduledView:
    from relayer.endpoint.access_rules import describe_call

    return ScheduledView(
        caller=operation.caller,
        target=operation.address,
        ready_at=operation.ready_at,
        call="; ".join(describe_call(call, access) for call in operation.calls),
        data=operation.data,
    )


def listed_endpoint(name: str, view: EndpointView | None, access: AccessView | None = None) -> ListedEndpoint:
    """Return a chain's endpoint as it is listed; None stands for no endpoint yet.

    `access` tells its admins; it is None where its authority is no AccessManager.
    """
    from relayer.endpoint.steps import ADMIN_ROLE

    if view is None:
        return ListedEndpoint(chain=name)
    admins = () if access is None else access.members(ADMIN_ROLE)
    return ListedEndpoint(
        chain=name,
        gateway=view.located.gateway,
        endpoint_id=view.located.endpoint_id,
        authority=view.authority or None,
        admins=tuple(ListedAdmin(account=admin.account, delay_s=admin.delay_s) for admin in admins),
        remotes=tuple(_listed_remote(remote) for remote in view.remotes),
    )


def _listed_remote(remote: RemoteView) -> ListedRemote:
    client = remote.client
    return ListedRemote(
        chain=remote.name,
        endpoint_id=remote.endpoint_id,
        client=remote.client_address,
        status=None if client is None else client.status.name.lower(),
        height=None if client is None else client.height,
        expires_at=None if client is None else client.timestamp + client.trusting_period_s,
        kind=None if client is None else client.contract,
        details={} if client is None else dict(client.details()),
        paused=remote.is_paused,
        retired=remote.is_retired,
    )
