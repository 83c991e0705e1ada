# SPDX-License-Identifier: MIT
"""Where a chain's validator contract is, and in which slot it keeps the list. What is found is hearsay: the
seals of the next block show whether it is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from light_clients.bft.contract_mode.validator_contract import SetProof, ValidatorContract
from light_clients.bft.header import BftHeader
from light_clients.client import Height
from light_clients.errors import Rejection
from relayer.chains.base import AccountProof, Address
from relayer.chains.evm import abi
from relayer.chains.evm.node import Node
from relayer.chains.evm.rpc_types import ProofAnswer, parse_proof
from relayer.consensus.bft.contract_mode.held_set import read_held, read_word
from relayer.errors import PostroadError, RpcAnswerInvalid

T = TypeVar("T")

#: Where Besu's documentation places the contract in its examples.
_USUAL: Final = bytes.fromhex("0000000000000000000000000000000000007777")
#: Slots that are looked at: a contract's own variables come first.
_SLOTS: Final = 64
_GET_VALIDATORS: Final = abi.selector("getValidators()")
_KEY: Final = "validatorcontractaddress"
#: Tables in tables that are looked at, of what a node tells of itself.
_DEPTH: Final = 8


class NodeSource:
    """An owner's node as a relayer.consensus.bft.contract_mode.held_set.HeldSource."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def checked_block(self, number: Height, check: Callable[[Mapping[str, Any]], T]) -> T:
        """Return what `check` makes of a block. Raises Rejection, RpcAnswerInvalid, ChainUnavailable."""
        return check(await self._node.block(number))

    async def checked_proof(
        self,
        account: Address,
        slots: Sequence[bytes],
        number: Height,
        check: Callable[[AccountProof], T],
    ) -> T:
        """Return what `check` makes of a proof. Raises as `checked_block`, and RpcRefused, NotFoundYet."""
        answer = await self._node.proof(account, slots, number)
        try:
            told = msgspec.convert(answer, ProofAnswer)
        except msgspec.ValidationError as error:
            raise RpcAnswerInvalid(f"a proof of another shape ({error})", "an EIP-1186 proof") from error
        return check(parse_proof(told, slots))


async def find_contract(node: Node) -> bytes | None:
    """Return the address that the node's own genesis file names, or the usual one if validators are there."""
    try:
        told = _find_key(await node.request("admin_nodeInfo", []), _DEPTH)
    except PostroadError:
        # Few nodes serve this method to others.
        told = None
    address = _USUAL if told is None else told
    return address if await ask_validators(node, address) else None


async def ask_validators(node: Node, contract: bytes) -> tuple[bytes, ...]:
    """Return what `getValidators()` of a contract answers, 20 bytes each; nothing for another answer."""
    try:
        (found,) = decode(["address[]"], await node.call(contract, _GET_VALIDATORS))
    except (PostroadError, DecodingError):
        return ()
    return tuple(bytes.fromhex(text[2:]) for text in found)


async def find_slot(node: Node, contract: bytes, header: BftHeader) -> ValidatorContract | None:
    """Return the slot, among a contract's first ones, in which the list that it answers stands after a block.

    Raises ChainUnavailable, RpcRefused, NotFoundYet.
    """
    wanted = sorted(await ask_validators(node, contract))
    if not wanted:
        return None
    source, slots = NodeSource(node), tuple(number.to_bytes(32) for number in range(_SLOTS))

    def check(proof: AccountProof) -> list[bytes]:
        return [slot for slot in slots if int.from_bytes(read_word(proof, slot).value) == len(wanted)]

    try:
        likely = await source.checked_proof(Address(contract), slots, header.number, check)
    except Rejection:
        return None
    for slot in likely:
        place = ValidatorContract(contract, slot)
        held = await try_held(node, place, header)
        if held is not None and sorted(held.validators) == wanted:
            return place
    return None


async def try_held(node: Node, place: ValidatorContract, header: BftHeader) -> SetProof | None:
    """Return what is in a place after a block; None where that is no list of validators."""
    try:
        return await read_held(NodeSource(node), place, header)
    except Rejection:
        return None


def describe_place(place: ValidatorContract) -> str:
    """Return the setting that names a place, as the file has it."""
    slot = int.from_bytes(place.slot)
    return f'validators = {{ contract = "0x{place.address.hex()}", slot = "{slot:#x}" }}'


def _find_key(told: object, depth: int) -> bytes | None:
    """Return the address that some table within names as that of the validator contract."""
    if depth == 0 or not isinstance(told, (dict, list)):
        return None
    items = told.items() if isinstance(told, dict) else enumerate(told)
    for key, value in items:
        if str(key).lower() == _KEY and isinstance(value, str):
            try:
                address = bytes.fromhex(value.removeprefix("0x"))
            except ValueError:
                continue
            if len(address) == len(_USUAL) and any(address):
                return address
        found = _find_key(value, depth - 1)
        if found is not None:
            return found
    return None
