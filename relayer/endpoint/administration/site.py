# SPDX-License-Identifier: MIT
"""An endpoint that is administrated, as it stands, and what a command wants of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.consensus.findings import Finding
from relayer.endpoint.access import AccessView, read_access_of
from relayer.endpoint.administration.decisions import Change
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.steps import Step
from relayer.endpoint.view import EndpointView, view_endpoint
from relayer.errors import Drop


class NotAdministrable(Drop):
    """There is no endpoint to administrate, or none whose code is known, or no such remote or lane."""


@dataclass(frozen=True, slots=True)
class Site:
    """An endpoint that is administrated, as it stands on its chain.

    Attributes:
        config: the configuration.
        manifest: what was deployed from here.
        nodes: of every configured chain, by name.
        view: the endpoint.
        access: who may do what, and what is scheduled.
    """

    config: Config
    manifest: Manifest
    nodes: Mapping[str, Node]
    view: EndpointView
    access: AccessView

    @property
    def name(self) -> str:
        """The chain's name."""
        return self.view.name

    @property
    def gateway(self) -> bytes:
        """The gateway's address, 20 bytes."""
        return self.view.located.gateway

    @property
    def reader(self) -> ContractReader:
        """What asks the contracts on the chain."""
        return ContractReader(self.nodes[self.name])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command wants.

    Attributes:
        changes: the calls, in their order.
        findings: what was found on the way to them.
        deployment: a contract that is deployed first; its changes are provisional.
        config: the configuration with the rules that a survey found; None where there was none.
    """

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...] = ()
    deployment: Step | None = None
    config: Config | None = None


#: Says what a command wants of an endpoint as it stands.
Want = Callable[[Site], Awaitable[Wanted]]


async def read_site(config: Config, manifest: Manifest, nodes: Mapping[str, Node], name: str) -> Site:
    """Read the endpoint on a chain. Raises NotAdministrable, ChainUnavailable, BadManifest."""
    view = await view_endpoint(config, manifest, nodes[name], name)
    if view is None:
        advice = f"Run `postroad endpoint deploy {name}` first, or write its gateway into the config."
        raise NotAdministrable(f"{name} has no endpoint yet", "one", advice)
    if not view.is_gateway or not view.is_manager:
        what = "gateway" if not view.is_gateway else "authority"
        raise NotAdministrable(
            f"other code, or none, at the {what} of {name}",
            "the contracts of this version",
            f"`postroad endpoint check {name}` tells more.",
        )
    return Site(config, manifest, nodes, view, await read_access_of(nodes[name], manifest, view))


def first_block(site: Site) -> int:
    """Return the block from which on an endpoint's events are searched."""
    record = site.manifest.get(site.name)
    return 0 if record is None or record.gateway is None else record.gateway.block_number
