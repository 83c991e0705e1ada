# SPDX-License-Identifier: MIT
"""What deploying, joining and checking ask of a BFT chain: trust begins with the validators
that seal a block.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import KindChange
from light_clients.bft.validators import quorum, set_hash
from light_clients.errors import Rejection
from relayer.chains.base import Head
from relayer.chains.evm.node import Node
from relayer.chains.evm.open_evm import open_evm
from relayer.config import Bytes20
from relayer.consensus.base import Prover
from relayer.consensus.bft.config import NAMES, BftConfig, BootstrapConfig, describe
from relayer.consensus.bft.contract import BftClientView, BftInitialTrust, ContractModeView
from relayer.consensus.bft.contract_mode.survey import (
    judge_place,
    prove_contract_trust,
    read_bare,
    refuse_unconfigured,
    survey_contract,
)
from relayer.consensus.bft.protocols import find_change, sealed_as
from relayer.consensus.bft.prover import BftProver, open_prover
from relayer.consensus.findings import HIJACKED, Finding, Severity, refuse
from relayer.consensus.kind import ConfiguredChain, Conflict, EndpointRole, find_shared_signers
from relayer.errors import ConfigError, PostroadError, RpcAnswerInvalid, RpcRefused

#: How many headers are searched for a quorum below two thirds: the newest, and one every so many blocks
#: behind it.
_SAMPLE: Final = 8
_SAMPLE_STEP: Final = 16


@dataclass(frozen=True, slots=True)
class BftTrust:
    """The newest header of a chain, unverified: a light client is deployed with its validators.

    Where a contract chooses the validators, `held` is its list after the header's block.
    """

    header: BftHeader
    held: tuple[bytes, ...] = ()

    @property
    def validators(self) -> tuple[bytes, ...]:
        """Whom trust begins with, 20 bytes each."""
        return self.held or self.header.validators

    @property
    def is_verified(self) -> bool:
        """Always: the record is what the header tells, and people compare it."""
        return True

    def record(self) -> BftInitialTrust:
        """Return the header's number, time and validators."""
        header = self.header
        return BftInitialTrust(height=header.number, timestamp=header.timestamp, validators=self.validators)

    def with_rules(self, config: BftConfig) -> BftConfig:
        """Return the configuration as it is: the protocol is the only rule, and it is always given."""
        return config

    def with_bootstrap(self, config: BftConfig) -> BftConfig:
        """Return the configuration with the header as its bootstrap, where it has none."""
        header = self.header
        found = BootstrapConfig(
            height=header.number,
            timestamp=header.timestamp,
            validators=tuple(Bytes20(validator) for validator in self.validators),
        )
        return msgspec.structs.replace(config, bootstrap=config.bootstrap or found)

    def describe(self, on: str, remote: str) -> Sequence[str]:
        """Return the validators, for people to compare."""
        validators, verb = self.validators, "followed" if self.held else "sealed"
        return [
            f"On {on}, trust in {remote} begins with block {self.header.number}, {verb} by these",
            f"{len(validators)} validators. Compare them with what its owners say:",
            *(f"  0x{validator.hex()}" for validator in validators),
        ]

    def conflict(self, other: BftTrust) -> Conflict | None:
        """Return the conflict of two chains that share validators, because BFT headers carry no chain id."""
        return find_shared_signers(self.validators, other.validators, "validators")


