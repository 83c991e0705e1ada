# SPDX-License-Identifier: MIT
"""INV-7 and INV-8 for the light client of a chain whose validators a contract chooses, rule by rule and at
random. The cases are those of the unit tests (tests/support/contract_mode_rules.py): properly sealed, with
one rule broken at the most.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Final

import pytest

from relayer.contracts import load
from tests.differential.clients import (
    Case,
    Deployed,
    ask_python,
    compare,
    deploy,
    encode_call,
    live_on,
    trusting_a_set,
)
from tests.differential.evm import Anvil, probe
from tests.support.bft import validators
from tests.support.contract_mode import ACCOUNT, NOW, SLOT, TRUSTED_TIME, ContractWorld
from tests.support.contract_mode_rules import RuleCase, after_update, believed, broken
from tests.support.mutation import mutate

CONTRACT_MODE: Final = trusting_a_set("BftValidatorContractLightClient")
SIZES: Final = (1, 4, 9)
#: The contract's error for a reason that Python gives; where Python's is not told, any error of its own.
ERRORS: Final = {
    "": "",
    "above the last anchor": "HeightNotAbove",
    "another block": "NotParent",
    "another length": "ValidatorCountInvalid",
    "another root": "NotAnchoredRoot",
    "another state": "NotStateRoot",
    "another storage": "StorageRootsDiffer",
    "block 0": "GenesisHeader",
    "descends": "TimestampBelow",
    "does not ascend": "HeightNotAbove",
    "from the future": "TimestampInFuture",
    "left over": "LengthMismatch",
    "listed twice": "ValidatorTwice",
    "lists its validators": "ValidatorsListed",
    "no address": "ValidatorMalformed",
    "no anchor": "NoAnchor",
    "no known form": "FormUnknown",
    "no known mode": "FormUnknown",
    "not its validator's": "SealRejected",
    "not known": "StorageUnknown",
    "not the trusted one": "NotTrustedSet",
    "of no validator": "HeaderMalformed",
    "of one block": "NoMisbehaviour",
    "of two heights": "HeightsDiffer",
    "too few": "QuorumNotReached",
    "zero address": "ValidatorZero",
}


def deploy_world(anvil: Anvil, authority: bytes, world: ContractWorld) -> Deployed:
    state, params = world.client.state, world.client.params
    creation = load(CONTRACT_MODE.contract).encode_creation(
        "0x" + authority.hex(),
        "0x" + params.contract.address.hex(),
        params.contract.slot,
        ["0x" + member.address.hex() for member in world.members],
        state.height,
        state.timestamp,
        params.trusting_period_s,
        params.max_clock_drift_s,
    )
    return deploy(anvil, CONTRACT_MODE, world.client, creation, [], TRUSTED_TIME)


def as_case(case: RuleCase) -> Case:
    return Case(case.method, case.data, now=NOW)


def check(anvil: Anvil, deployed: Deployed, rules: Iterable[RuleCase]) -> None:
    """Ask both clients every case: the same verdict, and the contract's with the error of the rule."""
    cases = [rule for rule in rules if rule.name != "an absent slot"]
    names = {key: error.name for key, error in load(CONTRACT_MODE.contract).errors.items()}
    calls = [encode_call(as_case(case)) for case in cases]
    outcomes = probe(anvil, deployed.place, deployed.implementation, calls, NOW)
    for case, outcome in zip(cases, outcomes, strict=True):
        found = "" if outcome.accepted else names.get(outcome.result[:4], outcome.result.hex())
        told = f"{case.name}: {case.method}, found {found or 'believed'}; {case.data.hex()[:400]}"
        assert outcome.accepted == (case.reason is None), told
        assert (ask_python(deployed.client, as_case(case)) is not None) == outcome.accepted, told
        if case.reason:
            assert found == ERRORS[case.reason], told


@pytest.mark.parametrize("size", SIZES)
def test_every_rule_is_kept_by_both(anvil: Anvil, authority: bytes, size: int) -> None:
    """INV-7, INV-8."""
    world = ContractWorld(validators(size))
    deployed = deploy_world(anvil, authority, world)
    check(anvil, deployed, (*believed(world), *broken(world)))
    after, _ = live_on(anvil, deployed, Case("update", world.update(world.block()), now=NOW))
    check(anvil, after, after_update(world, world.held))
    assert storage_root(anvil, after) == after.client.state.storage_root


def test_a_set_that_changes_again_and_again_is_followed_by_both(anvil: Anvil, authority: bytes) -> None:
    """INV-7, INV-8: every update takes over the set of its own block's state, and the storage with it."""
    sets = [validators(4), validators(5), validators(3, 20), validators(3, 20)[::-1], validators(4)]
    world = ContractWorld(sets[0])
    deployed = deploy_world(anvil, authority, world)
    states = [world.state(members) for members in sets]
    for index in range(len(sets) - 1):
        known = index > 0
        block = world.block(
            11 + index,
            before=states[index],
            state=states[index + 1],
            claimed=sets[index],
            form=0 if known else 1,
        )
        good = Case("update", world.update(block), now=NOW)
        # The next set has not had its first turn with the block of the change.
        early = world.block(
            11 + index, before=states[index], state=states[index + 1], claimed=sets[index + 1]
        )
        cases = [good, Case("update", world.update(early), now=NOW)]
        verdicts = compare(anvil, deployed, cases, f"change {index}")
        assert (verdicts["update", True], verdicts["update", False]) == (1, 1)
        deployed, _ = live_on(anvil, deployed, good)
        assert storage_root(anvil, deployed) == deployed.client.state.storage_root


def test_mutated_calls_have_one_verdict(anvil: Anvil, authority: bytes) -> None:
    """INV-8, at random: whatever is not as it was sent is believed by both or by none."""
    rng = random.Random("contract mode")
    for size in SIZES:
        world = ContractWorld(validators(size))
        deployed = deploy_world(anvil, authority, world)
        good = [
            as_case(case) for case in believed(world) if case.name not in {"an absent slot", "255 members"}
        ]
        cases = [rng.choice(good) for _ in range(300)]
        mutated = [Case(case.method, mutate(rng, case.data), now=NOW) for case in cases]
        verdicts = compare(anvil, deployed, [*good, *mutated], f"contract mode of {size}")
        assert (
            sum(often for (_, is_believed), often in verdicts.items() if not is_believed) > len(mutated) // 2
        )


def test_both_have_proofs_by_an_anchor(anvil: Anvil, authority: bytes) -> None:
    """INV-8."""
    world = ContractWorld(validators(4))
    deployed, _ = live_on(
        anvil,
        deploy_world(anvil, authority, world),
        Case("anchor", world.anchor(world.block()), now=NOW),
    )
    check(
        anvil,
        deployed,
        [
            RuleCase("an anchored proof", "storageAt", world.anchored_proof()),
            RuleCase(
                "another root",
                "storageAt",
                world.anchored_proof(world.state(validators(4), 4)),
                "another root",
            ),
            RuleCase("the anchor again", "anchor", world.anchor(world.block()), "above the last anchor"),
        ],
    )


def storage_root(anvil: Anvil, deployed: Deployed) -> bytes:
    """The public word `storageRoot` of the contract, whose place the probe holds."""
    artifact: Any = load(CONTRACT_MODE.contract)
    code = anvil.code_at(deployed.place)
    anvil.set_code(deployed.place, anvil.code_at(deployed.implementation))
    found = anvil.call(deployed.place, artifact.encode_call("storageRoot"), NOW)
    anvil.set_code(deployed.place, code)
    return found


assert (ACCOUNT, SLOT) == (b"\xaa" * 20, b"\x05" * 32)
