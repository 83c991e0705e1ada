# SPDX-License-Identifier: MIT
"""What a dishonest relayer would try, tried: each forgery goes to the light client in Python and to the contracts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from light_clients.client import LightClient, Timestamp
from light_clients.errors import Rejection
from relayer.chains.base import Address
from relayer.cli.demo.console import Stage
from relayer.cli.output import hex_of
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import Forgery, ForgeryBasis, Show, rewrite
from relayer.errors import CallReverted
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.lane import Lane
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
    """A batch of a message that nobody sent, the truth to start from, a client that believes that, and where to try."""

    batch: Batch
    truth: ForgeryBasis
    client: LightClient
    destination: OpenChain
    sender: Address
    now: Timestamp


def invent(lane: Lane, head: bytes, next_sequence: int, template: Message) -> tuple[Batch, bytes]:
    """A message that nobody sent, as the next one behind a head, and the head that it would make."""
    invented = dataclasses.replace(template, sequence=Sequence(next_sequence), payload=b"release the cargo")
    return Batch(lane, head, Sequence(next_sequence), (invented,)), next_head(head, invented.id)


async def try_forgeries(stage: Stage, show: Show, material: Material) -> list[Attempt]:
    """Try them all, and show who refused what, and why."""
    truth = material.truth
    forgeries = [
        Forgery("a message that nobody sent, with a true proof", truth.proof),
        Forgery(
            "the same, its head written into the proof", rewrite(truth.proof, truth.word, truth.forged_word)
        ),
        *await show.forge(truth),
    ]
    return [await _try(stage, material, forgery) for forgery in forgeries]


async def _try(stage: Stage, material: Material, forgery: Forgery) -> Attempt:
    truth, proof = material.truth, forgery.proof

    def check_in_python() -> Any:
        proven = material.client.storage_at(proof, truth.account, truth.slot, material.now).value
        if proven != truth.forged_word:
            raise Rejection("the leaves lead to another head", found=truth.forged_word, expected=proven)

    python = _refusal_of(check_in_python)
    encoded = encode_batch(material.batch)
    try:
        await material.destination.chain.simulate_deliver(material.sender, encoded, proof, _GAS)
    except CallReverted as error:
        solidity: str | None = _describe_revert(error)
    else:
        solidity = None
    attempt = Attempt(forgery.name, python, solidity)
    stage.say(f"  {forgery.name}", style="bold")
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
