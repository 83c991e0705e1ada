# SPDX-License-Identifier: MIT
"""A running relayer, as it is shown: chains, lanes, clients, policies, from a real pipeline's memory."""

from __future__ import annotations

import json
from pathlib import Path

from relayer.chains.provider_pool import ProviderHealth
from relayer.consensus.kind import ConsensusKind
from relayer.views.encoding import to_json
from relayer.views.gauges import gauges
from relayer.views.relayer import RelayerView, relayer_view
from tests.support.memory_network import running_network, two_chains


async def test_a_relayer_at_work_shows_what_it_works_on(tmp_path: Path) -> None:
    async with running_network(tmp_path, two_chains(), limits={"a": 10**18}) as network:
        sent = network.send("a", "b", 3)
        await network.mine_until(lambda: network.is_confirmed(sent))
        for destination in network.pipeline.destinations.values():
            await destination.refresh()
        health = ProviderHealth("node:1", 0.0, 0.01, 0, wrong_chain=False)
        kind = ConsensusKind("made-up", "nowhere", "SomeLightClient", signers="elders", misbehaviour="")
        at = network.clock() / 1_000_000
        view = relayer_view(network.pipeline, at, kinds={"a": kind}, providers={"a": [health]})
    shown = json.loads(to_json(view))
    chains = {chain["name"]: chain for chain in shown["chains"]}
    assert set(chains) == {"a", "b"}
    assert (chains["a"]["consensus"], chains["b"]["consensus"]) == ("made-up", None)
    assert [provider["label"] for provider in chains["a"]["providers"]] == ["node:1"]
    for name, chain in chains.items():
        memory = network.chains[name]
        assert chain["endpoint_id"] == "0x" + memory.endpoint_id.hex()
        assert chain["gateway"] == "0x" + memory.gateway.hex()
        assert chain["head_height"] >= chain["verified_height"] > 0
        assert chain["head_timestamp"] >= chain["verified_timestamp"] > 0
        assert chain["scanned_height"] == chain["verified_height"]
        assert chain["accounts"] == [
            {
                "address": "0x" + memory.senders[0].hex(),
                "balance_wei": 10**24,
                "open_transactions": 0,
                "deliveries_left": None if name == "a" else chain["accounts"][0]["deliveries_left"],
            },
        ]
        assert chain["policy"]["max_batch_gas"] > 0
        assert chain["policy"]["max_batch_messages"] == 256
    assert chains["a"]["policy"]["max_spend_wei_per_day"] == 10**18
    assert chains["a"]["policy"]["spent_wei"] == 0
    assert chains["b"]["policy"]["max_spend_wei_per_day"] is None
    assert chains["b"]["policy"]["spent_wei"] > 0
    assert chains["b"]["accounts"][0]["deliveries_left"] > 10**6
    lanes = {lane["name"]: lane for lane in shown["lanes"]}
    assert (lanes["a>b"]["proven"], lanes["a>b"]["backlog"]) == (3, 0)
    assert lanes["b>a"]["proven"] == 0
    clients = {(client["source"], client["destination"]): client for client in shown["clients"]}
    assert set(clients) == {("a", "b"), ("b", "a")}
    assert (clients["a", "b"]["consensus"], clients["a", "b"]["signers"]) == ("made-up", "elders")
    assert clients["b", "a"]["signers"] is None
    assert all(client["status"] == "active" and client["current"] for client in clients.values())
    names = {metric.name for metric in gauges(view)}
    assert {"postroad_height", "postroad_backlog_messages", "postroad_client_active"} <= names


async def test_before_the_first_block_nothing_is_known(tmp_path: Path) -> None:
    async with running_network(tmp_path, two_chains(), start=False) as network:
        view = relayer_view(network.pipeline, 5.0)
    assert [chain.head_height for chain in view.chains] == [None, None]
    assert all(chain.accounts[0].balance_wei is None and chain.providers == () for chain in view.chains)
    assert view.clients == ()
    assert len(view.lanes) == 2


def test_a_relayer_that_has_not_begun_shows_nothing() -> None:
    assert json.loads(to_json(RelayerView(at=1.0))) == {"at": 1.0, "chains": [], "lanes": [], "clients": []}
