# SPDX-License-Identifier: MIT
"""Who may do what to an endpoint, as its AccessManager has it: targets, roles, members, what is scheduled.

The manager keeps no lists. Its events name every role, every account and every operation that it ever saw;
what of them counts now is asked of it. A manager that foreign creation code made may hide members from its
events, so creation.py looks at how it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.chains.evm.node import Node
from relayer.contracts import load
from relayer.contracts.artifact import Artifact
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.steps import ADMIN_ROLE, GUARDED_FUNCTIONS, OPENER_FUNCTIONS
from relayer.endpoint.view import EndpointView, RemoteView

#: The AccessManager's role that everybody has, without a delay (PUBLIC_ROLE).
PUBLIC_ROLE: Final = (1 << 64) - 1

#: What of the manager itself its admin may do, whatever roles say (AccessManager._getAdminRestrictions).
MANAGER_FUNCTIONS: Final = (
    "labelRole",
    "setRoleAdmin",
    "setRoleGuardian",
    "setGrantDelay",
    "setTargetAdminDelay",
    "updateAuthority",
    "setTargetClosed",
    "setTargetFunctionRole",
)
#: What the admin of a role may do; the role is their first argument.
GRANTING_FUNCTIONS: Final = ("grantRole", "revokeRole")

#: The functions of a gateway, and of a light client, that ask the manager who calls. They are for people to
#: see; judged is every function that changes state, so that a light client may have others.
GATEWAY_FUNCTIONS: Final = (
    "registerRemote",
    "replaceClient",
    "unpauseRemote",
    "retireRemote",
    "reinstateRemote",
    "limitLane",
    "unpauseLane",
    "unpauseInboundLane",
    *GUARDED_FUNCTIONS,
    *OPENER_FUNCTIONS,
)
CLIENT_FUNCTIONS: Final = ("bootstrap",)

#: How many calls one request of the manager's `multicall` carries.
_BATCH: Final = 150
#: Above so many questions only those members are asked for whom an event names with that very role.
_MOST_QUESTIONS: Final = 3_000
#: How much of a role's label is shown.
_LABEL: Final = 40
#: How deep calls within calls are decoded.
_NESTED: Final = 3


@dataclass(frozen=True, slots=True)
class DelayChange:
    """A delay that will be another one: `delay_s` from `effect` on, a time in seconds."""

    delay_s: int
    effect: int


@dataclass(frozen=True, slots=True)
class Membership:
    """An account with a role, now or later.

    Attributes:
        account: 20 bytes.
        since: from when on it has the role, in seconds; later than now for one that is still to come.
        delay_s: how long each of its calls waits.
        change: what becomes of that delay; None where nothing does.
    """

    account: bytes
    since: int
    delay_s: int
    change: DelayChange | None = None


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role.

    Attributes:
        number: 0 is the admin's, 2^64-1 everybody's.
        label: as the manager was told; may be empty.
        admin: the role whose members grant and revoke this one.
        guardian: the role whose members cancel what members of this one have scheduled.
        grant_delay_s: how long a new member waits for it.
        grant_change: what becomes of that delay.
        members: who has it, or will.
    """

    number: int
    label: str = ""
    admin: int = ADMIN_ROLE
    guardian: int = ADMIN_ROLE
    grant_delay_s: int = 0
    grant_change: DelayChange | None = None
    members: tuple[Membership, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A contract that obeys a manager: its address (20 bytes), what people call it, its artifact's name."""

    address: bytes
    name: str
    contract: str


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target as its manager has it.

    Attributes:
        target: the contract.
        is_closed: whether all its restricted functions are refused to everybody.
        admin_delay_s: how long a change of its roles waits at least.
        admin_change: what becomes of that delay.
        roles: the role of each function that changes state, by name. Of a function that everybody may call
            anyway the role is the admin's, unless somebody set it.
    """

    target: Target
    is_closed: bool
    admin_delay_s: int
    admin_change: DelayChange | None
    roles: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CallView:
    """A decoded call: the target, or None for a contract that is not of the endpoint; the function, or ""
    where it is none of the contract's; its arguments by name.
    """

    target: Target | None
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What somebody has scheduled, and nobody has executed or cancelled.

    Attributes:
        id: 32 bytes.
        caller: who scheduled it, 20 bytes.
        address: of the contract that is called, 20 bytes.
        data: the calldata.
        ready_at: from when on it can be executed, in seconds.
        calls: what it does: one call, or those that a multicall holds.
    """

    id: bytes
    caller: bytes
    address: bytes
    data: bytes
    ready_at: int
    calls: tuple[CallView, ...]


@dataclass(frozen=True, slots=True)
class AccessView:
    """Who may do what.

    Attributes:
        manager: the AccessManager, 20 bytes.
        now: the time of the chain's newest block, in seconds.
        targets: the gateway, the manager, and the light clients.
        roles: every role that matters to one of them, by number; PUBLIC_ROLE is not among them.
        operations: what is scheduled, the earliest first.
    """

    manager: bytes
    now: int
    targets: tuple[TargetView, ...]
    roles: Mapping[int, RoleView]
    operations: tuple[Operation, ...]

    def role(self, number: int) -> RoleView:
        """Return a role; one that nothing is known of has no members."""
        return self.roles.get(number, RoleView(number))

    def members(self, number: int) -> tuple[Membership, ...]:
        """Return who has a role now, without those who are still to get it."""
        return tuple(member for member in self.role(number).members if member.since <= self.now)


@dataclass(frozen=True, slots=True)
class Rule:
    """Functions of a target that one role may call."""

    target: Target
    functions: tuple[str, ...]
    role: int


def rules_of(access: AccessView) -> tuple[Rule, ...]:
    """Return who may do what, as people read it: by target and role, the admin's first."""
    rules = []
    for view in access.targets:
        if view.target.address == access.manager:
            continue
        shown = GATEWAY_FUNCTIONS if view.target.contract == "Gateway" else CLIENT_FUNCTIONS
        # A function that nobody restricts is shown where somebody gave it a role all the same.
        given = {name: role for name, role in view.roles.items() if name in shown or role != ADMIN_ROLE}
        rules += [Rule(view.target, names, role) for role, names in _by_role(given)]
    manager = next(view for view in access.targets if view.target.address == access.manager)
    own = {name: role for name, role in manager.roles.items() if role != ADMIN_ROLE}
    own |= dict.fromkeys(MANAGER_FUNCTIONS, ADMIN_ROLE)
    for role in access.roles.values():
        own |= {f"{function}({role_text(role)})": role.admin for function in GRANTING_FUNCTIONS}
    return (*rules, *(Rule(manager.target, names, role) for role, names in _by_role(own)))


def _by_role(given: Mapping[str, int]) -> Iterator[tuple[int, tuple[str, ...]]]:
    for role in sorted(set(given.values())):
        yield role, tuple(name for name, number in given.items() if number == role)


def role_text(role: RoleView) -> str:
    """Return how people call a role: `admin`, `everybody`, or its label and number."""
    if role.number == ADMIN_ROLE:
        return "admin"
    if role.number == PUBLIC_ROLE:
        return "everybody"
    # Whoever labels a role chooses the text: what could pass for something else on a screen is left out.
    label = "".join(letter for letter in role.label if letter.isalnum() or letter in " -_.")[:_LABEL]
    return f"{label} ({role.number})" if label else f"role {role.number}"


def targets_of(view: EndpointView, others: Iterable[RemoteView] = ()) -> tuple[Target, ...]:
    """Return what obeys an endpoint's manager: its gateway, and the light clients of its remotes.

    `others` are remotes that the view doesn't have.
    """
    targets = {view.located.gateway: Target(view.located.gateway, "gateway", "Gateway")}
    for remote in (*view.remotes, *others):
        address, client = remote.client_address, remote.client
        if client is not None and client.authority == view.authority:
            targets[address] = Target(address, f"light client of {remote.name}", client.contract)
    return tuple(targets.values())


async def read_access_of(node: Node, manifest: Manifest, view: EndpointView) -> AccessView:
    """Read who may do what to an endpoint and to its light clients, and what is scheduled.

    Its authority is an AccessManager (`view.is_manager`). Raises as `read_access` does.
    """
    record = manifest.get(view.name)
    first = 0 if record is None or record.authority is None else record.authority.block_number
    return await read_access(ContractReader(node), view.authority, targets_of(view), first)


async def read_access(
    reader: ContractReader,
    manager: bytes,
    targets: Sequence[Target],
    first: int,
    accounts: Iterable[bytes] = (),
) -> AccessView:
    """Read who may do what.

    Args:
        reader: of the chain that the endpoint is on.
        manager: an AccessManager, 20 bytes; its code is known to be OpenZeppelin's.
        targets: the gateway and the light clients; the manager itself is added.
        first: the block from which on its events are read, that of its creation or an earlier one.
        accounts: who is asked for besides those whom events name, 20 bytes each.

    Raises:
        ChainUnavailable, RpcRefused: the node can't tell.
    """
    every = (*targets, Target(manager, "manager", "AccessManager"))
    now = int(str((await reader.node.block("latest"))["timestamp"]), 16)
    events = await _read_events(reader, manager, first)
    asker = _Asker(reader, manager)
    views = [await _read_target(asker, target, events, now) for target in every]
    wanted = {ADMIN_ROLE, *events.roles, *(role for view in views for role in view.roles.values())}
    roles = await _read_roles(asker, wanted, events, now)
    roles = await _read_members(asker, roles, events, {*accounts, *(target.address for target in every)})
    operations = await _read_operations(asker, events, every)
    return AccessView(manager, now, tuple(views), roles, operations)


def decode_calls(
    address: bytes, data: bytes, targets: Sequence[Target], depth: int = _NESTED
) -> Iterator[CallView]:
    """Decode a call, and the calls that a multicall of the manager holds, one by one."""
    target = next((target for target in targets if target.address == address), None)
    decoded = None if target is None else load(target.contract).decode_call(data)
    if decoded is None:
        yield CallView(target, "")
    elif decoded.name == "multicall" and depth:
        for inner in decoded.arguments["data"]:
            yield from decode_calls(address, inner, targets, depth - 1)
    else:
        yield CallView(target, decoded.name, decoded.arguments)


@dataclass(slots=True)
class _Events:
    """What a manager's events name."""

    roles: set[int] = field(default_factory=set)
    labels: dict[int, str] = field(default_factory=dict)
    #: Role and account.
    granted: set[tuple[int, bytes]] = field(default_factory=set)
    grant_changes: dict[int, DelayChange] = field(default_factory=dict)
    admin_changes: dict[bytes, DelayChange] = field(default_factory=dict)
    scheduled: dict[bytes, Mapping[str, Any]] = field(default_factory=dict)


async def _read_events(reader: ContractReader, manager: bytes, first: int) -> _Events:
    found = _Events()
    for name, event in await reader.events(manager, "AccessManager", load("AccessManager").events, first):
        if name == "RoleLabel":
            found.labels[event["roleId"]] = event["label"]
        elif name == "RoleGranted":
            found.granted.add((event["roleId"], address_of(event["account"])))
        elif name == "RoleGrantDelayChanged":
            found.grant_changes[event["roleId"]] = DelayChange(event["delay"], event["since"])
        elif name == "TargetAdminDelayUpdated":
            found.admin_changes[address_of(event["target"])] = DelayChange(event["delay"], event["since"])
        elif name == "OperationScheduled":
            found.scheduled[event["operationId"]] = event
        if "roleId" in event:
            found.roles.add(event["roleId"])
    found.roles.discard(PUBLIC_ROLE)
    return found


class _Asker:
    """Asks a manager many questions in few requests, by its own `multicall`."""

    def __init__(self, reader: ContractReader, manager: bytes) -> None:
        self._reader = reader
        self._manager = manager
        self._artifact: Artifact = load("AccessManager")

    async def ask(self, questions: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the answers to questions, each a function's name and its arguments, in their order."""
        answers: list[Any] = []
        for start in range(0, len(questions), _BATCH):
            batch = questions[start : start + _BATCH]
            calls = [self._artifact.encode_call(*question) for question in batch]
            data = await self._reader.ask(self._manager, "AccessManager", "multicall", calls)
            answers += [
                self._artifact.decode_result(question[0], answer)
                for question, answer in zip(batch, data, strict=True)
            ]
        return answers


async def _read_target(asker: _Asker, target: Target, events: _Events, now: int) -> TargetView:
    artifact = load(target.contract)
    names = artifact.changing_functions
    is_closed, delay, *roles = await asker.ask(
        [
            ("isTargetClosed", target.address),
            ("getTargetAdminDelay", target.address),
            *(("getTargetFunctionRole", target.address, artifact.selector(name)) for name in names),
        ]
    )
    change = _pending(events.admin_changes.get(target.address), now)
    return TargetView(target, is_closed, delay, change, dict(zip(names, roles, strict=True)))


async def _read_roles(asker: _Asker, wanted: set[int], events: _Events, now: int) -> dict[int, RoleView]:
    """Read roles, and the roles that rule them, and so on."""
    roles: dict[int, RoleView] = {}
    while missing := sorted(wanted - set(roles) - {PUBLIC_ROLE}):
        getters = ("getRoleAdmin", "getRoleGuardian", "getRoleGrantDelay")
        answers = await asker.ask([(getter, number) for number in missing for getter in getters])
        for place, number in enumerate(missing):
            admin, guardian, delay = answers[3 * place : 3 * place + 3]
            change = _pending(events.grant_changes.get(number), now)
            roles[number] = RoleView(number, events.labels.get(number, ""), admin, guardian, delay, change)
            wanted |= {admin, guardian}
    return roles


async def _read_members(
    asker: _Asker, roles: Mapping[int, RoleView], events: _Events, others: set[bytes]
) -> dict[int, RoleView]:
    accounts = sorted({account for _, account in events.granted} | others)
    pairs = [(number, account) for number in sorted(roles) for account in accounts]
    if len(pairs) > _MOST_QUESTIONS:
        pairs = sorted(events.granted)
    answers = await asker.ask([("getAccess", number, account) for number, account in pairs])
    members: dict[int, list[Membership]] = {number: [] for number in roles}
    for (number, account), (since, delay, following, effect) in zip(pairs, answers, strict=True):
        if since:
            change = DelayChange(following, effect) if effect else None
            members[number].append(Membership(account, since, delay, change))
    return {number: replace(role, members=tuple(members[number])) for number, role in roles.items()}


async def _read_operations(
    asker: _Asker, events: _Events, targets: Sequence[Target]
) -> tuple[Operation, ...]:
    # An operation that was executed, cancelled, or has expired, has no time any more.
    times = await asker.ask([("getSchedule", identity) for identity in events.scheduled])
    operations = []
    for (identity, event), ready_at in zip(events.scheduled.items(), times, strict=True):
        if not ready_at:
            continue
        address, data = address_of(event["target"]), event["data"]
        calls = tuple(decode_calls(address, data, targets))
        operations.append(Operation(identity, address_of(event["caller"]), address, data, ready_at, calls))
    return tuple(sorted(operations, key=lambda operation: operation.ready_at))


def _pending(change: DelayChange | None, now: int) -> DelayChange | None:
    return change if change is not None and change.effect > now else None
