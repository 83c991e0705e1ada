# SPDX-License-Identifier: MIT
"""What deploying, joining and checking ask of a proof-of-stake chain.

Trust begins with a finalized block that people confirm, and follows the sync committees from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from light_clients.client import Timestamp
from light_clients.codec import execution_header
from light_clients.errors import Rejection
from light_clients.ethereum.client import EthereumState
from light_clients.ethereum.config import NetworkConfig, Slot
from light_clients.ethereum.containers import LightClientHeader
from light_clients.ethereum.params import WIRE_LAYOUTS, EthereumParams, least_threshold
from light_clients.ethereum.sync_protocol import is_valid_light_client_header
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.config import Bytes32, SecretUrl
from relayer.consensus.ethereum.beacon_api import BeaconApi
from relayer.consensus.ethereum.bls_precompiles import lacks_bls
from relayer.consensus.ethereum.config import CheckpointConfig, EthereumConfig, setting_of
from relayer.consensus.ethereum.contract import EthereumClientView, EthereumInitialTrust
from relayer.consensus.ethereum.discovery import discover_network, find_differences, missing_forks
from relayer.consensus.ethereum.judging import judge_forks, judge_parameters
from relayer.consensus.ethereum.prover import build_prover
from relayer.consensus.ethereum.proving_trust import compare_committees, unproven
from relayer.consensus.findings import Finding, Severity, has_refusal, refuse
from relayer.consensus.kind import ConfiguredChain, Conflict, Discovered, EndpointRole, Question
from relayer.errors import ConfigError, NotFoundYet, PostroadError, RpcAnswerInvalid

#: For all that is asked of one Beacon API by `check_live`.
_TIMEOUT_S: Final = 30.0
#: Finality usually lies two or three epochs behind; more is worth a warning.
_EPOCHS_TO_FINALITY: Final = 4


@dataclass(frozen=True, slots=True)
class EthereumTrust:
    """A finalized block, unverified; once a checkpoint has led to it, what a client is deployed with.

    Attributes:
        name: the chain's.
        rules: the network as it is configured; where it is not, as the node tells it.
        told: the network as the node tells it.
        checkpoint: root and slot of a finalized block, which people compare.
        number: of its execution block.
        block_hash: of that, 32 bytes.
        threshold: members that must sign.
        state: what the Python light client verified; None before.
    """

    name: str
    rules: NetworkConfig
    told: NetworkConfig
    checkpoint: CheckpointConfig
    number: int
    block_hash: bytes
    threshold: int
    state: EthereumState | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the Python light client has followed the chain from the checkpoint."""
        return self.state is not None

    def record(self) -> EthereumInitialTrust:
        """Return the newest finalized state that was verified, and the checkpoint that leads to it."""
        assert self.state is not None
        return EthereumInitialTrust(
            root=bytes(self.checkpoint.root),
            slot=self.state.finalized_slot,
            height=self.number,
            committee=self.state.committee,
            next_committee=self.state.next_committee or b"",
        )

    def with_rules(self, config: EthereumConfig) -> EthereumConfig:
        """Return the configuration with the network that the node tells, where it has none."""
        if config.network is not None:
            return config
        return msgspec.structs.replace(config, network=setting_of(self.rules))

    def with_bootstrap(self, config: EthereumConfig) -> EthereumConfig:
        """Return the configuration with network and checkpoint, where it has none."""
        config = self.with_rules(config)
        return msgspec.structs.replace(config, bootstrap=config.bootstrap or self.checkpoint)

    def describe(self, on: str, remote: str) -> Sequence[str]:
        """Return the checkpoint, where to compare it, and the network: lines of text."""
        slot, size = self.checkpoint.slot, self.rules.preset.sync_committee_size
        forks = ", ".join(f"{fork.name.label} (epoch {fork.epoch})" for fork in self.rules.forks)
        return [
            f"On {on}, trust in {remote} begins with the finalized block of slot {slot}, whose root is",
            f"  0x{self.checkpoint.root.hex()}",
            "Compare it with at least two independent sources: your own consensus client",
            f"(/eth/v1/beacon/headers/{slot}), a block explorer, a checkpoint provider, another operator.",
            f"{self.threshold} of {size} members of the sync committee must sign. The network:",
            f"  genesis validators' root 0x{self.rules.genesis_validators_root.hex()}",
            f"  forks {forks}",
        ]

    def conflict(self, other: EthereumTrust) -> Conflict | None:
        """Return the conflict of two chains with one genesis validators' root.

        Signatures are bound to that root alone, so what is signed on one passes for the other's.
        """
        root = self.told.genesis_validators_root
        if root != other.told.genesis_validators_root:
            return None
        advice = (
            "They are one chain, or one is a fork of the other: what is signed on one can be believed as the "
            "other's. Take one of them out of the config."
        )
        return Conflict(f"the same genesis validators' root 0x{root.hex()}", "distinct networks", advice)


