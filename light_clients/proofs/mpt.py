# SPDX-License-Identifier: MIT
"""Merkle-Patricia proofs as nodes give them: a list of trie nodes from the root downwards (EIP-1186).

Both answers are proven: that a key has a value, and that it has none. An absent account and an absent slot
are two different answers: only an account that exists can have an absent slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from light_clients.codec import rlp
from light_clients.errors import EncodingRejected, ProofRejected
from light_clients.hashing import EMPTY_TRIE_ROOT, keccak256
from light_clients.proofs.node import (
    EMPTY,
    NIBBLE,
    check_branch,
    check_child,
    is_full_branch,
    read_path,
    split,
    string,
)

__all__ = ["EMPTY_TRIE_ROOT", "AccountState", "follow_key", "verify", "verify_account", "verify_storage"]

_ZERO_WORD: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as the state trie holds it (yellow paper, section 4.1).

    Attributes:
        nonce: below 2^64.
        balance: in wei.
        storage_root: of its storage trie, 32 bytes.
        code_hash: keccak256 of its code, 32 bytes.
    """

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


def verify(root: bytes, key_hash: bytes, nodes: Sequence[bytes]) -> bytes | None:
    """Return the proven value of a key of a trie.

    A node that is embedded in its parent may stand in the list as well or be left out, for nodes of chains do
    either.

    Args:
        root: the trie's 32-byte root, trusted.
        key_hash: the key as the trie has it. In the state's tries this is keccak256 of the address or the
            slot; in other tries it can have any length.
        nodes: from the root downwards, all of them used; for the empty trie none, or the empty node.

    Returns:
        The value, which is never empty; None when it is proven that the key has none.

    Raises:
        ProofRejected: the nodes prove neither.
    """
    return follow_key(root, key_hash.hex(), nodes, uniform=False)


def verify_account(state_root: bytes, address: bytes, nodes: Sequence[bytes]) -> AccountState | None:
    """Return the proven account of a state; None when it is proven to be absent.

    Args:
        state_root: 32 bytes, trusted.
        address: 20 bytes.
        nodes: as in `verify`.

    Raises:
        ProofRejected: the nodes prove neither.
    """
    value = follow_key(state_root, keccak256(address).hex(), nodes, uniform=True)
    return None if value is None else decode_account(value)


def verify_storage(storage_root: bytes, slot: bytes, nodes: Sequence[bytes]) -> bytes:
    """Return the proven 32 bytes of a storage slot; zero when it is proven to be absent.

    Args:
        storage_root: 32 bytes, trusted.
        slot: 32 bytes.
        nodes: as in `verify`.

    Raises:
        ProofRejected: the nodes prove neither, or the value is not one of a storage trie.
    """
    value = follow_key(storage_root, keccak256(slot).hex(), nodes, uniform=True)
    return _ZERO_WORD if value is None else decode_word(value)


def decode_account(value: bytes) -> AccountState:
    """Return the account that a value of the state trie encodes.

    Raises:
        ProofRejected: the value is not the canonical RLP of nonce, balance, storage root and code hash.
    """
    try:
        fields = rlp.decode(value)
        if isinstance(fields, list) and len(fields) == 4:
            nonce, balance, storage_root, code_hash = fields
            if (
                isinstance(nonce, bytes)
                and isinstance(balance, bytes)
                and isinstance(storage_root, bytes)
                and isinstance(code_hash, bytes)
                and len(storage_root) == len(code_hash) == 32
            ):
                return AccountState(
                    rlp.decode_int(nonce, 64), rlp.decode_int(balance, 256), storage_root, code_hash
                )
    except EncodingRejected as error:
        raise ProofRejected("an account is not canonical RLP", found=value, expected=str(error)) from error
    raise ProofRejected("an account has another shape", found=value, expected="nonce, balance and two hashes")


def decode_word(value: bytes) -> bytes:
    """Return the 32 bytes of a slot that a value of a storage trie encodes.

    Raises:
        ProofRejected: the value is not the canonical RLP of 1 to 32 bytes without a leading zero.
    """
    try:
        is_list, start, stop = rlp.span(value, 0, len(value))
    except EncodingRejected as error:
        raise ProofRejected(
            "a storage value is not canonical RLP", found=value, expected=str(error)
        ) from error
    if is_list or stop != len(value) or not 1 <= stop - start <= 32 or value[start] == 0:
        raise ProofRejected(
            "a storage value has another shape", found=value, expected="1..32 bytes, no leading zero"
        )
    return value[start:stop].rjust(32, b"\x00")


