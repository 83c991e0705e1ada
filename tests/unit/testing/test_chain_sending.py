# SPDX-License-Identifier: MIT
"""The in-memory twin takes, refuses and drops transactions as nodes do, and lies where a test wants it."""

from __future__ import annotations

import pytest

from light_clients.client import Height
from relayer.chains.base import Address, Call, GasMarket, GasPrice, Refusal, SignedTransaction
from relayer.consensus.base import ProvenAccount
from relayer.errors import ChainUnavailable, KeyUnavailable, NotFoundYet
from relayer.testing.chain import MemoryChain, MemoryRules
from relayer.testing.prover import MemoryProver

GWEI = 10**9
PRICE = GasPrice(3 * GWEI, GWEI)
FREE = GasPrice(0, 0)


def make(**rules: object) -> MemoryChain:
    return MemoryChain("alpha", 1, rules=MemoryRules(**rules))  # type: ignore[arg-type]


def sign(
    chain: MemoryChain, nonce: int = 0, price: GasPrice = PRICE, data: bytes = b"", gas: int = 21_000
) -> SignedTransaction:
    sender = chain.senders[0]
    return chain.sign(sender, nonce, Call(sender, data), gas, price)


async def offer(chain: MemoryChain, signed: SignedTransaction) -> Refusal | None:
    (answer,) = (await chain.offer(signed.raw)).answers
    assert bool(answer.detail) is (answer.refusal is not None)
    return answer.refusal


async def test_what_is_taken_is_mined_and_its_receipt_is_found() -> None:
    chain = make()
    signed = sign(chain)
    assert await chain.estimate(Call(chain.senders[0], b""), chain.senders[0]) == 26_250
    assert await offer(chain, signed) is None
    assert await offer(chain, signed) is None
    assert await chain.receipt(signed.tx_hash) is None
    await chain.mine()
    receipt = await chain.receipt(signed.tx_hash)
    assert receipt is not None
    assert (receipt.succeeded, receipt.gas_used, receipt.fee_wei) == (True, 21_000, 21_000 * 2 * GWEI)
    # A node says the same of the very transaction that used the nonce as of another one.
    assert await offer(chain, signed) is Refusal.NONCE_USED


async def test_any_nonce_is_signed_and_gaps_wait() -> None:
    chain = make(most_gap=3)
    late, first = sign(chain, 1), sign(chain, 0)
    assert await offer(chain, late) is None
    await chain.mine()
    assert await chain.receipt(late.tx_hash) is None
    assert await chain.count_transactions(late.sender, pending=True) == (0,)
    assert await offer(chain, sign(chain, 4)) is Refusal.NONCE_TOO_FAR
    assert await offer(chain, first) is None
    assert await chain.count_transactions(late.sender, pending=True) == (2,)
    await chain.mine()
    assert await chain.receipt(late.tx_hash) is not None
    with pytest.raises(KeyUnavailable):
        chain.sign(Address(b"\x01" * 20), 0, Call(first.sender, b""), 21_000, PRICE)