class EthereumEndpoint(EndpointRole[EthereumConfig, EthereumTrust, EthereumClientView]):
    """What deploying, joining and checking ask of a proof-of-stake chain: the kind's EndpointRole."""

    questions = (Question("beacon", "Its Beacon APIs, separated by commas", "Beacon API"),)

    def refuse_head(self, chain: ConfiguredChain[EthereumConfig], head: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """Return why a block is not one of proof of stake: its difficulty would be zero since the merge."""
        difficulty = str(head.get("difficulty", "0x0"))
        if difficulty.startswith("0x") and difficulty.lstrip("0x"):
            return f"a block with difficulty {difficulty}, which is none of proof of stake"
        return None

    def recognise(self, head: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return no keys for a block that looks like one of proof of stake; None for another.

        It looks like one when it has no difficulty, has withdrawals, which came after the merge, and has the
        hash of the whole header. BFT chains leave the seals out of their hashes.
        """
        if str(head.get("difficulty")) != "0x0" or head.get("withdrawalsRoot") is None:
            return None
        try:
            computed = execution_header.hash_of(execution_header.from_rpc(head, execution_header.hash_of))
        except Rejection:
            return None
        return {} if head.get("hash") == "0x" + computed.hex() else None

    async def discover(self, name: str, keys: Mapping[str, Any]) -> Discovered:
        """Return the network, as a Beacon API tells it, for people to compare."""
        network = await discover_network(name, keys["beacon"])
        root = network.genesis_validators_root.hex()
        compare = f"chains.{name}.consensus.network with what the network publishes (genesis validators' root 0x{root})"
        return Discovered({"network": setting_of(network)}, compare)

    async def check_live(self, chain: ConfiguredChain[EthereumConfig]) -> list[Finding]:
        """Report whether each Beacon API answers, is of the configured network, and keeps up."""
        found = await asyncio.gather(*(_check_beacon(chain, url) for url in chain.consensus.beacon))
        return [finding for findings in found for finding in findings]

    async def check_bootstrap(self, node: Node, chain: ConfiguredChain[EthereumConfig]) -> list[Finding]:
        """Compare the checkpoint's root with its slot's block, and its height with the newest block's."""
        checkpoint, config = chain.consensus.bootstrap, chain.consensus
        if checkpoint is None:
            return []
        number = int(str((await node.block("latest"))["number"]), 16)
        network = config.network is not None
        rules = config.rules() if network else await discover_network(chain.name, config.beacon_urls)
        api = BeaconApi(chain.name, config.beacon_urls, rules)
        try:
            return [await _judge_checkpoint(chain.name, api, checkpoint, number)]
        finally:
            await api.close()

    async def survey(
        self, node: Node, chain: ConfiguredChain[EthereumConfig], head: Mapping[str, Any]
    ) -> tuple[EthereumTrust | None, list[Finding]]:
        """Return the newest finalized block that a Beacon API shows, after checks that
        refuse a mistake early.

        The network must be the configured one, the threshold one that a light client can have, and the
        execution block in the finalized one must be the execution node's as well.
        """
        name, config = chain.name, chain.consensus
        refused = self.refuse_head(chain, head)
        if refused is not None:
            advice = f"Correct chains.{name}.consensus, or the RPC URL."
            return None, [refuse(name, refused, "a proof-of-stake chain", advice)]
        urls = config.beacon_urls
        try:
            told = await discover_network(name, urls)
        except PostroadError as error:
            return None, [refuse(name, error.found, error.expected, error.advice)]
        findings: list[Finding] = []
        if config.network is not None:
            rules = config.rules()
            findings += _judge_network(name, name, rules, told)
        else:
            rules = told
            root = told.genesis_validators_root.hex()
            advice = (
                "Compare it with the network's own publications; it is written into "
                f"chains.{name}.consensus.network."
            )
            found = f"the network of genesis validators' root 0x{root}, as its Beacon API tells it"
            findings.append(Finding(Severity.WARNING, name, found, "a configured network", advice))
        if has_refusal(findings):
            return None, findings
        threshold = config.threshold_of(rules)
        size = rules.preset.sync_committee_size
        if not least_threshold(size) <= threshold <= size:
            expected = f"{least_threshold(size)} to {size} of {size} members"
            advice = f"Correct chains.{name}.consensus.threshold."
            return None, [*findings, refuse(name, f"a threshold of {threshold}", expected, advice)]
        api = BeaconApi(name, urls, rules)
        try:
            trust = await _newest_finalized(name, api, rules, told, threshold)
        except (PostroadError, Rejection) as error:
            advice = "Nothing is final yet, or its Beacon API does not serve light clients: wait, or configure another."
            found = f"no finalized block to begin with: {error}"
            return None, [*findings, refuse(name, found, "a finalized block", advice)]
        finally:
            await api.close()
        same = await _judge_execution(node, trust.number, trust.block_hash)
        if same is not None:
            return None, [*findings, same]
        forks = ", ".join(fork.name.label for fork in rules.forks)
        text = (
            f"proof of stake, slot {trust.checkpoint.slot} finalized (block {trust.number}), "
            f"{threshold} of {size} must sign; forks {forks}"
        )
        findings.append(Finding(Severity.OK, name, text))
        return trust, findings

    async def follow(
        self, chain: ConfiguredChain[EthereumConfig], genesis_hash: bytes, trust: EthereumTrust
    ) -> tuple[EthereumTrust | None, list[Finding]]:
        """Verify the newest finality by a prover of its own.

        Trust begins with the configured checkpoint, or, without one, with the block that people are shown.
        """
        name, configured = chain.name, chain.consensus.bootstrap is not None
        followed = replace(chain, consensus=trust.with_bootstrap(chain.consensus))
        checkpoint = followed.consensus.bootstrap
        assert checkpoint is not None
        evm = open_evm(name, chain.chain, genesis_hash)
        api = BeaconApi(name, followed.consensus.beacon_urls, followed.consensus.rules())
        prover = build_prover(followed, evm, api)
        try:
            verified = await prover.verify_head(await evm.head())
            state = prover.client.state
        except (PostroadError, Rejection) as error:
            advice = (
                "Another Beacon API, or a newer checkpoint that you have confirmed, in "
                f"chains.{name}.consensus.bootstrap."
            )
            which = "the configured checkpoint" if configured else "its own finalized block"
            found = f"what the Beacon API has does not follow from {which}: {error}"
            return None, [refuse(name, found, "a finalized header that it leads to", advice)]
        finally:
            await evm.close()
            await api.close()
        findings = []
        if configured:
            text = f"slot {state.finalized_slot} (block {verified.number}) follows from the configured checkpoint"
            findings.append(Finding(Severity.OK, name, text))
        found_state = replace(trust, checkpoint=checkpoint, state=state, number=verified.number)
        return found_state, findings

    async def survey_destination(self, node: Node, source: str) -> list[Finding]:
        """Report a destination without the BLS precompiles: no light client can verify signatures there."""
        reason = await lacks_bls(node)
        if reason is None:
            return []
        advice = (
            f"Activate the Prague rules in {node.name}'s genesis file: a light client of {source} verifies BLS "
            f"signatures there, and without the precompiles no transaction has the gas for that. Until then {node.name} "
            f"and {source} can't be joined in either direction, for each lane needs a light client on both sides; "
            f"{node.name} can be joined with chains whose light clients need no such precompile."
        )
        found = f"no BLS12-381 precompiles (EIP-2537: {reason})"
        return [refuse(f"{source} → {node.name}", found, "Prague or newer rules", advice)]

    async def prove_trust(
        self,
        subject: str,
        node: Node,  # noqa: ARG002  the beacon chain has the committees
        chain: ConfiguredChain[EthereumConfig],
        client: EthereumClientView,
    ) -> list[Finding]:
        """Compare the trusted committees with those that the beacon chain has for their periods."""
        urls = chain.consensus.beacon_urls
        try:
            if chain.consensus.network is None:
                rules = await discover_network(chain.name, urls)
            else:
                rules = chain.consensus.rules()
            api = BeaconApi(chain.name, urls, rules)
        except PostroadError as error:
            return [unproven(subject, chain.name, client, str(error))]
        try:
            return await compare_committees(subject, chain.name, api, client)
        finally:
            await api.close()

    def judge(
        self,
        subject: str,
        on: str,
        client: EthereumClientView,
        chain: ConfiguredChain[EthereumConfig],
        trust: EthereumTrust | None,
    ) -> list[Finding]:
        """Judge a client's network, its threshold, its forks, and how far it is behind."""
        told = None if trust is None else trust.told
        rules = told if chain.consensus.network is None else chain.consensus.rules()
        if rules is None:
            return []
        try:
            threshold = chain.consensus.threshold_of(rules)
            period_s, drift_s = chain.chain.trusting_period_s, chain.chain.max_clock_drift_s
            expected = EthereumParams.of(rules, threshold, period_s, drift_s)
        except ValueError as error:
            raise ConfigError(
                str(error), "values that a light client can have", "Correct the config"
            ) from error
        findings = judge_parameters(subject, client, expected)
        if has_refusal(findings):
            return findings
        now = int(time.time())
        findings += judge_forks(subject, client, rules, told or rules, rules.slot_at(Timestamp(now)))
        behind = rules.period_at(rules.slot_at(Timestamp(now))) - rules.period_at(Slot(client.height))
        if behind > 1:
            advice = f"A running relayer updates it; by hand: `postroad client update {chain.name} {on}`."
            found = f"a client that trusts slot {client.height}, {behind} sync-committee periods ago"
            findings.append(Finding(Severity.WARNING, subject, found, "the committee that signs now", advice))
        else:
            text = (
                f"client 0x{client.address.hex()} follows from slot {client.height}, {client.threshold} of "
                f"{client.committee_size} must sign"
            )
            findings.append(Finding(Severity.OK, subject, text))
        return findings


async def _newest_finalized(
    name: str, api: BeaconApi, rules: NetworkConfig, told: NetworkConfig, threshold: int
) -> EthereumTrust:
    """Return the newest finalized block that a node shows.

    Its execution block is checked to be in it; `follow` verifies that it is final.
    """
    header = (await api.finality_update()).finalized_header
    if header == LightClientHeader():
        raise NotFoundYet("nothing is final on this chain yet", "a finalized epoch after genesis")
    if not is_valid_light_client_header(header, rules):
        raise RpcAnswerInvalid(
            f"a finalized header of slot {header.beacon.slot} that its block does not hold", "its own"
        )
    if header.execution is None:
        raise ConfigError(
            f"a finalized block of slot {header.beacon.slot} without an execution block",
            "Capella or a later fork",
            "Join when the chain is there.",
        )
    root = header.beacon.hash_tree_root()
    number = header.execution.block_number
    # A height in a configuration is at least 1.
    checkpoint = CheckpointConfig(root=Bytes32(root), slot=header.beacon.slot, height=max(1, number))
    return EthereumTrust(name, rules, told, checkpoint, number, bytes(header.execution.block_hash), threshold)


async def _judge_execution(node: Node, number: int, block_hash: bytes) -> Finding | None:
    """Return a refusal unless the execution node has the execution block that the beacon chain finalized."""
    try:
        block = await node.block(number)
    except PostroadError as error:
        advice = "The execution node is behind, or of another chain than the Beacon API."
        return refuse(node.name, f"no block {number}: {error}", "the finalized execution block", advice)
    if block.get("hash") != "0x" + block_hash.hex():
        advice = "The RPC and the Beacon API are of different chains: correct one of them."
        found = f"block {number} with hash {str(block.get('hash'))[:66]}"
        return refuse(node.name, found, f"0x{block_hash.hex()}, which the beacon chain has finalized", advice)
    return None


def _judge_network(subject: str, name: str, configured: NetworkConfig, told: NetworkConfig) -> list[Finding]:
    findings = [
        refuse(
            subject,
            f"{difference.what}: {difference.found}",
            f"{difference.expected} (chains.{name}.consensus.network)",
            "It is another network, or the file is wrong: correct the Beacon API's URL or "
            f"chains.{name}.consensus.network.",
        )
        for difference in find_differences(configured, told)
    ]
    for fork in missing_forks(configured, told):
        found = f"the fork {fork.name.label}, scheduled for epoch {fork.epoch}, which the config doesn't have"
        if fork.name in WIRE_LAYOUTS:
            advice = f"Add it to chains.{name}.consensus.network.forks, and replace the light clients that were deployed without."
        else:
            advice = "No light client of this version can follow it: update Postroad, and replace them, before that."
        findings.append(Finding(Severity.WARNING, subject, found, "every scheduled fork", advice))
    return findings


async def _judge_checkpoint(name: str, api: BeaconApi, checkpoint: CheckpointConfig, number: int) -> Finding:
    """Judge a checkpoint by the block of its slot; `number` is the newest execution block's."""
    subject, slot = f"bootstrap of {name}", checkpoint.slot
    advice = f"Compare chains.{name}.consensus.bootstrap with at least two independent sources."
    if checkpoint.height > number:
        return refuse(subject, f"height {checkpoint.height}", f"at most {number}, the newest block", advice)
    try:
        known = await api.header(str(slot))
    except NotFoundYet:
        return refuse(
            subject, f"slot {slot}, of which no Beacon API has a block", "a finalized block", advice
        )
    if known.root != checkpoint.root:
        found = f"root 0x{checkpoint.root.hex()} of slot {slot}"
        return refuse(subject, found, f"the block's own, 0x{known.root.hex()}", advice)
    if not known.finalized:
        return refuse(subject, f"the block of slot {slot}, which is not final", "a finalized block", advice)
    return Finding(Severity.OK, subject, f"the block of slot {slot} is as the Beacon API shows it")


async def _judge_node(subject: str, name: str, url: SecretUrl, told: NetworkConfig) -> list[Finding]:
    api = BeaconApi(name, [url.reveal()], told)
    try:
        started = time.monotonic()
        version, syncing = await api.version(), await api.syncing()
        # Version and syncing are two questions, so half of the time counts, in milliseconds.
        latency_ms = (time.monotonic() - started) * 500
        slot = (await api.finality_update()).finalized_header.beacon.slot
    finally:
        await api.close()
    if syncing.is_syncing or syncing.is_optimistic:
        what = "syncing" if syncing.is_syncing else "optimistic: it has not verified its execution blocks"
        advice = "Messages wait until it has caught up, unless another Beacon API has."
        found = f"{version} is {what} ({syncing.sync_distance} slots behind)"
        return [Finding(Severity.WARNING, subject, found, "a synchronized node", advice)]
    behind = told.epoch_at(told.slot_at(Timestamp(int(time.time())))) - told.epoch_at(slot)
    if behind > _EPOCHS_TO_FINALITY:
        advice = "Too few validators vote, or the node is behind: messages wait for finality."
        found = f"finality {behind} epochs behind ({version})"
        expected = f"at most {_EPOCHS_TO_FINALITY}"
        return [Finding(Severity.WARNING, subject, found, expected, advice)]
    text = f"{version}, slot {slot} finalized, answers in {latency_ms:.0f} ms"
    return [Finding(Severity.OK, subject, text)]


async def _check_beacon(chain: ConfiguredChain[EthereumConfig], url: SecretUrl) -> list[Finding]:
    """Report whether one Beacon API answers, is of the configured network, and keeps up."""
    name = chain.name
    subject = f"{name} at {url}"
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            told = await discover_network(name, [url.reveal()])
            findings: list[Finding] = []
            if chain.consensus.network is not None:
                findings = _judge_network(subject, name, chain.consensus.rules(), told)
            if has_refusal(findings):
                return findings
            return findings + await _judge_node(subject, name, url, told)
    except (PostroadError, Rejection, TimeoutError) as error:
        found = getattr(error, "found", None) or str(error) or f"no answer in {_TIMEOUT_S:g} s"
        advice = "Is the URL right, and the consensus client up and serving light clients?"
        return [refuse(subject, str(found), "a Beacon API", advice)]


ENDPOINT: Final = EthereumEndpoint()
