# SPDX-License-Identifier: MIT
"""Sealed headers of BFT chains, made from the rules of the chains and not from the code under test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass

from light_clients import ecdsa
from light_clients.bft.header import BftHeader, BftKind
from tests.support import rlp
from tests.support.execution_header import HeaderDraft
from tests.support.trie import EMPTY_ROOT, keccak

ISTANBUL = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")

SHANGHAI = (rlp.integer(7), EMPTY_ROOT)
CANCUN = (*SHANGHAI, b"", b"", bytes(32))
PRAGUE = (*CANCUN, hashlib.sha256(b"").digest())
#: Header fields after the nonce, as an ordinary block of each fork has them; baseFee 7 wei.
FORK_TAILS: dict[str, tuple[bytes, ...]] = {
    "berlin": (),
    "london": SHANGHAI[:1],
    "shanghai": SHANGHAI,
    "cancun": CANCUN,
    "prague": PRAGUE,
}


@dataclass(frozen=True)
class Validator:
    """A validator's key and its 20-byte address."""

    key: bytes
    address: bytes

    def sign(self, digest: bytes) -> bytes:
        """r ‖ s ‖ parity."""
        return ecdsa.sign(digest, self.key)


def validator(name: int | str) -> Validator:
    """The validator of that name, always with the same key."""
    key = hashlib.sha256(f"validator {name}".encode()).digest()
    return Validator(key, ecdsa.address_of(key))


def validators(count: int, start: int = 0) -> list[Validator]:
    return [validator(start + i) for i in range(count)]


@dataclass(frozen=True)
class Draft(HeaderDraft):
    """A header before its seals.

    In legacy Istanbul a vote is told by coinbase and nonce, and `proposer_seal` takes the round's place.

    `sealers` are those who seal it, members or not; `extra_seals` go in as they are.
    """

    kind: BftKind
    members: Sequence[Validator | bytes]
    sealers: Iterable[Validator] | None = None
    _: KW_ONLY
    vote: tuple[bytes, bytes] | None = None
    round: int = 0
    proposer_seal: bytes = b"\x5e" * 65
    mix_hash: bytes = ISTANBUL
    extra_seals: Sequence[bytes] = ()

    @property
    def _votes_by_nonce(self) -> bool:
        return self.kind is BftKind.ISTANBUL and self.vote is not None

    @property
    def coinbase(self) -> bytes:
        """The field miner."""
        return self.vote[0] if self._votes_by_nonce and self.vote else self.beneficiary

    @property
    def told_nonce(self) -> bytes:
        """The field nonce."""
        return (self.vote[1] or b"\0") * 8 if self._votes_by_nonce and self.vote else self.nonce

    def addresses(self) -> list[bytes]:
        return [member if isinstance(member, bytes) else member.address for member in self.members]

    def _istanbul(self, seals: Sequence[bytes]) -> bytes:
        return self.vanity + rlp.encode([self.addresses(), self.proposer_seal, list(seals)])

    def _extra(self) -> list[rlp.Item]:
        qbft = self.kind is BftKind.QBFT
        vote: rlp.Item = ([] if qbft else b"") if self.vote is None else list(self.vote)
        round_ = rlp.integer(self.round) if qbft else self.round.to_bytes(4, "big")
        return [self.vanity, self.addresses(), vote, round_]

    def _extra_data(self) -> bytes:
        if self.kind is BftKind.ISTANBUL:
            return self._istanbul(self.seals())
        return rlp.encode([*self._extra(), self.seals()])

    def fields(self, extra_data: bytes) -> dict[str, bytes | int]:
        return super().fields(extra_data) | {"miner": self.coinbase, "nonce": self.told_nonce}

    def seal_hash(self) -> bytes:
        if self.kind is BftKind.ISTANBUL:
            return keccak(self.block_hash() + b"\x02")
        extra = self._extra()
        return keccak(self.encode_with(rlp.encode([*extra, []] if self.kind is BftKind.QBFT else extra)))

    def block_hash(self) -> bytes:
        if self.kind is BftKind.ISTANBUL:
            return keccak(self.encode_with(self._istanbul([])))
        extra = self._extra()[:3]
        return keccak(self.encode_with(rlp.encode([*extra, b"", []] if self.kind is BftKind.QBFT else extra)))

    def seals(self) -> list[bytes]:
        signers = self.members if self.sealers is None else self.sealers
        digest = self.seal_hash()
        own = [signer.sign(digest) for signer in signers if isinstance(signer, Validator)]
        return [*own, *self.extra_seals]

    def encode(self) -> bytes:
        """The RLP of the sealed header."""
        return self.encode_with(self._extra_data())

    def header(self) -> BftHeader:
        return BftHeader.from_rlp(self.encode(), self.kind)

    def rpc(self) -> dict[str, object]:
        """The block as a node's JSON has it."""
        block = self.json_with(self._extra_data())
        return block | {"hash": "0x" + self.block_hash().hex(), "size": "0x300", "transactions": []}
