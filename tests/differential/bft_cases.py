# SPDX-License-Identifier: MIT
"""What a light client is asked: proofs, updates, anchors and misbehaviour, good ones and such as break one
rule.

Whatever is changed in a header is changed before it is sealed, most of the time: a rule that only one side
knows would otherwise hide behind a bad seal.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from light_clients.bft.client import BftClient, BftKind, BftParams, quorum
from light_clients.bft.preimage import BftKinds, KindChange
from light_clients.client import Height, Timestamp
from light_clients.errors import Rejection
from light_clients.proofs.compact import read_account, read_storage
from tests.differential.clients import ACCOUNT, SLOT, Case, cut_at_times
from tests.differential.compact_cases import account_proof, grammatical_account, storage_case, storage_proof
from tests.support import rlp
from tests.support.bft import FORK_TAILS, Draft, Validator, validators
from tests.support.mutation import mutate
from tests.support.trie import EMPTY_ROOT
from tests.support.wire import flag, header_parts, join, prefixed, reseal

#: Every protocol, and changes from one to another at heights that headers lie on both sides of.
KINDS: list[BftKinds] = [
    *BftKind,
    KindChange(BftKind.IBFT2, BftKind.QBFT, 11),
    KindChange(BftKind.ISTANBUL, BftKind.QBFT, 12),
    KindChange(BftKind.QBFT, BftKind.ISTANBUL, 2**64 - 1),
]

TRUSTED_TIME = 1_700_000_000
PERIOD, DRIFT = 1000, 15
NOW = TRUSTED_TIME + 100


@dataclass(frozen=True)
class World:
    """A chain and a client of it.

    `storage` and `account` are good proofs that lead to `root`, which is anchored.
    """

    kinds: BftKinds
    members: list[Validator]
    client: BftClient
    storage: bytes
    account: bytes
    root: bytes


def make_world(rng: random.Random, kinds: BftKinds, count: int) -> World:
    members = validators(count, start=rng.randrange(1000))
    params = BftParams(kinds, PERIOD, DRIFT)
    addresses = [member.address for member in members]
    client = BftClient.bootstrap(params, addresses, Height(10), Timestamp(TRUSTED_TIME))
    storage, trie = storage_proof(rng, SLOT)
    account, state = account_proof(rng, ACCOUNT, trie.root)
    return World(kinds, members, client, storage, account, state.root)


def anchor_of(world: World) -> bytes:
    """An anchor of the world's root, at height 5."""
    draft = Draft(
        world.kinds.at(5), world.members, number=5, timestamp=TRUSTED_TIME - 7, state_root=world.root
    )
    return join(header_parts(draft))


def make_case(rng: random.Random, world: World) -> Case:
    method = rng.choice(["storageAt", "storageAt", "update", "update", "anchor", "freeze"])
    make = {
        "storageAt": make_proof,
        "update": make_update,
        "anchor": make_anchor,
        "freeze": make_misbehaviour,
    }
    data = make[method](rng, world)
    if rng.random() < 0.08:
        data = mutate(rng, data, [world.storage, world.account])
    now = rng.choice([NOW] * 12 + [TRUSTED_TIME + PERIOD, TRUSTED_TIME + PERIOD + 1, TRUSTED_TIME - 20])
    return cut_at_times(rng, 0.06, Case(method, data, now=now))


# --- headers ------------------------------------------------------------------------------------------------


def make_draft(rng: random.Random, world: World, members: Sequence[Validator | bytes] | None = None) -> Draft:
    tails = [
        *FORK_TAILS.values(),
        (rlp.integer(rng.getrandbits(256)), b"\x01" * 32),
        (b"\x05", *[b""] * rng.randrange(6)),
    ]
    bloom = bytearray(256)
    for _ in range(rng.choice([0, 0, 3, 40, 400])):
        bloom[rng.randrange(256)] |= 1 << rng.randrange(8)
    number = rng.choice([11, 11, 11, 12, 10, 9, 1, 0, 5, 6, 2**64 - 1])
    kind = world.kinds.at(number) if rng.random() < 0.97 else rng.choice(list(BftKind))
    return Draft(
        kind,
        world.members if members is None else members,
        number=number,
        timestamp=rng.choice(
            [NOW, TRUSTED_TIME, TRUSTED_TIME + 1, TRUSTED_TIME - 1, NOW + DRIFT, NOW + DRIFT + 1, 0]
        ),
        state_root=rng.randbytes(32),
        parent_hash=rng.randbytes(32),
        beneficiary=rng.randbytes(20),
        transactions_root=rng.choice([EMPTY_ROOT, rng.randbytes(32)]),
        receipts_root=rng.choice([EMPTY_ROOT, rng.randbytes(32)]),
        bloom=bytes(bloom),
        gas_limit=rng.choice([0, 1, 127, 128, 30_000_000, 2**64 - 1]),
        gas_used=rng.choice([0, 21_000, 2**63]),
        vanity=rng.choice([bytes(32), rng.randbytes(32)]),
        vote=rng.choice([None, None, (rng.randbytes(20), rng.choice([b"", b"\xff"]))]),
        round=rng.choice([0, 0, 1, 127, 128, 255, 2**31]),
        proposer_seal=rng.randbytes(65),
        nonce=rng.choice([bytes(8), b"\xff" * 8, rng.randbytes(8)]) if kind is BftKind.ISTANBUL else bytes(8),
        tail=rng.choice(tails),
    )


