# SPDX-License-Identifier: MIT
"""The shapes of JSON-RPC answers, with only the fields that we read, and the functions that read them.

Structs hold text as the provider wrote it. The `parse_` functions give typed values, still unverified; they
raise NotFoundYet where the provider answered null, and RpcAnswerInvalid for what no honest node answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from light_clients.client import Height, Timestamp
from relayer.chains.base import AccountProof, Address, Head, TxHash, TxReceipt
from relayer.chains.evm.events import Log, decode_delivery_logs, parse_bytes, parse_quantity
from relayer.errors import NotFoundYet, RpcAnswerInvalid

#: A path has 64 nibbles, so at most 65 nodes with the root. A branch of 16 hashes is 532 bytes.
_MAX_NODES: Final = 65
_MAX_NODE_BYTES: Final = 1024


class BlockHead(msgspec.Struct, rename="camel"):
    """The fields of a block that make a head."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    base_fee_per_gas: str | None = None


class StorageProofAnswer(msgspec.Struct):
    """One slot of `eth_getProof`: its key, and the nodes that lead to its value."""

    key: str
    proof: list[str]


class ProofAnswer(msgspec.Struct, rename="camel"):
    """The nodes of `eth_getProof`.

    Balance and values are not read: the verified nodes hold them.
    """

    account_proof: list[str]
    storage_proof: list[StorageProofAnswer]


class ReceiptAnswer(msgspec.Struct, rename="camel"):
    """The fields of `eth_getTransactionReceipt` that we read."""

    transaction_hash: str
    gas_used: str
    logs: list[Log]
    block_number: str | None = None
    block_hash: str | None = None
    status: str | None = None
    effective_gas_price: str | None = None


def parse_head(answer: BlockHead | None) -> Head:
    """Return the head. Raises NotFoundYet for null, RpcAnswerInvalid."""
    if answer is None:
        raise NotFoundYet("no block", "a block")
    return Head(
        Height(parse_quantity(answer.number)),
        parse_bytes(answer.hash, 32),
        parse_bytes(answer.parent_hash, 32),
        Timestamp(parse_quantity(answer.timestamp)),
    )


def parse_base_fee(answer: BlockHead) -> int | None:
    """Return the base fee in wei; None where the chain has none. Raises RpcAnswerInvalid."""
    return None if answer.base_fee_per_gas is None else parse_quantity(answer.base_fee_per_gas)


def parse_block(answer: Mapping[str, Any] | None, number: int) -> Mapping[str, Any]:
    """Return a block without its transactions, uncles and withdrawals.

    Raises NotFoundYet for null, RpcAnswerInvalid for a block of another number.
    """
    if answer is None:
        raise NotFoundYet(f"no block {number}", "a provider that has it")
    if not isinstance(answer.get("number"), str) or parse_quantity(answer["number"]) != number:
        raise RpcAnswerInvalid(f"block {str(answer.get('number'))[:20]}", f"block {number}")
    return {
        key: value for key, value in answer.items() if key not in ("transactions", "uncles", "withdrawals")
    }


def parse_proof(answer: ProofAnswer | None, slots: Sequence[bytes]) -> AccountProof:
    """Return the nodes of an account and of the slots that were asked for.

    Nodes write a slot's key with or without leading zeros, so keys are compared as numbers. Some Besu leave
    nothing of slot 0's key but `0x`.

    Raises NotFoundYet for null, RpcAnswerInvalid.
    """
    if answer is None:
        raise NotFoundYet("no proof", "a provider that has the state")
    by_key = {
        0 if slot.key == "0x" else parse_quantity(slot.key): slot.proof for slot in answer.storage_proof
    }
    missing = [slot for slot in slots if int.from_bytes(slot) not in by_key]
    if missing:
        raise RpcAnswerInvalid(f"no proof of slot 0x{missing[0].hex()}", "a proof of every slot asked for")
    return AccountProof(
        _nodes(answer.account_proof), {slot: _nodes(by_key[int.from_bytes(slot)]) for slot in slots}
    )


def parse_receipt(answer: ReceiptAnswer | None, tx_hash: TxHash, gateway: Address) -> TxReceipt | None:
    """Return a receipt with the deliveries that it tells of; None where the transaction is in no block yet.

    Nodes of chains without EIP-1559 leave the effective price out. The fee is 0 then, which is right where
    gas is free. Elsewhere it tells too little, for a receipt does not say what the transaction offered.

    Raises RpcAnswerInvalid.
    """
    # Nodes of one family answer null until there is a block, those of another a receipt without one.
    if answer is None or answer.block_number is None or answer.block_hash is None:
        return None
    if parse_bytes(answer.transaction_hash, 32) != tx_hash:
        raise RpcAnswerInvalid(f"the receipt of {answer.transaction_hash[:66]}", f"of 0x{tx_hash.hex()}")
    if answer.status is None:
        raise RpcAnswerInvalid("a receipt without status", "one, as since Byzantium")
    delivered, events = decode_delivery_logs(answer.logs, gateway)
    gas_used = parse_quantity(answer.gas_used)
    return TxReceipt(
        tx_hash,
        Height(parse_quantity(answer.block_number)),
        parse_bytes(answer.block_hash, 32),
        parse_quantity(answer.status) == 1,
        gas_used,
        gas_used * parse_quantity(answer.effective_gas_price or "0x0"),
        delivered,
        events,
    )


def _nodes(texts: Sequence[str]) -> tuple[bytes, ...]:
    if len(texts) > _MAX_NODES:
        raise RpcAnswerInvalid(f"{len(texts)} trie nodes", f"at most {_MAX_NODES}")
    nodes = tuple(parse_bytes(text) for text in texts)
    if any(len(node) > _MAX_NODE_BYTES for node in nodes):
        raise RpcAnswerInvalid("a trie node of more than a branch's size", f"at most {_MAX_NODE_BYTES} bytes")
    return nodes
