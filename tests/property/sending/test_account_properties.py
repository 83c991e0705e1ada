# SPDX-License-Identifier: MIT
"""An account against a model node: whatever providers say, it never signs badly, and it goes on once they are
honest (INV-5, INV-6).

The model node has a nonce, a balance, a base fee and a pool. Faults: false counts, lost and refused
broadcasts, blocks that vanish, a key that somebody else uses, an empty account, a rising base fee.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from light_clients.client import Height
from relayer.chains.base import (
    Address,
    Call,
    GasMarket,
    GasPrice,
    NodeAnswer,
    Offered,
    Refusal,
    SignedTransaction,
    TxHash,
    TxReceipt,
)
from relayer.consensus.base import ProvenAccount
from relayer.errors import FeeLimitReached
from relayer.journal.rows import Micros, Purpose, TransactionRow
from relayer.protocol.delivery import WaitingReason
from relayer.sending.account import Action, Cancel, ChainClock, Fill, GiveUp, Offer, Replace, SendingAccount
from relayer.sending.price import PricePolicy, compute_price, compute_raise
from relayer.sending.transaction import TRANSFER_GAS, Transaction, make_attempt

ADDRESS = Address(b"\x01" * 20)
POLICY = PricePolicy(max_fee_wei=10_000, tip_wei=10)
GAS = 100_000


@dataclass
class ModelNode:
    """A chain with one account of interest. `pool` has a transaction's hash and price by nonce."""

    nonce: int = 0
    balance_wei: int = 10**15
    base_fee_wei: int = 100
    height: int = 10
    pool: dict[int, tuple[bytes, GasPrice]] = field(default_factory=dict)
    blocks: list[tuple[int, bytes]] = field(default_factory=list)
    receipts: dict[bytes, int] = field(default_factory=dict)
    nonces: dict[int, int] = field(default_factory=lambda: {10: 0})

    def offer(self, tx_hash: bytes, nonce: int, price: GasPrice, gas: int) -> Refusal | None:
        if tx_hash in self.receipts or nonce < self.nonce:
            return Refusal.NONCE_USED
        if gas * price.max_wei > self.balance_wei:
            return Refusal.UNFUNDED
        held = self.pool.get(nonce)
        if held is not None and held[0] != tx_hash and price.max_wei * 10 < held[1].max_wei * 11:
            return Refusal.UNDERPRICED
        self.pool[nonce] = (tx_hash, price)
        return None

    def mine(self) -> None:
        self.height += 1
        while self.nonce in self.pool and self.pool[self.nonce][1].max_wei >= self.base_fee_wei:
            tx_hash, _ = self.pool.pop(self.nonce)
            self.receipts[tx_hash] = self.height
            self.blocks.append((self.height, tx_hash))
            self.nonce += 1
        self.nonces[self.height] = self.nonce

    def reorganise(self) -> None:
        """Drop the newest block, and forget what was in it."""
        for height, tx_hash in [entry for entry in self.blocks if entry[0] == self.height]:
            self.blocks.remove((height, tx_hash))
            del self.receipts[tx_hash]
        self.height -= 1
        self.nonce = self.nonces[self.height]


