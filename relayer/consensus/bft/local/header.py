# SPDX-License-Identifier: MIT
"""QBFT and IBFT 2.0 block headers: their fields, their extraData in its three forms, and the hashes of each.

Sources: docs/reference/wire-formats.md §6.1, and what real chains' headers prove (tests/unit/devnet/test_header.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from light_clients.bft.preimage import BftKind
from light_clients.codec.rlp import encode_bytes, encode_int, encode_list
from light_clients.hashing import keccak256
from relayer.devnet.state.header import Header, list_bytes

#: keccak256("Istanbul practical byzantine fault tolerance"), the mixHash of every BFT block.
ISTANBUL_DIGEST = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
NONCE = bytes(8)
VANITY = bytes(32)
# Where a header's RLP payload holds it: behind two hashes and an address, each after one byte of length.
_STATE_ROOT = slice(33 + 33 + 21 + 1, 33 + 33 + 21 + 33)


@dataclass(frozen=True, slots=True)
class Vote:
    """A proposer's wish, written into its block: to add or to remove one validator (20 bytes)."""

    candidate: bytes
    add: bool


def quorum(validators: int) -> int:
    """How many of n validators must seal a block: ceil(2n / 3)."""
    return -(-2 * validators // 3)


@dataclass(frozen=True, slots=True)
class Consensus:
    """What consensus adds to a header: who may seal, what the proposer votes for, the round, and the vanity."""

    kind: BftKind
    validators: tuple[bytes, ...]
    vote: Vote | None = None
    round: int = 0
    vanity: bytes = VANITY

    def hashed_extra(self) -> bytes:
        """The form that the block's hash covers: without seals, and blind to the round."""
        if self.kind is BftKind.QBFT:
            return encode_list(self._common() + encode_int(0) + encode_list(b""))
        return encode_list(self._common())

    def sealed_extra(self) -> bytes:
        """The form that a commit seal signs."""
        if self.kind is BftKind.QBFT:
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
            return encode_list(b"") if self.kind is BftKind.QBFT else encode_bytes(b"")
        # The two kinds write a vote alike: a drop is the byte 0x00, not the empty string.
        return encode_list(
            encode_bytes(self.vote.candidate) + encode_bytes(b"\xff" if self.vote.add else b"\x00")
        )

    def _round(self) -> bytes:
        return (
            encode_int(self.round)
            if self.kind is BftKind.QBFT
            else encode_bytes(self.round.to_bytes(4, "big"))
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
    front = header.front + encode_int(1) + header.numbers
    back = encode_bytes(ISTANBUL_DIGEST) + encode_bytes(NONCE) + b"".join(header.tail)
    unsealed = encode_list(front + encode_bytes(consensus.hashed_extra()) + back)
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
        front=front,
        back=back,
        body_bytes=body_bytes,
    )
