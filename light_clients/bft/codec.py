# SPDX-License-Identifier: MIT
"""Write what the light client of a BFT chain reads (docs/reference/wire-formats.md §6), for the least gas.

Of the seals that a node gives, only a quorum is sent, and of the forms that a field can have, the one whose
calldata and decoding cost least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import NO_VOTE, ROUND_ZERO, BftKind
from light_clients.bft.reader import (
    BLOOM_RAW,
    BLOOM_SPARSE,
    BLOOM_ZERO,
    FLAG_EMPTY_BLOCK,
    FLAG_ROUND,
    FLAG_VANITY,
    FLAG_VOTE,
    MAX_HEADERS,
    NOT_TRUSTED,
    ORDINARY_TAILS,
    TAIL_RAW,
    TAIL_SHIFT,
)
from light_clients.bft.validators import check_set, quorum, set_hash
from light_clients.codec import rlp
from light_clients.errors import QuorumNotReached, UpdateRejected
from light_clients.hashing import EMPTY_TRIE_ROOT
from light_clients.trust import encode_claim

#: What a zero byte of calldata costs (EIP-2028).
_GAS_PER_UNIT: Final = 4
#: What the contract spends on writing one byte of a sparse bloom to its place, measured.
_SCATTER_GAS: Final = 60


def encode_header(
    header: BftHeader, *, with_state_root: bool, seals: Mapping[int, bytes] | None = None
) -> bytes:
    """Encode a header. Whoever reads the result checks it; here only the seals are recovered, for only good
    ones count.

    Args:
        header: as a node gave it.
        with_state_root: whether the state root is written; a proof leaves it out, for its reader computes it.
        seals: the seals to send, as `BftHeader.sealers` gives them; by default the cheapest quorum of them.

    Raises:
        QuorumNotReached: `seals` is not given, and too few validators sealed.
    """
    if seals is None:
        seals = choose_quorum(header.number, header.sealers(), len(header.validators))
    fields = encode_fields(header, with_state_root=with_state_root)
    return fields + encode_seals(seals, len(header.validators))


def encode_seals(seals: Mapping[int, bytes], members: int) -> bytes:
    """Encode seals, by the index of their validator among so many members."""
    bits = sum(1 << index for index in seals)
    return bits.to_bytes((members + 7) // 8, "big") + b"".join(seals[index] for index in sorted(seals))


def encode_fields(header: BftHeader, *, with_state_root: bool) -> bytes:
    """Encode a header up to its seals; `with_state_root` is as for `encode_header`."""
    flags = 0
    roots = b""
    if header.transactions_root == header.receipts_root == EMPTY_TRIE_ROOT:
        flags |= FLAG_EMPTY_BLOCK
    else:
        roots = header.transactions_root + header.receipts_root
    form, bloom = _encode_bloom(header.bloom)
    flags |= form
    numbers = header.encode_numbers()
    vanity = b""
    if any(header.vanity):
        flags |= FLAG_VANITY
        vanity = header.vanity
    form, ending = _encode_ending(header)
    flags |= form
    form, tail = _encode_tail(header.tail)
    flags |= form << TAIL_SHIFT
    return b"".join(
        (
            flags.to_bytes(2, "big"),
            header.parent_hash,
            header.beneficiary,
            header.state_root if with_state_root else b"",
            roots,
            bloom,
            _prefixed(numbers),
            vanity,
            bytes((len(header.validators),)),
            *header.validators,
            ending,
            tail,
        )
    )


def encode_proof(
    storage_nodes: Sequence[bytes],
    account_nodes: Sequence[bytes],
    header: BftHeader | None,
    account: bytes,
    slot: bytes,
) -> bytes:
    """Encode the argument of `storageAt` from what `eth_getProof` gave at the header's block.

    Args:
        storage_nodes: from the storage root downwards, verified before.
        account_nodes: from the state root downwards, verified before.
        header: the one whose seals vouch for the state; None for a proof against the anchored state root.
        account: 20 bytes.
        slot: 32 bytes.

    Raises:
        ProofRejected: the nodes cannot be those of this account and slot.
        QuorumNotReached: too few validators sealed the header.
    """
    claim = encode_claim(storage_nodes, account_nodes, account, slot, anchored=header is None)
    return claim if header is None else claim + encode_header(header, with_state_root=False)


def encode_anchor(header: BftHeader) -> bytes:
    """Encode the argument of `anchor`.

    Raises:
        QuorumNotReached: too few validators sealed the header.
    """
    return encode_header(header, with_state_root=True)


def encode_misbehaviour(first: BftHeader, second: BftHeader) -> bytes:
    """Encode the argument of `freeze`: two blocks of one height.

    Raises:
        QuorumNotReached: too few validators sealed one of the headers.
    """
    return encode_anchor(first) + encode_anchor(second)


def encode_update(trusted: Sequence[bytes], headers: Sequence[BftHeader]) -> bytes:
    """Encode the argument of `update` that makes the last header trusted.

    Where the headers list another set than the trusted one, a quorum of the trusted set has to have sealed
    some of them. Only as many headers as this takes are sent, with as few seals as it takes; the last header
    is always among them.

    Args:
        trusted: the validators that the client trusts, 20 bytes each, in the list's order.
        headers: by ascending height, all listing the same validators.

    Raises:
        UpdateRejected: there is no header, or the headers list different sets.
        ValidatorSetRejected: the trusted validators cannot be a set.
        QuorumNotReached: too few of the headers' own set sealed, or too few of the trusted set. In the latter
            case the caller can try again with more headers that list the same set: they may bring the missing
            seals.
    """
    if not headers:
        raise UpdateRejected("an update has no header", found=0, expected="at least 1")
    check_set(trusted)
    last = headers[-1]
    for header in headers:
        if header.validators != last.validators:
            raise UpdateRejected(
                f"block {header.number} lists another set than block {last.number}",
                found=set_hash(header.validators),
                expected=set_hash(last.validators),
            )
    if last.validators == tuple(trusted):
        return b"\x01\x00" + encode_header(last, with_state_root=True)
    chosen = _choose(trusted, headers)
    indexes = {validator: index for index, validator in enumerate(trusted)}
    link = b"".join(
        (
            b"\x01",
            bytes((len(trusted),)),
            *trusted,
            _prefixed(bytes(indexes.get(validator, NOT_TRUSTED) for validator in last.validators)),
        )
    )
    encoded = [encode_header(header, with_state_root=True, seals=seals) for header, seals in chosen]
    return bytes((len(chosen),)) + link + b"".join(encoded)


def _choose(
    trusted: Sequence[bytes], headers: Sequence[BftHeader]
) -> list[tuple[BftHeader, dict[int, bytes]]]:
    """Choose headers, and for each the seals to send: its own quorum, and over all a quorum of the trusted
    set.

    The last header is taken first, then whichever brings most members of the trusted set that are still
    missing.
    """
    last = headers[-1]
    members = set(trusted)
    vouchers = {index for index, validator in enumerate(last.validators) if validator in members}
    own, needed = quorum(len(last.validators)), quorum(len(trusted))
    for header in headers:
        # One header below its own quorum would have the whole update rejected.
        _check_sealed(header.number, len(header.sealers()), len(header.validators))
    vouching = [vouchers & header.sealers().keys() for header in headers]
    # The last header is sent whatever seals it brings, because its height, time and set become trusted.
    picked = [len(headers) - 1]
    union = set(vouching[-1])
    while len(union) < needed and len(picked) < MAX_HEADERS:
        best = max(range(len(headers)), key=lambda i: len(vouching[i] - union))
        # None of the headers brings a member that is still missing, so more of them would only cost gas.
        if vouching[best] <= union:
            break
        picked.append(best)
        union |= vouching[best]
    if len(union) < needed:
        raise QuorumNotReached(
            "too few of the trusted validators sealed headers with the new set",
            found=len(union),
            expected=f"at least {needed} of {len(trusted)}, over at most {MAX_HEADERS} headers",
        )
    return _choose_seals([headers[i] for i in sorted(picked)], vouchers, own, needed)


def _choose_seals(
    headers: Sequence[BftHeader], vouchers: set[int], own: int, needed: int
) -> list[tuple[BftHeader, dict[int, bytes]]]:
    """Choose the seals of the chosen headers.

    A header's own quorum is filled first with members of the trusted set that the headers before it have not
    brought, those that few headers have before others; then with the cheapest seals. What the trusted set's
    quorum still lacks after that is added on top.

    Args:
        headers: the chosen ones, by ascending height.
        vouchers: the indexes in the new set of members of the trusted set.
        own: the quorum of the new set.
        needed: the quorum of the trusted set.
    """
    sealers = [header.sealers() for header in headers]
    rarity = {index: sum(index in available for available in sealers) for index in vouchers}
    covered: set[int] = set()
    chosen: list[dict[int, bytes]] = []
    for available in sealers:
        fresh = sorted((available.keys() & vouchers) - covered, key=lambda index: (rarity[index], index))[
            :own
        ]
        rest = sorted(available.keys() - set(fresh), key=lambda index: _cost(available[index]))
        picked = [*fresh, *rest[: own - len(fresh)]]
        covered |= vouchers & set(picked)
        chosen.append({index: available[index] for index in picked})
    for seals, available in zip(chosen, sealers, strict=True):
        for index in sorted((available.keys() & vouchers) - covered):
            if len(covered) < needed:
                covered.add(index)
                seals[index] = available[index]
    return list(zip(headers, chosen, strict=True))


def choose_quorum(number: int, sealers: Mapping[int, bytes], members: int) -> dict[int, bytes]:
    """Return the quorum of a block's seals that costs least.

    A seal above the quorum proves nothing more, and costs 64 bytes of calldata and 3,000 gas.

    Args:
        number: of the block.
        sealers: the seals that count, by the index of their validator.
        members: how many validators the set has.

    Raises:
        QuorumNotReached: too few sealed.
    """
    _check_sealed(number, len(sealers), members)
    return dict(sorted(sealers.items(), key=lambda item: _cost(item[1]))[: quorum(members)])


def _check_sealed(number: int, found: int, members: int) -> None:
    if found < quorum(members):
        raise QuorumNotReached(
            f"too few validators sealed block {number}",
            found=found,
            expected=f"at least {quorum(members)} of {members}",
        )


def _cost(data: bytes) -> int:
    """Return what calldata costs in units of a zero byte; any other byte costs four of them (EIP-2028,
    EIP-7623).
    """
    return 4 * len(data) - 3 * data.count(0)


def _encode_bloom(bloom: bytes) -> tuple[int, bytes]:
    pairs = b"".join(bytes((place, value)) for place, value in enumerate(bloom) if value)
    count = len(pairs) // 2
    if count == 0:
        return BLOOM_ZERO, b""
    # A count of 256 does not fit its byte. The raw form is cheaper then, so the cut count is never sent.
    sparse = bytes((count & 0xFF,)) + pairs
    is_cheaper = _GAS_PER_UNIT * _cost(sparse) + _SCATTER_GAS * count < _GAS_PER_UNIT * _cost(bloom)
    return (BLOOM_SPARSE, sparse) if is_cheaper else (BLOOM_RAW, bloom)


def _encode_ending(header: BftHeader) -> tuple[int, bytes]:
    """Return the flags and the bytes of vote and round, as far as they have to be sent."""
    flags, vote, round_ = 0, b"", b""
    # Nonce and proposer's seal have one length each, which is not sent.
    is_istanbul = header.kind is BftKind.ISTANBUL
    if header.vote != NO_VOTE[header.kind]:
        flags |= FLAG_VOTE
        vote = header.vote if is_istanbul else _prefixed(header.vote)
    if header.round != ROUND_ZERO.get(header.kind):
        flags |= FLAG_ROUND
        round_ = header.round if is_istanbul else _prefixed(header.round)
    return flags, vote + round_


def _encode_tail(tail: tuple[bytes, ...]) -> tuple[int, bytes]:
    if not tail:
        return 0, b""
    for fork, ordinary in ORDINARY_TAILS.items():
        if tail[1:] == ordinary:
            return fork, _prefixed(rlp.encode_bytes(tail[0]))
    return TAIL_RAW, _prefixed(b"".join(map(rlp.encode_bytes, tail)))


def _prefixed(data: bytes) -> bytes:
    return bytes((len(data),)) + data
