# SPDX-License-Identifier: MIT
"""A run of consecutive headers, read from the wire and checked by Clique's rules, with the verdicts of the
contract (docs/reference/wire-formats.md §8.2; INV-8).

What a rule fixes is never sent: the number and the parent's hash of all headers but the first, the
difficulty, and the signers that an epoch block lists. A header that broke such a rule hashes to something
else than what is put together here, so its seal is nobody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from light_clients.client import Height, Timestamp
from light_clients.clique.header import IN_TURN, NOBODY, OUT_OF_TURN, CliqueHeader
from light_clients.clique.signers import Tally
from light_clients.cursor import Cursor
from light_clients.errors import EncodingRejected, HeaderRejected
from light_clients.hashing import EMPTY_TRIE_ROOT

#: The flags of a header, one byte.
FLAG_PARITY: Final = 1 << 0
FLAG_ROOTS: Final = 1 << 1
FLAG_BLOOM: Final = 1 << 2
FLAG_VANITY: Final = 1 << 3
FLAG_VOTE: Final = 1 << 4
FLAG_ADD: Final = 1 << 5
FLAG_TAIL: Final = 1 << 6
KNOWN_FLAGS: Final = (1 << 7) - 1

NO_BLOOM: Final = bytes(256)
NO_VANITY: Final = bytes(32)


class Run:
    """Consecutive headers, each valid after the one before it, from a set of signers on.

    Attributes:
        headers: those that were accepted so far.
        changed: how many there were when a vote changed the set for the last time; 0 while none did.

    Args:
        signers: the set that seals the first header.
        epoch: after how many blocks votes are discarded and the signers listed.
        tallied: whether votes are counted; without, the set stays what it is.
    """

    def __init__(self, signers: Sequence[bytes], epoch: int, *, tallied: bool = False) -> None:
        self.headers: list[CliqueHeader] = []
        self.changed = 0
        self._tally = Tally(signers)
        self._epoch = epoch
        self._tallied = tallied

    @property
    def signers(self) -> tuple[bytes, ...]:
        """The set that seals the next header."""
        return self._tally.signers

    def read(self, cursor: Cursor, state_root: bytes | None = None) -> None:
        """Read the next header, and accept it as `append` does.

        Args:
            cursor: at the header; it is moved behind it.
            state_root: the root that the trie proofs lead to, where the header leaves its own out; None where
                it is sent.

        Raises:
            EncodingRejected: the bytes are malformed.
            HeaderRejected: the header breaks a rule of Clique.
        """
        before = self.headers[-1] if self.headers else None
        flags = cursor.uint(1)
        if flags & ~KNOWN_FLAGS:
            raise EncodingRejected("a header has unknown flags", found=hex(flags), expected="bits 0..6")
        index = cursor.uint(1)
        if index >= len(self.signers):
            raise HeaderRejected(
                "a header is of no signer", found=index, expected=f"less than {len(self.signers)}"
            )
        parent_hash = cursor.take(32) if before is None else before.block_hash
        if state_root is None:
            state_root = cursor.take(32)
        number, gas_limit, gas_used, timestamp = (cursor.uint(8) for _ in range(4))
        transactions_root = receipts_root = EMPTY_TRIE_ROOT
        if flags & FLAG_ROOTS:
            transactions_root, receipts_root = cursor.take(32), cursor.take(32)
        bloom = cursor.take(256) if flags & FLAG_BLOOM else NO_BLOOM
        vanity = NO_VANITY if before is None else before.vanity
        if flags & FLAG_VANITY:
            vanity = cursor.take(32)
        candidate = cursor.take(20) if flags & FLAG_VOTE else NOBODY
        tail = cursor.prefixed() if flags & FLAG_TAIL else b""
        r_s = cursor.take(64)
        header = CliqueHeader(
            parent_hash=parent_hash,
            candidate=candidate,
            add=bool(flags & FLAG_ADD),
            state_root=state_root,
            transactions_root=transactions_root,
            receipts_root=receipts_root,
            bloom=bloom,
            difficulty=self._difficulty(number, index),
            number=Height(number),
            gas_limit=gas_limit,
            gas_used=gas_used,
            timestamp=Timestamp(timestamp),
            vanity=vanity,
            listed=self._listed(number),
            seal=r_s + bytes((flags & FLAG_PARITY,)),
            tail=tail,
        )
        if header.signer != self.signers[index]:
            raise HeaderRejected(
                "a seal is not its signer's", found=header.signer or "no key", expected=self.signers[index]
            )
        self.append(header)

    def append(self, header: CliqueHeader) -> None:
        """Accept the next header, from the wire or from a node, and count its vote.

        Raises:
            HeaderRejected: the header breaks a rule of Clique.
        """
        before = self.headers[-1] if self.headers else None
        if before is None:
            if header.number == 0:
                raise HeaderRejected("block 0 has no seal", found=0, expected="a number of at least 1")
        else:
            _check_behind(before, header)
        is_epoch = header.number % self._epoch == 0
        if is_epoch and header.has_vote:
            raise HeaderRejected("an epoch block votes", found=header.candidate, expected="no vote")
        if header.listed != self._listed(header.number):
            raise HeaderRejected(
                f"block {header.number} lists other signers than those that may seal it",
                found=len(header.listed),
                expected=f"{len(self.signers)} in an epoch block, else none",
            )
        index = self._tally.index_of(header.signer, header.number)
        signer, expected = self.signers[index], self._difficulty(header.number, index)
        if header.difficulty != expected:
            raise HeaderRejected(
                f"block {header.number} has another difficulty", found=header.difficulty, expected=expected
            )
        # Who sealed one of the last floor(n/2) blocks has to wait.
        waiting = self.headers[max(0, len(self.headers) - len(self.signers) // 2) :]
        if any(recent.signer == signer for recent in waiting):
            raise HeaderRejected(
                f"the signer of block {header.number} sealed too soon again",
                found=signer,
                expected=f"none of the last {len(self.signers) // 2} blocks",
            )
        self.headers.append(header)
        if self._tallied and is_epoch:
            self._tally.clear()
        elif self._tallied and header.has_vote and self._tally.vote(signer, header.candidate, add=header.add):
            self.changed = len(self.headers)

    def _difficulty(self, number: int, index: int) -> int:
        return IN_TURN if number % len(self.signers) == index else OUT_OF_TURN

    def _listed(self, number: int) -> tuple[bytes, ...]:
        return self.signers if number % self._epoch == 0 else ()


def _check_behind(before: CliqueHeader, header: CliqueHeader) -> None:
    if header.number != before.number + 1:
        raise HeaderRejected("a run has a gap", found=header.number, expected=before.number + 1)
    if header.parent_hash != before.block_hash:
        raise HeaderRejected(
            f"block {header.number} has another parent", found=header.parent_hash, expected=before.block_hash
        )
    if header.timestamp < before.timestamp:
        raise HeaderRejected(
            "timestamps descend", found=header.timestamp, expected=f"at least {before.timestamp}"
        )
