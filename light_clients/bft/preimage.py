# SPDX-License-Identifier: MIT
"""What is hashed of a header: by its validators when they seal it, and by the chain when it names the block.

The rules are Besu's and were checked against real headers: IBFT 2.0 leaves round and seals out of the on-chain hash
and the seals alone out of the commit-seal hash; QBFT puts round 0 and an empty list where IBFT 2.0 leaves out.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from light_clients.codec import rlp
from light_clients.hashing import keccak256


class BftKind(enum.IntEnum):
    """Which of the two protocols a chain runs; the numbers are those of the contract's constructor."""

    QBFT = 0
    IBFT2 = 1


#: keccak256 of the RLP of no ommers.
EMPTY_OMMERS: Final = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
#: "ctical byzantine fault tolerance" (EIP-650): what tells these headers from others.
ISTANBUL_MIX_HASH: Final = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
NONCE: Final = bytes(8)

#: The vote field when nobody votes, encoded.
NO_VOTE: Final = {BftKind.QBFT: b"\xc0", BftKind.IBFT2: b"\x80"}
#: The round field of round 0, encoded.
ROUND_ZERO: Final = {BftKind.QBFT: b"\x80", BftKind.IBFT2: b"\x84\x00\x00\x00\x00"}

_BEFORE_BLOOM: Final = b"\xb9\x01\x00"
_AFTER_EXTRA: Final = b"\xa0" + ISTANBUL_MIX_HASH + b"\x88" + NONCE


class Preimage(NamedTuple):
    """The encoded parts of a header.

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
        """What the validators sign."""
        return self._hash(self.sealed + self.round + (b"\xc0" if kind is BftKind.QBFT else b""))

    def block_hash(self, kind: BftKind) -> bytes:
        """What the chain calls the block."""
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
    """Encode the fields before extraData; `numbers` is number, gasLimit, gasUsed and timestamp, encoded."""
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
