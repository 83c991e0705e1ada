# SPDX-License-Identifier: MIT
"""Transactions under way, attacked: nothing of ours is lost, doubled or dear because of how many there
are, who answers late, or what a provider said once.
"""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog.testing

from light_clients.client import Height
from relayer.chains.base import Address, Call, GasPrice, NodeAnswer, Offered, Refusal, TxHash, TxReceipt
from relayer.consensus.base import ProvenAccount
from relayer.errors import ChainUnavailable, NotFoundYet
from relayer.journal.errors import JournalBroken
from relayer.journal.rows import ChainRow, Purpose, StoredTransaction, TransactionRow, TransactionState, Wish
from relayer.journal.store import now_micros
from relayer.protocol.delivery import WaitingReason
from relayer.sending.price import PricePolicy
from relayer.sending.sender import Sender
from relayer.sending.store import MemoryStore
from relayer.sending.transaction import Outcomes, make_attempt
from relayer.testing.chain import MemoryChain, MemoryRules

GWEI = 10**9
PRICES = PricePolicy(500 * GWEI, GWEI)


def transfer(chain: MemoryChain) -> Call:
    return Call(chain.senders[0], b"", gas=21_000)


def make_sender(chain: MemoryChain, policy: PricePolicy = PRICES) -> tuple[Sender, list[Outcomes]]:
    """A sender without proofs, and what its looks find."""
    sender = Sender(chain, MemoryStore(), policy, now_micros)
    found: list[Outcomes] = []
    sender.on_outcomes = found.append
    return sender, found


async def test_many_transactions_in_blocks_strand_none_of_the_next() -> None:
    """INV-6: nonces that our own transactions used are no gap, however many wait for their proof."""
    chain = MemoryChain("b", 1002)
    sender, found = make_sender(chain)
    # As deliveries are, which are settled by the bits that they set.
    for _ in range(20):
        await sender.send(transfer(chain), Purpose.OTHER)
    await chain.mine()
    chain.faults.lost_broadcasts = 1
    await sender.send(transfer(chain), Purpose.OTHER)
    await sender.look(1)
    assert [outcomes.given_up for outcomes in found] == [[]]


def stored(chain: MemoryChain, nonce: int, *prices: GasPrice) -> StoredTransaction:
    """What an earlier process signed, as the journal has it."""
    call = Call(Address(b"\7" * 20), b"")
    signed = [chain.sign(chain.senders[0], nonce, call, 50_000, price) for price in prices]
    return StoredTransaction(
        row=TransactionRow(1),
        chain=ChainRow(1),
        purpose=Purpose.OTHER,
        sender=chain.senders[0],
        nonce=nonce,
        state=TransactionState.OPEN,
        signed_at=now_micros(),
        attempts=tuple(make_attempt(signature, now_micros()) for signature in signed),
    )


@pytest.mark.parametrize("count", [0, 1_000])
async def test_a_false_count_at_the_start_drops_nothing_that_may_land(count: int) -> None:
    """INV-6: before a header proves the account, a count decides nothing of what an earlier process signed,
    be it that of a syncing provider (0) or one that is too high.
    """
    chain = MemoryChain("b", 1002)
    first, _ = make_sender(chain)
    for _ in range(40):
        await first.send(transfer(chain), Purpose.OTHER)
    await chain.mine()
    chain.faults.false_counts = count
    header: Height | None = None

    async def prove(address: Address) -> ProvenAccount | None:
        if header is None:
            raise NotFoundYet("no header is verified yet", "one")
        return ProvenAccount(40, 10**18, header)

    sender = Sender(chain, MemoryStore(), PRICES, now_micros, prove=prove)
    found: list[Outcomes] = []
    sender.on_outcomes = found.append
    sender.recover([stored(chain, 40, GasPrice(3 * GWEI, GWEI))], [])
    for _ in range(4):
        await sender.look(1)
    assert found == []
    header = Height(1)
    await chain.mine()
    await sender.look(2)
    assert [len(outcomes.included) for outcomes in found] == [1]


async def test_providers_that_fail_are_no_proof_that_a_receipt_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transaction is displaced where its nonce is used and all say that it is in no block, and not where
    nobody answers.
    """
    chain = MemoryChain("b", 1002)
    sender, found = make_sender(chain)
    known = await sender.send(transfer(chain), Purpose.OTHER)
    await chain.mine()
    truth = chain.receipt

    async def fail(tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
        raise ChainUnavailable("a test wants it so")

    monkeypatch.setattr(chain, "receipt", fail)
    await sender.read_balances()
    for height in range(1, 7):
        await sender.look(height)
    assert found == []
    monkeypatch.setattr(chain, "receipt", truth)
    await sender.look(7)
    assert [outcomes.included for outcomes in found] == [[known]]


async def test_transactions_that_nobody_asked_for_are_not_displaced() -> None:
    """Receipts are asked for by sixteens. Those behind a stranger's transaction are not taken for missing."""
    chain = MemoryChain("b", 1002)
    sender, found = make_sender(chain)
    chain.faults.lost_broadcasts = 16
    for _ in range(16):
        await sender.send(transfer(chain), Purpose.OTHER)
    # Somebody else with the same key takes the nonces of those that were lost.
    for nonce in range(16):
        stranger = chain.sign(chain.senders[0], nonce, transfer(chain), 21_000, GasPrice(4 * GWEI, 2 * GWEI))
        await chain.offer(stranger.raw)
    ours = await sender.send(transfer(chain), Purpose.OTHER)
    await chain.mine()
    await sender.read_balances()
    for height in range(1, 6):
        await sender.look(height)
    assert [known for outcomes in found for known in outcomes.included] == [ours]
    assert len([known for outcomes in found for known in outcomes.displaced]) == 16


