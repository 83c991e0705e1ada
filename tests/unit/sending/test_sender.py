# SPDX-License-Identifier: MIT
"""The sender under attack, through the whole pipeline over in-memory chains: nothing wedges an account, then
or after a restart, and nothing is paid for without need.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

from light_clients.client import Height
from relayer.chains.base import Address, Call, GasPrice, Head, Refusal, TxHash, TxReceipt
from relayer.chains.evm import abi
from relayer.journal.rows import Purpose, TransactionRow, Wish
from relayer.journal.store import Journal, now_micros
from relayer.protocol.delivery import WaitingReason
from relayer.protocol.message import Message
from relayer.sending.account import SendingAccount
from relayer.sending.price import PricePolicy
from relayer.sending.sender import Sender
from relayer.sending.store import MemoryStore
from relayer.sending.transaction import Transaction
from relayer.testing.chain import MemoryChain, MemoryRules, join
from relayer.testing.prover import MemoryProver
from tests.support.memory_network import (
    LAG,
    MemoryNetwork,
    calls,
    deliveries,
    detail,
    reason,
    running_network,
    two_chains,
)


def sender_of(network: MemoryNetwork, name: str) -> Sender:
    return network.pipeline.chain_tasks[name].sender


def open_of(network: MemoryNetwork, name: str) -> list[Transaction]:
    return [known for known in sender_of(network, name).transactions if known.receipt is None]


async def until(network: MemoryNetwork, condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Blocks and time until a condition holds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await network.mine()
        await asyncio.sleep(0.02)
    assert condition()


def waits_for(network: MemoryNetwork, message: Message, wanted: WaitingReason) -> bool:
    return network.journal.story(message.id) is not None and reason(network, message) is wanted


def late_provers(chains: dict[str, MemoryChain], name: str) -> dict[str, MemoryProver]:
    """Provers of which that of one chain has delayed finality."""
    return {other: MemoryProver(chain, lag=LAG if other == name else 0) for other, chain in chains.items()}


# --- hints decide nothing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("trails", [False, True])
async def test_a_count_that_is_too_high_wedges_nothing(tmp_path: Path, trails: bool) -> None:
    """INV-5: a provider's count 1,000 too high neither holds messages up nor burns nonces, now or later."""
    chains = two_chains()
    provers = late_provers(chains, "b") if trails else None
    chains["b"].faults.false_counts = 1_000
    async with running_network(tmp_path, chains, provers=provers) as network:
        sent = network.send("a", "b", 3)
        await until(network, lambda: network.is_confirmed(sent))
    async with running_network(
        tmp_path, chains, provers=late_provers(chains, "b") if trails else None
    ) as network:
        sent = network.send("a", "b", 2)
        await until(network, lambda: network.is_confirmed(sent))
    assert max(transaction.nonce for transaction in chains["b"].mined.values()) < 20


