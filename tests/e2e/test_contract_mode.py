# SPDX-License-Identifier: MIT
"""A QBFT chain whose validators a contract chooses: joined, and messages both ways while the contract changes
its list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import relayer
from light_clients.bft.validators import set_hash
from light_clients.client import Status
from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.config.rendering import render_value
from relayer.consensus.bft.contract import ContractModeView
from relayer.consensus.bft.contract_mode.prover import ContractModeProver
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.findings import Severity
from relayer.consensus.registry import configured, kind_of, view_client
from relayer.devnet.network.join import LocalEndpoint, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.keys import Key
from relayer.road import Road
from relayer.road.deliver import HandDelivery, client_address, deliver_by_hand, update_client
from tests.live.journey import Journal
from tests.support.operator import Operator
from tests.support.under_way import relay_while

PAGE = Path(__file__).parents[2] / "docs/how-to/join-a-goquorum-chain.md"
SPEC = "court=bft:4:contract-validators@0.2,port=bft:4@0.2"


@dataclass
class Stage:
    network: Network
    config: Config
    config_path: Path
    endpoints: dict[str, LocalEndpoint]

    @property
    def court(self) -> LocalBftChain:
        chain = self.network["court"]
        assert isinstance(chain, LocalBftChain)
        return chain


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Network(SPEC) as network:
        sites = [site_of(chain) for chain in network.chains.values()]
        roads = await join_local(sites, tmp_path, poll_interval_ms=100)
        yield Stage(network, roads.config, roads.config_path, dict(roads.endpoints))


async def carry(stage: Stage, road: Road, source: str, destination: str, payload: bytes) -> None:
    """Send a message, deliver it, and see it proven."""
    to = stage.endpoints[destination].postbox
    message = await road.send(source, destination, to=to, payload=payload)
    outcome = await deliver_by_hand(message, road.chain(source), await road.chain_to_write(destination))
    assert outcome.result is HandDelivery.EXECUTED
    assert (await message.delivered(timeout="30s")).message_id == message.id


async def test_messages_pass_both_ways_while_the_contract_changes_its_list(stage: Stage) -> None:
    """INV-5, INV-7: the light client in Solidity follows the contract's list, also over several changes at
    once.
    """
    court = stage.court
    signers = {name: [Key("k", chain.funded_keys[2].secret)] for name, chain in stage.network.chains.items()}
    async with relayer.connect(stage.config_path, signers=signers) as road:
        await carry(stage, road, "court", "port", b"before any change")
        await carry(stage, road, "port", "court", b"and back")

        old = court.validators
        court.add_validator()
        await court.wait_for(court.head.number + 2)
        assert len(court.validators) == 5
        await carry(stage, road, "court", "port", b"one joined")

        # Nobody follows while the list changes three times, at last to strangers.
        court.remove_validator(old[0])
        await court.wait_for(court.head.number + 2)
        court.remove_validator(old[1])
        await court.wait_for(court.head.number + 2)
        court.set_validators(court.new_validators(4))
        await court.wait_for(court.head.number + 2)
        assert not set(old) & set(court.validators)
        await carry(stage, road, "court", "port", b"others all of them")
        await carry(stage, road, "port", "court", b"and back again")

        prover = road.chain("court").prover
        assert isinstance(prover, ContractModeProver)
        client = await client_address(road.chain("court"), road.chain("port").chain)
        found = await prover.client_at(road.chain("port").chain, client)
        assert (found.status, found.current) == (Status.ACTIVE, True)
        assert sorted(prover.validators) == sorted(court.validators)
        # A renewal: nothing has changed, and the list is not sent again.
        (receipt,) = await update_client(road.chain("court"), await road.chain_to_write("port"))
        assert receipt.gas_used < 400_000

        # What an owner's check reads of the client, and says of its trust.
        node = Node.over("port", [stage.network["port"].http_url])
        view = await view_client(ContractReader(node), client)
        await node.close()
        assert isinstance(view, ContractModeView)
        assert view.set_hash == set_hash(prover.validators)
        chain = stage.config.chain("court")
        court_node = Node.over("court", [court.http_url])
        (finding,) = await kind_of(chain).endpoint.prove_trust(
            "court → port", court_node, configured("court", chain), view
        )
        await court_node.close()
        assert finding.severity is Severity.OK
        assert "4 validators that the contract" in str(finding)


async def test_an_operator_joins_such_a_chain_and_the_daemon_follows_its_contract(tmp_path: Path) -> None:
    """INV-1, INV-2: every message arrives, once, while the list changes."""
    async with Network("mine=qbft:5/besu-contract-validators@0.2,partner=qbft:4:free@0.2") as network:
        mine, partner = network.chain_of("mine", LocalBftChain), network["partner"]
        operator = Operator(tmp_path, cheap=True)
        chains = {
            "mine": ("qbft", [mine.http_url, mine.ws_url]),
            "partner": ("qbft", [partner.http_url, partner.ws_url]),
        }
        place = render_value(mine.describe().consensus["validators"])
        table = "[chains.mine.consensus]\n"
        await operator.follow(PAGE, chains, {table: f"{table}validators = {place}\n"})
        joined = await operator.put_recipients("mine", "partner")

        async def happen(journal: Journal) -> None:
            await journal.await_proven(3)
            mine.remove_validator(mine.validators[0])
            await mine.wait_for(mine.head.number + 2)
            mine.add_validator()
            await mine.wait_for(mine.head.number + 2)
            await journal.await_proven(3)
            mine.set_validators(mine.new_validators(4))
            await mine.wait_for(mine.head.number + 2)
            await journal.await_proven(6)

        await relay_while(operator, joined, happen)
        assert "validators that the contract" in str(await operator.json("endpoint", "check"))
