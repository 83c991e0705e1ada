# SPDX-License-Identifier: MIT
"""What a dishonest relayer would try, tried: each forgery goes to the light client in Python and to the contracts."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from light_clients.bft.client import BftClient
from light_clients.bft.codec import encode_proof
from light_clients.bft.header import BftHeader
from light_clients.client import Timestamp
from light_clients.errors import Rejection
from relayer.chains.base import AccountProof, Address
from relayer.cli.demo.stage import Stage
from relayer.cli.output import hex_of
from relayer.endpoint.opening import OpenChain
from relayer.errors import CallReverted
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.lane import Lane, heads_slot
from relayer.protocol.message import Message, Sequence, next_head

_GAS = 10_000_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """A forgery and what became of it: the reason of each refusal, None where it was accepted."""

    name: str
    refused_by_python: str | None
    refused_by_solidity: str | None

    @property
    def is_refused(self) -> bool:
        """Whether both refused it."""
        return self.refused_by_python is not None and self.refused_by_solidity is not None


@dataclass(frozen=True, slots=True)
class Material:
    """What the forger starts from: a true header and proof, a client that believes them, and where to try.

    `head` is the lane's true head after its `next_sequence` messages.
    """

    lane: Lane
    head: bytes
    next_sequence: int
    template: Message
    header: BftHeader
    nodes: AccountProof
    proof: bytes
    client: BftClient
    source_gateway: bytes
    destination: OpenChain
    sender: Address
    now: Timestamp


async def try_forgeries(stage: Stage, material: Material) -> list[Attempt]:
    """Try them all, and show who refused what, and why."""
    invented = dataclasses.replace(
        material.template,
        sequence=Sequence(material.next_sequence),
        payload=b"release the cargo",
    )
    batch = Batch(material.lane, material.head, Sequence(material.next_sequence), (invented,))
    slot = heads_slot(material.lane.id, batch.last >> 8)
    forged_head = next_head(material.head, invented.id)
    return [
        await _try(
            stage,
            material,
            "a message that nobody sent, with a true proof",
            batch,
            material.proof,
            slot,
            forged_head,
        ),
        await _try(
            stage,
            material,
            "the same, its head written into the proof",
            batch,
            material.proof.replace(material.head, forged_head, 1),
            slot,
            forged_head,
        ),
        await _try(
            stage,
            material,
            "a header sealed by validators of the forger's own",
            batch,
            encode_proof(
                material.nodes.storage_nodes[slot],
                material.nodes.account_nodes,
                _seal_by_strangers(material.header),
                material.source_gateway,
                slot,
            ),
            slot,
            forged_head,
        ),
        await _try(
            stage,
            material,
            "one bit of one seal changed",
            batch,
            material.proof[:-1] + bytes([material.proof[-1] ^ 1]),
            slot,
            forged_head,
        ),
    ]


async def _try(
    stage: Stage, material: Material, name: str, batch: Batch, proof: bytes, slot: bytes, forged_head: bytes
) -> Attempt:
    def check_in_python() -> Any:
        proven = material.client.storage_at(proof, material.source_gateway, slot, material.now).value
        if proven != forged_head:
            raise Rejection("the leaves lead to another head", found=forged_head, expected=proven)

    python = _refusal_of(check_in_python)
    encoded = encode_batch(batch)
    try:
        await material.destination.chain.simulate_deliver(material.sender, encoded, proof, _GAS)
    except CallReverted as error:
        solidity: str | None = _describe_revert(error)
    else:
        solidity = None
    attempt = Attempt(name, python, solidity)
    stage.say(f"  {name}", style="bold")
    for who, refusal in (("Python", python), ("Solidity", solidity)):
        if refusal is None:
            stage.bad(f"{who} ACCEPTED it")
        else:
            stage.good(f"{who} refuses: {refusal}")
    return attempt


def _refusal_of(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except Rejection as rejection:
        return str(rejection)
    return None


def _describe_revert(error: CallReverted) -> str:
    inside = ", ".join(
        f"{name}={hex_of(value)[:18] + '…' if isinstance(value, bytes) and len(value) > 8 else value}"
        for name, value in error.arguments.items()
    )
    return f"{error.name}({inside})" if error.name else error.found


def _seal_by_strangers(header: BftHeader) -> BftHeader:
    """The same block, as sealed by as many validators that the forger has made up."""
    from coincurve import PrivateKey

    from light_clients.hashing import keccak256

    keys = [PrivateKey(secrets.token_bytes(32)) for _ in header.validators]
    by_address = {keccak256(key.public_key.format(compressed=False)[1:])[12:]: key for key in keys}
    listed = dataclasses.replace(header, validators=tuple(sorted(by_address)), seals=())
    digest = listed.commit_seal_hash
    seals = tuple(by_address[each].sign_recoverable(digest, hasher=None) for each in listed.validators)
    return dataclasses.replace(listed, seals=seals)