@pytest.mark.parametrize(
    ("before", "after", "refusal"),
    [
        (PRICE, PRICE, Refusal.UNDERPRICED),
        (PRICE, GasPrice(33 * GWEI // 10, 11 * GWEI // 10), None),
        (PRICE, GasPrice(33 * GWEI // 10, GWEI), Refusal.UNDERPRICED),
        (PRICE, GasPrice(3 * GWEI, 2 * GWEI), Refusal.UNDERPRICED),
        # A real Besu with free gas takes the same price of 0 again.
        (FREE, FREE, None),
        (PRICE, FREE, Refusal.UNDERPRICED),
    ],
)
async def test_a_replacement_offers_a_tenth_more_or_is_free(
    before: GasPrice, after: GasPrice, refusal: Refusal | None
) -> None:
    chain = make()
    chain.base_fee_wei = 0
    assert await offer(chain, sign(chain, price=before)) is None
    replacement = sign(chain, price=after, gas=22_000)
    assert await offer(chain, replacement) is refusal
    await chain.mine()
    assert (await chain.receipt(replacement.tx_hash) is None) is (refusal is not None)


@pytest.mark.parametrize(
    ("rules", "price", "data", "refusal"),
    [
        ({"is_legacy": True}, PRICE, b"", Refusal.TYPE_UNSUPPORTED),
        ({"is_legacy": True}, GasPrice(1, 1, is_legacy=True), b"", None),
        ({"least_tip_wei": GWEI}, GasPrice(3 * GWEI, GWEI - 1), b"", Refusal.UNDERPRICED),
        ({"least_tip_wei": GWEI}, PRICE, b"", None),
        ({"least_tip_wei": 2, "is_legacy": True}, GasPrice(1, 1, is_legacy=True), b"", Refusal.UNDERPRICED),
        ({"most_bytes": 1_000}, PRICE, bytes(1_000), Refusal.TOO_LARGE),
        ({"most_bytes": 1_000}, PRICE, bytes(100), None),
        ({"most_gas": 20_999}, PRICE, b"", Refusal.TOO_MUCH_GAS),
    ],
)
async def test_nodes_take_what_their_rules_allow(
    rules: dict[str, object], price: GasPrice, data: bytes, refusal: Refusal | None
) -> None:
    chain = make(**rules)
    assert await offer(chain, sign(chain, price=price, data=data)) is refusal


async def test_a_chain_without_base_fee_shows_none_and_takes_one_price() -> None:
    chain = make(is_legacy=True, suggested_wei=5)
    assert await chain.market() == GasMarket(None, 5)
    signed = sign(chain, price=GasPrice(5, 5, is_legacy=True))
    assert await offer(chain, signed) is None
    header = await MemoryProver(chain).verify_head(await chain.mine())
    receipt = await chain.receipt(signed.tx_hash)
    assert receipt is not None
    assert (receipt.fee_wei, header.base_fee_wei) == (5 * 21_000, None)


async def test_free_gas_costs_nothing_and_needs_no_funds() -> None:
    chain = make(suggested_wei=0)
    chain.base_fee_wei = 0
    chain.balances[chain.senders[0]] = 0
    assert await chain.market() == GasMarket(0, 0)
    signed = sign(chain, price=FREE)
    assert await offer(chain, signed) is None
    header = await MemoryProver(chain).verify_head(await chain.mine())
    receipt = await chain.receipt(signed.tx_hash)
    assert receipt is not None
    assert (receipt.fee_wei, header.base_fee_wei) == (0, 0)


async def test_a_node_that_looks_refuses_what_cannot_be_paid() -> None:
    chain = make()
    sender = chain.senders[0]
    chain.balances[sender] = 21_000 * 3 * GWEI - 1
    assert await chain.balance(sender) == 21_000 * 3 * GWEI - 1
    assert await offer(chain, sign(chain)) is Refusal.UNFUNDED
    chain.balances[sender] += 1
    assert await offer(chain, sign(chain)) is None
    await chain.mine()
    assert await chain.balance(sender) == 21_000 * GWEI


async def test_a_node_that_does_not_look_keeps_what_no_block_takes_until_there_is_money() -> None:
    """Besu 26.8, seen."""
    chain = make(pool_checks_balance=False)
    sender = chain.senders[0]
    chain.balances[sender] = 0
    signed = sign(chain)
    assert await offer(chain, signed) is None
    await chain.mine(3)
    assert await chain.receipt(signed.tx_hash) is None
    chain.balances[sender] = 10**18
    await chain.mine()
    assert await chain.receipt(signed.tx_hash) is not None


async def test_a_price_below_the_base_fee_waits() -> None:
    chain = make()
    signed = sign(chain, price=GasPrice(GWEI - 1, 0))
    assert await offer(chain, signed) is None
    await chain.mine()
    assert await chain.receipt(signed.tx_hash) is None
    chain.base_fee_wei -= 1
    await chain.mine()
    assert await chain.receipt(signed.tx_hash) is not None


async def test_blocks_come_only_for_something_where_none_is_empty() -> None:
    chain, other = make(empty_blocks=False), make()
    assert (await chain.mine(3)).number == 0
    chain.send(other)
    assert (await chain.mine(2)).number == 1
    chain.faults.lost_broadcasts = 1
    assert await offer(chain, sign(chain)) is None
    assert await offer(chain, sign(chain, 1)) is None
    assert (await chain.mine(3)).number == 1
    assert await offer(chain, sign(chain)) is None
    assert (await chain.mine(3)).number == 2


async def test_counts_are_false_for_some_calls_or_always() -> None:
    chain = make()
    sender = chain.senders[0]
    assert await offer(chain, sign(chain)) is None
    chain.faults.false_counts = [1000]
    assert await chain.count_transactions(sender) == (1000,)
    assert await chain.count_transactions(sender, pending=True) == (1,)
    chain.faults.false_counts = 1000
    chain.faults.other_counts = (None, 4)
    assert await chain.count_transactions(sender) == (1000, 0, 4)


async def test_refusals_are_of_the_next_offers_of_one_transaction_or_of_all() -> None:
    chain = make()
    first, second = sign(chain, 0), sign(chain, 1)
    chain.faults.refusing = [(Refusal.BUSY, "txpool is full"), (Refusal.UNKNOWN, "flux")]
    chain.faults.refused[second.tx_hash] = (Refusal.TOO_LARGE, "oversized data")
    assert await offer(chain, second) is Refusal.TOO_LARGE
    assert await offer(chain, first) is Refusal.BUSY
    assert await offer(chain, first) is Refusal.UNKNOWN
    assert await offer(chain, first) is None
    chain.faults.always_refusing = (Refusal.UNKNOWN, "flux")
    assert await offer(chain, first) is Refusal.UNKNOWN
    assert (chain.senders[0], 1) not in chain.pool


async def test_dropped_blocks_take_their_transactions_with_them_where_nobody_remembers() -> None:
    chain = make()
    kept, dropped = sign(chain, 0), sign(chain, 1)
    for signed in (kept, dropped):
        assert await offer(chain, signed) is None
        await chain.mine()
    chain.reorganise(1, keep_transactions=False)
    await chain.mine(3)
    assert await chain.receipt(dropped.tx_hash) is None
    assert await chain.count_transactions(kept.sender) == (1,)
    assert await offer(chain, dropped) is None
    await chain.mine()
    assert await chain.receipt(dropped.tx_hash) is not None
    chain.reorganise(1)
    await chain.mine()
    assert await chain.receipt(dropped.tx_hash) is not None


async def test_a_node_that_forgets_a_transaction_never_mines_it() -> None:
    chain = make()
    signed = sign(chain)
    assert await offer(chain, signed) is None
    chain.pool.drop(signed.sender, signed.nonce)
    await chain.mine()
    assert await chain.receipt(signed.tx_hash) is None


async def test_one_providers_missing_receipt_is_found_at_others() -> None:
    chain = make()
    signed = sign(chain)
    assert await offer(chain, signed) is None
    await chain.mine()
    chain.faults.missing_receipts = True
    assert await chain.receipt(signed.tx_hash) is None
    assert await chain.receipt(signed.tx_hash, ask_all=True) is not None


async def test_a_chain_that_is_down_answers_nothing_and_raises_nothing_to_an_offer() -> None:
    chain = make()
    chain.faults.down = True
    offered = await chain.offer(sign(chain).raw)
    assert (offered.answers, offered.unreachable) == ((), ("alpha is down",))
    assert await chain.count_transactions(chain.senders[0]) == ()
    with pytest.raises(ChainUnavailable):
        await chain.market()


async def test_accounts_are_proven_at_a_block() -> None:
    chain, absent = make(), Address(b"\x01" * 20)
    prover, sender = MemoryProver(chain), chain.senders[0]
    before = await prover.verify_head(await chain.head())
    assert await offer(chain, sign(chain)) is None
    after = await prover.verify_head(await chain.mine())
    chain.balances |= {sender: 5, absent: 0}
    assert await prover.prove_account(before, sender) == ProvenAccount(0, 5, Height(0))
    assert await prover.prove_account(after, sender) == ProvenAccount(1, 5, Height(1))
    assert await prover.prove_account(after, absent) == ProvenAccount(0, 0, Height(1))
    assert after.base_fee_wei == chain.base_fee_wei
    prover.forgets = 0
    with pytest.raises(NotFoundYet):
        await prover.prove_account(before, sender)
    chain.reorganise(1)
    with pytest.raises(ChainUnavailable):
        await prover.prove_account(after, sender)
    prover.proves_accounts = False
    assert await prover.prove_account(before, sender) is None
