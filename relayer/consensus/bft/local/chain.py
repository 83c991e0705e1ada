# SPDX-License-Identifier: MIT
"""One local chain of real BFT blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar, Final

from light_clients.bft.preimage import BftKind, BftKinds
from relayer.consensus.bft.config import NAMES, describe, name_kinds
from relayer.consensus.bft.local.block_maker import BftBlockMaker, read_genesis
from relayer.consensus.bft.local.faults import BFT_FAULTS
from relayer.consensus.bft.local.sealed_block import SealedBlock
from relayer.consensus.bft.local.sealing import make_twin
from relayer.consensus.bft.local.served_blocks import ServedBftBlocks
from relayer.consensus.bft.local.validator_contract import (
    PLACE,
    ContractBlockMaker,
    ContractValidators,
    contract_validators,
    place_contract,
)
from relayer.consensus.bft.local.validators import Validators
from relayer.devnet.chain.admin_server import AdminMethod, read_address
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.chain.running_chain import RunningChain
from relayer.devnet.errors import SpecError
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.identities import Account, account_of, derive_account

DEFAULT_VALIDATORS: Final = 4

#: What the methods begin with by which nodes tell their validators.
_PREFIXES: Final = {BftKind.QBFT: "qbft", BftKind.IBFT2: "ibft", BftKind.ISTANBUL: "istanbul"}


class LocalBftChain(AnvilChain[SealedBlock]):
    """A local chain of real BFT blocks, as an async context manager.

    Args:
        name: of the chain; the chain id follows from it.
        options: what can be chosen of every chain.
        protocol: the one that seals its blocks, or two with the height of the change.
        validators: how many seal its first blocks.
        all_seals: every validator seals, where real chains import a block as soon as a quorum has.
        by_contract: a contract chooses the validators, and headers list none.

    Raises:
        SpecError: a contract is to choose the validators of a chain that does not run QBFT.
    """

    kind: ClassVar = "bft"
    # At 10,000 accounts each state takes anvil 2.7 MB.
    history: ClassVar = 128
    can_be_legacy: ClassVar = True
    can_be_older: ClassVar = True
    can_be_lazy: ClassVar = True

    def __init__(
        self,
        name: str,
        options: ChainOptions | None = None,
        *,
        protocol: BftKinds = BftKind.QBFT,
        validators: int = DEFAULT_VALIDATORS,
        all_seals: bool = False,
        by_contract: bool = False,
    ) -> None:
        super().__init__(name, ChainOptions() if options is None else options, Faults(BFT_FAULTS))
        self.kinds = protocol
        self._joined = validators
        self._all_seals = all_seals
        accounts = [self._validator(i) for i in range(validators)]
        if not by_contract:
            self._validators = Validators.of(protocol, accounts)
        elif protocol is BftKind.QBFT:
            self._validators = contract_validators(accounts)
        else:
            raise SpecError(f"a contract that chooses the validators, with {describe(protocol)}", "QBFT")

    def describe(self) -> ChainDetails:
        """Return the protocol, the change ahead where there is one, and the validators of the next block."""
        validators, protocol = self.validators, name_kinds(self.kinds)
        contract = {"contract": "0x" + PLACE.address.hex(), "slot": hex(int.from_bytes(PLACE.slot))}
        place = {"validators": contract} if self._validators.by_contract else {}
        return ChainDetails(
            summary=f"{describe(self.kinds)}, {len(validators)} validators{' of a contract' if place else ''}",
            consensus={"kind": self.kind, **protocol, **place},
            facts={
                **protocol,
                "validators": ["0x" + address.hex() for address in validators],
            },
        )

    @property
    def protocol(self) -> BftKind:
        """The protocol of block 1."""
        return self.kinds.at(1)

    @property
    def validators(self) -> tuple[bytes, ...]:
        """The addresses that seal the next block, 20 bytes each, ascending."""
        return self._validators.at(self._running.parts.ledger.head.number + 1)

    # --- validators -----------------------------------------------------------------------------------------

    def add_validator(self, secret: bytes | None = None, *, at: int | None = None) -> bytes:
        """Add a validator (with a key of its own unless one is given) and return its address.

        Where a contract chooses, the next block has a transaction that changes its list, and `at` can't be
        given.

        Without `at` the proposers of the next blocks vote for it, until floor(n/2) + 1 have; the block after
        lists the new set. With `at`, that block lists it without a vote, as after a transition in the chain's
        configuration.

        Raises:
            SpecError: it is in the set already, or the block is made already.
        """
        account = self._new_validator() if secret is None else account_of(secret)
        self._validators.know(account)
        if at is None:
            self._validators.wish(account.address, add=True)
        else:
            self.set_validators([*self._validators.at(at), account.address], at=at)
        return account.address

    def remove_validator(self, address: bytes, *, at: int | None = None) -> None:
        """Remove a validator; the way that `add_validator` adds one, and with its errors."""
        if at is None:
            self._validators.wish(address, add=False)
        else:
            self.set_validators([other for other in self._validators.at(at) if other != address], at=at)

    def set_validators(self, addresses: Sequence[bytes], *, at: int | None = None) -> None:
        """Replace the list from a block on (by default the next one).

        Each address's key must be known: see `new_validators`.

        Raises:
            SpecError: no such set is possible, or the block is made already.
        """
        following = self.head.number + 1
        self._validators.override(addresses, following if at is None else at, following)

    def new_validators(self, count: int) -> tuple[bytes, ...]:
        """Make keys for validators that are not in any set yet, and return their addresses."""
        accounts = [self._new_validator() for _ in range(count)]
        for account in accounts:
            self._validators.know(account)
        return tuple(account.address for account in accounts)

    def validator_account(self, address: bytes) -> Account:
        """Return the key of somebody who is, was or may become a validator."""
        return self._validators.accounts[address]

    # --- misbehaviour ---------------------------------------------------------------------------------------

    def equivocate(self, number: int) -> SealedBlock:
        """Let a quorum seal a second block of a height, and return it. Clients find it by its hash."""
        # Above the head it raises a DevnetError, which the admin RPC tells its caller.
        self.block(number)
        return make_twin(self._running.parts.ledger, number, self._validators.accounts)

    # --- inside ---------------------------------------------------------------------------------------------

    async def _assemble(self, anvil: Anvil) -> RunningChain[SealedBlock]:
        validators, seed = self._validators, self.seed
        genesis = await read_genesis(anvil, self.protocol, validators.current)
        parts = ChainParts.over(anvil, genesis, self.faults)
        protocols = {self.kinds.at(number) for number in (1, 2**64)}
        maker = BftBlockMaker(parts, validators, all_seals=self._all_seals)
        if isinstance(validators, ContractValidators):
            keeper = derive_account(seed, self.name, "keeper", 0)
            await place_contract(anvil, validators.listed, keeper)
            maker = ContractBlockMaker(parts, validators, keeper, self.chain_id, all_seals=self._all_seals)
        return RunningChain(
            chain_id=self.chain_id,
            client=NAMES[self.protocol],
            parts=parts,
            block_maker=maker,
            serve=lambda faults: ServedBftBlocks(
                parts, faults, validators.accounts, seed, node=len(parts.publishers)
            ),
            block_methods={
                f"{_PREFIXES[protocol]}_getValidators": _list_validators for protocol in protocols
            },
        )

    async def _prepare(self, stack: contextlib.AsyncExitStack) -> None:
        del stack
        if self._validators.by_contract:
            # Trust can begin with block 2: block 0 has no seals, so nothing shows whose turn block 1 was.
            await self.mine()

    def _admin_methods(self) -> dict[str, AdminMethod]:
        return {
            "postroad_addValidator": self._admin_add,
            "postroad_removeValidator": self._admin_remove,
            "postroad_replaceValidators": self._admin_replace,
            "postroad_equivocate": self._admin_equivocate,
        }

    async def _admin_add(self, at: int | None = None) -> str:
        return "0x" + self.add_validator(at=at).hex()

    async def _admin_remove(self, address: str, at: int | None = None) -> None:
        self.remove_validator(read_address(address), at=at)

    async def _admin_replace(self, count: int, at: int | None = None) -> list[str]:
        addresses = self.new_validators(count)
        self.set_validators(addresses, at=at)
        return ["0x" + address.hex() for address in addresses]

    async def _admin_equivocate(self, number: int) -> str:
        return "0x" + self.equivocate(number).hash.hex()

    def _validator(self, index: int) -> Account:
        return derive_account(self.seed, self.name, "validator", index)

    def _new_validator(self) -> Account:
        account = self._validator(self._joined)
        self._joined += 1
        return account


def _list_validators(block: SealedBlock) -> list[str]:
    return ["0x" + address.hex() for address in block.extra.validators]
