# SPDX-License-Identifier: MIT
"""The contract that chooses a local chain's validators, and the set that follows it.

It stands in the genesis block, as on real chains. Its list is an `address[]` in slot 0, which
`getValidators()` returns. Its keeper, and nobody else, replaces words of its storage: the calldata of such a
call is pairs of a slot and a word. The code is written out here, for it is short, and a devnet has no
compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from light_clients.bft.preimage import BftKind
from relayer.chains.evm import abi
from relayer.consensus.bft.local.block_maker import BftBlockMaker
from relayer.consensus.bft.local.sealed_block import SealedBlock, Vote
from relayer.consensus.bft.local.validators import Validators
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.errors import SpecError
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.state.identities import Account, checksum_address
from relayer.keys import sign_transaction

PLACE: Final = ValidatorContract(bytes.fromhex("0000000000000000000000000000000000007777"), bytes(32))

_GET_VALIDATORS: Final = abi.selector("getValidators()")
_KEEPER_WEI: Final = 10**24
#: For a word that is written, with its calldata; and for the transaction.
_GAS_PER_WORD: Final = 30_000
_GAS: Final = 100_000

#: The EVM's operations that the code is made of.
_OPERATIONS: Final = {
    "STOP": 0x00,
    "ADD": 0x01,
    "LT": 0x10,
    "EQ": 0x14,
    "ISZERO": 0x15,
    "SHL": 0x1B,
    "KECCAK256": 0x20,
    "CALLER": 0x33,
    "CALLDATALOAD": 0x35,
    "CALLDATASIZE": 0x36,
    "POP": 0x50,
    "MSTORE": 0x52,
    "SLOAD": 0x54,
    "SSTORE": 0x55,
    "JUMP": 0x56,
    "JUMPI": 0x57,
    "DUP1": 0x80,
    "DUP2": 0x81,
    "DUP3": 0x82,
    "RETURN": 0xF3,
    "REVERT": 0xFD,
}
#: `:name` is a place to jump to, `@name` pushes it, and digits push a number. A call of four bytes reads. In
#: the loops the index of the next word lies on top of the stack, and in the second one the list's first slot
#: and its length below it.
_PROGRAM: Final = """
    4 CALLDATASIZE EQ @read JUMPI
    CALLER {keeper} EQ @write JUMPI 0 0 REVERT
    :write 0
    :pair CALLDATASIZE DUP2 LT ISZERO @written JUMPI
    DUP1 32 ADD CALLDATALOAD DUP2 CALLDATALOAD SSTORE 64 ADD @pair JUMP
    :written STOP
    :read 32 0 MSTORE 0 SLOAD DUP1 32 MSTORE 32 64 KECCAK256 0
    :member DUP3 DUP2 LT ISZERO @done JUMPI
    DUP2 DUP2 ADD SLOAD DUP2 5 SHL 64 ADD MSTORE 1 ADD @member JUMP
    :done POP POP 5 SHL 64 ADD 0 RETURN
"""


def _assemble(program: str) -> bytes:
    """Return the code of a program of fewer than 256 bytes."""
    code, places, uses = bytearray(), {}, []
    for word in program.split():
        if word[0] == ":":
            places[word[1:]] = len(code)
            code.append(0x5B)
        elif word[0] == "@":
            uses.append((len(code) + 1, word[1:]))
            code += b"\x60\x00"
        elif word in _OPERATIONS:
            code.append(_OPERATIONS[word])
        else:
            number = int(word)
            pushed = number.to_bytes(max(1, (number.bit_length() + 7) // 8))
            code += bytes((0x5F + len(pushed),)) + pushed
    for at, place in uses:
        code[at] = places[place]
    return bytes(code)


@dataclass(slots=True)
class ContractValidators(Validators):
    """The set that seals the next block: the contract's list after the head.

    `listed` is that list in the contract's order, `wanted` the one that the next block's transaction writes
    into it, if any.
    """

    by_contract: ClassVar[bool] = True

    listed: tuple[bytes, ...] = ()
    wanted: tuple[bytes, ...] | None = None

    def at(self, number: int) -> tuple[bytes, ...]:
        """Return the set that seals the next block, whatever the number: later ones can't be foreseen."""
        del number
        return self.current

    def wish(self, candidate: bytes, *, add: bool) -> None:
        """Let the next block's transaction add or remove a validator.

        Raises:
            SpecError: that would change nothing, or leave nobody.
        """
        listed = self.listed if self.wanted is None else self.wanted
        if add == (candidate in listed):
            raise SpecError(
                f"{checksum_address(candidate)}, which {'is' if add else 'is not'} in the set",
                "a change of the set",
            )
        after = (*listed, candidate) if add else tuple(other for other in listed if other != candidate)
        self._want(after)

    def override(self, validators: Iterable[bytes], first_block: int, next_block: int) -> None:
        """Let the next block's transaction replace the list; the new set seals from the block after it on.

        Raises:
            SpecError: another block is asked for, or no such set is possible.
        """
        if first_block != next_block:
            raise SpecError(
                f"a change of validators at block {first_block}",
                f"no block: a transaction in block {next_block} changes the contract's list",
            )
        self._want(tuple(validators))

    def vote_for(self, proposer: bytes) -> Vote | None:
        """Return None: where a contract chooses, nobody votes by blocks."""
        del proposer
        return None

    def advance(self, block: SealedBlock) -> None:
        """Do nothing: the list is read anew after every block."""

    def _want(self, listed: tuple[bytes, ...]) -> None:
        self.check(listed)
        self.wanted = listed


