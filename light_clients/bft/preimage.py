# SPDX-License-Identifier: MIT
"""What is hashed of a header: for the seals of its validators, and for the hash that names the block on its
chain.

The rules are Besu's, and real headers agree with them (tests/conformance/poa_headers.py). extraData is hashed
as

    protocol    for the block hash                              for the seals (the commit-seal hash)
    IBFT 2.0    [vanity, validators, vote]                      [vanity, validators, vote, round]
    QBFT        [vanity, validators, vote, round 0, []]         [vanity, validators, vote, round, []]

So the same block, sealed in another round, keeps its name and is sealed by another hash.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from light_clients.codec import rlp
from light_clients.hashing import keccak256


class BftKind(enum.IntEnum):
    """Which of the two protocols a chain runs. The numbers are those of the contract's constructor."""

    QBFT = 0
    IBFT2 = 1


#: keccak256 of the RLP of an empty list: the ommers of a block that has none.
EMPTY_OMMERS: Final = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
#: The mixHash that tells these headers from others: "ctical byzantine fault tolerance" in ASCII (EIP-650).
ISTANBUL_MIX_HASH: Final = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
#: The nonce of every such header.
NONCE: Final = bytes(8)

#: The encoded vote of a header in which nobody votes.
NO_VOTE: Final = {BftKind.QBFT: b"\xc0", BftKind.IBFT2: b"\x80"}
#: The encoded round 0: an integer in QBFT, 4 bytes in IBFT 2.0.
ROUND_ZERO: Final = {BftKind.QBFT: b"\x80", BftKind.IBFT2: b"\x84\x00\x00\x00\x00"}

# RLP headers of constant fields and what stands in them: the bloom's 256 bytes; mixHash and nonce.
_BEFORE_BLOOM: Final = b"\xb9\x01\x00"
_AFTER_EXTRA: Final = b"\xa0" + ISTANBUL_MIX_HASH + b"\x88" + NONCE


class Preimage(NamedTuple):
    """A header in the parts that its hashes are made of, each of them encoded RLP.

    Attributes:
        front: the fields before extraData.
        sealed: vanity, validators and vote of extraData.
        round: the round of extraData.
        tail: the fields after the nonce.
    """

    front: bytes
    sealed: bytes
    round: bytes
    tail: bytes

    def commit_seal_hash(self, kind: BftKind) -> bytes:
        """Return the hash that validators seal, 32 bytes."""
        return self._hash(self.sealed + self.round + (b"\xc0" if kind is BftKind.QBFT else b""))

    def block_hash(self, kind: BftKind) -> bytes:
        """Return the hash that names the block on its chain, 32 bytes."""
        return self._hash(self.sealed + (b"\x80\xc0" if kind is BftKind.QBFT else b""))

    def _hash(self, extra: bytes) -> bytes:
        extra_data = rlp.encode_bytes(rlp.encode_list(extra))
        return keccak256(rlp.encode_list(self.front + extra_data + _AFTER_EXTRA + self.tail))


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
