# SPDX-License-Identifier: MIT
"""The in-memory twin follows the contracts' rules, so that what is tested on it means something."""

from __future__ import annotations

import pytest

from light_clients.client import Height, Status
from light_clients.errors import HeaderRejected
from relayer.chains.base import Call, Chain, DeliveryEventKind, GasPrice, SignedTransaction, TxReceipt
from relayer.chains.evm import abi
from relayer.consensus.base import ProvenSlot, Prover
from relayer.errors import (
    CallReverted,
    CallRevertedDrop,
    CallRevertedRetryable,
    CallRevertedStopLane,
    ChainUnavailable,
    ClientFrozen,
)
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.lane import Lane, heads_slot
from relayer.protocol.message import Message, MessageId, Sequence
from relayer.testing.chain import GENESIS_TIME, MemoryChain, join
from relayer.testing.prover import MemoryProver

GAS = 5_000_000


@pytest.fixture
async def chains() -> tuple[MemoryChain, MemoryChain]:
    alpha, beta = MemoryChain("alpha", 1), MemoryChain("beta", 2, accounts=2)
    join(alpha, beta)
    await alpha.mine()
    await beta.mine()
    return alpha, beta


async def prove(source: MemoryChain, destination: MemoryChain, page: int = 0) -> ProvenSlot:
    prover = MemoryProver(source)
    header = await prover.verify_head(await source.head())
    lane = Lane(source.endpoint_id, destination.endpoint_id)
    (proven,) = await prover.prove(header, source.gateway, (heads_slot(lane.id, page),))
    return proven


def to_batch(source: MemoryChain, destination: MemoryChain, *items: Message | MessageId) -> bytes:
    lane = Lane(source.endpoint_id, destination.endpoint_id)
    return encode_batch(Batch(lane, bytes(32), Sequence(0), items))


async def offer(chain: MemoryChain, call: Call) -> SignedTransaction:
    sender = chain.senders[0]
    (nonce,) = await chain.count_transactions(sender, pending=True)
    signed = chain.sign(sender, nonce, call, call.gas or GAS, GasPrice(3 * 10**9, 10**9))
    assert (await chain.offer(signed.raw)).is_taken
    return signed


async def submit(chain: MemoryChain, batch: bytes, proof: bytes, gas: int = GAS) -> SignedTransaction:
    return await offer(chain, chain.deliver_call(batch, proof, gas))


async def deliver(chain: MemoryChain, batch: bytes, proof: bytes, gas: int = GAS) -> TxReceipt:
    signed = await submit(chain, batch, proof, gas)
    await chain.mine()
    receipt = await chain.receipt(signed.tx_hash)
    assert receipt is not None
    return receipt


def test_they_are_what_the_pipeline_takes() -> None:
    chain: Chain = MemoryChain("alpha", 1)
    prover: Prover = MemoryProver(MemoryChain("beta", 2))
    assert chain.name == "alpha"
    assert prover.export_state()


