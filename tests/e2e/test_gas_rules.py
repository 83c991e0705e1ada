# SPDX-License-Identifier: MIT
"""Endpoints on chains with other gas rules than Ethereum's: free gas, and no EIP-1559."""

from __future__ import annotations

from pathlib import Path

import pytest

from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.consensus.findings import Severity
from relayer.devnet.network.join import consensus_table
from relayer.devnet.network.network import Network
from relayer.endpoint.apply import PlanRefused, apply_plan
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.plan import DeploymentPlan, make_plan
from relayer.keys import Key


async def test_a_chain_with_berlins_rules_is_refused_by_the_rules_that_it_lacks(tmp_path: Path) -> None:
    """Nothing is sent, and the finding names chain, opcode, the fork that brought it, and what to do."""
    async with Network("old=bft:4:legacy:berlin@0.2,new=bft:4:legacy@0.2") as network:
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
            joins = [("old", "new"), ("new", "old")]
            deployers = {name: key.address for name, key in keys.items()}
            plan = await make_plan(config, manifest, nodes, deployers, joins)
            _check_refused_for_berlin(plan)
            with pytest.raises(PlanRefused):
                await apply_plan(plan, config, manifest, nodes, keys)
            for name, chain in network.chains.items():
                count = await chain.rpc("eth_getTransactionCount", "0x" + deployers[name].hex(), "pending")
                assert count == "0x0"
        finally:
            for node in nodes.values():
                await node.close()


def _check_refused_for_berlin(plan: DeploymentPlan) -> None:
    refusals = [finding for finding in plan.findings if finding.severity is Severity.REFUSAL]
    assert {finding.subject for finding in refusals} == {"old"}
    found = {finding.found.partition(" (")[0]: finding.expected for finding in refusals}
    assert found == {
        "no PUSH0": "Shanghai (EIP-3855) and newer rules",
        "no TSTORE and TLOAD": "Cancun (EIP-1153) and newer rules",
        "no MCOPY": "Cancun (EIP-5656) and newer rules",
    }
    assert all("Cancun or newer in its genesis file" in finding.advice for finding in refusals)
