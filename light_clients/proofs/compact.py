# SPDX-License-Identifier: MIT
"""Compact trie proofs: write them from a node's answer, and read them (docs/reference/wire-formats.md §5).

A proof is rebuilt from its end upwards. So neither the hash of the node below nor a root is ever sent, and
calldata is what a short delivery pays most for. The reader returns the root that the bytes lead to: the
caller has to compare it with a trusted root, or to hash on until it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from light_clients.codec import rlp
from light_clients.errors import EncodingRejected, ProofRejected
from light_clients.hashing import EMPTY_TRIE_ROOT, keccak256
from light_clients.proofs import mpt
from light_clients.proofs.descent import (
    EMPTY_PLACE,
    EMPTY_TRIE,
    EXTENSION,
    KEY_NIBBLES,
    LEAF,
    OTHER_EXTENSION,
    OTHER_LEAF,
    STEP_EMBEDDING,
    STEP_FULL,
    descend,
)
from light_clients.proofs.node import EMPTY, NIBBLE, read_path, write_path

_ZERO_WORD: Final = bytes(32)


class CompactStorage(NamedTuple):
    """What a compact storage proof says.

    Attributes:
        value: the 32 bytes of the slot; zero when its absence is shown.
        root: the storage root that the proof leads to, 32 bytes.
        end: the position behind the proof.
    """

    value: bytes
    root: bytes
    end: int


class CompactAccount(NamedTuple):
    """What a compact account proof says.

    Attributes:
        root: the state root that the proof leads to, 32 bytes.
        end: the position behind the proof.
    """

    root: bytes
    end: int


def read_storage(data: bytes, pos: int, slot: bytes) -> CompactStorage:
    """Read the proof of a storage slot (32 bytes) that begins at `pos`. The caller has to check the root.

    Raises:
        ProofRejected: the proof is malformed or cut short.
    """
    key = keccak256(slot).hex()
    kind = _byte(data, pos)
    if kind == EMPTY_TRIE:
        return CompactStorage(_ZERO_WORD, EMPTY_TRIE_ROOT, pos + 1)
    if kind > EMPTY_TRIE:
        raise ProofRejected("a storage proof ends in another way", found=kind, expected="0..4")
    depth = _depth(data, pos + 1)
    pos += 2
    if kind == LEAF:
        word, pos = _read_leaf(data, pos)
        # It is encoded twice: a storage trie holds the RLP of a word, and a leaf holds that as a string.
        value = rlp.encode_bytes(rlp.encode_bytes(word))
        node = rlp.encode_list(write_path(key[depth:], leaf=True) + value)
        root, pos = _climb(data, pos, key, depth, node)
        return CompactStorage(word.rjust(32, b"\x00"), root, pos)
    if kind == EMPTY_PLACE:
        if depth == 0:
            raise ProofRejected("an empty place is in no branch", found="depth 0", expected="1..64")
        # Only a branch has empty places. An extension over nothing is a node that no trie has.
        if _byte(data, pos) > STEP_EMBEDDING:
            raise ProofRejected(
                "an empty place is not in a branch", found=data[pos], expected="a step of kind 0, 1 or 2"
            )
        root, pos = _climb(data, pos, key, depth, b"")
    elif kind == OTHER_LEAF:
        node, pos = _read_other_leaf(data, pos, key[depth:])
        root, pos = _climb(data, pos, key, depth, node)
    else:
        node, pos = _read_other_extension(data, pos, key[depth:])
        root, pos = _climb(data, pos, key, depth, node)
    return CompactStorage(_ZERO_WORD, root, pos)


def read_account(data: bytes, pos: int, address: bytes, storage_root: bytes) -> CompactAccount:
    """Read the proof that begins at `pos` of an account (20 bytes) with this storage root. The caller has to
    check the root.

    Raises:
        ProofRejected: the proof is malformed or cut short.
    """
    key = keccak256(address).hex()
    depth = _depth(data, pos)
    length = _byte(data, pos + 1)
    if not 2 <= length <= 43:
        raise ProofRejected("nonce and balance have another length", found=length, expected="2..43 bytes")
    numbers, pos = _take(data, pos + 2, length)
    code_hash, pos = _take(data, pos, 32)
    # Nonce and balance are raw bytes, which can change nothing but the root: the two hashes are pinned from
    # the account's end (wire-formats §5).
    account = rlp.encode_list(numbers + b"\xa0" + storage_root + b"\xa0" + code_hash)
    node = rlp.encode_list(write_path(key[depth:], leaf=True) + rlp.encode_bytes(account))
    root, pos = _climb(data, pos, key, depth, node)
    return CompactAccount(root, pos)


def encode_storage(slot: bytes, nodes: Sequence[bytes]) -> bytes:
    """Encode the nodes that `eth_getProof` gave for a slot (32 bytes), from the root downwards.

    The hashes between the nodes are not looked at: verify the nodes first, or read the result back.

    Raises:
        ProofRejected: the nodes cannot be those of a storage slot.
    """
    if not nodes or (len(nodes) == 1 and nodes[0] == EMPTY):
        return bytes((EMPTY_TRIE,))
    key = keccak256(slot).hex()
    end = descend(key, nodes)
    head = bytes((end.kind, end.depth))
    if end.kind == LEAF:
        word = mpt.decode_word(end.item).lstrip(b"\x00")
        head += bytes((len(word),)) + word
    elif end.kind == OTHER_LEAF:
        _check_value(end.item)
        head += end.path + bytes((len(end.item),)) + end.item
    elif end.kind == OTHER_EXTENSION:
        child = end.item if end.item[0] >= 0xC0 else end.item[1:]
        head += bytes((len(end.path),)) + end.path + bytes((len(child),)) + child
    return head + end.steps


def encode_account(address: bytes, nodes: Sequence[bytes]) -> bytes:
    """Encode the nodes that `eth_getProof` gave for an account (20 bytes), from the root downwards.

    The hashes between the nodes are not looked at: verify the nodes first, or read the result back.

    Raises:
        ProofRejected: the nodes cannot be those of an account that exists.
    """
    end = descend(keccak256(address).hex(), nodes)
    if end.kind != LEAF:
        raise ProofRejected("the account is absent", found="a proof of its absence", expected="an account")
    mpt.decode_account(end.item)
    # The header of the list is two bytes, for its payload has 68 to 110 bytes. Its two hashes are the last 66
    # bytes, with a byte of length before each.
    numbers, code_hash = end.item[2:-66], end.item[-32:]
    return bytes((end.depth, len(numbers))) + numbers + code_hash + end.steps


def _byte(data: bytes, pos: int) -> int:
    if pos >= len(data):
        raise ProofRejected("the proof is cut short", found=f"{len(data)} bytes", expected="more")
    return data[pos]


def _take(data: bytes, pos: int, length: int) -> tuple[bytes, int]:
    end = pos + length
    if end > len(data):
        raise ProofRejected("the proof is cut short", found=f"{len(data)} bytes", expected=f"at least {end}")
    return data[pos:end], end


def _depth(data: bytes, pos: int) -> int:
    depth = _byte(data, pos)
    if depth > KEY_NIBBLES:
        raise ProofRejected("a proof begins too deep", found=depth, expected="a depth of 0..64 nibbles")
    return depth


def _read_leaf(data: bytes, pos: int) -> tuple[bytes, int]:
    length = _byte(data, pos)
    if not 1 <= length <= 32:
        raise ProofRejected("a storage value has another length", found=length, expected="1..32 bytes")
    word, pos = _take(data, pos + 1, length)
    if word[0] == 0:
        raise ProofRejected("a storage value has a leading zero", found=word, expected="the shortest form")
    return word, pos


def _read_other_leaf(data: bytes, pos: int, rest: str) -> tuple[bytes, int]:
    raw, pos = _take(data, pos, 1 + len(rest) // 2)
    path = rlp.encode_bytes(raw)
    leaf, nibbles = read_path(path)
    # All keys have 64 nibbles, so a leaf of another length is of no such trie. A leaf with the key's own path
    # would show the opposite of absence.
    if not leaf or len(nibbles) != len(rest) or nibbles == rest:
        raise ProofRejected(
            "a leaf does not exclude the key",
            found=raw,
            expected="another leaf's path, as long as the key's rest",
        )
    value, pos = _take(data, pos + 1, _byte(data, pos))
    _check_value(value)
    return rlp.encode_list(path + rlp.encode_bytes(value)), pos


def _read_other_extension(data: bytes, pos: int, rest: str) -> tuple[bytes, int]:
    raw, pos = _take(data, pos + 1, _byte(data, pos))
    path = rlp.encode_bytes(raw)
    leaf, nibbles = read_path(path)
    if leaf or len(nibbles) > len(rest) or rest.startswith(nibbles):
        raise ProofRejected(
            "an extension does not exclude the key", found=raw, expected="an extension that leads elsewhere"
        )
    child, pos = _take(data, pos + 1, _byte(data, pos))
    if len(child) == 32:
        child = b"\xa0" + child
    elif not child or child[0] - 0xBF != len(child) or len(child) > 31:
        raise ProofRejected(
            "an embedded node has another length", found=child, expected="an RLP list of 1..31 bytes"
        )
    return rlp.encode_list(path + child), pos


def _check_value(item: bytes) -> None:
    """Raise ProofRejected unless a leaf's value is the canonical RLP of one string, 1 to 33 bytes with its
    header.
    """
    try:
        is_list, _, stop = rlp.span(item, 0, len(item))
    except EncodingRejected as error:
        raise ProofRejected("a leaf's value is not canonical RLP", found=item, expected=str(error)) from error
    if is_list or stop != len(item) or len(item) > 33:
        raise ProofRejected(
            "a leaf's value has another shape", found=item, expected="RLP of one string, 1..33 bytes"
        )


def _climb(data: bytes, pos: int, key: str, depth: int, node: bytes) -> tuple[bytes, int]:
    """Rebuild the nodes above `node`, or above an empty place where `node` is empty, up to the root.

    Returns the root, and the position behind the steps. A node shorter than 32 bytes stands in its parent
    itself; any other is represented there by its hash (yellow paper, appendix D).
    """
    reference = EMPTY
    while True:
        if node:
            reference = node if len(node) < 32 else b"\xa0" + keccak256(node)
        if depth == 0:
            # The topmost node is hashed however short it is, unlike any other (yellow paper, appendix D).
            return (keccak256(node) if len(node) < 32 else reference[1:]), pos
        kind = _byte(data, pos)
        pos += 1
        if kind == STEP_FULL:
            depth -= 1
            hashes, pos = _take(data, pos, 15 * 32)
            children = [hashes[at : at + 32] for at in range(0, 480, 32)]
            index = NIBBLE[key[depth]]
            # Most nodes of real proofs are branches of sixteen hashes, so these skip the encoder.
            if len(reference) == 33:
                children.insert(index, reference[1:])
                node = b"\xf9\x02\x11\xa0" + b"\xa0".join(children) + b"\x80"
            else:
                children = [b"\xa0" + child for child in children]
                children.insert(index, reference)
                node = rlp.encode_list(b"".join(children) + b"\x80")
        elif kind <= STEP_EMBEDDING:
            depth -= 1
            node, pos = _read_branch(
                data, pos, NIBBLE[key[depth]], reference, embedding=kind == STEP_EMBEDDING
            )
        elif EXTENSION < kind < EXTENSION + KEY_NIBBLES:
            length = kind - EXTENSION
            if length > depth:
                raise ProofRejected(
                    "an extension is longer than the key above it", found=length, expected=f"1..{depth}"
                )
            node = rlp.encode_list(write_path(key[depth - length : depth], leaf=False) + reference)
            depth -= length
        else:
            raise ProofRejected("a step is of no known kind", found=kind, expected="0, 1, 2 or 0x81..0xbf")


def _read_branch(
    data: bytes, pos: int, index: int, reference: bytes, *, embedding: bool
) -> tuple[bytes, int]:
    raw, pos = _take(data, pos, 4 if embedding else 2)
    hashes = int.from_bytes(raw[:2], "big")
    embedded = int.from_bytes(raw[2:], "big")
    # Bit 15 is child 0 (wire-formats §5). The child on the way is `reference`, and is never in the lists.
    if hashes & embedded or (hashes | embedded) & (0x8000 >> index):
        raise ProofRejected(
            "a branch has a child twice", found=raw, expected=f"disjoint children without number {index}"
        )
    children = [EMPTY] * 17
    children[index] = reference
    for i in range(16):
        if hashes & (0x8000 >> i):
            child, pos = _take(data, pos, 32)
            children[i] = b"\xa0" + child
    if embedded:
        for i in range(16):
            if embedded & (0x8000 >> i):
                first = _byte(data, pos)
                if not 0xC0 <= first <= 0xDE:
                    raise ProofRejected(
                        "an embedded node is not a short list", found=first, expected="0xc0..0xde"
                    )
                children[i], pos = _take(data, pos, first - 0xBF)
    return rlp.encode_list(b"".join(children)), pos
