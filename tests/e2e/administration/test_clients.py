# SPDX-License-Identifier: MIT
"""Light clients: replaced and bootstrapped, with the contract that was judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relayer.chains.evm.contract_reader import ContractReader
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.contracts import load
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.endpoint.administration.clients import bootstrap_client, replace_client
from relayer.endpoint.administration.decisions import Act
from relayer.endpoint.administration.site import Want
from relayer.endpoint.apply import Moment, Progress
from tests.support.administration import Killed, Site, acts, open_site


def replacing(**options: Any) -> Want:
    return lambda site: replace_client(site, "port", **options)


async def test_a_light_client_is_deployed_judged_and_replaces_the_registered_one(site: Site) -> None:
    good = await site.plan(replacing())
    assert acts(good) == [Act.NOTHING]
    assert not good.steps
    former = (await site.remote()).client_address

    def kill(progress: Progress) -> None:
        # Deployed and written down, and nothing scheduled.
        if progress.moment is Moment.DONE and progress.step.creates:
            raise Killed

    force = replacing(force=True)
    first = await site.plan(force)
    assert first.is_deploying
    assert first.decisions[0].change.is_provisional
    # What a person compares: who seals.
    assert any("validators" in line for line in first.decisions[0].change.compare)
    with pytest.raises(Killed):
        await site.run(force, on_progress=kill)
    record = site.manifest.get("court")
    assert record is not None
    deployed = bytes(record.clients["port"].contract.address)
    assert deployed != former
    # The one that was deployed is found, and no other is.
    plan = await site.run(force)
    assert acts(plan) == [Act.SCHEDULE]
    assert not plan.is_deploying
    assert deployed in plan.decisions[0].data
    await site.wait(force)
    assert acts(await site.run(force)) == [Act.EXECUTE]
    assert (await site.remote()).client_address == deployed
    # The former one is named, judged, and goes back in; one of strangers is refused.
    back = await site.plan(replacing(address=former))
    assert acts(back) == [Act.SCHEDULE]
    assert acts(await site.plan(replacing(address=deployed))) == [Act.NOTHING]
    stranger = await site.plan(replacing(address=(await site.look()).gateway))
    assert stranger.is_refused
    assert not stranger.steps


def bootstrapping(**options: Any) -> Want:
    return lambda site: bootstrap_client(site, "port", **options)


async def test_a_beacon_client_is_bootstrapped_and_replaced_likewise(tmp_path: Path) -> None:
    chain = LocalEthereumChain("port", ChainOptions(block_time_s=0.2))
    async with open_site(tmp_path, chain) as site:
        assert acts(await site.plan(bootstrapping())) == [Act.NOTHING]
        force = bootstrapping(force=True)
        scheduled = await site.run(force)
        assert acts(scheduled) == [Act.SCHEDULE]
        assert any("Compare" in line for line in scheduled.decisions[0].change.compare)
        call = load("EthereumLightClient").decode_call(scheduled.decisions[0].data)
        assert call is not None
        await site.wait(force)
        assert acts(await site.run(force)) == [Act.EXECUTE]
        former = await site.remote()
        reader = ContractReader(site.nodes["court"])
        slot, _, committee, following, _ = await reader.ask(
            former.client_address, "EthereumLightClient", "trustedState"
        )
        assert (slot, committee, following) == tuple(call.arguments.values())

        force = replacing(force=True)
        assert acts(await site.run(force)) == [Act.SCHEDULE]
        await site.wait(force)
        assert acts(await site.run(force)) == [Act.EXECUTE]
        assert (await site.remote()).client_address != former.client_address


async def test_a_bootstrap_is_executed_as_it_was_scheduled_and_can_be_taken_back(site: Site) -> None:
    assert acts(await site.plan(bootstrapping())) == [Act.NOTHING]
    force = bootstrapping(force=True)
    await site.run(force)
    assert acts(await site.run(bootstrapping(cancel=True), cancel=True)) == [Act.CANCEL]
    assert not (await site.look()).access.operations
    scheduled = await site.run(force)
    call = load("BftLightClient").decode_call(scheduled.decisions[0].data)
    assert call is not None
    await site.wait(force)
    # The chain went on: what is executed is what was compared then.
    assert acts(await site.run(force)) == [Act.EXECUTE]
    client = (await site.remote()).client_address
    reader = ContractReader(site.nodes["court"])
    _, height, timestamp, _ = await reader.ask(client, "BftLightClient", "trustedState")
    assert (height, timestamp) == (call.arguments["height"], call.arguments["timestamp"])
