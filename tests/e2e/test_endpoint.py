# SPDX-License-Identifier: MIT
"""Deploying, joining and checking endpoints on real local chains: twice, cut short,
scheduled, and refused.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from light_clients.bft.preimage import BftKind
from relayer import config as configuration
from relayer.chains.base import TxHash, TxReceipt
from relayer.chains.evm.chain import EvmChain
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.findings import Finding, Severity
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.network.join import consensus_table
from relayer.endpoint.access import read_access_of
from relayer.endpoint.apply import Moment, PlanRefused, Progress, apply_plan
from relayer.endpoint.check import check_endpoints
from relayer.endpoint.manifest import Manifest
from relayer.endpoint.plan import DeploymentPlan, make_plan
from relayer.endpoint.steps import ADMIN_ROLE, GUARDIAN_ROLE, StepKind
from relayer.endpoint.view import view_endpoint
from relayer.errors import FeeLimitReached
from relayer.keys import Key
from tests.support.relaynet import count_pending

BLOCK_TIME_S = 0.1


@dataclass
class Site:
    """Two chains, their config and manifest, and everything to deploy with."""

    folder: Path
    chains: dict[str, LocalBftChain]
    extra: str = ""
    table: str = ""
    nodes: dict[str, Node] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The configuration's file."""
        return self.extra + "".join(
            f'[chains.{name}]\nchain = "eip155:{chain.chain_id}"\nrpc = ["{chain.http_url}"]\n'
            + self.table
            + consensus_table(name, chain.describe().consensus)
            for name, chain in self.chains.items()
        )

    @property
    def config(self) -> Config:
        return configuration.parse(self.text, directory=self.folder, environment={})

    @property
    def manifest(self) -> Manifest:
        return Manifest(self.config.manifest_path)

    @property
    def keys(self) -> dict[str, Key]:
        return {name: Key("deployer", chain.funded_keys[0].secret) for name, chain in self.chains.items()}

    async def plan(
        self, *, joins: bool = True, close: bool = True, keys: dict[str, Key] | None = None
    ) -> DeploymentPlan:
        pairs = [(on, remote) for on in self.chains for remote in self.chains if on != remote]
        deployers = {name: key.address for name, key in (keys or self.keys).items()}
        return await make_plan(
            self.config, self.manifest, self.nodes, deployers, pairs if joins else [], close=close
        )

    async def apply(
        self, plan: DeploymentPlan, on_progress: Callable[[Progress], None] = lambda _: None
    ) -> None:
        await apply_plan(plan, self.config, self.manifest, self.nodes, self.keys, on_progress)

    async def check(self) -> tuple[Finding, ...]:
        return await check_endpoints(self.config, self.manifest, self.nodes, list(self.chains))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        LocalBftChain("court", ChainOptions(block_time_s=BLOCK_TIME_S), validators=4) as court,
        LocalBftChain(
            "port", ChainOptions(block_time_s=BLOCK_TIME_S), protocol=BftKind.IBFT2, validators=7
        ) as port,
    ):
        site = Site(tmp_path, {"court": court, "port": port})
        site.nodes = {name: Node.over(name, [chain.http_url]) for name, chain in site.chains.items()}
        yield site
        for node in site.nodes.values():
            await node.close()


def refusals(findings: tuple[Finding, ...]) -> list[str]:
    return [
        f"{finding.subject}: {finding.found}" for finding in findings if finding.severity is Severity.REFUSAL
    ]


