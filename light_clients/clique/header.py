# SPDX-License-Identifier: MIT
"""Sealed headers of Clique chains, read with distrust from a node's JSON or from RLP (EIP-225).

extraData is 32 bytes of vanity, in an epoch block the signers, and the seal: r ‖ s ‖ parity, 65 bytes. The
signer signs the hash of the header without the seal; the block's hash covers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from light_clients.client import Height, Timestamp
from light_clients.clique.signers import check_set
from light_clients.codec import execution_header, rlp
from light_clients.ecdsa import recover
from light_clients.errors import HeaderRejected
from light_clients.hashing import EMPTY_OMMERS, keccak256

#: The mixHash of every Clique header.
MIX_HASH: Final = bytes(32)
#: The nonces: a vote to add the beneficiary, and a vote to drop it or no vote.
NONCE_ADD: Final = b"\xff" * 8
NONCE_DROP: Final = bytes(8)
#: Who is voted on in a header without a vote.
NOBODY: Final = bytes(20)

IN_TURN: Final = 2
OUT_OF_TURN: Final = 1

VANITY_BYTES: Final = 32
SEAL_BYTES: Final = 65
#: The fewest bytes of extraData.
MIN_EXTRA_DATA: Final = VANITY_BYTES + SEAL_BYTES


@dataclass(frozen=True, slots=True)
class CliqueHeader:
    """A sealed header. What is the same in all of them is checked when one is read and then left out: no
    ommers, and a mixHash of zeros.

    Attributes:
        parent_hash, state_root, transactions_root, receipts_root: 32 bytes each.
        candidate: the beneficiary, 20 bytes: whom its signer votes on; zero in a header without a vote.
        add: whether the vote is to add the candidate.
        bloom: 256 bytes.
        difficulty: 2 where the signer's turn it was, 1 otherwise.
        number: at least 1; block 0 has no seal.
        gas_limit, gas_used: below 2^64.
        timestamp: seconds, below 2^64.
        vanity: 32 bytes.
        listed: the signers that an epoch block lists, 20 bytes each; none in other blocks.
        seal: r ‖ s ‖ parity, 65 bytes; the parity is 0 or 1.
        tail: the RLP of the fields after the nonce, from baseFeePerGas on, one after the other.
        seal_hash: what the signer signed, 32 bytes.
        block_hash: what the chain calls the block, 32 bytes.
        signer: who sealed it, 20 bytes; None where the seal is no signature.
    """

    parent_hash: bytes
    candidate: bytes
    add: bool
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: bytes
    difficulty: int
    number: Height
    gas_limit: int
    gas_used: int
    timestamp: Timestamp
    vanity: bytes
    listed: tuple[bytes, ...]
    seal: bytes
    tail: bytes = b""
    seal_hash: bytes = field(init=False, repr=False, compare=False)
    block_hash: bytes = field(init=False, repr=False, compare=False)
    signer: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        front, back = self._front(), self._back()
        extra = self.vanity + b"".join(self.listed)
        seal_hash = _hash(front, extra, back)
        object.__setattr__(self, "seal_hash", seal_hash)
        object.__setattr__(self, "block_hash", _hash(front, extra + self.seal, back))
        object.__setattr__(self, "signer", recover(seal_hash, self.seal[:64], self.seal[64]))

    @classmethod
    def from_rlp(cls, data: bytes) -> Self:
        """Return the header that RLP encodes.

        Raises:
            HeaderRejected: a rule of the consensus does not hold.
            EncodingRejected: the bytes are not canonical RLP.
        """
        return cls._from_fields(execution_header.from_rlp(data))

    @classmethod
    def from_rpc(cls, block: Mapping[str, object]) -> Self:
        """Return the header of a block as `eth_getBlockBy...` and `newHeads` give it.

        Where the block names its hash, that has to be the hash of the fields.

        Raises:
            HeaderRejected: a field is malformed, a rule of the consensus does not hold, or the hash is
                another.
        """
        header = cls._from_fields(execution_header.from_rpc(block))
        named = block.get("hash")
        if named is not None:
            expected = execution_header.read_data("hash", named, 32)
            if expected != header.block_hash:
                raise HeaderRejected(
                    "the fields hash to another block than the node names",
                    found=header.block_hash,
                    expected=expected,
                )
        return header

    @classmethod
    def _from_fields(cls, fields: Sequence[bytes]) -> Self:
        (parent_hash, ommers, candidate, state_root, transactions_root, receipts_root, bloom) = fields[:7]
        (difficulty, number, gas_limit, gas_used, timestamp, extra_data, mix_hash, nonce) = fields[7:15]
        for name, found, expected in (
            ("sha3Uncles", ommers, (EMPTY_OMMERS,)),
            ("difficulty", difficulty, (bytes((OUT_OF_TURN,)), bytes((IN_TURN,)))),
            ("mixHash", mix_hash, (MIX_HASH,)),
            ("nonce", nonce, (NONCE_DROP, NONCE_ADD)),
        ):
            if found not in expected:
                texts = " or ".join("0x" + value.hex() for value in expected)
                raise HeaderRejected(f"{name} is not what Clique has", found=found, expected=texts)
        if not number:
            raise HeaderRejected("block 0 has no seal", found=0, expected="a number of at least 1")
        vanity, listed, seal = parse_extra_data(extra_data)
        return cls(
            parent_hash=parent_hash,
            candidate=candidate,
            add=nonce == NONCE_ADD,
            state_root=state_root,
            transactions_root=transactions_root,
            receipts_root=receipts_root,
            bloom=bloom,
            difficulty=difficulty[0],
            number=Height(execution_header.read_uint64("number", number)),
            gas_limit=execution_header.read_uint64("gasLimit", gas_limit),
            gas_used=execution_header.read_uint64("gasUsed", gas_used),
            timestamp=Timestamp(execution_header.read_uint64("timestamp", timestamp)),
            vanity=vanity,
            listed=listed,
            seal=seal,
            tail=b"".join(map(rlp.encode_bytes, fields[15:])),
        )

    @property
    def has_vote(self) -> bool:
        """Whether its signer votes on somebody."""
        return self.add or self.candidate != NOBODY

    @property
    def base_fee_wei(self) -> int | None:
        """What a unit of gas costs in the block (EIP-1559); None where the chain has no base fee."""
        if not self.tail:
            return None
        _, start, stop = rlp.span(self.tail, 0, len(self.tail))
        return int.from_bytes(self.tail[start:stop])

    def to_rlp(self) -> bytes:
        """Return the header as nodes store and hash it."""
        extra = self.vanity + b"".join(self.listed) + self.seal
        return rlp.encode_list(self._front() + rlp.encode_bytes(extra) + self._back())

    def _front(self) -> bytes:
        """Return the RLP of the fields before extraData."""
        fields = (
            self.parent_hash,
            EMPTY_OMMERS,
            self.candidate,
            self.state_root,
            self.transactions_root,
            self.receipts_root,
            self.bloom,
        )
        numbers = (self.difficulty, self.number, self.gas_limit, self.gas_used, self.timestamp)
        return b"".join(map(rlp.encode_bytes, fields)) + b"".join(map(rlp.encode_int, numbers))

    def _back(self) -> bytes:
        """Return the RLP of the fields after extraData."""
        nonce = NONCE_ADD if self.add else NONCE_DROP
        return rlp.encode_bytes(MIX_HASH) + rlp.encode_bytes(nonce) + self.tail


def parse_extra_data(data: bytes) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """Read extraData: vanity, the signers that it lists, seal.

    Raises:
        HeaderRejected: the data has another shape, or what it lists cannot be a signer set.
    """
    packed = data[VANITY_BYTES:-SEAL_BYTES]
    if len(data) < MIN_EXTRA_DATA or len(packed) % 20:
        raise HeaderRejected(
            "extraData has another shape", found=data, expected="32 bytes, signers of 20 each, 65 bytes"
        )
    listed = tuple(packed[at : at + 20] for at in range(0, len(packed), 20))
    if listed:
        check_set(listed)
    seal = data[-SEAL_BYTES:]
    if seal[64] > 1:
        raise HeaderRejected("a seal has another parity", found=seal[64], expected="0 or 1")
    return data[:VANITY_BYTES], listed, seal


def _hash(front: bytes, extra_data: bytes, back: bytes) -> bytes:
    return keccak256(rlp.encode_list(front + rlp.encode_bytes(extra_data) + back))
