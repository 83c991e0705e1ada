# SPDX-License-Identifier: MIT
"""Compact proofs of every shape: made from tries, made from the grammar alone, and broken."""

from __future__ import annotations

import random
from collections.abc import Callable

from light_clients.proofs.compact import encode_account, encode_storage
from tests.support import rlp
from tests.support.mutation import mutate
from tests.support.trie import Trie, keccak


def random_word(rng: random.Random) -> bytes:
    """A storage word, short ones as likely as long ones, without leading zeros."""
    return bytes([rng.choice([1, 0x7F, 0x80, 0xFF])]) + rng.randbytes(rng.choice([0, 0, 0, 1, 5, 30, 31]))


def near(rng: random.Random, key: bytes, depth: int) -> bytes:
    """A key that shares exactly `depth` nibbles; half of the time it also ends as the key does."""
    nibbles = key.hex()
    turned = f"{int(nibbles[depth], 16) ^ rng.randrange(1, 16):x}"
    rest = nibbles[depth + 1 :] if rng.random() < 0.5 else rng.randbytes(32).hex()[: 63 - depth]
    return bytes.fromhex(nibbles[:depth] + turned + rest)


def trie_around(rng: random.Random, key: bytes, value: bytes | None, other: Callable[[], bytes]) -> Trie:
    """A trie in which the key's path meets branches, extensions and embedded nodes at any depth."""
    depths = rng.sample(range(64), rng.choice([0, 1, 2, 4, 12])) + [rng.choice([0, 1, 2])] * rng.choice(
        [0, 20]
    )
    entries = {near(rng, key, depth): other() for depth in depths}
    return Trie(entries if value is None else entries | {key: value})


def storage_proof(rng: random.Random, slot: bytes) -> tuple[bytes, Trie]:
    """A good proof of a slot, present or absent, and its trie."""
    value = None if rng.random() < 0.4 else rlp.encode(random_word(rng))
    key = keccak(slot)
    trie = trie_around(rng, key, value, lambda: rlp.encode(random_word(rng)))
    return encode_storage(slot, trie.prove(key)), trie


def account_proof(rng: random.Random, address: bytes, storage_root: bytes) -> tuple[bytes, Trie]:
    """A good proof of an account with this storage root, and its state trie."""
    key = keccak(address)

    def account() -> bytes:
        nonce, balance = (
            rng.getrandbits(rng.choice([0, 7, 64])),
            rng.getrandbits(rng.choice([0, 7, 8, 64, 256])),
        )
        return rlp.encode([rlp.integer(nonce), rlp.integer(balance), storage_root, rng.randbytes(32)])

    trie = trie_around(rng, key, account(), account)
    return encode_account(address, trie.prove(key)), trie


# --- from the grammar: whatever the format allows, and a little more ----------------------------------------


def steps(rng: random.Random, key: str, depth: int) -> bytes:
    parts = []
    while depth > 0:
        path = 0x8000 >> int(key[depth - 1], 16)
        if rng.random() < 0.02:
            path = 0
        match rng.randrange(6):
            case 0:
                parts.append(b"\x00" + rng.randbytes(480))
                depth -= 1
            case 1 | 2:
                mask = rng.getrandbits(16) & rng.getrandbits(16) & ~path
                parts.append(b"\x01" + mask.to_bytes(2, "big") + rng.randbytes(32 * mask.bit_count()))
                depth -= 1
            case 3:
                hashes, embedded = (
                    rng.getrandbits(16) & rng.getrandbits(16) & ~path,
                    rng.getrandbits(16) & ~path,
                )
                if rng.random() < 0.95:
                    embedded &= ~hashes
                nodes = b"".join(embedded_node(rng) for _ in range(embedded.bit_count()))
                masks = hashes.to_bytes(2, "big") + embedded.to_bytes(2, "big")
                parts.append(b"\x02" + masks + rng.randbytes(32 * hashes.bit_count()) + nodes)
                depth -= 1
            case 4 | 5:
                length = min(depth, rng.choice([1, 2, 3, 10, 30, 63, 64])) + (rng.random() < 0.02)
                parts.append(bytes([0x80 + length]))
                depth -= length
        if rng.random() < 0.01:
            parts.append(rng.randbytes(1))
    return b"".join(parts)