class AccountMachine(RuleBasedStateMachine):
    """Drives one account as the sender does."""

    @initialize(proves=st.booleans(), lag=st.sampled_from([0, 0, 3]))
    def begin(self, proves: bool, lag: int) -> None:
        self.proves, self.lag = proves, lag
        self.node = ModelNode()
        self.final = 10
        self.account = SendingAccount(ADDRESS)
        self.now_s = 1_000.0
        self.rows = 0
        self.swallow = 0
        self.refuse: list[Refusal] = []
        self.false_counts: list[int] = []
        self.learn()

    # --- the shell ------------------------------------------------------------------------------------------

    def clock(self) -> ChainClock:
        return ChainClock(self.now_s, self.node.height)

    @property
    def header(self) -> int:
        """The newest final block. What was final once stays so."""
        self.final = max(self.final, self.node.height - self.lag)
        return self.final

    def market(self) -> GasMarket:
        return GasMarket(self.node.base_fee_wei, 10)

    def sign(self, nonce: int, price: GasPrice, gas: int = GAS) -> SignedTransaction:
        self.rows += 1
        tx_hash = TxHash(self.rows.to_bytes(32))
        assert price.max_wei <= POLICY.max_fee_wei
        assert price.priority_wei <= price.max_wei
        return SignedTransaction(ADDRESS, nonce, tx_hash, b"raw", price.max_wei, price.priority_wei, gas)

    def learn(self) -> None:
        header = self.header
        if self.proves:
            proven = ProvenAccount(self.node.nonces[header], self.node.balance_wei, Height(header))
            self.account.learn_proof(proven)
        if not self.proves or self.lag:
            counts = [self.node.nonce, self.false_counts.pop() if self.false_counts else self.node.nonce]
            self.account.learn_counts(counts, self.node.height)
            self.account.learn_balance(self.node.balance_wei, self.node.height)

    def follow(self, nonce: int, gas: int, purpose: Purpose) -> None:
        try:
            price = compute_price(self.market(), POLICY)
        except FeeLimitReached:
            self.account.give_back(nonce)
            return
        signed = self.sign(nonce, price, gas)
        known = Transaction(
            row=TransactionRow(self.rows),
            purpose=purpose,
            sender=ADDRESS,
            nonce=nonce,
            attempts=[make_attempt(signed, Micros(0))],
            call=Call(ADDRESS, b"", gas),
            batch=None,
            signed_at=self.now_s,
            signed_height=self.node.height,
        )
        self.account.add(known)
        self.offer(known)

    def offer(self, known: Transaction) -> None:
        self.account.begin_offer(known, self.clock())
        newest = known.newest
        if self.swallow:
            self.swallow -= 1
            answer = Offered((NodeAnswer("node", None),))
        else:
            price = GasPrice(newest.max_fee_wei, newest.priority_fee_wei)
            refusal = (
                self.refuse.pop()
                if self.refuse
                else self.node.offer(newest.tx_hash, known.nonce, price, newest.gas)
            )
            answer = Offered((NodeAnswer("node", refusal, "words"),))
        self.account.end_offer(known, answer, self.clock())

    def resign(self, known: Transaction, gas: int, *, demanded: bool, cancels: bool) -> None:
        try:
            price = compute_raise(known.price, self.market(), POLICY, demanded=demanded)
        except FeeLimitReached:
            if self.account.is_due(known, self.clock()):
                self.offer(known)
            return
        known.attempts.append(
            make_attempt(self.sign(known.nonce, price, gas), Micros(0), is_cancellation=cancels)
        )
        self.account.resign(known, self.clock())
        self.offer(known)

    def look(self) -> None:
        self.now_s += 0.5
        for known in self.account.open:
            self.find_receipt(known)
        if self.account.wants_knowledge(self.clock(), self.header):
            self.learn()
        for known in self.account.proven_transactions:
            self.account.settle(known)
        if not self.proves:
            self.settle_by_receipts()
        for action in self.account.decide(self.clock(), self.market()):
            self.do(action)

    def find_receipt(self, known: Transaction) -> bool:
        for attempt in known.attempts:
            height = self.node.receipts.get(attempt.tx_hash)
            if height is not None:
                tx_hash = TxHash(attempt.tx_hash)
                receipt = TxReceipt(tx_hash, Height(height), bytes(32), True, 21_000, 0, (), ())
                return self.account.include(known, receipt)
        known.is_missing = known.nonce < self.account.used
        return False

    def settle_by_receipts(self) -> None:
        for known in list(self.account.transactions.values()):
            if known.receipt is not None and known.receipt.block_number <= self.header:
                known.receipt = None
                if self.find_receipt(known):
                    self.account.settle(known)

    def do(self, action: Action) -> None:
        if isinstance(action, Offer):
            self.offer(action.transaction)
        elif isinstance(action, Replace):
            known = action.transaction
            # INV-5: a price rises because it is too low, and never where the account can't pay.
            assert known.waiting.reason is not WaitingReason.FUNDS
            was_refused = known.refusal is not None and known.refusal.refusal is Refusal.UNDERPRICED
            assert was_refused or self.node.base_fee_wei > known.price.max_wei
            self.resign(known, known.newest.gas, demanded=action.demanded, cancels=False)
        elif isinstance(action, Cancel):
            action.transaction.cancelling = action.why
            self.resign(action.transaction, TRANSFER_GAS, demanded=False, cancels=True)
        elif isinstance(action, Fill):
            assert self.account.hold(action.nonce)
            self.follow(action.nonce, TRANSFER_GAS, Purpose.FILL)
        elif isinstance(action, GiveUp):
            # INV-6: a node that may have it keeps it alive, unless its nonce is out of reach.
            known = action.transaction
            assert not known.is_taken or known.nonce > self.node.nonce
            self.account.forget(known)
        else:
            assert not any(attempt.tx_hash in self.node.receipts for attempt in action.transaction.attempts)
            self.account.forget(action.transaction)

    # --- what happens ---------------------------------------------------------------------------------------

    @precondition(lambda self: not self.account.is_full)
    @rule()
    def send(self) -> None:
        if self.account.lacks(GAS * 2 * self.node.base_fee_wei + GAS * 10) == 0:
            nonce = self.account.take()
            if self.proves:
                assert nonce >= self.account.used
            self.follow(nonce, GAS, Purpose.OTHER)

    @rule(count=st.integers(1, 4))
    def mine(self, count: int) -> None:
        for _ in range(count):
            self.node.mine()
            self.look()

    @rule()
    def wait(self) -> None:
        """Time without a block."""
        self.now_s += 15.0
        self.look()

    @rule()
    def lose_pool(self) -> None:
        self.node.pool.clear()

    @rule(count=st.integers(1, 2))
    def swallow_some(self, count: int) -> None:
        self.swallow = count

    @rule(refusal=st.sampled_from(list(Refusal)))
    def refuse_next(self, refusal: Refusal) -> None:
        if refusal is not Refusal.TYPE_UNSUPPORTED:
            self.refuse = [refusal]

    @rule(ahead=st.sampled_from([-3, 1, 5, 1_000]))
    def tell_false_count(self, ahead: int) -> None:
        self.false_counts = [max(0, self.node.nonce + ahead)]

    @rule()
    def use_key_elsewhere(self) -> None:
        """Somebody else's transaction takes the next nonce."""
        self.node.pool.pop(self.node.nonce, None)
        self.node.nonce += 1
        self.node.height += 1
        self.node.nonces[self.node.height] = self.node.nonce

    @precondition(lambda self: self.node.height > self.header)
    @rule()
    def reorganise(self) -> None:
        """The newest block is gone, and nobody has its transactions. Final ones stay."""
        if self.account.proven is None or self.account.proven.height < self.node.height:
            self.node.reorganise()

    @rule(base_fee_wei=st.sampled_from([0, 1, 100, 900, 5_000]))
    def change_base_fee(self, base_fee_wei: int) -> None:
        self.node.base_fee_wei = base_fee_wei

    @rule(balance_wei=st.sampled_from([0, 10**9, 10**15]))
    def change_balance(self, balance_wei: int) -> None:
        self.node.balance_wei = balance_wei

    # --- what holds -----------------------------------------------------------------------------------------

    @invariant()
    def nonces_are_held_once(self) -> None:
        for nonce, known in self.account.transactions.items():
            assert known.nonce == nonce

    @invariant()
    def every_open_transaction_says_why_it_waits(self) -> None:
        """INV-10."""
        for known in self.account.open:
            assert known.waiting.detail

    def teardown(self) -> None:
        """Honest providers and a filled account: everything lands, is displaced or is given up."""
        if not hasattr(self, "node"):
            return
        self.swallow, self.refuse, self.false_counts = 0, [], []
        self.node.balance_wei, self.node.base_fee_wei = 10**18, 100
        self.run_honestly()
        # And the next one lands as well: the account is not wedged.
        self.learn()
        self.follow(self.account.take(), GAS, Purpose.OTHER)
        self.run_honestly()

    def run_honestly(self) -> None:
        for _ in range(120):
            if not self.account.open:
                break
            self.now_s += 2.0
            self.node.mine()
            self.look()
        assert not self.account.open


TestAccount = AccountMachine.TestCase
TestAccount.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
