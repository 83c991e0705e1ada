# SPDX-License-Identifier: MIT
"""A light client on a destination: updated, renewed, frozen, and what its lanes say while they
wait for it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from light_clients.client import Timestamp
from relayer.chains.base import Refusal, RemoteState
from relayer.chains.evm import abi
from relayer.journal.rows import Purpose, TransactionRow
from relayer.pipeline import client_task, witness
from relayer.protocol.delivery import WaitingReason
from relayer.testing.chain import MemoryChain, join
from relayer.testing.gateway import encode_freeze, encode_update
from relayer.testing.prover import MemoryProver
from tests.support.journal import gas_totals
from tests.support.memory_network import calls, delayed, reason, running_network, two_chains


async def test_validators_change_and_the_client_follows_before_the_messages(tmp_path: Path) -> None:
    """INV-7: nothing proven by new validators is sent before the client was brought to them."""
    async with running_network(tmp_path, two_chains()) as network:
        before = network.send("a", "b", 2)
        await network.mine_until(lambda: network.is_confirmed(before))
        network.chains["a"].change_signers()
        after = network.send("a", "b", 2)
        await network.mine_until(lambda: network.is_confirmed(after))
        assert all(receipt.succeeded for receipt in network.chains["b"].receipts.values())
        with network.journal.reading() as reading:
            assert gas_totals(reading)[1] == 0


async def test_trust_is_renewed_before_a_third_of_the_period_is_left(tmp_path: Path) -> None:
    chains = two_chains()
    for chain in chains.values():
        for state in (chain.pending, chain.ledger.blocks[-1].state):
            for client in state.clients.values():
                client.trusting_period_s = 30
    async with running_network(tmp_path, chains) as network:
        client_task = network.pipeline.client_tasks["a", "b"]
        for _ in range(60):
            await network.mine()
            client_task.recheck()
            (client,) = network.chains["b"].ledger.blocks[-1].state.clients.values()
            age = network.chains["b"].ledger.blocks[-1].timestamp - client.timestamp
            # Two thirds, and the blocks that the update takes.
            assert age <= 20 + 4
        assert client_task.waiting is None


async def test_a_client_that_is_not_renewed_in_time_is_told_before_it_expires(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_network(tmp_path, chains) as network:
        client_task = network.pipeline.client_tasks["a", "b"]
        await network.mine_until(lambda: client_task.client is not None)
        assert client_task.client is not None
        assert client_task.remark() is None
        left_s = client_task.client.trusting_period_s // 3 - 1
        start = client_task.destination.timestamp - client_task.client.trusting_period_s + left_s
        client_task.client = dataclasses.replace(client_task.client, timestamp=Timestamp(start))
        assert "less than a third" in (client_task.remark() or "")


async def test_a_change_of_the_signers_that_is_taken_back_wastes_no_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is delivered behind an update that leads to a set which signs no more."""
    monkeypatch.setattr(client_task, "_INCLUSION_S", 0.5)
    chains = two_chains()
    async with running_network(tmp_path, chains) as network:
        first = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(first))
        chains["b"].faults.always_refusing = (Refusal.UNKNOWN, "for a while")
        chains["a"].change_signers()
        sender = network.pipeline.chain_tasks["b"].sender
        await network.mine_until(
            lambda: any(known.purpose is Purpose.UPDATE for known in sender.transactions), blocks=80
        )
        chains["a"].pending.set_version -= 1
        network.send("a", "b", 2)
        await network.mine(60)
        chains["b"].faults.always_refusing = None
        await network.mine_until(lambda: network.is_confirmed(network.sent), blocks=300)
        assert all(receipt.succeeded for receipt in chains["b"].receipts.values())


@pytest.mark.parametrize("frozen", [True, False])
async def test_a_client_that_believes_nothing_is_the_reason(tmp_path: Path, frozen: bool) -> None:
    """INV-10: expired and frozen clients are told apart, and nothing is sent."""
    chains = two_chains()
    for state in (chains["b"].pending, chains["b"].ledger.blocks[-1].state):
        for client in state.clients.values():
            client.frozen = frozen
            client.trusting_period_s = 1_209_600 if frozen else 0
    await chains["b"].mine(2)
    async with running_network(tmp_path, chains) as network:
        (message,) = network.send("a", "b")
        await network.mine(4)
        story = network.journal.story(message.id)
        assert story is not None
        assert story.waiting is not None
        assert story.waiting.reason is WaitingReason.CLIENT_EXPIRED
        assert ("frozen" if frozen else "expired") in story.waiting.detail
        assert chains["b"].receipts == {}


