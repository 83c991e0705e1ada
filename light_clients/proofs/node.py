# SPDX-License-Identifier: MIT
"""The nodes of a Merkle-Patricia trie, read strictly (yellow paper, appendix D).

Keys and paths are hex text here, one character for a nibble, for slicing, comparing and searching text runs
in C.
"""

from __future__ import annotations

from typing import Final

from light_clients.codec import rlp
from light_clients.errors import EncodingRejected, ProofRejected

#: The number that a hex digit stands for.
NIBBLE: Final = {digit: index for index, digit in enumerate("0123456789abcdef")}
#: What stands in a branch where it has no child, encoded.
EMPTY: Final = b"\x80"

#: A branch with sixteen hashes and no value has 16 * 33 + 1 = 529 (0x0211) bytes behind a header of three.
_FULL_HEADER: Final = b"\xf9\x02\x11"
_FULL_TAGS: Final = b"\xa0" * 16
_FULL_LENGTH: Final = 532


def is_full_branch(node: bytes) -> bool:
    """Return whether a node is a branch of sixteen hashes without a value.

    The hash of child i is then `node[4 + 33 * i :][:32]`. Most nodes of real proofs have this shape, so it
    has a way of its own. Every byte that is not a hash is compared, so such a node is canonical without
    further checks.
    """
    return (
        len(node) == _FULL_LENGTH
        and node[:3] == _FULL_HEADER
        and node[3:531:33] == _FULL_TAGS
        and node[531] == 0x80
    )


def split(node: bytes) -> list[bytes]:
    """Return the encoded items of a node: 17 of a branch, or 2 of a leaf or an extension.

    Raises:
        ProofRejected: the node is not one canonical RLP list of 17 or 2 items.
    """
    try:
        is_list, pos, stop = rlp.span(node, 0, len(node))
        if not is_list or stop != len(node):
            raise ProofRejected("a trie node is not exactly one RLP list", found=node, expected="a list")
        items = []
        while pos < stop:
            tag = node[pos]
            if tag == 0xA0:
                after = pos + 33
            elif tag == 0x80:
                after = pos + 1
            else:
                _, _, after = rlp.span(node, pos, stop)
            items.append(node[pos:after])
            pos = after
    except EncodingRejected as error:
        raise ProofRejected("a trie node is not canonical RLP", found=node, expected=str(error)) from error
    if pos != stop:
        raise ProofRejected("a trie node's last item is cut short", found=node, expected="whole items")
    if len(items) not in (2, 17):
        raise ProofRejected("a trie node has another number of items", found=len(items), expected="2 or 17")
    return items


def string(item: bytes) -> bytes:
    """Return the payload of an encoded item, which must be a string.

    Raises:
        ProofRejected: the item is a list.
    """
    if item[0] >= 0xC0:
        raise ProofRejected("a list stands where a string belongs", found=item, expected="an RLP string")
    _, start, stop = rlp.span(item, 0, len(item))
    return item[start:stop]


def check_child(item: bytes) -> None:
    """Check that an encoded item refers to a node: by its hash, or as an embedded node of less than 32 bytes.

    Raises:
        ProofRejected: it does neither.
    """
    if len(item) == 33 and item[0] == 0xA0:
        return
    if item[0] < 0xC0:
        raise ProofRejected(
            "a child is neither a hash nor a node", found=item, expected="32 bytes or an RLP list"
        )
    if len(item) >= 32:
        raise ProofRejected("an embedded node is too long", found=len(item), expected="less than 32 bytes")
    try:
        rlp.decode(item)
    except EncodingRejected as error:
        raise ProofRejected(
            "an embedded node is not canonical RLP", found=item, expected=str(error)
        ) from error


def check_branch(items: list[bytes]) -> None:
    """Check the 16 children of a branch.

    Raises:
        ProofRejected: a child is neither empty, nor a hash, nor an embedded node.
    """
    for item in items[:16]:
        if item != EMPTY and not (item[0] == 0xA0 and len(item) == 33):
            check_child(item)


def read_path(item: bytes) -> tuple[bool, str]:
    """Read the hex-prefix path of a leaf or an extension (yellow paper, appendix C).

    Returns:
        Whether the path is a leaf's, and its nibbles as hex text.

    Raises:
        ProofRejected: the flag is not one of 0 to 3, the padding is not zero, or the path of an extension is
            empty.
    """
    text = string(item).hex()
    flag = text[:1]
    if flag not in ("0", "1", "2", "3"):
        raise ProofRejected("a path has another flag", found=flag or "no byte", expected="0, 1, 2 or 3")
    if flag in ("0", "2"):
        if text[1] != "0":
            raise ProofRejected("a path's padding is not zero", found=text, expected=f"{flag}0 at its front")
        path = text[2:]
        if flag == "0" and not path:
            raise ProofRejected("an extension has an empty path", found=text, expected="at least one nibble")
    else:
        path = text[1:]
    return flag in ("2", "3"), path


def write_path(path: str, *, leaf: bool) -> bytes:
    """Return the encoded RLP string of the hex-prefix path of a leaf or an extension, given its nibbles as
    hex text.
    """
    if len(path) & 1:
        data = bytes.fromhex(("3" if leaf else "1") + path)
    else:
        data = bytes.fromhex(("20" if leaf else "00") + path)
    return data if len(data) == 1 else bytes((0x80 + len(data),)) + data
