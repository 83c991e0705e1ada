# SPDX-License-Identifier: MIT
"""What sync committees sign, as wire parts (wire-formats §7.3), so that a test can break one part and sign the rest again.

Made from the specification and not from the code under test: own trees, own curve arithmetic; only keys and signatures
come from the library.

committee = make_committee("alice", 32)
parts = signed_parts(Draft(...), committee)         # a dict in wire order
data = join(resign(parts | {"body_side": ...}, committee, network))
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from light_clients.bls import GROUP_ORDER, backend

P = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
Point = tuple[int, int]

ORDER = (
    "flags",
    "signature_slot",
    "signature",
    "aggregate_key",
    "pubkeys_root",
    "absent",
    "keys",
    "siblings",
    "attested_slot",
    "attested_proposer",
    "parent_root",
    "attested_body",
    "epoch",
    "inactivity",
    "committees",
    "upper",
    "finalized_slot",
    "finalized_proposer",
    "parent_and_state",
    "body_side",
    "block_number",
    "gas_limit",
    "receipts_root",
    "fields0to1",
    "fields4to5",
    "fields8to15",
    "fields16to31",
    "body_branch",
)


def join(parts: Mapping[str, bytes]) -> bytes:
    return b"".join(parts[name] for name in ORDER)


def sha(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


# --- points -------------------------------------------------------------------------------------------------


def add(one: Point | None, other: Point | None) -> Point | None:
    """Add points of y² = x³ + 4; None is infinity."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        slope = 3 * x1 * x1 * pow(2 * y1, -1, P) % P
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P) % P
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def split(xy: bytes) -> Point:
    return int.from_bytes(xy[:48], "big"), int.from_bytes(xy[48:], "big")


def pack(point: Point) -> bytes:
    return b"".join(value.to_bytes(48, "big") for value in point)


