# SPDX-License-Identifier: MIT
"""What a dishonest relayer would try, tried on the light client in Python and on the contracts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from light_clients.client import LightClient, Timestamp
from light_clients.errors import Rejection
from relayer.chains.base import Address
from relayer.cli.demo.console import DemoConsole
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import ConsensusShow, Forgery, ForgeryBasis, rewrite
from relayer.errors import CallReverted
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.lane import Lane
from relayer.protocol.message import Message, Sequence, next_head
from relayer.text import hex_of

_GAS: Final = 10_000_000
_ARGUMENT_BYTES_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Attempt:
    """A forgery and what became of it.

    Attributes:
        name: what is dishonest about it.
        refused_by_python: the reason of the light client in Python; None where it accepted or was not asked.
        refused_by_solidity: the reason of the contracts; None where they accepted.
        is_tried_in_python: whether the kind has a light client in Python to try it on.
    """

    name: str
    refused_by_python: str | None
    refused_by_solidity: str | None
    is_tried_in_python: bool = True

    @property
    def is_refused(self) -> bool:
        """Whether everybody refused it who was asked."""
        by_python = self.refused_by_python is not None or not self.is_tried_in_python
        return by_python and self.refused_by_solidity is not None

    def to_json(self) -> Mapping[str, str | None]:
        """Return the shape that docs/reference/cli.md promises."""
        return {
            "name": self.name,
            "python": self.refused_by_python,
            "solidity": self.refused_by_solidity,
        }


@dataclass(frozen=True, slots=True)
class Material:
    """What forgeries are tried with.

    Attributes:
        batch: of a message that nobody sent.
        basis: the truth to start from.
        client: a light client in Python that believes that truth; None where the kind gives none.
        destination: the chain whose contracts are asked.
        sender: in whose name they are asked.
        now: the time for the light client in Python.
    """

    batch: Batch
    basis: ForgeryBasis
    client: LightClient | None
    destination: OpenChain
    sender: Address
    now: Timestamp


def invent(lane: Lane, head: bytes, next_sequence: int, template: Message) -> tuple[Batch, bytes]:
    """Return a message that nobody sent, as the next one behind a head, and the head that it would make."""
    invented = dataclasses.replace(template, sequence=Sequence(next_sequence), payload=b"release the cargo")
    return Batch(lane, head, Sequence(next_sequence), (invented,)), next_head(head, invented.id)


async def try_forgeries(console: DemoConsole, show: ConsensusShow, material: Material) -> list[Attempt]:
    """Try all forgeries, those of every kind and the kind's own, and print who refused what, and why."""
    basis = material.basis
    forgeries = [
        Forgery("a message that nobody sent, with a true proof", basis.proof),
        Forgery(
            "the same, its head written into the proof", rewrite(basis.proof, basis.word, basis.forged_word)
        ),
        *await show.forge(basis),
    ]
    return [await _try(console, material, forgery) for forgery in forgeries]


async def _try(console: DemoConsole, material: Material, forgery: Forgery) -> Attempt:
    client = material.client
    attempt = Attempt(
        name=forgery.name,
        refused_by_python=None if client is None else _refusal_of(client, material, forgery.proof),
        refused_by_solidity=await _refusal_on_chain(material, forgery.proof),
        is_tried_in_python=client is not None,
    )
    console.heading(f"  {forgery.name}")
    refusals = [("Solidity", attempt.refused_by_solidity)]
    if attempt.is_tried_in_python:
        refusals.insert(0, ("Python", attempt.refused_by_python))
    for who, refusal in refusals:
        if refusal is None:
            console.bad(f"{who} ACCEPTED it")
        else:
            console.good(f"{who} refuses: {refusal}")
    return attempt


def _refusal_of(client: LightClient, material: Material, proof: bytes) -> str | None:
    basis = material.basis
    try:
        proven = client.storage_at(proof, basis.account, basis.slot, material.now).value
    except Rejection as rejection:
        return str(rejection)
    if proven == basis.forged_word:
        return None
    # The client believes the proof; the contracts' next step finds that the invented leaf leads elsewhere.
    return str(Rejection("the leaves lead to another head", found=basis.forged_word, expected=proven))


async def _refusal_on_chain(material: Material, proof: bytes) -> str | None:
    encoded = encode_batch(material.batch)
    try:
        await material.destination.chain.simulate_deliver(material.sender, encoded, proof, _GAS)
    except CallReverted as error:
        return _describe_revert(error)
    return None


def _describe_revert(error: CallReverted) -> str:
    inside = ", ".join(f"{name}={_describe_argument(value)}" for name, value in error.arguments.items())
    return f"{error.name}({inside})" if error.name else error.found


def _describe_argument(value: object) -> str:
    if isinstance(value, bytes) and len(value) > _ARGUMENT_BYTES_SHOWN:
        return f"{hex_of(value[:_ARGUMENT_BYTES_SHOWN])}…"
    return str(value)
