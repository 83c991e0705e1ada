# SPDX-License-Identifier: MIT
"""One message, end to end through EvmChain and BftProver,
with the real contracts and without the pipeline.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from light_clients.client import Height, Status
from relayer.chains.base import (
    Address,
    Call,
    DeliveryEventKind,
    GasPrice,
    Refusal,
    SentMessage,
    TxReceipt,
)
from relayer.chains.evm import abi
from relayer.chains.evm.chain import EvmChain
from relayer.consensus.base import ProvenAccount, ProvenSlot
from relayer.consensus.bft.local.faults import Equivocation, ForgedSeals, MissingSeals
from relayer.consensus.bft.prover import BftProver
from relayer.devnet.state.faults import WrongProofs
from relayer.errors import (
    CallReverted,
    CallRevertedDrop,
    CallRevertedStopLane,
    ChainUnavailable,
    ClientFrozen,
)
from relayer.protocol.batch import Batch, encode_batch
from relayer.protocol.lane import bit_of, delivered_slot, heads_slot, page_of
from relayer.protocol.message import Message, MessageId
from tests.support.endpoints import Site, joined

GAS = 5_000_000


async def observe(source: Site) -> list[SentMessage]:
    head = await source.chain.head()
    return await source.chain.sent_messages(Height(1), head.number)


async def prove_head(source: Site, destination: Site, last: int) -> ProvenSlot:
    """The proof of the page head that ends with a sequence, at the source's newest block."""
    header = await source.prover.verify_head(await source.chain.head())
    slot = heads_slot(source.lane_to(destination).id, page_of(last))
    (proven,) = await source.prover.prove(header, source.chain.gateway, (slot,))
    return proven


async def deliver(
    source: Site, destination: Site, batch: Batch, proven: ProvenSlot, *, simulate: bool = True
) -> TxReceipt:
    encoded = encode_batch(batch)
    if simulate:
        await destination.chain.simulate_deliver(destination.chain.senders[0], encoded, proven.proof, GAS)
    call = destination.chain.deliver_call(encoded, proven.proof, GAS)
    return await destination.transact(call.to, call.data, call.gas)


async def confirm(source: Site, destination: Site, message: Message) -> bool:
    """Whether the destination's own light client proves the message's bit."""
    header = await destination.prover.verify_head(await destination.chain.head())
    slot = delivered_slot(message.lane_id, page_of(message.sequence))
    (proven,) = await destination.prover.prove(header, destination.chain.gateway, (slot,))
    return bool(int.from_bytes(proven.value) & bit_of(message.sequence))


def batch_of(source: Site, destination: Site, sent: list[SentMessage]) -> Batch:
    return Batch(
        source.lane_to(destination),
        bytes(32),
        sent[0].message.sequence,
        tuple(message.message for message in sent),
    )


@pytest.mark.parametrize(("first", "second"), [("qbft", "ibft2"), ("ibft2", "qbft")])
async def test_a_message_crosses_and_its_delivery_is_proven(
    first: Literal["qbft", "ibft2"], second: Literal["qbft", "ibft2"]
) -> None:
    """INV-1, INV-2, INV-5: verified in Python, executed once, confirmed by the destination's light client."""
    async with joined(first, second) as (alpha, beta):
        await alpha.send(beta, b"hello over there".ljust(32))
        (sent,) = await observe(alpha)
        message = sent.message
        assert message.id == sent.claimed_id
        assert message.lane_id == alpha.lane_to(beta).id
        # The default gas limit is not in the event: it was found, since the leaf is reproduced.
        assert message.gas_limit == 200_000
        assert message.recipient[12:] == beta.recipient
        assert message.sender[12:] == alpha.chain.senders[0]

        proven = await prove_head(alpha, beta, message.sequence)
        batch = batch_of(alpha, beta, [sent])
        assert proven.value == batch.compute_head()
        assert not await confirm(alpha, beta, message)
        receipt = await deliver(alpha, beta, batch, proven)
        assert receipt.succeeded
        (delivered,) = receipt.delivered
        assert (delivered.lane_id, delivered.first, delivered.count, delivered.mask) == (
            message.lane_id,
            0,
            1,
            1,
        )
        assert receipt.events == ()
        assert await beta.chain.delivered_bitmap(message.lane_id, 0) == 1
        assert await confirm(alpha, beta, message)

        # A second relayer's batch loses nothing but its base cost.
        simulated = await beta.chain.simulate_deliver(
            beta.chain.senders[0], encode_batch(batch), proven.proof, GAS
        )
        assert simulated.already_delivered
        again = await deliver(alpha, beta, batch, proven)
        assert again.succeeded
        assert again.delivered == ()


