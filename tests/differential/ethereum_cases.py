# SPDX-License-Identifier: MIT
"""What the Ethereum light client is asked: proofs, updates, anchors and misbehaviour, good ones and such as
break one rule.

Whatever is changed is changed before it is signed, most of the time: a rule that only one side knows would
otherwise hide behind a bad signature. Committees of all kinds are trusted, impossible ones too: what a
committee's root says is the trusted state's business, and what is done with it must be the same on both
sides.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from light_clients.bls import GROUP_ORDER, backend
from light_clients.client import Timestamp
from light_clients.errors import Rejection
from light_clients.ethereum.client import EthereumClient, EthereumParams, WireFork, WireLayout
from light_clients.ethereum.config import Slot
from light_clients.ethereum.params import least_threshold
from light_clients.proofs.compact import read_account, read_storage
from tests.differential.clients import ACCOUNT, SLOT, Case, cut_at_times
from tests.differential.compact_cases import account_proof, grammatical_account, storage_case, storage_proof
from tests.support.beacon import (
    ORDER,
    Committee,
    Draft,
    Network,
    P,
    Seat,
    add,
    encode_absent,
    join,
    make_committee,
    number,
    pack,
    resign,
    seat,
    signed_parts,
    split,
    stray_points,
    stray_signature,
)
from tests.support.mutation import mutate

PERIOD = 10
EPOCH_SLOTS, PERIOD_SLOTS = 8, 64
GENESIS = 1_700_000_000
SLOT_MS = 5_500
DRIFT = 15
FIRST = PERIOD * PERIOD_SLOTS
TRUSTED_EPOCH = FIRST // EPOCH_SLOTS
MAX = 2**64 - 1


@dataclass(frozen=True)
class Setting:
    """What a world is made with: forks as (epoch, layout),
    the kind of each known committee, the trusted slot.
    """

    size: int
    forks: tuple[tuple[int, int], ...]
    kinds: tuple[str, str]
    trusted_slot: int
    knows_next: bool
    spare: int = 0


@dataclass(frozen=True)
class World:
    """A chain and a client of it.

    `storage` and `account` are good proofs that lead to `root`, which is anchored.
    """

    network: Network
    committees: dict[int, Committee]
    client: EthereumClient
    storage: bytes
    account: bytes
    root: bytes


EPOCH = TRUSTED_EPOCH
SETTINGS = [
    Setting(8, ((0, 4),), ("ordinary", "cancelling"), FIRST, knows_next=True),
    Setting(8, ((0, 1), (EPOCH + 2, 2)), ("repeated", "ordinary"), FIRST + 9, knows_next=True),
    Setting(8, ((0, 2), (EPOCH, 3)), ("impossible", "ordinary"), FIRST + 1, knows_next=False),
    Setting(8, ((EPOCH - 1, 3), (EPOCH + 8, 4)), ("stray", "doubling"), FIRST + 63, knows_next=True, spare=1),
    Setting(
        16,
        tuple(zip(range(EPOCH - 3, EPOCH + 3), (1, 1, 2, 3, 4, 4), strict=True)),
        ("ordinary", "stray"),
        FIRST + 5,
        knows_next=True,
    ),
    Setting(
        16, ((0, 4), (EPOCH + 1, 1), (EPOCH + 9, 3)), ("doubling", "impossible"), FIRST + 40, knows_next=True
    ),
    Setting(8, ((0, 3),), ("over", "ordinary"), FIRST + 30, knows_next=True),
    Setting(8, ((0, 4),), ("off", "ordinary"), FIRST + 30, knows_next=True, spare=2),
    Setting(8, ((0, 2),), ("outside", "ordinary"), FIRST + 30, knows_next=True),
    Setting(8, ((0, 4),), ("infinite", "stray"), FIRST + 60, knows_next=True),
    Setting(32, ((0, 3), (EPOCH + 4, 4)), ("cancelling", "ordinary"), FIRST + 62, knows_next=False, spare=3),
    Setting(256, ((0, 4),), ("ordinary", "ordinary"), FIRST + 12, knows_next=True),
    Setting(512, ((0, 4),), ("ordinary", "repeated"), FIRST + 20, knows_next=True),
]


def make_world(rng: random.Random, setting: Setting) -> World:
    versions = [hashlib.sha256(f"fork {index}".encode()).digest()[:4] for index in range(6)]
    genesis_root = rng.randbytes(32)
    least = least_threshold(setting.size)
    params = EthereumParams(
        genesis_time=GENESIS,
        slot_duration_ms=SLOT_MS,
        slots_per_epoch=EPOCH_SLOTS,
        slots_per_period=PERIOD_SLOTS,
        committee_size=setting.size,
        threshold=min(setting.size, least + setting.spare),
        trusting_period_s=PERIOD_SLOTS * SLOT_MS // 1000 * 3,
        max_clock_drift_s=DRIFT,
        genesis_validators_root=genesis_root,
        forks=tuple(
            WireFork(epoch, version, WireLayout(layout))
            for (epoch, layout), version in zip(setting.forks, versions, strict=False)
        ),
    )
    network = Network(
        tuple(
            (epoch, version, layout)
            for (epoch, layout), version in zip(setting.forks, versions, strict=False)
        ),
        EPOCH_SLOTS,
        genesis_root,
    )
    committees = {
        PERIOD + offset: make_committee(f"{setting.size} of {offset}", setting.size)
        for offset in range(-1, 6)
    }
    for offset, kind in enumerate(setting.kinds):
        committees[PERIOD + offset] = KINDS[kind](committees[PERIOD + offset])
    known = committees[PERIOD + 1].root if setting.knows_next else None
    client = EthereumClient.bootstrap(params, Slot(setting.trusted_slot), committees[PERIOD].root, known)
    storage, trie = storage_proof(rng, SLOT)
    account, state = account_proof(rng, ACCOUNT, trie.root)
    return World(network, committees, client, storage, account, state.root)


# --- committees ---------------------------------------------------------------------------------------------


def _with(committee: Committee, seats: Sequence[Seat], aggregate: bytes | None = None) -> Committee:
    return Committee((*seats, *committee.seats[len(seats) :]), aggregate)


def _of_secret(secret: int) -> Seat:
    return Seat(secret % GROUP_ORDER, backend().secret_to_public(secret % GROUP_ORDER).xy)


def _repeated(committee: Committee) -> Committee:
    """Three members sit on all seats."""
    return Committee(tuple(committee.seats[place % 3] for place in range(len(committee.seats))))


def _cancelling(committee: Committee) -> Committee:
    """All but the first cancel out in pairs: without the first, infinity is left."""
    seats = [committee.seats[0], committee.seats[1], _of_secret(2 * committee.seats[1].secret)]
    seats.append(_of_secret(-3 * committee.seats[1].secret))
    for one in committee.seats[4::2]:
        seats += [one, _of_secret(-one.secret)]
    return _with(committee, seats)


def _doubling(committee: Committee) -> Committee:
    """The sum of all is the first one's negative: taking the first away doubles it."""
    first, *rest = committee.seats[:-1]
    last = -2 * first.secret - sum(item.secret for item in rest)
    return Committee((first, *rest, _of_secret(last)))