class ContractBlockMaker(BftBlockMaker):
    """Makes blocks that are sealed by those whom the contract lists.

    Args:
        parts: of the chain.
        validators: who proposes and seals.
        keeper: of the contract.
        chain_id: of the chain.
        all_seals: as for `BftBlockMaker`.
    """

    def __init__(
        self,
        parts: ChainParts[SealedBlock],
        validators: ContractValidators,
        keeper: Account,
        chain_id: int,
        *,
        all_seals: bool,
    ) -> None:
        super().__init__(parts, validators, all_seals=all_seals)
        self._chosen = validators
        self._keeper = keeper
        self._chain_id = chain_id

    async def _make(self, balances: Mapping[bytes, int]) -> tuple[SealedBlock, bool]:
        if self._chosen.wanted is not None:
            await self._write(self._chosen.wanted)
            self._chosen.wanted = None
        made = await super()._make(balances)
        self._chosen.listed = await self._read()
        self._chosen.current = tuple(sorted(self._chosen.listed))
        return made

    async def _read(self) -> tuple[bytes, ...]:
        call = {"to": "0x" + PLACE.address.hex(), "data": "0x" + _GET_VALIDATORS.hex()}
        answer = bytes.fromhex((await self._parts.anvil.upstream.call("eth_call", call, "latest"))[2:])
        return tuple(answer[at + 12 : at + 32] for at in range(64, len(answer), 32))

    async def _write(self, listed: tuple[bytes, ...]) -> None:
        upstream = self._parts.anvil.upstream
        words = words_of(listed, len(self._chosen.listed))
        count = await upstream.call("eth_getTransactionCount", self._keeper.address_text, "pending")
        transaction = {
            "chainId": self._chain_id,
            "nonce": int(count, 16),
            "to": PLACE.address,
            "value": 0,
            "data": b"".join(slot + word for slot, word in words.items()),
            "gas": _GAS + _GAS_PER_WORD * len(words),
            "gasPrice": 2 * int(await upstream.call("eth_gasPrice"), 16),
        }
        raw, _ = sign_transaction(transaction, self._keeper.secret)
        await upstream.call("eth_sendRawTransaction", "0x" + raw.hex())


def words_of(listed: tuple[bytes, ...], before: int = 0) -> dict[bytes, bytes]:
    """Return the storage of a list, by slot, after one of `before` members: the rest of those is zero."""
    members = (*(address.rjust(32, b"\0") for address in listed), *(before - len(listed)) * (bytes(32),))
    slots = PLACE.member_slots(len(members))
    return {PLACE.slot: len(listed).to_bytes(32), **dict(zip(slots, members, strict=True))}


def contract_code(keeper: Account) -> bytes:
    """Return the code of the contract that this account writes into."""
    return _assemble(_PROGRAM.format(keeper=int.from_bytes(keeper.address)))


async def place_contract(anvil: Anvil, listed: tuple[bytes, ...], keeper: Account) -> None:
    """Put the contract with its first list, and money for its keeper, into the state before block 1."""
    code, address = contract_code(keeper), "0x" + PLACE.address.hex()
    await anvil.upstream.call("anvil_setBalance", keeper.address_text, hex(_KEEPER_WEI))
    await anvil.upstream.call("anvil_setCode", address, "0x" + code.hex())
    for slot, word in words_of(listed).items():
        await anvil.upstream.call("anvil_setStorageAt", address, "0x" + slot.hex(), "0x" + word.hex())


def contract_validators(accounts: Iterable[Account]) -> ContractValidators:
    """Return the set that a chain starts with. Raises SpecError as `Validators.of`."""
    validators = ContractValidators.of(BftKind.QBFT, accounts)
    validators.listed = validators.current
    return validators
