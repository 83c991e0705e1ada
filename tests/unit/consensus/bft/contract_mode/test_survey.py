# SPDX-License-Identifier: MIT
"""Chains whose validators a contract chooses, among endpoints: what a survey finds, refuses and advises, and
how a client is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import set_hash
from light_clients.client import Status
from relayer import config as configuration
from relayer.consensus.bft.config import BftConfig
from relayer.consensus.bft.contract import ContractModeView
from relayer.consensus.bft.endpoint import BftTrust
from relayer.consensus.findings import Finding, Severity
from relayer.consensus.kind import ConfiguredChain
from relayer.consensus.registry import configured, find_kind
from relayer.contracts import load
from relayer.errors import ConfigError
from tests.support.bft import Validator, validators
from tests.support.contract_chain import ContractChain
from tests.support.contract_mode import CONTRACT, TRUSTED_TIME, Held, bare, words_of

BFT = find_kind("bft")
FOUR, FIVE = validators(4), validators(5)
PLACE = f'validators = {{ contract = "0x{CONTRACT.address.hex()}", slot = "0x3" }}'


def addresses(members: Sequence[Validator]) -> tuple[bytes, ...]:
    return tuple(member.address for member in members)


def court(place: str = PLACE, protocol: str = "qbft") -> ConfiguredChain[BftConfig]:
    text = f"""\
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:9"]

[chains.court.consensus]
kind = "bft"
protocol = "{protocol}"
{place}
"""
    return configured("court", configuration.parse(text).chain("court"))


async def survey(
    chain: ContractChain, place: str = PLACE, **terms: Any
) -> tuple[BftTrust | None, list[Finding]]:
    return await BFT.endpoint.survey(chain.node(**terms), court(place), chain.drafts[-1].rpc())


def refusal(findings: Sequence[Finding]) -> Finding:
    (found,) = [finding for finding in findings if finding.severity is Severity.REFUSAL]
    return found


async def test_trust_begins_with_the_list_after_the_newest_block() -> None:
    chain = ContractChain([*[FOUR] * 6, FIVE])
    trust, findings = await survey(chain)
    assert trust is not None
    assert trust.record().validators == addresses(FIVE)
    assert (trust.record().height, trust.record().timestamp) == (6, TRUSTED_TIME + 6)
    (finding,) = findings
    assert (finding.severity, "5 validators chosen by" in str(finding)) == (Severity.OK, True)
    config = trust.with_bootstrap(court().consensus)
    assert config.bootstrap is not None
    assert tuple(map(bytes, config.bootstrap.validators)) == addresses(FIVE)
    told = "\n".join(trust.describe("port", "court"))
    assert f"0x{FIVE[4].address.hex()}" in told
    other = BftTrust(bare(chain.drafts[1]), addresses(FOUR[:1]))
    assert trust.conflict(other) is not None


async def test_what_is_not_configured_is_found() -> None:
    """The contract by the node's own genesis file, and the slot by what is in its storage."""
    chain = ContractChain([FOUR] * 8)
    info = {"protocols": {"eth": {"config": {"qbft": {"validatorContractAddress": CONTRACT.address.hex()}}}}}
    trust, findings = await survey(chain, "", info=info)
    assert trust is None
    found = refusal(findings)
    assert "lists no validators" in found.found
    assert PLACE in found.advice
    # Nothing is made up where the node tells nothing: the usual address has no contract here.
    trust, findings = await survey(chain, "", info=None)
    assert trust is None
    assert "validatorcontractaddress" in refusal(findings).advice


async def test_a_wrong_slot_is_refused_with_the_right_one() -> None:
    chain = ContractChain([FOUR] * 8)
    trust, findings = await survey(chain, PLACE.replace("0x3", "0x4"))
    assert trust is None
    assert PLACE in refusal(findings).advice


async def test_a_list_of_others_than_those_who_seal_is_refused() -> None:
    chain = ContractChain([FOUR] * 8)
    for number in (6, 7):
        chain.held[number] = Held(words_of(validators(4, 30)))
        chain.drafts[number] = chain.draft(number)
    trust, findings = await survey(chain, answer=addresses(FOUR))
    assert trust is None
    found = refusal(findings)
    assert "a list of 4, of whom 0 sealed block 7" in found.found
    assert "can't be followed" in found.advice


async def test_a_contract_that_answers_with_another_list_than_it_keeps_is_refused() -> None:
    chain = ContractChain([FOUR] * 8)
    trust, findings = await survey(chain, answer=addresses(FIVE))
    assert trust is None
    assert "than getValidators() answers" in refusal(findings).found


