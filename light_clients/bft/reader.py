# SPDX-License-Identifier: MIT
"""Read a header as a proof carries it (docs/reference/wire-formats.md §6.1), with the verdicts of the
contract (INV-8).

As in the contract, the RLP of the header is put together around the bytes that came, and hashed; no field is
decoded that the verdict does not need. How a node's header is read is another matter: `BftHeader`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from light_clients.bft.preimage import (
    NO_VOTE,
    NONCE,
    PROPOSER_SEAL_BYTES,
    ROUND_ZERO,
    BftKind,
    BftKinds,
    Preimage,
    encode_front,
)
from light_clients.bft.validators import encode_members
from light_clients.client import Height, Timestamp
from light_clients.codec import rlp
from light_clients.cursor import Cursor
from light_clients.ecdsa import recover
from light_clients.errors import EncodingRejected, HeaderRejected
from light_clients.hashing import EMPTY_TRIE_ROOT, keccak256

#: The flags of a header, 2 bytes: bits 0 and 1 are the form of the bloom, bits 5 to 7 the form of the tail.
FLAG_VANITY: Final = 1 << 2
FLAG_VOTE: Final = 1 << 3
FLAG_ROUND: Final = 1 << 4
FLAG_EMPTY_BLOCK: Final = 1 << 8
KNOWN_FLAGS: Final = (1 << 9) - 1
BLOOM_ZERO: Final = 0
BLOOM_RAW: Final = 1
BLOOM_SPARSE: Final = 2
TAIL_SHIFT: Final = 5
TAIL_RAW: Final = 7

#: The most headers that one update carries.
MAX_HEADERS: Final = 8
#: In a link: the place of a new member that the trusted set does not have.
#: It is nobody's place, because a set has at most 255 members.
NOT_TRUSTED: Final = 0xFF

#: The requestsHash of a block without requests: sha256 of no bytes (EIP-7685).
EMPTY_REQUESTS: Final = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

#: What a fork added to the fields of the one before it: withdrawalsRoot; then blobGasUsed, excessBlobGas and
#: parentBeaconBlockRoot; then requestsHash.
_SHANGHAI: Final = (EMPTY_TRIE_ROOT,)
_CANCUN: Final = (*_SHANGHAI, b"", b"", bytes(32))
_PRAGUE: Final = (*_CANCUN, EMPTY_REQUESTS)
#: By the form of the tail, one a fork: the payloads after baseFeePerGas that an ordinary block of that fork
#: has. A consortium chain has no withdrawals, blobs or requests, so that these bytes need not be sent.
ORDINARY_TAILS: Final[dict[int, tuple[bytes, ...]]] = {1: (), 2: _SHANGHAI, 3: _CANCUN, 4: _PRAGUE}
_ENCODED_TAILS: Final = {
    fork: b"".join(map(rlp.encode_bytes, fields)) for fork, fields in ORDINARY_TAILS.items()
}

_ZERO_BLOOM: Final = bytes(256)
_ZERO_VANITY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class ReadHeader:
    """A header as a proof carries it. Every seal that came with it is one of its validators'.

    Attributes:
        number: at least 1.
        timestamp: in seconds.
        parent_hash, state_root: 32 bytes each.
        validators: 20 bytes each, as listed. Zero and duplicate members are not looked for here: the caller
            compares the hash with that of a trusted set, which has none, or calls `check_set`.
        set_hash: the hash of that list, 32 bytes.
        sealers: bit i is set when validator i sealed.
        seals: of those who sealed, by ascending index, 64 bytes each: r ‖ s with the parity in the top
            bit of s (EIP-2098).
        preimage: what the header's hashes are made of.
    """

    number: Height
    timestamp: Timestamp
    parent_hash: bytes
    state_root: bytes
    validators: tuple[bytes, ...]
    set_hash: bytes
    sealers: int
    seals: tuple[bytes, ...]
    preimage: Preimage


def read_header(cursor: Cursor, kinds: BftKinds, state_root: bytes | None = None) -> ReadHeader:
    """Read a header and check its seals. The caller has to check the set, the quorum, and the time.

    Args and errors are those of `read_fields`.

    Raises:
        HeaderRejected: a seal is not that of its validator, or there are no validators.
    """
    header = read_fields(cursor, kinds, state_root)
    if not header.validators:
        raise HeaderRejected("the validator list is empty", found=0, expected="1..255 validators")
    sealers, seals = check_seals(cursor, header.validators, header.preimage.commit_seal_hash())
    return replace(header, sealers=sealers, seals=seals)


def read_fields(cursor: Cursor, kinds: BftKinds, state_root: bytes | None = None) -> ReadHeader:
    """Read a header up to its seals. The list of validators may be empty, as where a contract chooses them.

    Args:
        cursor: at the header; it is moved behind it.
        kinds: the protocol of the client's chain, or the protocols with the height of the change.
        state_root: the root that the trie proofs lead to, where the header leaves its own out; None where it
            is sent.

    Raises:
        EncodingRejected: the bytes are malformed.
        HeaderRejected: the number is 0.
    """
    flags = cursor.uint(2)
    if flags & ~KNOWN_FLAGS:
        raise EncodingRejected("a header has unknown flags", found=hex(flags), expected="bits 0..8")
    parent_hash = cursor.take(32)
    beneficiary = cursor.take(20)
    if state_root is None:
        state_root = cursor.take(32)
    transactions_root = receipts_root = EMPTY_TRIE_ROOT
    if not flags & FLAG_EMPTY_BLOCK:
        transactions_root, receipts_root = cursor.take(32), cursor.take(32)
    bloom = _read_bloom(cursor, flags & 3)
    numbers = cursor.prefixed()
    number, timestamp = _read_numbers(numbers)
    vanity = cursor.take(32) if flags & FLAG_VANITY else _ZERO_VANITY
    validators = cursor.addresses()
    kind = kinds.at(number)
    vote, round_ = _read_ending(cursor, flags, kind)
    tail = _read_tail(cursor, flags >> TAIL_SHIFT & 7)
    members = encode_members(validators)
    preimage = Preimage(
        kind=kind,
        front=encode_front(
            parent_hash, beneficiary, state_root, transactions_root, receipts_root, bloom, numbers
        ),
        vanity=vanity,
        listed=rlp.encode_list(members),
        vote=vote,
        round=round_,
        tail=tail,
    )
    return ReadHeader(
        number=number,
        timestamp=timestamp,
        parent_hash=parent_hash,
        state_root=state_root,
        validators=validators,
        set_hash=keccak256(members),
        sealers=0,
        seals=(),
        preimage=preimage,
    )


def _read_bloom(cursor: Cursor, form: int) -> bytes:
    if form == BLOOM_ZERO:
        return _ZERO_BLOOM
    if form == BLOOM_RAW:
        return cursor.take(256)
    if form != BLOOM_SPARSE:
        raise EncodingRejected("a bloom has an unknown form", found=form, expected="0, 1 or 2")
    pairs = cursor.take(2 * cursor.uint(1))
    places, values = pairs[::2], pairs[1::2]
    if not places or 0 in values or any(low >= high for low, high in pairwise(places)):
        raise EncodingRejected(
            "a sparse bloom is malformed",
            found=pairs,
            expected="pairs of ascending places and bytes other than zero",
        )
    bloom = bytearray(256)
    for place, value in zip(places, values, strict=True):
        bloom[place] = value
    return bytes(bloom)


def _read_numbers(data: bytes) -> tuple[Height, Timestamp]:
    pos, numbers = 0, []
    # All four are decoded, though only two are returned: where the timestamp begins depends on the lengths
    # before it, and a length that is not canonical would give one header two readings.
    for _ in range(4):
        is_list, start, pos = rlp.span(data, pos, len(data))
        if is_list:
            raise EncodingRejected("a number is a list", found=data, expected="four integers")
        numbers.append(rlp.decode_int(data[start:pos], 64))
    if pos != len(data):
        raise EncodingRejected("the numbers have another length", found=data, expected="four integers")
    if numbers[0] == 0:
        raise HeaderRejected("block 0 has no seals", found=0, expected="a number of at least 1")
    return Height(numbers[0]), Timestamp(numbers[3])


def _read_ending(cursor: Cursor, flags: int, kind: BftKind) -> tuple[bytes, bytes]:
    """Read the vote and the round, or what legacy Istanbul has in their place: nonce and proposer's seal."""
    if kind is not BftKind.ISTANBUL:
        vote = _read_item(cursor, "vote") if flags & FLAG_VOTE else NO_VOTE[kind]
        return vote, _read_item(cursor, "round") if flags & FLAG_ROUND else ROUND_ZERO[kind]
    nonce = cursor.take(len(NONCE)) if flags & FLAG_VOTE else NONCE
    if not flags & FLAG_ROUND:
        raise EncodingRejected(
            "a header of legacy Istanbul has no proposer's seal", found=hex(flags), expected="bit 4"
        )
    return nonce, cursor.take(PROPOSER_SEAL_BYTES)