async def test_a_transaction_out_of_reach_is_given_up_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nonce in the journal that is 1,000 too high is mended: the work goes on under one that can land."""
    chains = two_chains()
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        take = SendingAccount.take
        monkeypatch.setattr(SendingAccount, "take", lambda account: take(account) + 1_000)
        chains["b"].faults.always_refusing = (Refusal.BUSY, "txpool is full")
        sent = network.send("a", "b", 3)
        await until(network, lambda: bool(open_of(network, "b")))
        assert [known.nonce for known in open_of(network, "b")] == [1_000]
    monkeypatch.undo()
    chains["b"].faults.always_refusing = None
    async with running_network(tmp_path, chains) as network:
        await until(network, lambda: network.is_confirmed(sent))


async def test_a_missing_nonce_is_filled(tmp_path: Path) -> None:
    """A gap that is small is filled by an empty transfer, which the journal has."""
    chains = two_chains()
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        account = sender_of(network, "b").accounts[chains["b"].senders[0]]
        account.take()
        sent = network.send("a", "b", 3)
        await until(network, lambda: bool(open_of(network, "b")))
        account.give_back(0)
        await until(network, lambda: network.is_confirmed(sent))
        with network.journal.reading() as reading:
            purposes = {
                kept.nonce: kept.purpose for kept in reading.transactions(map(TransactionRow, range(1, 50)))
            }
    assert purposes == {0: Purpose.FILL, 1: Purpose.DELIVER}


async def test_a_nonce_that_somebody_else_used_is_replaced(tmp_path: Path) -> None:
    chains = two_chains()
    chain = chains["b"]
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        chain.faults.lost_broadcasts = 1
        sent = network.send("a", "b", 2)
        await until(network, lambda: bool(open_of(network, "b")))
        stranger = chain.sign(
            chain.senders[0], 0, Call(chain.senders[0], b"", gas=21_000), 21_000, GasPrice(10**11, 10**10)
        )
        await chain.offer(stranger.raw)
        await until(network, lambda: network.is_confirmed(sent))
    assert deliveries(chain)[-1] == 2


# --- receipts and nonces first ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refusal.UNKNOWN, "INTERNAL_ERROR: something new"),
        (Refusal.BUSY, "txpool is full"),
        (Refusal.NONCE_USED, "OldNonce, Current nonce: 22, nonce of rejected tx: 17"),
    ],
)
async def test_a_refusal_after_a_restart_stops_nothing(tmp_path: Path, refusal: Refusal, words: str) -> None:
    """What was mined before the restart is found by its receipt, whatever nodes say to its bytes; the other
    direction of the chain is not touched.
    """
    chains = two_chains()
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        sent = network.send("a", "b", 2)
        await until(network, lambda: bool(open_of(network, "b")))
    await chains["b"].mine()
    raws = {known.newest.tx_hash for known in open_of(network, "b")}
    assert len(raws) == 1
    chains["b"].faults.refused = dict.fromkeys(chains["b"].mined, (refusal, words))
    async with running_network(tmp_path, chains) as network:
        back = network.send("b", "a", 1)
        later = network.send("a", "b", 1)
        await until(network, lambda: network.is_confirmed([*sent, *back, *later]))


async def test_a_refused_transaction_leaves_the_other_direction_alone(tmp_path: Path) -> None:
    """The source side of a chain does not die of its sender side."""
    chains = two_chains()
    chains["b"].faults.always_refusing = (Refusal.UNKNOWN, "words that nobody has taught us")
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        stuck = network.send("a", "b", 1)
        back = network.send("b", "a", 2)
        await until(network, lambda: network.is_confirmed(back))
        await until(network, lambda: reason(network, stuck[0]) is WaitingReason.RPC_TROUBLE)
        assert "words that nobody has taught us" in detail(network, stuck[0])
        chains["b"].faults.always_refusing = None
        await until(network, lambda: network.is_confirmed(stuck))


async def test_a_nonce_that_is_called_used_and_is_not_is_the_reason(tmp_path: Path) -> None:
    """INV-10: not "its transaction is broadcast" while every node refuses it."""
    chains = two_chains()
    chains["b"].faults.always_refusing = (Refusal.NONCE_USED, "OldNonce")
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        sent = network.send("a", "b", 1)
        await until(network, lambda: waits_for(network, sent[0], WaitingReason.RPC_TROUBLE))
        assert "says that its nonce is used" in detail(network, sent[0])
        chains["b"].faults.always_refusing = None
        await until(network, lambda: network.is_confirmed(sent))


# --- settled under proof ------------------------------------------------------------------------------------


async def test_an_update_whose_block_is_gone_is_mended(tmp_path: Path) -> None:
    """A client update that a reorganisation drops, and no node remembers, leaves no gap."""
    chains = two_chains()
    b = chains["b"]
    async with running_network(tmp_path, chains, provers=late_provers(chains, "b")) as network:
        first = network.send("a", "b", 1)
        await until(network, lambda: network.is_confirmed(first))
        chains["a"].change_signers()
        await chains["a"].mine()
        for _ in range(40):
            await network.settle(4)
            if any(transaction.data[:4] == abi.CLIENT_UPDATE for transaction in b.pool):
                break
        await b.mine()
        await network.settle(20)
        await b.mine()
        await network.settle(20)
        assert calls(b)[abi.CLIENT_UPDATE] == 1
        b.reorganise(2, keep_transactions=False)
        assert calls(b)[abi.CLIENT_UPDATE] == 0
        second = network.send("a", "b", 3)
        await until(network, lambda: network.is_confirmed(second), seconds=40)
        assert calls(b)[abi.CLIENT_UPDATE] >= 1


# --- time counts as well as blocks --------------------------------------------------------------------------


async def test_a_lost_broadcast_is_offered_again_without_blocks(tmp_path: Path) -> None:
    """A chain that makes no empty blocks stands still until the transaction is offered again."""
    chains = {"a": MemoryChain("a", 1001), "b": MemoryChain("b", 1002, rules=MemoryRules(empty_blocks=False))}
    join(chains["a"], chains["b"])
    async with running_network(tmp_path, chains) as network:
        first = network.send("a", "b", 1)
        back = network.send("b", "a", 1)
        await until(network, lambda: network.is_confirmed(first))
        chains["b"].faults.lost_broadcasts = 1
        second = network.send("a", "b", 1)
        await until(network, lambda: bool(deliveries(chains["b"])[1:]), seconds=30)
        assert back
        assert second


async def test_an_invented_head_stops_no_mending(tmp_path: Path) -> None:
    """INV-5: a head 2^40 that one provider tells moves no timer."""
    chains = two_chains()
    b = chains["b"]
    async with running_network(tmp_path, chains, provers=late_provers(chains, "b")) as network:
        first = network.send("a", "b", 1)
        await until(network, lambda: network.is_confirmed(first))
        newest = b.ledger.blocks[-1]
        watcher = network.pipeline.chain_tasks["b"].watcher
        watcher._newest = Head(Height(2**40), b"\1" * 32, newest.hash, newest.timestamp)  # noqa: SLF001
        watcher.wake()
        await network.settle(20)
        b.faults.lost_broadcasts = 1
        second = network.send("a", "b", 3)
        await until(network, lambda: network.is_confirmed(second), seconds=40)


# --- price and money ----------------------------------------------------------------------------------------


async def test_an_empty_account_waits_and_is_never_outbid(tmp_path: Path) -> None:
    """INV-10, and no gas wasted: the reason is `funds`, and nothing is signed that the account can't pay."""
    chains = two_chains()
    b = chains["b"]
    b.balances[b.senders[0]] = 10
    async with running_network(tmp_path, chains) as network:
        sent = network.send("a", "b", 1)
        await until(network, lambda: waits_for(network, sent[0], WaitingReason.FUNDS))
        await network.mine(20)
        assert "has 10 wei" in detail(network, sent[0])
        assert open_of(network, "b") == []
        # By now the lane's own pauses are long: the end of the trouble ends them.
        await asyncio.sleep(3)
        b.balances[b.senders[0]] = 10**18
        await until(network, lambda: network.is_confirmed(sent), seconds=4)
    (paid,) = b.mined.values()
    assert paid.priority_fee_wei == 10**9