async def test_block_1_and_headers_with_lists_are_refused() -> None:
    chain = ContractChain([FOUR] * 2)
    trust, findings = await survey(chain)
    assert trust is None
    assert "block 1 as the newest" in refusal(findings).found
    listed = replace(ContractChain([FOUR] * 8).drafts[7], members=FOUR)
    node = chain.node()
    trust, findings = await BFT.endpoint.survey(node, court(), listed.rpc())
    assert trust is None
    assert "without a list" in refusal(findings).found


def test_a_block_without_a_list_is_recognised_as_qbft() -> None:
    chain = ContractChain([FOUR] * 3)
    assert BFT.endpoint.recognise(chain.drafts[2].rpc()) == {"protocol": "qbft"}
    assert BFT.endpoint.refuse_head(court(), chain.drafts[2].rpc()) is None
    assert BFT.endpoint.refuse_head(court(""), chain.drafts[2].rpc()) is not None


def view_of(chain: ContractChain, height: int, **changes: Any) -> ContractModeView:
    view = ContractModeView(
        contract="BftValidatorContractLightClient",
        address=b"\xc1" * 20,
        status=Status.ACTIVE,
        height=height,
        timestamp=TRUSTED_TIME + height,
        trusting_period_s=1000,
        max_clock_drift_s=10,
        authority=b"\xa1" * 20,
        kinds=BftKind.QBFT,
        set_hash=set_hash(addresses(chain.sets[min(height, chain.newest)])),
        validators=CONTRACT,
        storage_root=bytes(32),
    )
    return replace(view, **changes)


async def prove(chain: ContractChain, view: ContractModeView) -> Finding:
    (found,) = await BFT.endpoint.prove_trust("court → port", chain.node(), court(), view)
    return found


async def test_trust_that_the_contract_never_gave_is_refused() -> None:
    """INV-7: a set that never was is told from one that is old."""
    chain = ContractChain([*[FOUR] * 6, *[FIVE] * 4])
    for height in (2, 5, 6, 9):
        assert (await prove(chain, view_of(chain, height))).severity is Severity.OK
    strangers = set_hash(addresses(validators(4, 60)))
    for hijacked in (
        view_of(chain, 5, set_hash=strangers),
        view_of(chain, 5, set_hash=set_hash(addresses(FIVE))),
        view_of(chain, 5, timestamp=TRUSTED_TIME + 500),
        view_of(chain, 50, set_hash=strangers),
    ):
        assert (await prove(chain, hijacked)).severity is Severity.REFUSAL
    assert (await prove(chain, view_of(chain, 50))).severity is Severity.WARNING


async def test_trust_whose_state_is_gone_is_right_if_it_is_the_set_of_today() -> None:
    chain = ContractChain([*[FOUR] * 6, *[FIVE] * 4])
    chain.oldest = 8
    assert (await prove(chain, view_of(chain, 6))).severity is Severity.OK
    # Whoever else it trusts is refused: a height that nobody shows is what a forger would choose.
    assert (await prove(chain, view_of(chain, 3))).severity is Severity.REFUSAL


def test_a_client_of_another_place_is_refused() -> None:
    chain = ContractChain([FOUR] * 4)
    other = ValidatorContract(CONTRACT.address, bytes(32))
    found = BFT.endpoint.judge("court → port", "port", view_of(chain, 2, validators=other), court(), None)
    assert 'slot = "0x0"' in refusal(found).found
    assert BFT.endpoint.judge("court → port", "port", view_of(chain, 2), court(), None) == []


def test_the_client_is_created_and_bootstrapped_with_the_place() -> None:
    trust = BftTrust(bare(ContractChain([FOUR] * 3).drafts[2]), addresses(FOUR)).record()
    artifact = load("BftValidatorContractLightClient")
    creation = BFT.on_chain.creation(b"\xa1" * 20, court(), trust)
    assert creation.startswith(artifact.creation_code)
    for part in (CONTRACT.address, CONTRACT.slot, *addresses(FOUR)):
        assert part in creation[len(artifact.creation_code) :]
    assert BFT.contract_of(court().consensus) == "BftValidatorContractLightClient"
    assert BFT.contract_of(court("").consensus) == "BftLightClient"
    call = BFT.on_chain.bootstrap_call(court(), trust)
    assert call == artifact.encode_call("bootstrap", list(addresses(FOUR)), trust.height, trust.timestamp)


def test_a_contract_is_for_qbft_alone() -> None:
    with pytest.raises(ConfigError, match="which lets a contract choose them"):
        court(protocol="ibft2")
    with pytest.raises(ConfigError, match="slot"):
        court(PLACE.replace("0x3", "3"))
