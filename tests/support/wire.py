"""Wire headers by named parts (wire-formats §6.1), so that a test can break one part at a time.

parts = header_parts(draft)              # a dict in wire order
data = join(parts | {"vote": b"\\x05..."})
"""

from __future__ import annotations

from collections.abc import Mapping

from light_clients.bft.header import BftKind
from tests.support import rlp
from tests.support.bft import CANCUN, PRAGUE, SHANGHAI, Draft, Validator
from tests.support.trie import EMPTY_ROOT

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
    """The parts of a header with all its seals. The forms that can be chosen are; the rest is as short as it goes."""
    flags = 0
    parts: dict[str, bytes] = {
        "parent": draft.parent_hash,
        "beneficiary": draft.beneficiary,
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
    mask = int("".join("1" if byte else "0" for byte in draft.bloom), 2).to_bytes(32, "big")
    parts["bloom"] = {0: b"", 1: draft.bloom, 2: mask + draft.bloom.replace(b"\0", b"")}[form]
    if any(draft.vanity):
        flags |= 4
        parts["vanity"] = draft.vanity
    if draft.vote is not None:
        flags |= 8
        parts["vote"] = prefixed(rlp.encode(draft.vote))
    if draft.round:
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