def embedded_node(rng: random.Random) -> bytes:
    length = rng.choice([0, 1, 2, 5, 17, 30, 30] if rng.random() < 0.95 else [31, 32, 55, 60])
    return bytes([0xC0 + length]) + rng.randbytes(length)


def grammatical_storage(rng: random.Random, slot: bytes) -> bytes:
    key = keccak(slot).hex()
    depth = rng.choice([0, 0, 1, 1, 2, 3, 8, 40, 62, 63, 64, rng.randrange(66)])
    rest = key[depth:]
    head = bytes([depth])
    match rng.randrange(5):
        case 0:
            word = random_word(rng)[: rng.randrange(1, 34)]
            body = bytes([0]) + head + bytes([len(word)]) + word
        case 1:
            body = bytes([1]) + head
        case 2:
            other = hex_turned(rng, rest)
            value = rlp.encode(rng.choice([b"", b"\0", bytes(33), *[random_word(rng)] * 6]))
            body = bytes([2]) + head + hex_path(rng, other, leaf=True) + bytes([len(value)]) + value
        case 3:
            length = rng.randrange(1, len(rest) + 2)
            path = hex_path(
                rng, hex_turned(rng, rest)[:length] if rng.random() < 0.9 else rest[:length], leaf=False
            )
            child = rng.randbytes(32) if rng.random() < 0.5 else embedded_node(rng)
            body = bytes([3]) + head + bytes([len(path)]) + path + bytes([len(child)]) + child
        case _:
            return bytes([4]) + (rng.randbytes(1) if rng.random() < 0.1 else b"")
    return body + steps(rng, key, min(depth, 64))


def grammatical_account(rng: random.Random, address: bytes) -> bytes:
    depth = rng.choice([0, 1, 2, 5, 9, 63, 64, rng.randrange(66)])
    numbers = rng.randbytes(rng.choice([1, 2, 3, 10, 43, 44]))
    body = bytes([depth, len(numbers)]) + numbers + rng.randbytes(32)
    return body + steps(rng, keccak(address).hex(), min(depth, 64))


def hex_turned(rng: random.Random, nibbles: str) -> str:
    """Other nibbles of the same length, nearly always."""
    if not nibbles or rng.random() < 0.03:
        return nibbles
    at = rng.choice([0, len(nibbles) - 1, rng.randrange(len(nibbles))])
    return nibbles[:at] + f"{int(nibbles[at], 16) ^ rng.randrange(1, 16):x}" + nibbles[at + 1 :]


def hex_path(rng: random.Random, nibbles: str, *, leaf: bool) -> bytes:
    flag = 2 * leaf + len(nibbles) % 2
    if rng.random() < 0.04:
        flag = rng.randrange(16)
    padding = "" if len(nibbles) % 2 else "0" if rng.random() < 0.97 else "1"
    return bytes.fromhex(f"{flag:x}{padding}{nibbles}")


def storage_case(rng: random.Random, slot: bytes) -> bytes:
    """A storage proof: good, from the grammar, mutated, or nothing of the kind."""
    match rng.randrange(10):
        case 0 | 1:
            return storage_proof(rng, slot)[0]
        case 2 | 3 | 4:
            return grammatical_storage(rng, slot)
        case 5 | 6:
            return mutate(rng, grammatical_storage(rng, slot), [storage_proof(rng, slot)[0]])
        case 7 | 8:
            return mutate(rng, storage_proof(rng, slot)[0], [grammatical_storage(rng, slot)])
        case _:
            return rng.randbytes(rng.randrange(80))


def account_case(rng: random.Random, address: bytes) -> bytes:
    """An account proof, as above."""
    match rng.randrange(10):
        case 0 | 1:
            return account_proof(rng, address, rng.randbytes(32))[0]
        case 2 | 3 | 4:
            return grammatical_account(rng, address)
        case 5 | 6:
            return mutate(rng, grammatical_account(rng, address))
        case 7 | 8:
            return mutate(rng, account_proof(rng, address, rng.randbytes(32))[0])
        case _:
            return rng.randbytes(rng.randrange(80))
