# SPDX-License-Identifier: MIT
"""Transactions of both types are signed by keys of any library, and read back from their bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account

from light_clients.codec import rlp
from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, GasPrice
from relayer.chains.evm.signed import read_call, read_price, read_signed
from relayer.chains.evm.signers import as_signer
from relayer.chains.evm.tx import TransactionSigner
from relayer.errors import KeyUnavailable, Malformed
from relayer.keys import Key

GWEI = 10**9
SECRET = bytes(31) + b"\7"
CALL = Call(Address(b"\x42" * 20), b"\x01\x02data", value_wei=3)
CREATION = Call(Address(b""), b"init code")
PRICES = [
    GasPrice(20 * GWEI, GWEI),
    GasPrice(0, 0),
    GasPrice(5, 5, is_legacy=True),
    GasPrice(0, 0, is_legacy=True),
]
SIGNERS = [Key("seven", SECRET), Account.from_key(SECRET)]


def sign(signer: Any, price: GasPrice, call: Call = CALL, nonce: int = 9, chain_id: int = 1337) -> bytes:
    keys = TransactionSigner(chain_id, [signer])
    (sender,) = keys.senders
    signed = keys.sign(sender, nonce, call, 100_000, price)
    assert signed.tx_hash == keccak256(signed.raw)
    assert (signed.sender, signed.nonce, signed.gas) == (sender, nonce, 100_000)
    return signed.raw


@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("call", [CALL, CREATION])
@pytest.mark.parametrize("nonce", [0, 9, 2**63])
def test_what_is_signed_is_read_back(price: GasPrice, call: Call, nonce: int) -> None:
    raw = sign(SIGNERS[0], price, call, nonce)
    signed = read_signed(raw)
    assert bytes.fromhex(Account.recover_transaction(raw)[2:]) == signed.sender
    assert (signed.sender, signed.nonce) == (SIGNERS[0].address, nonce)
    assert read_price(raw) == price
    assert read_call(raw) == Call(call.to, call.data, 100_000, call.value_wei)
    assert (signed.max_fee_wei, signed.priority_fee_wei) == (price.max_wei, price.priority_wei)


@pytest.mark.parametrize("price", PRICES)
@pytest.mark.parametrize("call", [CALL, CREATION])
@pytest.mark.parametrize("chain_id", [1, 1337, 2**40])
def test_eth_accounts_local_account_signs_the_same_bytes(price: GasPrice, call: Call, chain_id: int) -> None:
    """Its address is text, and what it returns is an object."""
    ours, theirs = (sign(signer, price, call, 9, chain_id) for signer in SIGNERS)
    assert ours == theirs


@pytest.mark.parametrize("price", PRICES[1:3])
def test_cut_and_changed_bytes_are_refused_or_another_accounts(price: GasPrice) -> None:
    raw = sign(SIGNERS[0], price)
    for end in range(len(raw)):
        with pytest.raises(Malformed):
            read_signed(raw[:end])
        assert read_call(raw[:end]) is None
    sender = read_signed(raw).sender
    for at in range(len(raw)):
        changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        try:
            assert read_signed(changed).sender != sender
        except Malformed:
            continue


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", b"\x01\xc0", b"\xf8\x00", b"\x02" + b"\xff" * 40])
def test_bytes_that_are_no_transaction_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_signed(raw)


def test_bytes_that_every_chain_takes_are_refused() -> None:
    items = rlp.decode(sign(SIGNERS[0], PRICES[2]))
    assert isinstance(items, list)
    for v in (b"\x1b", b"\x1c", b""):
        with pytest.raises(Malformed, match="chain id"):
            read_signed(rlp.encode([*items[:6], v, *items[7:]]))


def with_sign(answer: Any, address: Any = "0x" + "11" * 20) -> Any:
    return SimpleNamespace(address=address, sign_transaction=lambda _: answer)


@pytest.mark.parametrize(
    "candidate",
    [
        object(),
        "0x" + "11" * 20,
        SimpleNamespace(address="0x" + "11" * 20),
        with_sign(None, address="0x1234"),
        with_sign(None, address="eleven"),
        with_sign(None, address=bytes(19)),
        with_sign(None, address=None),
    ],
)
def test_what_is_no_key_is_refused_by_name(candidate: Any) -> None:
    with pytest.raises(KeyUnavailable, match=type(candidate).__name__) as caught:
        TransactionSigner(1337, [candidate])
    assert "sign_transaction" in str(caught.value)


@pytest.mark.parametrize("answer", [None, b"raw", (), ("0x12",), SimpleNamespace(raw_transaction="0x12")])
def test_what_signs_nothing_is_refused(answer: Any) -> None:
    with pytest.raises(KeyUnavailable, match="no signed bytes"):
        sign(with_sign(answer), PRICES[0])


def test_a_key_that_signs_another_transaction_is_refused() -> None:
    """What is broadcast must be what the journal holds: the account and the nonce, above all."""
    key = SIGNERS[0]
    address = "0x" + key.address.hex()
    for price, nonce, by in [
        (PRICES[0], 8, key),
        (PRICES[2], 9, key),
        (PRICES[0], 9, Key("other", bytes(31) + b"\1")),
    ]:
        raw = sign(by, price, nonce=nonce)
        with pytest.raises(KeyUnavailable, match="another transaction"):
            sign(with_sign(SimpleNamespace(raw_transaction=raw), address), PRICES[0])
    with pytest.raises(KeyUnavailable, match="signed a transaction"):
        sign(with_sign((b"\x02\xc0", bytes(32)), address), PRICES[0])


def test_a_signer_is_adapted_whatever_its_address_is_written_in() -> None:
    account = Account.from_key(SECRET)
    assert as_signer(account).address == as_signer(SIGNERS[0]).address == SIGNERS[0].address
