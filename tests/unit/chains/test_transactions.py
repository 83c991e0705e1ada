"""Prices, nonces and signatures; nothing talks here."""

from __future__ import annotations

import asyncio

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, TxHash
from relayer.chains.evm.fees import FeePolicy, Fees, compute_bumped_fees, compute_fees
from relayer.chains.evm.nonces import NonceManager
from relayer.chains.evm.tx import (
    Transactions,
    is_known,
    is_nonce_taken,
    is_underpriced,
    is_unfunded,
    read_sender,
)
from relayer.errors import FeeLimitReached, KeyUnavailable, Malformed, RpcRefused
from relayer.keys import Key

GWEI = 10**9
POLICY = FeePolicy(100 * GWEI, GWEI)
KEYS = [Key(f"key{n}", bytes(31) + bytes([n])) for n in (1, 2, 3)]
SENDERS = [Address(key.address) for key in KEYS]
CALL = Call(Address(b"\x42" * 20), b"data")


# --- prices -------------------------------------------------------------------------------------------------


def test_the_offer_has_room_for_the_base_fee_to_double() -> None:
    assert compute_fees(10 * GWEI, POLICY) == Fees(21 * GWEI, GWEI)
    assert compute_fees(0, POLICY) == Fees(GWEI, GWEI)


def test_near_the_limit_the_tip_shrinks_first() -> None:
    assert compute_fees(99 * GWEI, POLICY) == Fees(100 * GWEI, GWEI)
    assert compute_fees(100 * GWEI, POLICY) == Fees(100 * GWEI, 0)


def test_above_the_limit_the_message_waits() -> None:
    with pytest.raises(FeeLimitReached, match="max_fee"):
        compute_fees(100 * GWEI + 1, POLICY)


@given(st.integers(0, 200 * GWEI), st.integers(0, 200 * GWEI), st.integers(1, 120 * GWEI))
def test_a_replacement_offers_a_tenth_more_and_stays_below_the_limit(
    before: int, base_fee: int, most: int
) -> None:
    policy = FeePolicy(most, GWEI)
    offered = Fees(before, min(before, GWEI))
    try:
        found = compute_bumped_fees(offered, base_fee, policy)
    except FeeLimitReached:
        assert base_fee > most or before * 9 // 8 + 2 > most
        return
    assert found.max_wei * 10 >= offered.max_wei * 11
    assert found.priority_wei * 10 >= offered.priority_wei * 11
    assert found.priority_wei <= found.max_wei <= most
    assert found.max_wei >= base_fee


# --- nonces -------------------------------------------------------------------------------------------------


class Counts:
    """The chain's transaction counts."""

    def __init__(self, **counts: int) -> None:
        self.counts = dict.fromkeys(SENDERS, 0)
        self.asked = 0
        del counts

    async def fetch(self, sender: Address) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        return self.counts[sender]


def hash_of(number: int) -> TxHash:
    return TxHash(number.to_bytes(32))


async def test_nonces_follow_each_other_without_gap_or_reuse() -> None:
    counts = Counts()
    counts.counts[SENDERS[0]] = 5
    nonces = NonceManager(SENDERS[:1], counts.fetch)
    taken = await asyncio.gather(*(nonces.take() for _ in range(20)))
    assert sorted(nonce for _, nonce in taken) == list(range(5, 25))
    assert counts.asked == 1


async def test_the_least_busy_account_is_taken() -> None:
    nonces = NonceManager(SENDERS, Counts().fetch)
    taken = [await nonces.take() for _ in range(9)]
    assert all(sum(sender == each for sender, _ in taken) == 3 for each in SENDERS)
    for number, (sender, nonce) in enumerate(taken):
        nonces.record(sender, nonce, hash_of(number))
    nonces.settle(hash_of(7))
    sender, nonce = await nonces.take()
    assert (sender, nonce) == (taken[7][0], 3)


