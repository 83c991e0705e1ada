# SPDX-License-Identifier: MIT
from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients.errors import ProofRejected
from light_clients.proofs import mpt
from light_clients.proofs.compact import encode_account, encode_storage, read_account, read_storage
from tests.support import rlp
from tests.support.mutation import mutate
from tests.support.trie import AccountEntry, SecureTrie, State, Trie, keccak

#: Keys that share prefixes, end in one another, and sit in one branch.
keys = st.one_of(
    st.binary(max_size=6), st.text("ab", max_size=6).map(str.encode), st.sampled_from([b"", b"\x00", b"\x01"])
)
values = st.one_of(st.binary(min_size=1, max_size=4), st.binary(min_size=28, max_size=70))
words = st.one_of(st.integers(0, 300), st.integers(0, 2**256 - 1)).map(lambda n: n.to_bytes(32, "big"))


@given(st.dictionaries(keys, values, max_size=25), st.lists(keys, max_size=10), st.booleans())
def test_proofs_say_what_the_trie_holds(
    entries: dict[bytes, bytes], others: list[bytes], listed: bool
) -> None:
    trie = Trie(entries)
    for key in [*entries, *others]:
        assert mpt.verify(trie.root, key, trie.prove(key, list_embedded=listed)) == entries.get(key)


@given(st.dictionaries(keys, values, min_size=1, max_size=25), st.data())
def test_a_proof_for_one_key_never_lies_about_another(
    entries: dict[bytes, bytes], data: st.DataObject
) -> None:
    trie = Trie(entries)
    key, other = data.draw(st.sampled_from(sorted(entries))), data.draw(keys)
    try:
        assert mpt.verify(trie.root, other, trie.prove(key)) == entries.get(other)
    except ProofRejected:
        assert trie.prove(other) != trie.prove(key)


@given(st.dictionaries(words, words, max_size=40), st.lists(words, max_size=5))
def test_storage_proofs_agree_in_both_forms(entries: dict[bytes, bytes], others: list[bytes]) -> None:
    state = State({b"\x01" * 20: AccountEntry(storage=entries)})
    root = state.storages[b"\x01" * 20].root
    for slot in [*entries, *others]:
        nodes = state.prove(b"\x01" * 20, slot).storage
        expected = entries.get(slot, bytes(32))
        assert mpt.verify_storage(root, slot, nodes) == expected
        proof = encode_storage(slot, nodes)
        assert read_storage(proof, 0, slot) == (expected, root, len(proof))


@given(
    st.dictionaries(
        st.binary(min_size=20, max_size=20),
        st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**256 - 1)),
        min_size=1,
        max_size=30,
    )
)
def test_account_proofs_agree_in_both_forms(accounts: dict[bytes, tuple[int, int]]) -> None:
    state = State({address: AccountEntry(nonce, balance) for address, (nonce, balance) in accounts.items()})
    for address, (nonce, balance) in accounts.items():
        proof = state.prove(address, bytes(32))
        account = mpt.verify_account(state.root, address, proof.account)
        assert account is not None
        assert (account.nonce, account.balance) == (nonce, balance)
        encoded = encode_account(address, proof.account)
        assert read_account(encoded, 0, address, proof.storage_root) == (state.root, len(encoded))


# --- mutations: 24,000 of them, none accepted with another value --------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_mutated_proofs_of_nodes_never_prove_something_else(seed: int) -> None:
    """INV-1 rests on this: whatever a node answers, a wrong word is never believed."""
    rng = random.Random(seed)
    size = rng.choice([1, 2, 17, 300, 2000])
    trie = SecureTrie(
        {i.to_bytes(32, "big"): rlp.encode(rlp.integer(rng.randrange(1, 2**200))) for i in range(size)}
    )
    slots = [i.to_bytes(32, "big") for i in (0, rng.randrange(size), size + 5)]
    proofs = {slot: trie.prove(slot) for slot in slots}
    donors = [node for nodes in proofs.values() for node in nodes]
    refused = 0
    for _ in range(1000):
        slot = rng.choice(slots)
        nodes = list(proofs[slot])
        match rng.randrange(6):
            case 0:
                del nodes[rng.randrange(len(nodes))]
            case 1:
                nodes.insert(rng.randrange(len(nodes) + 1), rng.choice(donors))
            case 2:
                nodes = proofs[rng.choice(slots)]
            case _:
                at = rng.randrange(len(nodes))
                nodes[at] = mutate(rng, nodes[at], donors)
        try:
            value = mpt.verify_storage(trie.root, slot, nodes)
        except ProofRejected:
            refused += 1
        else:
            assert value == mpt.verify_storage(trie.root, slot, proofs[slot])
    assert refused > 500


@pytest.mark.parametrize("seed", range(12))
def test_mutated_compact_proofs_never_prove_something_else(seed: int) -> None:
    """A compact proof that leads to the right root proves the right word, whatever its bytes."""
    rng = random.Random(100 + seed)
    size = rng.choice([1, 2, 17, 300, 2000])
    trie = SecureTrie(
        {i.to_bytes(32, "big"): rlp.encode(rlp.integer(rng.randrange(1, 2**200))) for i in range(size)}
    )
    slots = [i.to_bytes(32, "big") for i in (0, rng.randrange(size), size + 5, size + 6)]
    proofs = {slot: encode_storage(slot, trie.prove(slot)) for slot in slots}
    truth = {slot: read_storage(proof, 0, slot).value for slot, proof in proofs.items()}
    refused = elsewhere = 0
    for _ in range(1000):
        slot = rng.choice(slots)
        try:
            read = read_storage(mutate(rng, proofs[slot], list(proofs.values())), 0, slot)
        except ProofRejected:
            refused += 1
            continue
        if read.root == trie.root:
            assert read.value == truth[slot]
        else:
            elsewhere += 1
    assert refused > 100
    assert elsewhere > 10


@given(st.binary(max_size=300), words)
def test_random_bytes_are_no_proof(data: bytes, slot: bytes) -> None:
    trie = Trie({keccak(slot): b"\x2a"})
    try:
        read = read_storage(data, 0, slot)
    except ProofRejected:
        return
    assert read.root != trie.root or read.value == (42).to_bytes(32, "big")
