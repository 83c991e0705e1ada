# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.errors import ProofRejected
from light_clients.proofs.compact import encode_account, encode_storage, read_account, read_storage
from tests.support import rlp
from tests.support.trie import EMPTY_ROOT, AccountEntry, SecureTrie, State, Trie, keccak

SLOT = bytes(31) + b"\x07"
KEY = keccak(SLOT)
HASH = b"\x11" * 32
ADDRESS = b"\xaa" * 20


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def raw_list(*items: bytes) -> bytes:
    payload = b"".join(items)
    return rlp.header(0xC0, len(payload)) + payload


def sibling(depth: int, ending: bytes = b"") -> bytes:
    """A hashed key that shares exactly `depth` nibbles with the slot's."""
    nibbles = KEY.hex()
    turned = f"{int(nibbles[depth], 16) ^ 1:x}"
    return bytes.fromhex((nibbles[:depth] + turned + nibbles[depth + 1 :])[: 64 - 2 * len(ending)]) + ending


def check(trie: Trie, slot: bytes, value: bytes) -> bytes:
    """Encode the slot's proof, read it back, and return the encoding."""
    proof = encode_storage(slot, trie.prove(keccak(slot)))
    assert read_storage(proof, 0, slot) == (value, trie.root, len(proof))
    assert read_storage(b"\xff" + proof + b"\xff", 1, slot) == (value, trie.root, len(proof) + 1)
    return proof


# --- every ending and every step ----------------------------------------------------------------------------


def test_a_leaf_alone() -> None:
    trie = Trie({KEY: rlp.encode(b"\x2a")})
    assert check(trie, SLOT, word(42)) == b"\x00\x00\x01\x2a"


@pytest.mark.parametrize(
    "value", [b"\x01", b"\x7f", b"\x80", b"\xff", b"\x01\x00", b"\x7f" * 32, b"\xff" * 32]
)
def test_values_of_every_length(value: bytes) -> None:
    trie = Trie({KEY: rlp.encode(value), sibling(0): b"\x01", sibling(3): rlp.encode(HASH)})
    proof = check(trie, SLOT, value.rjust(32, b"\0"))
    assert proof[0] == 0


def test_an_empty_trie() -> None:
    assert check(Trie({}), SLOT, word(0)) == b"\x04"
    assert encode_storage(SLOT, [b"\x80"]) == b"\x04"
    assert read_storage(b"\x04", 0, SLOT).root == EMPTY_ROOT


def test_an_empty_place() -> None:
    nibble = KEY[0] >> 4
    trie = Trie({bytes([(nibble ^ other) << 4]) + bytes(31): b"\x01" for other in (1, 2)})
    proof = check(trie, SLOT, word(0))
    assert proof[:3] == b"\x01\x01\x01"


def test_an_empty_place_in_an_otherwise_full_branch() -> None:
    nibble = KEY[0] >> 4
    trie = Trie({bytes([(nibble ^ other) << 4]) + bytes(31): rlp.encode(HASH) for other in range(1, 16)})
    proof = check(trie, SLOT, word(0))
    assert proof[:3] == b"\x01\x01\x00"
    assert len(proof) == 3 + 15 * 32


def test_another_leaf() -> None:
    trie = Trie({sibling(5): rlp.encode(HASH)})
    proof = check(trie, SLOT, word(0))
    assert proof[:2] == b"\x02\x00"
    trie = Trie({sibling(5): b"\x01", sibling(1): b"\x01"})
    assert check(trie, SLOT, word(0))[:2] == b"\x02\x02"


def test_another_extension() -> None:
    entries = {sibling(3): rlp.encode(HASH), sibling(3, b"\xee"): rlp.encode(HASH)}
    assert check(Trie(entries), SLOT, word(0))[:2] == b"\x03\x00"
    assert check(Trie(entries | {sibling(0): b"\x01"}), SLOT, word(0))[:2] == b"\x03\x01"


def test_another_extension_over_an_embedded_node() -> None:
    entries = {sibling(3, b"\x10"): b"\x01", sibling(3, b"\x20"): b"\x01"}
    proof = check(Trie(entries), SLOT, word(0))
    assert proof[:2] == b"\x03\x00"
    child = proof[4 + proof[2] :]
    assert len(child) == proof[3 + proof[2]] < 32


