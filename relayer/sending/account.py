# SPDX-License-Identifier: MIT
"""One account of a chain: its nonces, its money, its transactions, and what to do about them next. Pure.

Whoever talks to the chain tells the account what was found (`learn_…`, `include`, `end_offer`), and asks it
what to do (`decide`). Time comes with the question. The rules:

- **A new transaction takes the lowest free nonce.** Free is what is not used and held by no transaction. What
  is used is proven by the chain's state where that can be had; what providers count is a hint, which a proof
  corrects in either direction.
- **A gap is filled.** Nodes take an account's nonces in order, so what lies above a free nonce waits for it.
  Above a wide gap a transaction is given up: its work goes on under a nonce that can land.
- **A lost transaction is offered again**, after some blocks or after some time, whichever comes first: chains
  make blocks every 0.2 s, every hour, or only when there is something to put into them.
- **A price rises because it is too low**: the base fee is above it, a node says so, or nodes suggest more
  while blocks pass the transaction by. What the account can't pay is never outbid; where gas is free, it is
  signed again for nothing.
- **What no node takes is given up** in the end. Where no node ever had it, its nonce is free at once. Where
  one may have it, an empty transfer of the account to itself takes its nonce.
- **What another transaction displaced** is followed no longer once its nonce is proven to be used, or counted
  so where nothing can be proven, and no provider shows a receipt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from relayer.chains.base import Address, GasMarket, NodeAnswer, Offered, Refusal, TxReceipt
from relayer.consensus.base import ProvenAccount
from relayer.journal.rows import SignedAttempt
from relayer.protocol.delivery import Waiting, WaitingReason
from relayer.sending.price import explain_outbid, explain_too_low
from relayer.sending.transaction import Transaction

#: After so many blocks, or about as much time, a transaction is offered again, or a gap is filled.
_PATIENCE_BLOCKS: Final = 3
_SHORTEST_PATIENCE_S: Final = 2.0
_LONGEST_PATIENCE_S: Final = 10.0
#: How far patience grows while offering a transaction again changes nothing.
_MOST_PATIENCE: Final = 4
#: A price that only nodes' suggestions call too low is raised after so many blocks and so much time.
_OUTBID_BLOCKS: Final = 6
_OUTBID_S: Final = 12.0
#: The pause after the first raise of a price; after every other one twice as long.
_RAISE_PAUSE_S: Final = 1.0
_LONGEST_RAISE_PAUSE_S: Final = 60.0
#: At so many looks in a row a transaction's nonce must be used, and no provider show a receipt, before it
#: counts as displaced: providers lag.
_LOOKS_TO_DISPLACE: Final = 3
#: The most free nonces that are filled. A wider gap was made by a false count.
_MOST_FILLED: Final = 16
#: So long a transaction may be refused for a reason that is not understood.
GIVE_UP_S: Final = 60.0
#: So long other accounts are preferred to one that could not pay or may not send.
_AVOID_S: Final = 60.0
#: The most transactions of an account that wait for a block: nodes forget those beyond a few dozen.
_MOST_OPEN: Final = 60

#: What makes these very bytes useless for ever.
_FOR_GOOD: Final = frozenset({Refusal.TOO_LARGE, Refusal.TOO_MUCH_GAS, Refusal.INVALID})
#: What may change by itself, and does not say that it will.
_UNEXPLAINED: Final = frozenset(
    {Refusal.UNKNOWN, Refusal.BUSY, Refusal.NOT_ALLOWED, Refusal.TYPE_UNSUPPORTED}
)


@dataclass(frozen=True, slots=True)
class ChainClock:
    """The time of the chain, as the sender sees it.

    Attributes:
        now_s: monotonic seconds.
        height: the newest block that is known. A hint: only how far it moved counts, and it may go back.
        block_s: about how many seconds pass between blocks.
    """

    now_s: float
    height: int
    block_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Offer:
    """Offer the newest signature to the nodes."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Replace:
    """Sign the same call under the same nonce at another price.

    The price is higher, `demanded` by a node or not; or `is_lower`, the price of now where that is less.
    """

    transaction: Transaction
    why: str
    demanded: bool
    is_lower: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Sign an empty transfer of the account to itself under the same nonce."""

    transaction: Transaction
    why: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Use up a free nonce by an empty transfer of the account to itself."""

    nonce: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Wait for a transaction no longer. Its nonce is free, and its work is to be done by another one."""

    transaction: Transaction
    why: str


@dataclass(frozen=True, slots=True)
class Displace:
    """Follow a transaction no longer whose nonce another one took."""

    transaction: Transaction


Action = Offer | Replace | Cancel | Fill | GiveUp | Displace


@dataclass(slots=True)
class SendingAccount:
    """One account. Change its fields by its methods alone.

    Attributes:
        address: 20 bytes.
        is_known: whether anything was learnt of its nonces in this process.
        proven: its nonce and balance in the newest verified header that was asked; None before.
        transactions: those that may still land, or whose effect is not proven, by nonce.
        avoid_until_s: until when other accounts are preferred.
        awaits_proof: whether the account was not proven yet and may be soon. Until then counts decide nothing
            of what is signed: a provider that syncs counts too few.
    """

    address: Address
    is_known: bool = False
    proven: ProvenAccount | None = None
    transactions: dict[int, Transaction] = field(default_factory=dict)
    avoid_until_s: float = 0.0
    awaits_proof: bool = False
    _counted: int = 0
    _claim: tuple[int, int] | None = None
    _settled: int = 0
    _settled_height: int = 0
    _was_misled: bool = False
    _counted_balance: int | None = None
    _balance_height: int = 0
    _taken: set[int] = field(default_factory=set)
    _gap_since: tuple[float, int] | None = None
    _doubts_nonce: bool = False
    _most_open: int = _MOST_OPEN

    # --- nonces and money -----------------------------------------------------------------------------------

    @property
    def used(self) -> int:
        """Every nonce below this one is used, as far as is known."""
        proven = 0 if self.proven is None else self.proven.nonce
        return max(proven, self._counted, self._settled)

    @property
    def open(self) -> list[Transaction]:
        """The transactions that are in no block, by nonce."""
        return [
            transaction for _, transaction in sorted(self.transactions.items()) if transaction.receipt is None
        ]

    @property
    def is_full(self) -> bool:
        """Whether as many transactions wait for a block as nodes keep of one account."""
        return self.under_way >= self._most_open

    @property
    def under_way(self) -> int:
        """How many transactions are signed, or are being signed, and in no block."""
        return len(self.open) + len(self._taken)

    @property
    def balance_wei(self) -> int | None:
        """What the account has, as far as is known; None before anything was learnt."""
        told = [self._counted_balance] if self._counted_balance is not None else []
        if self.proven is not None:
            # What landed since the proof was paid from what it proves; what did not land yet is not paid.
            landed = sum(
                paid.receipt.fee_wei
                for paid in self.transactions.values()
                if paid.receipt is not None and paid.receipt.block_number > self.proven.height
            )
            told.append(max(0, self.proven.balance_wei - landed))
        # A provider that tells too much costs a refusal, and one that tells too little must not stop us.
        return max(told, default=None)

    def lacks(self, cost_wei: int) -> int:
        """Return how many wei are missing for another transaction that costs `cost_wei` at most."""
        balance = self.balance_wei
        if balance is None or cost_wei == 0:
            return 0
        return max(0, sum(_newest_cost(waiting) for waiting in self.open) + cost_wei - balance)

    def take(self) -> int:
        """Take the lowest free nonce for a transaction that is about to be signed.

        Give it to `add` with the transaction, or to `give_back`.
        """
        nonce = self._lowest_free(self.used)
        self._taken.add(nonce)
        return nonce

    def _lowest_free(self, nonce: int) -> int:
        while nonce in self.transactions or nonce in self._taken:
            nonce += 1
        return nonce

    def hold(self, nonce: int) -> bool:
        """Take this very nonce; return False where it is not free."""
        if nonce in self.transactions or nonce in self._taken:
            return False
        self._taken.add(nonce)
        return True

    def give_back(self, nonce: int) -> None:
        """Free a nonce that was taken and that no signed transaction has."""
        self._taken.discard(nonce)

    def add(self, transaction: Transaction) -> None:
        """Follow a signed transaction."""
        self._taken.discard(transaction.nonce)
        self.transactions[transaction.nonce] = transaction

    def forget(self, transaction: Transaction) -> None:
        """Follow a transaction no longer."""
        if self.transactions.get(transaction.nonce) is transaction:
            del self.transactions[transaction.nonce]

    # --- what was found -------------------------------------------------------------------------------------

    def learn_proof(self, proven: ProvenAccount) -> list[Transaction]:
        """Take the account as a verified header proves it, and return the transactions it shows in no block.

        Their receipts are forgotten. An older proof than the last one is passed over.
        """
        if self.proven is not None and proven.height < self.proven.height:
            return []
        self.proven, self.is_known, self._doubts_nonce = proven, True, False
        # A count or a settlement up to this block that says more was false, or its block is gone.
        if self._claim is not None and self._claim[0] <= proven.height:
            if self._claim[1] > proven.nonce:
                self._counted, self._was_misled = proven.nonce, True
            self._claim = None
        if self._balance_height <= proven.height:
            self._counted_balance = None
        if self._settled_height <= proven.height:
            self._settled = min(self._settled, proven.nonce)
        gone = [
            transaction
            for transaction in self.transactions.values()
            if transaction.receipt is not None
            and transaction.receipt.block_number <= proven.height
            and transaction.nonce >= proven.nonce
        ]
        for transaction in gone:
            transaction.receipt = None
            transaction.doubts += 1
        return gone

    def learn_counts(self, counts: Iterable[int], height: int) -> None:
        """Take what providers count, asked when the head was at `height`.

        The lowest count counts that is not below what is known: one provider can't make nonces jump, and one
        that lags can't have a nonce signed twice.
        """
        floor = max(0 if self.proven is None else self.proven.nonce, self._settled)
        counted = min((count for count in counts if count >= floor), default=None)
        if counted is not None:
            if self._was_misled:
                # After one false count, only our own transactions move the nonce between proofs.
                counted = min(counted, self._lowest_free(floor))
            self._counted = counted
            # The oldest count that no proof has looked at yet: a later one must not hide that it was false.
            self._claim = self._claim or (height, counted)
            self.is_known, self._doubts_nonce = True, False

    def learn_balance(self, balance_wei: int, height: int) -> None:
        """Take what a provider says of the balance, asked when the head was at `height`."""
        self._counted_balance, self._balance_height = balance_wei, height

    def include(self, transaction: Transaction, receipt: TxReceipt) -> bool:
        """Take a provider's receipt; return whether it is believed for now.

        After one receipt of a transaction was disproved, the next one needs the account's nonce to agree.
        """
        if transaction.doubts and transaction.nonce >= self.used:
            return False
        transaction.receipt = receipt
        transaction.misses = 0
        # What a node said of too high nonces may have been false, or of a moment.
        self._most_open = min(_MOST_OPEN, self._most_open + 1)
        transaction.refusal, transaction.refused_since = None, None
        return True

    def settle(self, transaction: Transaction) -> None:
        """Note that nothing more is expected of a transaction that is in a block."""
        if transaction.receipt is not None and transaction.nonce + 1 > self._settled:
            self._settled, self._settled_height = transaction.nonce + 1, transaction.receipt.block_number
        self.forget(transaction)

    @property
    def proven_transactions(self) -> list[Transaction]:
        """The transactions in blocks of which the newest proof shows that their nonce is used."""
        if self.proven is None:
            return []
        return [
            transaction
            for transaction in self.transactions.values()
            if transaction.receipt is not None
            and transaction.receipt.block_number <= self.proven.height
            and transaction.nonce < self.proven.nonce
        ]

    def wants_knowledge(self, clock: ChainClock, verified_height: int) -> bool:
        """Return whether nonce and balance should be looked up, at block `verified_height`."""
        if not self.is_known or self._doubts_nonce:
            return True
        is_newer = self.proven is None or verified_height > self.proven.height
        for transaction in self.transactions.values():
            if transaction.receipt is None:
                is_late = transaction.offers > 1 or self._has_passed(transaction, clock)
                if (
                    is_late
                    or transaction.doubts
                    or transaction.waiting.reason is WaitingReason.FUNDS
                    or transaction.misses
                ):
                    return True
            # Deliveries are settled by the bits that they set.
            elif (
                transaction.batch is None and is_newer and transaction.receipt.block_number <= verified_height
            ):
                return True
        return False

    def wants_header(self, verified_height: int) -> bool:
        """Return whether a verified header above this one would tell something of the account.

        That is a transaction in a later block, whose effect is to be proven, or one that is late.
        """
        return any(
            transaction.offers > 1 or transaction.nonce < self.used
            if transaction.receipt is None
            else transaction.batch is None and transaction.receipt.block_number > verified_height
            for transaction in self.transactions.values()
        )

    # --- offering -------------------------------------------------------------------------------------------

    def begin_offer(self, transaction: Transaction, clock: ChainClock) -> None:
        """Note that the newest signature is being offered."""
        transaction.offers += 1
        transaction.offered_at, transaction.offered_height = clock.now_s, clock.height

    def end_offer(self, transaction: Transaction, offered: Offered, clock: ChainClock) -> None:
        """Take what the nodes said."""
        refusal = offered.refusal
        if offered.is_taken or offered.unreachable:
            # A node that did not answer may have it all the same.
            transaction.is_taken = True
        transaction.unreached = ""
        if refusal is None:
            transaction.refusal, transaction.refused_since = None, None
            if not offered.is_taken:
                transaction.unreached = "; ".join(offered.unreachable) or "no provider answered"
            return
        if refusal.refusal is Refusal.NONCE_USED:
            # This very transaction may have used it, so that the account's nonce and receipts decide.
            self._doubts_nonce = True
        transaction.refusal = refusal
        if refusal.refusal is Refusal.NONCE_TOO_FAR:
            # The node keeps fewer of an account, or lower nonces are missing: then the count was wrong.
            below = sum(other.nonce < transaction.nonce for other in self.open)
            self._most_open = max(1, min(self._most_open, below))
            self._doubts_nonce = True
        if refusal.refusal in (Refusal.UNFUNDED, Refusal.NOT_ALLOWED):
            self.avoid_until_s = clock.now_s + _AVOID_S
        if refusal.refusal not in _UNEXPLAINED:
            transaction.refused_since = None
        elif transaction.refused_since is None:
            transaction.refused_since = clock.now_s

    def resign(self, transaction: Transaction, clock: ChainClock) -> None:
        """Note that another signature was made for the transaction's nonce."""
        transaction.signed_at, transaction.signed_height = clock.now_s, clock.height
        transaction.offers, transaction.refusal, transaction.refused_since = 0, None, None
        transaction.raises += 1

    # --- what to do -----------------------------------------------------------------------------------------

    def decide(self, clock: ChainClock, market: GasMarket | None) -> list[Action]:
        """Return what to do now, in this order. Every open transaction has its reason to wait then.

        Receipts were looked for before, at all providers where `used` is past a nonce. `market` is None where
        the price of gas is not known.
        """
        actions: list[Action] = []
        used, waiting = self.used, []
        for transaction in self.open:
            if transaction.nonce >= used or self.awaits_proof:
                transaction.misses = 0
                waiting.append(transaction)
                continue
            if self.proven is not None and transaction.nonce >= self.proven.nonce:
                # A count is a hint. Work that is signed anew for it could land twice.
                why = "providers count its nonce as used, which a verified header has to show"
                transaction.waiting = Waiting(WaitingReason.INCLUSION, why)
                continue
            transaction.misses += transaction.is_missing
            transaction.waiting = Waiting(
                WaitingReason.INCLUSION, "its nonce is used, and its receipt is looked for"
            )
            if transaction.misses >= _LOOKS_TO_DISPLACE:
                actions.append(Displace(transaction))
        stranded = self._find_stranded(waiting)
        actions += [
            GiveUp(
                transaction, f"nonce {transaction.nonce} is out of reach: the account's next one is {used}"
            )
            for transaction in stranded
        ]
        waiting = [transaction for transaction in waiting if transaction not in stranded]
        free = self._find_free(waiting)
        actions += [Fill(nonce) for nonce in self._fill_now(free, clock)]
        first: Transaction | None = None
        for transaction in waiting:
            is_next = first is None and not (free and free[0] < transaction.nonce)
            actions += self._consider(transaction, clock, market, is_next=is_next)
            if first is not None:
                transaction.waiting = Waiting(
                    first.waiting.reason, f"behind nonce {first.nonce}: {first.waiting.detail}"
                )
            elif free and free[0] < transaction.nonce:
                transaction.waiting = Waiting(
                    WaitingReason.INCLUSION,
                    f"nonce {free[0]} is missing before its nonce {transaction.nonce}",
                )
            first = first or transaction
        return actions

    def _find_stranded(self, waiting: list[Transaction]) -> list[Transaction]:
        """Return the transactions above so many free nonces that these are not filled."""
        if not self.is_known or self.awaits_proof:
            return []
        used = self.used
        # Those in blocks count as well: many may wait for their proof where finality is late.
        held = [nonce for nonce in (*self.transactions, *self._taken) if nonce >= used]
        for place, transaction in enumerate(waiting):
            if transaction.nonce - used - sum(nonce < transaction.nonce for nonce in held) > _MOST_FILLED:
                return waiting[place:]
        return []

    def _find_free(self, waiting: list[Transaction]) -> list[int]:
        """Return the free nonces below the transactions that wait; there are few."""
        if not self.is_known or self.awaits_proof or not waiting:
            return []
        return [
            nonce
            for nonce in range(self.used, waiting[-1].nonce)
            if nonce not in self.transactions and nonce not in self._taken
        ]

    def _fill_now(self, free: list[int], clock: ChainClock) -> list[int]:
        if not free:
            self._gap_since = None
            return []
        # Somebody else's transaction, or a new one of ours, may take them in a moment.
        since_s, height = self._gap_since = self._gap_since or (clock.now_s, clock.height)
        return free if _has_passed(clock, since_s, height, 1) else []

    def _consider(
        self, transaction: Transaction, clock: ChainClock, market: GasMarket | None, *, is_next: bool
    ) -> list[Action]:
        """Return what to do about a transaction whose nonce is not used, and set why it waits."""
        refusal = transaction.refusal
        given_up = self._is_hopeless(transaction, clock)
        if given_up and not transaction.is_taken:
            return [GiveUp(transaction, given_up)]
        # One cancellation is enough. It is followed like any other signature, its price included.
        if (transaction.cancelling or given_up) and not transaction.newest.is_cancellation:
            return [Cancel(transaction, transaction.cancelling or given_up)]
        transaction.waiting = self._explain(transaction, market)
        # Once: a node that refuses type 0 as well refuses it for another reason than it says.
        if refusal is not None and refusal.refusal is Refusal.TYPE_UNSUPPORTED and not transaction.is_legacy:
            return [Replace(transaction, "the chain does not have its type", demanded=False)]
        lacking = transaction.waiting.reason is WaitingReason.FUNDS
        if lacking and market is not None and market.is_free and all(map(_costs, transaction.attempts)):
            # Some nodes keep what its account can't pay, and never mine it.
            return [
                Replace(
                    transaction, "gas is free, and its price can't be paid", demanded=False, is_lower=True
                )
            ]
        # Only the next one: the others wait for its nonce, or for one that is missing, whatever they offer.
        if is_next and not lacking and self._may_raise(transaction, clock):
            why = self._why_raise(transaction, clock, market)
            if why:
                demanded = refusal is not None and refusal.refusal is Refusal.UNDERPRICED
                return [Replace(transaction, why, demanded=demanded)]
        return [Offer(transaction)] if self.is_due(transaction, clock) else []

    def is_due(self, transaction: Transaction, clock: ChainClock) -> bool:
        """Return whether to offer a transaction as it is: for the first time, or because some time passed."""
        return transaction.offers == 0 or self._has_passed(transaction, clock)

    def _is_hopeless(self, transaction: Transaction, clock: ChainClock) -> str:
        """Return why a transaction is to be given up; "" while it is not."""
        refusal = transaction.refusal
        if refusal is None:
            return ""
        if refusal.refusal in _FOR_GOOD:
            return f"{refusal.provider} never takes it: {refusal.detail}"
        if transaction.refused_since is not None and clock.now_s - transaction.refused_since >= GIVE_UP_S:
            return f"no node takes it after {GIVE_UP_S:g} s: {refusal.detail}"
        return ""

    def _explain(self, transaction: Transaction, market: GasMarket | None) -> Waiting:
        refusal = transaction.refusal
        lacking = self._lacking_for(transaction)
        if lacking or (refusal is not None and refusal.refusal is Refusal.UNFUNDED):
            return Waiting(WaitingReason.FUNDS, self._explain_funds(transaction, refusal))
        too_low = None if market is None else explain_too_low(transaction.price, market)
        if too_low:
            return Waiting(WaitingReason.GAS_PRICE, too_low)
        if refusal is None:
            if transaction.unreached:
                return Waiting(WaitingReason.RPC_TROUBLE, f"it could not be offered: {transaction.unreached}")
            return Waiting(
                WaitingReason.INCLUSION, f"its transaction 0x{transaction.newest.tx_hash.hex()} is offered"
            )
        if refusal.refusal is Refusal.NONCE_USED:
            why = (
                f"{refusal.provider} says that its nonce is used, and nothing else shows it: {refusal.detail}"
            )
            return Waiting(WaitingReason.RPC_TROUBLE, why)
        if refusal.refusal is Refusal.UNDERPRICED:
            return Waiting(WaitingReason.GAS_PRICE, f"{refusal.provider} asks for more: {refusal.detail}")
        return Waiting(WaitingReason.RPC_TROUBLE, f"{refusal.provider} does not take it: {refusal.detail}")

    def _explain_funds(self, transaction: Transaction, refusal: NodeAnswer | None) -> str:
        balance = self.balance_wei
        has = (
            f"has {balance} wei"
            if balance is not None
            else f"cannot pay: {refusal.detail if refusal else ''}"
        )
        return f"account 0x{self.address.hex()} {has}, and its transaction can cost {_newest_cost(transaction)} wei"

    def _lacking_for(self, transaction: Transaction) -> bool:
        balance = self.balance_wei
        if balance is None or _newest_cost(transaction) == 0:
            return False
        return balance < sum(_newest_cost(other) for other in self.open if other.nonce <= transaction.nonce)

    def _may_raise(self, transaction: Transaction, clock: ChainClock) -> bool:
        pause_s = min(_LONGEST_RAISE_PAUSE_S, _RAISE_PAUSE_S * 2.0 ** min(transaction.raises - 1, 10))
        return transaction.raises == 0 or clock.now_s - transaction.signed_at >= pause_s

    def _why_raise(self, transaction: Transaction, clock: ChainClock, market: GasMarket | None) -> str | None:
        if transaction.refusal is not None and transaction.refusal.refusal is Refusal.UNDERPRICED:
            return transaction.refusal.detail or "a node asks for a higher price"
        if market is None:
            return None
        too_low = explain_too_low(transaction.price, market)
        blocks = clock.height - transaction.signed_height
        if too_low or blocks < _OUTBID_BLOCKS or clock.now_s - transaction.signed_at < _OUTBID_S:
            return too_low
        return explain_outbid(transaction.price, market) if transaction.is_taken else None

    def _has_passed(self, transaction: Transaction, clock: ChainClock) -> bool:
        """Return whether it is time to offer a transaction again."""
        factor = min(_MOST_PATIENCE, 1 << max(0, transaction.offers - 1)) if transaction.is_taken else 1
        # A height that was told too high is corrected by a lower one.
        transaction.offered_height = min(transaction.offered_height, clock.height)
        return _has_passed(clock, transaction.offered_at, transaction.offered_height, factor)


def _has_passed(clock: ChainClock, since_s: float, height: int, factor: int) -> bool:
    """Return whether enough blocks or enough time have passed."""
    wait_s = min(_LONGEST_PATIENCE_S, max(_SHORTEST_PATIENCE_S, _PATIENCE_BLOCKS * clock.block_s))
    return clock.height - height >= _PATIENCE_BLOCKS * factor or clock.now_s - since_s >= wait_s * factor


def _costs(attempt: SignedAttempt) -> bool:
    return attempt.max_fee_wei > 0


def _newest_cost(transaction: Transaction) -> int:
    value = 0 if transaction.call is None else transaction.call.value_wei
    return transaction.newest.gas * transaction.newest.max_fee_wei + value
