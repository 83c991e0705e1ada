# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Callable

import pytest

from light_clients.errors import ProofRejected
from light_clients.hashing import EMPTY_TRIE_ROOT
from light_clients.proofs import mpt
from tests.support import rlp
from tests.support.trie import EMPTY_CODE, AccountEntry, SecureTrie, State, Trie, keccak

HASH = b"\x11" * 32
KEY = bytes.fromhex("a1b2")


def verify_one(node: bytes, key: bytes = KEY, *more: bytes) -> bytes | None:
    """Verify against the node's own hash, so that nothing but the node's form can be wrong."""
    return mpt.verify(keccak(node), key, [node, *more])


def raw_list(*items: bytes) -> bytes:
    payload = b"".join(items)
    return rlp.header(0xC0, len(payload)) + payload


def branch(children: dict[int, bytes], value: bytes = b"\x80") -> bytes:
    return raw_list(*(children.get(i, b"\x80") for i in range(16)), value)


# --- what is proven -----------------------------------------------------------------------------------------


def test_the_empty_trie_holds_nothing() -> None:
    assert mpt.verify(EMPTY_TRIE_ROOT, KEY, []) is None
    assert mpt.verify(EMPTY_TRIE_ROOT, KEY, [b"\x80"]) is None


@pytest.mark.parametrize("nodes", [[], [b"\x80"]])
def test_another_trie_is_not_the_empty_one(nodes: list[bytes]) -> None:
    with pytest.raises(ProofRejected, match="empty trie"):
        mpt.verify(HASH, KEY, nodes)


def test_a_single_leaf_is_found_and_excludes_all_else() -> None:
    trie = Trie({KEY: b"value"})
    assert mpt.verify(trie.root, KEY, trie.prove(KEY)) == b"value"
    for other in (b"", b"\xa1", b"\xa1\xb3", b"\xa1\xb2\x00", b"\xb1\xb2"):
        assert mpt.verify(trie.root, other, trie.prove(other)) is None


def test_values_in_branches_are_found() -> None:
    trie = Trie({b"a": b"1", b"ab": b"2", b"abc": b"3" * 40, b"b": b"4"})
    for key, value in trie.entries.items():
        assert mpt.verify(trie.root, key, trie.prove(key)) == value
    for absent in (b"", b"abcd", b"ac", b"c", b"bb"):
        assert mpt.verify(trie.root, absent, trie.prove(absent)) is None


def test_an_empty_place_in_a_branch_excludes() -> None:
    trie = Trie({bytes([i]) * 3: bytes(40) for i in (0x10, 0x20, 0x30)})
    proof = trie.prove(b"\x40\x40\x40")
    assert len(proof) == 1
    assert mpt.verify(trie.root, b"\x40\x40\x40", proof) is None


def test_an_extension_that_leads_elsewhere_excludes() -> None:
    trie = Trie({b"\x12\x34\x50": bytes(40), b"\x12\x34\x60": bytes(40)})
    assert mpt.verify(trie.root, b"\x12\x35\x50", trie.prove(b"\x12\x35\x50")) is None


def test_an_extension_longer_than_the_key_excludes() -> None:
    trie = Trie({b"\x12\x34\x50": bytes(40), b"\x12\x34\x60": bytes(40)})
    assert mpt.verify(trie.root, b"\x12", trie.prove(b"\x12")) is None


@pytest.mark.parametrize("list_embedded", [False, True])
def test_embedded_nodes_may_be_listed_or_not(list_embedded: bool) -> None:
    trie = Trie({b"a": b"a", b"b": b"b", b"c": b"c"})
    proof = trie.prove(b"b", list_embedded=list_embedded)
    assert len(proof) == (3 if list_embedded else 1)
    assert mpt.verify(trie.root, b"b", proof) == b"b"


# --- what is refused ----------------------------------------------------------------------------------------


def test_a_proof_against_another_root_is_refused() -> None:
    trie = Trie({KEY: b"value"})
    with pytest.raises(ProofRejected, match="node 0 of the proof has another hash"):
        mpt.verify(HASH, KEY, trie.prove(KEY))


def big_trie() -> SecureTrie:
    return SecureTrie({i.to_bytes(32, "big"): rlp.encode(rlp.integer(i + 1)) for i in range(400)})


SLOT = (7).to_bytes(32, "big")


def test_a_truncated_proof_is_refused_also_for_absent_keys() -> None:
    trie = big_trie()
    for slot in (SLOT, (10**9).to_bytes(32, "big")):
        proof = trie.prove(slot)
        for kept in range(len(proof)):
            with pytest.raises(ProofRejected, match=r"ends before its key|empty trie"):
                mpt.verify(trie.root, keccak(slot), proof[:kept])


def test_unused_nodes_are_refused() -> None:
    trie = big_trie()
    proof = trie.prove(SLOT)
    with pytest.raises(ProofRejected, match="unused nodes"):
        mpt.verify(trie.root, keccak(SLOT), [*proof, proof[-1]])
    with pytest.raises(ProofRejected, match="unused nodes"):
        mpt.verify(trie.root, keccak(SLOT), [*proof, b""])


