# SPDX-License-Identifier: MIT
"""Each way to get at what an endpoint trusts, done with real contracts on anvil: the check refuses it.

The contracts are deployed once, as `endpoint deploy` does it but for its last step, which puts the admin
behind its delay. A test does what an attacker does, ends with that step where it still can, and looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from light_clients.bft.preimage import BftKind
from light_clients.hashing import keccak256
from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.consensus.findings import Severity
from relayer.contracts import load
from relayer.endpoint.access import PUBLIC_ROLE, AccessView, Target, read_access
from relayer.endpoint.access_rules import judge_access
from relayer.endpoint.creation import find_creation, judge_creation
from relayer.endpoint.steps import ADMIN_ROLE, GUARDED_FUNCTIONS, GUARDIAN_ROLE
from tests.differential.evm import Anvil, run_anvil
from tests.support.foreign_code import foreign_creation

START = 2_000_000_000
DAY_S = 86_400
DELAY_S = 2 * DAY_S
STRANGER = b"\x66" * 20
OWN_ROLE = 7
MANAGER, GATEWAY, CLIENT = load("AccessManager"), load("Gateway"), load("BftLightClient")
BOOTSTRAP = CLIENT.selector("bootstrap")
UNAUTHORIZED = keccak256(b"AccessManagedUnauthorized(address)")[:4]


@dataclass
class Deployed:
    """An endpoint on anvil, whose admin has no delay yet. `now` is the time of the next block."""

    anvil: Anvil
    manager: bytes
    gateway: bytes
    client: bytes
    now: int

    @property
    def admin(self) -> bytes:
        return bytes.fromhex(self.anvil.sender[2:])

    @property
    def node(self) -> Node:
        async def request(method: str, params: Sequence[Any]) -> Any:
            return self.anvil.rpc(method, *params)

        return Node("court", request)

    def do(self, function: str, *arguments: object) -> None:
        """As the admin, call the manager."""
        self.now += 1
        self.anvil.transact(self.manager, MANAGER.encode_call(function, *arguments), self.now)

    def schedule(self, target: bytes, data: bytes) -> None:
        self.do("schedule", target, data, 0)

    def close(self) -> None:
        """Put the admin behind its delay."""
        self.do("grantRole", ADMIN_ROLE, self.admin, DELAY_S)

    async def access(self) -> AccessView:
        targets = [
            Target(self.gateway, "gateway", "Gateway"),
            Target(self.client, "light client of port", "BftLightClient"),
        ]
        return await read_access(ContractReader(self.node), self.manager, targets, 0)

    async def refusals(self) -> list[str]:
        findings = judge_access("court", await self.access(), DELAY_S)
        return [finding.found for finding in findings if finding.severity is Severity.REFUSAL]

    def refused_to_stranger(self) -> bool:
        """Whether a stranger can't bootstrap the client with a validator of its own."""
        call = CLIENT.encode_call("bootstrap", [STRANGER], 5, self.now)
        request = {"from": "0x" + STRANGER.hex(), "to": "0x" + self.client.hex(), "data": "0x" + call.hex()}
        try:
            self.anvil.rpc("eth_call", request, "latest")
        except RuntimeError as error:
            return UNAUTHORIZED.hex() in str(error)
        return False


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with run_anvil() as anvil:
        yield anvil


@pytest.fixture(scope="module")
def fresh(anvil: Anvil) -> Deployed:
    admin = bytes.fromhex(anvil.sender[2:])
    manager = anvil.transact(None, MANAGER.encode_creation(admin), START)
    gateway = anvil.transact(None, GATEWAY.encode_creation(manager, b"\x01" * 32), START + 1)
    creation = CLIENT.encode_creation(
        manager, *BftKind.QBFT.arguments(), [b"\x11" * 20], 5, START, 14 * DAY_S, 60
    )
    client = anvil.transact(None, creation, START + 2)
    deployed = Deployed(anvil, manager, gateway, client, START + 3)
    guarded = [GATEWAY.selector(function) for function in GUARDED_FUNCTIONS]
    deployed.do("labelRole", GUARDIAN_ROLE, "postroad guardian")
    deployed.do("setTargetFunctionRole", gateway, guarded, GUARDIAN_ROLE)
    deployed.do("grantRole", GUARDIAN_ROLE, admin, 0)
    return deployed