def follow_key(root: bytes, key: str, nodes: Sequence[bytes], *, uniform: bool) -> bytes | None:
    """Return the proven value of a key given as nibbles in hex text, which may be odd in number; as `verify`
    otherwise.

    Args:
        root: the trie's 32-byte root, trusted.
        key: the nibbles.
        nodes: as in `verify`.
        uniform: whether all keys of the trie are as long as this one, so that no branch can have a value.

    Raises:
        ProofRejected: the nodes prove neither.
    """
    count = len(nodes)
    if count == 0 or (count == 1 and nodes[0] == EMPTY):
        _check_empty_trie(root)
        return None
    depth, used = 0, 0
    end = len(key)
    reference, node = root, b""
    while True:
        if reference:
            node = _fetch(nodes, used, reference)
            used += 1
            if depth < end and is_full_branch(node):
                at = 4 + 33 * NIBBLE[key[depth]]
                depth += 1
                reference = node[at : at + 32]
                continue
        elif used < count and nodes[used] == node:
            used += 1
        items = split(node)
        if len(items) == 17:
            value, child, depth = _enter_branch(items, key, depth, uniform=uniform)
        else:
            value, child, depth = _enter_path(items, key, depth, uniform=uniform)
        if child == EMPTY:
            break
        if child[0] == 0xA0:
            reference = child[1:]
        else:
            reference, node = b"", child
    if used != count:
        raise ProofRejected("the proof has unused nodes", found=f"{count} nodes", expected=used)
    return value


def _check_empty_trie(root: bytes) -> None:
    if root != EMPTY_TRIE_ROOT:
        raise ProofRejected(
            "a proof of the empty trie is given for another", found=root, expected=EMPTY_TRIE_ROOT
        )


def _fetch(nodes: Sequence[bytes], used: int, reference: bytes) -> bytes:
    if used == len(nodes):
        raise ProofRejected("the proof ends before its key does", found=f"{used} nodes", expected=reference)
    node = nodes[used]
    digest = keccak256(node)
    if digest != reference:
        raise ProofRejected(f"node {used} of the proof has another hash", found=digest, expected=reference)
    # A node of this size stands in its parent itself. Only the root is always referred to by its hash.
    if used and len(node) < 32:
        raise ProofRejected(
            "a node short enough to be embedded is not", found=node, expected="32 bytes or more"
        )
    return node


def _enter_branch(
    items: list[bytes], key: str, depth: int, *, uniform: bool
) -> tuple[bytes | None, bytes, int]:
    """Pass a branch on the way of the key.

    Returns the value that is proven here (where no child is left to follow), the child to follow (`EMPTY` for
    none), and the new depth.
    """
    check_branch(items)
    value = string(items[16]) or None
    if uniform and (value is not None or depth == len(key)):
        raise ProofRejected(
            "a branch stands where only leaves can end", found=depth, expected="no value and a longer key"
        )
    if depth == len(key):
        return value, EMPTY, depth
    return None, items[NIBBLE[key[depth]]], depth + 1


def _enter_path(
    items: list[bytes], key: str, depth: int, *, uniform: bool
) -> tuple[bytes | None, bytes, int]:
    """Pass a leaf or an extension on the way of the key; what is returned is as in `_enter_branch`."""
    leaf, path = read_path(items[0])
    rest = len(key) - depth
    if uniform and (len(path) != rest if leaf else len(path) > rest):
        raise ProofRejected(
            "a path has a length that no key has", found=path, expected=f"{rest} nibbles to a leaf"
        )
    if not leaf:
        check_child(items[1])
        if key.startswith(path, depth):
            return None, items[1], depth + len(path)
        return None, EMPTY, depth
    value = string(items[1])
    if not value:
        raise ProofRejected("a leaf has an empty value", found=path, expected="at least one byte")
    return (value if path == key[depth:] else None), EMPTY, depth
