# SPDX-License-Identifier: MIT
"""Block headers of BFT chains: their fields, their extraData in its forms, and their hashes.

Sources: docs/reference/wire-formats.md §6.1, and what real chains' headers prove
(tests/unit/consensus/bft/local/test_sealed_block.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from light_clients.bft.preimage import ISTANBUL_MIX_HASH, NONCE, BftKind
from light_clients.codec.rlp import encode_bytes, encode_int, encode_list
from light_clients.hashing import keccak256
from relayer.devnet.state.anvil_header import AnvilHeader, list_bytes

VANITY: Final = bytes(32)
#: What legacy Istanbul's validators sign behind the hash of the block: the code of the message COMMIT.
_COMMIT: Final = b"\x02"

#: Where a header's RLP payload holds it: behind two hashes and an address, all after one byte of length.
_STATE_ROOT: Final = slice(33 + 33 + 21 + 1, 33 + 33 + 21 + 33)


@dataclass(frozen=True, slots=True)
class Vote:
    """A proposer's wish, written into its block: to add or to remove one validator (20 bytes)."""

    candidate: bytes
    add: bool


def quorum(validators: int) -> int:
    """Return how many of n validators must seal a block: ceil(2n / 3)."""
    return -(-2 * validators // 3)


@dataclass(frozen=True, slots=True)
class ExtraDataParts:
    """What consensus adds to a header: who may seal, the proposer's vote, the round, and the vanity.

    `by_contract` says that a contract chose the validators, so that the header lists none.

    Legacy Istanbul writes the vote into nonce and coinbase, has its proposer's seal (65 bytes; empty before
    it is given) in extraData, and does not tell the round.
    """

    kind: BftKind
    validators: tuple[bytes, ...]
    vote: Vote | None = None
    round: int = 0
    vanity: bytes = VANITY
    proposer_seal: bytes = b""
    by_contract: bool = False

    @property
    def nonce(self) -> bytes:
        """The header's nonce, 8 bytes."""
        votes_to_add = self.kind is BftKind.ISTANBUL and self.vote is not None and self.vote.add
        return b"\xff" * 8 if votes_to_add else NONCE

    def coinbase(self, proposer: bytes) -> bytes:
        """Return whom the header names as its miner, 20 bytes."""
        if self.kind is not BftKind.ISTANBUL:
            return proposer
        return bytes(20) if self.vote is None else self.vote.candidate

    def proposed(self) -> bytes:
        """Return the form that the proposer of legacy Istanbul signs: without any seal."""
        return replace(self, proposer_seal=b"").stored(())

    def hashed(self) -> bytes:
        """Return the form that the block's hash covers: without seals, and blind to the round."""
        if self.kind is BftKind.ISTANBUL:
            return self.stored(())
        if self.kind is BftKind.QBFT:
            return encode_list(self._common() + encode_int(0) + encode_list(b""))
        return encode_list(self._common())

    def signed(self) -> bytes:
        """Return the form that a commit seal of QBFT or IBFT 2.0 signs."""
        if self.kind is BftKind.QBFT:
            return encode_list(self._common() + self._round() + encode_list(b""))
        return encode_list(self._common() + self._round())

    def stored(self, seals: Sequence[bytes]) -> bytes:
        """Return the form that nodes store and serve. A seal is r ‖ s ‖ parity, 65 bytes."""
        sealed = encode_list(b"".join(map(encode_bytes, seals)))
        if self.kind is BftKind.ISTANBUL:
            return self.vanity + encode_list(self._listed() + encode_bytes(self.proposer_seal) + sealed)
        return encode_list(self._common() + self._round() + sealed)

    def _listed(self) -> bytes:
        return encode_list(b"".join(map(encode_bytes, () if self.by_contract else self.validators)))

    def _common(self) -> bytes:
        return encode_bytes(self.vanity) + self._listed() + self._vote()

    def _vote(self) -> bytes:
        if self.vote is None:
            return encode_list(b"") if self.kind is BftKind.QBFT else encode_bytes(b"")
        # QBFT and IBFT 2.0 write a vote alike: a drop is the byte 0x00, not the empty string.
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
    """A block of a local chain.

    `seals` are 65 bytes each; `anvil_hash` is anvil's own hash of what it executed.

    The header is kept as RLP around extraData, not as fields, for a long run keeps every block. `body_bytes`
    is the length of the block's RLP payload beside the header.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    anvil_hash: bytes
    timestamp: int
    state_root: bytes
    proposer: bytes
    extra: ExtraDataParts
    seals: tuple[bytes, ...]
    front: bytes
    back: bytes
    body_bytes: int

    def size(self) -> int:
        """Return the length of the whole block's RLP, as `size` in JSON-RPC tells it."""
        return list_bytes(len(self.rlp()) + self.body_bytes)

    def rlp(self, seals: Sequence[bytes] | None = None) -> bytes:
        """Return the header as a node stores it, with its own seals or with others."""
        return self.rlp_with(self.extra.stored(self.seals if seals is None else seals))

    def rlp_with(self, extra_data: bytes) -> bytes:
        """Return the header with one of the forms of extraData."""
        return encode_list(self.front + encode_bytes(extra_data) + self.back)

    def with_state_root(self, state_root: bytes) -> SealedBlock:
        """Another block of the same height and parent, unsealed, which differs in its state root alone."""
        front = self.front[: _STATE_ROOT.start] + state_root + self.front[_STATE_ROOT.stop :]
        other = replace(self, front=front, state_root=state_root, seals=())
        return replace(other, hash=keccak256(other.rlp_with(self.extra.hashed())))

    def seal_hash(self, round_number: int | None = None) -> bytes:
        """Return what a validator signs to commit to this block, in its own round or in another."""
        if self.extra.kind is BftKind.ISTANBUL:
            return keccak256(self.hash + _COMMIT)
        extra = self.extra if round_number is None else replace(self.extra, round=round_number)
        return keccak256(self.rlp_with(extra.signed()))


def build_block(
    header: AnvilHeader, extra: ExtraDataParts, *, anvil_hash: bytes, body_bytes: int
) -> SealedBlock:
    """Return a block without seals, which the header's beneficiary proposes."""
    named = replace(header, beneficiary=extra.coinbase(header.beneficiary))
    front = named.front + encode_int(1) + header.numbers
    back = encode_bytes(ISTANBUL_MIX_HASH) + encode_bytes(extra.nonce) + b"".join(header.tail)
    unsealed = encode_list(front + encode_bytes(extra.hashed()) + back)
    return SealedBlock(
        number=header.number,
        hash=keccak256(unsealed),
        parent_hash=header.parent_hash,
        anvil_hash=anvil_hash,
        timestamp=header.timestamp,
        state_root=header.state_root,
        proposer=header.beneficiary,
        extra=extra,
        seals=(),
        front=front,
        back=back,
        body_bytes=body_bytes,
    )