def test_full_sparse_and_extension_steps() -> None:
    entries = {sibling(depth): rlp.encode(HASH) for depth in (0, 4, 9)} | {KEY: rlp.encode(HASH)}
    proof = check(Trie(entries), SLOT, HASH)
    assert proof[35:].count(b"\x01") >= 3
    assert b"\x83" in proof[35:]
    assert b"\x84" in proof[35:]
    full = {bytes([i << 4]) + bytes(31): rlp.encode(HASH) for i in range(16) if i != KEY[0] >> 4}
    assert check(Trie(full | {KEY: b"\x05"}), SLOT, word(5))[4] == 0


def test_embedded_children_beside_the_path() -> None:
    entries = {sibling(62): b"\x01", KEY: rlp.encode(HASH), sibling(61, b""): b"\x02"}
    proof = check(Trie(entries), SLOT, HASH)
    assert proof[35] == 2
    assert proof[1] == 63


def test_embedded_nodes_on_the_path() -> None:
    entries = {sibling(63): b"\x01", KEY: b"\x02", sibling(62): b"\x03", sibling(60): rlp.encode(HASH)}
    assert check(Trie(entries), SLOT, word(2))[1] == 64
    nodes = Trie(entries).prove(KEY)
    listed = Trie(entries).prove(KEY, list_embedded=True)
    assert len(listed) > len(nodes)
    assert encode_storage(SLOT, listed) == encode_storage(SLOT, nodes)


def test_a_leaf_at_the_greatest_depth() -> None:
    entries = {sibling(depth): b"\x01" for depth in range(64)} | {KEY: rlp.encode(HASH)}
    proof = check(Trie(entries), SLOT, HASH)
    assert proof[:2] == b"\x00\x40"


def test_accounts() -> None:
    accounts = {bytes([i]) * 20: AccountEntry(i, i * 10**18) for i in range(60)}
    accounts |= {ADDRESS: AccountEntry(2**64 - 1, 2**256 - 1, HASH, {SLOT: HASH})}
    state = State(accounts)
    for address in accounts:
        proof = state.prove(address, SLOT)
        encoded = encode_account(address, proof.account)
        assert read_account(encoded, 0, address, proof.storage_root) == (state.root, len(encoded))
        assert read_account(encoded, 0, address, HASH).root != state.root


def test_an_absent_account_is_never_encoded() -> None:
    state = State({bytes([i]) * 20: AccountEntry(i) for i in range(20)})
    with pytest.raises(ProofRejected, match="account is absent"):
        encode_account(ADDRESS, state.trie.prove(ADDRESS))
    with pytest.raises(ProofRejected, match="ends before"):
        encode_account(ADDRESS, [])


# --- what the reader refuses --------------------------------------------------------------------------------

