# SPDX-License-Identifier: MIT
"""Endpoints that a gateway has given up, and what must not come back with another one.

Headers carry no chain id. A chain that is reset with its old signers is a second history under the same
signatures: headers of the first freeze a light client of the second, and prove old storage. The gateway
itself remembers, by its events: so this holds wherever the check runs, and whatever became of its files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.chains.evm.node import Node
from relayer.consensus.findings import Finding, Severity
from relayer.consensus.kind import ClientView
from relayer.consensus.registry import view_client
from relayer.contracts import load
from relayer.endpoint.manifest import Record, to_plain
from relayer.endpoint.steps import Located
from relayer.endpoint.survey import Survey

#: The shortest value that names a signer or a set of signers: an address.
_SIGNER_BYTES: Final = 20
#: How many shared signers an error lists.
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class FormerEndpoint:
    """A retired remote of a gateway.

    Attributes:
        endpoint_id: 32 bytes.
        address7930: its gateway, as canonical ERC-7930 bytes.
        signers: addresses of signers, and hashes and roots of sets of them, that its light client was told
            to trust or trusts.
    """

    endpoint_id: bytes
    address7930: bytes
    signers: frozenset[bytes]


async def read_former(node: Node, on: Located, record: Record | None) -> tuple[FormerEndpoint, ...]:
    """Read the retired remotes of a gateway from its events. Raises ChainUnavailable.

    Args:
        node: of the gateway's chain.
        on: where the gateway is.
        record: what the manifest has of it, for the block that it was deployed in.
    """
    reader = ContractReader(node)
    first = 0 if record is None or record.gateway is None else record.gateway.block_number
    events = await reader.events(on.gateway, "Gateway", ["RemoteRetired"], first)
    retired = sorted({event.arguments["endpointId"] for event in events})
    found = await asyncio.gather(*(_read_one(reader, on.gateway, remote, first) for remote in retired))
    return tuple(former for former in found if former is not None)


async def _read_one(reader: ContractReader, on: bytes, remote: bytes, first: int) -> FormerEndpoint | None:
    client, _, _, _, is_retired, _, _ = await reader.ask(on, "Gateway", "remote", remote)
    if not is_retired:
        return None
    registered, *_ = await reader.events(on, "Gateway", ["RemoteRegistered"], first, remote)
    clients = {address_of(client), address_of(registered.arguments["client"])}
    signers = [await _read_signers(reader, address, first) for address in clients]
    return FormerEndpoint(remote, registered.arguments["gateway"], frozenset().union(*signers))


async def _read_signers(reader: ContractReader, client: bytes, first: int) -> frozenset[bytes]:
    view = await view_client(reader, client)
    if view is None:
        return frozenset()
    told: list[object] = [view.details()]
    # A kind without the event tells by its state alone.
    if "Bootstrapped" in load(view.contract).events:
        events = await reader.events(client, view.contract, ["Bootstrapped"], first)
        told += [dict(event.arguments) for event in events]
    return frozenset(_signers_in(told))


def _signers_in(value: object) -> Iterator[bytes]:
    """Every value of 20 bytes or more, which is what signers and their sets are called by on a chain."""
    if isinstance(value, msgspec.Struct):
        value = to_plain(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _signers_in(part)
        return
    if isinstance(value, str) and value.startswith("0x"):
        value = bytes.fromhex(value[2:])
    if isinstance(value, bytes) and len(value) >= _SIGNER_BYTES and any(value):
        yield value


def judge_former(
    subject: str,
    former: tuple[FormerEndpoint, ...],
    remote: Located,
    survey: Survey,
    client: ClientView | None = None,
) -> list[Finding]:
    """Refuse an endpoint that could be taken for one that was given up. Pure.

    Args:
        subject: how the findings name the pair of chains.
        former: the retired remotes of the gateway that it is, or is to be, registered with.
        remote: the endpoint.
        survey: of its chain.
        client: its light client, where it is registered.
    """
    # What nobody has followed yet tells no signers; the deployed client does.
    trusted = [survey.trust.record()] if survey.trust is not None and survey.trust.is_verified else []
    signers = frozenset(_signers_in([*trusted, {} if client is None else client.details()]))
    findings = []
    for gone in former:
        name = f"the retired endpoint 0x{gone.endpoint_id.hex()}"
        if gone.endpoint_id == remote.endpoint_id:
            # What a retired remote is to a check stands with the remote itself; nothing new shares its id.
            continue
        if gone.address7930 == remote.address7930:
            found = f"the chain id and the gateway 0x{remote.gateway.hex()} of {name}"
            advice = "Deploy the gateway at another address: proofs of the old one's storage name the same account."
            findings.append(Finding(Severity.REFUSAL, subject, found, "an address of its own", advice))
        if shared := sorted(signers & gone.signers):
            shown = ", ".join(f"0x{signer.hex()}" for signer in shared[:_SHOWN])
            shown += ", …" if len(shared) > _SHOWN else ""
            found = f"{len(shared)} signers of {name} ({shown})"
            advice = (
                "Give the reset chain's signers new keys: headers of before the reset, which anyone may have kept, "
                "freeze a light client that trusts the old ones."
            )
            findings.append(Finding(Severity.REFUSAL, subject, found, "none", advice))
    return findings


def judge_retired(subject: str, former: tuple[FormerEndpoint, ...], remote: Located) -> list[Finding]:
    """Refuse to register an endpoint that the gateway has retired. Pure."""
    if all(gone.endpoint_id != remote.endpoint_id for gone in former):
        return []
    found = f"the retired endpoint 0x{remote.endpoint_id.hex()}"
    advice = (
        "Take a retirement by mistake back (`reinstateRemote`). A chain that was reset is a new endpoint: correct "
        "its genesis hash and its gateway in the config."
    )
    return [Finding(Severity.REFUSAL, subject, found, "one that is not retired", advice)]