def compress(xy: bytes) -> bytes:
    """The compressed form, of whatever numbers these are."""
    flags = 0x80 | (0x20 if int.from_bytes(xy[48:], "big") > (P - 1) // 2 else 0)
    return bytes([xy[0] | flags]) + xy[1:48]


@cache
def stray_points(count: int) -> list[Point]:
    """Points of the curve outside the subgroup: a random x hits the subgroup never."""
    rng = random.Random("stray points")
    found: list[Point] = []
    while len(found) < count:
        x = rng.randrange(P)
        square = (x * x * x + 4) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            found.append((x, y))
    return found


def stray_signature() -> bytes:
    """A point of the twist outside the subgroup, affine."""
    rng = random.Random("stray signature")
    while True:
        # With x in the base field, x³ + 4(1 + u): a root by the complex method.
        x = rng.randrange(P)
        a, b = (x * x * x + 4) % P, 4
        norm = pow(a * a + b * b, (P + 1) // 4, P)
        for half in ((a + norm) * pow(2, -1, P) % P, (a - norm) * pow(2, -1, P) % P):
            c0 = pow(half, (P + 1) // 4, P)
            if c0 and c0 * c0 % P == half:
                c1 = b * pow(2 * c0, -1, P) % P
                if (c0 * c0 - c1 * c1 - a) % P == 0:
                    return b"".join(value.to_bytes(48, "big") for value in (x, 0, c0, c1))


# --- committees ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seat:
    """A member: its key's coordinates, and its secret; 0 for a key that nobody signs with."""

    secret: int
    xy: bytes


@cache
def seat(name: str) -> Seat:
    """The member of that name, always with the same key."""
    secret = int.from_bytes(hashlib.sha256(f"member {name}".encode()).digest(), "big") % GROUP_ORDER or 1
    return Seat(secret, backend().secret_to_public(secret).xy)


@dataclass(frozen=True)
class Committee:
    """A committee of seats. The aggregate is their sum unless a test says otherwise."""

    seats: tuple[Seat, ...]
    claimed_aggregate: bytes | None = None

    @cached_property
    def aggregate(self) -> bytes:
        if self.claimed_aggregate is not None:
            return self.claimed_aggregate
        if all(seat.secret for seat in self.seats):
            total = sum(seat.secret for seat in self.seats) % GROUP_ORDER
            return backend().secret_to_public(total).xy
        total_point: Point | None = None
        for each in self.seats:
            total_point = add(total_point, split(each.xy))
        assert total_point is not None
        return pack(total_point)

    @cached_property
    def levels(self) -> list[list[bytes]]:
        """The tree of the keys, its leaves first."""
        levels = [[hashlib.sha256(compress(seat.xy) + bytes(16)).digest() for seat in self.seats]]
        while len(levels[-1]) > 1:
            pairs = zip(levels[-1][::2], levels[-1][1::2], strict=True)
            levels.append([sha(left, right) for left, right in pairs])
        return levels

    @cached_property
    def root(self) -> bytes:
        leaf = hashlib.sha256(compress(self.aggregate) + bytes(16)).digest()
        return sha(self.levels[-1][0], leaf)

    def siblings(self, places: Iterable[int]) -> bytes:
        """The siblings of a multiproof: from each level those that nothing below computes."""
        known, sent = set(places), []
        for level in self.levels[:-1]:
            sent += [level[place ^ 1] for place in sorted(known) if place ^ 1 not in known]
            known = {place >> 1 for place in known}
        return b"".join(sent)

    def sign(self, message: bytes, places: Iterable[int]) -> bytes:
        """The affine signature of the members at these places; zeros where nobody's secret is known."""
        secret = sum(self.seats[place].secret for place in places) % GROUP_ORDER
        if not secret:
            return bytes(192)
        return backend().signature_affine(backend().sign(secret, message))


@cache
def make_committee(name: str, size: int) -> Committee:
    return Committee(tuple(seat(f"{name} {place}") for place in range(size)))


def encode_absent(present: Sequence[bool]) -> bytes:
    """SSZ's bit vector, by its text, of who is not there: bit i is bit i % 8 of byte i // 8."""
    packed = bytearray(len(present) // 8)
    for place, bit in enumerate(present):
        packed[place // 8] |= (not bit) << place % 8
    return bytes(packed)


# --- headers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """What signatures and trees depend on: forks by ascending epoch as (epoch, version, layout)."""

    forks: tuple[tuple[int, bytes, int], ...]
    slots_per_epoch: int
    genesis_validators_root: bytes

    def fork_at(self, slot: int) -> tuple[int, bytes, int]:
        """The fork of a slot; the first one before it."""
        return [
            fork for fork in self.forks if fork[0] * self.slots_per_epoch <= slot or fork is self.forks[0]
        ][-1]

    def layout_at(self, slot: int) -> int:
        return self.fork_at(slot)[2]

    def signing_root(self, attested_root: bytes, signature_slot: int) -> bytes:
        version = self.fork_at(max(signature_slot - 1, 0))[1]
        data_root = sha(version + bytes(28), self.genesis_validators_root)
        return sha(attested_root, b"\x07\0\0\0" + data_root[:28])


@dataclass(frozen=True)
class Draft:
    """A signed header before its signature.

    Attributes:
        absent: places of those who don't sign.
        next_committee: its root, where it is shown.
        state_root: of the execution block, where that is shown.
        seed: what all roots that matter to nobody are made of.
    """

    signature_slot: int
    attested_slot: int
    finalized_slot: int
    absent: tuple[int, ...] = ()
    next_committee: bytes | None = None
    state_root: bytes | None = None
    block_number: int = 77
    seed: str = ""
    extra: dict[str, bytes] = field(default_factory=dict)


def signed_parts(draft: Draft, committee: Committee, network: Network) -> dict[str, bytes]:
    """The parts, signed by all who are not absent."""

    def word(name: str) -> bytes:
        return hashlib.sha256(f"{draft.seed} {name}".encode()).digest()

    size = len(committee.seats)
    present = [place not in draft.absent for place in range(size)]
    shown = draft.next_committee is not None
    upper = 4 if network.layout_at(draft.attested_slot) == 4 else 3
    wide = network.layout_at(draft.finalized_slot) >= 3
    executed = draft.state_root is not None
    parts = dict.fromkeys(ORDER, b"") | {
        "flags": bytes([(len(draft.absent) > 0) | shown << 1]),
        "signature_slot": u64(draft.signature_slot),
        "aggregate_key": committee.aggregate,
        "attested_slot": u64(draft.attested_slot),
        "attested_proposer": word("proposer")[:8],
        "parent_root": word("parent"),
        "attested_body": word("attested body"),
        "epoch": word("epoch")[:8],
        "inactivity": word("inactivity"),
        "committees": draft.next_committee or word("committees"),
        "upper": b"".join(word(f"upper {i}") for i in range(upper)),
        "finalized_slot": u64(draft.finalized_slot),
        "finalized_proposer": word("finalized proposer")[:8],
        "parent_and_state": word("parent and state"),
    }
    if draft.absent:
        absent = sorted(draft.absent)
        parts |= {
            "absent": encode_absent(present),
            "keys": b"".join(committee.seats[place].xy for place in absent),
            "siblings": committee.siblings(absent),
        }
    else:
        parts |= {"pubkeys_root": committee.levels[-1][0]}
    if executed:
        parts |= {
            "block_number": u64(draft.block_number),
            "gas_limit": u64(30_000_000),
            "receipts_root": word("receipts"),
            "fields0to1": word("0 to 1"),
            "fields4to5": word("4 to 5"),
            "fields8to15": word("8 to 15"),
            "fields16to31": word("16 to 31") if wide else b"",
            "body_branch": b"".join(word(f"body {i}") for i in range(4)),
        }
    else:
        parts |= {"body_side": word("finalized body")}
    return resign(parts | draft.extra, committee, network, present, draft.state_root)


def resign(
    parts: Mapping[str, bytes],
    committee: Committee,
    network: Network,
    present: Sequence[bool],
    state_root: bytes | None = None,
) -> dict[str, bytes]:
    """The parts with the signature of those present over what the parts are now.

    Whatever is no encoding of anything is signed as it would be understood by a reader that is too lenient, so that such a
    reader is found out.
    """
    attested_root = hash_attested(parts, committee, state_root)
    message = network.signing_root(attested_root, number(parts["signature_slot"]))
    places = [place for place, bit in enumerate(present) if bit]
    return {**parts, "signature": committee.sign(message, places)}


def hash_attested(parts: Mapping[str, bytes], committee: Committee, state_root: bytes | None) -> bytes:
    """The attested header's root, rebuilt from the parts."""
    finalized = hash_finalized(parts, state_root)
    committees = parts["committees"]
    if parts["flags"][:1] and parts["flags"][0] & 2:
        committees = sha(committee.root, committees)
    node = sha(parts["epoch"].ljust(32, b"\0"), finalized)
    node = sha(sha(node, parts["inactivity"]), committees)
    siblings = [parts["upper"][at : at + 32] for at in range(0, len(parts["upper"]), 32)]
    for level, sibling in enumerate(siblings):
        node = sha(node, sibling) if level % 2 else sha(sibling, node)
    front = sha(parts["attested_slot"].ljust(32, b"\0"), parts["attested_proposer"].ljust(32, b"\0"))
    return sha(sha(front, sha(parts["parent_root"], node)), parts["attested_body"])


def hash_finalized(parts: Mapping[str, bytes], state_root: bytes | None) -> bytes:
    """The finalized header's root, rebuilt from the parts."""
    body_side = parts["body_side"]
    if state_root is not None:
        numbers = sha(parts["block_number"].ljust(32, b"\0"), parts["gas_limit"].ljust(32, b"\0"))
        low = sha(parts["fields0to1"], sha(state_root, parts["receipts_root"]))
        payload = sha(sha(low, sha(parts["fields4to5"], numbers)), parts["fields8to15"])
        if parts["fields16to31"]:
            payload = sha(payload, parts["fields16to31"])
        branch = [parts["body_branch"][at : at + 32] for at in range(0, 128, 32)]
        body = sha(branch[3], sha(sha(sha(branch[0], payload), branch[1]), branch[2]))
        body_side = sha(sha(body, bytes(32)), sha(bytes(32), bytes(32)))
    front = sha(parts["finalized_slot"].ljust(32, b"\0"), parts["finalized_proposer"].ljust(32, b"\0"))
    return sha(sha(front, parts["parent_and_state"]), body_side)