def choose_sealers(rng: random.Random, count: int) -> list[int]:
    """Indexes of those who seal: all, a quorum, one less, or any."""
    many = rng.choice([count, quorum(count), quorum(count), quorum(count) - 1, rng.randrange(count + 1)])
    return rng.sample(range(count), many)


def make_header(
    rng: random.Random, draft: Draft, state_root: bytes | None = None, sealing: list[int] | None = None
) -> bytes:
    """A header as it is sent; without its state root when that is given here."""
    forms = [None, None, 1, 2] if any(draft.bloom) else [None, None, 0, 1, 2]
    parts = header_parts(
        replace(draft, sealers=[]),
        state_root=state_root is None,
        bloom_form=rng.choice(forms),
        raw_tail=rng.random() < 0.2,
    )
    if rng.random() < 0.3:
        parts |= tamper(rng, parts)
    chosen = choose_sealers(rng, len(draft.members)) if sealing is None else sealing
    sealed = reseal(parts, draft.kind, draft.members, chosen, state_root)
    if rng.random() < 0.06:
        sealed |= {"bits": rng.randbytes(len(sealed["bits"]))}
    if rng.random() < 0.04:
        sealed |= {"seals": mutate(rng, sealed["seals"])}
    return join(sealed)


#: Things that are or nearly are one RLP item.
SNIPPETS = [
    bytes.fromhex(text)
    for text in [
        "00",
        "01",
        "7f",
        "80",
        "c0",
        "8100",
        "8101",
        "817f",
        "8180",
        "81ff",
        "820001",
        "820100",
        "8400000001",
        "c100",
        "c180",
        "c28080",
        "c101",
        "b7",
        "b800",
        "b801",
        "f7",
        "f800",
        "a0",
        "ff",
        "bf",
        "8105",
        "80c0",
        "c080",
        "8080",
        "c0c0",
        "83010203",
        "c3010203",
        "820102c0",
    ]
] + [
    b"\xb7" + bytes(55),
    b"\xb8\x38" + bytes(56),
    b"\xf7" + bytes(55),
    b"\xf8\x38" + bytes(56),
    b"\xa1" + b"\x01" * 33,
    b"",
]


def tamper(rng: random.Random, parts: dict[str, bytes]) -> dict[str, bytes]:
    """Other parts for some of a header's."""
    flags = int.from_bytes(parts["flags"], "big")
    match rng.randrange(9):
        case 0:
            return {"flags": flag(flags ^ 1 << rng.randrange(16))}
        case 1:
            known = rng.choice([[b"\x05", b"\x80", b"\x84\x01\x02\x03\x04"], SNIPPETS])
            items = [b"\x0b", *(rng.choice(known) for _ in range(rng.choice([2, 3, 3, 3, 4])))]
            return {"numbers": prefixed(b"".join(items)[:255])}
        case 2:
            return {"numbers": mutate(rng, parts["numbers"])}
        case 3:
            return {"flags": flag(flags | 8), "vote": prefixed(rng.choice(SNIPPETS))}
        case 4:
            return {"flags": flag(flags | 16), "round": prefixed(rng.choice(SNIPPETS))}
        case 5:
            known = rng.choice([[b"\x05", b"\x80", b"\x84\x01\x02\x03\x04"], SNIPPETS])
            tail = b"".join(rng.choice(known) for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 6, 7])))[:255]
            form = rng.choice([1, 2, 3, 4, 5, 6, 7, 7, 7, 7])
            return {"flags": flag(flags & ~0xE0 | form << 5), "tail": prefixed(tail)}
        case 6:
            places = sorted(rng.sample(range(256), rng.choice([0, 1, 2, 10, 128, 255])))
            if rng.random() < 0.4 and places:
                places.insert(rng.randrange(len(places)), rng.choice(places))
            values = [rng.randrange(256) if rng.random() < 0.1 else 1 for _ in places]
            pairs = bytes(byte for pair in zip(places, values, strict=True) for byte in pair)
            count = len(places) + (rng.choice([-1, 1]) if rng.random() < 0.1 else 0)
            return {"flags": flag(flags & ~3 | 2), "bloom": bytes([count % 256]) + pairs}
        case 7:
            return {"validators": mutate(rng, parts["validators"])}
        case _:
            name = rng.choice([name for name in parts if parts[name]])
            return {name: mutate(rng, parts[name])}


