# SPDX-License-Identifier: MIT
"""What has to be sent to make endpoints and join them, and what speaks against it, for people to see first.

Nothing is sent here. What is wanted is compared with the manifest and with the chains, which
have the last word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from light_clients.client import Status
from light_clients.hashing import keccak256
from relayer.chains.base import GasPrice
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.chains.evm.node import Node
from relayer.config import Config, EndpointConfig
from relayer.consensus.findings import Finding, Severity, has_refusal
from relayer.consensus.kind import TrustStart
from relayer.consensus.registry import configured, find_kind, kind_of, view_client
from relayer.contracts import best_build, load, load_builds, recognise
from relayer.endpoint.former import judge_former, judge_retired, read_former
from relayer.endpoint.manifest import Client, Contract, Hex, Manifest, Record
from relayer.endpoint.probes import (
    ENVELOPE_BYTES,
    build_for,
    probe_rules,
    refuses_code,
    refuses_transaction,
)
from relayer.endpoint.steps import (
    Located,
    Step,
    StepKind,
    authority_of,
    client_creation,
    locate,
    register_call,
)
from relayer.endpoint.survey import Survey, compare_chains, survey_chain, with_rules
from relayer.errors import CallReverted, FeeLimitReached
from relayer.sending.price import PricePolicy, compute_price

#: The gas of calls, measured under Prague's rules; that of creations is computed (`_creation_gas`).
_GAS: Final = {
    StepKind.ROLES: 230_000,
    StepKind.REGISTER: 210_000,
    StepKind.SCHEDULE: 90_000,
    StepKind.EXECUTE: 240_000,
    StepKind.CLOSE: 60_000,
}

#: More than any price.
_NO_LIMIT_WEI: Final = 1 << 256


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """The transactions that are missing, and findings. With a refusal among these it can't be applied.

    Attributes:
        steps: in the order in which they are sent.
        findings: what speaks for and against it.
        surveys: by the chain's name.
        deployers: the account that deploys, 20 bytes, by the chain's name.
        trusts: what light clients of a chain begin with, by the chain's name.
        prices: what transactions offer for a unit of gas, by the chain's name.
    """

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]
    surveys: Mapping[str, Survey]
    deployers: Mapping[str, bytes]
    trusts: Mapping[str, TrustStart[Any]]
    prices: Mapping[str, GasPrice]

    @property
    def is_refused(self) -> bool:
        """Whether a finding forbids to apply it."""
        return has_refusal(self.findings)

    def describe_trusts(self) -> tuple[str, ...]:
        """Return what a person compares before light clients are deployed, as lines: once for each chain that
        is followed, however many follow it.
        """
        followers: dict[str, list[str]] = {}
        for step in self.steps:
            if step.initial_trust is not None:
                followers.setdefault(step.remote, []).append(step.chain)
        return tuple(
            line
            for remote, chains in followers.items()
            for line in ("", *self.trusts[remote].describe(", ".join(chains), remote))
        )

    def cost_wei(self, step: Step) -> int:
        """Return about what a step costs at the price of now."""
        return step.gas * self.unit_wei(step.chain)

    def unit_wei(self, name: str) -> int:
        """Return what a unit of gas costs now on a chain."""
        return self.prices[name].paid_wei(self.surveys[name].market)


async def make_plan(
    config: Config,
    manifest: Manifest,
    nodes: Mapping[str, Node],
    deployers: Mapping[str, bytes],
    joins: Sequence[tuple[str, str]],
    *,
    close: bool = True,
) -> DeploymentPlan:
    """Plan endpoints and joins.

    Args:
        config: the configuration.
        manifest: what was deployed before. An endpoint that the configuration names and the manifest does not
            know is added to it.
        nodes: of every chain that is named.
        deployers: the account that deploys, 20 bytes, by the name of each chain that gets an endpoint.
        joins: pairs (on, remote): the endpoint on `on` gets a light client of `remote` and registers it.
        close: whether the admin's delay is set at the end.

    Raises:
        ChainUnavailable: a chain can't be asked.
        BadManifest: the manifest and the configuration contradict each other.
    """
    names = list(dict.fromkeys([*deployers, *(chain for join in joins for chain in join)]))
    surveys = dict(
        zip(
            names,
            await asyncio.gather(*(survey_chain(nodes[n], config.chain(n)) for n in names)),
            strict=True,
        )
    )
    config = with_rules(config, surveys)
    findings = [finding for survey in surveys.values() for finding in survey.findings]
    findings += compare_chains(surveys.values())
    prices, limited = _find_prices(config, surveys, deployers)
    findings += limited
    trusts, followed = await follow_bootstraps(config, surveys)
    findings += followed
    planner = _Planner(config, manifest, nodes, deployers, surveys, trusts)
    for name in deployers:
        findings += await planner.check_record(name)
    if has_refusal(findings):
        # What is planned on a chain that isn't the one that was meant would only mislead.
        return DeploymentPlan((), tuple(findings), surveys, deployers, trusts, prices)
    for name in deployers:
        await adopt(config, manifest, nodes[name], name, surveys[name].genesis_hash)
    steps = [step for name in deployers for step in planner.plan_endpoint(name)]
    for on, remote in joins:
        more, found = await planner.plan_join(on, remote)
        steps += more
        findings += found
    if close:
        # This comes last: once the admin has a delay, every registration has to be scheduled and waited for.
        steps += [step for name in deployers for step in planner.plan_close(name)]
    plan = DeploymentPlan(tuple(steps), tuple(findings), surveys, deployers, trusts, prices)
    return replace(
        plan,
        findings=(*plan.findings, *await _check_sizes(plan, nodes), *await _check_funds(plan, nodes)),
    )


class _Planner:
    """Plans the steps of several chains; holds what they share."""

    def __init__(
        self,
        config: Config,
        manifest: Manifest,
        nodes: Mapping[str, Node],
        deployers: Mapping[str, bytes],
        surveys: Mapping[str, Survey],
        trusts: Mapping[str, TrustStart[Any]],
    ) -> None:
        self._config = config
        self._manifest = manifest
        self._nodes = nodes
        self._deployers = deployers
        self._surveys = surveys
        self._trusts = trusts

    async def check_record(self, name: str) -> list[Finding]:
        """Report contracts of the manifest that are not on the chain, and a chain that was reset."""
        record, survey = self._manifest.get(name), self._surveys[name]
        if record is None:
            return []
        advice = f"The chain was reset, or the manifest is another's: take {name} out of {self._manifest.path} to deploy anew."
        if bytes(record.genesis_hash) != survey.genesis_hash:
            found = f"genesis 0x{survey.genesis_hash.hex()}"
            return [
                Finding(Severity.REFUSAL, name, found, f"0x{record.genesis_hash.hex()} (manifest)", advice)
            ]
        contracts = [("AccessManager", record.authority), ("Gateway", record.gateway)]
        contracts += [
            (" or ".join(find_kind(client.kind).contracts), client.contract)
            for client in record.clients.values()
        ]
        findings = []
        for kind, contract in contracts:
            if contract is None:
                continue
            code = await self._nodes[name].code(contract.address)
            if keccak256(code) != contract.code_hash:
                found = f"{'other' if code else 'no'} code at 0x{contract.address.hex()}"
                findings.append(Finding(Severity.REFUSAL, name, found, f"the {kind} of the manifest", advice))
        return findings

    def plan_endpoint(self, name: str) -> list[Step]:
        """Return the steps for the contracts and roles of one endpoint that are missing."""
        genesis_hash = Hex(self._surveys[name].genesis_hash)
        record = self._manifest.get(name) or Record(
            chain=self._config.chain(name).chain, genesis_hash=genesis_hash
        )
        build = self._surveys[name].build
        # A chain that runs none has been refused.
        assert build is not None
        steps = []
        if record.authority is None:
            data = load("AccessManager", build).encode_creation(self._deployers[name])
            steps.append(_creating(Step(StepKind.AUTHORITY, name, 0, build=build), data))
        if record.gateway is None:
            # The authority's address is not known yet, and it doesn't change what the creation takes.
            data = load("Gateway", build).encode_creation(self._deployers[name], genesis_hash)
            steps.append(_creating(Step(StepKind.GATEWAY, name, 0, build=build), data))
        if record.roles is None and not record.adopted:
            steps.append(Step(StepKind.ROLES, name, _GAS[StepKind.ROLES]))
        return steps

    async def plan_join(self, on: str, remote: str) -> tuple[list[Step], list[Finding]]:
        """Return the steps for a light client of `remote` on `on` and for its registration, and findings."""
        gateway, located = (locate(self._config, self._manifest, name) for name in (on, remote))
        if located is None and remote not in self._deployers:
            advice = f"Ask its owner for the gateway and the genesis hash, and put them into chains.{remote}."
            finding = Finding(
                Severity.REFUSAL, f"{remote} → {on}", f"no gateway on {remote}", "one to join", advice
            )
            return [], [finding]
        record = self._manifest.get(on)
        if gateway is not None and located is not None:
            subject = f"{remote} → {on}"
            former = await read_former(self._nodes[on], gateway, record)
            refused = judge_retired(subject, former, located)
            refused += judge_former(subject, former, located, self._surveys[remote])
            if refused or await self._is_registered(on, gateway, located):
                return [], refused
        client = None if record is None else record.clients.get(remote)
        # One that an earlier endpoint of the name was registered with follows another history.
        if (
            client is not None
            and not _is_taken(record, remote, client, located)
            and await self._is_active(on, client)
        ):
            return await self._plan_registration(on, remote, has_client=True)
        first, findings = await plan_client(
            self._config, self._nodes[on], on, remote, self._trusts[remote], self._deployers[on]
        )
        if has_refusal(findings):
            return [], findings
        more, found = await self._plan_registration(on, remote, has_client=False)
        return [first, *more], findings + found

    def plan_close(self, name: str) -> list[Step]:
        """Return the step that sets the admin's delay; none where it was set, or the endpoint was adopted."""
        record = self._manifest.get(name)
        if record is not None and (record.adopted or record.admin is not None):
            return []
        return [Step(StepKind.CLOSE, name, _GAS[StepKind.CLOSE])]

    async def _plan_registration(
        self, on: str, remote: str, *, has_client: bool
    ) -> tuple[list[Step], list[Finding]]:
        """Return the step that the AccessManager lets the deployer do next for
        `registerRemote`, and findings.

        An admin without a delay registers at once. An admin with one schedules the call, waits,
        and executes it.
        """
        subject = f"{remote} → {on}"
        record, gateway = self._manifest.get(on), locate(self._config, self._manifest, on)
        if record is None or record.authority is None or gateway is None:
            return [Step(StepKind.REGISTER, on, _GAS[StepKind.REGISTER], remote)], []
        account, selector = self._deployers[on], load("Gateway").selector("registerRemote")
        is_immediate, delay_s = await self._ask(on, record, "canCall", account, gateway.gateway, selector)
        if is_immediate:
            return [Step(StepKind.REGISTER, on, _GAS[StepKind.REGISTER], remote)], []
        if not delay_s:
            advice = "Use the admin's key (--key), or ask the admin to register."
            found = f"0x{account.hex()}, which is no admin of {on}"
            return [], [Finding(Severity.REFUSAL, subject, found, "its admin", advice)]
        ready_at = 0
        if has_client:
            call = register_call(self._config, self._manifest, on, remote)
            operation = await self._ask(on, record, "hashOperation", account, gateway.gateway, call)
            ready_at = await self._ask(on, record, "getSchedule", operation)
        if ready_at == 0:
            advice = "Run the same command again after that, to execute it."
            note = f"an admin's change waits {delay_s} s: the registration is only scheduled now"
            step = Step(StepKind.SCHEDULE, on, _GAS[StepKind.SCHEDULE], remote)
            return [step], [Finding(Severity.WARNING, subject, note, "", advice)]
        now = int(str((await self._nodes[on].block("latest"))["timestamp"]), 16)
        if now < ready_at:
            note = f"the registration is scheduled, and can be executed in {ready_at - now} s"
            return [], [
                Finding(Severity.WARNING, subject, note, "", "Run the same command again after that.")
            ]
        return [Step(StepKind.EXECUTE, on, _GAS[StepKind.EXECUTE], remote)], []

    async def _ask(self, name: str, record: Record, function: str, *arguments: object) -> Any:
        reader = ContractReader(self._nodes[name])
        return await reader.ask(authority_of(record, name), "AccessManager", function, *arguments)

    async def _is_registered(self, on: str, gateway: Located, remote: Located) -> bool:
        try:
            await self._nodes[on].call(
                gateway.gateway, load("Gateway").encode_call("remote", remote.endpoint_id)
            )
        except CallReverted as error:
            if error.name == "RemoteUnknown":
                return False
            raise
        return True

    async def _is_active(self, on: str, client: Client) -> bool:
        view = await view_client(ContractReader(self._nodes[on]), bytes(client.contract.address))
        return view is not None and view.status is Status.ACTIVE


