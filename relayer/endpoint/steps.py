# SPDX-License-Identifier: MIT
"""The transactions that make an endpoint, each as a step that can be planned, shown, sent and resumed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from relayer.config import Config
from relayer.consensus.registry import configured, kind_of
from relayer.contracts import Build, load
from relayer.endpoint.manifest import BadManifest, Manifest, Record
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import endpoint_id
from relayer.protocol.message import EndpointId

#: Roles of the AccessManager. 0 is its own ADMIN_ROLE; the others are ours.
ADMIN_ROLE: Final = 0
GUARDIAN_ROLE: Final = 1
CHANNEL_OPENER_ROLE: Final = 2

#: What a guardian may do, without a delay. It can stop traffic and nothing else.
GUARDED_FUNCTIONS: Final = ("pauseRemote", "pauseLane", "pauseInboundLane")

#: What a channel opener may do.
OPENER_FUNCTIONS: Final = ("openChannel",)

_NOBODY: Final = bytes(20)


class StepKind(Enum):
    """What a step does. The order is that of a new endpoint, whose admin registers at once.

    Later an admin has a delay: a registration is scheduled, and executed after that. ADMINISTER is one call
    of the administration.
    """

    AUTHORITY = "authority"
    GATEWAY = "gateway"
    ROLES = "roles"
    CLIENT = "client"
    REGISTER = "register"
    SCHEDULE = "schedule"
    EXECUTE = "execute"
    CLOSE = "close"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction.

    Attributes:
        kind: what it does.
        chain: the chain that it is sent on.
        gas: an estimate.
        remote: the chain that is joined, "" where none is; of ADMINISTER what is done, in words.
        initial_trust: what a light client is deployed with, of its kind's own type.
        client: the contract of a light client that is deployed.
        call: the target (20 bytes) and the calldata of ADMINISTER.
        build: which build of the contract is deployed.
        creation_bytes: how long the init code is, with the constructor's arguments; 0 for a call.
    """

    kind: StepKind
    chain: str
    gas: int
    remote: str = ""
    initial_trust: msgspec.Struct | None = None
    client: str = ""
    call: tuple[bytes, bytes] | None = None
    build: Build = Build.CANCUN
    creation_bytes: int = 0

    @property
    def id(self) -> str:
        """How the manifest names the step; unique on its chain."""
        return f"{self.kind.value}:{self.remote}" if self.remote else self.kind.value

    @property
    def creates(self) -> str | None:
        """The name of the contract that it deploys; None for a call."""
        return {
            StepKind.AUTHORITY: "AccessManager",
            StepKind.GATEWAY: "Gateway",
            StepKind.CLIENT: self.client,
        }.get(self.kind)


def step_of(chain: str, step_id: str) -> Step:
    """Return the step that an id of the manifest names, without what its transaction was made from."""
    kind, _, remote = step_id.partition(":")
    return Step(StepKind(kind), chain, 0, remote)


@dataclass(frozen=True, slots=True)
class Located:
    """Where an endpoint is, and its id. `address7930` is the gateway's canonical ERC-7930 bytes."""

    gateway: bytes
    genesis_hash: bytes
    address7930: bytes
    endpoint_id: EndpointId


def locate(config: Config, manifest: Manifest, name: str) -> Located | None:
    """Find an endpoint in the manifest, else in the configuration; None when there is none yet.

    Raises BadManifest when the two contradict each other.
    """
    chain = config.chain(name)
    record = manifest.get(name)
    deployed = None if record is None or record.gateway is None else bytes(record.gateway.address)
    if deployed is not None and chain.gateway is not None and deployed != chain.gateway:
        raise BadManifest(
            f"{manifest.path} has the gateway 0x{deployed.hex()} for {name}",
            f"the config's, 0x{chain.gateway.hex()}",
            f"Remove the wrong one: chains.{name}.gateway, or {name} in the manifest.",
        )
    gateway = chain.gateway if deployed is None else deployed
    genesis = chain.genesis_hash if record is None else bytes(record.genesis_hash)
    if gateway is None or genesis is None:
        return None
    address = InteropAddress.evm(chain.chain_id, gateway).to_bytes()
    return Located(gateway, genesis, address, endpoint_id(address, genesis))


