# SPDX-License-Identifier: MIT
"""A reference Merkle-Patricia trie (yellow paper, appendix D): built at once from all its entries, proofs by walking.

trie = Trie({b"key": b"value"})          # plain keys
state = State({address: AccountEntry(balance=1, storage={slot: word})})
proof = state.prove(address, slot)       # what eth_getProof answers
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from Crypto.Hash import keccak as keccak_of_pycryptodome

from tests.support import rlp

EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
EMPTY_CODE = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


def keccak(data: bytes) -> bytes:
    """By another library than the one that is under test."""
    return keccak_of_pycryptodome.new(digest_bits=256, data=data).digest()


def hex_prefix(nibbles: bytes, *, leaf: bool) -> bytes:
    flag = 2 * leaf + len(nibbles) % 2
    padded = bytes([flag, *nibbles]) if len(nibbles) % 2 else bytes([flag, 0, *nibbles])
    return bytes(16 * high + low for high, low in zip(padded[::2], padded[1::2], strict=True))


@dataclass(frozen=True)
class Node:
    """A node, encoded, and what a walk needs of it."""

    encoded: bytes
    path: bytes = b""
    value: bytes | None = None
    children: tuple[Node | None, ...] = ()


def _join(parts: list[bytes]) -> bytes:
    payload = b"".join(parts)
    return rlp.header(0xC0, len(payload)) + payload


def _refer(node: Node | None) -> bytes:
    if node is None:
        return b"\x80"
    return node.encoded if len(node.encoded) < 32 else b"\xa0" + keccak(node.encoded)


def _build(entries: list[tuple[bytes, bytes]]) -> Node:
    """Build the node over entries of (rest of the key in nibbles, value), at least one, sorted and distinct."""
    if len(entries) == 1:
        path, value = entries[0]
        return Node(_join([rlp.encode(hex_prefix(path, leaf=True)), rlp.encode(value)]), path, value)
    first, last = entries[0][0], entries[-1][0]
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    if shared:
        child = _build([(path[shared:], value) for path, value in entries])
        path = first[:shared]
        return Node(_join([rlp.encode(hex_prefix(path, leaf=False)), _refer(child)]), path, None, (child,))
    own = next((value for path, value in entries if not path), None)
    children: list[Node | None] = []
    for nibble in range(16):
        below = [(path[1:], value) for path, value in entries if path and path[0] == nibble]
        children.append(_build(below) if below else None)
    encoded = _join([*map(_refer, children), rlp.encode(own or b"")])
    return Node(encoded, b"", own, tuple(children))


def to_nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15))


class Trie:
    """A trie of plain keys. Empty values mean that the key is absent."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        self.entries = {key: value for key, value in entries.items() if value}
        pairs = sorted((to_nibbles(key), value) for key, value in self.entries.items())
        self.top = _build(pairs) if pairs else None
        self.root = keccak(self.top.encoded) if self.top else EMPTY_ROOT

    def prove(self, key: bytes, *, list_embedded: bool = False) -> list[bytes]:
        """The nodes from the root down that show what the key has, or that it has nothing."""
        nodes: list[bytes] = []
        rest = to_nibbles(key)
        node = self.top
        while node is not None:
            if not nodes or len(node.encoded) >= 32 or list_embedded:
                nodes.append(node.encoded)
            if len(node.children) == 16:
                if not rest:
                    break
                node, rest = node.children[rest[0]], rest[1:]
            elif node.children and rest.startswith(node.path):
                rest = rest[len(node.path) :]
                node = node.children[0]
            else:
                break
        return nodes


class SecureTrie(Trie):
    """A trie of hashed keys."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        super().__init__({keccak(key): value for key, value in entries.items()})

    def prove(self, key: bytes, *, list_embedded: bool = False) -> list[bytes]:
        return super().prove(keccak(key), list_embedded=list_embedded)


@dataclass(frozen=True)
class AccountEntry:
    """An account: `storage` maps 32-byte slots to words; zero words are absent."""

    nonce: int = 0
    balance: int = 0
    code_hash: bytes = EMPTY_CODE
    storage: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class StateProof:
    """What `eth_getProof` answers for one slot."""

    account: list[bytes]
    storage: list[bytes]
    storage_root: bytes


class State:
    """A state of accounts by 20-byte address."""

    def __init__(self, accounts: Mapping[bytes, AccountEntry]) -> None:
        self.storages = {
            address: SecureTrie(
                {slot: rlp.encode(word.lstrip(b"\0")) for slot, word in entry.storage.items() if any(word)}
            )
            for address, entry in accounts.items()
        }
        self.trie = SecureTrie(
            {
                address: rlp.encode(
                    [
                        rlp.integer(entry.nonce),
                        rlp.integer(entry.balance),
                        self.storages[address].root,
                        entry.code_hash,
                    ]
                )
                for address, entry in accounts.items()
            }
        )
        self.root = self.trie.root

    def prove(self, address: bytes, slot: bytes) -> StateProof:
        storage = self.storages.get(address)
        return StateProof(
            self.trie.prove(address),
            storage.prove(slot) if storage else [],
            storage.root if storage else EMPTY_ROOT,
        )