@pytest.mark.parametrize("checks", [False, True])
async def test_an_account_that_runs_dry_under_way_is_not_outbid(tmp_path: Path, checks: bool) -> None:
    """A pool that checks no balance takes what can't be paid and never mines it (Besu 26.8)."""
    chains = two_chains()
    b = chains["b"]
    b.rules.pool_checks_balance = checks
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        b.faults.lost_broadcasts = 1
        sent = network.send("a", "b", 1)
        await until(network, lambda: bool(open_of(network, "b")))
        b.balances[b.senders[0]] = 10
        await until(network, lambda: reason(network, sent[0]) is WaitingReason.FUNDS)
        await network.mine(40)
        (known,) = open_of(network, "b")
        assert len(known.attempts) == 1
        assert "has 10 wei" in detail(network, sent[0])
        b.balances[b.senders[0]] = 10**18
        await until(network, lambda: network.is_confirmed(sent))
    assert [transaction.priority_fee_wei for transaction in b.mined.values()] == [10**9]


async def test_a_price_below_the_base_fee_is_raised(tmp_path: Path) -> None:
    chains = two_chains()
    b = chains["b"]
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        b.faults.lost_broadcasts = 1
        sent = network.send("a", "b", 1)
        await until(network, lambda: bool(open_of(network, "b")))
        b.base_fee_wei *= 20
        await until(network, lambda: network.is_confirmed(sent))
    (paid,) = b.mined.values()
    assert paid.max_fee_wei >= b.base_fee_wei


