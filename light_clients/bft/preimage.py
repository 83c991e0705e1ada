# SPDX-License-Identifier: MIT
"""What is hashed of a header: for the seals of its validators, and for the hash that names the block on its
chain.

The rules are Besu's and GoQuorum's, and real headers agree with them (tests/conformance). What is hashed is
the header with this extraData:

    protocol         for the block hash                            for the seals (the commit-seal hash)
    IBFT 2.0         [vanity, validators, vote]                    [vanity, validators, vote, round]
    QBFT             [vanity, validators, vote, round 0, []]       [vanity, validators, vote, round, []]
    legacy Istanbul  vanity ‖ [validators, proposer's seal, []]    keccak256(block hash ‖ 0x02)

So in IBFT 2.0 and QBFT the same block, sealed in another round, keeps its name and is sealed by another hash.
Legacy Istanbul (EIP-650, GoQuorum's `ibft`) doesn't tell the round, and votes by the header's nonce and
coinbase.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple, TypeAlias

from light_clients.codec import rlp
from light_clients.hashing import EMPTY_OMMERS, keccak256


class BftKind(enum.IntEnum):
    """Which of the protocols a chain runs. The numbers are those of the contract's constructor."""

    QBFT = 0
    IBFT2 = 1
    ISTANBUL = 2

    def at(self, number: int) -> BftKind:
        """Return the protocol of a block, by its number: this one."""
        del number
        return self

    def arguments(self) -> tuple[int, int, int]:
        """Return the contract's `kind`, `laterKind` and `laterFrom`."""
        return self.value, self.value, 0


class KindChange(NamedTuple):
    """The protocols of a chain that goes from one to another at a height.

    Attributes:
        first: seals the blocks below `later_from`.
        later: seals the others.
        later_from: the first block of the later one.
    """

    first: BftKind
    later: BftKind
    later_from: int

    def at(self, number: int) -> BftKind:
        """Return the protocol of a block, by its number."""
        return self.first if number < self.later_from else self.later

    def arguments(self) -> tuple[int, int, int]:
        """Return the contract's `kind`, `laterKind` and `laterFrom`."""
        return self.first.value, self.later.value, self.later_from


#: What a chain runs: one protocol, or one after the other.
BftKinds: TypeAlias = BftKind | KindChange


#: The mixHash that tells these headers from others: "ctical byzantine fault tolerance" in ASCII (EIP-650).
ISTANBUL_MIX_HASH: Final = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
#: The nonce of a header in which nobody votes by it; QBFT and IBFT 2.0 have no other.
NONCE: Final = bytes(8)
#: A proposer's seal in legacy Istanbul: r ‖ s ‖ parity.
PROPOSER_SEAL_BYTES: Final = 65

#: The vote of a header in which nobody votes: RLP in extraData, and the nonce in legacy Istanbul.
NO_VOTE: Final = {BftKind.QBFT: b"\xc0", BftKind.IBFT2: b"\x80", BftKind.ISTANBUL: NONCE}
#: The encoded round 0: an integer in QBFT, 4 bytes in IBFT 2.0.
ROUND_ZERO: Final = {BftKind.QBFT: b"\x80", BftKind.IBFT2: b"\x84\x00\x00\x00\x00"}

#: RLP headers of constant fields and what stands in them: the bloom's 256 bytes; mixHash, the nonce's tag.
_BEFORE_BLOOM: Final = b"\xb9\x01\x00"
_AFTER_EXTRA: Final = b"\xa0" + ISTANBUL_MIX_HASH + b"\x88"
#: What legacy Istanbul puts behind the block hash before validators sign it: the code of the message COMMIT.
_COMMIT: Final = b"\x02"


class Preimage(NamedTuple):
    """A header in the parts that its hashes are made of.

    Attributes:
        kind: the protocol.
        front: the fields before extraData, encoded RLP.
        vanity: 32 bytes.
        listed: the list of validators, encoded RLP.
        vote: encoded RLP; in legacy Istanbul the nonce, 8 bytes.
        round: encoded RLP; in legacy Istanbul the proposer's seal, 65 bytes.
        tail: the fields after the nonce, encoded RLP.
    """

    kind: BftKind
    front: bytes
    vanity: bytes
    listed: bytes
    vote: bytes
    round: bytes
    tail: bytes

    def commit_seal_hash(self) -> bytes:
        """Return the hash that validators seal, 32 bytes."""
        if self.kind is BftKind.ISTANBUL:
            return keccak256(self.block_hash() + _COMMIT)
        return self._hash(self.round + (b"\xc0" if self.kind is BftKind.QBFT else b""))

    def block_hash(self) -> bytes:
        """Return the hash that names the block on its chain, 32 bytes."""
        if self.kind is BftKind.ISTANBUL:
            extra = rlp.encode_list(self.listed + rlp.encode_bytes(self.round) + b"\xc0")
            return self._hash_with(self.vanity + extra, nonce=self.vote)
        return self._hash(b"\x80\xc0" if self.kind is BftKind.QBFT else b"")

    def _hash(self, ending: bytes) -> bytes:
        return self._hash_with(
            rlp.encode_list(b"\xa0" + self.vanity + self.listed + self.vote + ending), NONCE
        )

    def _hash_with(self, extra_data: bytes, nonce: bytes) -> bytes:
        fields = (self.front, rlp.encode_bytes(extra_data), _AFTER_EXTRA, nonce, self.tail)
        return keccak256(rlp.encode_list(b"".join(fields)))


def encode_front(
    parent_hash: bytes,
    beneficiary: bytes,
    state_root: bytes,
    transactions_root: bytes,
    receipts_root: bytes,
    bloom: bytes,
    numbers: bytes,
) -> bytes:
    """Encode the fields before extraData; `numbers` is the RLP of number, gasLimit, gasUsed and timestamp."""
    return b"".join(
        (
            b"\xa0",
            parent_hash,
            b"\xa0",
            EMPTY_OMMERS,
            b"\x94",
            beneficiary,
            b"\xa0",
            state_root,
            b"\xa0",
            transactions_root,
            b"\xa0",
            receipts_root,
            _BEFORE_BLOOM,
            bloom,
            b"\x01",
            numbers,
        )
    )
