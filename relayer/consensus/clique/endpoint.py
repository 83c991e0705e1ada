# SPDX-License-Identifier: MIT
"""What deploying, joining and checking ask of a Clique chain: trust begins with the signers behind a block
that more than half of them have built on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from light_clients.client import Height, Timestamp
from light_clients.clique.client import CliqueClient
from light_clients.clique.header import CliqueHeader
from light_clients.clique.signers import set_hash
from light_clients.errors import Rejection
from relayer.chains.base import Head
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.config import Bytes20
from relayer.consensus.base import Prover
from relayer.consensus.clique.config import CliqueBootstrap, CliqueConfig
from relayer.consensus.clique.contract import CliqueClientView, CliqueInitialTrust
from relayer.consensus.clique.prover import CliqueProver, open_prover, params_of
from relayer.consensus.clique.signer_search import ReadBlocks, find_signers
from relayer.consensus.clique.update_path import believe_run, heights, read_linked
from relayer.consensus.findings import HIJACKED, Finding, Severity, refuse
from relayer.consensus.kind import ConfiguredChain, Conflict, EndpointRole, find_shared_signers
from relayer.errors import ConfigError, PostroadError, RpcAnswerInvalid, RpcRefused

#: Blocks that are tried as the start of trust, each as far below the one before as headers stand on it: votes
#: that are decided on top of a block are in the way.
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class CliqueTrust:
    """Where trust begins, unverified: a block that is under enough others, and who may seal behind it.

    Attributes:
        signers: 20 bytes each, ascending.
        height: of the block.
        timestamp: of the block, in seconds.
        depth: how many blocks stand on one that is believed.
        head: the newest block that was there.
    """

    signers: tuple[bytes, ...]
    height: Height
    timestamp: Timestamp
    depth: int
    head: Head

    @property
    def is_verified(self) -> bool:
        """Always: the record is what the chain's headers tell, and people compare it."""
        return True

    def record(self) -> CliqueInitialTrust:
        """Return the block's number and time, and the signers."""
        return CliqueInitialTrust(height=self.height, timestamp=self.timestamp, signers=self.signers)

    def with_rules(self, config: CliqueConfig) -> CliqueConfig:
        """Return the configuration as it is: the epoch and the depth are always given."""
        return config

    def with_bootstrap(self, config: CliqueConfig) -> CliqueConfig:
        """Return the configuration with these signers as its bootstrap, where it has none."""
        found = CliqueBootstrap(
            height=self.height, timestamp=self.timestamp, signers=tuple(map(Bytes20, self.signers))
        )
        return msgspec.structs.replace(config, bootstrap=config.bootstrap or found)

    def describe(self, on: str, remote: str) -> Sequence[str]:
        """Return the signers, for people to compare, and what is believed of them."""
        return [
            f"On {on}, trust in {remote} begins with block {self.height}, behind which these",
            f"{len(self.signers)} signers may seal. Compare them with what its owners say (clique_getSigners):",
            *(f"  0x{signer.hex()}" for signer in self.signers),
            f"A block is believed under {self.depth} others, by more than half of them. That is probable, never final:",
            "a deeper reorganisation, or the keys of more than half, can undo what was delivered.",
        ]

    def conflict(self, other: CliqueTrust) -> Conflict | None:
        """Return the conflict of two chains that share signers, because Clique headers carry no chain id."""
        return find_shared_signers(self.signers, other.signers, "signers")


