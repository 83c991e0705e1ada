# SPDX-License-Identifier: MIT
"""What a light client of a Clique chain is asked: good runs of headers, and such as break one rule.

What breaks a rule is broken before it is sealed, and the blocks behind it are built on what was sealed: a
rule that only one side knows would otherwise hide behind a bad seal or a wrong parent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from light_clients.client import Height, Timestamp
from light_clients.clique.client import CliqueClient, CliqueParams
from light_clients.errors import Rejection
from light_clients.proofs.compact import read_account, read_storage
from tests.differential.clients import ACCOUNT, SLOT, Case, cut_at_times
from tests.differential.compact_cases import account_proof, storage_proof
from tests.support import rlp
from tests.support.bft import Validator, validator
from tests.support.clique import ADD, Chain, Draft, Sealed, signer_keys, wire_run, wire_set
from tests.support.mutation import mutate
from tests.support.trie import EMPTY_ROOT

TRUSTED_TIME, TRUSTED_HEIGHT = 1_700_000_000, 10
PERIOD, DRIFT = 1000, 15
NOW = TRUSTED_TIME + 100
STRANGER = validator("stranger")

#: The ways in which one header of a run is broken. "none" is no way.
BREAKS = (
    "difficulty",
    "out of turn",
    "too soon",
    "stranger",
    "zero signature",
    "high s",
    "gap",
    "time",
    "parent",
    "listed",
    "epoch votes",
    "epoch adds",
    "mix hash",
    "ommers",
    "index",
    "flags",
    "parity",
    "tail",
    "genesis",
    "fields",
)


@dataclass(frozen=True)
class World:
    """A client of a chain. `storage` and `account` are good proofs that lead to `root`, which is anchored."""

    keys: dict[bytes, Validator]
    signers: list[bytes]
    client: CliqueClient
    storage: bytes
    account: bytes
    root: bytes

    @property
    def depth(self) -> int:
        return len(self.signers) // 2 + 1 + self.client.params.extra_depth


def make_world(rng: random.Random, count: int, epoch: int, extra_depth: int) -> World:
    start = rng.randrange(1000)
    keys = signer_keys(count + 4, start)
    signers = sorted(rng.sample(sorted(keys), count))
    params = CliqueParams(epoch, extra_depth, PERIOD, DRIFT)
    client = CliqueClient.bootstrap(params, signers, Height(TRUSTED_HEIGHT), Timestamp(TRUSTED_TIME))
    storage, trie = storage_proof(rng, SLOT)
    account, state = account_proof(rng, ACCOUNT, trie.root)
    return World(keys, signers, client, storage, account, state.root)


def make_chain(
    rng: random.Random,
    world: World,
    number: int | None = None,
    timestamp: int | None = None,
    signers: Sequence[bytes] | None = None,
) -> Chain:
    at = rng.choice([1, 5, 9, 10, 11, 12, 13, 30]) if number is None else number
    late = [TRUSTED_TIME] * 3 + [NOW, NOW + DRIFT, NOW + DRIFT + 1, TRUSTED_TIME - 1]
    time = rng.choice(late) if timestamp is None else timestamp
    chain = Chain(
        rng, world.keys, world.signers if signers is None else signers, at, world.client.params.epoch, time
    )
    bloom = rng.randbytes(256) if rng.random() < 0.1 else bytes(256)
    tails: list[tuple[bytes, ...]] = [(), (b"\x07",), (b"", EMPTY_ROOT), (b"\xff" * 32, b"\x01" * 32)]
    chain.next = replace(
        chain.next,
        bloom=bloom,
        tail=rng.choice(tails),
        gas_limit=rng.choice([0, 1, 127, 128, 30_000_000, 2**64 - 1]),
        gas_used=rng.choice([0, 21_000]),
        transactions_root=rng.choice([EMPTY_ROOT, rng.randbytes(32)]),
        vanity=rng.choice([bytes(32), rng.randbytes(32)]),
    )
    return chain


def make_case(rng: random.Random, world: World) -> Case:
    method = rng.choice(["storageAt", "storageAt", "update", "update", "update", "anchor", "freeze"])
    make = {
        "storageAt": make_proof,
        "update": make_update,
        "anchor": make_anchor,
        "freeze": make_misbehaviour,
    }
    data = make[method](rng, world)
    if rng.random() < 0.06:
        data = mutate(rng, data, [world.storage, world.account])
    now = rng.choice([NOW] * 12 + [TRUSTED_TIME + PERIOD, TRUSTED_TIME + PERIOD + 1, TRUSTED_TIME - 20])
    return cut_at_times(rng, 0.05, Case(method, data, now=now))


# --- runs ---------------------------------------------------------------------------------------------------


def break_block(rng: random.Random, chain: Chain, what: str) -> Sealed:  # noqa: C901, PLR0912  one case a rule
    """The next block of a chain, broken in one way and sealed all the same."""
    signer = chain.choose()
    draft = chain.draft(signer)
    is_epoch = draft.number % chain.snapshot.epoch == 0
    other = rng.choice(sorted(chain.keys))
    match what:
        case "difficulty":
            draft = replace(draft, difficulty=rng.choice([0, 3 - draft.difficulty, 3, 257]))
        case "out of turn":
            waiting = [
                one for one in chain.snapshot.may_seal() if not chain.snapshot.in_turn(draft.number, one)
            ]
            signer = rng.choice(waiting or [signer])
            draft = chain.draft(signer)
        case "too soon":
            signer = rng.choice(chain.snapshot.recent[-(len(chain.snapshot.signers) // 2) :] or [signer])
            if signer in chain.snapshot.signers:
                draft = chain.draft(signer)
        case "stranger":
            return draft.seal(rng.choice([STRANGER, chain.keys[other]]))
        case "zero signature":
            return Sealed(draft, signer, bytes(rng.choice([32, 0])).ljust(65, b"\0"))
        case "high s":
            return draft.seal(chain.keys[signer], high_s=True)
        case "gap":
            draft = replace(draft, number=draft.number + rng.choice([1, -1, 2]))
            # The rules of the number that it has are kept.
            chain.next = replace(chain.next, number=max(draft.number, 0))
            draft = chain.draft(signer)
        case "time":
            draft = replace(draft, timestamp=max(0, draft.timestamp - rng.choice([1, 1000, 0])))
        case "parent":
            draft = replace(draft, parent_hash=rng.randbytes(32))
        case "listed":
            lists = [(), tuple(chain.snapshot.signers), tuple(chain.snapshot.signers[1:]), (other,)]
            draft = replace(draft, listed=rng.choice(lists))
        case "epoch votes" if is_epoch:
            draft = replace(draft, beneficiary=other)
        case "epoch adds" if is_epoch:
            draft = replace(draft, nonce=ADD, beneficiary=rng.choice([other, bytes(20)]))
        case "mix hash":
            draft = replace(draft, mix_hash=rng.randbytes(32))
        case "ommers":
            draft = replace(draft, ommers=rng.randbytes(32))
        case "genesis":
            chain.next = replace(chain.next, number=0)
            draft = chain.draft(signer)
        case "fields":
            draft = _other_fields(rng, draft)
    return draft.seal(chain.keys[signer])


def _other_fields(rng: random.Random, draft: Draft) -> Draft:
    """Fields that no rule is about: the block is as good as before."""
    bloom = bytearray(256)
    bloom[rng.randrange(256)] = 1
    nobody: tuple[bytes, bytes] = (bytes(20), ADD)
    vote = nobody if draft.listed == () and rng.random() < 0.3 else (draft.beneficiary, draft.nonce)
    return replace(
        draft,
        vanity=rng.choice([bytes(32), rng.randbytes(32)]),
        bloom=bytes(bloom),
        receipts_root=rng.randbytes(32),
        gas_used=rng.getrandbits(64),
        tail=rng.choice(
            [(), (b"\x01",), (rlp.integer(rng.getrandbits(256)), b"\x01" * 32, b"", b"", bytes(32))]
        ),
        beneficiary=vote[0],
        nonce=vote[1],
    )


def break_bytes(rng: random.Random, data: bytes, what: str, count: int) -> bytes:
    """A header's bytes, broken in a way that only the wire has."""
    flags, index = data[0], data[1]
    match what:
        case "index":
            index = rng.choice([count, 255, (index + 1) % max(count, 1)])
        case "flags":
            flags ^= 1 << rng.randrange(8)
        case "parity":
            flags ^= 1
        case "tail":
            return data[:-64] + rng.choice([b"\x00", b"\x80", rng.randbytes(3)]) + data[-64:]
    return bytes((flags, index)) + data[2:]