async def test_a_senders_account_is_proven_and_both_types_of_transaction_are_mined() -> None:
    """INV-5: the nonce that is signed next comes from a proof, and from no provider's count."""
    async with joined() as (alpha, _):
        chain = alpha.chain
        sender = chain.senders[0]
        header = await alpha.prover.verify_head(await chain.head())
        before = await alpha.prover.prove_account(header, sender)
        market = await chain.market()
        assert market.base_fee_wei is not None
        assert header.base_fee_wei is not None
        assert before.balance_wei == await chain.balance(sender)
        most = 4 * header.base_fee_wei + market.suggested_wei
        call = Call(sender, b"")
        gas = await chain.estimate(call, sender)
        prices = (GasPrice(most, market.suggested_wei), GasPrice(most, most, is_legacy=True))
        for nonce, price in enumerate(prices, before.nonce):
            signed = chain.sign(sender, nonce, call, gas, price)
            assert (await chain.offer(signed.raw)).is_taken
            await alpha.local.mine()
            receipt = await chain.receipt(signed.tx_hash, ask_all=True)
            assert receipt is not None
            assert receipt.succeeded
            (answer,) = (await chain.offer(signed.raw)).answers
            assert answer.refusal is Refusal.NONCE_USED, answer.detail
        header = await alpha.prover.verify_head(await chain.head())
        after = await alpha.prover.prove_account(header, sender)
        assert after.nonce == before.nonce + 2
        assert await chain.count_transactions(sender) == (after.nonce,)
        assert 0 < before.balance_wei - after.balance_wei <= 2 * gas * most
        absent = Address(bytes(19) + b"\x77")
        assert await alpha.prover.prove_account(header, absent) == ProvenAccount(0, 0, header.number)


async def test_several_messages_with_terms_of_their_own() -> None:
    """Gas limits, deadlines, a refusing recipient and a skipped leaf, in one batch with a tail."""
    async with joined() as (alpha, beta):
        now = (await beta.chain.head()).timestamp
        await alpha.send(beta, b"default terms".ljust(32))
        await alpha.send(beta, b"own gas limit".ljust(32), gas_limit=123_456)
        await alpha.send(beta, b"no code there", to=b"\x99" * 20)
        await alpha.send(beta, b"in time".ljust(32), deadline=now + 100_000)
        await alpha.send(beta, b"skipped by the relayer".ljust(32))
        await alpha.send(beta, b"in the tail".ljust(32))
        sent = await observe(alpha)
        assert [message.message.id == message.claimed_id for message in sent] == [True] * 6
        assert [message.message.gas_limit for message in sent] == [200_000, 123_456, *[200_000] * 4]
        assert sent[3].message.deadline == now + 100_000
        proven = await prove_head(alpha, beta, 5)
        items: tuple[Message | MessageId, ...] = (
            *(message.message for message in sent[:4]),
            sent[4].claimed_id,
        )
        batch = Batch(alpha.lane_to(beta), bytes(32), sent[0].message.sequence, items, (sent[5].claimed_id,))
        receipt = await deliver(alpha, beta, batch, proven)
        (delivered,) = receipt.delivered
        assert (delivered.first, delivered.count, delivered.mask) == (0, 5, 0b1011)
        (event,) = receipt.events
        assert event.kind is DeliveryEventKind.FAILED
        assert event.message_id == sent[2].claimed_id


