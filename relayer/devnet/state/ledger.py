# SPDX-License-Identifier: MIT
"""A chain's blocks by number and by hash, and the one map that turns anvil's block hashes into ours."""

from __future__ import annotations

import re
from typing import Final, Generic, Protocol, TypeVar

from relayer.devnet.errors import ExecutionError

#: anvil writes JSON without spaces. Inside a JSON string the quotes would be escaped, so no text can pretend
#: to be this key.
_BLOCK_HASH: Final = re.compile(rb'("blockHash":")(0x[0-9a-f]{64})')


class NotSealedYet(Exception):  # noqa: N818  not a fault: anvil is a moment ahead of the chain that it executes for
    """An answer of anvil speaks of a block that is not part of the sealed chain yet."""


class Block(Protocol):
    """What a block of any kind of chain has. Hashes and roots have 32 bytes; `anvil_hash` is anvil's own."""

    @property
    def number(self) -> int: ...  # noqa: D102  the class tells
    @property
    def hash(self) -> bytes: ...  # noqa: D102
    @property
    def parent_hash(self) -> bytes: ...  # noqa: D102
    @property
    def anvil_hash(self) -> bytes: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def state_root(self) -> bytes: ...  # noqa: D102


B = TypeVar("B", bound=Block)


class Ledger(Generic[B]):
    """Every block since genesis. Readers see a block only once it is sealed, whatever anvil already knows.

    Args:
        genesis: block 0.
        final_tags: the chain's nodes know the tags `safe` and `finalized`.

    Attributes:
        final_tags: as given.
        safe, finalized: the numbers that these tags mean; None where every block is final at once.
    """

    def __init__(self, genesis: B, *, final_tags: bool = True) -> None:
        self.final_tags = final_tags
        self.safe: int | None = None
        self.finalized: int | None = None
        self._blocks = [genesis]
        self._numbers = {genesis.hash: 0}
        self._sealed_text = {_text(genesis.anvil_hash): _text(genesis.hash)}
        self._twins: dict[bytes, B] = {}

    @property
    def head(self) -> B:
        """The newest block."""
        return self._blocks[-1]

    @property
    def genesis(self) -> B:
        """Block 0."""
        return self._blocks[0]

    def append(self, block: B) -> None:
        """Make a block part of the chain.

        Raises:
            ExecutionError: it does not follow the head.
        """
        head = self.head
        if block.number != head.number + 1 or block.parent_hash != head.hash:
            raise ExecutionError(
                f"block {block.number} on parent 0x{block.parent_hash.hex()}",
                f"block {head.number + 1} on parent 0x{head.hash.hex()}",
            )
        self._numbers[block.hash] = block.number
        self._sealed_text[_text(block.anvil_hash)] = _text(block.hash)
        self._blocks.append(block)

    def at(self, number: int) -> B | None:
        """Return the block of a number; None above the head."""
        return self._blocks[number] if 0 <= number < len(self._blocks) else None

    def tagged(self, tag: str, head: int) -> int | None:
        """Return the number that a tag means to a reader who sees `head` as newest; None when it is no tag.

        `pending` means the head, as Besu does: the block in the making has no seal and no hash.
        """
        if tag in {"latest", "pending"}:
            return head
        if self.final_tags and tag in {"safe", "finalized"}:
            number = self.safe if tag == "safe" else self.finalized
            return head if number is None else min(number, head)
        return 0 if tag == "earliest" else None

    def number_of(self, block_hash: bytes) -> int | None:
        """Return the number of the block of the chain with this hash; anvil's hashes are unknown here."""
        return self._numbers.get(block_hash)

    def add_twin(self, twin: B) -> None:
        """Keep a second block of a height, which is served by its hash but is no part of the chain."""
        self._twins[twin.hash] = twin

    def twin(self, block_hash: bytes) -> B | None:
        """Return the second block with this hash, if somebody was made to sign it."""
        return self._twins.get(block_hash)

    def rewrite(self, answer: bytes) -> bytes:
        """Replace the value of every `blockHash` key in JSON of anvil's.

        Raises:
            NotSealedYet: one of them is not in the chain (yet), so the answer must not be shown as it is.
        """
        # Answers may be a megabyte long, so they are not decoded for this (ADR 0003).
        parts = _BLOCK_HASH.split(answer)
        if len(parts) == 1:
            return answer
        sealed = self._sealed_text
        try:
            parts[2::3] = [sealed[native] for native in parts[2::3]]
        except KeyError as error:
            raise NotSealedYet from error
        return b"".join(parts)

    def anvil_hashes(self) -> set[str]:
        """Return anvil's own hash of every block, as 0x-hex: what no client may ever see."""
        return {native.decode() for native in self._sealed_text}


def _text(block_hash: bytes) -> bytes:
    return b"0x" + block_hash.hex().encode()
