# SPDX-License-Identifier: MIT
"""A proof-of-stake chain as an endpoint: planned, joined with a BFT chain both ways, checked,
and refused where it can't be.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

import relayer
from light_clients.client import Status
from light_clients.ethereum.config import ForkName
from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.config import ChainConfig, Config
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.ethereum.config import EthereumConfig, NetworkTable, network_of, setting_of
from relayer.consensus.ethereum.contract import EthereumClientView
from relayer.consensus.ethereum.discovery import discover_network
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.findings import Finding, Severity
from relayer.consensus.registry import configured, find_kind
from relayer.daemon import build
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.network.join import LocalRoads, consensus_table, join_local, site_of
from relayer.devnet.rules import ChainRules
from relayer.endpoint.apply import Moment, PlanRefused, Progress, apply_plan
from relayer.endpoint.check import check_endpoints
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.plan import DeploymentPlan, make_plan
from relayer.endpoint.view import view_endpoint
from relayer.errors import ConfigError
from relayer.keys import Key
from relayer.road.deliver import HandDelivery, deliver_by_hand

SLOT_TIME_S = 0.2


def refusals(findings: tuple[Finding, ...]) -> list[str]:
    return [
        f"{finding.subject}: {finding.found}" for finding in findings if finding.severity is Severity.REFUSAL
    ]


@pytest.fixture
async def eth() -> AsyncIterator[LocalEthereumChain]:
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=SLOT_TIME_S)) as chain:
        yield chain


@pytest.fixture
async def court() -> AsyncIterator[LocalBftChain]:
    async with LocalBftChain("court", ChainOptions(block_time_s=SLOT_TIME_S), validators=4) as chain:
        yield chain


def consensus_of(chain: ChainConfig) -> EthereumConfig:
    assert isinstance(chain.consensus, EthereumConfig)
    return chain.consensus


def network_in(chain: ChainConfig) -> NetworkTable:
    network = consensus_of(chain).network
    assert isinstance(network, NetworkTable)
    return network


def with_network(config: Config, network: NetworkTable) -> Config:
    """The configuration with another network for `eth`."""
    chain = config.chain("eth")
    consensus = msgspec.structs.replace(consensus_of(chain), network=network)
    changed = msgspec.structs.replace(chain, consensus=consensus)
    return msgspec.structs.replace(config, chains=dict(config.chains) | {"eth": changed})


async def check(config: Config) -> tuple[Finding, ...]:
    nodes = {
        name: Node.over(name, [url.reveal() for url in chain.rpc]) for name, chain in config.chains.items()
    }
    try:
        return await check_endpoints(config, Manifest(config.manifest_path), nodes, list(config.chains))
    finally:
        for node in nodes.values():
            await node.close()


async def plan_of(config: Config, keys: dict[str, Key], *joins: tuple[str, str]) -> DeploymentPlan:
    nodes = {
        name: Node.over(name, [url.reveal() for url in chain.rpc]) for name, chain in config.chains.items()
    }
    try:
        deployers = {name: key.address for name, key in keys.items()}
        return await make_plan(config, Manifest(config.manifest_path), nodes, deployers, joins)
    finally:
        for node in nodes.values():
            await node.close()


async def prove_committees(node: Node, chain: ChainConfig, client: EthereumClientView) -> None:
    """What it trusts is the beacon chain's own; a committee that never was is told from one that is past."""
    far = client.height + 10**6
    for change, severity, words in (
        ({}, Severity.OK, "the beacon chain itself has"),
        ({"committee": b"\x01" * 32}, Severity.REFUSAL, "trusts the committee 0x0101"),
        ({"next_committee": b"\x01" * 32}, Severity.REFUSAL, "trusts the committee 0x0101"),
        ({"height": far, "committee": b"\x01" * 32}, Severity.REFUSAL, "can't be compared with the chain's"),
    ):
        (proven,) = await find_kind("ethereum").endpoint.prove_trust(
            "eth → court", node, configured("eth", chain), replace(client, **change)
        )
        assert proven.severity is severity, change
        assert words in proven.found


