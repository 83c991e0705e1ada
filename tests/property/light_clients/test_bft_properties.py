# SPDX-License-Identifier: MIT
"""INV-7 under mutation: what a BFT client believes is what its validators sealed, whatever the bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients.bft.client import BftClient, BftKind, BftParams, quorum, set_hash
from light_clients.bft.codec import (
    encode_anchor,
    encode_header,
    encode_misbehaviour,
    encode_proof,
    encode_update,
)
from light_clients.bft.header import BftHeader
from light_clients.bft.reader import read_header
from light_clients.client import Height, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import QuorumNotReached, Rejection
from tests.support.bft import FORK_TAILS, Draft, validators
from tests.support.mutation import mutate
from tests.support.trie import AccountEntry, State, keccak

NOW = Timestamp(1_700_000_000)
ACCOUNT = b"\xaa" * 20
u64 = st.integers(0, 2**64 - 1)
hashes = st.binary(min_size=32, max_size=32)
blooms = st.lists(st.integers(0, 2047), max_size=60).map(
    lambda bits: sum({1 << bit for bit in bits}).to_bytes(256, "big")
)

drafts = st.builds(
    Draft,
    kind=st.sampled_from(BftKind),
    members=st.integers(1, 9).map(validators),
    number=st.integers(1, 2**64 - 1),
    timestamp=u64,
    state_root=hashes,
    parent_hash=hashes,
    beneficiary=st.binary(min_size=20, max_size=20),
    transactions_root=hashes,
    receipts_root=hashes,
    bloom=blooms,
    gas_limit=u64,
    gas_used=u64,
    vanity=st.one_of(st.just(bytes(32)), hashes),
    vote=st.none() | st.tuples(st.binary(min_size=20, max_size=20), st.sampled_from([b"\xff", b""])),
    round=st.integers(0, 2**31 - 1),
    tail=st.sampled_from(list(FORK_TAILS.values()))
    | st.just((b"\x09", b"\x01" * 32, b"\x05", b"", b"\x02" * 32, b"\x03" * 32)),
)


@given(drafts)
def test_headers_keep_their_hashes_over_the_wire(made: Draft) -> None:
    header = made.header()
    assert header == BftHeader.from_rpc(made.rpc(), made.kind)
    assert header.block_hash == made.block_hash()
    cursor = Cursor(encode_anchor(header))
    read = read_header(cursor, made.kind)
    cursor.finish()
    assert read.preimage.block_hash() == made.block_hash()
    assert read.preimage.commit_seal_hash() == made.seal_hash()
    assert (read.number, read.timestamp, read.state_root) == (made.number, made.timestamp, made.state_root)
    assert read.set_hash == set_hash(made.addresses())
    assert read.sealers.bit_count() == quorum(len(made.members))


@given(st.integers(1, 25), st.data())
def test_a_set_change_is_encoded_exactly_when_a_quorum_of_both_sets_sealed(
    n: int, data: st.DataObject
) -> None:
    trusted = validators(n)
    staying = data.draw(st.lists(st.sampled_from(trusted), unique=True), label="staying")
    joining = validators(data.draw(st.integers(0 if staying else 1, 6)), start=100)
    new = [*staying, *joining]
    subsets = st.sets(st.sampled_from(new))
    sealings = data.draw(st.lists(subsets, min_size=1, max_size=3), label="sealings")
    headers = [
        Draft(BftKind.QBFT, new, sealers=sealers, number=11 + i, timestamp=NOW).header()
        for i, sealers in enumerate(sealings)
    ]
    old = [member.address for member in trusted]
    client = BftClient.bootstrap(BftParams(BftKind.QBFT, 1000, 15), old, Height(10), NOW)
    union = set().union(*sealings)
    own = all(len(sealers) >= quorum(len(new)) for sealers in sealings)
    same = [member.address for member in new] == old
    possible = own and (same or len(union & set(trusted)) >= quorum(n))
    try:
        moved = client.update(encode_update(old, headers), NOW)
    except QuorumNotReached:
        # Within the set the last header is enough, so only that one's seals matter.
        assert not possible
        assert not same or len(sealings[-1]) < quorum(n)
    else:
        assert moved.state.set_hash == set_hash([member.address for member in new])
        assert moved.state.height == 10 + len(headers)


@pytest.mark.parametrize("kind", list(BftKind))
@pytest.mark.parametrize("seed", range(4))
def test_mutated_proofs_never_prove_something_else(kind: BftKind, seed: int) -> None:
    """8 × 500 mutations; a change that is believed (another good seal, say) proves the same."""
    rng = random.Random(seed)
    members = validators(rng.choice([1, 4, 7]))
    slots = [i.to_bytes(32, "big") for i in range(60)]
    storage = {slot: rng.randbytes(32) for slot in slots[:40]}
    accounts = {bytes([i]) * 20: AccountEntry(i) for i in range(40)} | {
        ACCOUNT: AccountEntry(1, 2, keccak(b"x"), storage)
    }
    state = State(accounts)
    client = BftClient.bootstrap(BftParams(kind, 1000, 15), [m.address for m in members], Height(1), NOW)
    made = Draft(
        kind, members, number=5, timestamp=NOW, state_root=state.root, bloom=bytes(200) + rng.randbytes(56)
    )
    header = made.header()
    proofs = {}
    for slot in rng.sample(slots, 4):
        nodes = state.prove(ACCOUNT, slot)
        proofs[slot] = encode_proof(nodes.storage, nodes.account, header, ACCOUNT, slot)
        assert client.storage_at(proofs[slot], ACCOUNT, slot, NOW).value == storage.get(slot, bytes(32))
    refused = 0
    for _ in range(500):
        slot = rng.choice(list(proofs))
        try:
            found = client.storage_at(mutate(rng, proofs[slot], list(proofs.values())), ACCOUNT, slot, NOW)
        except Rejection:
            refused += 1
        else:
            assert (found.value, found.height, found.timestamp) == (storage.get(slot, bytes(32)), 5, NOW)
    assert refused > 450


@pytest.mark.parametrize("seed", range(4))
def test_mutated_updates_never_move_the_client_elsewhere(seed: int) -> None:
    """4 × 500 mutations of updates, anchors and misbehaviour."""
    rng = random.Random(seed)
    old, new = validators(4), validators(4, start=1)
    client = BftClient.bootstrap(BftParams(BftKind.QBFT, 1000, 15), [m.address for m in old], Height(1), NOW)
    made = Draft(BftKind.QBFT, new, number=5, timestamp=NOW)
    addresses = [member.address for member in old]
    update = encode_update(addresses, [made.header()])
    moved = client.update(update, NOW)
    own = Draft(BftKind.QBFT, old, number=5, timestamp=NOW).header()
    anchor, anchored = encode_anchor(own), client.anchor(encode_anchor(own), NOW)
    honest = encode_misbehaviour(own, Draft(BftKind.QBFT, old, number=5, timestamp=NOW, round=1).header())
    every = encode_header(own, with_state_root=True, seals=own.sealers())
    refused = 0
    for _ in range(500):
        try:
            match rng.randrange(3):
                case 0:
                    assert client.update(mutate(rng, update, [every]), NOW) == moved
                case 1:
                    assert client.anchor(mutate(rng, anchor, [every]), NOW) == anchored
                case _:
                    client.freeze(mutate(rng, honest, [every]))
                    pytest.fail("honest headers froze the client")
        except Rejection:
            refused += 1
    assert refused > 400


@given(st.binary(max_size=600))
def test_random_bytes_are_refused(data: bytes) -> None:
    client = BftClient.bootstrap(BftParams(BftKind.QBFT, 1000, 15), [b"\x01" * 20], Height(1), NOW)
    for refused in (
        lambda: client.storage_at(data, ACCOUNT, bytes(32), NOW),
        lambda: client.update(data, NOW),
        lambda: client.anchor(data, NOW),
        lambda: client.freeze(data),
    ):
        with pytest.raises(Rejection):
            refused()