class BftEndpoint(EndpointRole[BftConfig, BftTrust, BftClientView]):
    """What deploying, joining and checking ask of a BFT chain: the kind's EndpointRole."""

    def refuse_head(self, chain: ConfiguredChain[BftConfig], head: Mapping[str, Any]) -> str | None:
        """Return why the light client would not read a block; None where it would."""
        form = BftHeader if chain.consensus.validators is None else BareHeader
        try:
            form.from_rpc(head, chain.consensus.kinds)
        except Rejection as error:
            return str(error)
        return None

    def recognise(self, head: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the protocol that a block's extra data shows, if a validator sealed it; else None."""
        # Where a contract chooses the validators, who sealed can't be told from the block alone.
        header = sealed_as(head) or read_bare(head)
        return None if header is None else {"protocol": NAMES[header.kind]}

    async def check_bootstrap(self, node: Node, chain: ConfiguredChain[BftConfig]) -> list[Finding]:
        """Compare height, time and validators of the bootstrap with the chain's own block.

        Where a contract chooses the validators, the block lists none, and only its time is compared.
        """
        bootstrap = chain.consensus.bootstrap
        if bootstrap is None:
            return []
        number = int(str((await node.block("latest"))["number"]), 16)
        if bootstrap.height > number:
            return [
                _wrong_bootstrap(chain, f"height {bootstrap.height}", f"at most {number}, the newest block")
            ]
        try:
            block = await node.block(bootstrap.height)
        except (RpcAnswerInvalid, RpcRefused) as error:
            found = f"block {bootstrap.height} is not shown by this node, and not compared: {error}"
            return [
                Finding(
                    Severity.WARNING, f"bootstrap of {chain.name}", found, "its header", "Ask another node."
                )
            ]
        is_listed = chain.consensus.validators is None
        form = BftHeader if is_listed else BareHeader
        try:
            header = form.from_rpc(block, chain.consensus.kinds)
        except Rejection as error:
            found = f"height {bootstrap.height}, whose block is not believed: {error}"
            return [_wrong_bootstrap(chain, found, f"a {chain.consensus.label} block")]
        if bootstrap.timestamp != header.timestamp:
            found = f"timestamp {bootstrap.timestamp} of block {bootstrap.height}"
            return [_wrong_bootstrap(chain, found, f"the block's own, {header.timestamp}")]
        if is_listed and tuple(bootstrap.validators) != header.validators:
            return [_wrong_validators(chain, bootstrap, header)]
        text = f"block {bootstrap.height} is as the node shows it"
        return [Finding(Severity.OK, f"bootstrap of {chain.name}", text)]

    async def survey(
        self, node: Node, chain: ConfiguredChain[BftConfig], head: Mapping[str, Any]
    ) -> tuple[BftTrust | None, list[Finding]]:
        """Return the newest header, and whether a sample of blocks carries the seals of two thirds.

        Some BFT chains let blocks be sealed by 2F+1 validators, which is less than two thirds for
        some sizes of the set. The light client would refuse such blocks one day, so they are refused
        before anything is deployed.
        """
        if chain.consensus.validators is not None:
            chosen, findings = await survey_contract(node, chain, head)
            return None if chosen is None else BftTrust(chosen[0], chosen[1].validators), findings
        name, label, kinds = chain.name, chain.consensus.label, chain.consensus.kinds
        number = int(str(head.get("number", "0x0")), 16)
        if number == 0:
            found, advice = "block 0 as the newest", "Start its validators, or wait for the first block."
            return None, [refuse(name, found, "a sealed block to start trust from", advice)]
        try:
            newest = BftHeader.from_rpc(head, kinds)
        except Rejection as error:
            if (bare := read_bare(head)) is not None and kinds.at(number) is bare.kind:
                return None, [await refuse_unconfigured(node, name, bare)]
            return None, [await _refuse_newest(node, chain, head, number, error)]
        lower = range(number - _SAMPLE_STEP, 0, -_SAMPLE_STEP)[: _SAMPLE - 1]
        blocks = await asyncio.gather(*(node.block(height) for height in lower))
        headers, findings = await _read_sample(node, chain, newest, blocks)
        refusals = [refusal for header in headers if (refusal := _judge_seals(name, header)) is not None]
        if refusals:
            return BftTrust(newest), [*findings, refusals[0]]
        members = len(newest.validators)
        text = f"{label}, {members} validators, {quorum(members)} to seal"
        return BftTrust(newest), [*findings, Finding(Severity.OK, name, text)]

    async def follow(
        self, chain: ConfiguredChain[BftConfig], genesis_hash: bytes, trust: BftTrust
    ) -> tuple[BftTrust | None, list[Finding]]:
        """Verify that the newest header follows from the configured bootstrap, by a prover of its own.

        Without a bootstrap the header is returned as it is: people compare its validators.
        """
        if chain.consensus.bootstrap is None:
            return trust, []
        name, header = chain.name, trust.header
        head = Head(header.number, header.block_hash, header.parent_hash, header.timestamp)
        evm = open_evm(name, chain.chain, genesis_hash)
        try:
            verified = await open_prover(chain, evm).prover.verify_head(head)
        except (PostroadError, Rejection) as error:
            advice = (
                f"Another provider, or a newer bootstrap from the owners of {name}, in "
                f"chains.{name}.consensus.bootstrap."
            )
            found = f"block {header.number} does not follow from the configured bootstrap: {error}"
            return None, [refuse(name, found, "a header that it leads to", advice)]
        finally:
            await evm.close()
        if verified.hash != header.block_hash:
            # A provider's block may be verified while another provider's was surveyed.
            found = f"block {header.number} 0x{header.block_hash.hex()}, while 0x{verified.hash.hex()} is verified"
            return None, [
                refuse(name, found, "one block", f"A provider in chains.{name}.rpc lies: take it out.")
            ]
        text = f"block {verified.number} follows from the configured bootstrap"
        return trust, [Finding(Severity.OK, name, text)]

    async def prove_trust(
        self, subject: str, node: Node, chain: ConfiguredChain[BftConfig], client: BftClientView
    ) -> list[Finding]:
        """Compare the trusted set, and its time, with the header of the client's height."""
        if isinstance(client, ContractModeView):
            return await prove_contract_trust(subject, node, chain, client)
        height, trusted = client.height, client.set_hash
        head = await node.block("latest")
        if height > int(str(head.get("number", "0x0")), 16):
            return [_judge_ahead(subject, chain, client, head)]
        try:
            block = await node.block(height)
        except (RpcAnswerInvalid, RpcRefused) as error:
            return [_judge_unshown(subject, chain, client, head, error)]
        try:
            header = BftHeader.from_rpc(block, client.kinds)
        except Rejection as error:
            found = f"a client that trusts block {height}, which is not believed: {error}"
            return [refuse(subject, found, f"a {chain.consensus.label} header", HIJACKED)]
        own = set_hash(header.validators)
        if trusted != own:
            found = (
                f"a client that trusts a set with hash 0x{trusted.hex()}, which did not seal block {height}"
            )
            expected = f"the block's own, 0x{own.hex()} ({len(header.validators)} validators)"
            return [refuse(subject, found, expected, HIJACKED)]
        if client.timestamp != header.timestamp:
            found = f"a client that trusts block {height} of time {client.timestamp}"
            return [refuse(subject, found, f"the block's own time, {header.timestamp}", HIJACKED)]
        members = len(header.validators)
        text = f"trusts the {members} validators that block {height} itself lists"
        return [Finding(Severity.OK, subject, text)]

    def judge(
        self,
        subject: str,
        on: str,
        client: BftClientView,
        chain: ConfiguredChain[BftConfig],
        trust: BftTrust | None,
    ) -> list[Finding]:
        """Judge a client's protocol, and whether it trusts the validators that seal now."""
        findings = _judge_kinds(subject, client, chain, 0 if trust is None else trust.header.number)
        if isinstance(client, ContractModeView) and chain.consensus.validators is not None:
            findings += judge_place(subject, client, chain.consensus.validator_contract)
        if trust is None:
            return findings
        validators = trust.validators
        if client.set_hash != set_hash(validators):
            advice = f"A running relayer updates it; by hand: `postroad client update {chain.name} {on}`."
            found = f"the validators of block {client.height}, which have changed since"
            findings.append(Finding(Severity.WARNING, subject, found, "those that seal now", advice))
        else:
            needed = f"{quorum(len(validators))} of {len(validators)} must sign (two thirds)"
            text = f"client 0x{client.address.hex()} follows, {needed}"
            findings.append(Finding(Severity.OK, subject, text))
        return findings


ENDPOINT: Final = BftEndpoint()


def _wrong_bootstrap(chain: ConfiguredChain[BftConfig], found: str, expected: str) -> Finding:
    advice = f"Compare chains.{chain.name}.consensus.bootstrap with what the chain's owners say."
    return refuse(f"bootstrap of {chain.name}", found, expected, advice)


def _wrong_validators(
    chain: ConfiguredChain[BftConfig], bootstrap: BootstrapConfig, header: BftHeader
) -> Finding:
    """Refuse a bootstrap that has other validators than its block, or the same in another order."""
    strangers = [f"0x{one.hex()}" for one in bootstrap.validators if bytes(one) not in header.validators]
    absent = [f"0x{one.hex()}" for one in header.validators if one not in bootstrap.validators]
    if not strangers and not absent:
        return _wrong_bootstrap(chain, "the validators in another order", "that of the header")
    found = f"validators that did not seal block {header.number}: {', '.join(strangers) or 'none'}"
    return _wrong_bootstrap(
        chain, found, f"those that the block lists; missing: {', '.join(absent) or 'none'}"
    )


def _judge_ahead(
    subject: str, chain: ConfiguredChain[BftConfig], client: BftClientView, head: Mapping[str, Any]
) -> Finding:
    """Judge a client of a height that the node does not have yet: is its set the one that seals now?

    Such a client may be right, where the node is behind others. With another set it is not given the benefit
    of the doubt: a height that no header has is what a forger would choose.
    """
    number = _number_of(head)
    found = f"a client that trusts block {client.height}, while the newest one is {number}"
    if not _seals_now(client, head):
        return refuse(subject, f"{found}, and another set", "a block that the chain has", HIJACKED)
    advice = f"Is the provider in chains.{chain.name}.rpc behind? If it is not, the client can't be updated: replace it."
    return Finding(Severity.WARNING, subject, found, "a block that the chain has", advice)


def _judge_unshown(
    subject: str,
    chain: ConfiguredChain[BftConfig],
    client: BftClientView,
    head: Mapping[str, Any],
    error: Exception,
) -> Finding:
    """Judge a client of a block that the node does not keep: as one of a block that nobody has yet."""
    found = f"a client whose set can't be compared with block {client.height}: {error}"
    expected = "that block's header"
    advice = (
        f"Name a provider with the whole chain in chains.{chain.name}.rpc, or bring the client to a newer height "
        "(`postroad client update`), and check again"
    )
    if _seals_now(client, head):
        return Finding(
            Severity.WARNING, subject, found, expected, f"{advice}. Its set is the one that seals now."
        )
    advice += ": until then its set, which does not seal now, may never have existed. "
    return refuse(subject, found, expected, advice + HIJACKED)


def _seals_now(client: BftClientView, head: Mapping[str, Any]) -> bool:
    """Tell whether a client trusts the set that a block lists, whatever protocol either is of."""
    header = sealed_as(head)
    return header is not None and client.set_hash == set_hash(header.validators)


async def _refuse_newest(
    node: Node, chain: ConfiguredChain[BftConfig], head: Mapping[str, Any], number: int, error: Rejection
) -> Finding:
    """Return why the newest block is not believed: by name where it is of another protocol."""
    name, label, table = chain.name, chain.consensus.label, f"chains.{chain.name}.consensus"
    sealed = sealed_as(head)
    if sealed is None or sealed.kind is chain.consensus.kinds.at(number):
        found = f"a block {number} that is not believed: {error}"
        advice = f"Is it a {label} chain ({table}.protocol), and its fork one that is known?"
        return refuse(name, found, f"{label} headers", advice)
    change = await find_change(node.block, sealed)
    advice = f"Write {change.setting} into {table}."
    if change.before is not None:
        advice += (
            " A light client that was deployed without it believes no later block: replace it by one that is "
            "deployed with it (docs/how-to/join-a-besu-chain.md)."
        )
    return refuse(name, f"a chain with {change}", f"{label}, as configured", advice)


async def _read_sample(
    node: Node, chain: ConfiguredChain[BftConfig], newest: BftHeader, blocks: Sequence[Mapping[str, Any]]
) -> tuple[list[BftHeader], list[Finding]]:
    """Read earlier blocks, the newer ones first, down to the first that is not of the chain's protocol.

    A chain may have come from another protocol (IBFT to QBFT, for example). Trust begins with the newest
    header, so what was before the change says nothing about it.
    """
    headers = [newest]
    for block in blocks:
        try:
            headers.append(BftHeader.from_rpc(block, chain.consensus.kinds))
        except Rejection as error:
            sealed = sealed_as(block)
            if sealed is not None and sealed.kind is not newest.kind:
                change = await find_change(node.block, newest, sealed.number)
                advice = (
                    "Trust begins behind the change, and nothing has to be done. Where a bootstrap or a light client "
                    f"is older, {change.setting} leads it on."
                )
                return headers, [Finding(Severity.WARNING, chain.name, f"{change}", "", advice)]
            found = f"block {_number_of(block)} is no {chain.consensus.label} block ({error})"
            expected = f"{chain.consensus.label} blocks, as since block {headers[-1].number}"
            advice = "The blocks since then were looked at; trust can begin with any of those, and with none before."
            return headers, [Finding(Severity.WARNING, chain.name, found, expected, advice)]
    return headers, []


def _judge_kinds(
    subject: str, client: BftClientView, chain: ConfiguredChain[BftConfig], newest: int
) -> list[Finding]:
    """Return whether a client reads what the chain's blocks are, now and from the next change on."""
    kinds = chain.consensus.kinds
    ahead = [change.later_from for change in (kinds, client.kinds) if isinstance(change, KindChange)]
    for height in sorted({newest, *(height for height in ahead if height > newest)}):
        if client.kinds.at(height) is kinds.at(height):
            continue
        found = f"a client for {describe(client.kinds)}"
        if height == newest:
            advice = "It can't believe any header of that chain: replace the client."
            return [refuse(subject, found, chain.consensus.label, advice)]
        advice = f"From block {height} on it believes no header of that chain: replace it before."
        return [Finding(Severity.WARNING, subject, found, chain.consensus.label, advice)]
    return []


def _number_of(block: Mapping[str, Any]) -> str:
    text = str(block.get("number"))
    return str(int(text, 16)) if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", text) else repr(text[:20])


def _judge_seals(name: str, header: BftHeader) -> Finding | None:
    """Return a refusal of a header that fewer than two thirds of its validators sealed; None if
    it is fine.
    """
    members, sealed = len(header.validators), len(header.sealers())
    if sealed >= quorum(members):
        return None
    found = f"block {header.number} sealed by {sealed} of {members}"
    expected = f"at least {quorum(members)}"
    if not sealed and header.seals:
        advice = (
            "No seal is a secp256k1 signature of a validator: a chain that signs by another curve (Besu's ecCurve) "
            "can't be joined."
        )
    else:
        advice = (
            "Chains with the old quorum 2F+1 are not safe to believe: let blocks be sealed by two thirds, rounded up "
            "(GoQuorum: ceil2Nby3Block, and no 2FPlus1Enabled), and join when they are."
        )
    return refuse(name, found, expected, advice)


def bft_prover(prover: Prover) -> BftProver:
    """Return a prover as a BftProver, for those who look at validators.

    Raises ConfigError for the prover of another kind.
    """
    if not isinstance(prover, BftProver):
        raise ConfigError(f"a {type(prover).__name__}", "a BFT chain", "Choose a chain of kind bft")
    return prover