async def test_time_alone_raises_no_price(tmp_path: Path) -> None:
    """A transaction that is only lost keeps its price, however many blocks pass it by."""
    chains = two_chains()
    b = chains["b"]
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        b.faults.lost_broadcasts = 5
        sent = network.send("a", "b", 1)
        await until(network, lambda: network.is_confirmed(sent), seconds=40)
    (paid,) = b.mined.values()
    assert paid.priority_fee_wei == 10**9
    with_attempts = await _attempts(tmp_path)
    assert with_attempts == [1]


async def _attempts(folder: Path) -> list[int]:
    journal = Journal.open(f"sqlite:///{folder}/journal.db")
    with journal.reading() as reading:
        found = [
            len(transaction.attempts)
            for transaction in reading.transactions(map(TransactionRow, range(1, 50)))
        ]
    journal.close()
    return found


async def test_a_legacy_chain_gets_transactions_of_type_0(tmp_path: Path) -> None:
    chains = {"a": MemoryChain("a", 1001), "b": MemoryChain("b", 1002, rules=MemoryRules(is_legacy=True))}
    join(chains["a"], chains["b"])
    async with running_network(tmp_path, chains) as network:
        sent = [*network.send("a", "b", 2), *network.send("b", "a", 1)]
        await until(network, lambda: network.is_confirmed(sent))
    assert all(transaction.is_legacy for transaction in chains["b"].mined.values())


async def test_free_gas_costs_an_empty_account_nothing(tmp_path: Path) -> None:
    """Price 0, for replacements too: an account that holds nothing relays."""
    rules = MemoryRules(suggested_wei=0)
    chains = {"a": MemoryChain("a", 1001), "b": MemoryChain("b", 1002, rules=rules)}
    join(chains["a"], chains["b"])
    b = chains["b"]
    b.base_fee_wei, b.balances[b.senders[0]] = 0, 0
    async with running_network(tmp_path, chains, prices=PricePolicy(0)) as network:
        sent = network.send("a", "b", 2)
        await until(network, lambda: network.is_confirmed(sent))
        b.faults.refusing = [(Refusal.UNKNOWN, "for a while")] * 2
        b.faults.lost_broadcasts = 1
        sent = network.send("a", "b", 2)
        await until(network, lambda: network.is_confirmed(sent))
    assert {transaction.max_fee_wei for transaction in b.mined.values()} == {0}


async def test_a_batch_that_is_too_large_for_the_nodes_is_split(tmp_path: Path) -> None:
    """The size that nodes take is learnt, the refused bytes are given up, and their nonce goes on."""
    chains = two_chains()
    b = chains["b"]
    b.rules.most_bytes = 12_000
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        sent = [chains["a"].send(b, bytes(4_000), recipient=b"\x22" * 20) for _ in range(6)]
        await until(network, lambda: network.is_confirmed(sent), seconds=30)
    assert max(deliveries(b)) < 6
    assert sum(deliveries(b)) == 6


# --- operators ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", list(Wish))
async def test_an_operators_wish_is_met(tmp_path: Path, wish: Wish) -> None:
    chains = two_chains()
    b = chains["b"]
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        b.faults.lost_broadcasts = 100
        sent = network.send("a", "b", 1)
        await until(network, lambda: bool(open_of(network, "b")))
        (known,) = open_of(network, "b")
        row = known.row
        await network.journal.commit(lambda writing: writing.add_wish(row, wish, network.clock()))
        await until(network, lambda: len(known.attempts) == 2)
        b.faults.lost_broadcasts = 0
        await until(network, lambda: network.is_confirmed(sent))
        assert len(known.attempts) == 2
        assert known.newest.is_cancellation is (wish is Wish.CANCEL)
        assert known.newest.max_fee_wei > known.attempts[0].max_fee_wei


# --- several keys -------------------------------------------------------------------------------------------