def _read_item(cursor: Cursor, name: str) -> bytes:
    """Read the vote or the round: one RLP item of at most 56 bytes, whose first byte gives its length.

    Were it anything else, the same bytes could be hashed as another header: its parts could be split in
    another way.
    """
    item = cursor.prefixed()
    first = item[0] if item else 0xFF
    if first < 0x80:
        length = 1
    elif first < 0xB8:
        length = first - 0x7F
    elif 0xC0 <= first < 0xF8:
        length = first - 0xBF
    else:
        length = -1
    if len(item) != length:
        raise EncodingRejected(
            f"the {name} is not one short RLP item", found=item, expected="1..56 bytes of RLP"
        )
    return item


def _read_tail(cursor: Cursor, form: int) -> bytes:
    if form == 0:
        return b""
    raw = cursor.prefixed() if form in ORDINARY_TAILS or form == TAIL_RAW else b""
    count, pos = 0, 0
    while pos < len(raw):
        is_list, start, pos = rlp.span(raw, pos, len(raw))
        if is_list:
            raise EncodingRejected("a header's field is a list", found=raw, expected="RLP strings")
        if form != TAIL_RAW:
            rlp.decode_int(raw[start:pos], 256)
        count += 1
    if not 1 <= count <= (6 if form == TAIL_RAW else 1):
        raise EncodingRejected(
            "a header's tail has another number of fields",
            found=f"{count} (form {form})",
            expected="1, or 1..6 in form 7",
        )
    return raw if form == TAIL_RAW else raw + _ENCODED_TAILS[form]


