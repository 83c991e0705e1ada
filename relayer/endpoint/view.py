# SPDX-License-Identifier: MIT
"""Reads what lies on a chain: the endpoint, its authority, and each remote with its light client.

Who may do what there, access.py reads.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace

from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.consensus.kind import ClientView
from relayer.consensus.registry import view_client
from relayer.contracts import Build, recognise
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.steps import Located, locate
from relayer.errors import CallReverted, Malformed
from relayer.protocol.interop_address import InteropAddress


@dataclass(frozen=True, slots=True)
class RemoteView:
    """A remote endpoint as a gateway has it registered.

    `client` is None where the code at its address is not ours. `chain` is the CAIP-2 id that it was
    registered with, where that was read. While it is retired, `last_height` is the highest block of its chain
    that it is believed by; once it `is_succeeded`, another endpoint speaks for its chain.
    """

    name: str
    endpoint_id: bytes
    client_address: bytes
    client: ClientView | None
    is_paused: bool
    is_retired: bool
    chain: str = ""
    is_succeeded: bool = False
    last_height: int = 0


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint as it stands on its chain.

    Attributes:
        name: of the chain.
        located: where the manifest or the configuration says it is.
        is_gateway: whether the code there is our Gateway's, of whatever build; where it isn't, nothing below
            is read.
        own_id: the endpoint id that the gateway itself tells, 32 bytes.
        authority: the contract that the gateway obeys, 20 bytes.
        is_manager: whether that is OpenZeppelin's AccessManager.
        remotes: those of the configured chains that are registered.
        now: the timestamp of the chain's newest block, in seconds.
        build: which build of our Gateway the code is; None where it is none.
    """

    name: str
    located: Located
    is_gateway: bool
    own_id: bytes
    authority: bytes
    is_manager: bool
    remotes: tuple[RemoteView, ...]
    now: int
    build: Build | None = None

    def remote(self, name: str) -> RemoteView | None:
        """Return a registered remote by its chain's name; None when it is not registered."""
        return next((remote for remote in self.remotes if remote.name == name), None)


async def view_endpoint(config: Config, manifest: Manifest, node: Node, name: str) -> EndpointView | None:
    """Read an endpoint; None when the chain has none yet. Raises ChainUnavailable, BadManifest."""
    located = locate(config, manifest, name)
    if located is None:
        return None
    now = int(str((await node.block("latest"))["timestamp"]), 16)
    build = recognise("Gateway", await node.code(located.gateway))
    if build is None:
        return EndpointView(name, located, False, b"", b"", False, (), now)  # noqa: FBT003
    reader = ContractReader(node)
    own_id = await reader.ask(located.gateway, "Gateway", "endpointId")
    authority = address_of(await reader.ask(located.gateway, "Gateway", "authority"))
    is_manager = recognise("AccessManager", await node.code(authority)) is not None
    remotes = await asyncio.gather(
        *(_view_remote(config, manifest, reader, located, chain) for chain in config.chains if chain != name)
    )
    return EndpointView(
        name=name,
        located=located,
        is_gateway=True,
        own_id=own_id,
        authority=authority,
        is_manager=is_manager,
        remotes=tuple(remote for remote in remotes if remote is not None),
        now=now,
        build=build,
    )


async def _view_remote(
    config: Config, manifest: Manifest, reader: ContractReader, on: Located, name: str
) -> RemoteView | None:
    located = locate(config, manifest, name)
    return None if located is None else await view_remote(reader, on.gateway, name, located.endpoint_id)


async def view_remote(
    reader: ContractReader, gateway: bytes, name: str, endpoint_id: bytes
) -> RemoteView | None:
    """Read a remote of a gateway; None where it is not registered. `name` is how it is called."""
    try:
        answer = await reader.ask(gateway, "Gateway", "remote", endpoint_id)
    except CallReverted as error:
        if error.name == "RemoteUnknown":
            return None
        raise
    client, _, _, is_paused, is_retired, is_succeeded, last_height = answer
    address = address_of(client)
    return RemoteView(
        name=name,
        endpoint_id=endpoint_id,
        client_address=address,
        client=await view_client(reader, address),
        is_paused=is_paused,
        is_retired=is_retired,
        is_succeeded=is_succeeded,
        last_height=last_height,
    )


async def view_unlisted(reader: ContractReader, view: EndpointView, first: int) -> list[RemoteView]:
    """Read what a gateway has registered since block `first` and the configuration doesn't name.

    They are called by the chain and the address that they were registered with.
    """
    address = view.located.gateway
    known = {remote.endpoint_id for remote in view.remotes}
    found = []
    for _, event in await reader.events(address, "Gateway", ["RemoteRegistered"], first):
        if event["endpointId"] not in known:
            name, chain = _names_of(event["gateway"])
            remote = await view_remote(reader, address, name, event["endpointId"])
            if remote is not None:
                found.append(replace(remote, chain=chain))
    return found


def _names_of(address7930: bytes) -> tuple[str, str]:
    """Return how people call an address, and its chain's CAIP-2 id; "" where it has none."""
    try:
        address = InteropAddress.parse(address7930)
        text = address.to_text()
    except Malformed:
        return "0x" + address7930.hex(), ""
    with contextlib.suppress(Malformed):
        return text, str(address.chain_id)
    return text, ""
