# SPDX-License-Identifier: MIT
"""What a transaction changes in the record of an endpoint when its block is gone. Pure."""

from __future__ import annotations

import msgspec

from relayer.chains.base import TxReceipt
from relayer.endpoint.manifest import Contract, Hex, Record
from relayer.endpoint.steps import Step, StepKind


def contract_of(record: Record, step: Step) -> Contract | None:
    """Return the contract that a step created; None for a call, and where the record has it no more."""
    if step.kind is StepKind.AUTHORITY:
        return record.authority
    if step.kind is StepKind.GATEWAY:
        return record.gateway
    client = record.clients.get(step.remote) if step.kind is StepKind.CLIENT else None
    return None if client is None else client.contract


def without_step(record: Record, step: Step) -> Record:
    """Return a record without what a step did, and without what stands on a contract that it created."""
    change = msgspec.structs.replace
    if step.kind is StepKind.AUTHORITY:
        return change(record, authority=None, gateway=None, roles=None, admin=None, clients={}, remotes={})
    if step.kind is StepKind.GATEWAY:
        return change(record, gateway=None, roles=None, remotes={})
    if step.kind is StepKind.ROLES:
        return change(record, roles=None)
    if step.kind is StepKind.CLOSE:
        return change(record, admin=None)
    if step.kind in (StepKind.SCHEDULE, StepKind.ADMINISTER):
        return record
    remotes = {name: joined for name, joined in record.remotes.items() if name != step.remote}
    if step.kind is StepKind.CLIENT:
        clients = {name: client for name, client in record.clients.items() if name != step.remote}
        return change(record, clients=clients, remotes=remotes)
    return change(record, remotes=remotes)


def with_receipt(record: Record, step: Step, receipt: TxReceipt) -> Record:
    """Return a record in which a step's transaction stands in another block, and may have another hash."""
    change, tx_hash = msgspec.structs.replace, Hex(receipt.tx_hash)
    contract = contract_of(record, step)
    if contract is not None:
        contract = change(contract, tx_hash=tx_hash, block_number=int(receipt.block_number))
    if step.kind is StepKind.AUTHORITY:
        return change(record, authority=contract)
    if step.kind is StepKind.GATEWAY:
        return change(record, gateway=contract)
    if step.kind is StepKind.ROLES and record.roles is not None:
        return change(record, roles=change(record.roles, tx_hash=tx_hash))
    if step.kind is StepKind.CLOSE and record.admin is not None:
        return change(record, admin=change(record.admin, tx_hash=tx_hash))
    if contract is not None:
        client = change(record.clients[step.remote], contract=contract)
        return change(record, clients=record.clients | {step.remote: client})
    joined = record.remotes.get(step.remote)
    if step.kind in (StepKind.REGISTER, StepKind.EXECUTE) and joined is not None:
        return change(record, remotes=record.remotes | {step.remote: change(joined, tx_hash=tx_hash)})
    return record
