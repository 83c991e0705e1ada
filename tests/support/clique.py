# SPDX-License-Identifier: MIT
"""Sealed Clique headers and runs of them, made from the rules of EIP-225 and not from the code under test.

`Snapshot` follows the signers as the EIP's reference does, header by header, with votes in the order in which
they were cast. `Chain` seals blocks that hold all rules, and `wire_run` writes them as they are sent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from light_clients.ecdsa import ORDER
from tests.support import rlp
from tests.support.bft import Validator, validator
from tests.support.execution_header import HeaderDraft
from tests.support.trie import EMPTY_ROOT, keccak

ADD, DROP = b"\xff" * 8, bytes(8)
NOBODY = bytes(20)


@dataclass(frozen=True, kw_only=True)
class Draft(HeaderDraft):
    """A header before its seal."""

    beneficiary: bytes = NOBODY
    listed: tuple[bytes, ...] = ()
    tail: tuple[bytes, ...] = (rlp.integer(7),)

    def extra_data(self, seal: bytes) -> bytes:
        """The field extraData with this seal behind it."""
        return self.vanity + b"".join(self.listed) + seal

    def rlp(self, seal: bytes = b"") -> bytes:
        """The header with this seal."""
        return self.encode_with(self.extra_data(seal))

    def seal(self, signer: Validator, *, high_s: bool = False) -> Sealed:
        """The header, sealed; with a high s, which the precompile accepts as well."""
        seal = signer.sign(keccak(self.rlp()))
        if high_s:
            s = ORDER - int.from_bytes(seal[32:64], "big")
            seal = seal[:32] + s.to_bytes(32, "big") + bytes((1 - seal[64],))
        return Sealed(self, signer.address, seal)


@dataclass(frozen=True)
class Sealed:
    """A sealed header and the address of its signer."""

    draft: Draft
    signer: bytes
    seal: bytes

    @property
    def rlp(self) -> bytes:
        return self.draft.rlp(self.seal)

    @property
    def hash(self) -> bytes:
        return keccak(self.rlp)

    def rpc(self) -> dict[str, object]:
        """The block as `eth_getBlockByNumber` gives it."""
        draft = self.draft
        return draft.json_with(draft.extra_data(self.seal)) | {"hash": "0x" + self.hash.hex()}


@dataclass
class Snapshot:
    """Who may seal, as EIP-225's reference keeps it: the votes in the order in which they were cast."""

    signers: list[bytes]
    epoch: int
    votes: list[tuple[bytes, bytes, bool]] = field(default_factory=list)
    recent: list[bytes] = field(default_factory=list)

    def in_turn(self, number: int, signer: bytes) -> bool:
        return signer in self.signers and number % len(self.signers) == self.signers.index(signer)

    def may_seal(self) -> list[bytes]:
        """The signers that need not wait."""
        waiting = self.recent[-(len(self.signers) // 2) :] if len(self.signers) > 1 else []
        return [signer for signer in self.signers if signer not in waiting]

    def apply(self, sealed: Sealed) -> None:
        draft, signer = sealed.draft, sealed.signer
        self.recent.append(signer)
        if draft.number % self.epoch == 0:
            self.votes = []
            return
        on, add = draft.beneficiary, draft.nonce == ADD
        self.votes = [vote for vote in self.votes if vote[:2] != (signer, on)]
        if add != (on in self.signers):
            self.votes.append((signer, on, add))
        if sum(vote[1] == on for vote in self.votes) <= len(self.signers) // 2:
            return
        if on in self.signers:
            self.signers = [member for member in self.signers if member != on]
            self.votes = [vote for vote in self.votes if vote[0] != on]
        else:
            self.signers = sorted([*self.signers, on])
        self.votes = [vote for vote in self.votes if vote[1] != on]


class Chain:
    """Seals blocks that hold all of Clique's rules.

    Args:
        rng: decides what is free.
        keys: by address, of everybody who may seal.
        signers: those who seal the first block.
        number: of that block.
        epoch: of the chain.
        timestamp: of that block, in seconds.
    """

    def __init__(
        self,
        rng: random.Random,
        keys: dict[bytes, Validator],
        signers: Sequence[bytes],
        number: int,
        epoch: int,
        timestamp: int,
    ) -> None:
        self.rng, self.keys = rng, keys
        self.snapshot = Snapshot(sorted(signers), epoch)
        self.next = Draft(
            number=number, timestamp=timestamp, parent_hash=rng.randbytes(32), vanity=rng.randbytes(32)
        )
        self.sealed: list[Sealed] = []

    def draft(self, signer: bytes) -> Draft:
        """The next block, as this signer would seal it."""
        number = self.next.number
        return replace(
            self.next,
            difficulty=2 if self.snapshot.in_turn(number, signer) else 1,
            listed=tuple(self.snapshot.signers) if number % self.snapshot.epoch == 0 else (),
            state_root=self.rng.randbytes(32),
        )

    def choose(self) -> bytes:
        """Somebody who may seal the next block, the one whose turn it is most of the time.

        Where votes have left nobody whose key is known, it is anybody: no such block holds the rules.
        """
        free = [signer for signer in self.snapshot.may_seal() if signer in self.keys] or sorted(self.keys)
        turn = [signer for signer in free if self.snapshot.in_turn(self.next.number, signer)]
        return self.rng.choice(turn if turn and self.rng.random() < 0.6 else free)

    def mine(self, vote: tuple[bytes, bool] | None = None, signer: bytes | None = None) -> Sealed:
        """Seal the next block, with a vote on somebody where one is given and no epoch begins."""
        sealer = self.choose() if signer is None else signer
        draft = self.draft(sealer)
        if vote is not None and draft.number % self.snapshot.epoch:
            draft = replace(draft, beneficiary=vote[0], nonce=ADD if vote[1] else DROP)
        return self.append(draft.seal(self.keys[sealer]))

    def append(self, sealed: Sealed) -> Sealed:
        """Go on behind a block, whether or not it holds the rules."""
        self.snapshot.apply(sealed)
        self.sealed.append(sealed)
        step = self.rng.choice([0, 1, 5])
        self.next = replace(
            self.next,
            number=sealed.draft.number + 1,
            timestamp=sealed.draft.timestamp + step,
            parent_hash=sealed.hash,
        )
        return sealed


def signer_keys(count: int, start: int = 0) -> dict[bytes, Validator]:
    """Keys by address, ascending."""
    made = [validator(f"signer {start + place}") for place in range(count)]
    return {key.address: key for key in sorted(made, key=lambda key: key.address)}


def wire_set(signers: Sequence[bytes]) -> bytes:
    """A signer set as it is sent."""
    return bytes((len(signers),)) + b"".join(signers)


def wire_header(
    sealed: Sealed, index: int, *, first: bool, rooted: bool = True, vanity: bytes = bytes(32)
) -> bytes:
    """A header as it is sent (wire-formats §8.2), in the shortest form."""
    draft = sealed.draft
    roots = draft.transactions_root + draft.receipts_root
    tail = b"".join(map(rlp.encode, draft.tail))
    optional = [
        (2, roots if roots != EMPTY_ROOT * 2 else b""),
        (4, draft.bloom if any(draft.bloom) else b""),
        (8, draft.vanity if draft.vanity != vanity else b""),
        (16, draft.beneficiary if draft.beneficiary != NOBODY else b""),
        (64, bytes((len(tail),)) + tail if tail else b""),
    ]
    flags = sealed.seal[64] | (32 if draft.nonce == ADD else 0)
    flags |= sum(bit for bit, data in optional if data)
    numbers = (draft.number, draft.gas_limit, draft.gas_used, draft.timestamp)
    return b"".join(
        (
            bytes((flags, index)),
            draft.parent_hash if first else b"",
            draft.state_root if rooted else b"",
            *(number.to_bytes(8, "big") for number in numbers),
            *(data for _, data in optional),
            sealed.seal[:64],
        )
    )


def wire_run(
    blocks: Sequence[Sealed], sets: Sequence[Sequence[bytes]], *, rooted: bool = True
) -> list[bytes]:
    """Headers as they are sent, `sets` being who may seal each of them. Strangers get the index 0."""
    data, vanity = [], bytes(32)
    for place, (sealed, signers) in enumerate(zip(blocks, sets, strict=True)):
        index = list(signers).index(sealed.signer) if sealed.signer in signers else 0
        data.append(wire_header(sealed, index, first=place == 0, rooted=rooted or place > 0, vanity=vanity))
        vanity = sealed.draft.vanity
    return data
