# SPDX-License-Identifier: MIT
"""The transactions of the library over an in-memory chain: what it waits for, what wedges nothing, and what
its errors say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relayer.chains.base import Call, GasPrice, Refusal
from relayer.errors import (
    ChainUnavailable,
    FeeLimitReached,
    InsufficientFunds,
    KeyUnavailable,
    NonceConflict,
    PostroadError,
)
from relayer.road.transact import SendingChain
from relayer.sending.price import PricePolicy
from relayer.testing.chain import MemoryChain, MemoryRules
from relayer.testing.prover import MemoryProver

POLICY = PricePolicy(500 * 10**9)
LAG = 5


def made(
    chain: MemoryChain, *, lag: int = 0, timeout_s: float = 20.0, policy: PricePolicy = POLICY
) -> SendingChain:
    return SendingChain(chain, MemoryProver(chain, lag=lag), policy, poll_s=0.02, timeout_s=timeout_s)


def call_of(chain: MemoryChain, gas: int | None = 50_000) -> Call:
    return Call(chain.senders[0], b"", gas=gas)


@asynccontextmanager
async def mining(chain: MemoryChain, pause_s: float = 0.02) -> AsyncIterator[None]:
    async def mine() -> None:
        while True:
            await asyncio.sleep(pause_s)
            await chain.mine()

    task = asyncio.create_task(mine())
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.parametrize("lag", [0, LAG])
async def test_concurrent_callers_share_the_account(lag: int) -> None:
    chain = MemoryChain("a", 1)
    sending = made(chain, lag=lag)
    async with mining(chain):
        receipts = await asyncio.gather(*(sending.transact(call_of(chain)) for _ in range(20)))
        again = await sending.transact(call_of(chain))
    assert len({receipt.tx_hash for receipt in receipts}) == 20
    nonces = sorted(mined.nonce for mined in chain.mined.values())
    assert nonces == list(range(21))
    assert again.succeeded
    await sending.close()


async def test_nothing_runs_while_nobody_waits() -> None:
    chain = MemoryChain("a", 1)
    sending = made(chain)
    async with mining(chain):
        await sending.transact(call_of(chain))
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("lag", [0, LAG])
async def test_a_false_count_wedges_nothing(lag: int) -> None:
    """INV-5: a provider's count that is 1,000, or 3, too high holds no message of the library up."""
    for false in (1_000, 3):
        chain = MemoryChain("a", 1)
        sending = made(chain, lag=lag)
        chain.faults.false_counts = false
        async with mining(chain):
            for _ in range(3):
                await sending.transact(call_of(chain))
        assert max(mined.nonce for mined in chain.mined.values()) < 20


async def test_what_another_process_has_pending_is_not_outbid() -> None:
    chain = MemoryChain("a", 1)
    other = chain.sign(chain.senders[0], 0, call_of(chain), 50_000, GasPrice(10**11, 10**9))
    await chain.offer(other.raw)
    sending = made(chain)
    async with mining(chain, 0.1):
        receipt = await sending.transact(call_of(chain))
    assert other.tx_hash in chain.mined
    assert chain.mined[receipt.tx_hash].nonce == 1


async def test_a_nonce_that_another_process_took_first_is_replaced() -> None:
    """Nobody's node had ours, so that it is sent again without a question."""
    chain = MemoryChain("a", 1)
    sending = made(chain)
    chain.faults.refusing = [(Refusal.NONCE_USED, "nonce too low")]
    other = chain.sign(chain.senders[0], 0, call_of(chain), 60_000, GasPrice(10**11, 10**9))
    sent = asyncio.create_task(sending.transact(call_of(chain)))
    await asyncio.sleep(0.05)
    await chain.offer(other.raw)
    async with mining(chain):
        receipt = await sent
    assert chain.mined[receipt.tx_hash].nonce == 1


