# SPDX-License-Identifier: MIT
"""Endpoints on chains with other gas rules than Ethereum's: free gas, and no EIP-1559."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import relayer
from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.consensus.findings import Severity
from relayer.contracts import Build
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.network.join import LocalRoads, consensus_table, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.endpoint.apply import PlanRefused, apply_plan
from relayer.endpoint.check import check_endpoints
from relayer.endpoint.manifest import Contract, Manifest, Record
from relayer.endpoint.plan import make_plan
from relayer.endpoint.probes import refuses_code, refuses_transaction
from relayer.keys import Key
from tests.support.daemon_process import DaemonProcess


@asynccontextmanager
async def relayed(spec: str, folder: Path) -> AsyncIterator[tuple[Network, LocalRoads, DaemonProcess]]:
    """Chains that are joined, and a daemon that is not started yet."""
    async with Network(spec) as network:
        sites = [site_of(chain) for chain in network.chains.values()]
        roads = await join_local(sites, folder, poll_interval_ms=100)
        daemon = DaemonProcess(roads.config_path)
        async with daemon.guarded():
            yield network, roads, daemon


@pytest.mark.parametrize(
    "spec",
    [
        "free=bft:4:free@0.2,old=bft:ibft2:4:legacy@0.2",
        # As Besu and GoQuorum are set up for a consortium: nothing costs, and few blocks come.
        "free=bft:4:free:unpaid@0.2,old=bft:4:legacy:free:tx64k:lazy5@0.2",
    ],
)
async def test_chains_with_free_gas_and_without_eip_1559_are_deployed_on_and_relayed(
    spec: str, tmp_path: Path
) -> None:
    """The deployer's, the relayer's and the sender's accounts hold nothing where gas is free."""
    async with relayed(spec, tmp_path) as (network, roads, daemon):
        await daemon.start()
        async with relayer.connect(roads.config_path) as road:
            for source, destination in (("free", "old"), ("old", "free")) * 2:
                to = roads.endpoints[destination].postbox
                message = await road.send(source, destination, to=to, payload=b"for nothing")
                assert (await message.delivered(timeout="60s")).message_id == message.id
        assert await daemon.stop() == 0
        for name in network.chains:
            await _check_transactions(network.anvil_chain(name))


async def test_a_batch_above_what_a_node_takes_is_split(tmp_path: Path) -> None:
    async with relayed("new=bft:4@0.2,small=bft:4:tx64k@0.2", tmp_path) as (network, roads, daemon):
        async with relayer.connect(roads.config_path) as road:
            to, many = roads.endpoints["small"].postbox, range(24)
            messages = [await road.send("new", "small", to=to, payload=bytes(4_000)) for _ in many]
            # They wait together, so that the first batch holds what the relayer's own limit lets in.
            await daemon.start()
            for message in messages:
                await message.delivered(timeout="60s")
        assert "oversized data" in daemon.log_end(100)
        assert await daemon.stop() == 0
        payloads = [size for size in await _input_sizes(network.anvil_chain("small")) if size > 4_000 * 2]
        assert sum(payloads) > 24 * 4_000
        assert max(payloads) < 65_536


