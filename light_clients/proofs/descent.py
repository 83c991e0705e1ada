# SPDX-License-Identifier: MIT
"""Take a list of trie nodes apart, from the root downwards, into the parts of a compact proof (wire-formats
§5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from light_clients.errors import ProofRejected
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

#: The state's tries, for which compact proofs are made, have keys of 32 bytes (keccak256), which are 64
#: nibbles.
KEY_NIBBLES: Final = 64

#: What a proof ends in: the key's own leaf, or one of four things that show that there is none.
LEAF: Final = 0
EMPTY_PLACE: Final = 1
OTHER_LEAF: Final = 2
OTHER_EXTENSION: Final = 3
EMPTY_TRIE: Final = 4
#: The kinds of a step through a branch: with 15 hashes beside the way, with fewer, with embedded nodes among
#: them.
STEP_FULL: Final = 0
STEP_BRANCH: Final = 1
STEP_EMBEDDING: Final = 2
#: A step through an extension of n nibbles is `EXTENSION + n`.
EXTENSION: Final = 0x80


class Descent(NamedTuple):
    """What a list of nodes ends in, and the way there.

    Attributes:
        kind: one of the five endings.
        depth: the number of key nibbles above the ending.
        path: the hex-prefix path of the last leaf or extension; b"" after an empty place.
        item: the value of the last leaf, or the encoded child of the last extension; b"" after an empty
            place.
        steps: the encoded steps above the ending, the lowest first.
    """

    kind: int
    depth: int
    path: bytes
    item: bytes
    steps: bytes


class _Passed(NamedTuple):
    """What is below a node that was passed.

    Attributes:
        child: the encoded reference to go on with.
        depth: the number of key nibbles above it.
        ending: kind, path and item of the ending, where there is nothing to go on with.
    """

    child: bytes
    depth: int
    ending: tuple[int, bytes, bytes] | None = None


def descend(key: str, nodes: Sequence[bytes]) -> Descent:
    """Follow a key (64 nibbles as hex text) through the nodes. Their hashes are not checked: verify the nodes
    before.

    Raises:
        ProofRejected: the nodes are malformed, too few or too many.
    """
    steps: list[bytes] = []
    used = 0
    at = _Passed(b"\xa0", 0)
    while at.ending is None:
        if at.child[0] == 0xA0:
            if used == len(nodes):
                raise ProofRejected(
                    "the proof ends before its key does", found=f"{used} nodes", expected="more"
                )
            node = nodes[used]
            used += 1
        else:
            node = at.child
            # Some clients list an embedded node by itself as well.
            if used < len(nodes) and nodes[used] == node:
                used += 1
        if at.depth < KEY_NIBBLES and is_full_branch(node):
            hashes = [node[start : start + 32] for start in range(4, 532, 33)]
            at = _Passed(b"\xa0" + hashes.pop(NIBBLE[key[at.depth]]), at.depth + 1)
            steps.append(b"\x00" + b"".join(hashes))
            continue
        items = split(node)
        at = (_pass_branch if len(items) == 17 else _pass_path)(items, key, at.depth, steps)
    if used != len(nodes):
        raise ProofRejected("the proof has unused nodes", found=f"{len(nodes)} nodes", expected=used)
    kind, path, item = at.ending
    return Descent(kind, at.depth, path, item, b"".join(reversed(steps)))


def _pass_branch(items: list[bytes], key: str, depth: int, steps: list[bytes]) -> _Passed:
    check_branch(items)
    if items[16] != EMPTY or depth == KEY_NIBBLES:
        raise ProofRejected(
            "a branch stands where only leaves can end", found=depth, expected="no value, a longer key"
        )
    index = NIBBLE[key[depth]]
    hashes = embedded = 0
    hashed: list[bytes] = []
    nodes: list[bytes] = []
    for i, item in enumerate(items[:16]):
        if i == index or item == EMPTY:
            continue
        if item[0] == 0xA0:
            hashes |= 0x8000 >> i
            hashed.append(item[1:])
        else:
            embedded |= 0x8000 >> i
            nodes.append(item)
    if embedded:
        step = bytes((STEP_EMBEDDING,)) + hashes.to_bytes(2, "big") + embedded.to_bytes(2, "big")
    elif len(hashed) == 15:
        step = bytes((STEP_FULL,))
    else:
        step = bytes((STEP_BRANCH,)) + hashes.to_bytes(2, "big")
    steps.append(step + b"".join(hashed) + b"".join(nodes))
    child = items[index]
    return _Passed(child, depth + 1, (EMPTY_PLACE, b"", b"") if child == EMPTY else None)


def _pass_path(items: list[bytes], key: str, depth: int, steps: list[bytes]) -> _Passed:
    leaf, path = read_path(items[0])
    rest = key[depth:]
    if len(path) != len(rest) if leaf else len(path) > len(rest):
        raise ProofRejected(
            "a path has a length that no key has", found=path, expected=f"{len(rest)} nibbles to a leaf"
        )
    if leaf:
        return _Passed(b"", depth, (LEAF if path == rest else OTHER_LEAF, string(items[0]), string(items[1])))
    check_child(items[1])
    if not rest.startswith(path):
        return _Passed(b"", depth, (OTHER_EXTENSION, string(items[0]), items[1]))
    if len(path) == KEY_NIBBLES:
        raise ProofRejected("an extension is as long as a key", found=path, expected="1..63 nibbles")
    steps.append(bytes((EXTENSION + len(path),)))
    return _Passed(items[1], depth + len(path))