def build(step: Step, config: Config, manifest: Manifest, deployer: bytes) -> tuple[bytes | None, bytes]:
    """Return a step's recipient (None for a new contract) and its data, from what is deployed by now."""
    if step.call is not None:
        return step.call
    record = manifest.get(step.chain)
    if step.kind is StepKind.AUTHORITY:
        return None, load("AccessManager", step.build).encode_creation(deployer)
    authority = authority_of(record, step.chain)
    if step.kind is StepKind.GATEWAY:
        assert record is not None
        genesis_hash = bytes(record.genesis_hash)
        return None, load("Gateway", step.build).encode_creation(authority, genesis_hash)
    if step.kind is StepKind.CLIENT:
        return None, client_creation(config, authority, step)
    gateway = locate(config, manifest, step.chain)
    assert gateway is not None
    if step.kind is StepKind.ROLES:
        return authority, _roles_call(config, gateway.gateway, deployer)
    if step.kind is StepKind.CLOSE:
        return authority, _close_call(config, deployer)
    call = register_call(config, manifest, step.chain, step.remote)
    if step.kind is StepKind.SCHEDULE:
        # 0: as soon as the delay allows
        return authority, load("AccessManager").encode_call("schedule", gateway.gateway, call, 0)
    if step.kind is StepKind.EXECUTE:
        return authority, load("AccessManager").encode_call("execute", gateway.gateway, call)
    return gateway.gateway, call


def authority_of(record: Record | None, name: str) -> bytes:
    """Return the AccessManager's address, 20 bytes. Raises BadManifest when it isn't deployed."""
    if record is None or record.authority is None:
        raise BadManifest(
            f"{name} has no AccessManager in the manifest", "one", f"Run `endpoint deploy {name}` first."
        )
    return bytes(record.authority.address)


def register_call(config: Config, manifest: Manifest, name: str, remote: str) -> bytes:
    """Return the calldata of `registerRemote`, which goes to the gateway on `name`.

    Raises BadManifest when the client or the remote isn't deployed.
    """
    record, located = manifest.get(name), locate(config, manifest, remote)
    if record is None or remote not in record.clients or located is None:
        raise BadManifest(
            f"{name} has no light client of {remote}, or {remote} no gateway",
            "both",
            f"Run `endpoint deploy {remote}`.",
        )
    client = bytes(record.clients[remote].contract.address)
    return load("Gateway").encode_call(
        "registerRemote", located.address7930, located.genesis_hash, client, limits_of(config)
    )


def limits_of(config: Config) -> tuple[int, int, int]:
    """Return a lane's limits as the gateway takes them: gas by default and at most, bytes of payload."""
    endpoints = config.endpoints
    return (endpoints.default_gas_limit, endpoints.max_gas_limit, endpoints.max_payload_bytes)


def client_creation(config: Config, authority: bytes, step: Step) -> bytes:
    """Return the init code of the light client that a step deploys; `authority` has 20 bytes."""
    assert step.initial_trust is not None
    chain = config.chain(step.remote)
    # A kind need not know builds: its init code is that of the best one.
    creation = kind_of(chain).on_chain.creation(authority, configured(step.remote, chain), step.initial_trust)
    return load(step.client, step.build).rebuild(creation)


def guardian_of(config: Config, deployer: bytes) -> bytes:
    """Return who may pause: as configured, else the deployer."""
    return deployer if config.endpoints.guardian is None else config.endpoints.guardian


def admin_of(config: Config, deployer: bytes) -> bytes:
    """Return who administrates in the end: as configured, else the deployer."""
    return deployer if config.endpoints.admin is None else config.endpoints.admin


def opener_of(config: Config) -> bytes:
    """Return who may open channels besides the admin; zero for nobody."""
    return _NOBODY if config.endpoints.channel_opener is None else config.endpoints.channel_opener


def _roles_call(config: Config, gateway: bytes, deployer: bytes) -> bytes:
    manager, endpoint = load("AccessManager"), load("Gateway")
    guarded = [endpoint.selector(function) for function in GUARDED_FUNCTIONS]
    opening = [endpoint.selector(function) for function in OPENER_FUNCTIONS]
    calls = [
        manager.encode_call("labelRole", GUARDIAN_ROLE, "postroad guardian"),
        manager.encode_call("setTargetFunctionRole", gateway, guarded, GUARDIAN_ROLE),
        # The 0 is the delay: a pause works at once. Only the delayed admin can lift it.
        manager.encode_call("grantRole", GUARDIAN_ROLE, guardian_of(config, deployer), 0),
    ]
    if opener_of(config) != _NOBODY:
        calls += [
            manager.encode_call("labelRole", CHANNEL_OPENER_ROLE, "postroad channel opener"),
            manager.encode_call("setTargetFunctionRole", gateway, opening, CHANNEL_OPENER_ROLE),
            manager.encode_call("grantRole", CHANNEL_OPENER_ROLE, opener_of(config), 0),
        ]
    return manager.encode_call("multicall", calls)


def _close_call(config: Config, deployer: bytes) -> bytes:
    """Return the call that sets the admin's delay; a deployer that is not the admin gives the role up."""
    manager, admin = load("AccessManager"), admin_of(config, deployer)
    # The order matters: once the deployer has given its role up, it can grant none.
    calls = [manager.encode_call("grantRole", ADMIN_ROLE, admin, config.endpoints.admin_delay_s)]
    if admin != deployer:
        calls.append(manager.encode_call("renounceRole", ADMIN_ROLE, deployer))
    return manager.encode_call("multicall", calls)