async def test_looks_do_not_pile_up_behind_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many heads come meanwhile, one look waits, and it looks at the newest."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain)
    await sender.send(transfer(chain), Purpose.OTHER)
    asked, answer = 0, asyncio.Event()

    async def hang(tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
        nonlocal asked
        asked += 1
        await answer.wait()
        return None

    monkeypatch.setattr(chain, "receipt", hang)
    for height in range(1, 20):
        await sender.look_within(height, 0.001)
    assert asked == 1
    answer.set()
    await sender.look_within(20, 1.0)
    await sender.finish_critical(1.0)
    assert asked <= 3
    assert sender.height == 20


async def test_a_broken_journal_is_told_when_nobody_waits_for_the_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a look in the background can't write ends the sender's task, and so the daemon."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain)
    await sender.send(transfer(chain), Purpose.OTHER)
    await chain.mine()
    truth = chain.receipt

    async def slow(tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
        await asyncio.sleep(0.05)
        return await truth(tx_hash, ask_all=ask_all)

    async def write(self: MemoryStore, outcomes: Outcomes) -> None:
        raise JournalBroken("the journal refused to write")

    monkeypatch.setattr(chain, "receipt", slow)
    monkeypatch.setattr(MemoryStore, "write", write)
    await sender.look_within(1, 0.001)
    with pytest.raises(JournalBroken):
        await asyncio.wait_for(sender.run(), 5.0)


async def looks(sender: Sender, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Looks that are 30 s and 10 blocks apart."""
    truth, ahead_s = time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: truth() + ahead_s)
    for _ in range(count):
        ahead_s += 30.0
        await sender.look(sender.height + 10)
    monkeypatch.setattr(time, "monotonic", truth)


async def test_a_type_that_is_refused_costs_no_higher_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price rises because it is too low. A node that refuses whatever type it gets is answered once."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain)
    chain.faults.always_refusing = (Refusal.TYPE_UNSUPPORTED, "transaction type not supported")
    known = await sender.send(transfer(chain), Purpose.OTHER)
    for height in range(1, 10):
        await sender.look(height)
    assert [attempt.max_fee_wei <= 3 * GWEI for attempt in known.attempts] == [True, True]


async def test_a_type_that_is_refused_is_changed_at_the_operators_limit() -> None:
    """A chain without EIP-1559 asks for all that the operator allows: type 0 is no dearer than type 2."""
    chain = MemoryChain("b", 1002, rules=MemoryRules(suggested_wei=10 * GWEI))
    sender, _ = make_sender(chain, PricePolicy(10 * GWEI))
    chain.base_fee_wei = 9 * GWEI
    chain.faults.refusing = [(Refusal.TYPE_UNSUPPORTED, "transaction type not supported")]
    known = await sender.send(transfer(chain), Purpose.OTHER)
    await sender.look(1)
    await chain.mine()
    await sender.look(2)
    assert known.receipt is not None


async def test_a_free_transaction_is_not_signed_again_with_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where gas is free and nodes suggest a tip all the same, the price stays 0, and so do the bytes."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain, PricePolicy(0, 0))
    chain.base_fee_wei = 0
    chain.faults.lost_broadcasts = 2
    known = await sender.send(transfer(chain), Purpose.OTHER)
    await looks(sender, monkeypatch, 4)
    assert len(known.attempts) == 1
    await chain.mine()
    await sender.look(sender.height + 1)
    assert known.receipt is not None


async def test_a_cancellation_at_the_operators_limit_frees_the_nonce() -> None:
    """What an earlier process signed at the limit, and no node takes any more, can't be outbid. An empty
    transfer at the same price takes its nonce where no node has it.
    """
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain, PricePolicy(3 * GWEI, GWEI))
    kept = stored(chain, 0, GasPrice(3 * GWEI, GWEI))
    chain.faults.refused[TxHash(kept.attempts[0].tx_hash)] = (
        Refusal.TOO_MUCH_GAS,
        "exceeds block gas limit",
    )
    sender.recover([kept], [])
    (known,) = sender.transactions
    await sender.look(1)
    await sender.look(2)
    await chain.mine()
    await sender.look(3)
    assert known.is_cancelled


async def test_what_was_too_cheap_once_at_the_operators_limit_is_offered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One node's word that a price is too low, which can't be raised, does not end its offers."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain, PricePolicy(3 * GWEI, GWEI))
    chain.faults.refusing = [(Refusal.UNDERPRICED, "transaction underpriced")]
    known = await sender.send(transfer(chain), Purpose.OTHER)
    await looks(sender, monkeypatch, 2)
    await chain.mine()
    await sender.look(sender.height + 1)
    assert known.receipt is not None
    assert len(known.attempts) == 1


async def test_what_one_node_said_of_its_limits_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """One false word, that a small transaction is too large or too far ahead, slows the chain for a while."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain)
    for refusal in (Refusal.TOO_LARGE, Refusal.NONCE_TOO_FAR):
        chain.faults.refusing = [(refusal, "a test wants it so")]
        await sender.send(transfer(chain), Purpose.OTHER)
        await sender.look(1)
    (account,) = sender.accounts.values()
    assert sender.limits.most_bytes < 1_000
    assert account.is_full
    await looks(sender, monkeypatch, 2)
    for _ in range(10):
        await sender.send(transfer(chain), Purpose.OTHER)
        await chain.mine()
        await looks(sender, monkeypatch, 4)
    truth = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: truth() + 1_000.0)
    assert sender.limits.most_bytes == 128 * 1024
    await sender.send(transfer(chain), Purpose.OTHER)
    assert not account.is_full


async def test_an_operators_wish_for_what_has_landed_is_dropped() -> None:
    """A transaction that is in a block, or followed no more, is not signed again while the wish waits."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain)
    known = await sender.send(transfer(chain), Purpose.OTHER)
    await chain.mine()
    await sender.look(1)
    for wish in Wish:
        await sender.wish(known, wish)
    assert len(known.attempts) == 1


async def test_an_operators_wish_that_no_key_can_meet_stops_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of an account was removed while a transaction of it waits."""
    chain, other = MemoryChain("b", 1002), MemoryChain("c", 1003)
    sender, found = make_sender(chain)
    sender.recover([stored(other, 0, GasPrice(3 * GWEI, GWEI))], [])
    chain.faults.lost_broadcasts = 100

    async def take_wishes(self: MemoryStore) -> tuple[tuple[TransactionRow, Wish], ...]:
        return ((TransactionRow(1), Wish.CANCEL),)

    monkeypatch.setattr(MemoryStore, "take_wishes", take_wishes)
    task = asyncio.ensure_future(sender.run())
    await asyncio.sleep(1.5)
    assert not task.done()
    task.cancel()
    assert found == []


async def test_an_account_that_can_pay_goes_before_one_that_cannot() -> None:
    """With several keys, an empty one holds nothing up."""
    chain = MemoryChain("b", 1002, accounts=2)
    chain.balances[chain.senders[0]] = 10
    sender, _ = make_sender(chain)
    known = await sender.send(transfer(chain), Purpose.OTHER)
    assert known.sender == chain.senders[1]


async def test_a_late_answer_to_an_old_signature_says_nothing_of_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No price rises because a slow node called the price too low that was raised meanwhile."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain)
    truth, answer = chain.offer, asyncio.Event()

    async def slow(raw: bytes) -> Offered:
        if not answer.is_set():
            await answer.wait()
            return Offered((NodeAnswer("b", Refusal.UNDERPRICED, "transaction underpriced"),))
        return await truth(raw)

    monkeypatch.setattr(chain, "offer", slow)
    sending = asyncio.ensure_future(sender.send(transfer(chain), Purpose.OTHER))
    await asyncio.sleep(0.01)
    monkeypatch.setattr(chain, "offer", truth)
    chain.base_fee_wei *= 20
    await sender.look(1)
    answer.set()
    known = await sending
    assert len(known.attempts) == 2
    assert known.refusal is None
    await looks(sender, monkeypatch, 2)
    assert len(known.attempts) == 2


async def test_a_gap_that_cannot_be_filled_says_why_and_fills_no_log() -> None:
    """INV-10: the price of gas is above the operator's limit, and the nonce below is missing."""
    chain = MemoryChain("b", 1002)
    sender, _ = make_sender(chain, PricePolicy(3 * GWEI, GWEI))
    (account,) = sender.accounts.values()
    assert account.take() == 0
    known = await sender.send(transfer(chain), Purpose.OTHER)
    account.give_back(0)
    chain.base_fee_wei = 20 * GWEI
    with structlog.testing.capture_logs() as logs:
        for height in range(1, 40):
            await sender.look(height)
    assert known.waiting.reason is WaitingReason.GAS_PRICE
    assert "nonce 0 is missing" in known.waiting.detail
    assert sum(line["log_level"] == "warning" for line in logs) <= 3
    chain.base_fee_wei = GWEI
    await sender.look(41)
    assert [filled.purpose for filled in account.open] == [Purpose.FILL, Purpose.OTHER]