async def test_two_chains_are_deployed_joined_and_found_good_and_twice_is_a_no_op(site: Site) -> None:
    plan = await site.plan()
    assert not refusals(plan.findings)
    assert [step.kind for step in plan.steps if step.chain == "court"] == [
        StepKind.AUTHORITY,
        StepKind.GATEWAY,
        StepKind.ROLES,
        StepKind.CLIENT,
        StepKind.REGISTER,
        StepKind.CLOSE,
    ]
    told: list[Progress] = []
    await site.apply(plan, told.append)
    used = {item.step: item.gas_used for item in told if item.moment is Moment.DONE}
    assert set(used) == set(plan.steps)
    for step, gas in used.items():
        # What was shown is what it cost: never less, and not far more.
        assert gas <= step.gas <= 2 * gas, step
    again = await site.plan()
    assert again.steps == ()
    findings = await site.check()
    assert not refusals(findings), findings
    assert {finding.severity for finding in findings} == {Severity.OK}


@pytest.mark.parametrize("kind", [*list(StepKind)[:5], StepKind.CLOSE])
@pytest.mark.parametrize("moment", [Moment.SENDING, Moment.DONE])
async def test_a_run_that_is_cut_short_resumes_and_sends_nothing_twice(
    site: Site, kind: StepKind, moment: Moment
) -> None:
    class Killed(BaseException):
        pass

    def kill(progress: Progress) -> None:
        if progress.step.kind is kind and progress.step.chain == "court" and progress.moment is moment:
            raise Killed

    with pytest.raises(Killed):
        await site.apply(await site.plan(), kill)
    await site.apply(await site.plan())
    assert (await site.plan()).steps == ()
    assert not refusals(await site.check())
    # One transaction a step: 6 steps, 6 nonces.
    for name, key in site.keys.items():
        assert await count_pending(site.nodes[name], key.address) == 6