def _stray(committee: Committee) -> Committee:
    """Two members' keys are outside the subgroup; without both, what is left is inside."""
    return _with(committee, [Seat(0, pack(point)) for point in stray_points(2)])


def _impossible(committee: Committee) -> Committee:
    """Keys that are none: infinity, a coordinate not below the modulus, off the curve.

    The sum is that of the others.
    """
    x, y = split(committee.seats[3].xy)
    odd = [bytes(96), pack((x + P, y)), pack((x, y - 1 or 1)), pack((x, y + P))]
    seats = [Seat(0, xy) for xy in odd[: max(1, len(committee.seats) // 4)]]
    total = sum(item.secret for item in committee.seats[len(seats) :])
    return _with(committee, seats, backend().secret_to_public(total % GROUP_ORDER).xy)


def _claiming(change: Callable[[bytes], bytes]) -> Callable[[Committee], Committee]:
    return lambda committee: Committee(committee.seats, change(committee.aggregate))


def _over(xy: bytes) -> bytes:
    x, y = split(xy)
    return pack((x + P, y))


def _off(xy: bytes) -> bytes:
    x, y = split(xy)
    return pack((x, y ^ 1))


def _outside(xy: bytes) -> bytes:
    moved = add(split(xy), stray_points(1)[0])
    assert moved is not None
    return pack(moved)


KINDS: dict[str, Callable[[Committee], Committee]] = {
    "ordinary": lambda committee: committee,
    "repeated": _repeated,
    "cancelling": _cancelling,
    "doubling": _doubling,
    "stray": _stray,
    "impossible": _impossible,
    # The claimed sum of all keys is none, or another one.
    "over": _claiming(_over),
    "off": _claiming(_off),
    "infinite": _claiming(lambda _: bytes(96)),
    "outside": _claiming(_outside),
}


# --- drafts -------------------------------------------------------------------------------------------------


def clock(world: World) -> int:
    """A time at which signatures of the trusted period and of the next are neither late nor early."""
    slot = (world.client.state.finalized_slot // PERIOD_SLOTS + 1) * PERIOD_SLOTS + 45
    return world.client.params.timestamp_at(slot)


def pick_slot(rng: random.Random, world: World, now: int) -> int:
    trusted = world.client.state.finalized_slot
    start = trusted // PERIOD_SLOTS * PERIOD_SLOTS
    latest = (now + DRIFT - GENESIS) * 1000 // SLOT_MS
    fork = rng.choice(world.network.forks)[0] * EPOCH_SLOTS
    match rng.randrange(12):
        case 0 | 1:
            slot = trusted + rng.choice([1, 1, 2, 3, 0, -1])
        case 2 | 3:
            slot = start + PERIOD_SLOTS + rng.choice([-1, 0, 1, 2])
        case 4 | 5:
            slot = fork + rng.choice([-1, 0, 1, 2, 8])
        case 6:
            slot = latest + rng.choice([0, 1, 2])
        case 7:
            slot = rng.choice([start - 1, start, start + 2 * PERIOD_SLOTS, start + 2 * PERIOD_SLOTS - 1])
        case 8 if rng.random() < 0.3:
            slot = rng.choice([0, 1, MAX, MAX - 1, 2**63, 2**32])
        case _:
            slot = start + rng.randrange(2 * PERIOD_SLOTS)
    return min(max(slot, 0), MAX)


def make_draft(
    rng: random.Random, world: World, now: int, state_root: bytes | None = None, *, calm: bool = False
) -> Draft:
    """A draft of any slots; a calm one keeps to the rules, but for what its committee is."""
    draft = _calm_draft(rng, world, now) if calm else _wild_draft(rng, world, now)
    number_ = rng.choice([77, 78, 78, 5, 6, 0, 1, MAX])
    return replace(draft, state_root=state_root, block_number=number_, seed=str(rng.getrandbits(64)))


def _calm_draft(rng: random.Random, world: World, now: int) -> Draft:
    state = world.client.state
    start = state.finalized_slot // PERIOD_SLOTS * PERIOD_SLOTS
    end = start + PERIOD_SLOTS * (1 if state.next_committee is None else 2)
    latest = min(end - 1, (now + DRIFT - GENESIS) * 1000 // SLOT_MS)
    edges = [start + PERIOD_SLOTS, *(fork * EPOCH_SLOTS for fork, _, _ in world.network.forks)]
    chosen = rng.choice(
        [rng.randrange(state.finalized_slot, end), rng.choice(edges) + rng.choice([0, 1, 2, 8])]
    )
    signature = max(min(chosen, latest), start + 1)
    attested = max(signature - rng.choice([1, 1, 1, 2, 5]), 0)
    finalized = rng.choice([attested, attested - 8, state.finalized_slot, state.finalized_slot + 1])
    finalized = max(min(finalized, attested), 0)
    period = signature // PERIOD_SLOTS
    is_one_period = finalized // PERIOD_SLOTS == period
    shown = None
    if is_one_period and rng.random() < 0.6:
        shown = world.committees[period + 1].root if rng.random() < 0.9 else rng.randbytes(32)
    params = world.client.params
    most = params.committee_size - params.threshold
    absent = choose_places(rng, params.committee_size, rng.choice([0, 1, most, rng.randrange(most + 1)]))
    return Draft(signature, attested, finalized, absent, shown)


def _wild_draft(rng: random.Random, world: World, now: int) -> Draft:
    trusted = world.client.state.finalized_slot
    signature = pick_slot(rng, world, now)
    attested = signature - rng.choice([1, 1, 1, 1, 1, 2, 5, 5, 0, -1, PERIOD_SLOTS])
    finalized = rng.choice(
        [attested, attested - 8, attested - 8, attested - rng.randrange(64), trusted, trusted + 1]
    )
    if rng.random() < 0.03:
        finalized = attested + 1
    if rng.random() < 0.03:
        finalized = pick_slot(rng, world, now)
    attested, finalized = min(max(attested, 0), MAX), min(max(finalized, 0), MAX)
    period = signature // PERIOD_SLOTS
    shown: bytes | None = None
    if rng.random() < (0.5 if finalized // PERIOD_SLOTS == period else 0.05):
        following = world.committees.get(period + 1, world.committees[PERIOD])
        shown = rng.choice([following.root] * 9 + [rng.randbytes(32), bytes(32)])
    return Draft(signature, attested, finalized, choose_absent(rng, world), shown)


def choose_absent(rng: random.Random, world: World) -> tuple[int, ...]:
    """Places of the absent: nobody, one, as many as may be, one more, or any of them.

    Odd members sit in front.
    """
    params = world.client.params
    most = params.committee_size - params.threshold
    size = params.committee_size
    many = rng.choice([0, 0, 1, 2, most, most, most + 1, rng.randrange(most + 1), rng.randrange(size + 1)])
    if size >= 256:
        many = min(many, rng.choice([4, 4, 20, size]))
    return choose_places(rng, size, min(many, size))


def choose_places(rng: random.Random, size: int, many: int) -> tuple[int, ...]:
    front = [place for place in range(4) if rng.random() < 0.5][:many]
    rest = [place for place in range(size) if place not in front]
    return tuple(sorted(front + rng.sample(rest, many - len(front))))


def committee_of(rng: random.Random, world: World, draft: Draft) -> Committee:
    period = draft.signature_slot // PERIOD_SLOTS
    if rng.random() < 0.03:
        period += rng.choice([-1, 1])
    return world.committees.get(period, world.committees[PERIOD])


def make_signed(rng: random.Random, world: World, draft: Draft, *, calm: bool) -> bytes:
    """A draft, signed; something is changed before or after that,
    more often than not where it is not calm.
    """
    committee = committee_of(rng, world, draft)
    parts = signed_parts(draft, committee, world.network)
    present = [place not in draft.absent for place in range(len(committee.seats))]
    if rng.random() < (0.2 if calm else 0.35):
        parts |= tamper(rng, parts)
        signing = present if rng.random() < 0.8 else [rng.random() < 0.8 for _ in present]
        parts = resign(parts, committee, world.network, signing, draft.state_root)
    if rng.random() < (0.05 if calm else 0.1):
        parts |= {"signature": tamper_signature(rng, parts["signature"])}
    if rng.random() < (0.02 if calm else 0.05):
        parts |= tamper(rng, parts)
    return join(parts)


def tamper(rng: random.Random, parts: dict[str, bytes]) -> dict[str, bytes]:
    """Other parts for some."""
    match rng.randrange(10):
        case 0:
            return {"flags": bytes([parts["flags"][0] ^ 1 << rng.choice([0, 0, 1, 1, 2, 3, 7])])}
        case 1 if len(parts["siblings"]) >= 64:
            return {"siblings": shuffle(rng, parts["siblings"], 32)}
        case 2 | 3 if parts["keys"]:
            keys = [parts["keys"][at : at + 96] for at in range(0, len(parts["keys"]), 96)]
            at = rng.randrange(len(keys))
            keys[at] = tamper_key(rng, keys[at])
            return {"keys": shuffle(rng, b"".join(keys), 96) if rng.random() < 0.3 else b"".join(keys)}
        case 4:
            return {"aggregate_key": tamper_key(rng, parts["aggregate_key"])}
        case 5 if parts["absent"]:
            return {"absent": tamper_absent(rng, parts["absent"])}
        case 6:
            upper = parts["upper"]
            return {"upper": rng.choice([upper[32:], upper + rng.randbytes(32), mutate(rng, upper)])}
        case 7 if parts["fields8to15"]:
            return {"fields16to31": b"" if parts["fields16to31"] else rng.randbytes(32)}
        case 8:
            name = rng.choice(["signature_slot", "attested_slot", "finalized_slot", "epoch", "block_number"])
            if not parts[name]:
                return {}
            value = (number(parts[name]) + rng.choice([-1, 1, 8, 64, 2**32, 2**63])) % 2**64
            return {name: value.to_bytes(8, rng.choice(["little", "little", "little", "big"]))}
        case _:
            name = rng.choice([name for name in ORDER if parts[name]])
            return {name: flip(rng, parts[name]) if rng.random() < 0.7 else mutate(rng, parts[name])}


def flip(rng: random.Random, data: bytes) -> bytes:
    """Another bit somewhere: the same length."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def shuffle(rng: random.Random, data: bytes, size: int) -> bytes:
    """One piece twice, one left out, or two swapped."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    at, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    match rng.randrange(3):
        case 0:
            pieces.insert(at, pieces[at])
        case 1:
            del pieces[at]
        case _:
            pieces[at], pieces[other] = pieces[other], pieces[at]
    return b"".join(pieces)


def tamper_key(rng: random.Random, xy: bytes) -> bytes:
    x, y = split(xy)
    match rng.randrange(9):
        case 0 | 1:
            return pack((x, (P - y) % P))
        case 2:
            return pack(((x + P) % 2**384, y))
        case 3:
            return pack((x, (y + P) % 2**384))
        case 4:
            return pack((x, y ^ 1))
        case 5:
            return pack(rng.choice(stray_points(2)))
        case 6:
            return rng.choice([bytes(96), pack((x, 0)), pack((0, 2)), pack((0, P - 2)), b"\xff" * 96])
        case 7:
            return seat("stranger").xy
        case _:
            return flip(rng, xy)


def tamper_absent(rng: random.Random, marks: bytes) -> bytes:
    present = [not marks[place // 8] >> place % 8 & 1 for place in range(8 * len(marks))]
    match rng.randrange(5):
        case 0:
            return bytes(len(marks))
        case 1:
            return b"\xff" * len(marks)
        case 2:
            return encode_absent(present[::-1])
        case 3:
            absent = [place for place, bit in enumerate(present) if not bit]
            if absent:
                present[rng.choice(absent)] = True
            return encode_absent(present)
        case _:
            return flip(rng, marks)


def tamper_signature(rng: random.Random, signature: bytes) -> bytes:
    numbers = [int.from_bytes(signature[at : at + 48], "big") for at in range(0, 192, 48)]
    match rng.randrange(7):
        case 0:
            numbers[2:] = [(P - value) % P for value in numbers[2:]]
        case 1:
            at = rng.randrange(4)
            numbers[at] = (numbers[at] + P) % 2**384
        case 2:
            return bytes(192)
        case 3:
            return stray_signature()
        case 4:
            numbers[0], numbers[1] = numbers[1], numbers[0]
        case 5:
            return flip(rng, signature)
        case _:
            numbers[rng.randrange(4)] = rng.choice([0, P, P - 1, 2**384 - 1])
    return b"".join(value.to_bytes(48, "big") for value in numbers)


# --- arguments ----------------------------------------------------------------------------------------------


def make_case(rng: random.Random, world: World) -> Case:
    method = rng.choice(["storageAt", "storageAt", "update", "update", "update", "anchor", "freeze"])
    now = clock(world)
    expiry = world.client.timestamp + world.client.params.trusting_period_s
    if rng.random() < 0.08:
        now = rng.choice([expiry, expiry + 1, world.client.timestamp - 20, world.client.timestamp + 5])
    calm = rng.random() < 0.65
    data = MAKE[method](rng, world, now, calm)
    if rng.random() < (0.02 if calm else 0.1):
        data = mutate(rng, data, [world.storage, world.account])
    return cut_at_times(rng, 0.05, Case(method, data, now=now))


def make_proof(rng: random.Random, world: World, now: int, calm: bool) -> bytes:
    storage = world.storage if rng.random() < 0.9 else rng.choice([storage_case(rng, SLOT), b"\x01\x00"])
    account = world.account if rng.random() < 0.9 else grammatical_account(rng, ACCOUNT)
    proof = storage + account
    mode = rng.choice([0, 0, 0, 0, 0, 0, 0, 1, 1, 2])
    if mode:
        return bytes([mode]) + proof + (b"" if rng.random() < 0.8 else rng.randbytes(3))
    try:
        read = read_storage(proof, 0, SLOT)
        root = read_account(proof, read.end, ACCOUNT, read.root).root
    except Rejection:
        root = world.root
    return (
        bytes([0]) + proof + make_signed(rng, world, make_draft(rng, world, now, root, calm=calm), calm=calm)
    )


def make_update(rng: random.Random, world: World, now: int, calm: bool) -> bytes:
    return make_signed(rng, world, make_draft(rng, world, now, calm=calm), calm=calm)


def make_anchor(rng: random.Random, world: World, now: int, calm: bool) -> bytes:
    root = rng.randbytes(32)
    return root + make_signed(rng, world, make_draft(rng, world, now, root, calm=calm), calm=calm)


def make_misbehaviour(rng: random.Random, world: World, now: int, calm: bool) -> bytes:
    one, two = (make_draft(rng, world, now, calm=calm) for _ in range(2))
    if one.attested_slot >= one.finalized_slot and rng.random() < 0.8:
        match rng.randrange(5):
            case 0 | 1:
                two = replace(one, seed=two.seed, absent=two.absent)
            case 2:
                # The same finalized header under another attested one.
                two = replace(one, extra={"parent_root": rng.randbytes(32)})
            case 3:
                shown = rng.randbytes(32)
                two = replace(
                    one, seed=two.seed, finalized_slot=max(0, one.finalized_slot - 1), next_committee=shown
                )
            case _:
                two = replace(one, next_committee=rng.choice([rng.randbytes(32), one.next_committee, None]))
    return make_signed(rng, world, one, calm=calm) + make_signed(rng, world, two, calm=calm)


MAKE: dict[str, Callable[[random.Random, World, int, bool], bytes]] = {
    "storageAt": make_proof,
    "update": make_update,
    "anchor": make_anchor,
    "freeze": make_misbehaviour,
}


# --- calls that are believed --------------------------------------------------------------------------------


def good_drafts(world: World, state_root: bytes | None = None) -> Iterator[Draft]:
    """Drafts that move trust, as far as their committees can sign at all:
    odd members stay away where that helps.
    """
    trusted = world.client.state.finalized_slot
    following = (trusted // PERIOD_SLOTS + 1) * PERIOD_SLOTS
    for finalized in (trusted + 1, trusted, following, following + 9, following + 33):
        for signature in (finalized + 1, max(following, finalized + 1)):
            for absent in ((), (0, 1)):
                draft = Draft(signature, signature - 1, finalized, absent, None, state_root, 5)
                if signature // PERIOD_SLOTS == finalized // PERIOD_SLOTS:
                    shown = world.committees[signature // PERIOD_SLOTS + 1].root
                    yield replace(draft, next_committee=shown)
                yield draft


def sign(world: World, draft: Draft) -> bytes:
    return join(signed_parts(draft, world.committees[draft.signature_slot // PERIOD_SLOTS], world.network))


def find_update(world: World, wanted: Callable[[EthereumClient], bool]) -> Case:
    """An update that the client believes and that leads to a client as wanted."""
    return _first(world, (Case("update", sign(world, draft)) for draft in good_drafts(world)), wanted)


def find_freeze(world: World) -> Case:
    """Two finalized headers of one slot, which the client believes."""
    pairs = ((draft, replace(draft, seed="another")) for draft in good_drafts(world))
    cases = (Case("freeze", sign(world, one) + sign(world, other)) for one, other in pairs)
    return _first(world, cases, lambda after: after.state.frozen)


def find_anchor(world: World) -> Case:
    """An anchor of the world's root, with block number 5, which the client believes."""
    drafts = (
        draft for draft in good_drafts(world, world.root) if world.network.layout_at(draft.finalized_slot) > 1
    )
    cases = (Case("anchor", world.root + sign(world, draft)) for draft in drafts)
    return _first(world, cases, lambda _: True)


def _first(world: World, cases: Iterable[Case], wanted: Callable[[EthereumClient], bool]) -> Case:
    for case in cases:
        timed = replace(case, now=clock(world))
        after = leads_to(world.client, timed)
        if after is not None and wanted(after):
            return timed
    raise AssertionError("nothing of the kind is believed")


def leads_to(client: EthereumClient, case: Case) -> EthereumClient | None:
    """The client after a call that moves it, None when the call is not believed."""
    try:
        if case.method == "update":
            return client.update(case.data, Timestamp(case.now))
        if case.method == "anchor":
            return client.anchor(case.data, Timestamp(case.now))
        return client.freeze(case.data)
    except Rejection:
        return None