async def test_a_transaction_that_a_node_had_is_not_sent_a_second_time() -> None:
    chain = MemoryChain("a", 1)
    sending = made(chain)
    chain.faults.lost_broadcasts = 1
    other = chain.sign(chain.senders[0], 0, call_of(chain), 60_000, GasPrice(10**11, 10**9))
    sent = asyncio.create_task(sending.transact(call_of(chain)))
    await asyncio.sleep(0.05)
    await chain.offer(other.raw)
    async with mining(chain):
        with pytest.raises(ChainUnavailable, match=r"nonce 0 of 0x.* is used, and no provider shows"):
            await sent
    assert len(chain.mined) == 1


@pytest.mark.parametrize(
    ("refused", "kind", "words"),
    [
        ((Refusal.UNFUNDED, "insufficient funds for gas"), InsufficientFunds, "funds: .*insufficient funds"),
        ((Refusal.INVALID, "intrinsic gas too low"), ChainUnavailable, "intrinsic gas too low"),
        ((Refusal.BUSY, "txpool is full"), ChainUnavailable, "rpc_trouble: .*txpool is full"),
        ((Refusal.UNDERPRICED, "fee too low to compete"), PostroadError, "fee too low to compete"),
    ],
)
async def test_a_refused_transaction_tells_why_and_frees_its_nonce(
    refused: tuple[Refusal, str], kind: type[PostroadError], words: str
) -> None:
    chain = MemoryChain("a", 1)
    sending = made(chain, timeout_s=0.5)
    chain.faults.always_refusing = refused
    async with mining(chain):
        with pytest.raises(kind, match=words) as error:
            await sending.transact(call_of(chain))
        assert "Nothing was sent" in str(error.value)
        chain.faults.always_refusing = None
        receipt = await sending.transact(call_of(chain))
    assert chain.mined[receipt.tx_hash].nonce == 0


async def test_a_transaction_that_is_late_may_still_land_and_says_so() -> None:
    chain = MemoryChain("a", 1)
    sending = made(chain, timeout_s=0.3)
    with pytest.raises(ChainUnavailable, match=r"0x.* with nonce 0 is in no block of a: inclusion") as error:
        await sending.transact(call_of(chain))
    assert "look for it before you send again" in str(error.value)
    async with mining(chain):
        await sending.transact(call_of(chain))
    assert sorted(mined.nonce for mined in chain.mined.values()) == [0, 1]


async def test_what_can_not_be_signed_is_told_at_once() -> None:
    chain = MemoryChain("a", 1)
    chain.balances[chain.senders[0]] = 1
    with pytest.raises(InsufficientFunds, match="has 1 wei"):
        await made(chain).transact(call_of(chain))
    with pytest.raises(FeeLimitReached, match=r"max_fee_gwei = 0\.1"):
        await made(chain, policy=PricePolicy(10**8)).transact(call_of(chain))
    with pytest.raises(KeyUnavailable):
        await made(MemoryChain("b", 2, accounts=0)).transact(Call(chain.senders[0], b"", gas=50_000))


async def test_an_empty_account_sends_where_gas_is_free() -> None:
    """`max_fee_gwei = 0` takes free gas alone, and no tip is offered by itself."""
    for is_legacy in (False, True):
        chain = MemoryChain("a", 1, rules=MemoryRules(is_legacy=is_legacy, suggested_wei=0))
        chain.base_fee_wei = 0
        chain.balances[chain.senders[0]] = 0
        async with mining(chain):
            receipt = await made(chain, policy=PricePolicy(0)).transact(call_of(chain))
        assert receipt.fee_wei == 0


async def test_other_processes_that_take_every_nonce_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = MemoryChain("a", 1)
    sending = made(chain)

    async def taken(_: object) -> None:
        return None

    monkeypatch.setattr(sending, "_await_receipt", taken)
    with pytest.raises(NonceConflict, match="3 nonces in a row on a"):
        await sending.transact(call_of(chain))