def test_the_proof_of_another_key_is_refused_or_says_absent_only_where_that_is_true() -> None:
    trie = big_trie()
    for i in range(0, 400, 7):
        other = (i + 1).to_bytes(32, "big")
        if trie.prove(other) != trie.prove(i.to_bytes(32, "big")):
            with pytest.raises(ProofRejected):
                mpt.verify(trie.root, keccak(other), trie.prove(i.to_bytes(32, "big")))


LEAF_PATH = rlp.encode(bytes.fromhex("20a1b2"))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (b"\x83abc", "not exactly one RLP list"),
        (b"", "not canonical RLP"),
        (raw_list(LEAF_PATH, b"\x01") + b"\x00", "not exactly one RLP list"),
        (b"\xf8\x05" + LEAF_PATH + b"\x01", "not canonical RLP"),
        (b"\xc7" + LEAF_PATH + b"\x01", "not canonical RLP"),
        (raw_list(LEAF_PATH), "another number of items"),
        (raw_list(LEAF_PATH, b"\x01", b"\x01"), "another number of items"),
        (raw_list(*[b"\x80"] * 16), "another number of items"),
        (raw_list(*[b"\x80"] * 18), "another number of items"),
        (raw_list(LEAF_PATH, b"\x81\x01"), "not canonical RLP"),
        (raw_list(LEAF_PATH, b"\xa0\x01"), "last item is cut short"),
        (raw_list(LEAF_PATH, b"\x83\x01"), "not canonical RLP"),
        (raw_list(b"\x81\x20", b"\x01"), "not canonical RLP"),
        (raw_list(rlp.encode(b"\x40\xa1\xb2"), b"\x01"), "another flag"),
        (raw_list(rlp.encode(b"\xf0\xa1\xb2"), b"\x01"), "another flag"),
        (raw_list(b"\x80", b"\x01"), "another flag"),
        (raw_list(rlp.encode(b"\x21\xa1\xb2"), b"\x01"), "padding is not zero"),
        (raw_list(rlp.encode(b"\x01\xa1"), b"\xa0" + HASH), "padding is not zero"),
        (raw_list(b"\x00", b"\xa0" + HASH), "empty path"),
        (raw_list(b"\xc1\x20", b"\x01"), "list stands where a string"),
        (raw_list(LEAF_PATH, b"\xc1\x01"), "list stands where a string"),
        (raw_list(LEAF_PATH, b"\x80"), "empty value"),
        (raw_list(b"\x1a", b"\x80"), "neither a hash nor a node"),
        (raw_list(b"\x1a", b"\x9f" + HASH[:31]), "neither a hash nor a node"),
        (raw_list(b"\x1a", b"\xa1" + HASH + b"\x11"), "neither a hash nor a node"),
        (raw_list(b"\x1a", raw_list(LEAF_PATH, rlp.encode(bytes(28)))), "embedded node is too long"),
        (raw_list(b"\x1a", b"\xc3\x81\x01\x01"), "embedded node is not canonical RLP"),
        (branch({3: b"\x01"}), "neither a hash nor a node"),
        (branch({3: b"\xa1" + HASH + b"\x11"}), "neither a hash nor a node"),
        (branch({3: raw_list(LEAF_PATH, rlp.encode(bytes(28)))}), "embedded node is too long"),
        (branch({3: b"\xc2\x81\x01"}), "embedded node is not canonical RLP"),
        (branch({3: b"\xa0" + HASH}, b"\xc1\x01"), "list stands where a string"),
    ],
)
def test_malformed_nodes_are_refused(node: bytes, reason: str) -> None:
    with pytest.raises(ProofRejected, match=reason):
        verify_one(node)


def full(**changes: Callable[[bytes], bytes]) -> bytes:
    node = branch({i: b"\xa0" + bytes([i]) * 32 for i in range(16)})
    for change in changes.values():
        node = change(node)
    return node


@pytest.mark.parametrize(
    "node",
    [
        full(tag=lambda node: node[:3] + b"\xa1" + node[4:]),
        full(tag=lambda node: node[:36] + b"\x9f" + node[37:]),
        full(value=lambda node: node[:-1] + b"\x81"),
        full(value=lambda node: node[:-1] + b"\xc0"),
        full(header=lambda node: b"\xf9\x02\x10" + node[3:]),
        full(header=lambda node: b"\xf9\x02\x12" + node[3:]),
        full(header=lambda node: b"\xfa\x00\x02\x11" + node[3:]),
    ],
)
def test_a_branch_that_is_almost_full_is_refused(node: bytes) -> None:
    with pytest.raises(ProofRejected):
        verify_one(node, KEY, b"")


def test_a_full_branch_may_have_a_value() -> None:
    node = branch({i: b"\xa0" + bytes([i]) * 32 for i in range(16)}, b"\x05")
    assert verify_one(node, b"") == b"\x05"
    assert verify_one(full(), b"") is None


def test_a_short_node_by_hash_is_refused() -> None:
    leaf = raw_list(b"\x31", b"\x01")
    node = branch({0xA: b"\xa0" + keccak(leaf)})
    with pytest.raises(ProofRejected, match="short enough to be embedded"):
        mpt.verify(keccak(node), b"\xa1", [node, leaf])