def check_seals(
    cursor: Cursor, validators: tuple[bytes, ...], digest: bytes
) -> tuple[int, tuple[bytes, ...]]:
    """Read who of a list sealed and their seals, and recover the signer of every seal.

    Args:
        cursor: at the bits of those who sealed; it is moved behind the seals.
        validators: 20 bytes each.
        digest: what they sealed, 32 bytes.

    Returns:
        The bits of those who sealed, and their seals, as `ReadHeader` has them.

    Raises:
        EncodingRejected: the bytes are cut short.
        HeaderRejected: a bit or a seal is of no validator.
    """
    count = len(validators)
    sealers = cursor.uint((count + 7) // 8)
    if sealers >> count:
        raise HeaderRejected("a seal is of no validator", found=bin(sealers), expected=f"{count} bits")
    seals: list[bytes] = []
    for index, validator in enumerate(validators):
        if sealers >> index & 1:
            seal = cursor.take(64)
            seals.append(seal)
            signer = recover(digest, seal[:32] + bytes((seal[32] & 0x7F,)) + seal[33:], seal[32] >> 7)
            # A node's header may bring seals that do not count, but a proof brings only those that its sender
            # chose: one that does not count rejects the header, as in the contract (INV-8).
            if signer != validator:
                raise HeaderRejected(
                    f"seal {index} is not its validator's", found=signer or "no key", expected=validator
                )
    return sealers, tuple(seals)