EXTENSION_PATH = bytes.fromhex("1" + f"{int(KEY.hex()[0], 16) ^ 1:x}")
LONG_LEAF = bytes.fromhex("20") + sibling(0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"\x05\x00", "ends in another way"),
        (b"\x00", "cut short"),
        (b"\x00\x41\x01\x01", "begins too deep"),
        (b"\x00\x00", "cut short"),
        (b"\x00\x00\x00", "another length"),
        (b"\x00\x00\x21" + HASH + b"\x11", "another length"),
        (b"\x00\x00\x02\x01", "cut short"),
        (b"\x00\x00\x01\x00", "leading zero"),
        (b"\x00\x00\x02\x00\x01", "leading zero"),
        (b"\x01", "cut short"),
        (b"\x01\x00", "in no branch"),
        (b"\x01\x01", "cut short"),
        (b"\x01\x01\x81", "not in a branch"),
        (b"\x01\x01\x03", "not in a branch"),
        (b"\x02\x00" + LONG_LEAF[:-1], "cut short"),
        (b"\x02\x00" + LONG_LEAF, "cut short"),
        (b"\x02\x00" + LONG_LEAF + b"\x00", "not canonical RLP"),
        (b"\x02\x00" + LONG_LEAF + b"\x01", "cut short"),
        (b"\x02\x00" + LONG_LEAF + b"\x02\x81\x01", "not canonical RLP"),
        (b"\x02\x00" + LONG_LEAF + b"\x02\x01\x01", "another shape"),
        (b"\x02\x00" + LONG_LEAF + b"\x01\xc0", "another shape"),
        (b"\x02\x00" + LONG_LEAF + b"\x22\xa1" + HASH + b"\x11", "another shape"),
        (b"\x02\x00\x20" + KEY + b"\x01\x01", "does not exclude"),
        (b"\x02\x00\x00" + sibling(0) + b"\x01\x01", "does not exclude"),
        (b"\x02\x00\x31" + sibling(0) + b"\x01\x01", "does not exclude"),
        (b"\x02\x00\x21" + sibling(0) + b"\x01\x01", "padding"),
        (b"\x02\x00\x40" + sibling(0) + b"\x01\x01", "another flag"),
        (b"\x03\x00\x00", "another flag"),
        (b"\x03\x00\x01\x00\x20" + HASH, "empty path"),
        (b"\x03\x00\x01\x20\x20" + HASH, "does not exclude"),
        (b"\x03\x00\x01" + bytes([0x10 | KEY[0] >> 4]) + b"\x20" + HASH, "does not exclude"),
        (b"\x03\x40\x01\x15\x20" + HASH, "does not exclude"),
        (b"\x03\x00\x22\x00" + sibling(0) + b"\x00\x20" + HASH, "does not exclude"),
        (b"\x03\x00\x01" + EXTENSION_PATH + b"\x00", "embedded node has another length"),
        (b"\x03\x00\x01" + EXTENSION_PATH + b"\x21" + HASH + b"\x00", "embedded node has another length"),
        (b"\x03\x00\x01" + EXTENSION_PATH + b"\x1f" + HASH[:31], "embedded node has another length"),
        (b"\x03\x00\x01" + EXTENSION_PATH + b"\x03\xc1\x01\x01", "embedded node has another length"),
        (b"\x03\x00\x01" + EXTENSION_PATH + b"\x01\x80", "embedded node has another length"),
        (b"\x03\x00\x01" + EXTENSION_PATH + b"\x20" + HASH[:31], "cut short"),
        (b"\x00\x01\x01\x01", "cut short"),
        (b"\x00\x01\x01\x01\x00" + bytes(479), "cut short"),
        (b"\x00\x01\x01\x01\x01\x00", "cut short"),
        (b"\x00\x01\x01\x01\x01\xff\xff" + bytes(512), "has a child twice"),
        (b"\x00\x01\x01\x01\x02" + b"\x00\x00\xff\xff" + b"\xc0" * 16, "has a child twice"),
        (b"\x00\x01\x01\x01\x03", "no known kind"),
        (b"\x00\x01\x01\x01\x7f", "no known kind"),
        (b"\x00\x01\x01\x01\x80", "no known kind"),
        (b"\x00\x01\x01\x01\xc0", "no known kind"),
        (b"\x00\x01\x01\x01\x82", "longer than the key"),
    ],
)
def test_malformed_storage_proofs_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProofRejected, match=reason):
        read_storage(data, 0, SLOT)


@pytest.mark.parametrize("first", [0x80, 0xBF, 0xDF, 0xF8, 0x00])
def test_embedded_children_of_other_kinds_are_refused(first: int) -> None:
    free = 0 if KEY[0] >> 4 else 1
    mask = (0x8000 >> free).to_bytes(2, "big")
    with pytest.raises(ProofRejected, match="not a short list"):
        read_storage(b"\x00\x01\x01\x01\x02\x00\x00" + mask + bytes([first]) + bytes(40), 0, SLOT)
    with pytest.raises(ProofRejected, match="has a child twice"):
        read_storage(b"\x00\x01\x01\x01\x02" + mask + mask + HASH + b"\xc0", 0, SLOT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x41\x02\x80\x80" + HASH, "begins too deep"),
        (b"\x00\x01\x80" + HASH, "nonce and balance"),
        (b"\x00\x2c" + bytes(44) + HASH, "nonce and balance"),
        (b"\x00\x02\x80\x80" + HASH[:31], "cut short"),
        (b"\x00\x02\x80", "cut short"),
        (b"\x00", "cut short"),
        (b"\x01\x02\x80\x80" + HASH, "cut short"),
    ],
)
def test_malformed_account_proofs_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProofRejected, match=reason):
        read_account(data, 0, ADDRESS, EMPTY_ROOT)


# --- what the encoder refuses -------------------------------------------------------------------------------


def test_values_that_no_storage_trie_has_are_not_encoded() -> None:
    wide = raw_list(rlp.encode(b"\x20" + sibling(0)), rlp.encode(rlp.encode(bytes(40))))
    with pytest.raises(ProofRejected, match="another shape"):
        encode_storage(SLOT, [wide])


def test_the_encoding_is_much_smaller_than_the_nodes() -> None:
    trie = SecureTrie({word(i): rlp.encode(HASH) for i in range(2000)})
    nodes = trie.prove(SLOT)
    assert len(encode_storage(SLOT, nodes)) < 0.93 * sum(map(len, nodes))
