# SPDX-License-Identifier: MIT
"""Each nonce is used once, whatever providers say of the count."""

from __future__ import annotations

import asyncio

import pytest

from relayer.chains.base import Address
from relayer.chains.evm.nonces import NonceManager
from relayer.errors import KeyUnavailable, RpcRefused
from tests.unit.chains.evm.nonce_counts import SENDERS, Counts, hash_of


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
    assert all(sum(sender == account for sender, _ in taken) == 3 for account in SENDERS)
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
