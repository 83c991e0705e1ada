# SPDX-License-Identifier: MIT
"""The shapes of JSON-RPC answers that we read, and only the fields that we read.

Text as it came; unverified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from light_clients.client import Height, Timestamp
from relayer.chains.base import AccountProof, Address, Head, TxHash, TxReceipt
from relayer.chains.evm.events import Log, decode_delivery_logs, parse_bytes, parse_quantity
from relayer.errors import NotFoundYet, RpcAnswerInvalid

# A path has at most 64 nibbles and a node for each at most, and a branch of 16 hashes is 532 bytes.
_MAX_NODES = 65
_MAX_NODE_BYTES = 1024


class BlockHead(msgspec.Struct, rename="camel"):
    """What a head is made of; the rest of the block is skipped."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    base_fee_per_gas: str | None = None


class StorageProofAnswer(msgspec.Struct):
    """One slot of `eth_getProof`."""

    key: str
    proof: list[str]


class ProofAnswer(msgspec.Struct, rename="camel"):
    """`eth_getProof`: the nodes.

    Balance, value and the rest are read from the nodes themselves, once verified.
    """

    account_proof: list[str]
    storage_proof: list[StorageProofAnswer]


class ReceiptAnswer(msgspec.Struct, rename="camel"):
    """`eth_getTransactionReceipt`."""

    transaction_hash: str
    block_number: str
    block_hash: str
    gas_used: str
    logs: list[Log]
    status: str | None = None
    effective_gas_price: str | None = None


def parse_head(answer: BlockHead | None) -> Head:
    """A head. Raises NotFoundYet for null, RpcAnswerInvalid."""
    if answer is None:
        raise NotFoundYet("no block", "a block")
    return Head(
        Height(parse_quantity(answer.number)),
        parse_bytes(answer.hash, 32),
        parse_bytes(answer.parent_hash, 32),
        Timestamp(parse_quantity(answer.timestamp)),
    )


def parse_base_fee(answer: BlockHead) -> int:
    """The base fee in wei. Raises RpcAnswerInvalid where the chain has none."""
    if answer.base_fee_per_gas is None:
        raise RpcAnswerInvalid(
            "a block without baseFeePerGas", "a chain with Cancun's rules", "Older chains are not served"
        )
    return parse_quantity(answer.base_fee_per_gas)


def parse_block(answer: Mapping[str, Any] | None, number: int) -> Mapping[str, Any]:
    """A block without its bodies. Raises NotFoundYet for null, RpcAnswerInvalid for another block."""
    if answer is None:
        raise NotFoundYet(f"no block {number}", "a provider that has it")
    if not isinstance(answer.get("number"), str) or parse_quantity(answer["number"]) != number:
        raise RpcAnswerInvalid(f"block {str(answer.get('number'))[:20]}", f"block {number}")
    return {
        key: value for key, value in answer.items() if key not in ("transactions", "uncles", "withdrawals")
    }


def parse_proof(answer: ProofAnswer | None, slots: Sequence[bytes]) -> AccountProof:
    """The nodes of an account and of the slots that were asked for.

    Raises NotFoundYet for null, RpcAnswerInvalid.
    """
    if answer is None:
        raise NotFoundYet("no proof", "a provider that has the state")
    by_key = {parse_quantity(item.key): item.proof for item in answer.storage_proof}
    missing = [slot for slot in slots if int.from_bytes(slot) not in by_key]
    if missing:
        raise RpcAnswerInvalid(f"no proof of slot 0x{missing[0].hex()}", "a proof of every slot asked for")
    return AccountProof(
        _nodes(answer.account_proof), {slot: _nodes(by_key[int.from_bytes(slot)]) for slot in slots}
    )


def parse_receipt(answer: ReceiptAnswer | None, tx_hash: TxHash, gateway: Address) -> TxReceipt | None:
    """A receipt with the deliveries that it tells of. Raises RpcAnswerInvalid."""
    if answer is None:
        return None
    if parse_bytes(answer.transaction_hash, 32) != tx_hash:
        raise RpcAnswerInvalid(f"the receipt of {answer.transaction_hash[:66]}", f"of 0x{tx_hash.hex()}")
    if answer.status is None or answer.effective_gas_price is None:
        raise RpcAnswerInvalid("a receipt without status or effectiveGasPrice", "both")
    delivered, events = decode_delivery_logs(answer.logs, gateway)
    gas_used = parse_quantity(answer.gas_used)
    return TxReceipt(
        tx_hash,
        Height(parse_quantity(answer.block_number)),
        parse_bytes(answer.block_hash, 32),
        parse_quantity(answer.status) == 1,
        gas_used,
        gas_used * parse_quantity(answer.effective_gas_price),
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