async def test_several_keys_share_the_load(tmp_path: Path) -> None:
    chains = {"a": MemoryChain("a", 1001), "b": MemoryChain("b", 1002, accounts=3)}
    join(chains["a"], chains["b"])
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        network.send("a", "b", 1_500)
        await until(network, lambda: sum(deliveries(chains["b"])) == 1_500, seconds=40)
    senders = {Address(transaction.sender) for transaction in chains["b"].mined.values()}
    assert len(senders) == 3


# --- without a journal --------------------------------------------------------------------------------------


async def test_a_process_without_a_journal_sends_one_transaction(tmp_path: Path) -> None:
    chain = two_chains()["b"]
    sender = Sender(chain, MemoryStore(), PricePolicy(10**12), now_micros, shares_keys=True)
    known = await sender.send(Call(chain.senders[0], b"", gas=21_000), Purpose.OTHER)
    await chain.mine()
    await sender.look(1)
    assert await sender.included(known, 1.0)
    assert known.receipt is not None


async def test_what_nodes_refuse_for_good_is_not_signed_again_at_once(tmp_path: Path) -> None:
    """No storm: where nodes never take a batch, the page waits longer and longer, and says why (INV-10)."""
    chains = two_chains()
    chains["b"].faults.always_refusing = (Refusal.INVALID, "gas price not 0")
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        sent = network.send("a", "b", 1)
        end = time.monotonic() + 6.0
        while time.monotonic() < end:
            await network.mine()
        with network.journal.reading() as reading:
            signed = len(reading.transactions(map(TransactionRow, range(1, 200))))
        assert signed <= 6, signed
        assert "gas price not 0" in detail(network, sent[0])
        chains["b"].faults.always_refusing = None
        await until(network, lambda: network.is_confirmed(sent), seconds=30)


async def test_an_invented_revert_settles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-5, INV-6: a provider shows a failed receipt of a delivery that waits in the pool. The account's
    proven nonce says that it may land yet, so that its messages are not signed a second time.
    """
    chains = two_chains()
    b = chains["b"]
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        truth, lies = b.receipt, True

        async def invent(tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
            block = b.ledger.blocks[-1]
            if lies and tx_hash not in b.receipts:
                return TxReceipt(tx_hash, block.number, block.hash, False, 21_000, 0, (), ())
            return await truth(tx_hash, ask_all=ask_all)

        monkeypatch.setattr(b, "receipt", invent)
        monkeypatch.setattr(b.pool, "can_include", lambda *_: False)
        sent = network.send("a", "b", 2)
        await until(network, lambda: bool(list(b.pool)))
        await network.mine(20)
        assert [transaction.nonce for transaction in b.pool] == [0]
        lies = False
        monkeypatch.undo()
        await until(network, lambda: network.is_confirmed(sent))
    assert deliveries(b) == [2]


async def test_a_reason_of_before_a_restart_goes_with_its_cause(tmp_path: Path) -> None:
    """INV-10: the account was empty, and was filled up while the daemon was down."""
    chains = two_chains()
    b = chains["b"]
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        b.faults.lost_broadcasts = 100
        sent = network.send("a", "b", 1)
        await until(network, lambda: bool(open_of(network, "b")))
        b.balances[b.senders[0]] = 10
        await until(network, lambda: reason(network, sent[0]) is WaitingReason.FUNDS)
    b.balances[b.senders[0]] = 10**18
    async with running_network(tmp_path, chains) as network:
        await until(network, lambda: reason(network, sent[0]) is WaitingReason.INCLUSION)


async def test_a_reason_that_changes_its_figures_alone_is_logged_once(tmp_path: Path) -> None:
    """The base fee moves at every block: people read the newest, and the log has one line."""
    chains = two_chains()
    b = chains["b"]
    with structlog.testing.capture_logs() as logs:
        async with running_network(tmp_path, chains, prices=PricePolicy(4 * 10**9, 10**9)) as network:
            await network.mine(2)
            b.faults.lost_broadcasts = 100
            sent = network.send("a", "b", 1)
            await until(network, lambda: bool(open_of(network, "b")))
            for number in range(10):
                b.base_fee_wei = (5 + number) * 10**9
                await network.mine()
            assert reason(network, sent[0]) is WaitingReason.GAS_PRICE
    assert sum(line["event"] == "a transaction waits" for line in logs) == 1
