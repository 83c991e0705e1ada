# SPDX-License-Identifier: MIT
"""Keystores: encrypted, private, never overwritten, and never told."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from light_clients.hashing import keccak256
from relayer.errors import KeyUnavailable
from relayer.keys import SCRYPT_N_DEVNET, Key, KeyStore, read_password, sign_transaction

PRIVATE = "4c0883a69102937d6231471b5dbb6204fe512961708279f8c5a3e1b2d7f4c9a1"
PASSWORD = "correct horse"


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


def make(store: KeyStore, name: str = "relayer") -> Key:
    store.import_private_key(name, PRIVATE, PASSWORD, scrypt_n=SCRYPT_N_DEVNET)
    return store.unlock(name, PASSWORD)


CALL: dict[str, Any] = {
    "chainId": 1337,
    "nonce": 7,
    "to": b"\x11" * 20,
    "value": 3,
    "data": b"\x01\x02",
    "gas": 50_000,
}
DYNAMIC = CALL | {"maxFeePerGas": 10, "maxPriorityFeePerGas": 1}
TRANSACTIONS: dict[str, dict[str, Any]] = {
    "type 2": DYNAMIC | {"type": 2},
    "type 2, not named": DYNAMIC,
    "legacy": CALL | {"gasPrice": 10},
    "free gas": CALL | {"gasPrice": 0},
    "large": DYNAMIC | {"data": bytes(range(256)) * 300, "nonce": 2**32, "value": 10**24, "chainId": 2**40},
}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_an_imported_key_signs_as_eth_account_does(store: KeyStore, name: str) -> None:
    key, transaction = make(store), TRANSACTIONS[name]
    raw, tx_hash = key.sign_transaction(transaction)
    expected = Account.from_key("0x" + PRIVATE).sign_transaction(dict(transaction))
    assert (raw, tx_hash) == (bytes(expected.raw_transaction), bytes(expected.hash))
    assert bytes.fromhex(Account.recover_transaction(raw)[2:]) == key.address


@pytest.mark.parametrize("price", [{"gasPrice": 1}, {"maxFeePerGas": 10, "maxPriorityFeePerGas": 1}])
def test_a_creation_has_no_recipient_and_may_leave_out_the_value(price: dict[str, int]) -> None:
    fields = {"chainId": 5, "nonce": 0, "gas": 50_000, "data": b"\x60", **price}
    expected = Account.sign_transaction({**fields, "to": b"", "value": 0}, PRIVATE)
    assert sign_transaction(fields, bytes.fromhex(PRIVATE))[0] == bytes(expected.raw_transaction)


@given(numbers=st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6), data=st.binary(max_size=80))
def test_any_transaction_is_signed_as_by_eth_account(numbers: list[int], data: bytes) -> None:
    names = ("nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "chainId")
    transaction = dict(zip(names, numbers, strict=True)) | {"data": data, "to": b"\x22" * 20}
    expected = Account.sign_transaction(dict(transaction), PRIVATE)
    assert sign_transaction(transaction, bytes.fromhex(PRIVATE))[0] == bytes(expected.raw_transaction)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"type": 1}, "expected type 2"),
        ({"accessList": []}, "accessList"),
        ({"gasPrice": 1}, "expected type 0"),
        ({"to": b"\x11" * 19}, "recipient of 19 bytes"),
        ({"nonce": -1}, "at least 0"),
    ],
)
def test_what_is_no_transaction_is_not_signed(change: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        sign_transaction(DYNAMIC | change, bytes.fromhex(PRIVATE))


def test_a_transaction_without_a_price_is_not_signed() -> None:
    with pytest.raises(ValueError, match="maxFeePerGas"):
        sign_transaction(CALL, bytes.fromhex(PRIVATE))


def test_a_new_key_is_random_and_opens_with_its_password_only(store: KeyStore) -> None:
    first = store.new("a", PASSWORD, scrypt_n=SCRYPT_N_DEVNET)
    second = store.new("b", PASSWORD, scrypt_n=SCRYPT_N_DEVNET)
    assert first.address != second.address
    assert store.unlock("a", PASSWORD).address == first.address
    with pytest.raises(KeyUnavailable, match="the password does not open"):
        store.unlock("a", PASSWORD + " ")


def test_files_are_private_standard_and_encrypted(store: KeyStore) -> None:
    make(store)
    path = store.directory / "relayer.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert [item.name for item in store.directory.iterdir()] == ["relayer.json"]
    text = path.read_text()
    assert PRIVATE not in text
    assert json.loads(text)["crypto"]["kdf"] == "scrypt"
    assert Account.decrypt(text, PASSWORD).hex().removeprefix("0x") == PRIVATE


def test_a_key_is_never_overwritten(store: KeyStore) -> None:
    make(store)
    before = (store.directory / "relayer.json").read_bytes()
    with pytest.raises(KeyUnavailable, match="already"):
        store.new("relayer", PASSWORD, scrypt_n=SCRYPT_N_DEVNET)
    assert (store.directory / "relayer.json").read_bytes() == before
    assert [item.name for item in store.directory.iterdir()] == ["relayer.json"]


def test_a_keystore_of_another_wallet_is_imported(store: KeyStore, tmp_path: Path) -> None:
    foreign = tmp_path / "UTC--foreign"
    foreign.write_text(
        json.dumps(Account.encrypt(bytes.fromhex(PRIVATE), "old", kdf="pbkdf2", iterations=1000))
    )
    store.import_keystore("moved", foreign, "old", PASSWORD, scrypt_n=SCRYPT_N_DEVNET)
    assert store.unlock("moved", PASSWORD).address == make(store).address


def test_a_key_shows_nothing_and_cannot_be_copied_out(store: KeyStore) -> None:
    key = make(store)
    number = str(int(PRIVATE, 16))
    for shown in (repr(key), str(key), f"{key}", repr([key]), str(vars(Key))):
        assert PRIVATE not in shown.lower()
        assert number not in shown
    assert not hasattr(key, "__dict__")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(key)


@pytest.mark.parametrize("text", ["", "0x", PRIVATE[:-1], PRIVATE + "0", "g" * 64, "0" * 64, "f" * 64])
def test_what_is_no_private_key_is_refused_without_being_repeated(store: KeyStore, text: str) -> None:
    with pytest.raises(KeyUnavailable) as caught:
        store.import_private_key("bad", text, PASSWORD)
    assert "no private key" in str(caught.value)
    if len(text) > 4:
        assert text not in str(caught.value)


@pytest.mark.parametrize("name", ["", "../escape", "A", "a/b", "-a", "a" * 65, "a.json"])
def test_names_stay_inside_the_folder(store: KeyStore, name: str) -> None:
    with pytest.raises(KeyUnavailable, match="can't name a key"):
        store.new(name, PASSWORD)


def test_an_empty_password_is_refused(store: KeyStore) -> None:
    with pytest.raises(KeyUnavailable, match="empty"):
        store.new("a", "")
    assert store.list() == ()


def test_a_missing_key_names_those_there_are(store: KeyStore) -> None:
    make(store, "alpha")
    with pytest.raises(KeyUnavailable, match="alpha"):
        store.find("beta")


def test_a_keystore_whose_address_was_changed_is_refused(store: KeyStore) -> None:
    make(store)
    path = store.directory / "relayer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"address": "11" * 20}))
    with pytest.raises(KeyUnavailable, match="claims 0x1111"):
        store.unlock("relayer", PASSWORD)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 3}', '{"version": 1, "crypto": {}, "address": "00"}']
)
def test_a_file_that_is_no_keystore_is_told_by_its_name(store: KeyStore, content: str) -> None:
    store.directory.mkdir()
    (store.directory / "odd.json").write_text(content)
    with pytest.raises(KeyUnavailable, match=r"odd\.json"):
        store.list()


def test_a_keystore_that_holds_no_private_key_is_refused(store: KeyStore, tmp_path: Path) -> None:
    """A keystore of 31 bytes, whole by its own checksum."""
    content = Account.encrypt(bytes.fromhex(PRIVATE), "old", kdf="pbkdf2", iterations=1000)
    crypto = content["crypto"]
    salt, ciphertext = bytes.fromhex(crypto["kdfparams"]["salt"]), bytes.fromhex(crypto["ciphertext"])[:31]
    derived = hashlib.pbkdf2_hmac("sha256", b"old", salt, 1000)
    crypto |= {"ciphertext": ciphertext.hex(), "mac": keccak256(derived[16:32] + ciphertext).hex()}
    foreign = tmp_path / "short"
    foreign.write_text(json.dumps(content))
    with pytest.raises(KeyUnavailable, match="damaged"):
        store.import_keystore("moved", foreign, "old", PASSWORD)


@pytest.mark.parametrize("part", ["ciphertext", "cipherparams", "kdfparams", "mac", "kdf", "cipher"])
def test_a_damaged_keystore_is_refused(store: KeyStore, part: str) -> None:
    make(store)
    path = store.directory / "relayer.json"
    content = json.loads(path.read_text())
    del content["crypto"][part]
    path.write_text(json.dumps(content))
    with pytest.raises(KeyUnavailable, match="damaged"):
        store.unlock("relayer", PASSWORD)


def test_passwords_come_from_the_environment_a_file_or_a_question(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from file\nsecond line\n")
    assert read_password(variable="PW", environment={"PW": "from env"}) == "from env"
    assert read_password(file=file) == "from file"
    assert read_password(ask=lambda: "asked") == "asked"


def test_a_source_without_a_password_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    with pytest.raises(KeyUnavailable, match="PW is not set"):
        read_password(variable="PW", environment={})
    with pytest.raises(KeyUnavailable, match="is empty"):
        read_password(file=empty)
    with pytest.raises(KeyUnavailable, match="can't be read"):
        read_password(file=tmp_path / "none")
    with pytest.raises(KeyUnavailable, match="no terminal"):
        read_password()