async def test_receipts_that_come_after_the_count_that_holds_them_are_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of load-balanced providers, and of EthereumJS: nothing is taken for replaced,
    and nothing is sent twice.
    """
    asked: Counter[bytes] = Counter()
    truth = EvmChain.receipt

    async def late(chain: EvmChain, tx_hash: TxHash, *, ask_all: bool = False) -> TxReceipt | None:
        found = await truth(chain, tx_hash, ask_all=ask_all)
        asked[tx_hash] += found is not None
        return found if asked[tx_hash] > 2 else None

    monkeypatch.setattr(EvmChain, "receipt", late)
    await site.apply(await site.plan())
    assert min(asked.values()) > 2
    for name, key in site.keys.items():
        assert await count_pending(site.nodes[name], key.address) == 6


async def test_an_admin_behind_a_delay_schedules_and_then_executes(site: Site) -> None:
    site.extra = "[endpoints]\nadmin_delay_s = 2\n"
    await site.apply(await site.plan(joins=False))
    plan = await site.plan()
    assert {step.kind for step in plan.steps} == {StepKind.CLIENT, StepKind.SCHEDULE}
    assert [finding.severity for finding in plan.findings].count(Severity.WARNING) == 2
    await site.apply(plan)
    waiting = await site.plan()
    assert waiting.steps == ()
    assert any("can be executed in" in finding.found for finding in waiting.findings)
    for _ in range(100):
        plan = await site.plan()
        if len(plan.steps) == 2:
            break
        await asyncio.sleep(0.1)
    assert {step.kind for step in plan.steps} == {StepKind.EXECUTE}
    await site.apply(plan)
    assert (await site.plan()).steps == ()
    view = await view_endpoint(site.config, site.manifest, site.nodes["court"], "court")
    assert view is not None
    assert view.remote("port") is not None


async def test_somebody_who_is_no_admin_is_refused_before_anything_is_sent(site: Site) -> None:
    await site.apply(await site.plan(joins=False))
    strangers = {name: Key("stranger", chain.funded_keys[1].secret) for name, chain in site.chains.items()}
    plan = await site.plan(keys=strangers)
    assert any("no admin" in text for text in refusals(plan.findings))
    with pytest.raises(PlanRefused):
        await apply_plan(plan, site.config, site.manifest, site.nodes, strangers)


async def test_an_endpoint_left_open_is_flagged(site: Site) -> None:
    await site.apply(await site.plan(close=False))
    assert sum("without a delay" in text for text in refusals(await site.check())) == 2
    await site.apply(await site.plan())
    assert not refusals(await site.check())


async def test_an_admin_of_its_own_takes_over_and_the_deployer_keeps_nothing(site: Site) -> None:
    admin = site.chains["court"].funded_keys[5].address
    site.extra = f'[endpoints]\nadmin = "0x{admin.hex()}"\nguardian = "0x{"47" * 20}"\n'
    await site.apply(await site.plan())
    view = await view_endpoint(site.config, site.manifest, site.nodes["court"], "court")
    assert view is not None
    access = await read_access_of(site.nodes["court"], site.manifest, view)
    assert [(item.account, item.delay_s) for item in access.members(ADMIN_ROLE)] == [(admin, 172_800)]
    assert [item.account for item in access.members(GUARDIAN_ROLE)] == [b"\x47" * 20]


async def test_a_manifest_that_is_lost_is_no_reason_to_deploy_again(site: Site) -> None:
    await site.apply(await site.plan(joins=False, close=False))
    record = site.manifest.get("court")
    assert record is not None
    assert record.gateway is not None
    site.manifest.path.unlink()
    gateway = record.gateway.address.hex()

    class Known(Site):
        @property
        def config(self) -> Config:
            chains = "".join(
                f'[chains.{name}]\nchain = "eip155:{chain.chain_id}"\nrpc = ["{chain.http_url}"]\n'
                + (
                    f'gateway = "0x{gateway}"\ngenesis_hash = "0x{chain.genesis_hash.hex()}"\n'
                    if name == "court"
                    else ""
                )
                + consensus_table(name, chain.describe().consensus)
                for name, chain in self.chains.items()
            )
            return configuration.parse(chains, directory=self.folder, environment={})

    known = Known(site.folder, site.chains, nodes=site.nodes)
    plan = await known.plan()
    court = [step.kind for step in plan.steps if step.chain == "court"]
    assert court == [StepKind.CLIENT, StepKind.REGISTER]
    await known.apply(plan)
    assert (await known.plan()).steps == ()


async def test_a_reset_chain_is_not_taken_for_the_old_one(site: Site, tmp_path: Path) -> None:
    await site.apply(await site.plan())
    async with LocalBftChain(
        "court", ChainOptions(chain_id=site.chains["court"].chain_id, block_time_s=BLOCK_TIME_S)
    ) as reset:
        node = Node.over("court", [reset.http_url])
        old, site.chains["court"], site.nodes["court"] = site.nodes["court"], reset, node
        plan = await site.plan()
        assert any("genesis" in text for text in refusals(plan.findings))
        assert plan.steps == ()
        assert any("other code, or none" in text for text in refusals(await site.check()))
        await old.close()


async def test_chains_that_share_validators_are_never_joined(tmp_path: Path) -> None:
    seed = b"\x07" * 32
    async with (
        LocalBftChain("one", ChainOptions(seed=seed, chain_id=70_001, block_time_s=BLOCK_TIME_S)) as one,
        LocalBftChain("one", ChainOptions(seed=seed, chain_id=70_002, block_time_s=BLOCK_TIME_S)) as other,
    ):
        site = Site(tmp_path, {"one": one, "other": other})
        site.nodes = {name: Node.over(name, [chain.http_url]) for name, chain in site.chains.items()}
        plan = await site.plan()
        assert any("4 shared validators" in text for text in refusals(plan.findings))
        assert plan.steps == ()
        with pytest.raises(PlanRefused):
            await site.apply(plan)
        for node in site.nodes.values():
            await node.close()


async def test_the_wrong_consensus_in_the_config_is_refused(site: Site) -> None:
    site.chains = {"port": site.chains["port"]}
    text = site.config.chain("port")
    wrong = configuration.parse(
        f'[chains.port]\nchain = "{text.chain}"\nrpc = ["{text.rpc[0].reveal()}"]\n'
        '[chains.port.consensus]\nkind = "bft"\nprotocol = "qbft"\n'
    )
    deployers = {"port": site.keys["port"].address}
    plan = await make_plan(wrong, site.manifest, site.nodes, deployers, [])
    assert refusals(plan.findings) == ["port: a chain with IBFT 2.0 blocks from block 1 on"]


async def test_too_poor_a_deployer_is_told_before_anything_is_sent(site: Site) -> None:
    poor = {name: Key("poor", bytes([7]) * 32) for name in site.chains}
    plan = await site.plan(keys=poor)
    assert sum("0 wei on 0x" in text for text in refusals(plan.findings)) == 2
    with pytest.raises(PlanRefused):
        await apply_plan(plan, site.config, site.manifest, site.nodes, poor)
    assert site.manifest.names == ()


async def test_a_price_above_the_limit_is_in_the_plan_and_nothing_is_signed(site: Site) -> None:
    site.table = "max_fee_gwei = 0.000000001\npriority_fee_gwei = 0\n"
    plan = await site.plan()
    warned = [finding for finding in plan.findings if finding.severity is Severity.WARNING]
    assert {finding.subject for finding in warned} == {"court", "port"}
    assert all("max_fee_gwei" in finding.expected for finding in warned)
    with pytest.raises(FeeLimitReached, match="max_fee_gwei"):
        await site.apply(plan)
    for name, key in site.keys.items():
        assert await count_pending(site.nodes[name], key.address) == 0


async def test_the_plan_shows_the_price_that_is_signed(site: Site) -> None:
    site.table = "priority_fee_gwei = 3\n"
    plan = await site.plan(joins=False)

    def check(progress: Progress) -> None:
        record = site.manifest.get(progress.step.chain)
        assert record is not None
        signed, shown = record.pending[-1].signatures[-1], plan.prices[progress.step.chain]
        assert signed.priority_fee_wei == shown.priority_wei == 3 * 10**9
        # The base fee moves by an eighth a block.
        assert 0.5 < signed.max_fee_wei / shown.max_wei < 2

    await site.apply(plan, check)


async def test_a_client_that_falls_behind_is_flagged(site: Site) -> None:
    await site.apply(await site.plan())
    court = site.chains["court"]
    court.add_validator(at=court.head.number + 3)
    await court.wait_for(court.head.number + 4)
    findings = await site.check()
    behind = [finding for finding in findings if "have changed since" in finding.found]
    assert [(finding.subject, finding.severity) for finding in behind] == [("court → port", Severity.WARNING)]


async def test_what_the_owners_said_counts_more_than_what_a_provider_shows(site: Site) -> None:
    """A configured bootstrap is where trust begins: a provider's head must follow from it (INV-7)."""
    port = site.chains["port"]
    await port.wait_for(3)
    header = port.block(1)

    def bootstrap(validators: tuple[bytes, ...]) -> str:
        listed = ", ".join(f'"0x{validator.hex()}"' for validator in validators)
        return f"[chains.port.consensus.bootstrap]\nheight = 1\ntimestamp = {header.timestamp}\nvalidators = [{listed}]\n"

    deployers = {"court": site.keys["court"].address, "port": site.keys["port"].address}
    chains = "".join(
        f'[chains.{name}]\nchain = "eip155:{chain.chain_id}"\nrpc = ["{chain.http_url}"]\n'
        + consensus_table(name, chain.describe().consensus)
        for name, chain in site.chains.items()
    )
    for validators, is_good in ((port.validators, True), (site.chains["court"].validators, False)):
        config = configuration.parse(chains + bootstrap(validators), directory=site.folder)
        plan = await make_plan(config, site.manifest, site.nodes, deployers, [("court", "port")])
        assert plan.is_refused is not is_good
        said = [
            finding.found
            for finding in plan.findings
            if finding.subject == "port" and "configured bootstrap" in finding.found
        ]
        assert len(said) == 1
        assert ("does not follow" in said[0]) is not is_good