async def test_a_paused_remote_is_the_reason(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_network(tmp_path, chains) as network:
        await network.mine(2)
        remote = chains["b"].pending.remotes[chains["a"].endpoint_id]
        paused = RemoteState(remote.client, remote.gateway, paused=True, retired=False)
        chains["b"].pending.remotes[chains["a"].endpoint_id] = paused
        await network.mine()
        (message,) = network.send("a", "b")
        await network.mine(4)
        assert reason(network, message) is WaitingReason.PAUSED
        assert chains["b"].receipts == {}
        chains["b"].pending.remotes[chains["a"].endpoint_id] = remote
        await network.mine()
        network.pipeline.client_tasks["a", "b"].recheck()
        await network.mine_until(lambda: network.is_confirmed([message]), blocks=150)


async def test_new_signers_are_brought_at_once_by_one_update(tmp_path: Path) -> None:
    """The client_task hears of them with the header; its own timer is not what brings them."""
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        first = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(first), blocks=30)
        chains["a"].change_signers()
        second = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(second), blocks=30)
        assert calls(chains["b"])[abi.CLIENT_UPDATE] == 1
        assert network.pipeline.client_tasks["a", "b"].oldest_height > 0


async def test_no_update_is_paid_for_while_signers_stay(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains)) as network:
        for _ in range(3):
            sent = network.send("a", "b")
            await network.mine_until(lambda sent=sent: network.is_confirmed(sent), blocks=30)  # type: ignore[misc]
        assert calls(chains["b"])[abi.CLIENT_UPDATE] == 0


async def test_misbehaviour_that_providers_show_freezes_the_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-7: looked for beside the work, at a bounded rate, and shown to every destination once."""
    monkeypatch.setattr(witness, "COMPARE_S", 0.02)
    chains = {name: MemoryChain(name, 1001 + number) for number, name in enumerate("abc")}
    for first, second in ("ab", "ac", "bc"):
        join(chains[first], chains[second])
    provers = {name: MemoryProver(chain, provider_count=2) for name, chain in chains.items()}
    async with running_network(tmp_path, chains, provers=provers) as network:
        sent = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(sent))
        provers["a"].misbehaviour = encode_freeze(0)
        await network.settle(20)
        await network.mine(6)
        for name in "bc":
            assert calls(chains[name])[abi.CLIENT_FREEZE] == 1
            with network.journal.reading() as reading:
                row = network.pipeline.chain_tasks[name].row
                found = reading.transactions(TransactionRow(row) for row in range(1, 50))
            assert [transaction.purpose for transaction in found if transaction.chain == row].count(
                Purpose.FREEZE
            ) == 1
            waiting = network.pipeline.client_tasks["a", name].waiting
            assert waiting is not None
            assert waiting.reason is WaitingReason.CLIENT_EXPIRED
            assert "frozen" in waiting.detail
        # The other chains' lanes go on.
        fine = network.send("b", "c")
        await network.mine_until(lambda: network.is_confirmed(fine))


async def test_a_client_that_does_not_know_who_signed_the_proof_yet_is_brought_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-7: a contradiction at the change of signers freezes the client too."""
    monkeypatch.setattr(witness, "COMPARE_S", 0.02)
    chains = two_chains()
    provers = delayed(chains, provider_count=2)
    async with running_network(tmp_path, chains, provers=provers) as network:
        sent = network.send("a", "b")
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=30)
        # Others seal the newest block, which is not final: our verified header is still of those that the
        # client knows.
        chains["a"].change_signers()
        await network.mine(1)
        block = chains["a"].ledger.blocks[-1]

        async def updates_for(*_: object) -> tuple[bytes, ...]:
            return (encode_update(block.state.set_version, block.number, block.timestamp),)

        provers["a"].updates_for = updates_for  # type: ignore[method-assign,assignment]
        provers["a"].misbehaviour = encode_freeze(block.state.set_version)
        await network.settle(20)
        await network.mine(4)
        assert calls(chains["b"])[abi.CLIENT_UPDATE] == 1
        assert calls(chains["b"])[abi.CLIENT_FREEZE] == 1


async def test_a_proof_of_misbehaviour_that_no_client_accepts_costs_no_more_than_one_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "COMPARE_S", 0.02)
    chains = two_chains()
    provers = {name: MemoryProver(chain, provider_count=2) for name, chain in chains.items()}
    async with running_network(tmp_path, chains, provers=provers) as network:
        provers["a"].misbehaviour = encode_freeze(7)
        for _ in range(4):
            await network.mine(2)
            await network.settle(10)
        assert calls(chains["b"])[abi.CLIENT_UPDATE] <= 1
        assert calls(chains["b"])[abi.CLIENT_FREEZE] == 0