# --- accounts and storage -----------------------------------------------------------------------------------

ADDRESS = b"\xaa" * 20
CODE_HASH = keccak(b"code")
STATE = State(
    {
        ADDRESS: AccountEntry(5, 10**18, CODE_HASH, {SLOT: (9).to_bytes(32, "big"), HASH: HASH}),
        b"\xbb" * 20: AccountEntry(0, 0),
        b"\xcc" * 20: AccountEntry(2**64 - 1, 2**256 - 1),
    }
)


def test_accounts_are_read() -> None:
    found = mpt.verify_account(STATE.root, ADDRESS, STATE.prove(ADDRESS, SLOT).account)
    assert found == mpt.AccountState(5, 10**18, STATE.storages[ADDRESS].root, CODE_HASH)
    largest = mpt.verify_account(STATE.root, b"\xcc" * 20, STATE.prove(b"\xcc" * 20, SLOT).account)
    assert largest == mpt.AccountState(2**64 - 1, 2**256 - 1, EMPTY_TRIE_ROOT, EMPTY_CODE)


def test_an_absent_account_is_none_and_an_absent_slot_zero() -> None:
    stranger = b"\xdd" * 20
    assert mpt.verify_account(STATE.root, stranger, STATE.prove(stranger, SLOT).account) is None
    missing = b"\x22" * 32
    proof = STATE.prove(ADDRESS, missing)
    assert mpt.verify_storage(proof.storage_root, missing, proof.storage) == bytes(32)
    assert mpt.verify_storage(EMPTY_TRIE_ROOT, missing, []) == bytes(32)


def test_words_are_padded() -> None:
    proof = STATE.prove(ADDRESS, SLOT)
    assert mpt.verify_storage(proof.storage_root, SLOT, proof.storage) == (9).to_bytes(32, "big")
    proof = STATE.prove(ADDRESS, HASH)
    assert mpt.verify_storage(proof.storage_root, HASH, proof.storage) == HASH


@pytest.mark.parametrize(
    "value",
    [
        b"\x80",
        b"\x00",
        b"\x82\x00\x01",
        b"\x81\x05",
        b"\xa1" + b"\x01" * 33,
        b"\xc1\x01",
        b"\x01\x01",
        b"\xa0" + bytes(32),
        b"\xa0" + HASH[:31],
    ],
)
def test_storage_values_of_another_shape_are_refused(value: bytes) -> None:
    trie = SecureTrie({SLOT: value})
    with pytest.raises(ProofRejected, match="storage value"):
        mpt.verify_storage(trie.root, SLOT, trie.prove(SLOT))


@pytest.mark.parametrize(
    "fields",
    [
        [b"\x05", b"\x01", HASH],
        [b"\x05", b"\x01", HASH, HASH, b""],
        [b"\x00", b"\x01", HASH, HASH],
        [b"\x05", b"\x00\x01", HASH, HASH],
        [b"\x01" * 9, b"\x01", HASH, HASH],
        [b"\x05", b"\x01" * 33, HASH, HASH],
        [b"\x05", b"\x01", HASH[:31], HASH],
        [b"\x05", b"\x01", HASH, HASH + b"\x01"],
        [b"\x05", [b"\x01"], HASH, HASH],
        b"\x05\x01",
    ],
)
def test_accounts_of_another_shape_are_refused(fields: rlp.Item) -> None:
    trie = SecureTrie({ADDRESS: rlp.encode(fields)})
    with pytest.raises(ProofRejected, match=r"account|integer"):
        mpt.verify_account(trie.root, ADDRESS, trie.prove(ADDRESS))


def test_an_account_with_bytes_behind_it_is_refused() -> None:
    trie = SecureTrie({ADDRESS: rlp.encode([b"", b"", HASH, HASH]) + b"\x00"})
    with pytest.raises(ProofRejected, match="not canonical RLP"):
        mpt.verify_account(trie.root, ADDRESS, trie.prove(ADDRESS))


def test_tries_of_hashed_keys_have_no_paths_of_other_lengths_and_no_values_in_branches() -> None:
    path = keccak(SLOT)
    short = raw_list(rlp.encode(b"\x20" + path[:31]), b"\x01")
    with pytest.raises(ProofRejected, match="a length that no key has"):
        mpt.verify_storage(keccak(short), SLOT, [short])
    assert mpt.verify(keccak(short), path, [short]) is None
    valued = branch({}, b"\x05")
    with pytest.raises(ProofRejected, match="only leaves can end"):
        mpt.verify_storage(keccak(valued), SLOT, [valued])
    long_extension = raw_list(rlp.encode(b"\x00" + path + b"\x00"), b"\xa0" + HASH)
    with pytest.raises(ProofRejected, match="a length that no key has"):
        mpt.verify_storage(keccak(long_extension), SLOT, [long_extension])
    below = raw_list(rlp.encode(b"\x00" + path), b"\xa0" + keccak(full()))
    with pytest.raises(ProofRejected, match="only leaves can end"):
        mpt.verify_storage(keccak(below), SLOT, [below, full()])
