# SPDX-License-Identifier: MIT
"""The proof of one message, piece by piece, with the bytes that the destination's contract was given."""

from __future__ import annotations

from dataclasses import dataclass

from light_clients.hashing import keccak256
from light_clients.proofs.mpt import verify_account, verify_storage
from light_clients.proofs.node import read_path, split, string
from relayer.chains.base import AccountProof
from relayer.cli.demo.console import Stage
from relayer.cli.output import hex_of, short
from relayer.consensus.show import TrustExplanation, judge
from relayer.protocol.batch import Batch
from relayer.protocol.lane import heads_slot
from relayer.protocol.message import Message, MessageId, next_head

_NIBBLES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one `deliver` carried, decoded, with the raw trie nodes that its proof was made of."""

    message: Message
    batch: Batch
    encoded_batch: bytes
    proof: bytes
    vouching: TrustExplanation
    nodes: AccountProof
    gateway: bytes
    source: str
    destination: str


def explain(stage: Stage, evidence: Evidence) -> bool:
    """Explain the proof, every step computed again here. Returns whether all of it holds."""
    results = [
        _explain_message(stage, evidence),
        _explain_chain_of_leaves(stage, evidence),
        _explain_storage(stage, evidence),
        evidence.vouching.explain(stage),
    ]
    raw = sum(len(node) for nodes in evidence.nodes.storage_nodes.values() for node in nodes)
    raw += sum(len(node) for node in evidence.nodes.account_nodes)
    stage.say(
        f"  All of that travelled in one transaction: {len(evidence.encoded_batch)} bytes of messages and "
        f"{len(evidence.proof)} bytes of proof (the trie's nodes alone are {raw} bytes before they are packed)."
    )
    return all(results)


def _explain_message(stage: Stage, evidence: Evidence) -> bool:
    message = evidence.message
    stage.say("The message. Its name is its leaf: the hash of all its parts.", style="bold")
    stage.fact("lane", hex_of(message.lane_id))
    stage.fact("sequence", str(message.sequence))
    stage.fact("sender", f"{hex_of(message.sender[12:])} on {evidence.source}")
    stage.fact("recipient", f"{hex_of(message.recipient[12:])} on {evidence.destination}")
    stage.fact("gas limit, deadline", f"{message.gas_limit}, {message.deadline or 'none'}")
    stage.fact("payload", f"{hex_of(message.payload)} ({message.payload.decode(errors='replace')!r})")
    stage.fact("leaf", hex_of(message.id), style="green")
    return message.id in evidence.batch.leaves


def _explain_chain_of_leaves(stage: Stage, evidence: Evidence) -> bool:
    batch, target = evidence.batch, evidence.message.sequence
    stage.say(
        "The chain of leaves. Each head is the hash of the head before it and the next leaf.", style="bold"
    )
    head = batch.previous_head
    stage.fact(f"head before #{batch.first}", hex_of(head) if any(head) else "zero: the lane's first message")
    leaves: list[MessageId] = [*batch.leaves, *batch.tail]
    for offset, leaf in enumerate(leaves):
        head = next_head(head, leaf)
        sequence = batch.first + offset
        if sequence != target and 2 <= offset < len(leaves) - 1:
            continue
        mark = "   ← this message" if sequence == target else ""
        stage.fact(f"+ leaf of #{sequence}", f"{short(leaf)}  →  head {hex_of(head)}{mark}")
    proven = verify_storage_value(evidence)
    stage.fact("the proven slot holds", hex_of(proven), style="green")
    return judge(stage, head == proven, "the hashes lead to the head that the chain's state holds")


def _explain_storage(stage: Stage, evidence: Evidence) -> bool:
    page, root = evidence.batch.last >> 8, evidence.vouching.state_root
    slot = heads_slot(evidence.message.lane_id, page)
    stage.say(
        "The storage proof: from that slot up to the block's state root, each node named by its hash above.",
        style="bold",
    )
    stage.fact("slot of the page's head", f"{hex_of(slot)} (lane, page {page})")
    _show_nodes(stage, "storage trie", evidence.nodes.storage_nodes[slot], keccak256(slot))
    account = verify_account(root, evidence.gateway, evidence.nodes.account_nodes)
    if account is None:
        return judge(stage, False, "the gateway has an account in that state")  # noqa: FBT003
    stage.fact(
        "→ storage root of", f"{hex_of(evidence.gateway)} (the gateway): {hex_of(account.storage_root)}"
    )
    _show_nodes(stage, "account trie", evidence.nodes.account_nodes, keccak256(evidence.gateway))
    stage.fact("→ state root", hex_of(root), style="green")
    return judge(stage, True, "both tries were walked from root to leaf, every hash compared")  # noqa: FBT003


def verify_storage_value(evidence: Evidence) -> bytes:
    """The slot's word, walked to from the header's state root. Raises Rejection."""
    slot = heads_slot(evidence.message.lane_id, evidence.batch.last >> 8)
    root = evidence.vouching.state_root
    account = verify_account(root, evidence.gateway, evidence.nodes.account_nodes)
    return (
        bytes(32)
        if account is None
        else verify_storage(account.storage_root, slot, evidence.nodes.storage_nodes[slot])
    )


def _show_nodes(stage: Stage, trie: str, nodes: tuple[bytes, ...], key: bytes) -> None:
    """One line a node, from the leaf upwards, as the proof is rebuilt."""
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
        stage.fact(
            f"{trie} {index}",
            f"{hex_of(keccak256(nodes[index]))[:18]}…  {len(nodes[index]):3} bytes  {lines[index]}",
        )