async def test_a_proof_of_stake_chain_is_joined_both_ways_checked_and_carries_messages(
    eth: LocalEthereumChain, court: LocalBftChain, tmp_path: Path
) -> None:
    told: list[Progress] = []
    roads: LocalRoads = await join_local([site_of(eth), site_of(court)], tmp_path, told.append)
    config = roads.config
    chain = config.chain("eth")
    # What was shown is what it cost: never less, and not far more.
    for item in told:
        if item.moment is Moment.DONE:
            assert item.gas_used <= item.step.gas <= 2 * item.gas_used, item.step
    # What was read from the Beacon API is in the file now.
    assert network_of(network_in(chain)).genesis_validators_root == eth.network.genesis_validators_root
    checkpoint = consensus_of(chain).bootstrap
    assert checkpoint is not None
    assert chain.missing == ()
    # Every endpoint is good, and the plan is done.
    findings = await check(config)
    assert not refusals(findings), findings
    assert {finding.severity for finding in findings} == {Severity.OK}, findings
    assert any("22 of 32 must sign" in finding.found for finding in findings)
    keys = {
        name: Key("deployer", item.funded_keys[0].secret) for name, item in (("eth", eth), ("court", court))
    }
    again = await plan_of(config, keys, ("eth", "court"), ("court", "eth"))
    assert again.steps == ()
    assert any("follows from the configured checkpoint" in finding.found for finding in again.findings)
    # The client is what the config says.
    node = Node.over("court", [court.http_url])
    view = await view_endpoint(config, Manifest(config.manifest_path), node, "court")
    await node.close()
    assert view is not None
    remote = view.remote("eth")
    assert remote is not None
    assert isinstance(remote.client, EthereumClientView)
    assert (remote.client.status, remote.client.threshold, remote.client.committee_size) == (
        Status.ACTIVE,
        22,
        32,
    )
    assert remote.client.details()["threshold"] == 22
    await prove_committees(node, chain, remote.client)
    record = Manifest(config.manifest_path).get("court")
    assert record is not None
    assert record.clients["eth"].kind == "ethereum"
    told_first = record.clients["eth"].initial_trust
    assert told_first["root"] == "0x" + checkpoint.root.hex()
    assert remote.client.height >= told_first["slot"] >= checkpoint.slot
    assert bytes.fromhex(told_first["committee"].removeprefix("0x")) not in (b"", bytes(32))
    # Messages arrive over it, there and back.
    signers = {
        name: [Key("sender", item.funded_keys[2].secret)] for name, item in (("eth", eth), ("court", court))
    }
    async with relayer.connect(config, signers=signers) as road:
        for source, destination in (("court", "eth"), ("eth", "court")):
            to = roads.endpoints[destination].postbox
            message = await road.send(source, destination, to=to, payload=b"there and back")
            async with asyncio.timeout(60):
                while True:
                    try:
                        outcome = await deliver_by_hand(
                            message, road.chain(source), await road.chain_to_write(destination)
                        )
                    except relayer.errors.Retryable:
                        await asyncio.sleep(SLOT_TIME_S)
                        continue
                    break
            assert outcome.result is HandDelivery.EXECUTED


@pytest.fixture
async def old() -> AsyncIterator[LocalBftChain]:
    """A QBFT chain whose execution has Cancun's rules: no BLS precompiles."""
    options = ChainOptions(block_time_s=SLOT_TIME_S, rules=ChainRules(hardfork="cancun"))
    async with LocalBftChain("old", options, validators=4) as chain:
        yield chain


def config_of(folder: Path, *chains: LocalBftChain | LocalEthereumChain, extra: str = "") -> Config:
    text = ""
    for chain in chains:
        text += f'[chains.{chain.name}]\nchain = "eip155:{chain.chain_id}"\nrpc = ["{chain.http_url}"]\n'
        text += consensus_table(chain.name, chain.describe().consensus)
        text += extra if isinstance(chain, LocalEthereumChain) else ""
    return configuration.parse(text, directory=folder)


async def test_where_the_bls_precompiles_are_missing_the_join_is_refused_with_what_works(
    old: LocalBftChain, eth: LocalEthereumChain, tmp_path: Path
) -> None:
    config = config_of(tmp_path, old, eth)
    keys = {item.name: Key("deployer", item.funded_keys[0].secret) for item in (old, eth)}
    plan = await plan_of(config, keys, ("old", "eth"), ("eth", "old"))
    (refusal,) = [finding for finding in plan.findings if finding.severity is Severity.REFUSAL]
    assert refusal.subject == "eth → old"
    assert "EIP-2537" in refusal.found
    assert "Prague" in refusal.expected
    assert "Prague rules in old's genesis file" in refusal.advice
    assert "can't be joined in either direction" in refusal.advice
    with pytest.raises(PlanRefused):
        await apply_plan(plan, config, Manifest(config.manifest_path), {}, keys)
    assert Manifest(config.manifest_path).names == ()
    # Endpoints by themselves need no BLS, and other chains can be joined with it.
    assert not refusals((await plan_of(config, keys)).findings)


