# SPDX-License-Identifier: MIT
"""Anchors: several deliveries under one header pay for its signature once."""

from __future__ import annotations

from pathlib import Path

import pytest

from light_clients.client import Height, Timestamp
from relayer.chains.evm import abi
from relayer.errors import Retryable
from relayer.pipeline.pipeline import ServedLane
from relayer.pipeline.rules.anchoring import Anchoring
from relayer.protocol.lane import PUBLIC_CHANNEL, Lane
from relayer.testing.gateway import MemoryLane, MemoryState, encode_anchor
from tests.support.memory_network import calls, delayed, delivery_data, running_network, two_chains


async def test_several_batches_under_one_header_pay_for_its_signature_once(tmp_path: Path) -> None:
    """Two pages of one lane are two batches."""
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains, anchors=True)) as network:
        await network.mine(2)
        sent = network.send("a", "b", 300, gas_limit=10_000)
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 1
        assert calls(chains["b"])[abi.DELIVER] >= 2
        assert all(b"memory short" in data for data in delivery_data(chains["b"]))
        assert all(receipt.succeeded for receipt in chains["b"].receipts.values())


async def test_lanes_of_one_source_and_destination_share_an_anchor(tmp_path: Path) -> None:
    chains = two_chains()
    channel = b"\x09" * 32
    lane = Lane(chains["a"].endpoint_id, chains["b"].endpoint_id, channel)
    for state in (chains["a"].pending, chains["a"].ledger.blocks[-1].state):
        state.lanes[lane.id] = MemoryLane()
    lanes = [ServedLane("a", "b", PUBLIC_CHANNEL), ServedLane("a", "b", channel)]
    async with running_network(
        tmp_path, chains, provers=delayed(chains, anchors=True), lanes=lanes
    ) as network:
        await network.mine(2)
        sent = [*network.send("a", "b", 2), *network.send("a", "b", 2, channel=channel)]
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 1
        assert len(delivery_data(chains["b"])) == 2
        assert all(b"memory short" in data for data in delivery_data(chains["b"]))


async def test_a_lone_delivery_carries_its_signature(tmp_path: Path) -> None:
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains, anchors=True)) as network:
        await network.mine(2)
        for _ in range(2):
            sent = network.send("a", "b", 3)
            await network.mine_until(lambda sent=sent: network.is_confirmed(sent), blocks=40)  # type: ignore[misc]
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 0


async def test_an_anchor_that_somebody_replaced_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated first: a short proof whose anchor is gone is sent whole."""

    def shorten(self: Anchoring, height: Height, proof: bytes) -> bytes | None:
        # What the client_task believes to be anchored is not, as after somebody's newer anchor.
        return None if height <= self.refused else self.prover.to_anchored(height, proof)

    monkeypatch.setattr(Anchoring, "is_worth_it", lambda *_: False)
    monkeypatch.setattr(Anchoring, "shorten", shorten)
    chains = two_chains()
    async with running_network(tmp_path, chains, provers=delayed(chains, anchors=True)) as network:
        sent = network.send("a", "b", 300, gas_limit=10_000)
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=60)
        assert network.pipeline.client_tasks["a", "b"].anchoring.refused > 0
        assert all(receipt.succeeded for receipt in chains["b"].receipts.values())
        assert not any(b"memory short" in data for data in delivery_data(chains["b"]))


async def test_an_anchor_that_is_refused_holds_nothing_up(tmp_path: Path) -> None:
    chains = two_chains()
    provers = delayed(chains, anchors=True)
    provers["a"].anchor_for = lambda height: encode_anchor(99, height, 0)  # type: ignore[method-assign,arg-type]
    async with running_network(tmp_path, chains, provers=provers) as network:
        await network.mine(2)
        sent = network.send("a", "b", 300, gas_limit=10_000)
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 0


def _let_clients_grow_old(state: MemoryState) -> None:
    """More than two thirds of the trusting period are over."""
    for client in state.clients.values():
        client.timestamp = Timestamp(client.timestamp - client.trusting_period_s * 3 // 4)


async def test_a_renewal_that_fails_does_not_hold_an_anchor_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_update(*_: object) -> tuple[bytes, ...]:
        raise Retryable("nothing to renew the client with", "an update")

    chains = two_chains()
    provers = delayed(chains, anchors=True)
    async with running_network(tmp_path, chains, provers=provers) as network:
        await network.mine(2)
        chains["b"].amend(_let_clients_grow_old)
        monkeypatch.setattr(provers["a"], "updates_for", no_update)
        sent = network.send("a", "b", 300, gas_limit=10_000)
        await network.mine_until(lambda: network.is_confirmed(sent), blocks=60)
        assert calls(chains["b"])[abi.CLIENT_ANCHOR] == 1
