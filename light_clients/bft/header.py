# SPDX-License-Identifier: MIT
"""Sealed headers of BFT chains, read with distrust from a node's JSON or from RLP.

In QBFT and IBFT 2.0, extraData is [vanity, validators, vote, round, seals] (Besu, and GoQuorum's QBFT). In
legacy Istanbul it is vanity ‖ [validators, proposer's seal, seals] (EIP-650, GoQuorum's `ibft`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Self

from light_clients.bft.preimage import (
    ISTANBUL_MIX_HASH,
    NONCE,
    PROPOSER_SEAL_BYTES,
    BftKind,
    BftKinds,
    Preimage,
    encode_front,
)
from light_clients.bft.validators import check_set, encode_members
from light_clients.client import Height, Timestamp
from light_clients.codec import execution_header, rlp
from light_clients.ecdsa import ORDER, recover
from light_clients.errors import HeaderRejected
from light_clients.hashing import EMPTY_OMMERS

__all__ = ["BftHeader", "BftKind", "ExtraData", "parse_extra_data"]

_TOP_BIT: Final = 1 << 255
#: The longest vote and round, in bytes of RLP: on the wire their first byte has to give their length
#: (wire-formats §6.1).
_MAX_ITEM: Final = 56
_VANITY_BYTES: Final = 32


class ExtraData(NamedTuple):
    """The parts of a sealed header's extraData.

    Attributes:
        vanity: 32 bytes.
        validators: 20 bytes each, as listed.
        vote: encoded RLP; empty in legacy Istanbul, which votes elsewhere.
        round: encoded RLP; in legacy Istanbul the proposer's seal, 65 bytes.
        seals: r ‖ s ‖ parity, 65 bytes each.
    """

    vanity: bytes
    validators: tuple[bytes, ...]
    vote: bytes
    round: bytes
    seals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BftHeader:
    """A header as a node gives it. Its form is checked; its seals are checked when `sealers` is called.

    What is the same in all of these headers is checked and then left out: no ommers, difficulty 1, the
    mixHash of Istanbul (EIP-650), and the nonce 0 where nobody votes by it.

    Attributes:
        kind: the block's protocol.
        parent_hash, state_root, transactions_root, receipts_root: 32 bytes each.
        beneficiary: the proposer, 20 bytes; in legacy Istanbul whom it votes on.
        bloom: 256 bytes.
        number: at least 1, for block 0 carries no seals.
        gas_limit, gas_used: below 2^64.
        timestamp: seconds, below 2^64.
        vanity: 32 bytes.
        validators: 20 bytes each, as listed; 1 to 255, distinct, none zero.
        vote: encoded RLP, 1 to 56 bytes; in legacy Istanbul the nonce, 8 bytes.
        round: encoded RLP, 1 to 56 bytes; in legacy Istanbul the proposer's seal, 65 bytes.
        seals: r ‖ s ‖ parity, 65 bytes each, in the node's order.
        tail: the payloads of the fields after the nonce, from baseFeePerGas on; none to six of them.
        block_hash: what the chain calls the block, 32 bytes.
        commit_seal_hash: what the validators sign, 32 bytes.
    """

    kind: BftKind
    parent_hash: bytes
    beneficiary: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: bytes
    number: Height
    gas_limit: int
    gas_used: int
    timestamp: Timestamp
    vanity: bytes
    validators: tuple[bytes, ...]
    vote: bytes
    round: bytes
    seals: tuple[bytes, ...]
    tail: tuple[bytes, ...] = ()
    block_hash: bytes = field(init=False, repr=False, compare=False)
    commit_seal_hash: bytes = field(init=False, repr=False, compare=False)
    _sealers: dict[int, bytes] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.number < 1:
            raise HeaderRejected("block 0 has no seals", found=self.number, expected="a number of at least 1")
        self._check_validators()
        self._check_items()
        preimage = Preimage(
            kind=self.kind,
            front=encode_front(
                self.parent_hash,
                self.beneficiary,
                self.state_root,
                self.transactions_root,
                self.receipts_root,
                self.bloom,
                self.encode_numbers(),
            ),
            vanity=self.vanity,
            listed=rlp.encode_list(encode_members(self.validators)),
            vote=self.vote,
            round=self.round,
            tail=b"".join(map(rlp.encode_bytes, self.tail)),
        )
        object.__setattr__(self, "block_hash", preimage.block_hash())
        object.__setattr__(self, "commit_seal_hash", preimage.commit_seal_hash())

    def _check_items(self) -> None:
        if self.kind is BftKind.ISTANBUL:
            for name, item, length in (
                ("nonce", self.vote, len(NONCE)),
                ("proposer's seal", self.round, PROPOSER_SEAL_BYTES),
            ):
                if len(item) != length:
                    raise HeaderRejected(
                        f"the {name} has another length", found=item, expected=f"{length} bytes"
                    )
            return
        for name, item in (("vote", self.vote), ("round", self.round)):
            if len(item) > _MAX_ITEM:
                raise HeaderRejected(
                    f"the {name} is too long", found=item, expected=f"1..{_MAX_ITEM} bytes of RLP"
                )

    @classmethod
    def from_rlp(cls, data: bytes, kinds: BftKinds) -> Self:
        """Return the header that RLP encodes; `kinds` as in `from_rpc`.

        Raises:
            HeaderRejected: a rule of the consensus does not hold.
            EncodingRejected: the bytes are not canonical RLP.
        """
        return cls._from_fields(execution_header.from_rlp(data), kinds)

    @classmethod
    def from_rpc(cls, block: Mapping[str, object], kinds: BftKinds) -> Self:
        """Return the header of a block as `eth_getBlockBy...` and `newHeads` give it.

        Where the block names its hash, that has to be the hash of the fields, or of those that are left
        without the fields of the latest forks: nodes tell such fields of blocks that do not have them.

        Args:
            block: JSON; what is no field of a header is ignored.
            kinds: the protocol of the chain, or the protocols with the height of the change.

        Raises:
            HeaderRejected: a field is malformed, a rule of the consensus does not hold, or the hash is
                another.
            EncodingRejected: extraData is not canonical RLP.
        """
        header = longest = cls._from_fields(execution_header.from_rpc(block), kinds)
        named = block.get("hash")
        if named is None:
            return header
        expected = execution_header.read_data("hash", named, 32)
        while header.block_hash != expected:
            if not header.tail:
                raise HeaderRejected(
                    f"the fields hash to another block than the node names (is the chain {header.kind.name}?)",
                    found=longest.block_hash,
                    expected=expected,
                )
            header = replace(header, tail=header.tail[:-1])
        return header

    @classmethod
    def _from_fields(cls, fields: tuple[bytes, ...], kinds: BftKinds) -> Self:
        (parent_hash, ommers, beneficiary, state_root, transactions_root, receipts_root, bloom) = fields[:7]
        (difficulty, told, gas_limit, gas_used, timestamp, extra_data, mix_hash, nonce) = fields[7:15]
        number = Height(execution_header.read_uint64("number", told))
        kind = kinds.at(number)
        votes_by_nonce = kind is BftKind.ISTANBUL
        # The contract puts these four in as constants (wire-formats §6.1). A header with other values could
        # be read here, and never be proven there.
        for name, found, expected in (
            ("sha3Uncles", ommers, EMPTY_OMMERS),
            ("difficulty", difficulty, b"\x01"),
            ("mixHash", mix_hash, ISTANBUL_MIX_HASH),
            ("nonce", NONCE if votes_by_nonce else nonce, NONCE),
        ):
            if found != expected:
                raise HeaderRejected(f"{name} is not what {kind.name} has", found=found, expected=expected)
        extra = parse_extra_data(extra_data, kind)
        return cls(
            kind=kind,
            parent_hash=parent_hash,
            beneficiary=beneficiary,
            state_root=state_root,
            transactions_root=transactions_root,
            receipts_root=receipts_root,
            bloom=bloom,
            number=number,
            gas_limit=execution_header.read_uint64("gasLimit", gas_limit),
            gas_used=execution_header.read_uint64("gasUsed", gas_used),
            timestamp=Timestamp(execution_header.read_uint64("timestamp", timestamp)),
            vanity=extra.vanity,
            validators=extra.validators,
            vote=nonce if votes_by_nonce else extra.vote,
            round=extra.round,
            seals=extra.seals,
            tail=fields[15:],
        )

    @property
    def base_fee_wei(self) -> int | None:
        """What a unit of gas costs in the block (EIP-1559); None where the chain has no base fee."""
        return int.from_bytes(self.tail[0]) if self.tail else None

    def encode_numbers(self) -> bytes:
        """Return the RLP of number, gasLimit, gasUsed and timestamp, one after the other."""
        return b"".join(map(rlp.encode_int, (self.number, self.gas_limit, self.gas_used, self.timestamp)))

    def sealers(self) -> dict[int, bytes]:
        """Return the seals that count, by the validator's index in the list, ascending.

        A seal has 64 bytes: r ‖ s with the parity in the top bit of s (EIP-2098). Seals of others are left
        out, and so is a second seal of the same validator.
        """
        if self._sealers is None:
            # One header serves many lanes, and recovering one signer takes tens of microseconds.
            object.__setattr__(self, "_sealers", self._find_sealers(self.validators))
        return dict(self._sealers or {})

    def _check_validators(self) -> None:
        check_set(self.validators)

    def _find_sealers(self, validators: Sequence[bytes]) -> dict[int, bytes]:
        indexes = {validator: index for index, validator in enumerate(validators)}
        found: dict[int, bytes] = {}
        # Neither hash of the block covers the seals, so a node can add any that it likes. Those that do not
        # count are passed over: refusing the header would let one node spoil an honest block.
        for seal in self.seals:
            parity = seal[64]
            signer = recover(self.commit_seal_hash, seal[:64], parity) if parity < 2 else None
            index = None if signer is None else indexes.get(signer)
            if index is not None and index not in found:
                found[index] = compact_seal(seal)
        return dict(sorted(found.items()))


def compact_seal(seal: bytes) -> bytes:
    """Return a seal r ‖ s ‖ parity (65 bytes) in the 64 bytes of EIP-2098.

    That form keeps the parity in the top bit of s, which has to be free: a high s is replaced by its low
    twin, with the other parity, which is as good a signature by the same key.
    """
    s, parity = int.from_bytes(seal[32:64], "big"), seal[64]
    if s >= _TOP_BIT:
        s, parity = ORDER - s, 1 - parity
    return seal[:32] + (s | _TOP_BIT if parity else s).to_bytes(32, "big")


def parse_extra_data(data: bytes, kind: BftKind) -> ExtraData:
    """Read the extraData of a sealed header.

    Empty lists are accepted here. `BftHeader` refuses an empty list of validators.

    Raises:
        HeaderRejected: the data has another shape.
        EncodingRejected: the data is not canonical RLP.
    """
    if kind is BftKind.ISTANBUL:
        return _parse_istanbul(data)
    vanity, validators, vote, round_, seals = _items(data, 5, kind)
    if not isinstance(vanity, bytes) or len(vanity) != _VANITY_BYTES:
        raise HeaderRejected("the vanity has another shape", found=rlp.encode(vanity), expected="32 bytes")
    if not isinstance(round_, bytes) or len(round_) > 4:
        raise HeaderRejected(
            "the round has another shape", found=rlp.encode(round_), expected="at most 4 bytes"
        )
    return ExtraData(
        vanity=vanity,
        validators=_strings("a validator", validators, 20),
        vote=rlp.encode(vote),
        round=rlp.encode(round_),
        seals=_strings("a seal", seals, 65),
    )


def _parse_istanbul(data: bytes) -> ExtraData:
    vanity = data[:_VANITY_BYTES]
    validators, proposer_seal, seals = _items(data[_VANITY_BYTES:], 3, BftKind.ISTANBUL)
    if not isinstance(proposer_seal, bytes):
        raise HeaderRejected(
            "the proposer's seal is a list", found=rlp.encode(proposer_seal), expected="an RLP string"
        )
    return ExtraData(
        vanity=vanity,
        validators=_strings("a validator", validators, 20),
        vote=b"",
        round=proposer_seal,
        seals=_strings("a seal", seals, 65),
    )


def _items(data: bytes, count: int, kind: BftKind) -> list[rlp.Item]:
    items = rlp.decode(data)
    if not isinstance(items, list) or len(items) != count:
        raise HeaderRejected(
            "extraData has another shape", found=data, expected=f"the {count} items of {kind.name}"
        )
    return items


def _strings(name: str, items: rlp.Item, length: int) -> tuple[bytes, ...]:
    if not isinstance(items, list):
        raise HeaderRejected(f"{name} is not in a list", found=items, expected="an RLP list")
    strings = tuple(item for item in items if isinstance(item, bytes) and len(item) == length)
    if len(strings) != len(items):
        raise HeaderRejected(
            f"{name} has another shape", found=rlp.encode(items), expected=f"{length} bytes each"
        )
    return strings
