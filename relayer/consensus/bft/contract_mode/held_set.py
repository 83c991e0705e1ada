# SPDX-License-Identifier: MIT
"""What the validator contract holds after a block, as a chain's nodes prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.contract_mode.validator_contract import (
    SetProof,
    ValidatorContract,
    read_count,
    read_member,
)
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import check_set
from light_clients.errors import ProofRejected, ValidatorSetRejected
from light_clients.proofs.compact import (
    CompactStorage,
    encode_account,
    encode_storage,
    read_account,
    read_storage,
)
from relayer.chains.base import AccountProof, Address
from relayer.consensus.sources import BlockSource, ProofSource

T = TypeVar("T")

#: Members that are asked for before the length is known: as many as most consortia have.
_GUESS: Final = 8


class HeldSource(BlockSource, ProofSource, Protocol):
    """What is asked of the chain; relayer.chains.evm.chain.EvmChain offers it."""


def read_any_header(block: Mapping[str, Any]) -> BftHeader:
    """Return a QBFT header that may list its validators: the chain may just have changed to a contract.

    Raises Rejection.
    """
    try:
        return BareHeader.from_rpc(block, BftKind.QBFT)
    except ValidatorSetRejected:
        return BftHeader.from_rpc(block, BftKind.QBFT)


async def read_held(
    source: HeldSource, contract: ValidatorContract, header: BftHeader, guess: int = _GUESS
) -> SetProof:
    """Return what the contract holds after a block, proven under the header's state root.

    Args:
        source: the chain.
        contract: of the chain.
        header: of the block; whether to believe it is the caller's matter.
        guess: how many members there may be. A list that is longer takes a second question.

    Raises:
        ChainUnavailable: no provider proves it, or what is there can be no set.
        NotFoundYet: no provider has the state of that block, or has it any more.
    """
    while True:
        slots = (contract.slot, *contract.member_slots(guess))

        def check(proof: AccountProof, slots: Sequence[bytes] = slots) -> SetProof | int:
            return _read(contract, header.state_root, slots, proof)

        found = await source.checked_proof(Address(contract.address), slots, header.number, check)
        if isinstance(found, SetProof):
            return found
        guess = found


def _read(
    contract: ValidatorContract, state_root: bytes, slots: Sequence[bytes], proof: AccountProof
) -> SetProof | int:
    """Return the set, or how many members it has where the proof has fewer slots. Raises Rejection."""
    length, *members = slots
    told = _read_word(proof, length)
    account = encode_account(contract.address, proof.account_nodes)
    found = read_account(account, 0, contract.address, told.root).root
    if found != state_root:
        raise ProofRejected("the validators are proven in another state", found=found, expected=state_root)
    count = read_count(told.value)
    if count > len(members):
        return count
    # What stands behind the end of the list is not looked at.
    words = [_read_word(proof, slot) for slot in members[:count]]
    if any(word.root != told.root for word in words):
        raise ProofRejected("a validator is of another storage", found="several roots", expected="one")
    validators = tuple(read_member(word.value) for word in words)
    check_set(validators)
    nodes = {slot: proof.storage_nodes[slot] for slot in slots[: count + 1]}
    return SetProof(validators, told.root, proof.account_nodes, nodes)


def _read_word(proof: AccountProof, slot: bytes) -> CompactStorage:
    return read_storage(encode_storage(slot, proof.storage_nodes[slot]), 0, slot)
