# SPDX-License-Identifier: MIT
"""QBFT and IBFT 2.0: trust begins with the validators that seal a block."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import quorum, set_hash
from light_clients.client import Height, Status, Timestamp
from light_clients.errors import Rejection
from relayer.chains.base import Head
from relayer.chains.evm.chain import EvmChain
from relayer.chains.evm.contract_reader import ContractReader, address_of
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.chains.provider_pool import OnRpcError
from relayer.config import AnyBootstrap, BootstrapConfig, Bytes20, ChainConfig, SecretUrl
from relayer.consensus.base import Prover
from relayer.consensus.bft.prover import BftBootstrap, BftProver
from relayer.consensus.findings import Finding, Severity
from relayer.consensus.kind import ClientView, Conflict, OpenProver, Trust
from relayer.contracts import load
from relayer.endpoint.manifest import Bootstrap, Checkpoint, Hex
from relayer.errors import ConfigError, PostroadError

KINDS: Mapping[str, BftKind] = {"qbft": BftKind.QBFT, "ibft2": BftKind.IBFT2}

# How many headers are looked at for a quorum below two thirds: at the head, and spread behind it.
_SAMPLE = 8
_SAMPLE_STEP = 16
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class BftTrust:
    """The newest header, whose validators a client is deployed with."""

    header: BftHeader

    def record(self) -> Bootstrap:
        """The header's number, time and validators."""
        validators = tuple(Hex(each) for each in self.header.validators)
        return Bootstrap(height=self.header.number, timestamp=self.header.timestamp, validators=validators)

    def setting(self) -> BootstrapConfig:
        """The same for the configuration."""
        validators = tuple(Bytes20(each) for each in self.header.validators)
        return BootstrapConfig(
            height=self.header.number, timestamp=self.header.timestamp, validators=validators
        )

    def network(self) -> None:
        """It has none."""

    def describe(self, on: str, remote: str) -> Sequence[str]:
        """The validators."""
        validators = self.header.validators
        return [
            f"On {on}, trust in {remote} begins with block {self.header.number}, sealed by these",
            f"{len(validators)} validators. Compare them with what its owners say:",
            *(f"  0x{validator.hex()}" for validator in validators),
        ]

    def conflict(self, other: Trust) -> Conflict | None:
        """Shared validators: BFT headers carry no chain id."""
        if not isinstance(other, BftTrust):
            return None
        shared = set(self.header.validators) & set(other.header.validators)
        if not shared:
            return None
        shown = ", ".join(f"0x{each.hex()}" for each in sorted(shared)[:_SHOWN]) + (
            ", …" if len(shared) > _SHOWN else ""
        )
        advice = "Headers of such chains carry no chain id, so one chain's could pass for the other's: use other keys."
        return Conflict(f"{len(shared)} shared validators ({shown})", "none", advice)


@dataclass(frozen=True, slots=True)
class BftClientView(ClientView):
    """A BftLightClient. `set_hash` is 32 bytes."""

    kind: int
    set_hash: bytes

    def details(self) -> Mapping[str, Any]:
        """What `--json` shows besides."""
        return {"consensus": BftKind(self.kind).name.lower(), "set_hash": self.set_hash}