@pytest.fixture
def endpoint(anvil: Anvil, fresh: Deployed) -> Iterator[Deployed]:
    snapshot = anvil.rpc("evm_snapshot")
    yield Deployed(anvil, fresh.manager, fresh.gateway, fresh.client, fresh.now)
    anvil.rpc("evm_revert", snapshot)


async def test_an_endpoint_as_it_is_deployed_is_good(endpoint: Deployed) -> None:
    endpoint.close()
    findings = judge_access("court", await endpoint.access(), DELAY_S)
    assert {finding.severity for finding in findings} == {Severity.OK}, findings
    assert endpoint.refused_to_stranger()


async def test_bootstrap_for_everybody(endpoint: Deployed) -> None:
    endpoint.do("setTargetFunctionRole", endpoint.client, [BOOTSTRAP], PUBLIC_ROLE)
    endpoint.close()
    assert await endpoint.refusals() == ["bootstrap of the light client of port for everybody"]
    assert not endpoint.refused_to_stranger()


async def test_bootstrap_for_a_role_of_its_own_without_a_delay(endpoint: Deployed) -> None:
    endpoint.do("setTargetFunctionRole", endpoint.client, [BOOTSTRAP], OWN_ROLE)
    endpoint.do("grantRole", OWN_ROLE, STRANGER, 0)
    endpoint.close()
    first, second = await endpoint.refusals()
    assert first.startswith("bootstrap of the light client of port for role 7")
    assert second == f"role 7 0x{STRANGER.hex()} without a delay"
    assert not endpoint.refused_to_stranger()


async def test_bootstrap_for_a_role_that_everybody_grants(endpoint: Deployed) -> None:
    endpoint.do("setTargetFunctionRole", endpoint.client, [BOOTSTRAP], OWN_ROLE)
    endpoint.do("setRoleAdmin", OWN_ROLE, PUBLIC_ROLE)
    endpoint.close()
    refusals = await endpoint.refusals()
    assert "bootstrap of the light client of port for role 7, which anybody can take" in refusals


async def test_pausing_and_opening_for_everybody(endpoint: Deployed) -> None:
    selectors = [GATEWAY.selector("pauseLane"), GATEWAY.selector("openChannel")]
    endpoint.do("setTargetFunctionRole", endpoint.gateway, selectors, PUBLIC_ROLE)
    endpoint.close()
    assert sorted(await endpoint.refusals()) == [
        "openChannel of the gateway for everybody",
        "pauseLane of the gateway for everybody",
    ]


async def test_a_function_of_the_manager_for_everybody(endpoint: Deployed) -> None:
    endpoint.do("setTargetFunctionRole", endpoint.manager, [MANAGER.selector("execute")], PUBLIC_ROLE)
    endpoint.close()
    assert await endpoint.refusals() == ["execute of the manager for everybody"]


async def test_a_closed_target(endpoint: Deployed) -> None:
    endpoint.do("setTargetClosed", endpoint.gateway, True)
    endpoint.close()
    assert await endpoint.refusals() == ["the gateway closed in the AccessManager"]


async def test_a_scheduled_bootstrap_until_it_is_cancelled(endpoint: Deployed) -> None:
    endpoint.close()
    call = CLIENT.encode_call("bootstrap", [STRANGER], 5, endpoint.now)
    endpoint.schedule(endpoint.client, call)
    (refusal,) = await endpoint.refusals()
    assert f"scheduled by 0x{endpoint.admin.hex()}, can be executed in {DELAY_S} s: bootstrap(" in refusal
    endpoint.do("cancel", endpoint.admin, endpoint.client, call)
    assert await endpoint.refusals() == []


async def test_a_scheduled_grant_within_a_multicall(endpoint: Deployed) -> None:
    endpoint.close()
    grant = MANAGER.encode_call("grantRole", ADMIN_ROLE, STRANGER, 0)
    endpoint.schedule(endpoint.manager, MANAGER.encode_call("multicall", [grant]))
    (refusal,) = await endpoint.refusals()
    assert f"grantRole(roleId=0, account=0x{STRANGER.hex()}, executionDelay=0) of the manager" in refusal


