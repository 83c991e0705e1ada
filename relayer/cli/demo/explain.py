# SPDX-License-Identifier: MIT
"""The proof of one message, piece by piece, with the bytes that the destination's contract was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from light_clients.hashing import keccak256
from light_clients.proofs.mpt import verify_account, verify_storage
from light_clients.proofs.node import read_path, split, string
from relayer.chains.base import AccountProof
from relayer.consensus.show import Printer, TrustExplanation, judge
from relayer.protocol.batch import Batch
from relayer.protocol.lane import heads_slot
from relayer.protocol.message import Message, MessageId, next_head
from relayer.text import hex_of, short

_NIBBLES_SHOWN: Final = 12
_HASH_DIGITS_SHOWN: Final = 18


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one `deliver` carried, decoded.

    Attributes:
        message: the one that is explained.
        batch: that it was delivered in.
        encoded_batch: the first argument of `deliver`.
        proof: the second.
        trust: why the state root was believed that the proof leads to.
        nodes: the trie nodes that the proof was made of.
        gateway: of the source, 20 bytes.
        source, destination: the chains' names.
    """

    message: Message
    batch: Batch
    encoded_batch: bytes
    proof: bytes
    trust: TrustExplanation
    nodes: AccountProof
    gateway: bytes
    source: str
    destination: str


def explain(printer: Printer, evidence: Evidence) -> bool:
    """Print the proof step by step, every step computed again here. Returns whether all of it holds.

    Raises Rejection where the trie nodes do not lead to the root.
    """
    results = [
        _explain_message(printer, evidence),
        _explain_chain_of_leaves(printer, evidence),
        _explain_storage(printer, evidence),
        evidence.trust.explain(printer),
    ]
    raw = sum(len(node) for nodes in evidence.nodes.storage_nodes.values() for node in nodes)
    raw += sum(len(node) for node in evidence.nodes.account_nodes)
    printer.say(
        f"  All of that travelled in one transaction: {len(evidence.encoded_batch)} bytes of messages and "
        f"{len(evidence.proof)} bytes of proof (the trie's nodes alone are {raw} bytes before they are packed)."
    )
    return all(results)


def _explain_message(printer: Printer, evidence: Evidence) -> bool:
    message = evidence.message
    printer.heading("The message. Its name is its leaf: the hash of all its parts.")
    printer.fact("lane", hex_of(message.lane_id))
    printer.fact("sequence", str(message.sequence))
    printer.fact("sender", f"{hex_of(message.sender[12:])} on {evidence.source}")
    printer.fact("recipient", f"{hex_of(message.recipient[12:])} on {evidence.destination}")
    printer.fact("gas limit, deadline", f"{message.gas_limit}, {message.deadline or 'none'}")
    printer.fact("payload", f"{hex_of(message.payload)} ({message.payload.decode(errors='replace')!r})")
    printer.result("leaf", hex_of(message.id))
    return message.id in evidence.batch.leaves


def _explain_chain_of_leaves(printer: Printer, evidence: Evidence) -> bool:
    batch, target = evidence.batch, evidence.message.sequence
    printer.heading("The chain of leaves. Each head is the hash of the head before it and the next leaf.")
    head = batch.previous_head
    printer.fact(
        f"head before #{batch.first}", hex_of(head) if any(head) else "zero: the lane's first message"
    )
    leaves: list[MessageId] = [*batch.leaves, *batch.tail]
    for offset, leaf in enumerate(leaves):
        head = next_head(head, leaf)
        sequence = batch.first + offset
        if sequence != target and 2 <= offset < len(leaves) - 1:
            continue
        mark = "   ← this message" if sequence == target else ""
        printer.fact(f"+ leaf of #{sequence}", f"{short(leaf)}  →  head {hex_of(head)}{mark}")
    proven = verify_storage_value(evidence)
    printer.result("the proven slot holds", hex_of(proven))
    return judge(printer, "the hashes lead to the head that the chain's state holds", holds=head == proven)


def _explain_storage(printer: Printer, evidence: Evidence) -> bool:
    page, root = evidence.batch.last >> 8, evidence.trust.carried.state_root
    slot = heads_slot(evidence.message.lane_id, page)
    printer.heading(
        "The storage proof: from that slot up to the block's state root, each node named by its hash above."
    )
    printer.fact("slot of the page's head", f"{hex_of(slot)} (lane, page {page})")
    _show_nodes(printer, "storage trie", evidence.nodes.storage_nodes[slot], keccak256(slot))
    account = verify_account(root, evidence.gateway, evidence.nodes.account_nodes)
    if account is None:
        return judge(printer, "the gateway has an account in that state", holds=False)
    printer.fact(
        "→ storage root of", f"{hex_of(evidence.gateway)} (the gateway): {hex_of(account.storage_root)}"
    )
    _show_nodes(printer, "account trie", evidence.nodes.account_nodes, keccak256(evidence.gateway))
    printer.result("→ state root", hex_of(root))
    return judge(printer, "both tries were walked from root to leaf, every hash compared", holds=True)


def verify_storage_value(evidence: Evidence) -> bytes:
    """Return the word of the page's head (32 bytes), walked to from the state root. Raises Rejection."""
    slot = heads_slot(evidence.message.lane_id, evidence.batch.last >> 8)
    root = evidence.trust.carried.state_root
    account = verify_account(root, evidence.gateway, evidence.nodes.account_nodes)
    return (
        bytes(32)
        if account is None
        else verify_storage(account.storage_root, slot, evidence.nodes.storage_nodes[slot])
    )


def _show_nodes(printer: Printer, trie: str, nodes: tuple[bytes, ...], key: bytes) -> None:
    """Print one line a node, from the leaf upwards, as the proof is rebuilt."""
    path, depth, lines = key.hex(), 0, []
    for node in nodes:
        items = split(node)
        if len(items) == 17:
            children = sum(item != b"\x80" for item in items[:16])
            lines.append(f"branch, {children} children, path nibble {path[depth]}")
            depth += 1
            continue
        is_leaf, nibbles = read_path(items[0])
        if is_leaf:
            lines.append(
                f"leaf, value {short(string(items[1]))}, rest of the key {nibbles[:_NIBBLES_SHOWN]}…"
            )
        else:
            lines.append(f"extension over {nibbles}")
        depth += len(nibbles)
    for index in range(len(nodes) - 1, -1, -1):
        printer.fact(
            f"{trie} {index}",
            f"{hex_of(keccak256(nodes[index]))[:_HASH_DIGITS_SHOWN]}…  {len(nodes[index]):3} bytes  {lines[index]}",
        )
