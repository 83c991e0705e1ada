# SPDX-License-Identifier: MIT
"""QBFT and IBFT 2.0 block headers: their fields, their extraData in its three forms, and the hashes of each.

Sources: docs/reference/wire-formats.md §6.1, and what real chains' headers prove (tests/unit/devnet/test_header.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from light_clients.codec.rlp import encode_bytes, encode_int, encode_list
from light_clients.hashing import keccak256
from relayer.devnet.errors import ExecutionError

#: keccak256("Istanbul practical byzantine fault tolerance"), the mixHash of every BFT block.
ISTANBUL_DIGEST = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
EMPTY_OMMERS_HASH = keccak256(b"\xc0")
NONCE = bytes(8)
VANITY = bytes(32)
SEAL_BYTES = 65
# Where a header's RLP payload holds it: behind two hashes and an address, each after one byte of length.
_STATE_ROOT = slice(33 + 33 + 21 + 1, 33 + 33 + 21 + 33)

# In the order of the header; all of London's and later forks'.
_TAIL_FIELDS = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)


class Kind(StrEnum):
    """The consensus of a local chain."""

    QBFT = "qbft"
    IBFT2 = "ibft2"


@dataclass(frozen=True, slots=True)
class Vote:
    """A proposer's wish, written into its block: to add or to remove one validator (20 bytes)."""

    candidate: bytes
    add: bool


