# SPDX-License-Identifier: MIT
"""Roots of whole beacon states and bodies of the minimal preset, straight from their SSZ bytes.

Written apart from `light_clients.codec.ssz`, so that the official Merkle proofs are held to a root that the
code under test did not make. Where the vectors have an empty list always, its element is left out and a full
one is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from light_clients.ethereum.config import ForkName


@dataclass(frozen=True)
class Kind:
    """An SSZ type: `size` is None where it varies; `limit` of a list is in elements, of bits in bits."""

    name: str
    size: int | None = None
    element: Kind | None = None
    limit: int = 0
    fields: tuple[tuple[str, Kind], ...] = ()


def uint(size: int) -> Kind:
    return Kind("uint", size)


def raw(size: int) -> Kind:
    return Kind("bytes", size)


def vector(element: Kind, length: int) -> Kind:
    return Kind("vector", (element.size or 0) * length, element, length)


def sequence(element: Kind | None, limit: int) -> Kind:
    return Kind("list", None, element, limit)


def container(**fields: Kind) -> Kind:
    sizes = [kind.size for kind in fields.values()]
    size = None if None in sizes else sum(size or 0 for size in sizes)
    return Kind("container", size, fields=tuple(fields.items()))


U8, U64, U256, ROOT = uint(1), uint(8), uint(32), raw(32)
KEY, SIGNATURE = raw(48), raw(96)
CHECKPOINT = container(epoch=U64, root=ROOT)
ETH1_DATA = container(deposit_root=ROOT, deposit_count=U64, block_hash=ROOT)
FORK = container(previous=raw(4), current=raw(4), epoch=U64)
HEADER = container(slot=U64, proposer_index=U64, parent_root=ROOT, state_root=ROOT, body_root=ROOT)
VALIDATOR = container(
    pubkey=KEY,
    withdrawal_credentials=ROOT,
    effective_balance=U64,
    slashed=U8,
    activation_eligibility_epoch=U64,
    activation_epoch=U64,
    exit_epoch=U64,
    withdrawable_epoch=U64,
)
COMMITTEE = container(pubkeys=vector(KEY, 32), aggregate_pubkey=KEY)
BLOCK_FIELDS = {
    "parent_hash": ROOT,
    "fee_recipient": raw(20),
    "state_root": ROOT,
    "receipts_root": ROOT,
    "logs_bloom": raw(256),
    "prev_randao": ROOT,
    "block_number": U64,
    "gas_limit": U64,
    "gas_used": U64,
    "timestamp": U64,
    "extra_data": sequence(U8, 32),
    "base_fee_per_gas": U256,
    "block_hash": ROOT,
}
BLOBS = {"blob_gas_used": U64, "excess_blob_gas": U64}
REGISTRY = 2**40


def state(fork: ForkName) -> Kind:
    fields = {
        "genesis_time": U64,
        "genesis_validators_root": ROOT,
        "slot": U64,
        "fork": FORK,
        "latest_block_header": HEADER,
        "block_roots": vector(ROOT, 64),
        "state_roots": vector(ROOT, 64),
        "historical_roots": sequence(ROOT, 2**24),
        "eth1_data": ETH1_DATA,
        "eth1_data_votes": sequence(ETH1_DATA, 32),
        "eth1_deposit_index": U64,
        "validators": sequence(VALIDATOR, REGISTRY),
        "balances": sequence(U64, REGISTRY),
        "randao_mixes": vector(ROOT, 64),
        "slashings": vector(U64, 64),
        "previous_epoch_participation": sequence(U8, REGISTRY),
        "current_epoch_participation": sequence(U8, REGISTRY),
        "justification_bits": raw(1),
        "previous_justified_checkpoint": CHECKPOINT,
        "current_justified_checkpoint": CHECKPOINT,
        "finalized_checkpoint": CHECKPOINT,
        "inactivity_scores": sequence(U64, REGISTRY),
        "current_sync_committee": COMMITTEE,
        "next_sync_committee": COMMITTEE,
    }
    if fork >= ForkName.CAPELLA:
        blobs = BLOBS if fork >= ForkName.DENEB else {}
        roots = {"transactions_root": ROOT, "withdrawals_root": ROOT}
        fields |= {
            "latest_execution_payload_header": container(**BLOCK_FIELDS, **roots, **blobs),
            "next_withdrawal_index": U64,
            "next_withdrawal_validator_index": U64,
            "historical_summaries": sequence(container(blocks=ROOT, states=ROOT), 2**24),
        }
    if fork >= ForkName.ELECTRA:
        fields |= {
            "deposit_requests_start_index": U64,
            "deposit_balance_to_consume": U64,
            "exit_balance_to_consume": U64,
            "earliest_exit_epoch": U64,
            "consolidation_balance_to_consume": U64,
            "earliest_consolidation_epoch": U64,
            "pending_deposits": sequence(None, 2**27),
            "pending_partial_withdrawals": sequence(None, 64),
            "pending_consolidations": sequence(None, 64),
        }
    return container(**fields)


def body(fork: ForkName) -> Kind:
    electra = fork >= ForkName.ELECTRA
    withdrawal = container(index=U64, validator_index=U64, address=raw(20), amount=U64)
    payload = {
        **BLOCK_FIELDS,
        "transactions": sequence(sequence(U8, 2**30), 2**20),
        "withdrawals": sequence(withdrawal, 4),
    }
    fields = {
        "randao_reveal": SIGNATURE,
        "eth1_data": ETH1_DATA,
        "graffiti": ROOT,
        "proposer_slashings": sequence(None, 16),
        "attester_slashings": sequence(None, 1 if electra else 2),
        "attestations": sequence(None, 8 if electra else 128),
        "deposits": sequence(None, 16),
        "voluntary_exits": sequence(None, 16),
        "sync_aggregate": container(bits=raw(4), signature=SIGNATURE),
        "execution_payload": container(**payload, **(BLOBS if fork >= ForkName.DENEB else {})),
        "bls_to_execution_changes": sequence(None, 16),
    }
    if fork >= ForkName.DENEB:
        fields["blob_kzg_commitments"] = sequence(KEY, 4096)
    if electra:
        fields["execution_requests"] = container(
            deposits=sequence(None, 8192), withdrawals=sequence(None, 16), consolidations=sequence(None, 2)
        )
    return container(**fields)


def hash_tree_root(name: str, fork: ForkName, data: bytes) -> bytes:
    """The root of a serialized BeaconState or BeaconBlockBody."""
    return root({"BeaconState": state, "BeaconBlockBody": body}[name](fork), data)


def root(kind: Kind, data: bytes) -> bytes:
    if kind.size is not None and len(data) != kind.size:
        raise ValueError(f"found {len(data)} bytes of {kind.name}, expected {kind.size}")
    if kind.name in {"uint", "bytes"}:
        return merkle(pack(data))
    if kind.name == "container":
        return merkle(
            [root(field, part) for (_, field), part in zip(kind.fields, split(kind, data), strict=True)]
        )
    if kind.element is None:
        if data:
            raise ValueError(f"found {len(data)} bytes of a list that the vectors leave empty")
        return mix(merkle([], kind.limit), 0)
    if kind.element.name == "uint":
        size = kind.element.size or 1
        chunks, count, width = pack(data), len(data) // size, (kind.limit * size + 31) // 32
    else:
        parts = elements(kind.element, data)
        chunks, count, width = [root(kind.element, part) for part in parts], len(parts), kind.limit
    found = merkle(chunks, width)
    return mix(found, count) if kind.name == "list" else found


def elements(kind: Kind, data: bytes) -> list[bytes]:
    if kind.size is not None:
        return [data[at : at + kind.size] for at in range(0, len(data), kind.size)]
    if not data:
        return []
    count = int.from_bytes(data[:4], "little") // 4
    offsets = [int.from_bytes(data[4 * at : 4 * at + 4], "little") for at in range(count)]
    return [data[start:stop] for start, stop in zip(offsets, [*offsets[1:], len(data)], strict=True)]


def split(kind: Kind, data: bytes) -> list[bytes]:
    parts: list[bytes | int] = []
    at = 0
    for _, field in kind.fields:
        width = 4 if field.size is None else field.size
        piece = data[at : at + width]
        parts.append(int.from_bytes(piece, "little") if field.size is None else piece)
        at += width
    offsets = [part for part in parts if isinstance(part, int)]
    if offsets and offsets[0] != at:
        raise ValueError(f"found a first offset of {offsets[0]}, expected {at}")
    stops = iter([*offsets[1:], len(data)])
    return [data[part : next(stops)] if isinstance(part, int) else part for part in parts]


def pack(data: bytes) -> list[bytes]:
    return [data[at : at + 32].ljust(32, b"\0") for at in range(0, len(data), 32)]


def mix(found: bytes, count: int) -> bytes:
    return hashlib.sha256(found + count.to_bytes(32, "little")).digest()


def merkle(chunks: list[bytes], width: int | None = None) -> bytes:
    level, zero, wide = list(chunks), bytes(32), max(len(chunks) if width is None else width, 1)
    while wide > 1:
        level += [zero] * (len(level) % 2)
        level = [
            hashlib.sha256(left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)
        ]
        zero, wide = hashlib.sha256(zero + zero).digest(), (wide + 1) // 2
    return level[0] if level else zero