async def _input_sizes(chain: AnvilChain[Any]) -> list[int]:
    """How many bytes of data the transactions of all blocks have."""
    blocks = [
        await chain.rpc("eth_getBlockByNumber", hex(number), True) for number in range(chain.head.number + 1)
    ]
    return [len(transaction["input"]) // 2 - 1 for block in blocks for transaction in block["transactions"]]


async def _check_transactions(chain: AnvilChain[Any]) -> None:
    """What was sent cost what the chain asks for, in the only form that it takes."""
    rules, types = chain.options.rules, set()
    for number in range(2, chain.head.number + 1):
        block = await chain.rpc("eth_getBlockByNumber", hex(number), True)
        for transaction in block["transactions"]:
            types.add(transaction["type"])
            if rules.free:
                assert transaction["gasPrice"] == "0x0"
    assert types == {"0x0" if rules.legacy else "0x2"}
    if rules.free:
        for key in chain.funded_keys:
            assert await chain.rpc("eth_getBalance", key.address_text, "latest") == "0x0"


async def test_a_chain_with_berlins_rules_gets_the_baseline_build_and_is_relayed_both_ways(
    tmp_path: Path,
) -> None:
    """As GoQuorum: no PUSH0, MCOPY and transient storage, no EIP-1559, 64 KB transactions, free gas."""
    async with relayed("old=bft:4:free:legacy:berlin:tx64k@0.2,new=bft:4@0.2", tmp_path) as here:
        network, roads, daemon = here
        manifest = Manifest(roads.config.manifest_path)
        for name, build in (("old", Build.BASELINE), ("new", Build.CANCUN)):
            assert roads.plan.surveys[name].build is build
            assert {step.build for step in roads.plan.steps if step.chain == name and step.creates} == {build}
            record = manifest.get(name)
            assert record is not None
            assert {contract.build for contract in _contracts(record)} == {build}
            text = next(finding.found for finding in roads.plan.findings if finding.subject == name)
            assert f"{build.value} build" in text
        nodes = {name: Node.over(name, [chain.http_url]) for name, chain in network.chains.items()}
        try:
            findings = await check_endpoints(roads.config, manifest, nodes, list(nodes))
        finally:
            for node in nodes.values():
                await node.close()
        assert [finding for finding in findings if finding.severity is Severity.REFUSAL] == []
        for name, built in (("old", "baseline"), ("new", "cancun")):
            gateway = roads.endpoints[name].gateway.hex()
            told = f"gateway 0x{gateway}, the code of this version ({built} build)"
            assert (name, told) in [(finding.subject, finding.found) for finding in findings]
        await daemon.start()
        async with relayer.connect(roads.config_path) as road:
            for source, destination in (("old", "new"), ("new", "old")) * 2:
                to = roads.endpoints[destination].postbox
                message = await road.send(source, destination, to=to, payload=b"by older rules")
                assert (await message.delivered(timeout="60s")).message_id == message.id
        assert await daemon.stop() == 0
        await _check_transactions(network.anvil_chain("old"))


def _contracts(record: Record) -> list[Contract]:
    """Every contract of an endpoint."""
    assert record.authority is not None
    assert record.gateway is not None
    return [record.authority, record.gateway, *(client.contract for client in record.clients.values())]


@pytest.mark.parametrize(("rules", "takes_more"), [("tx64k", False), ("tx64k:bigcode", True)])
async def test_what_a_chain_takes_at_most_is_found_by_asking(rules: str, *, takes_more: bool) -> None:
    """EIP-170's limit, and a node's for transactions; nothing is sent."""
    async with Network(f"old=bft:4:legacy:berlin:{rules}@0.2") as network:
        chain = network["old"]
        node = Node.over("old", [chain.http_url])
        try:
            assert await refuses_code(node, 24_576) == ""
            assert (await refuses_code(node, 24_577) == "") == takes_more
            assert await refuses_transaction(node, chain.chain_id, 65_000) == ""
            assert "oversized data" in await refuses_transaction(node, chain.chain_id, 66_000)
        finally:
            await node.close()


async def test_a_node_that_takes_no_transaction_of_a_deployments_size_is_told_in_the_plan(
    tmp_path: Path,
) -> None:
    """Nothing is sent: the limit is found with a transaction that no chain can hold."""
    async with Network("small=bft:4:tx16k@0.2,new=bft:4@0.2") as network:
        text = "".join(
            f'[chains.{chain.name}]\nchain = "eip155:{chain.chain_id}"\nrpc = ["{chain.http_url}"]\n'
            + consensus_table(chain.name, chain.describe().consensus)
            for chain in network.chains.values()
        )
        config = configuration.parse(text, directory=tmp_path)
        keys = {name: Key("deployer", chain.funded_keys[0].secret) for name, chain in network.chains.items()}
        nodes = {name: Node.over(name, [chain.http_url]) for name, chain in network.chains.items()}
        manifest = Manifest(config.manifest_path)
        try:
            deployers = {name: key.address for name, key in keys.items()}
            plan = await make_plan(config, manifest, nodes, deployers, [("small", "new"), ("new", "small")])
            refusals = [finding for finding in plan.findings if finding.severity is Severity.REFUSAL]
            (refusal,) = refusals
            assert refusal.subject == "small"
            assert "of the transaction that deploys the" in refusal.found
            assert "(oversized data" in refusal.found
            assert "txnSizeLimit" in refusal.advice
            with pytest.raises(PlanRefused):
                await apply_plan(plan, config, manifest, nodes, keys)
            for name in network.chains:
                count = await network.anvil_chain(name).rpc(
                    "eth_getTransactionCount", "0x" + deployers[name].hex(), "pending"
                )
                assert count == "0x0"
        finally:
            for node in nodes.values():
                await node.close()