def extend(
    rng: random.Random,
    chain: Chain,
    count: int,
    votes: dict[int, tuple[bytes, bool]] | None = None,
    break_share: float = 0.35,
) -> tuple[list[bytes], list[Sealed]]:
    """Seal `count` blocks, one of them broken for a share of all runs. Returns them as they are sent, too."""
    what = rng.choice(BREAKS) if rng.random() < break_share else "none"
    place = rng.randrange(count) if count else 0
    if what in {"listed", "epoch votes", "epoch adds"} and rng.random() < 0.8:
        epochs = [at for at in range(count) if (chain.next.number + at) % chain.snapshot.epoch == 0]
        place = rng.choice(epochs or [place])
    sets, blocks = [], []
    for at in range(count):
        sets.append(tuple(chain.snapshot.signers))
        if at == place and what != "none":
            blocks.append(chain.append(break_block(rng, chain, what)))
        else:
            blocks.append(chain.mine((votes or {}).get(at)))
    data = wire_run(blocks, sets)
    if data:
        data[place] = break_bytes(rng, data[place], what, len(sets[place]))
    return data, blocks


def make_run(
    rng: random.Random, world: World, chain: Chain | None = None, root: bytes | None = None
) -> bytes:
    """A header and those that stand on it; without its state root when that is given here."""
    chain = make_chain(rng, world) if chain is None else chain
    count = max(1, world.depth + 1 + rng.choice([0] * 12 + [-1, 1, -2]))
    if root is None:
        return b"".join(extend(rng, chain, count)[0])
    first = chain.choose()
    sets = [tuple(chain.snapshot.signers)]
    blocks = [chain.append(replace(chain.draft(first), state_root=root).seal(chain.keys[first]))]
    rest, _ = extend(rng, chain, count - 1)
    # Of the rest none is the first, so it lacks the parent's hash.
    rest = [data if at else data[:2] + data[34:] for at, data in enumerate(rest)]
    if rest:
        rest[0] = _with_vanity(rest[0], blocks[0].draft.vanity)
    return b"".join([*wire_run(blocks, sets, rooted=False), *rest])


