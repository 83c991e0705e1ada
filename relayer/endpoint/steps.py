# SPDX-License-Identifier: MIT
"""The transactions that make an endpoint, each as a step that can be shown, sent, and found done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from relayer.config import Config
from relayer.consensus.registry import configured, kind_of
from relayer.contracts import load
from relayer.endpoint.manifest import BadManifest, Manifest, Record
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import endpoint_id
from relayer.protocol.message import EndpointId

ADMIN_ROLE = 0
GUARDIAN_ROLE = 1
CHANNEL_OPENER_ROLE = 2

GUARDED_FUNCTIONS = ("pauseRemote", "pauseLane", "pauseInboundLane")
"""What a guardian may do: stop, at once, and nothing else."""

OPENER_FUNCTIONS = ("openChannel",)

_NOBODY = bytes(20)


class StepKind(Enum):
    """What a step does. The order is that of a fresh endpoint."""

    AUTHORITY = "authority"
    GATEWAY = "gateway"
    ROLES = "roles"
    CLIENT = "client"
    REGISTER = "register"
    SCHEDULE = "schedule"
    EXECUTE = "execute"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction on `chain`.

    `gas` is an estimate; `remote` is the chain that is joined, "" where none is.
    """

    kind: StepKind
    chain: str
    gas: int
    remote: str = ""
    initial_trust: msgspec.Struct | None = None
    """What a light client is deployed with, of its kind's own type."""
    client: str = ""
    """The contract of a light client that is deployed."""

    @property
    def id(self) -> str:
        """What the manifest calls it, on its chain."""
        return f"{self.kind.value}:{self.remote}" if self.remote else self.kind.value

    @property
    def creates(self) -> str | None:
        """The contract that it deploys."""
        return {
            StepKind.AUTHORITY: "AccessManager",
            StepKind.GATEWAY: "Gateway",
            StepKind.CLIENT: self.client,
        }.get(self.kind)


@dataclass(frozen=True, slots=True)
class Located:
    """Where an endpoint is. `address7930` is the gateway's canonical ERC-7930 bytes."""

    gateway: bytes
    genesis_hash: bytes
    address7930: bytes
    endpoint_id: EndpointId


def locate(config: Config, manifest: Manifest, name: str) -> Located | None:
    """Find an endpoint in the manifest, else in the config; None when it has none yet. Raises BadManifest."""
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
    """Return a step's recipient (None: a new contract) and data, from what is deployed by now."""
    record = manifest.get(step.chain)
    if step.kind is StepKind.AUTHORITY:
        return None, load("AccessManager").encode_creation(deployer)
    authority = authority_of(record, step.chain)
    if step.kind is StepKind.GATEWAY:
        assert record is not None
        return None, load("Gateway").encode_creation(authority, bytes(record.genesis_hash))
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
    """The AccessManager's address. Raises BadManifest when it isn't deployed."""
    if record is None or record.authority is None:
        raise BadManifest(
            f"{name} has no AccessManager in the manifest", "one", f"Run `endpoint deploy {name}` first."
        )
    return bytes(record.authority.address)


def register_call(config: Config, manifest: Manifest, name: str, remote: str) -> bytes:
    """The data of `registerRemote`, on the gateway.

    Raises BadManifest when the client or the remote isn't deployed.
    """
    record, located = manifest.get(name), locate(config, manifest, remote)
    if record is None or remote not in record.clients or located is None:
        raise BadManifest(
            f"{name} has no light client of {remote}, or {remote} no gateway",
            "both",
            f"Run `endpoint deploy {remote}`.",
        )
    limits = (
        config.endpoints.default_gas_limit,
        config.endpoints.max_gas_limit,
        config.endpoints.max_payload_bytes,
    )
    client = bytes(record.clients[remote].contract.address)
    return load("Gateway").encode_call(
        "registerRemote", located.address7930, located.genesis_hash, client, limits
    )


def client_creation(config: Config, authority: bytes, step: Step) -> bytes:
    """The init code of a light client of the step's remote chain, as its config and the step have it."""
    assert step.initial_trust is not None
    chain = config.chain(step.remote)
    on_chain = kind_of(chain).on_chain
    return on_chain.creation(authority, configured(step.remote, chain), step.initial_trust)


def guardian_of(config: Config, deployer: bytes) -> bytes:
    """Who may pause: as configured, else the deployer."""
    return deployer if config.endpoints.guardian is None else config.endpoints.guardian


def admin_of(config: Config, deployer: bytes) -> bytes:
    """Who administrates in the end: as configured, else the deployer."""
    return deployer if config.endpoints.admin is None else config.endpoints.admin


def opener_of(config: Config) -> bytes:
    """Who may open channels besides the admin; zero for nobody."""
    return _NOBODY if config.endpoints.channel_opener is None else config.endpoints.channel_opener


def _roles_call(config: Config, gateway: bytes, deployer: bytes) -> bytes:
    manager, endpoint = load("AccessManager"), load("Gateway")
    guarded = [endpoint.selector(function) for function in GUARDED_FUNCTIONS]
    opening = [endpoint.selector(function) for function in OPENER_FUNCTIONS]
    calls = [
        manager.encode_call("labelRole", GUARDIAN_ROLE, "postroad guardian"),
        manager.encode_call("setTargetFunctionRole", gateway, guarded, GUARDIAN_ROLE),
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
    """The admin's role again, with its delay; a deployer that is not the admin gives its own up."""
    manager, admin = load("AccessManager"), admin_of(config, deployer)
    calls = [manager.encode_call("grantRole", ADMIN_ROLE, admin, config.endpoints.admin_delay_s)]
    if admin != deployer:
        calls.append(manager.encode_call("renounceRole", ADMIN_ROLE, deployer))
    return manager.encode_call("multicall", calls)