def _is_taken(record: Record | None, remote: str, client: Client, located: Located | None) -> bool:
    joined = None if record is None else record.remotes.get(remote)
    if joined is None or located is None or joined.client != client.contract.address:
        return False
    return bytes(joined.endpoint_id) != located.endpoint_id


async def adopt(config: Config, manifest: Manifest, node: Node, name: str, genesis_hash: bytes) -> None:
    """Put an endpoint into the manifest that the configuration names and the manifest doesn't know.

    Its authority is the one that its gateway obeys.
    """
    gateway = config.chain(name).gateway
    if gateway is None or manifest.get(name) is not None:
        return
    authority = address_of(await ContractReader(node).ask(gateway, "Gateway", "authority"))
    found = []
    for contract, address in (("AccessManager", authority), ("Gateway", gateway)):
        code = await node.code(address)
        found.append(
            Contract(
                address=Hex(address),
                tx_hash=Hex(),
                block_number=0,
                code_hash=Hex(keccak256(code)),
                build=recognise(contract, code),
            )
        )
    record = Record(
        chain=config.chain(name).chain,
        genesis_hash=Hex(genesis_hash),
        adopted=True,
        authority=found[0],
        gateway=found[1],
    )
    manifest.put(name, record)


async def plan_client(
    config: Config, node: Node, on: str, remote: str, trust: TrustStart[Any], authority: bytes
) -> tuple[Step, list[Finding]]:
    """Return the step that deploys a light client of `remote` on `on`, and findings.

    Args:
        config: with the rules that surveys found.
        node: of `on`.
        on: the chain that the client stands on.
        remote: the chain that it is a light client of.
        trust: what it begins with.
        authority: 20 bytes. It may not be known yet: another one doesn't change what the creation takes.
    """
    chain = config.chain(remote)
    kind = kind_of(chain)
    contract = kind.contract_of(chain.consensus)
    findings = await kind.endpoint.survey_destination(node, remote)
    rules = build_for(await probe_rules(node))
    build = None if rules is None else best_build(contract, rules)
    step = Step(StepKind.CLIENT, on, 0, remote, trust.record(), contract)
    if build is None:
        needed = next(iter(load_builds(contract)))
        found = f"an EVM that the {contract} can't run on: it ships in the {needed.value} build alone"
        advice = f"Join {remote} and {on} in the other direction only, or raise the fork of {on}."
        return step, [*findings, Finding(Severity.REFUSAL, f"{remote} → {on}", found, "", advice)]
    step = replace(step, build=build)
    data = client_creation(config, authority, step)
    return _creating(step, data, kind.on_chain.storage_gas), findings


