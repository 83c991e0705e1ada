# SPDX-License-Identifier: MIT
"""One local chain of real QBFT or IBFT 2.0 blocks: anvil executes them, a front before it seals and serves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relayer.consensus.bft.local.block_server import BlockServer
from relayer.consensus.bft.local.header import Kind, SealedBlock
from relayer.consensus.bft.local.producer import Producer, read_genesis
from relayer.consensus.bft.local.sealing import Validators
from relayer.devnet.chain.admin import read_address
from relayer.devnet.chain.anvil_chain import DEFAULT_GAS_LIMIT, ETHER, MIN_BLOCK_TIME_S, AnvilChain
from relayer.devnet.chain.assembly import Parts
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.process.anvil_blocks import NativeBlocks
from relayer.devnet.process.read_gate import Gate
from relayer.devnet.rpc.subscriptions import Publisher
from relayer.devnet.state.faults import BFT_FAULTS, Faults
from relayer.devnet.state.identities import Account, account_of, derive_account
from relayer.devnet.state.ledger import Ledger

__all__ = [
    "DEFAULT_BLOCK_TIME_S",
    "DEFAULT_GAS_LIMIT",
    "DEFAULT_HISTORY",
    "ETHER",
    "MIN_BLOCK_TIME_S",
    "LocalBftChain",
]

#: At 10,000 accounts each state takes anvil 2.7 MB.
DEFAULT_HISTORY = 128
DEFAULT_BLOCK_TIME_S = 1.0


class LocalBftChain(AnvilChain[SealedBlock]):
    """A local chain, as an async context manager.

    Start it in a thread that lives as long as the chain: where the kernel ends anvil with its parent, it means that thread.

    Args:
        name: of the chain; the chain id follows from it.
        kind: QBFT or IBFT 2.0.
        validators: how many seal its first blocks.
        block_time_s: seconds between blocks; None = a block is made only by `mine` or the RPC method `evm_mine`.
        seed: 32 bytes (any number, in fact) from which all keys follow; random when None.
        chain_id: instead of the one that follows from the name.
        funded: how many accounts get `balance_wei` each before block 1.
        gas_limit: of a block.
        history: how many past states can still be asked for (`eth_getProof`, `eth_call` at a block).
        port: of the front; 0 = a free one.
        all_seals: every validator seals, where real chains import a block as soon as a quorum has.
        admin: serve the admin RPC (faults, validators, mining) on a port of its own.
        guard: see `Anvil.start`.
    """

    def __init__(
        self,
        name: str,
        kind: Kind | str = Kind.QBFT,
        *,
        validators: int = 4,
        block_time_s: float | None = DEFAULT_BLOCK_TIME_S,
        seed: bytes | None = None,
        chain_id: int | None = None,
        funded: int = 10,
        balance_wei: int = 1_000_000 * ETHER,
        gas_limit: int = DEFAULT_GAS_LIMIT,
        history: int = DEFAULT_HISTORY,
        port: int = 0,
        all_seals: bool = False,
        admin: bool = False,
        guard: bool | None = None,
    ) -> None:
        self.kind = Kind(kind)
        super().__init__(
            name,
            self.kind,
            faults=Faults(BFT_FAULTS),
            block_time_s=block_time_s,
            seed=seed,
            chain_id=chain_id,
            funded=funded,
            balance_wei=balance_wei,
            gas_limit=gas_limit,
            history=history,
            port=port,
            admin=admin,
            guard=guard,
        )
        self._joined = validators
        self._all_seals = all_seals
        self._validators = Validators.of(self.kind, (self._validator(i) for i in range(validators)))

    @property
    def validators(self) -> tuple[bytes, ...]:
        """The addresses that seal the next block, 20 bytes each, ascending."""
        return self._validators.at(self._running.ledger.head.number + 1)

    # --- validators ------------------------------------------------------------------------------------------------

    def add_validator(self, secret: bytes | None = None, *, at: int | None = None) -> bytes:
        """Add a validator (with a key of its own unless one is given) and return its address.

        Without `at` the proposers of the next blocks vote for it, until floor(n/2) + 1 have; the block after lists the new
        set. With `at`, that block lists it without a vote, as after a transition in the chain's configuration.

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
        """Replace the list from a block on (by default the next one). Each address's key must be known: see `new_validators`.

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
        """The key of somebody who is, was or may become a validator."""
        return self._validators.accounts[address]

    # --- misbehaviour ----------------------------------------------------------------------------------------------

    def equivocate(self, number: int) -> SealedBlock:
        """Let a quorum seal a second block of a height, and return it. Clients find it by its hash."""
        self.block(number)
        blocks = self._endpoint.blocks
        assert isinstance(blocks, BlockServer)
        return blocks.make_twin(number)

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _assemble(self, anvil: Anvil) -> Parts[SealedBlock]:
        validators, seed = self._validators, self._seed
        gate, native = Gate(), NativeBlocks(anvil.upstream)
        ledger = Ledger(await read_genesis(anvil.upstream, validators.kind, validators.current))
        publishers: list[Publisher[SealedBlock]] = []
        producer = Producer(
            ledger=ledger,
            upstream=anvil.upstream,
            validators=validators,
            native=native,
            publishers=publishers,
            faults=self.faults,
            gate=gate,
            all_seals=self._all_seals,
        )
        prefix = "qbft" if self.kind is Kind.QBFT else "ibft"
        return Parts(
            kind=str(self.kind),
            chain_id=self.chain_id,
            anvil=anvil,
            ledger=ledger,
            native=native,
            gate=gate,
            producer=producer,
            serve=lambda faults: BlockServer(ledger, native, faults, validators.accounts, seed),
            publishers=publishers,
            block_methods={f"{prefix}_getValidators": _list_validators},
        )

    def _admin_methods(self) -> dict[str, Any]:
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
        return derive_account(self._seed, self.name, "validator", index)

    def _new_validator(self) -> Account:
        account = self._validator(self._joined)
        self._joined += 1
        return account


def _list_validators(block: SealedBlock) -> list[str]:
    return ["0x" + address.hex() for address in block.consensus.validators]
