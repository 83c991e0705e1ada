# SPDX-License-Identifier: MIT
"""Transactions are priced, numbered and signed, and nodes' refusals of them are told apart."""

from __future__ import annotations

import pytest
from eth_account import Account

from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call
from relayer.chains.evm.fees import FeePolicy
from relayer.chains.evm.tx import (
    Transactions,
    is_known,
    is_nonce_taken,
    is_underpriced,
    is_unfunded,
    read_sender,
)
from relayer.errors import FeeLimitReached, KeyUnavailable, Malformed, RpcRefused
from tests.unit.chains.evm.nonce_counts import KEYS, SENDERS, Counts

GWEI = 10**9
POLICY = FeePolicy(100 * GWEI, GWEI)
CALL = Call(Address(b"\x42" * 20), b"data")


async def test_a_signed_transaction_says_what_was_signed() -> None:
    transactions = Transactions(1337, KEYS, POLICY, Counts().fetch)
    signed = await transactions.prepare(Call(CALL.to, CALL.data, value_wei=3), 100_000, 10 * GWEI)
    assert signed.tx_hash == keccak256(signed.raw)
    assert bytes.fromhex(Account.recover_transaction(signed.raw)[2:]) == signed.sender
    assert read_sender(signed.raw) == (signed.sender, signed.nonce)
    assert (signed.gas, signed.max_fee_wei, signed.priority_fee_wei) == (100_000, 21 * GWEI, GWEI)


async def test_a_replacement_has_the_same_nonce_and_another_price() -> None:
    transactions = Transactions(1337, KEYS, POLICY, Counts().fetch)
    signed = await transactions.prepare(CALL, 100_000, 10 * GWEI)
    again = transactions.replace(signed, CALL, 120_000, 10 * GWEI)
    assert (again.sender, again.nonce) == (signed.sender, signed.nonce)
    assert again.max_fee_wei * 10 >= signed.max_fee_wei * 11
    assert again.tx_hash != signed.tx_hash
    assert read_sender(again.raw) == (signed.sender, signed.nonce)


async def test_bumping_ends_at_the_limit() -> None:
    transactions = Transactions(1337, KEYS, POLICY, Counts().fetch)
    signed = await transactions.prepare(CALL, 100_000, 10 * GWEI)
    for _ in range(30):
        try:
            signed = transactions.replace(signed, CALL, 100_000, 10 * GWEI)
        except FeeLimitReached:
            break
    else:
        pytest.fail("the price was raised 30 times")
    assert signed.max_fee_wei <= POLICY.max_fee_wei


async def test_a_price_above_the_limit_takes_no_nonce() -> None:
    transactions = Transactions(1337, KEYS, POLICY, Counts().fetch)
    with pytest.raises(FeeLimitReached):
        await transactions.prepare(CALL, 100_000, 101 * GWEI)
    assert all(transactions.nonces.in_flight(sender) == 0 for sender in SENDERS)


async def test_a_signature_that_fails_gives_its_nonce_back() -> None:
    class Broken:
        address = KEYS[0].address

        def sign_transaction(self, _: object) -> tuple[bytes, bytes]:
            raise KeyUnavailable("locked")

    transactions = Transactions(1337, [Broken()], POLICY, Counts().fetch)
    with pytest.raises(KeyUnavailable):
        await transactions.prepare(CALL, 100_000, GWEI)
    assert transactions.nonces.in_flight(SENDERS[0]) == 0


async def test_bytes_of_an_earlier_process_are_adopted() -> None:
    """INV-6: after a restart the nonces of rebroadcast transactions count as taken."""
    earlier = Transactions(1337, KEYS[:1], POLICY, Counts().fetch)
    raws = [(await earlier.prepare(CALL, 100_000, GWEI)).raw for _ in range(3)]
    later = Transactions(1337, KEYS[:1], POLICY, Counts().fetch)
    for raw in raws:
        later.adopt(raw)
    assert (await later.prepare(CALL, 100_000, GWEI)).nonce == 3


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02\xc0", b"\x01\xc0", b"\xf8\x00", b"\x02" + b"\xff" * 40])
def test_bytes_that_are_no_transaction_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_sender(raw)


async def test_cut_bytes_are_refused() -> None:
    raw = (await Transactions(1337, KEYS, POLICY, Counts().fetch).prepare(CALL, 100_000, GWEI)).raw
    for end in range(len(raw)):
        with pytest.raises(Malformed):
            read_sender(raw[:end])


@pytest.mark.parametrize(
    ("message", "judge"),
    [
        ("already known", is_known),
        ("Known transaction", is_known),
        ("AlreadyKnown", is_known),
        ("nonce too low: next nonce 5, tx nonce 4", is_nonce_taken),
        ("Nonce too low", is_nonce_taken),
        ("replacement transaction underpriced", is_underpriced),
        ("Replacement transaction underpriced", is_underpriced),
        ("max fee per gas less than block base fee: address 0x...", is_underpriced),
        ("Gas price below configured minimum gas price", is_underpriced),
        ("insufficient funds for gas * price + value", is_unfunded),
        ("Upfront cost exceeds account balance", is_unfunded),
    ],
)
def test_nodes_words_for_refusing_a_transaction(message: str, judge: object) -> None:
    judges = [is_known, is_nonce_taken, is_underpriced, is_unfunded]
    assert [says for says in judges if says(RpcRefused(-32000, message))] == [judge]
