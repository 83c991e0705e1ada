# SPDX-License-Identifier: MIT
"""What is shown of a kind of consensus that has no show: what is alike for all, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relayer.chains.base import Address
from relayer.consensus.kind import ConsensusKind
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import (
    Carried,
    ConsensusShow,
    Delivered,
    Forgery,
    ForgeryBasis,
    Printer,
    TrustExplanation,
    judge,
    read_carried,
)
from relayer.text import hex_of


class PlainRole:
    """Stands in for the `SHOW` of a kind that has none. Implements ShowRole."""

    def __init__(self, kind: ConsensusKind) -> None:
        self._kind = kind

    def begin(self, chain: Any) -> str:  # noqa: ARG002  nothing is known of it
        """Leave the chain as it is."""
        return f"consensus of the kind {self._kind.name}, which has no show"

    def open(self, chain: Any, opened: OpenChain) -> ConsensusShow:  # noqa: ARG002  as above
        """Return what can be shown of any chain."""
        return PlainShow(self._kind, opened)


class PlainShow:
    """What can be shown of any chain. Implements ConsensusShow."""

    signer_count = 0
    rotation = None
    client = None

    def __init__(self, kind: ConsensusKind, opened: OpenChain) -> None:
        self._kind = kind
        self._opened = opened

    @property
    def consensus(self) -> str:
        """The kind's name."""
        return self._kind.name

    @property
    def why_believed(self) -> str:
        """The verdict, without its reasons."""
        return f"the light client of the kind {self._kind.name} accepted it"

    @property
    def checked(self) -> str:
        """The verdict, without its reasons."""
        return f"a header, by the light client of the kind {self._kind.name}"

    async def describe_trust(self, destination: OpenChain, client: Address) -> str:  # noqa: ARG002  as it says
        """Name the signers as the kind calls them; the same text always, for who they are can't be read."""
        return f"its {self._kind.signers}; the kind {self._kind.name} has no show that tells who they are"

    async def explain_delivery(self, delivered: Delivered) -> TrustExplanation:
        """Read the state root that was delivered, and the one that the chain's own providers give."""
        carried = await read_carried(delivered)
        block = await self._opened.chain.block(delivered.height)
        return UnexplainedHeader(
            kind=self._kind.name,
            carried=carried,
            own_state_root=bytes.fromhex(str(block["stateRoot"]).removeprefix("0x")),
            block=delivered.height,
            source=self._opened.name,
        )

    async def forge(self, basis: ForgeryBasis) -> Sequence[Forgery]:  # noqa: ARG002  as it says
        """Make none: what a forger would try of this kind is not known."""
        return ()


@dataclass(frozen=True, slots=True)
class UnexplainedHeader:
    """A delivery whose header is believed for reasons that are not shown. Implements TrustExplanation.

    Attributes:
        kind: the name of the kind of consensus.
        carried: what the delivery brought.
        own_state_root: of the block, as the chain's providers give it, 32 bytes.
        block: its number.
        source: the chain's name.
    """

    kind: str
    carried: Carried
    own_state_root: bytes
    block: int
    source: str

    def explain(self, printer: Printer) -> bool:
        """Print how much was carried, and compare the state root."""
        printer.heading("The header: why that state root is to be believed.")
        self.carried.tell_origin(printer)
        printer.fact("for the light client", f"{len(self.carried.data)} bytes: {hex_of(self.carried.data)}")
        printer.say(f"  They are not explained: the kind of consensus {self.kind} has no show.")
        return judge(
            printer,
            f"the state root is the one that providers of {self.source} give for block {self.block}",
            holds=self.own_state_root == self.carried.state_root,
        )