# --- arguments ----------------------------------------------------------------------------------------------


def make_proof(rng: random.Random, world: World) -> bytes:
    storage = world.storage if rng.random() < 0.8 else rng.choice([storage_case(rng, SLOT), b"\x01\x00"])
    account = world.account if rng.random() < 0.8 else grammatical_account(rng, ACCOUNT)
    proof = storage + account
    mode = rng.choice([0, 0, 0, 0, 1, 2])
    if mode:
        return bytes([mode]) + proof + (b"" if rng.random() < 0.8 else rng.randbytes(3))
    try:
        read = read_storage(proof, 0, SLOT)
        root = read_account(proof, read.end, ACCOUNT, read.root).root
    except Rejection:
        root = world.root
    return bytes([0]) + proof + make_header(rng, make_draft(rng, world), root)


def make_anchor(rng: random.Random, world: World) -> bytes:
    return make_header(rng, make_draft(rng, world))


def make_misbehaviour(rng: random.Random, world: World) -> bytes:
    one = make_draft(rng, world)
    other = rng.choice(
        [
            replace(make_draft(rng, world), number=one.number),
            replace(make_draft(rng, world), number=one.number),
            replace(one, round=rng.choice([0, 1, 300])),
            replace(one, vote=(rng.randbytes(20), b"\xff")),
            replace(one, proposer_seal=rng.randbytes(65)),
            make_draft(rng, world),
        ]
    )
    return make_header(rng, one) + make_header(rng, other)


def make_update(rng: random.Random, world: World) -> bytes:
    trusted = list(world.members)
    changed = rng.random() < 0.6
    members = change_set(rng, trusted) if changed else trusted
    link = make_link(rng, trusted, members) if rng.random() < (0.97 if changed else 0.03) else b"\x00"
    count = rng.choice([1, 1, 1, 2, 2, 3, 8, 9])
    number, timestamp = rng.choice([11, 11, 10]), TRUSTED_TIME
    headers = []
    for _ in range(count):
        draft = make_draft(rng, world, members)
        if rng.random() < 0.95:
            kind = world.kinds.at(number)
            nonce = draft.nonce if kind is BftKind.ISTANBUL else bytes(8)
            draft = replace(draft, kind=kind, number=number, timestamp=timestamp, nonce=nonce)
        number += rng.choice([1, 1, 1, 7, 0] if rng.random() < 0.1 else [1, 5])
        timestamp += rng.choice([0, 0, 1, 3])
        if rng.random() < 0.03:
            draft = replace(draft, members=change_set(rng, trusted))
        headers.append(make_header(rng, draft))
    sent = count if rng.random() < 0.97 else rng.choice([0, count + 1, 255])
    return bytes([sent]) + link + b"".join(headers)


def change_set(rng: random.Random, trusted: list[Validator]) -> list[Validator | bytes]:
    joining = validators(rng.choice([0, 1, 1, 3]), start=5000)
    leaving = rng.choice([0, 0, 1, len(trusted) // 3])
    members: list[Validator | bytes] = [*trusted[leaving:], *joining]
    if rng.random() < 0.3:
        rng.shuffle(members)
    if rng.random() < 0.05:
        members.append(bytes(20))
    if rng.random() < 0.05 and trusted:
        members.append(trusted[-1])
    return members or [trusted[0]]


def make_link(rng: random.Random, trusted: list[Validator], members: Sequence[Validator | bytes]) -> bytes:
    places = {member.address: index for index, member in enumerate(trusted)}
    addresses = [member if isinstance(member, bytes) else member.address for member in members]
    indexes = bytearray(places.get(address, 0xFF) for address in addresses)
    if rng.random() < 0.12:
        indexes[rng.randrange(len(indexes))] = rng.choice([0xFF, 0xFE, 0, 1, len(trusted)])
    if rng.random() < 0.03:
        del indexes[-1]
    named = [member.address for member in trusted]
    if rng.random() < 0.03:
        rng.shuffle(named)
    return b"\x01" + bytes([len(named)]) + b"".join(named) + prefixed(bytes(indexes))
