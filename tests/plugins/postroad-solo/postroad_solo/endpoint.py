# SPDX-License-Identifier: MIT
"""What `init`, `endpoint` and `doctor` ask of a solo chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from light_clients.errors import Rejection
from postroad_solo.config import BootstrapConfig, SoloConfig
from postroad_solo.contract import InitialTrust, SoloClientView
from postroad_solo.prover import open_prover
from postroad_solo.rules import SoloHeader
from relayer.chains.base import Head
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.config import Bytes20
from relayer.consensus.findings import Finding, Severity
from relayer.consensus.kind import ConfiguredChain, Conflict, Discovered, EndpointRole
from relayer.errors import PostroadError


@dataclass(frozen=True, slots=True)
class SoloTrust:
    """The newest header, and who sealed it. Implements TrustStart."""

    header: SoloHeader
    signer: bytes

    @property
    def is_verified(self) -> bool:
        """Always: a header says who sealed it."""
        return True

    def record(self) -> InitialTrust:
        """What a light client is deployed with."""
        return InitialTrust(signer=self.signer, height=self.header.number, timestamp=self.header.timestamp)

    def with_rules(self, config: SoloConfig) -> SoloConfig:
        """As it is."""
        return config

    def with_bootstrap(self, config: SoloConfig) -> SoloConfig:
        """With the key that sealed the newest block."""
        found = BootstrapConfig(
            signer=Bytes20(self.signer), height=self.header.number, timestamp=self.header.timestamp
        )
        return msgspec.structs.replace(config, bootstrap=config.bootstrap or found)

    def describe(self, on: str, remote: str) -> Sequence[str]:
        """The key's address."""
        return [
            f"On {on}, trust in {remote} begins with block {self.header.number}, which this key signed:",
            f"  0x{self.signer.hex()}",
        ]

    def conflict(self, other: SoloTrust) -> Conflict | None:
        """One key for both: their headers carry no chain id."""
        if self.signer != other.signer:
            return None
        return Conflict(f"one key, 0x{self.signer.hex()}", "a key each", "Give one of them another key.")


class SoloEndpoint(EndpointRole[SoloConfig, SoloTrust, SoloClientView]):
    """See EndpointRole."""

    questions = ()

    def refuse_head(self, chain: ConfiguredChain[SoloConfig], head: Mapping[str, Any]) -> str | None:
        """Whatever can't be read."""
        del chain
        try:
            SoloHeader.from_rpc(head)
        except Rejection as error:
            return str(error)
        return None

    def recognise(self, head: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A block whose hash its seal explains."""
        try:
            return {} if SoloHeader.from_rpc(head).sealer is not None else None
        except Rejection:
            return None

    async def discover(self, name: str, keys: Mapping[str, Any]) -> Discovered:
        """Nothing beside."""
        del name, keys
        return Discovered({})

    async def check_live(self, chain: ConfiguredChain[SoloConfig]) -> list[Finding]:
        """Nothing beside the chain's own providers."""
        del chain
        return []

    async def survey(
        self, node: Node, chain: ConfiguredChain[SoloConfig], head: Mapping[str, Any]
    ) -> tuple[SoloTrust | None, list[Finding]]:
        """The newest header, and who sealed it."""
        del node
        try:
            header = SoloHeader.from_rpc(head)
        except Rejection as error:
            advice = f"Is it a solo chain (chains.{chain.name}.consensus)?"
            return None, [Finding(Severity.REFUSAL, chain.name, str(error), "a sealed block", advice)]
        sealer = header.sealer
        if sealer is None or header.number < 1:
            advice = "Wait for the first block."
            return None, [Finding(Severity.REFUSAL, chain.name, "no seal", "a sealed block", advice)]
        text = f"solo, sealed by 0x{sealer.hex()}"
        return SoloTrust(header, sealer), [Finding(Severity.OK, chain.name, text)]

    async def follow(
        self, chain: ConfiguredChain[SoloConfig], genesis_hash: bytes, trust: SoloTrust
    ) -> tuple[SoloTrust | None, list[Finding]]:
        """Without a configured bootstrap the newest header is what people are shown to compare."""
        if chain.consensus.bootstrap is None:
            return trust, []
        header = trust.header
        evm = open_evm(chain.name, chain.chain, genesis_hash)
        try:
            head = Head(header.number, header.hash, header.parent_hash, header.timestamp)
            await open_prover(chain, evm).prover.verify_head(head)
        except (PostroadError, Rejection) as error:
            advice = f"Ask the owner of {chain.name} whose key signs."
            found = f"block {header.number} does not follow from the bootstrap: {error}"
            return None, [Finding(Severity.REFUSAL, chain.name, found, "a header of the same key", advice)]
        finally:
            await evm.close()
        return trust, []

    async def survey_destination(self, node: Node, source: str) -> list[Finding]:
        """Its light client needs nothing that a gateway doesn't need."""
        del node, source
        return []

    async def prove_trust(
        self, subject: str, node: Node, chain: ConfiguredChain[SoloConfig], client: SoloClientView
    ) -> list[Finding]:
        """Whether the key that it believes sealed the block of its height."""
        del chain
        header = SoloHeader.from_rpc(await node.block(client.height))
        if header.sealer != client.signer:
            found = f"a client for the key 0x{client.signer.hex()}, which did not seal block {header.number}"
            advice = "Whoever has that key forges every message: replace the client."
            return [Finding(Severity.REFUSAL, subject, found, "the key that did", advice)]
        return [Finding(Severity.OK, subject, f"trusts the key that sealed block {header.number}")]

    def judge(
        self,
        subject: str,
        on: str,
        client: SoloClientView,
        chain: ConfiguredChain[SoloConfig],
        trust: SoloTrust | None,
    ) -> list[Finding]:
        """Whether it believes the key that seals now."""
        del on
        if trust is None:
            return []
        if client.signer != trust.signer:
            found, expected = f"a client for the key 0x{client.signer.hex()}", f"0x{trust.signer.hex()}"
            advice = f"It can't believe any block of {chain.name}: replace the client."
            return [Finding(Severity.REFUSAL, subject, found, expected, advice)]
        return [Finding(Severity.OK, subject, f"client 0x{client.address.hex()} follows the key")]


ENDPOINT: Final = SoloEndpoint()