def _with_vanity(data: bytes, vanity: bytes) -> bytes:
    """The bytes of a header that was written as a first one, where another with this vanity precedes it."""
    if data[0] & 8 or vanity == bytes(32):
        return data
    at = 66 + (64 if data[0] & 2 else 0) + (256 if data[0] & 4 else 0)
    return bytes((data[0] | 8,)) + data[1:at] + bytes(32) + data[at:]


def signer_set(rng: random.Random, signers: Sequence[bytes]) -> bytes:
    """The trusted set as it is sent, or nearly."""
    listed = list(signers)
    match rng.randrange(40):
        case 0:
            rng.shuffle(listed)
        case 1:
            listed.pop()
        case 2:
            listed.append(rng.randbytes(20))
    return wire_set(listed)


# --- arguments ----------------------------------------------------------------------------------------------


def make_proof(rng: random.Random, world: World) -> bytes:
    proof = world.storage + world.account
    mode = rng.choice([0, 0, 0, 0, 0, 1, 2])
    if mode:
        return bytes([mode]) + proof + (b"" if rng.random() < 0.8 else rng.randbytes(3))
    try:
        read = read_storage(proof, 0, SLOT)
        root = read_account(proof, read.end, ACCOUNT, read.root).root
    except Rejection:
        root = world.root
    return bytes([0]) + proof + signer_set(rng, world.signers) + make_run(rng, world, root=root)