async def test_what_was_scheduled_and_has_expired_is_over(endpoint: Deployed) -> None:
    endpoint.close()
    endpoint.schedule(endpoint.client, CLIENT.encode_call("bootstrap", [STRANGER], 5, endpoint.now))
    endpoint.now += DELAY_S + 8 * DAY_S
    endpoint.do("renounceRole", OWN_ROLE, endpoint.admin)  # changes nothing, and makes a block
    assert await endpoint.refusals() == []


async def test_an_admin_to_come(endpoint: Deployed) -> None:
    endpoint.do("setGrantDelay", ADMIN_ROLE, DAY_S)
    endpoint.now += 6 * DAY_S  # a new grant delay works after five days
    endpoint.do("grantRole", ADMIN_ROLE, STRANGER, DELAY_S)
    endpoint.close()
    (refusal,) = await endpoint.refusals()
    assert f"the admin 0x{STRANGER.hex()}, to come in" in refusal


async def test_a_delay_that_is_about_to_be_cut(endpoint: Deployed) -> None:
    endpoint.close()
    grant = MANAGER.encode_call("grantRole", ADMIN_ROLE, endpoint.admin, 0)
    endpoint.schedule(endpoint.manager, grant)
    endpoint.now += DELAY_S
    endpoint.do("execute", endpoint.manager, grant)
    (refusal,) = await endpoint.refusals()
    assert refusal == f"the admin 0x{endpoint.admin.hex()}, whose delay is cut from {DELAY_S} s to 0 s"


async def test_delays_of_a_role_and_of_a_target_that_are_about_to_be_cut(endpoint: Deployed) -> None:
    endpoint.do("setGrantDelay", ADMIN_ROLE, DAY_S)
    endpoint.do("setTargetAdminDelay", endpoint.client, DAY_S)
    endpoint.now += 6 * DAY_S
    endpoint.do("setGrantDelay", ADMIN_ROLE, 0)
    endpoint.do("setTargetAdminDelay", endpoint.client, 5)
    endpoint.close()
    assert sorted(await endpoint.refusals()) == [
        f"the delay before the roles of the light client of port change cut from {DAY_S} s to 5 s",
        f"the delay of a new admin cut from {DAY_S} s to 0 s",
    ]


async def test_an_admin_left_without_a_delay(endpoint: Deployed) -> None:
    assert await endpoint.refusals() == [f"the admin 0x{endpoint.admin.hex()} without a delay"]


async def test_an_admin_that_only_creation_code_of_ones_own_knows(endpoint: Deployed) -> None:
    """The same runtime code, and an admin in the storage that no event names: the creation gives it away."""
    runtime = endpoint.anvil.code_at(endpoint.manager)
    members = members_slot_of(STRANGER)
    place = endpoint.anvil.transact(None, foreign_creation(runtime, members), endpoint.now)
    assert MANAGER.is_runtime(endpoint.anvil.code_at(place))
    reader = ContractReader(endpoint.node)
    assert await reader.ask(place, "AccessManager", "hasRole", ADMIN_ROLE, STRANGER) == (True, 0)
    hidden = await read_access(reader, place, [], 0)
    assert hidden.role(ADMIN_ROLE).members == ()
    forged = await find_creation(endpoint.node, "AccessManager", place)
    assert judge_creation("court", "manager", forged).severity is Severity.REFUSAL
    for contract, address in (
        ("AccessManager", endpoint.manager),
        ("Gateway", endpoint.gateway),
        ("BftLightClient", endpoint.client),
    ):
        good = await find_creation(endpoint.node, contract, address)
        assert judge_creation("court", contract, good).severity is Severity.OK


def members_slot_of(account: bytes) -> dict[int, int]:
    """Return the storage of an AccessManager in which an account has been an admin since the beginning."""
    roles_slot, since = 1, 1
    role = keccak256(ADMIN_ROLE.to_bytes(32) + roles_slot.to_bytes(32))
    return {int.from_bytes(keccak256(account.rjust(32, b"\0") + role)): since}