async def test_limits_changed_between_messages_are_found() -> None:
    """The leaf commits to the default gas limit of its time, whatever it is now."""
    async with joined() as (alpha, beta):
        lane = alpha.lane_to(beta).id
        await alpha.send(beta, b"one".ljust(32))
        for limit in (300_000, 400_000):
            limits = abi.encode_word(limit) + abi.encode_word(2_000_000) + abi.encode_word(24_576)
            data = abi.selector("limitLane(bytes32,(uint32,uint32,uint32))") + lane + limits
            assert (await alpha.transact(alpha.chain.gateway, data)).succeeded
            await alpha.send(beta, b"more".ljust(32))
        sent = await observe(alpha)
        assert [message.message.gas_limit for message in sent] == [200_000, 300_000, 400_000]
        assert all(message.message.id == message.claimed_id for message in sent)
        # A relayer that starts later sees only the last range, and still finds an older default.
        late = EvmChain(alpha.chain.settings)
        try:
            (only,) = await late.sent_messages(sent[1].block_number, sent[1].block_number)
        finally:
            await late.close()
        assert only.message.id == only.claimed_id


async def test_what_the_gateway_refuses_is_decoded() -> None:
    async with joined() as (alpha, beta):
        await alpha.send(beta, b"hello".ljust(32))
        (sent,) = await observe(alpha)
        proven = await prove_head(alpha, beta, 0)
        batch = batch_of(alpha, beta, [sent])
        wrong = Batch(batch.lane, b"\1" * 32, batch.first, batch.items)
        sender = beta.chain.senders[0]
        with pytest.raises(CallRevertedDrop, match="HeadMismatch") as head_mismatch:
            await beta.chain.simulate_deliver(sender, encode_batch(wrong), proven.proof, GAS)
        assert head_mismatch.value.arguments["proven"] == proven.value
        with pytest.raises(CallReverted) as rejected:
            await beta.chain.simulate_deliver(sender, encode_batch(batch), proven.proof[:-1] + b"\0", GAS)
        assert rejected.value.name
        pause = abi.selector("pauseRemote(bytes32)") + alpha.chain.endpoint_id
        assert (await beta.transact(beta.chain.gateway, pause)).succeeded
        remote = await beta.chain.remote(alpha.chain.endpoint_id)
        assert remote is not None
        assert remote.paused
        with pytest.raises(CallRevertedStopLane, match="RemoteIsPaused"):
            await beta.chain.simulate_deliver(sender, encode_batch(batch), proven.proof, GAS)


async def test_no_gas_is_spent_on_what_python_rejects() -> None:
    """INV-5: a provider that forges headers or proofs leads to an error, not to bytes."""
    async with joined() as (alpha, beta):
        await alpha.send(beta, b"hello".ljust(32))
        for fault in (ForgedSeals(), MissingSeals()):
            running = alpha.local.faults.start(fault)
            await alpha.local.mine()
            with pytest.raises(ChainUnavailable):
                await alpha.prover.verify_head(await alpha.chain.head())
            alpha.local.faults.stop(running)
        header = await alpha.prover.verify_head(await alpha.chain.head())
        slot = heads_slot(alpha.lane_to(beta).id, 0)
        hows: tuple[Literal["node", "short", "storage"], ...] = ("node", "short", "storage")
        for how in hows:
            running = alpha.local.faults.start(WrongProofs(how=how))
            with pytest.raises(ChainUnavailable):
                await alpha.prover.prove(header, alpha.chain.gateway, (slot,))
            alpha.local.faults.stop(running)
        (proven,) = await alpha.prover.prove(header, alpha.chain.gateway, (slot,))
        assert any(proven.value)