def found_endpoint(plan: DeploymentPlan, config: Config, manifest: Manifest, name: str) -> EndpointConfig:
    """Return what to write into the configuration of a deployed endpoint: trust begins with
    what the plan showed.
    """
    located = locate(config, manifest, name)
    assert located is not None
    return EndpointConfig(
        gateway=located.gateway,
        genesis_hash=located.genesis_hash,
        consensus=plan.trusts[name].with_bootstrap(config.chain(name).consensus),
    )


def _creating(step: Step, data: bytes, storage_gas: int = 150_000) -> Step:
    """Return a step with the length of its init code, and about what gas it takes.

    `storage_gas` is what the constructor stores.

    The gas is computed, because a node can't estimate a creation whose authority isn't deployed yet.
    """
    zeros = data.count(0)
    # A byte of calldata costs 16, or 4 where it is zero (EIP-2028); a word of init code 2 (EIP-3860).
    calldata = 4 * zeros + 16 * (len(data) - zeros) + 2 * (len(data) // 32)
    # A transaction, a creation, its code's deposit, and what the constructor stores.
    gas = 21_000 + 32_000 + calldata + 200 * _code_bytes(step) + storage_gas
    return replace(step, gas=gas, creation_bytes=len(data))


async def follow_bootstraps(
    config: Config, surveys: Mapping[str, Survey]
) -> tuple[dict[str, TrustStart[Any]], list[Finding]]:
    """Verify, for each chain with a configured bootstrap, that it leads to what the survey found.

    Returns:
        What light clients of a chain begin with, by the chain's name, and findings.
    """
    trusts: dict[str, TrustStart[Any]] = {}
    findings: list[Finding] = []
    for name, survey in surveys.items():
        if survey.trust is None:
            continue
        chain = config.chain(name)
        follow = kind_of(chain).endpoint.follow
        trust, found = await follow(configured(name, chain), survey.genesis_hash, survey.trust)
        findings += found
        if trust is not None:
            trusts[name] = trust
    return trusts, findings


def _find_prices(
    config: Config, surveys: Mapping[str, Survey], deployers: Iterable[str]
) -> tuple[dict[str, GasPrice], list[Finding]]:
    """Return what transactions offer now, by the rule that signs them, and findings.

    A price above the operator's limit is only a warning: it may have fallen when the first step is signed.
    """
    prices: dict[str, GasPrice] = {}
    findings = []
    for name in deployers:
        chain, market = config.chain(name), surveys[name].market
        policy = PricePolicy(chain.max_fee_wei, chain.priority_fee_wei)
        try:
            prices[name] = compute_price(market, policy)
        except FeeLimitReached as error:
            prices[name] = compute_price(market, replace(policy, max_fee_wei=_NO_LIMIT_WEI))
            findings.append(Finding(Severity.WARNING, name, error.found, error.expected, error.advice))
    return prices, findings


async def _check_sizes(plan: DeploymentPlan, nodes: Mapping[str, Node]) -> list[Finding]:
    """Return a refusal for each chain that does not take the largest contract or transaction of the plan.

    A chain may allow less than others do (EIP-170), and so may a node (128 KB in geth, 64 KB in GoQuorum).
    """
    findings = []
    for name in plan.deployers:
        steps = [step for step in plan.steps if step.chain == name and step.creates]
        if not steps:
            continue
        node, survey = nodes[name], plan.surveys[name]
        largest = max(steps, key=_code_bytes)
        size = _code_bytes(largest)
        said = await refuses_code(node, size)
        if said:
            advice = "Raise the chain's limit for the size of a contract in its genesis file to 24,576 bytes or more."
            found = f"no room for the {size} bytes of the {largest.creates} ({said})"
            findings.append(Finding(Severity.REFUSAL, name, found, "24,576 bytes (EIP-170)", advice))
        longest = max(steps, key=lambda step: step.creation_bytes)
        size = longest.creation_bytes + ENVELOPE_BYTES
        said = await refuses_transaction(node, survey.chain_id, size)
        if said:
            advice = (
                "Let the nodes take larger transactions (txnSizeLimit in GoQuorum), or use another provider."
            )
            found = f"a limit below the {size} bytes of the transaction that deploys the {longest.creates} ({said})"
            findings.append(Finding(Severity.REFUSAL, name, found, f"at least {size} bytes", advice))
    return findings


def _code_bytes(step: Step) -> int:
    """Return how long the code of the contract that a step deploys is."""
    assert step.creates is not None
    return len(load(step.creates, step.build).runtime_code)


async def _check_funds(plan: DeploymentPlan, nodes: Mapping[str, Node]) -> list[Finding]:
    findings = []
    for name, account in plan.deployers.items():
        steps = [step for step in plan.steps if step.chain == name]
        if not steps:
            continue
        # A node takes a transaction only from who can pay the most that it may cost.
        reserve = max(step.gas for step in steps) * (plan.prices[name].max_wei - plan.unit_wei(name))
        cost = sum(plan.cost_wei(step) for step in steps) + reserve
        balance = await nodes[name].balance(account)
        if balance < cost:
            advice = f"Send 0x{account.hex()} at least {cost - balance} wei more on {name}."
            found = f"{balance} wei on 0x{account.hex()}"
            findings.append(Finding(Severity.REFUSAL, name, found, f"at least {cost} wei", advice))
        largest, limit = max(step.gas for step in steps), plan.surveys[name].block_gas_limit
        if largest > limit:
            advice = "Raise the chain's block gas limit."
            found = f"a block gas limit of {limit}"
            findings.append(Finding(Severity.REFUSAL, name, found, f"at least {largest}", advice))
    return findings
