# SPDX-License-Identifier: MIT
"""Sealed headers of BFT chains, made from the rules of the chains and not from the code under test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from light_clients import ecdsa
from light_clients.bft.header import BftHeader, BftKind
from tests.support import rlp
from tests.support.trie import EMPTY_ROOT, keccak

ISTANBUL = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
NO_OMMERS = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")

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
class Draft:
    """A header before its seals.

    In legacy Istanbul a vote is told by coinbase and nonce, and `proposer_seal` takes the round's place.

    `sealers` are those who seal it, members or not; `extra_seals` go in as they are.
    """

    kind: BftKind
    members: Sequence[Validator | bytes]
    sealers: Iterable[Validator] | None = None
    number: int = 1
    timestamp: int = 1_700_000_000
    state_root: bytes = EMPTY_ROOT
    parent_hash: bytes = bytes(range(32))
    beneficiary: bytes = bytes(range(20))
    transactions_root: bytes = EMPTY_ROOT
    receipts_root: bytes = EMPTY_ROOT
    bloom: bytes = bytes(256)
    gas_limit: int = 30_000_000
    gas_used: int = 0
    vanity: bytes = bytes(32)
    vote: tuple[bytes, bytes] | None = None
    round: int = 0
    proposer_seal: bytes = b"\x5e" * 65
    tail: tuple[bytes, ...] = ()
    difficulty: int = 1
    ommers: bytes = NO_OMMERS
    mix_hash: bytes = ISTANBUL
    nonce: bytes = bytes(8)
    extra_seals: Sequence[bytes] = field(default_factory=tuple)

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

    def _encode(self, extra: list[rlp.Item] | bytes) -> bytes:
        return rlp.encode(
            [
                self.parent_hash,
                self.ommers,
                self.coinbase,
                self.state_root,
                self.transactions_root,
                self.receipts_root,
                self.bloom,
                rlp.integer(self.difficulty),
                rlp.integer(self.number),
                rlp.integer(self.gas_limit),
                rlp.integer(self.gas_used),
                rlp.integer(self.timestamp),
                extra if isinstance(extra, bytes) else rlp.encode(extra),
                self.mix_hash,
                self.told_nonce,
                *self.tail,
            ]
        )

    def seal_hash(self) -> bytes:
        if self.kind is BftKind.ISTANBUL:
            return keccak(self.block_hash() + b"\x02")
        extra = self._extra()
        return keccak(self._encode([*extra, []] if self.kind is BftKind.QBFT else extra))

    def block_hash(self) -> bytes:
        if self.kind is BftKind.ISTANBUL:
            return keccak(self._encode(self._istanbul([])))
        extra = self._extra()[:3]
        return keccak(self._encode([*extra, b"", []] if self.kind is BftKind.QBFT else extra))

    def seals(self) -> list[bytes]:
        signers = self.members if self.sealers is None else self.sealers
        digest = self.seal_hash()
        own = [signer.sign(digest) for signer in signers if isinstance(signer, Validator)]
        return [*own, *self.extra_seals]

    def encode(self) -> bytes:
        """The RLP of the sealed header."""
        return self._encode(self._extra_data())

    def header(self) -> BftHeader:
        return BftHeader.from_rlp(self.encode(), self.kind)

    def rpc(self) -> dict[str, object]:
        """The block as a node's JSON has it."""
        names = [
            "parentHash",
            "sha3Uncles",
            "miner",
            "stateRoot",
            "transactionsRoot",
            "receiptsRoot",
            "logsBloom",
            "difficulty",
            "number",
            "gasLimit",
            "gasUsed",
            "timestamp",
            "extraData",
            "mixHash",
            "nonce",
            "baseFeePerGas",
            "withdrawalsRoot",
            "blobGasUsed",
            "excessBlobGas",
            "parentBeaconBlockRoot",
            "requestsHash",
        ]
        fields: list[bytes | int] = [
            self.parent_hash,
            self.ommers,
            self.coinbase,
            self.state_root,
            self.transactions_root,
            self.receipts_root,
            self.bloom,
            self.difficulty,
            self.number,
            self.gas_limit,
            self.gas_used,
            self.timestamp,
            self._extra_data(),
            self.mix_hash,
            self.told_nonce,
            *(
                int.from_bytes(field, "big") if position in {0, 2, 3} else field
                for position, field in enumerate(self.tail)
            ),
        ]
        block: dict[str, object] = {
            name: hex(value) if isinstance(value, int) else "0x" + value.hex()
            for name, value in zip(names, fields, strict=False)
        }
        return block | {"hash": "0x" + self.block_hash().hex(), "size": "0x300", "transactions": []}