def quorum(validators: int) -> int:
    """How many of n validators must seal a block: ceil(2n / 3)."""
    return -(-2 * validators // 3)


@dataclass(frozen=True)
class Header:
    """What consensus does not decide. Hashes 32 bytes, beneficiary 20, bloom 256; `tail` is RLP of each field from baseFee on."""

    parent_hash: bytes
    beneficiary: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    tail: tuple[bytes, ...]

    @classmethod
    def from_rpc(cls, block: Mapping[str, Any], parent_hash: bytes) -> Self:
        """Read a block as JSON-RPC gives it, and link it to another parent."""
        tail = []
        for name, is_number in _TAIL_FIELDS:
            value = block.get(name)
            if value is None:
                break
            tail.append(encode_int(int(value, 16)) if is_number else encode_bytes(unhex(value)))
        return cls(
            parent_hash=parent_hash,
            beneficiary=unhex(block["miner"]),
            state_root=unhex(block["stateRoot"]),
            transactions_root=unhex(block["transactionsRoot"]),
            receipts_root=unhex(block["receiptsRoot"]),
            logs_bloom=unhex(block["logsBloom"]),
            number=int(block["number"], 16),
            gas_limit=int(block["gasLimit"], 16),
            gas_used=int(block["gasUsed"], 16),
            timestamp=int(block["timestamp"], 16),
            tail=tuple(tail),
        )

    @cached_property
    def _front(self) -> bytes:
        return b"".join(
            (
                encode_bytes(self.parent_hash),
                encode_bytes(EMPTY_OMMERS_HASH),
                encode_bytes(self.beneficiary),
                encode_bytes(self.state_root),
                encode_bytes(self.transactions_root),
                encode_bytes(self.receipts_root),
                encode_bytes(self.logs_bloom),
            )
        )

    @cached_property
    def _numbers(self) -> bytes:
        return b"".join(map(encode_int, (self.number, self.gas_limit, self.gas_used, self.timestamp)))

    @cached_property
    def _bft_front(self) -> bytes:
        return self._front + encode_int(1) + self._numbers

    @cached_property
    def _bft_back(self) -> bytes:
        return encode_bytes(ISTANBUL_DIGEST) + encode_bytes(NONCE) + b"".join(self.tail)

    def rlp(self, extra_data: bytes) -> bytes:
        """The header's RLP as a BFT block, with the given form of extraData."""
        return encode_list(self._bft_front + encode_bytes(extra_data) + self._bft_back)

    def native_rlp(self, block: Mapping[str, Any]) -> bytes:
        """The RLP that `block`, the JSON this header was read from, has as the proof-of-stake block that anvil made."""
        return encode_list(
            b"".join(
                (
                    encode_bytes(unhex(block["parentHash"])),
                    self._front[33:],
                    encode_int(int(block["difficulty"], 16)),
                    self._numbers,
                    encode_bytes(unhex(block["extraData"])),
                    encode_bytes(unhex(block["mixHash"])),
                    encode_bytes(unhex(block["nonce"])),
                    *self.tail,
                )
            )
        )


@dataclass(frozen=True, slots=True)
class Consensus:
    """What consensus adds to a header: who may seal, what the proposer votes for, the round, and the vanity."""

    kind: Kind
    validators: tuple[bytes, ...]
    vote: Vote | None = None
    round: int = 0
    vanity: bytes = VANITY

    def hashed_extra(self) -> bytes:
        """The form that the block's hash covers: without seals, and blind to the round."""
        if self.kind is Kind.QBFT:
            return encode_list(self._common() + encode_int(0) + encode_list(b""))
        return encode_list(self._common())

    def sealed_extra(self) -> bytes:
        """The form that a commit seal signs."""
        if self.kind is Kind.QBFT:
            return encode_list(self._common() + self._round() + encode_list(b""))
        return encode_list(self._common() + self._round())

    def full_extra(self, seals: Sequence[bytes]) -> bytes:
        """The form that nodes store and serve. A seal is r ‖ s ‖ parity, 65 bytes."""
        return encode_list(self._common() + self._round() + encode_list(b"".join(map(encode_bytes, seals))))

    def _common(self) -> bytes:
        validators = encode_list(b"".join(map(encode_bytes, self.validators)))
        return encode_bytes(self.vanity) + validators + self._vote()

    def _vote(self) -> bytes:
        if self.vote is None:
            return encode_list(b"") if self.kind is Kind.QBFT else encode_bytes(b"")
        # The two kinds write a vote alike: a drop is the byte 0x00, not the empty string.
        return encode_list(
            encode_bytes(self.vote.candidate) + encode_bytes(b"\xff" if self.vote.add else b"\x00")
        )

    def _round(self) -> bytes:
        return (
            encode_int(self.round) if self.kind is Kind.QBFT else encode_bytes(self.round.to_bytes(4, "big"))
        )


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A block of a local chain. `seals` are 65 bytes each; `native_hash` is anvil's own hash of what it executed.

    The header is kept as RLP around extraData, not as fields, for a long run keeps every block. `body_bytes` is the
    length of the block's RLP payload beside the header.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    native_hash: bytes
    timestamp: int
    state_root: bytes
    proposer: bytes
    consensus: Consensus
    seals: tuple[bytes, ...]
    front: bytes
    back: bytes
    body_bytes: int

    def size(self) -> int:
        """The length of the whole block's RLP, as `size` in JSON-RPC tells it."""
        return list_bytes(len(self.rlp()) + self.body_bytes)

    def rlp(self, seals: Sequence[bytes] | None = None) -> bytes:
        """The header as a node stores it, with its own seals or with others."""
        return self.rlp_with(self.consensus.full_extra(self.seals if seals is None else seals))

    def rlp_with(self, extra_data: bytes) -> bytes:
        """The header with one of the forms of extraData."""
        return encode_list(self.front + encode_bytes(extra_data) + self.back)

    def with_state_root(self, state_root: bytes) -> SealedBlock:
        """Another block of the same height and parent, unsealed, which differs in its state root alone."""
        front = self.front[: _STATE_ROOT.start] + state_root + self.front[_STATE_ROOT.stop :]
        other = replace(self, front=front, state_root=state_root, seals=())
        return replace(other, hash=keccak256(other.rlp_with(self.consensus.hashed_extra())))

    def seal_hash(self, round_number: int | None = None) -> bytes:
        """What a validator signs to commit to this block, in its own round or in another."""
        consensus = self.consensus if round_number is None else replace(self.consensus, round=round_number)
        return keccak256(self.rlp_with(consensus.sealed_extra()))


def build_block(header: Header, consensus: Consensus, *, native_hash: bytes, body_bytes: int) -> SealedBlock:
    """A block without seals."""
    unsealed = header.rlp(consensus.hashed_extra())
    return SealedBlock(
        number=header.number,
        hash=keccak256(unsealed),
        parent_hash=header.parent_hash,
        native_hash=native_hash,
        timestamp=header.timestamp,
        state_root=header.state_root,
        proposer=header.beneficiary,
        consensus=consensus,
        seals=(),
        front=header._bft_front,
        back=header._bft_back,
        body_bytes=body_bytes,
    )


def check_native_hash(header: Header, block: Mapping[str, Any]) -> bytes:
    """Return anvil's own hash of the block, after computing it again.

    So a header field that we don't know of can never stay out of the hash unseen.

    Raises:
        ExecutionError: the hash is not that of the fields that we read.
    """
    computed = keccak256(header.native_rlp(block))
    claimed = unhex(block["hash"])
    if computed != claimed:
        raise ExecutionError(
            f"anvil's block {header.number} has the hash 0x{claimed.hex()}",
            f"0x{computed.hex()}, from the fields that Postroad knows",
            "This anvil makes headers of another shape: use the version that tools/package.json pins.",
        )
    return claimed


def list_bytes(payload: int) -> int:
    """The length of an RLP list whose payload has the given length."""
    return payload + (1 if payload < 56 else 1 + (payload.bit_length() + 7) // 8)


def list_payload_bytes(total: int) -> int:
    """The inverse of `list_bytes`."""
    payload = total - 1
    while payload > 0 and list_bytes(payload) != total:
        payload -= 1
    return payload


def unhex(text: str) -> bytes:
    """Bytes of 0x-prefixed hex."""
    return bytes.fromhex(text[2:])
