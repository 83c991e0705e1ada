# SPDX-License-Identifier: MIT
"""What every local chain consists of, and what makes and serves its blocks works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Self

import msgspec

from relayer.devnet.process.anvil import Anvil
from relayer.devnet.process.anvil_blocks import AnvilBlocks, Fields
from relayer.devnet.process.read_gate import ReadGate
from relayer.devnet.rpc.pool import Pool
from relayer.devnet.rpc.served_blocks import LONDON_FIELDS
from relayer.devnet.rpc.subscriptions import Publisher
from relayer.devnet.rules import ChainRules
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.ledger import B, Ledger


@dataclass(frozen=True, slots=True)
class ChainParts(Generic[B]):
    """A chain's parts.

    Attributes:
        anvil: executes.
        anvil_blocks: blocks as anvil tells them.
        ledger: the chain's own blocks.
        pool: takes transactions, and stands before anvil's.
        gate: keeps reads of the newest state and its change apart.
        faults: of the chain, and of its first RPC server.
        publishers: one for every RPC server; they are told of new blocks.
    """

    anvil: Anvil
    anvil_blocks: AnvilBlocks
    ledger: Ledger[B]
    pool: Pool
    gate: ReadGate
    faults: Faults
    publishers: list[Publisher[Any]] = field(default_factory=list)

    @classmethod
    def over(cls, anvil: Anvil, genesis: B, faults: Faults) -> Self:
        """Make the parts of a chain that has block 0."""
        return cls(
            anvil=anvil,
            anvil_blocks=AnvilBlocks(anvil.upstream),
            ledger=Ledger(genesis, final_tags=not anvil.rules.legacy),
            pool=Pool(anvil.upstream, anvil.rules),
            gate=ReadGate(),
            faults=faults,
        )

    @property
    def rules(self) -> ChainRules:
        """What rules the chain has beside its consensus."""
        return self.anvil.rules

    async def fields(self, number: int, *, full: bool) -> Fields:
        """Return the fields of a block beside those of consensus; `full` = with its transactions' bodies.

        They are anvil's, with the chain's own hashes in the transactions, and without what its rules don't
        know. What comes back is shared: don't change it.
        """
        fields = await self.anvil_blocks.get(number, full=full)
        if full:
            transactions = self.ledger.rewrite(bytes(fields["transactions"]))
            fields = fields | {"transactions": msgspec.Raw(transactions)}
        if self.rules.legacy:
            fields = {name: value for name, value in fields.items() if name not in LONDON_FIELDS}
        return fields
