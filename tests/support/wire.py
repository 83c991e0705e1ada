# SPDX-License-Identifier: MIT
"""Wire headers by named parts (wire-formats §6.1), so that a test can break one part at a time.

parts = header_parts(draft)              # a dict in wire order
data = join(parts | {"vote": b"\\x05..."})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from light_clients.bft.header import BftKind
from tests.support import rlp
from tests.support.bft import CANCUN, ISTANBUL, PRAGUE, SHANGHAI, Draft, Validator
from tests.support.execution_header import NO_OMMERS
from tests.support.trie import EMPTY_ROOT, keccak

ORDER = (
    "flags",
    "parent",
    "beneficiary",
    "state_root",
    "roots",
    "bloom",
    "numbers",
    "vanity",
    "validators",
    "vote",
    "round",
    "tail",
    "bits",
    "seals",
)

_TAILS = {(): 1, SHANGHAI[1:]: 2, CANCUN[1:]: 3, PRAGUE[1:]: 4}


def prefixed(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def flag(value: int) -> bytes:
    return value.to_bytes(2, "big")


def compact(seal: bytes) -> bytes:
    """r ‖ s ‖ parity of a low s, as r ‖ s with the parity on top."""
    return seal[:32] + bytes([seal[32] | seal[64] << 7]) + seal[33:64]


def header_parts(
    draft: Draft, *, state_root: bool = True, bloom_form: int | None = None, raw_tail: bool = False
) -> dict[str, bytes]:
    """The parts of a header with all its seals.

    The forms that can be chosen are; the rest is as short as it goes.
    """
    flags = 0
    parts: dict[str, bytes] = {
        "parent": draft.parent_hash,
        "beneficiary": draft.coinbase,
        "state_root": draft.state_root if state_root else b"",
        "roots": draft.transactions_root + draft.receipts_root,
        "numbers": prefixed(
            b"".join(
                rlp.encode(rlp.integer(number))
                for number in (draft.number, draft.gas_limit, draft.gas_used, draft.timestamp)
            )
        ),
        "vanity": b"",
        "validators": bytes([len(draft.members)]) + b"".join(draft.addresses()),
        "vote": b"",
        "round": b"",
        "tail": b"",
    }
    if parts["roots"] == EMPTY_ROOT * 2:
        flags |= 1 << 8
        parts["roots"] = b""
    form = bloom_form if bloom_form is not None else (1 if any(draft.bloom) else 0)
    flags |= form
    pairs = [bytes((place, value)) for place, value in enumerate(draft.bloom) if value]
    parts["bloom"] = {0: b"", 1: draft.bloom, 2: bytes((len(pairs) & 0xFF,)) + b"".join(pairs)}[form]
    if any(draft.vanity):
        flags |= 4
        parts["vanity"] = draft.vanity
    if draft.kind is BftKind.ISTANBUL:
        flags |= 16
        parts["round"] = draft.proposer_seal
        if any(draft.told_nonce):
            flags |= 8
            parts["vote"] = draft.told_nonce
    elif draft.vote is not None:
        flags |= 8
        parts["vote"] = prefixed(rlp.encode(draft.vote))
    if draft.round and draft.kind is not BftKind.ISTANBUL:
        flags |= 16
        round_ = rlp.integer(draft.round) if draft.kind is BftKind.QBFT else draft.round.to_bytes(4, "big")
        parts["round"] = prefixed(rlp.encode(round_))
    if draft.tail:
        fork = None if raw_tail else _TAILS.get(draft.tail[1:])
        flags |= (fork or 7) << 5
        sent = draft.tail[:1] if fork else draft.tail
        parts["tail"] = prefixed(b"".join(map(rlp.encode, sent)))
    parts["flags"] = flag(flags)
    signers = [member for member in draft.members if isinstance(member, Validator)]
    sealing = set(map(id, signers if draft.sealers is None else draft.sealers))
    digest = draft.seal_hash()
    seals = {
        index: compact(member.sign(digest))
        for index, member in enumerate(draft.members)
        if isinstance(member, Validator) and id(member) in sealing
    }
    size = (len(draft.members) + 7) // 8
    parts["bits"] = sum(1 << index for index in seals).to_bytes(size, "big")
    parts["seals"] = b"".join(seals.values())
    return parts


def join(parts: Mapping[str, bytes]) -> bytes:
    return b"".join(parts[name] for name in ORDER)


def seal_hash(parts: Mapping[str, bytes], kind: BftKind, state_root: bytes | None = None) -> bytes:
    """What the parts' header is sealed by, whether or not its parts may be what they are.

    A reader that is too lenient would then accept the header, seals and all, and so be found out.
    """
    flags = int.from_bytes(parts["flags"], "big")
    packed = parts["validators"][1:]
    vanity = parts["vanity"] or bytes(32)
    listed = _list(b"".join(b"\x94" + packed[at : at + 20] for at in range(0, len(packed), 20)))
    nonce = bytes(8)
    if kind is BftKind.ISTANBUL:
        extra = vanity + _list(listed + rlp.encode(parts["round"]) + b"\xc0")
        nonce = parts["vote"] if flags & 8 else nonce
    else:
        extra = _ending(b"\xa0" + vanity + listed, parts, flags, qbft=kind is BftKind.QBFT)
    fork = {tail: rest for rest, tail in _TAILS.items()}.get(flags >> 5 & 7, ())
    root = parts["state_root"] if state_root is None else state_root
    roots = parts["roots"] or EMPTY_ROOT * 2
    fields = [
        *map(rlp.encode, (parts["parent"], NO_OMMERS, parts["beneficiary"], root, roots[:32], roots[32:])),
        rlp.encode(_bloom(parts["bloom"], flags & 3)),
        b"\x01" + parts["numbers"][1:],
        rlp.encode(extra),
        *map(rlp.encode, (ISTANBUL, nonce)),
        parts["tail"][1:],
        *map(rlp.encode, fork),
    ]
    block_hash = keccak(_list(b"".join(fields)))
    return keccak(block_hash + b"\x02") if kind is BftKind.ISTANBUL else block_hash


def _ending(start: bytes, parts: Mapping[str, bytes], flags: int, *, qbft: bool) -> bytes:
    vote = parts["vote"][1:] if flags & 8 else b"\xc0" if qbft else b"\x80"
    round_ = parts["round"][1:] if flags & 16 else b"\x80" if qbft else b"\x84\x00\x00\x00\x00"
    return _list(start + vote + round_ + (b"\xc0" if qbft else b""))


def reseal(
    parts: Mapping[str, bytes],
    kind: BftKind,
    members: Sequence[Validator | bytes],
    sealing: Iterable[int],
    state_root: bytes | None = None,
) -> dict[str, bytes]:
    """The parts with the seals of these members, by index, over what the parts are now."""
    digest = seal_hash(parts, kind, state_root)
    signers = {index: members[index] for index in sorted(set(sealing))}
    seals = {
        index: compact(member.sign(digest))
        for index, member in signers.items()
        if isinstance(member, Validator)
    }
    bits = sum(1 << index for index in seals).to_bytes((len(members) + 7) // 8, "big")
    return {**parts, "bits": bits, "seals": b"".join(seals.values())}


def _bloom(sent: bytes, form: int) -> bytes:
    if form != 2:
        return sent.ljust(256, b"\0")
    bloom = bytearray(256)
    for place, value in zip(sent[1::2], sent[2::2], strict=False):
        bloom[place] = value
    return bytes(bloom)


def _list(payload: bytes) -> bytes:
    return rlp.header(0xC0, len(payload)) + payload