class Bft:
    """One of the two kinds."""

    contract = "BftLightClient"
    storage_gas = 150_000
    misbehaviour = "Validators signed two blocks of one height."

    def __init__(self, name: Literal["qbft", "ibft2"]) -> None:
        self._name = name

    def refuse_head(self, chain: ChainConfig, head: Mapping[str, Any]) -> str | None:
        """See Consensus."""
        try:
            BftHeader.from_rpc(head, KINDS[chain.consensus])
        except Rejection as error:
            return str(error)
        return None

    def looks_like(self, head: Mapping[str, Any]) -> bool:
        """Its extra data tells, and that somebody sealed it."""
        try:
            header = BftHeader.from_rpc(head, KINDS[self._name])
            return len(header.sealers()) > 0
        except Rejection:
            return False

    async def check_beacon(self, name: str, chain: ChainConfig, url: SecretUrl) -> list[Finding]:  # noqa: ARG002
        """It has none."""
        return []

    def believe(
        self,
        name: str,
        chain: ChainConfig,
        bootstrap: AnyBootstrap,
        source: EvmChain,
        on_error: OnRpcError | None = None,  # noqa: ARG002  headers come from the chain itself
    ) -> OpenProver:
        """See Consensus."""
        assert isinstance(bootstrap, BootstrapConfig), name
        trusted = BftBootstrap(
            consensus=self._name,
            validators=tuple(bytes(each) for each in bootstrap.validators),
            height=Height(bootstrap.height),
            timestamp=Timestamp(bootstrap.timestamp),
            trusting_period_s=chain.trusting_period_s,
            max_clock_drift_s=chain.max_clock_drift_s,
        )
        return OpenProver(BftProver(source, trusted))

    async def survey(
        self, node: Node, chain: ChainConfig, head: Mapping[str, Any]
    ) -> tuple[Trust | None, list[Finding]]:
        """The newest header, and whether blocks carry a quorum of two thirds."""
        kind = KINDS[chain.consensus]
        number = int(str(head.get("number", "0x0")), 16)
        if number == 0:
            found, advice = "block 0 as the newest", "Start its validators, or wait for the first block."
            return None, [_refuse(node.name, found, "a sealed block to start trust from", advice)]
        try:
            newest = BftHeader.from_rpc(head, kind)
        except Rejection as error:
            advice = f"Is it a {chain.consensus} chain (chains.{node.name}.consensus), and its fork one that is known?"
            found = f"a header that is not believed: {error}"
            return None, [_refuse(node.name, found, f"{chain.consensus} headers", advice)]
        findings: list[Finding] = []
        lower = range(number - _SAMPLE_STEP, 0, -_SAMPLE_STEP)[: _SAMPLE - 1]
        earlier = await asyncio.gather(*(node.block(each) for each in lower))
        for header in (newest, *(BftHeader.from_rpc(block, kind) for block in earlier)):
            members, sealed = len(header.validators), len(header.sealers())
            if sealed < quorum(members):
                advice = (
                    "Chains with the old quorum 2F+1 (GoQuorum) are not safe to believe: configure ceil2Nby3Block, and "
                    "join when blocks carry two thirds."
                )
                found = f"block {header.number} sealed by {sealed} of {members}"
                findings.append(_refuse(node.name, found, f"at least {quorum(members)}", advice))
                break
        else:
            members = len(newest.validators)
            text = f"{chain.consensus}, {members} validators, {quorum(members)} to seal"
            findings.append(Finding(Severity.OK, node.name, text))
        return BftTrust(newest), findings

    async def follow(
        self, name: str, chain: ChainConfig, genesis_hash: bytes, trust: Trust
    ) -> tuple[Trust | None, list[Finding]]:
        """Without a configured bootstrap the newest header is what people are shown to compare."""
        assert isinstance(trust, BftTrust)
        if chain.bootstrap is None:
            return trust, []
        header = trust.header
        head = Head(header.number, header.block_hash, header.parent_hash, header.timestamp)
        evm = open_evm(name, chain, genesis_hash)
        try:
            verified = await self.believe(name, chain, chain.bootstrap, evm).prover.verify_head(head)
        except (PostroadError, Rejection) as error:
            advice = f"Another provider, or a newer bootstrap from the owners of {name}, in chains.{name}.bootstrap."
            found = f"block {header.number} does not follow from the configured bootstrap: {error}"
            return None, [_refuse(name, found, "a header that it leads to", advice)]
        finally:
            await evm.close()
        text = f"block {verified.number} follows from the configured bootstrap"
        return trust, [Finding(Severity.OK, name, text)]

    async def survey_destination(self, node: Node, source: str) -> list[Finding]:  # noqa: ARG002
        """It needs nothing that a gateway doesn't need."""
        return []

    def creation(self, authority: bytes, chain: ChainConfig, begun: Bootstrap | Checkpoint) -> bytes:
        """See Consensus."""
        assert isinstance(begun, Bootstrap)
        return load(self.contract).encode_creation(
            authority,
            int(KINDS[chain.consensus]),
            [bytes(each) for each in begun.validators],
            begun.height,
            begun.timestamp,
            chain.trusting_period_s,
            chain.max_clock_drift_s,
        )

    async def view(self, caller: ContractReader, address: bytes) -> BftClientView:
        """See Consensus."""
        functions = ("status", "kind", "trustedState", "trustingPeriod", "maxClockDrift", "authority")
        values = await asyncio.gather(*(caller.ask(address, self.contract, each) for each in functions))
        status, kind, (trusted, height, timestamp, _), period, drift, authority = values
        return BftClientView(
            contract=self.contract,
            address=address,
            status=Status(status),
            height=height,
            timestamp=timestamp,
            trusting_period_s=period,
            max_clock_drift_s=drift,
            authority=address_of(authority),
            kind=kind,
            set_hash=trusted,
        )

    def judge(
        self, subject: str, on: str, remote: str, client: ClientView, chain: ChainConfig, trust: Trust | None
    ) -> list[Finding]:
        """Its rules, and whether it trusts the validators that seal now."""
        assert isinstance(client, BftClientView)
        findings = []
        if client.kind != KINDS[chain.consensus]:
            found = f"a client for {BftKind(client.kind).name}"
            advice = "It can't believe any header of that chain: replace the client."
            findings.append(_refuse(subject, found, chain.consensus, advice))
        if not isinstance(trust, BftTrust):
            return findings
        validators = trust.header.validators
        if client.set_hash != set_hash(validators):
            advice = f"A running relayer updates it; by hand: `postroad client update {remote} {on}`."
            found = f"the validators of block {client.height}, which have changed since"
            findings.append(Finding(Severity.WARNING, subject, found, "those that seal now", advice))
        else:
            needed = f"{quorum(len(validators))} of {len(validators)} must sign (two thirds)"
            text = f"client 0x{client.address.hex()} follows, {needed}"
            findings.append(Finding(Severity.OK, subject, text))
        return findings


def bft_prover(prover: Prover) -> BftProver:
    """A prover as what it is, for those who look at validators. Raises ConfigError where it follows something else."""
    if not isinstance(prover, BftProver):
        raise ConfigError(
            f"a {type(prover).__name__}", "a BFT chain", "Choose one of consensus qbft or ibft2"
        )
    return prover


def _refuse(subject: str, found: str, expected: str, advice: str) -> Finding:
    return Finding(Severity.REFUSAL, subject, found, expected, advice)