class CliqueEndpoint(EndpointRole[CliqueConfig, CliqueTrust, CliqueClientView]):
    """What deploying, joining and checking ask of a Clique chain: the kind's EndpointRole."""

    def refuse_head(self, chain: ConfiguredChain[CliqueConfig], head: Mapping[str, Any]) -> str | None:
        """Return why the light client would not read a block; None where it would."""
        del chain
        try:
            CliqueHeader.from_rpc(head)
        except Rejection as error:
            return str(error)
        return None

    def recognise(self, head: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return no keys for a sealed block of Clique's form, whose epoch it does not tell; else None."""
        try:
            return {} if CliqueHeader.from_rpc(head).signer is not None else None
        except Rejection:
            return None

    async def check_bootstrap(self, node: Node, chain: ConfiguredChain[CliqueConfig]) -> list[Finding]:
        """Compare height, time and signers of the bootstrap with those that the chain's headers lead to."""
        bootstrap, subject = chain.consensus.bootstrap, f"bootstrap of {chain.name}"
        if bootstrap is None:
            return []
        advice = f"Compare chains.{chain.name}.consensus.bootstrap with what the chain's owners say."
        number = int(str((await node.block("latest"))["number"]), 16)
        height = Height(bootstrap.height)
        if height > number:
            return [refuse(subject, f"height {height}", f"at most {number}, the newest block", advice)]
        try:
            signers = await find_signers(_reader(node), height, chain.consensus.epoch)
            timestamp = CliqueHeader.from_rpc(await node.block(height)).timestamp
        except (RpcAnswerInvalid, RpcRefused) as error:
            found = f"the headers up to block {height} are not shown by this node, and not compared: {error}"
            return [Finding(Severity.WARNING, subject, found, "those headers", "Ask another node.")]
        except Rejection as error:
            found = f"height {height}, up to which headers are not believed: {error}"
            return [refuse(subject, found, "Clique headers", advice)]
        if bootstrap.timestamp != timestamp:
            found = f"timestamp {bootstrap.timestamp} of block {height}"
            return [refuse(subject, found, f"the block's own, {timestamp}", advice)]
        if tuple(map(bytes, bootstrap.signers)) != signers:
            found = f"other signers than may seal behind block {height}"
            own = ", ".join(f"0x{signer.hex()}" for signer in signers)
            return [refuse(subject, found, f"the chain's own: {own}", advice)]
        return [Finding(Severity.OK, subject, f"block {height} is as the node shows it")]

    async def survey(
        self, node: Node, chain: ConfiguredChain[CliqueConfig], head: Mapping[str, Any]
    ) -> tuple[CliqueTrust | None, list[Finding]]:
        """Return the newest block that enough others stand on, and who may seal behind it.

        The signers are those that the last epoch block lists, and what the votes since then made of them: up
        to an epoch of headers is read.
        """
        try:
            newest = CliqueHeader.from_rpc(head)
            trust = await _begin_trust(_reader(node), chain, newest)
        except Rejection as error:
            advice = f"Is it a Clique chain, and does chains.{chain.name}.consensus.epoch say what its genesis file says?"
            found = f"blocks that are not believed: {error}"
            return None, [refuse(chain.name, found, "Clique headers", advice)]
        if trust is None:
            found = f"no block that enough others stand on, up to block {newest.number}"
            advice = "Wait for more blocks, and until votes on signers are decided; then run this again."
            return None, [refuse(chain.name, found, "a block to start trust from", advice)]
        text = (
            f"Clique, {len(trust.signers)} signers, a block is believed under {trust.depth} others: probable, never "
            "final"
        )
        return trust, [Finding(Severity.OK, chain.name, text)]

    async def follow(
        self, chain: ConfiguredChain[CliqueConfig], genesis_hash: bytes, trust: CliqueTrust
    ) -> tuple[CliqueTrust | None, list[Finding]]:
        """Follow from the configured bootstrap to the newest believed block, by a prover of its own.

        Without a bootstrap what was found is returned as it is: people compare its signers.
        """
        if chain.consensus.bootstrap is None:
            return trust, []
        name, evm = chain.name, open_evm(chain.name, chain.chain, genesis_hash)
        try:
            prover = clique_prover(open_prover(chain, evm).prover)
            await prover.verify_head(trust.head)
        except (PostroadError, Rejection) as error:
            advice = (
                f"Another provider, or a newer bootstrap from the owners of {name}, in "
                f"chains.{name}.consensus.bootstrap."
            )
            found = f"block {trust.height} does not follow from the configured bootstrap: {error}"
            return None, [refuse(name, found, "signers that it leads to", advice)]
        finally:
            await evm.close()
        state, signers = prover.client.state, prover.trusted_signers
        depth = prover.client.params.depth(len(signers))
        text = f"block {state.height} follows from the configured bootstrap"
        followed = CliqueTrust(signers, state.height, state.timestamp, depth, trust.head)
        return followed, [Finding(Severity.OK, name, text)]

    async def prove_trust(
        self, subject: str, node: Node, chain: ConfiguredChain[CliqueConfig], client: CliqueClientView
    ) -> list[Finding]:
        """Compare the trusted set with that to which the chain's own headers lead at the client's height."""
        height = Height(client.height)
        head = await node.block("latest")
        try:
            newest = CliqueHeader.from_rpc(head).number
        except Rejection as error:
            found = f"a newest block that is not believed: {error}"
            return [refuse(subject, found, "a Clique header", "Is it a Clique chain?")]
        at = min(height, newest)
        try:
            signers = await find_signers(_reader(node), at, chain.consensus.epoch)
            timestamp = CliqueHeader.from_rpc(await node.block(at)).timestamp
        except (RpcAnswerInvalid, RpcRefused) as error:
            advice = (
                f"Name a provider with all headers in chains.{chain.name}.rpc, or bring the client to a newer height "
                "(`postroad client update`), and check again: until then its set may never have existed."
            )
            found = f"a client whose set can't be compared with the headers up to block {at}: {error}"
            # A height that nobody shows is what a forger would choose: no other set is given the benefit of
            # the doubt.
            if await _is_trusted_now(node, chain, client, newest):
                return [Finding(Severity.WARNING, subject, found, "those headers", advice)]
            return [refuse(subject, found, "those headers, or the signers of now", HIJACKED)]
        except Rejection as error:
            found = f"a client that trusts block {at}, up to which headers are not believed: {error}"
            return [refuse(subject, found, "Clique headers", HIJACKED)]
        own = set_hash(signers)
        if client.set_hash != own:
            found = f"a client that trusts a set with hash 0x{client.set_hash.hex()}, which may not seal behind block {at}"
            return [
                refuse(subject, found, f"the chain's own, 0x{own.hex()} ({len(signers)} signers)", HIJACKED)
            ]
        if height > newest:
            # With another set it was refused above: a height that no block has is what a forger would choose.
            found = f"a client that trusts block {height}, while the newest one is {newest}"
            advice = f"Is the provider in chains.{chain.name}.rpc behind? If it is not, the client can't be updated: replace it."
            return [Finding(Severity.WARNING, subject, found, "a block that the chain has", advice)]
        if client.timestamp != timestamp:
            found = f"a client that trusts block {height} of time {client.timestamp}"
            return [refuse(subject, found, f"the block's own time, {timestamp}", HIJACKED)]
        text = f"trusts the {len(signers)} signers that the chain's own headers lead to at block {height}"
        return [Finding(Severity.OK, subject, text)]

    def judge(
        self,
        subject: str,
        on: str,
        client: CliqueClientView,
        chain: ConfiguredChain[CliqueConfig],
        trust: CliqueTrust | None,
    ) -> list[Finding]:
        """Judge a client's epoch and depth, and whether it trusts the signers of now."""
        findings = []
        config = chain.consensus
        if (client.epoch, client.extra_depth) != (config.epoch, config.extra_depth):
            found = f"a client with epoch {client.epoch} and extra depth {client.extra_depth}"
            expected = f"epoch {config.epoch} and extra depth {config.extra_depth}, as configured"
            advice = (
                f"A relayer can't serve it. Put right chains.{chain.name}.consensus, or replace the client: with another "
                "epoch than the chain's it follows no epoch block."
            )
            findings.append(refuse(subject, found, expected, advice))
        if trust is None:
            return findings
        if client.set_hash != set_hash(trust.signers):
            advice = f"A running relayer updates it; by hand: `postroad client update {chain.name} {on}`."
            found = f"the signers behind block {client.height}, which have changed since"
            findings.append(Finding(Severity.WARNING, subject, found, "those that seal now", advice))
        else:
            text = (
                f"client 0x{client.address.hex()} follows, believes a block under {trust.depth} others by more than half "
                f"of {len(trust.signers)} signers: probable, never final"
            )
            findings.append(Finding(Severity.OK, subject, text))
        return findings


ENDPOINT: Final = CliqueEndpoint()


def clique_prover(prover: Prover) -> CliqueProver:
    """Return a prover as a CliqueProver, for those who look at signers.

    Raises ConfigError for the prover of another kind.
    """
    if not isinstance(prover, CliqueProver):
        raise ConfigError(f"a {type(prover).__name__}", "a Clique chain", "Choose a chain of kind clique")
    return prover


def _reader(node: Node) -> ReadBlocks:
    async def read(numbers: Sequence[Height]) -> Sequence[Mapping[str, Any]]:
        return await asyncio.gather(*(node.block(number) for number in numbers))

    return read


async def _is_trusted_now(
    node: Node, chain: ConfiguredChain[CliqueConfig], client: CliqueClientView, newest: Height
) -> bool:
    """Tell whether a client trusts who may seal the next block; False where that can't be read either."""
    try:
        signers = await find_signers(_reader(node), newest, chain.consensus.epoch)
    except (Rejection, RpcAnswerInvalid, RpcRefused):
        return False
    return client.set_hash == set_hash(signers)


async def _begin_trust(
    read: ReadBlocks, chain: ConfiguredChain[CliqueConfig], newest: CliqueHeader
) -> CliqueTrust | None:
    """Return the newest believed block with its signers; None where there is none.

    Raises Rejection, ChainUnavailable.
    """
    params, height = params_of(chain), newest.number - 1
    for _ in range(_TRIES):
        if height < 1:
            return None
        signers = await find_signers(read, Height(height), params.epoch)
        depth = params.depth(len(signers))
        if height + depth <= newest.number:
            headers = read_linked(await read(heights(height, height + depth)))
            first = headers[0]
            client = CliqueClient.bootstrap(params, signers, first.number, first.timestamp)
            if believe_run(client, signers, headers, first.timestamp) is not None:
                head = Head(newest.number, newest.block_hash, newest.parent_hash, newest.timestamp)
                return CliqueTrust(signers, first.number, first.timestamp, depth, head)
            height -= depth + 1
        else:
            height = newest.number - depth
    return None
