# SPDX-License-Identifier: MIT
"""One local chain of real Clique blocks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import ClassVar, Final

from light_clients.clique.signers import majority
from relayer.consensus.clique.config import DEFAULT_EPOCH
from relayer.consensus.clique.local.block_maker import CliqueBlock, CliqueBlockMaker, read_genesis
from relayer.consensus.clique.local.faults import CLIQUE_FAULTS
from relayer.consensus.clique.local.served_blocks import ServedCliqueBlocks
from relayer.consensus.clique.local.signers import LocalSigners
from relayer.devnet.chain.admin_server import AdminMethod, read_address
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.chain.running_chain import RunningChain
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.identities import Account, account_of, derive_account

DEFAULT_SIGNERS: Final = 3


class LocalCliqueChain(AnvilChain[CliqueBlock]):
    """A local chain of real Clique blocks, as an async context manager.

    Started, it has as many blocks as it takes to believe one of them.

    Args:
        name: of the chain; the chain id follows from it.
        options: what can be chosen of every chain.
        signers: how many seal its first blocks.
        epoch: after how many blocks votes are discarded and the signers listed.
        remark: what people are told of the chain besides.
    """

    kind: ClassVar = "clique"
    # Proofs are asked for some blocks below the head. At 10,000 accounts each state takes anvil 2.7 MB.
    history: ClassVar = 256
    can_be_legacy: ClassVar = True
    can_be_older: ClassVar = True
    can_be_lazy: ClassVar = True

    def __init__(
        self,
        name: str,
        options: ChainOptions | None = None,
        *,
        signers: int = DEFAULT_SIGNERS,
        epoch: int = DEFAULT_EPOCH,
        remark: str = "",
    ) -> None:
        super().__init__(name, ChainOptions() if options is None else options, Faults(CLIQUE_FAULTS))
        self.epoch = epoch
        self._remark = remark
        self._joined = signers
        self._signers = LocalSigners.of(epoch, (self._signer(index) for index in range(signers)))

    def describe(self) -> ChainDetails:
        """Return the signers of the next block."""
        signers = self.signers
        return ChainDetails(
            summary=", ".join(filter(None, ("Clique", f"{len(signers)} signers", self._remark))),
            consensus={"kind": self.kind, "epoch": self.epoch},
            facts={"signers": ["0x" + address.hex() for address in signers]},
        )

    @property
    def signers(self) -> tuple[bytes, ...]:
        """The addresses that may seal the next block, 20 bytes each, ascending."""
        return self._signers.current

    # --- signers --------------------------------------------------------------------------------------------

    def add_signer(self, secret: bytes | None = None) -> bytes:
        """Let the signers vote for one more (with a key of its own unless one is given); return its address.

        It is in the set behind the block with the vote that makes more than half. Raises SpecError.
        """
        account = self._new_signer() if secret is None else account_of(secret)
        self._signers.know(account)
        self._signers.wish(account.address, add=True)
        return account.address

    def remove_signer(self, address: bytes) -> None:
        """Let the signers vote to drop one of them. Raises SpecError."""
        self._signers.wish(address, add=False)

    def stop_signer(self, address: bytes) -> None:
        """Let a signer seal nothing, until it is started. Where too many are down, the chain stands still."""
        self._signers.down.add(address)

    def start_signer(self, address: bytes) -> None:
        """Let a signer that was stopped seal again."""
        self._signers.down.discard(address)

    # --- inside ---------------------------------------------------------------------------------------------

    async def _assemble(self, anvil: Anvil) -> RunningChain[CliqueBlock]:
        signers, seed = self._signers, self.seed
        parts = ChainParts.over(anvil, await read_genesis(anvil, signers), self.faults)
        # Nodes of such chains know of no final block.
        parts.ledger.final_tags = False
        return RunningChain(
            chain_id=self.chain_id,
            client=self.kind,
            parts=parts,
            block_maker=CliqueBlockMaker(parts, signers),
            serve=lambda faults: ServedCliqueBlocks(parts, faults, signers, seed),
            block_methods={"clique_getSigners": _list_signers},
        )

    async def _prepare(self, stack: AsyncExitStack) -> None:
        del stack
        for _ in range(majority(len(self.signers))):
            await self.mine()

    def _admin_methods(self) -> dict[str, AdminMethod]:
        return {
            "postroad_addSigner": self._admin_add,
            "postroad_removeSigner": _by_address(self.remove_signer),
            "postroad_stopSigner": _by_address(self.stop_signer),
            "postroad_startSigner": _by_address(self.start_signer),
        }

    async def _admin_add(self) -> str:
        return "0x" + self.add_signer().hex()

    def _signer(self, index: int) -> Account:
        return derive_account(self.seed, self.name, "signer", index)

    def _new_signer(self) -> Account:
        account = self._signer(self._joined)
        self._joined += 1
        return account


def _by_address(act: Callable[[bytes], None]) -> AdminMethod:
    async def method(address: str) -> None:
        act(read_address(address))

    return method


def _list_signers(block: CliqueBlock) -> list[str]:
    return ["0x" + address.hex() for address in block.signers]
