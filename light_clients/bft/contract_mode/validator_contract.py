# SPDX-License-Identifier: MIT
"""The list of validators in the storage of the contract that chooses them, and the proof of it
(docs/reference/wire-formats.md §6.6).

Solidity keeps an `address[]` in one way: its length stands in a slot, and member i at keccak256(slot) + i,
one in a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from light_clients.bft.validators import MAX_VALIDATORS, check_set, set_hash
from light_clients.cursor import Cursor
from light_clients.errors import EncodingRejected, ProofRejected, ValidatorSetRejected
from light_clients.hashing import keccak256
from light_clients.proofs.compact import encode_account, encode_storage, read_account, read_storage

#: The first byte of a proof of the set: the contract's storage is the one that the trusted set was read from,
#: or the members are read from it.
KNOWN_STORAGE: Final = 0
MEMBERS: Final = 1

_WORDS: Final = 1 << 256
_ADDRESS_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class ValidatorContract:
    """Where a chain keeps the list of its validators.

    Attributes:
        address: of the contract, 20 bytes.
        slot: of its `address[]`, 32 bytes.
    """

    address: bytes
    slot: bytes

    def arguments(self) -> tuple[bytes, bytes]:
        """Return the contract's `validatorContract` and `validatorSlot`."""
        return self.address, self.slot

    def member_slots(self, count: int) -> tuple[bytes, ...]:
        """Return the slots of the first `count` members, 32 bytes each."""
        first = int.from_bytes(keccak256(self.slot))
        return tuple(((first + index) % _WORDS).to_bytes(32) for index in range(count))


class ReadSet(NamedTuple):
    """What a proof says that the contract held.

    Attributes:
        set_hash: of the list; None where it is the trusted one, whose storage the contract has.
        storage_root: of the contract, 32 bytes.
        state_root: the root that the proof leads to, 32 bytes. The caller has to check it.
    """

    set_hash: bytes | None
    storage_root: bytes
    state_root: bytes


class SetProof(NamedTuple):
    """What a node proves of the contract at one block; the nodes are verified.

    Attributes:
        validators: the list, 20 bytes each.
        storage_root: of the contract, 32 bytes.
        account_nodes: from the state root downwards.
        storage_nodes: by slot, of the length and of every member, from the storage root downwards.
    """

    validators: tuple[bytes, ...]
    storage_root: bytes
    account_nodes: Sequence[bytes]
    storage_nodes: Mapping[bytes, Sequence[bytes]]


def read_count(word: bytes) -> int:
    """Return how many members a length word (32 bytes) tells.

    Raises:
        ValidatorSetRejected: no set has as many.
    """
    count = int.from_bytes(word)
    if not 1 <= count <= MAX_VALIDATORS:
        raise ValidatorSetRejected(
            "the contract's list has another length", found=count, expected=f"1..{MAX_VALIDATORS} members"
        )
    return count


def read_member(word: bytes) -> bytes:
    """Return the address, 20 bytes, that a member's word (32 bytes) holds.

    Raises:
        ValidatorSetRejected: the word holds more than an address.
    """
    if any(word[:-_ADDRESS_BYTES]):
        raise ValidatorSetRejected(
            "a member's word is no address", found=word, expected="12 zero bytes first"
        )
    return word[-_ADDRESS_BYTES:]


def read_set(cursor: Cursor, contract: ValidatorContract, known_root: bytes | None) -> ReadSet:
    """Read a proof of what the contract held in some state.

    Args:
        cursor: at the proof; it is moved behind it.
        contract: of the client's chain.
        known_root: the contract's storage root that the trusted set was read from; None where the admin chose
            the set.

    Raises:
        EncodingRejected: the first byte is unknown, or it refers to a storage root that is not known.
        ProofRejected: a trie proof is malformed, or a member is of another storage than the length.
        ValidatorSetRejected: what is proven can be no set.
    """
    form = cursor.uint(1)
    if form > MEMBERS:
        raise EncodingRejected("a proof of the set is of no known form", found=form, expected="0 or 1")
    found: bytes | None = None
    if form == MEMBERS:
        validators, root = _read_members(cursor, contract)
        found = set_hash(validators)
    elif known_root is None:
        raise EncodingRejected("the contract's storage is not known yet", found=form, expected="form 1")
    else:
        root = known_root
    state_root, cursor.pos = read_account(cursor.data, cursor.pos, contract.address, root)
    return ReadSet(found, root, state_root)


def _read_members(cursor: Cursor, contract: ValidatorContract) -> tuple[list[bytes], bytes]:
    length = read_storage(cursor.data, cursor.pos, contract.slot)
    cursor.pos = length.end
    validators = []
    for index, slot in enumerate(contract.member_slots(read_count(length.value))):
        member = read_storage(cursor.data, cursor.pos, slot)
        cursor.pos = member.end
        if member.root != length.root:
            raise ProofRejected(
                f"member {index} is of another storage", found=member.root, expected=length.root
            )
        validators.append(read_member(member.value))
    check_set(validators)
    return validators, length.root


def encode_set(contract: ValidatorContract, proof: SetProof, known_root: bytes | None) -> bytes:
    """Encode a proof of what the contract held, without the members where the client knows the storage root.

    Args:
        contract: of the chain.
        proof: as a node gave it.
        known_root: the storage root that the client knows; None for none.

    Raises:
        ProofRejected: the nodes cannot be those of the contract and its slots.
    """
    account = encode_account(contract.address, proof.account_nodes)
    if proof.storage_root == known_root:
        return bytes((KNOWN_STORAGE,)) + account
    slots = (contract.slot, *contract.member_slots(len(proof.validators)))
    storage = b"".join(encode_storage(slot, proof.storage_nodes[slot]) for slot in slots)
    return bytes((MEMBERS,)) + storage + account
