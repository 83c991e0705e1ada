# SPDX-License-Identifier: MIT
"""An in-memory twin of a chain, for tests of what uses a chain: without sockets, keys, contracts and proofs.

It shows the order and pairing of calls, nonces and replacement, skipping, failure, expiry, pausing,
reorganisations and the faults of providers. It can't show that a header, a proof or a leaf convinces a
contract (proofs are compared with the source chain's own state), real gas (it is a rough sum), or anything
about JSON-RPC. The end-to-end tests show those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from light_clients.client import Height, Timestamp
from light_clients.hashing import keccak256
from relayer.chains.base import (
    AccountProof,
    Address,
    Call,
    GasMarket,
    GasPrice,
    Head,
    LaneState,
    NodeAnswer,
    Offered,
    RemoteState,
    SentMessage,
    SignedTransaction,
    SimulatedDelivery,
    TxHash,
    TxReceipt,
)
from relayer.chains.evm import abi
from relayer.errors import (
    CallReverted,
    ChainUnavailable,
    KeyUnavailable,
    NotFoundYet,
)
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane, delivered_slot, endpoint_id
from relayer.protocol.message import EndpointId, LaneId, Message, MessageId
from relayer.protocol.message import Sequence as MessageSequence
from relayer.testing.gateway import (
    ANCHOR_GAS,
    MemoryBlock,
    MemoryClient,
    MemoryExecution,
    MemoryLane,
    MemoryLedger,
    MemoryState,
    append_message,
    apply_anchor,
    apply_freeze,
    apply_update,
    execute_deliver,
)
from relayer.testing.pool import RICH_WEI, MemoryPool, MemoryRules, MemoryTransaction, Refused

__all__ = ["GENESIS_TIME", "MemoryChain", "MemoryFaults", "MemoryRules", "MemoryTransaction", "join"]

GENESIS_TIME: Final = 1_700_000_000
_GWEI: Final = 10**9
#: A transfer to an account without code, which is how a nonce is filled.
_TRANSFER_GAS: Final = 21_000


@dataclass(slots=True)
class MemoryFaults:
    """The faults of a chain and its providers. They last until a test sets them back.

    Attributes:
        down: every call fails with ChainUnavailable.
        hidden_logs: ids of messages that the logs do not show.
        altered_logs: ids of messages that the logs show with another payload.
        lost_broadcasts: how many of the next broadcasts are lost though they look accepted.
        refusing: why the next offers are refused, the first one first, in the node's words.
        always_refusing: why every offer is refused, whatever it is.
        refused: why these transactions are refused, by their hash.
        false_counts: what is told of an account's transactions instead of their number: always the same, or a
            list for the next calls.
        other_counts: what further providers tell `count_transactions`; None tells the truth.
        missing_receipts: the provider that is asked first knows no receipts; those of all are still found.
        refusals: revert data by recipient (32 bytes); these recipients fail.
        frozen_heads: `heads` gives no new head.
    """

    down: bool = False
    hidden_logs: set[MessageId] = field(default_factory=set)
    altered_logs: set[MessageId] = field(default_factory=set)
    lost_broadcasts: int = 0
    refusing: list[Refused] = field(default_factory=list)
    always_refusing: Refused | None = None
    refused: dict[TxHash, Refused] = field(default_factory=dict)
    false_counts: list[int] | int | None = None
    other_counts: tuple[int | None, ...] = ()
    missing_receipts: bool = False
    refusals: dict[bytes, bytes] = field(default_factory=dict)
    frozen_heads: bool = False


class MemoryChain:
    """One in-memory chain with its gateway.

    Implements relayer.chains.base.Chain; blocks come by `mine` alone.

    Args:
        name: the chain's name. Gateway, genesis hash and accounts are derived from it.
        number: the EIP-155 number.
        accounts: how many accounts sign.
        block_time_s: how far apart the times of blocks are.
        rules: what nodes take.

    Attributes:
        faults: what goes wrong.
        rules: what nodes take.
        balances: what accounts have, in wei, whatever the block; they pay from it. Those that are not in it
            can pay for anything.
        base_fee_wei: the price of the next blocks; without meaning where the rules are without a base fee.
        ledger: the blocks, with the state after them.
        pool: the transactions that wait for a block.
        pending: the state after what was sent since the newest block.
        receipts: the receipts of mined transactions, by hash.
        mined: the mined transactions, by hash.
        doubted_logs: the ranges of blocks that `doubt_logs` was called with.
        is_closed: whether `close` was called.
    """

    def __init__(
        self,
        name: str,
        number: int,
        *,
        accounts: int = 1,
        block_time_s: int = 1,
        rules: MemoryRules | None = None,
    ) -> None:
        self.name = name
        self.number = number
        self.gateway = Address(keccak256(b"gateway " + name.encode())[12:])
        self.genesis_hash = keccak256(b"genesis " + name.encode())
        gateway = InteropAddress.evm(number, self.gateway).to_bytes()
        self.endpoint_id = endpoint_id(gateway, self.genesis_hash)
        self.faults = MemoryFaults()
        self.base_fee_wei = _GWEI
        self.ledger = MemoryLedger()
        self.pending = MemoryState()
        self.is_closed = False
        self.doubted_logs: list[tuple[Height, Height]] = []
        self._block_time_s = block_time_s
        self._senders = tuple(
            Address(keccak256(f"account {index} of {name}".encode())[12:]) for index in range(accounts)
        )
        self._sent: list[SentMessage] = []
        self.rules = rules or MemoryRules()
        self.balances: dict[Address, int] = {}
        self.pool = MemoryPool(
            self.rules,
            lambda sender: self.pending.nonces.get(sender, 0),
            lambda sender: self.balances.get(sender, RICH_WEI),
        )
        self.receipts: dict[TxHash, TxReceipt] = {}
        self.mined: dict[TxHash, MemoryTransaction] = {}
        self._forks = 0
        self._new_block = asyncio.Condition()
        genesis = MemoryBlock(
            Height(0), self.genesis_hash, bytes(32), Timestamp(GENESIS_TIME), self.pending.copy()
        )
        self.ledger.blocks.append(genesis)

    # --- what a test does -----------------------------------------------------------------------------------

    def send(
        self,
        destination: MemoryChain,
        payload: bytes = b"hello",
        *,
        recipient: bytes = b"\x22" * 20,
        sender: bytes = b"\x11" * 20,
        gas_limit: int = 200_000,
        deadline: int = 0,
        channel: bytes = PUBLIC_CHANNEL,
    ) -> Message:
        """Append a message to the lane to `destination`, and return it. It is in the next block."""
        lane = Lane(self.endpoint_id, destination.endpoint_id, channel)
        state = self.pending.lanes.setdefault(lane.id, MemoryLane())
        message = Message(
            lane.id,
            MessageSequence(state.next_sequence),
            sender.rjust(32, b"\0"),
            recipient.rjust(32, b"\0"),
            gas_limit,
            deadline,
            0,
            payload,
        )
        append_message(self.pending, message)
        number = Height(len(self.ledger.blocks))
        index = sum(sent.block_number == number for sent in self._sent)
        tx_hash = TxHash(keccak256(b"send" + message.id))
        self._sent.append(SentMessage(message, message.id, number, bytes(32), tx_hash, 2 * index + 1))
        return message

    async def mine(self, count: int = 1) -> Head:
        """Make blocks, and return the newest head. The first block takes what was sent and broadcast.

        Where the rules know no empty blocks, none is made while there is nothing for one.
        """
        for _ in range(count):
            self._mine_one()
        async with self._new_block:
            self._new_block.notify_all()
        return _to_head(self.ledger.blocks[-1])

    def reorganise(self, depth: int, *, keep_transactions: bool = True) -> None:
        """Drop the newest blocks.

        Their transactions wait for a block again, unless `keep_transactions` says that no node remembers
        them. Messages sent in them are gone.
        """
        keep = len(self.ledger.blocks) - depth
        self._forks += 1
        del self.ledger.blocks[keep:]
        self.pending = self.ledger.blocks[-1].state.copy()
        self._sent = [sent for sent in self._sent if sent.block_number < keep]
        for tx_hash, receipt in list(self.receipts.items()):
            if receipt.block_number >= keep:
                del self.receipts[tx_hash]
                transaction = self.mined.pop(tx_hash)
                if keep_transactions:
                    self.pool.put(transaction)

    def amend(self, change: Callable[[MemoryState], None]) -> None:
        """Change the state at once, as if the newest block had done it: pause a lane, freeze a client."""
        for state in (self.pending, self.ledger.blocks[-1].state):
            change(state)

    def change_signers(self) -> None:
        """Have another signer set sign from the next block on."""
        self.pending.set_version += 1

    # --- Chain ----------------------------------------------------------------------------------------------

    async def heads(self) -> AsyncIterator[Head]:
        """Yield the newest head, then a head after every `mine`."""
        last = -1
        while True:
            async with self._new_block:
                while self.faults.frozen_heads or self.ledger.blocks[-1].number == last:
                    await self._new_block.wait()
            last = self.ledger.blocks[-1].number
            yield _to_head(self.ledger.blocks[-1])

    async def head(self) -> Head:
        """Return the newest block's head."""
        self._check_up()
        return _to_head(self.ledger.blocks[-1])

    async def block(self, number: Height) -> Mapping[str, Any]:
        """Return a block's number, hashes and time as JSON-RPC has them. A header has nothing else here."""
        self._check_up()
        found = self.ledger.at(number)
        if found is None:
            raise NotFoundYet(f"no block {number}", "a mined block")
        return {
            "number": hex(found.number),
            "hash": "0x" + found.hash.hex(),
            "parentHash": "0x" + found.parent_hash.hex(),
            "timestamp": hex(found.timestamp),
        }

    async def blocks(self, numbers: Sequence[Height]) -> list[Mapping[str, Any]]:
        """Return several blocks as `block` does."""
        return [await self.block(number) for number in numbers]

    async def sent_messages(self, first: Height, last: Height) -> list[SentMessage]:
        """Return what the logs of the blocks show, with the faults applied."""
        self._check_up()
        found = []
        newest = self.ledger.blocks[-1].number
        for sent in self._sent:
            if (
                not first <= sent.block_number <= min(last, newest)
                or sent.claimed_id in self.faults.hidden_logs
            ):
                continue
            message = sent.message
            if sent.claimed_id in self.faults.altered_logs:
                message = replace(message, payload=message.payload + b"!")
            block_hash = self.ledger.blocks[sent.block_number].hash
            found.append(replace(sent, message=message, block_hash=block_hash))
        return found

    def doubt_logs(self, first: Height, last: Height) -> None:
        """Add the range to `doubted_logs`."""
        self.doubted_logs.append((first, last))

    async def proof(self, account: Address, slots: Sequence[bytes], number: Height) -> AccountProof:
        """Raise NotImplementedError: there is no trie here. MemoryProver reads the state instead."""
        raise NotImplementedError("an in-memory chain has no trie; use MemoryProver")

    async def lane(self, lane_id: LaneId, number: Height | None = None) -> LaneState:
        """Return the outbox's state of a lane."""
        lane = self._state(number).lanes.get(lane_id)
        return LaneState(0, open=False, paused=False) if lane is None else _to_lane_state(lane)

    async def remote(self, endpoint_id: EndpointId) -> RemoteState | None:
        """Return what is registered for a remote, None where nothing is."""
        return self._state(None).remotes.get(endpoint_id)

    async def delivered_bitmap(self, lane_id: LaneId, page: int) -> int:
        """Return the delivered bitmap of a page in the newest block."""
        return int.from_bytes(self._state(None).storage.get(delivered_slot(lane_id, page), bytes(32)))

    async def simulate_deliver(
        self, sender: Address, batch: bytes, proof: bytes, gas: int
    ) -> SimulatedDelivery:
        """Run `deliver` on a copy of the newest state. Raises CallReverted."""
        del sender
        state = self._state(None).copy()
        done = self._execute(state, self.deliver_call(batch, proof, gas), self.ledger.blocks[-1].timestamp)
        assert done.simulated is not None
        return done.simulated

    def deliver_call(self, batch: bytes, proof: bytes, gas: int) -> Call:
        """Return the call that delivers a batch."""
        return Call(self.gateway, abi.encode_deliver(batch, proof), gas)

    async def call(self, call: Call, number: Height | None = None) -> bytes:
        """Run `deliver`, `update`, `anchor` or `freeze` on a copy of the state. Raises CallReverted."""
        self._execute(self._state(number).copy(), call, self.ledger.blocks[-1].timestamp)
        return b""

    @property
    def senders(self) -> tuple[Address, ...]:
        """The accounts that sign."""
        return self._senders

    def sign(self, sender: Address, nonce: int, call: Call, gas: int, price: GasPrice) -> SignedTransaction:
        """Return the transaction in place of a signature. Raises KeyUnavailable for another account."""
        if sender not in self.senders:
            raise KeyUnavailable(f"no key for account 0x{sender.hex()}", "one of `senders`")
        transaction = MemoryTransaction(
            sender,
            nonce,
            call.to,
            call.data,
            gas,
            price.max_wei,
            price.priority_wei,
            call.value_wei,
            price.is_legacy,
        )
        raw = msgspec.msgpack.encode(transaction)
        return SignedTransaction(
            sender, nonce, TxHash(keccak256(raw)), raw, price.max_wei, price.priority_wei, gas
        )

    def read_call(self, raw: bytes) -> Call | None:
        """Return the call of what was broadcast."""
        try:
            transaction = msgspec.msgpack.decode(raw, type=MemoryTransaction)
        except msgspec.DecodeError:
            return None
        to = Address(transaction.to)
        return Call(to, transaction.data, transaction.gas, transaction.value_wei)

    async def estimate(self, call: Call, sender: Address) -> int:
        """Return what a call takes now and a quarter more. Raises CallReverted."""
        del sender
        done = self._execute(self._state(None).copy(), call, self.ledger.blocks[-1].timestamp)
        return done.gas_used * 5 // 4

    async def market(self) -> GasMarket:
        """Return the price of the next block, and what the rules suggest."""
        self._check_up()
        base_fee_wei = None if self.rules.is_legacy else self.base_fee_wei
        return GasMarket(base_fee_wei, self.rules.suggested_wei)

    async def offer(self, raw: bytes) -> Offered:
        """Keep a transaction for the next block, unless a fault or a rule is against it."""
        if self.faults.down:
            return Offered((), (f"{self.name} is down",))
        refused = self._take(raw)
        refusal, words = refused or (None, "")
        return Offered((NodeAnswer(self.name, refusal, words),))

    async def receipt(self, tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
        """Return the receipt of a transaction, None where it is not mined."""
        self._check_up()
        if self.faults.missing_receipts and not ask_all:
            return None
        return self.receipts.get(tx_hash)

    async def count_transactions(self, sender: Address, *, pending: bool = False) -> tuple[int, ...]:
        """Return the counts that providers tell: the truth, unless a fault says otherwise."""
        if self.faults.down:
            return ()
        truth = self._count(sender, pending=pending)
        others = (truth if count is None else count for count in self.faults.other_counts)
        return self._told_count(sender, pending=pending), *others

    async def balance(self, account: Address) -> int:
        """Return what an account has."""
        self._check_up()
        return self.balances.get(account, RICH_WEI)

    async def close(self) -> None:
        """Set `is_closed`. There is nothing to close."""
        self.is_closed = True

    # --- inside ---------------------------------------------------------------------------------------------

    def _check_up(self) -> None:
        if self.faults.down:
            raise ChainUnavailable(f"{self.name} is down", "a provider")

    def _state(self, number: Height | None) -> MemoryState:
        self._check_up()
        block = self.ledger.blocks[-1] if number is None else self.ledger.at(number)
        if block is None:
            raise NotFoundYet(f"no block {number}", "a mined block")
        return block.state

    def _count(self, sender: Address, *, pending: bool) -> int:
        if pending:
            return self.pool.next_nonce(sender)
        return self.ledger.blocks[-1].state.nonces.get(sender, 0)

    def _told_count(self, sender: Address, *, pending: bool) -> int:
        false_counts = self.faults.false_counts
        if isinstance(false_counts, list):
            return false_counts.pop(0) if false_counts else self._count(sender, pending=pending)
        return self._count(sender, pending=pending) if false_counts is None else false_counts

    def _take(self, raw: bytes) -> Refused | None:
        """Let a transaction wait for a block, or return why not."""
        transaction = msgspec.msgpack.decode(raw, type=MemoryTransaction)
        refused = self.faults.always_refusing or self.faults.refused.get(TxHash(keccak256(raw)))
        if refused is None and self.faults.refusing:
            refused = self.faults.refusing.pop(0)
        if refused is None:
            refused = self.pool.judge(transaction, len(raw))
        if refused is None and self.faults.lost_broadcasts:
            self.faults.lost_broadcasts -= 1
        elif refused is None:
            self.pool.put(transaction)
        return refused

    def _mine_one(self) -> None:
        parent = self.ledger.blocks[-1]
        number = Height(parent.number + 1)
        timestamp = Timestamp(parent.timestamp + self._block_time_s)
        block_hash = keccak256(parent.hash + number.to_bytes(8) + self._forks.to_bytes(8))
        base_fee_wei = 0 if self.rules.is_legacy else self.base_fee_wei
        is_empty = not any(sent.block_number == number for sent in self._sent)
        for transaction in self.pool:
            if not self.pool.can_include(transaction, base_fee_wei):
                continue
            sender = Address(transaction.sender)
            self.pool.drop(sender, transaction.nonce)
            self.pending.nonces[sender] = transaction.nonce + 1
            self._include(transaction, number, block_hash, timestamp)
            is_empty = False
        if is_empty and not self.rules.empty_blocks:
            return
        self.ledger.blocks.append(
            MemoryBlock(
                number,
                block_hash,
                parent.hash,
                timestamp,
                self.pending.copy(),
                None if self.rules.is_legacy else base_fee_wei,
            )
        )

    def _include(
        self, transaction: MemoryTransaction, number: Height, block_hash: bytes, timestamp: Timestamp
    ) -> None:
        state = self.pending.copy()
        call = Call(Address(transaction.to), transaction.data, transaction.gas)
        try:
            done, succeeded = self._execute(state, call, timestamp), True
            self.pending = state
        except CallReverted:
            # A failed transaction costs its calldata and what ran until it failed: a rough sum stands for
            # both.
            done, succeeded = MemoryExecution(min(transaction.gas, 100_000)), False
        tx_hash = transaction.tx_hash
        self.mined[tx_hash] = transaction
        fee_wei = done.gas_used * transaction.price_wei(0 if self.rules.is_legacy else self.base_fee_wei)
        sender = Address(transaction.sender)
        if sender in self.balances:
            self.balances[sender] -= fee_wei + transaction.value_wei * succeeded
        self.receipts[tx_hash] = TxReceipt(
            tx_hash,
            number,
            block_hash,
            succeeded,
            done.gas_used,
            fee_wei,
            done.delivered,
            done.events,
        )

    def _execute(self, state: MemoryState, call: Call, now: Timestamp) -> MemoryExecution:
        if call.to == self.gateway and call.data[:4] == abi.DELIVER:
            gas = 30_000_000 if call.gas is None else call.gas
            return execute_deliver(state, self.endpoint_id, now, call.data, gas, self._refusal_of)
        if not call.data:
            return MemoryExecution(_TRANSFER_GAS)
        client = state.clients.get(call.to)
        apply = {
            abi.CLIENT_UPDATE: apply_update,
            abi.CLIENT_ANCHOR: apply_anchor,
            abi.CLIENT_FREEZE: apply_freeze,
        }.get(call.data[:4])
        if client is not None and apply is not None:
            length = int.from_bytes(call.data[36:68])
            apply(client, call.data[68 : 68 + length])
            return MemoryExecution(ANCHOR_GAS if apply is apply_anchor else 80_000)
        raise NotImplementedError(f"an in-memory chain does not run 0x{call.data[:4].hex()}")

    def _refusal_of(self, message: Message) -> bytes | None:
        return self.faults.refusals.get(message.recipient)


def join(first: MemoryChain, second: MemoryChain) -> None:
    """Register two chains with each other: both get a light client of the other and a public lane to it."""
    for here, there in ((first, second), (second, first)):
        client = Address(keccak256(here.gateway + there.endpoint_id)[12:])
        newest = there.ledger.blocks[-1]
        lane_id = Lane(here.endpoint_id, there.endpoint_id).id

        def register(
            state: MemoryState,
            there: MemoryChain = there,
            client: Address = client,
            newest: MemoryBlock = newest,
            lane_id: LaneId = lane_id,
        ) -> None:
            state.remotes[there.endpoint_id] = RemoteState(client, there.gateway, paused=False, retired=False)
            version = there.pending.set_version
            state.clients[client] = MemoryClient(there.ledger, version, newest.number, newest.timestamp)
            state.lanes[lane_id] = MemoryLane()

        here.amend(register)


def _to_head(block: MemoryBlock) -> Head:
    return Head(block.number, block.hash, block.parent_hash, block.timestamp)


def _to_lane_state(lane: MemoryLane) -> LaneState:
    return LaneState(lane.next_sequence, lane.is_open, lane.is_paused)