async def test_a_nonce_given_back_is_taken_again_first() -> None:
    nonces = NonceManager(SENDERS[:1], Counts().fetch)
    taken = [await nonces.take() for _ in range(4)]
    nonces.give_back(*taken[2])
    nonces.give_back(*taken[1])
    assert [await nonces.take() for _ in range(3)] == [taken[1], taken[2], (SENDERS[0], 4)]


async def test_giving_back_twice_or_what_was_never_taken_changes_nothing() -> None:
    nonces = NonceManager(SENDERS[:1], Counts().fetch)
    sender, nonce = await nonces.take()
    nonces.give_back(sender, nonce)
    nonces.give_back(sender, nonce)
    nonces.give_back(sender, 77)
    nonces.give_back(Address(b"\1" * 20), 0)
    assert [await nonces.take() for _ in range(2)] == [(sender, 0), (sender, 1)]


async def test_a_lagging_provider_cannot_have_a_nonce_used_twice() -> None:
    """INV-2, INV-6: what we know to be included is never signed again."""
    counts = Counts()
    nonces = NonceManager(SENDERS[:1], counts.fetch)
    sender, nonce = await nonces.take()
    nonces.record(sender, nonce, hash_of(1))
    nonces.settle(hash_of(1))
    assert await nonces.take() == (sender, 1)


async def test_another_user_of_the_key_is_noticed_between_our_transactions() -> None:
    counts = Counts()
    nonces = NonceManager(SENDERS[:1], counts.fetch)
    sender, nonce = await nonces.take()
    nonces.record(sender, nonce, hash_of(1))
    nonces.settle(hash_of(1))
    counts.counts[sender] = 9
    assert await nonces.take() == (sender, 9)


async def test_an_adopted_transaction_keeps_its_nonce() -> None:
    """INV-6: what an earlier process signed and the journal broadcasts again is not signed over."""
    nonces = NonceManager(SENDERS[:1], Counts().fetch)
    nonces.adopt(SENDERS[0], 0, hash_of(1))
    nonces.adopt(SENDERS[0], 1, hash_of(2))
    nonces.adopt(SENDERS[0], 1, hash_of(2))
    assert nonces.in_flight(SENDERS[0]) == 2
    assert await nonces.take() == (SENDERS[0], 2)
    nonces.settle(hash_of(2))
    assert nonces.in_flight(SENDERS[0]) == 1


async def test_a_replacement_settles_with_the_transaction_it_replaces() -> None:
    nonces = NonceManager(SENDERS[:1], Counts().fetch)
    sender, nonce = await nonces.take()
    nonces.record(sender, nonce, hash_of(1))
    nonces.record(sender, nonce, hash_of(2))
    nonces.settle(hash_of(2))
    assert nonces.find(hash_of(1)) is None
    assert nonces.in_flight(sender) == 0


async def test_an_account_that_cannot_pay_is_left_alone_while_others_can() -> None:
    nonces = NonceManager(SENDERS[:2], Counts().fetch)
    nonces.mark_poor(SENDERS[0])
    assert {(await nonces.take())[0] for _ in range(3)} == {SENDERS[1]}
    nonces.mark_poor(SENDERS[1])
    assert (await nonces.take())[0] == SENDERS[0]


async def test_a_failing_count_takes_nothing() -> None:
    async def fail(_: Address) -> int:
        raise RpcRefused(-32000, "no")

    nonces = NonceManager(SENDERS[:1], fail)
    with pytest.raises(RpcRefused):
        await nonces.take()
    assert nonces.in_flight(SENDERS[0]) == 0


async def test_without_a_key_there_is_an_error_that_says_so() -> None:
    with pytest.raises(KeyUnavailable, match="no signing key"):
        await NonceManager([], Counts().fetch).take()


# --- signing ------------------------------------------------------------------------------------------------


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
    assert [each for each in judges if each(RpcRefused(-32000, message))] == [judge]