def make_anchor(rng: random.Random, world: World) -> bytes:
    return signer_set(rng, world.signers) + make_run(rng, world)


def anchor_of(world: World) -> bytes:
    """An anchor of the world's root, at height 5."""
    rng = random.Random(5)
    chain = Chain(rng, world.keys, world.signers, 5, world.client.params.epoch, TRUSTED_TIME - 50)
    sets, blocks = [], []
    for at in range(world.depth + 1):
        sets.append(tuple(chain.snapshot.signers))
        signer = chain.choose()
        draft = chain.draft(signer)
        draft = draft if at else replace(draft, state_root=world.root)
        blocks.append(chain.append(draft.seal(chain.keys[signer])))
    return wire_set(world.signers) + b"".join(wire_run(blocks, sets))


def make_misbehaviour(rng: random.Random, world: World) -> bytes:
    number = rng.choice([5, 9, 11, 12])
    one = make_chain(rng, world, number)
    match rng.randrange(8):
        case 0:
            run = make_run(rng, world, one)
            return signer_set(rng, world.signers) + run + run
        case 1:
            other = make_chain(rng, world, number + 1)
        case _:
            other = make_chain(rng, world, number)
    first, second = (
        b"".join(extend(rng, chain, world.depth + 1, break_share=0.2)[0]) for chain in (one, other)
    )
    return signer_set(rng, world.signers) + first + second


def make_update(rng: random.Random, world: World) -> bytes:
    """A renewal, a change by votes, or one that an epoch block shows, with about as many headers as it
    takes.
    """
    epoch = world.client.params.epoch
    form = rng.choice([0, 0, 0, 1, 1]) if rng.random() < 0.98 else rng.choice([2, 255])
    signers, number = list(world.signers), rng.choice([11, 11, 12, 17, 10, 9, 3])
    if form == 1:
        joining = [key for key in world.keys if key not in signers]
        signers = sorted(
            [*signers[rng.choice([0, 0, 1, 2]) :], *rng.sample(joining, rng.choice([0, 1, 1, 2]))]
            or signers[:1]
        )
        number = -(-number // epoch) * epoch + (0 if rng.random() < 0.93 else 1)
    chain = make_chain(rng, world, number, signers=signers)
    votes: dict[int, tuple[bytes, bool]] = {}
    wanted = rng.choice([0, 0, 1, 1, 2])
    lead = 0
    for _ in range(wanted):
        candidate = rng.choice(sorted(world.keys) if rng.random() < 0.95 else [bytes(20)])
        add = candidate not in signers if rng.random() < 0.9 else rng.random() < 0.5
        for at in range(lead, lead + len(signers) // 2 + rng.choice([1, 1, 1, 2, 3])):
            if rng.random() < 0.95:
                votes[at] = (candidate, add if rng.random() < 0.97 else not add)
        lead = max(votes, default=0) + rng.choice([1, 1, 0, 3])
    depth = len(signers) // 2 + 1 + world.client.params.extra_depth
    count = max(0, lead + depth + rng.choice([0, 1, 1, 1, 2, 3, 4]))
    data, _ = extend(rng, chain, count, votes, break_share=0.2)
    sent = count if rng.random() < 0.97 else rng.choice([0, count + 1, max(0, count - 1)])
    start = bytes((form,))
    if form == 1:
        start += signer_set(rng, signers)
    return signer_set(rng, world.signers) + start + bytes((sent,)) + b"".join(data)