async def test_a_fork_of_a_network_is_never_joined_with_it(eth: LocalEthereumChain, tmp_path: Path) -> None:
    """One genesis validators' root: what is signed on one chain would be believed as the other's."""
    twin = config_of(tmp_path, eth).chain("eth")
    config = msgspec.structs.replace(config_of(tmp_path, eth), chains={"eth": twin, "twin": twin})
    keys = {name: Key("deployer", eth.funded_keys[0].secret) for name in config.chains}
    plan = await plan_of(config, keys)
    assert any("the same genesis validators' root" in text for text in refusals(plan.findings))
    assert plan.steps == ()


async def test_a_checkpoint_that_nobody_confirms_is_refused(
    eth: LocalEthereumChain, court: LocalBftChain, tmp_path: Path
) -> None:
    keys = {item.name: Key("deployer", item.funded_keys[0].secret) for item in (court, eth)}
    wrong = f'bootstrap = {{ root = "0x{"77" * 32}", slot = 8 }}\n'
    plan = await plan_of(config_of(tmp_path, court, eth, extra=wrong), keys, ("court", "eth"))
    assert any("does not follow from the configured checkpoint" in text for text in refusals(plan.findings))
    assert plan.steps == ()
    # The right root with another slot is a mistake too.
    root = eth.checkpoint.root.hex()
    wrong = f'bootstrap = {{ root = "0x{root}", slot = {eth.checkpoint.slot + 1} }}\n'
    plan = await plan_of(config_of(tmp_path, court, eth, extra=wrong), keys, ("court", "eth"))
    assert any("another slot" in text for text in refusals(plan.findings))


async def test_a_network_that_the_node_contradicts_is_refused_by_plans_checks_and_the_daemon(
    eth: LocalEthereumChain, court: LocalBftChain, tmp_path: Path
) -> None:
    roads = await join_local([site_of(eth), site_of(court)], tmp_path)
    right = network_in(roads.config.chain("eth"))
    (first, *others) = right.forks
    for network, words in (
        (replace_network(right, slot_duration_ms=12_000), "slots' length in ms"),
        (replace_network(right, genesis_validators_root=configuration.Bytes32(b"\x01" * 32)), "root"),
        (
            replace_network(
                right,
                forks=(msgspec.structs.replace(first, version=configuration.Bytes4(b"\x09" * 4)), *others),
            ),
            f"the fork {first.name}",
        ),
    ):
        config = with_network(roads.config, network)
        assert any(words in text for text in refusals(await check(config))), words
        daemon = build(config)
        with pytest.raises(ConfigError, match=words):
            await daemon.run()


def replace_network(network: NetworkTable, **changes: object) -> NetworkTable:
    return msgspec.structs.replace(network, **changes)


async def test_a_fork_that_the_deployed_table_lacks_is_told_in_time(
    court: LocalBftChain, tmp_path: Path
) -> None:
    """A client without a scheduled fork refuses every header from then on."""
    forks = {ForkName.DENEB: 0, ForkName.ELECTRA: 1_000_000}
    async with LocalEthereumChain("eth", ChainOptions(block_time_s=SLOT_TIME_S), forks=forks) as eth:
        path = tmp_path / "postroad.toml"
        roads = await join_local([site_of(eth), site_of(court)], tmp_path)
        assert not refusals(await check(roads.config))
        text = path.read_text()
        assert "electra" in text
        # As if it had been deployed before the fork was known: another network's table on the client's chain.
        network = await discover_network("eth", [eth.beacon_url])
        older = replace(network, forks=tuple(fork for fork in network.forks if not fork.epoch))
        table = setting_of(older)
        assert isinstance(table, NetworkTable)
        config = with_network(roads.config, table)
        warned = [item for item in await check(config) if item.severity is Severity.WARNING]
        assert any("the fork electra, scheduled for epoch 1000000" in finding.found for finding in warned)
        keys = {item.name: Key("deployer", item.funded_keys[0].secret) for item in (court, eth)}
        config.manifest_path.unlink()
        bare = {name: msgspec.structs.replace(chain, gateway=None) for name, chain in config.chains.items()}
        config = msgspec.structs.replace(config, chains=bare)
        nodes = {name: Node.over(name, [chain.rpc[0].reveal()]) for name, chain in bare.items()}
        manifest = Manifest(config.manifest_path)
        deployers = {name: key.address for name, key in keys.items()}
        plan = await make_plan(config, manifest, nodes, deployers, [("court", "eth"), ("eth", "court")])
        assert not plan.is_refused, plan.findings
        await apply_plan(plan, config, manifest, nodes, keys)
        found = await check_endpoints(config, Manifest(config.manifest_path), nodes, ["court"])
        for node in nodes.values():
            await node.close()
        missing = [finding for finding in found if "missing from the deployed table" in finding.found]
        assert [(finding.subject, finding.severity) for finding in missing] == [
            ("eth → court", Severity.WARNING)
        ]
        assert "electra of epoch 1000000" in missing[0].found