async def test_a_message_crosses(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, beta = chains
    message = alpha.send(beta, b"hello")
    await alpha.mine()
    (sent,) = await alpha.sent_messages(Height(0), Height(9))
    assert sent.message == message
    assert sent.claimed_id == message.id
    proven = await prove(alpha, beta)
    simulated = await beta.simulate_deliver(
        beta.senders[0], to_batch(alpha, beta, message), proven.proof, GAS
    )
    assert simulated.executed == 1
    assert await beta.delivered_bitmap(message.lane_id, 0) == 0
    receipt = await deliver(beta, to_batch(alpha, beta, message), proven.proof)
    assert receipt.succeeded
    assert receipt.delivered[0].mask == 1
    assert receipt.fee_wei > 0
    assert await beta.delivered_bitmap(message.lane_id, 0) == 1
    again = await beta.simulate_deliver(beta.senders[0], to_batch(alpha, beta, message), proven.proof, GAS)
    assert again.already_delivered


async def test_failing_expired_and_skipped_messages(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, beta = chains
    good = alpha.send(beta, b"good")
    failing = alpha.send(beta, b"failing", recipient=b"\x33" * 20)
    late = alpha.send(beta, b"late", deadline=GENESIS_TIME + 1)
    skipped = alpha.send(beta, b"skipped")
    await alpha.mine()
    beta.faults.refusals[failing.recipient] = b"\x08\xc3\x79\xa0" + bytes(64)
    proven = await prove(alpha, beta)
    batch = to_batch(alpha, beta, good, failing, late, skipped.id)
    receipt = await deliver(beta, batch, proven.proof)
    assert [(part.first, part.count, part.mask) for part in receipt.delivered] == [(0, 4, 1)]
    assert [(event.kind, event.message_id) for event in receipt.events] == [
        (DeliveryEventKind.FAILED, failing.id),
        (DeliveryEventKind.EXPIRED, late.id),
    ]
    assert len(receipt.events[0].reason) == 32


async def test_pages_have_heads_and_words_of_their_own(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, beta = chains
    messages = [alpha.send(beta, bytes([n % 256])) for n in range(300)]
    await alpha.mine()
    proven = await prove(alpha, beta, page=1)
    receipt = await deliver(beta, to_batch(alpha, beta, *messages), proven.proof, 90_000_000)
    assert [(part.first, part.count, part.mask.bit_count()) for part in receipt.delivered] == [
        (0, 256, 256),
        (256, 44, 44),
    ]


async def test_what_contracts_refuse_is_refused(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, beta = chains
    message = alpha.send(beta)
    await alpha.mine()
    proven = await prove(alpha, beta)
    batch = to_batch(alpha, beta, message)
    sender = beta.senders[0]
    unsent = to_batch(alpha, beta, message, MessageId(b"\1" * 32))
    with pytest.raises(CallRevertedDrop, match="HeadMismatch"):
        await beta.simulate_deliver(sender, unsent, proven.proof, GAS)
    with pytest.raises(CallRevertedDrop, match="MalformedBatch"):
        await beta.simulate_deliver(sender, batch[:-1], proven.proof, GAS)
    with pytest.raises(CallRevertedRetryable, match="InsufficientGas"):
        await beta.simulate_deliver(sender, batch, proven.proof, 100_000)
    with pytest.raises(CallReverted):
        await beta.simulate_deliver(sender, batch, proven.proof[:-1] + b"\xff", GAS)
    with pytest.raises(CallRevertedStopLane, match="UnknownRemote"):
        await beta.simulate_deliver(sender, b"\1" * 32 + batch[32:], proven.proof, GAS)
    beta.amend(lambda state: state.paused_lanes.add(message.lane_id))
    with pytest.raises(CallRevertedStopLane, match="InboundLaneIsPaused"):
        await beta.simulate_deliver(sender, batch, proven.proof, GAS)


async def test_a_failed_transaction_costs_and_changes_nothing(
    chains: tuple[MemoryChain, MemoryChain],
) -> None:
    alpha, beta = chains
    message = alpha.send(beta)
    await alpha.mine()
    receipt = await deliver(beta, to_batch(alpha, beta, message), b"no proof")
    assert not receipt.succeeded
    assert receipt.fee_wei > 0
    assert await beta.delivered_bitmap(message.lane_id, 0) == 0


async def test_validators_change_and_clients_follow(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, beta = chains
    message = alpha.send(beta)
    alpha.change_signers()
    await alpha.mine()
    prover = MemoryProver(alpha)
    await prover.verify_head(await alpha.head())
    remote = await beta.remote(alpha.endpoint_id)
    assert remote is not None
    assert not (await prover.client_at(beta, remote.client)).current
    proven = await prove(alpha, beta)
    batch = to_batch(alpha, beta, message)
    with pytest.raises(CallReverted):
        await beta.simulate_deliver(beta.senders[0], batch, proven.proof, GAS)
    (update,) = await prover.updates_for(beta, remote.client)
    await offer(beta, Call(remote.client, abi.CLIENT_UPDATE + abi.encode_bytes(update)))
    await beta.mine()
    assert (await prover.client_at(beta, remote.client)).current
    assert await prover.updates_for(beta, remote.client) == ()
    assert (await deliver(beta, batch, proven.proof)).succeeded

    def freeze(state: object) -> None:
        del state
        for clients in (beta.pending.clients, beta.ledger.blocks[-1].state.clients):
            clients[remote.client].frozen = True

    freeze(None)
    assert (await prover.client_at(beta, remote.client)).status is Status.FROZEN
    with pytest.raises(ClientFrozen):
        await prover.updates_for(beta, remote.client)


async def test_a_reorganisation_takes_blocks_back(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, beta = chains
    message = alpha.send(beta)
    await alpha.mine()
    proven = await prove(alpha, beta)
    signed = await submit(beta, to_batch(alpha, beta, message), proven.proof)
    before = await beta.mine()
    beta.reorganise(1)
    assert await beta.receipt(signed.tx_hash) is None
    assert await beta.delivered_bitmap(message.lane_id, 0) == 0
    after = await beta.mine()
    assert (after.number, after.hash != before.hash) == (before.number, True)
    receipt = await beta.receipt(signed.tx_hash)
    assert receipt is not None
    assert receipt.delivered
    alpha.reorganise(1)
    assert await alpha.sent_messages(Height(0), Height(99)) == []


async def test_providers_faults(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, beta = chains
    hidden, altered = alpha.send(beta, b"a"), alpha.send(beta, b"b")
    await alpha.mine()
    alpha.faults.hidden_logs.add(hidden.id)
    alpha.faults.altered_logs.add(altered.id)
    (found,) = await alpha.sent_messages(Height(0), Height(9))
    assert found.claimed_id == altered.id
    assert found.message.id != altered.id
    prover = MemoryProver(alpha)
    prover.rejected_heights.add((await alpha.head()).number)
    with pytest.raises(HeaderRejected):
        await prover.verify_head(await alpha.head())
    alpha.faults.down = True
    with pytest.raises(ChainUnavailable):
        await alpha.head()


async def test_heads_come_with_blocks(chains: tuple[MemoryChain, MemoryChain]) -> None:
    alpha, _ = chains
    heads = alpha.heads()
    assert (await anext(heads)).number == 1
    mined = await alpha.mine(2)
    assert await anext(heads) == mined
    await heads.aclose()  # type: ignore[attr-defined]
    await alpha.close()
    assert alpha.is_closed