async def test_a_client_follows_the_validators() -> None:
    """INV-7: several changes behind, then brought there by updates that the contract accepts;
    set shrinking included.
    """
    async with joined(validators=4) as (alpha, beta):
        await alpha.prover.verify_head(await alpha.chain.head())
        before = await alpha.prover.client_at(beta.chain, beta.client)
        assert before.status is Status.ACTIVE
        assert before.current
        original = alpha.prover.validators
        for _ in range(3):
            alpha.local.add_validator()
            await alpha.local.mine(6)
        for validator in original[:2]:
            alpha.local.remove_validator(validator)
            await alpha.local.mine(6)
        await alpha.send(beta, b"after the changes".ljust(32))
        header = await alpha.prover.verify_head(await alpha.chain.head())
        assert alpha.prover.validators == alpha.local.validators
        assert len(alpha.prover.validators) == 5
        behind = await alpha.prover.client_at(beta.chain, beta.client)
        assert not behind.current

        (sent,) = await observe(alpha)
        (proven,) = await alpha.prover.prove(
            header, alpha.chain.gateway, (heads_slot(alpha.lane_to(beta).id, 0),)
        )
        batch = batch_of(alpha, beta, [sent])
        with pytest.raises(CallReverted):
            await deliver(alpha, beta, batch, proven)
        # A provider that was not asked for so long is walked through: 5 changes, a removal's missing
        # seals included.
        updates = await alpha.prover.updates_for(beta.chain, beta.client)
        assert 1 <= len(updates) <= 5
        for update in updates:
            data = abi.CLIENT_UPDATE + abi.encode_bytes(update)
            assert (await beta.transact(beta.client, data, 3_000_000)).succeeded
        after = await alpha.prover.client_at(beta.chain, beta.client)
        assert after.current
        receipt = await deliver(alpha, beta, batch, proven)
        assert receipt.succeeded
        assert receipt.delivered

        # With the set as it is, an update only renews trust, and once that is done there is nothing
        # to update.
        await alpha.local.mine()
        await alpha.prover.verify_head(await alpha.chain.head())
        (renewal,) = await alpha.prover.updates_for(beta.chain, beta.client)
        data = abi.CLIENT_UPDATE + abi.encode_bytes(renewal)
        assert (await beta.transact(beta.client, data, 3_000_000)).succeeded
        assert await alpha.prover.updates_for(beta.chain, beta.client) == ()

        # A restart goes on from the exported state, without walking again.
        fresh = BftProver(alpha.chain, alpha.bootstrap)
        fresh.import_state(alpha.prover.export_state())
        assert fresh.client == alpha.prover.client
        assert fresh.validators == alpha.prover.validators


async def test_misbehaviour_freezes_the_client_on_the_other_chain() -> None:
    """INV-7: two sealed blocks of one height, told by different providers, freeze the client for good."""
    async with joined() as (alpha, beta):
        await alpha.local.mine()
        head = await alpha.chain.head()
        await alpha.prover.verify_head(head)
        honest = await alpha.chain.block(head.number)
        twin = alpha.local.equivocate(head.number)
        assert twin is not None
        running = alpha.local.faults.start(Equivocation())
        forged = await alpha.chain.block(head.number)
        data = await alpha.prover.look_for_misbehaviour(head.number)
        alpha.local.faults.stop(running)
        assert alpha.prover.encode_freeze(honest, honest) is None
        assert data is not None
        assert alpha.prover.encode_freeze(honest, forged) is not None
        call = abi.CLIENT_FREEZE + abi.encode_bytes(data)
        assert (await beta.transact(beta.client, call, 2_000_000)).succeeded
        assert (await alpha.prover.client_at(beta.chain, beta.client)).status is Status.FROZEN
        with pytest.raises(ClientFrozen):
            await alpha.prover.updates_for(beta.chain, beta.client)


async def test_heads_come_by_websocket_and_by_polling() -> None:
    async with joined() as (alpha, _beta):
        heads = alpha.chain.heads()
        first = await asyncio.wait_for(anext(heads), 5)
        waiting = asyncio.ensure_future(anext(heads))
        await asyncio.sleep(0.3)
        block = await alpha.local.mine()
        second = await asyncio.wait_for(waiting, 5)
        assert second.number > first.number
        assert second.hash == block.hash
        await heads.aclose()  # type: ignore[attr-defined]
