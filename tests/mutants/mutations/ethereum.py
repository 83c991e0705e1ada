# SPDX-License-Identifier: MIT
"""The light client of Ethereum's beacon chain."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutation import Mutation

_ETHEREUM: Final = "light_clients/ethereum/EthereumLightClient.sol"
_COMMITTEE: Final = "light_clients/ethereum/SyncCommittee.sol"

MUTATIONS: Final = (
    Mutation(
        "ethereum-signature-slot",
        "A signature comes after what it signs.",
        _ETHEREUM,
        "if (slot <= attestedSlot || ",
        "if (slot < attestedSlot || ",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_slotsOutOfOrder",
    ),
    Mutation(
        "ethereum-version",
        "The version is that of the slot before the signature's.",
        _ETHEREUM,
        "_versionOf(signed.signatureSlot - 1)",
        "_versionOf(signed.signatureSlot)",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_forkVersionAtTheBoundary",
    ),
    Mutation(
        "ethereum-threshold",
        "Two thirds of the committee sign (INV-7).",
        _COMMITTEE,
        "if (size - count < threshold) revert",
        "if (size - count + 1 < threshold) revert",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_participation",
    ),
    Mutation(
        "ethereum-infinity",
        "A sum of keys that is infinity signs nothing (INV-7).",
        _COMMITTEE,
        "if (isInfinity) revert AggregateInfinity();",
        "",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_infinityAfterSubtraction",
    ),
    Mutation(
        "ethereum-signature-infinity",
        "Infinity is no signature (INV-7).",
        _COMMITTEE,
        "if (bits == 0) revert SignatureInfinity();",
        "",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_signature",
    ),
    Mutation(
        "ethereum-key-zero",
        "A key's y is not zero (INV-7).",
        _COMMITTEE,
        "            valid := and(valid, iszero(iszero(or(high, low))))\n",
        "",
        "light_clients/ethereum/EthereumMembers.t.sol::test_INV7_coordinatesFromThePrimeOn",
    ),
    Mutation(
        "ethereum-periods",
        "A next committee is shown within one period (INV-7).",
        _ETHEREUM,
        "if (_periodOf(finalizedSlot) != period) revert PeriodsDiffer(slot, attestedSlot, finalizedSlot);",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nextCommittee_periods",
    ),
    Mutation(
        "ethereum-committee-zero",
        "No committee has the root zero.",
        _ETHEREUM,
        "if (signed.nextCommittee == 0) revert CommitteeZero();",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nextCommittee_differs",
    ),
    Mutation(
        "ethereum-trust-back",
        "Trust does not move back.",
        _ETHEREUM,
        "            if (slot < trustedSlot) slot = trustedSlot;\n",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_INV4_lowerSlotTeachesTheNextCommittee",
    ),
    Mutation(
        "ethereum-stale-ring",
        "A committee that served does not sign in the period after the next (INV-7).",
        _ETHEREUM,
        "period != trustedPeriod + 1 || belief & NEXT_KNOWN == 0",
        "period != trustedPeriod + 1",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_INV7_formerCommittee",
    ),
    Mutation(
        "ethereum-known-next",
        "A known next committee stays (INV-7).",
        _ETHEREUM,
        "                if (shown != known) revert NextCommitteeDiffers(shown, known);\n",
        "                known;\n",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nextCommittee_differs",
    ),
    Mutation(
        "ethereum-bootstrap-fork",
        "Trust begins no earlier than the first fork.",
        _ETHEREUM,
        "        // Of a fork that is believed.\n        _layoutOf(finalizedSlot);\n        uint256 timestamp",
        "        uint256 timestamp",
        "light_clients/ethereum/EthereumBootstrap.t.sol::test_trustedState",
    ),
    Mutation(
        "ethereum-first-fork",
        "Nothing finalized before the first fork is believed (INV-7).",
        _ETHEREUM,
        "        // Of a fork that is believed.\n        _layoutOf(signed.finalizedSlot);\n",
        "",
        "light_clients/ethereum/EthereumUpdate.t.sol::test_nothingBeforeTheFirstFork",
    ),
    Mutation(
        "ethereum-precompile-size",
        "A precompile's answer has its length.",
        "light_clients/ethereum/Bls12381.sol",
        "            done := and(done, eq(returndatasize(), expected))\n",
        "",
        "light_clients/ethereum/Bls12381.t.sol::test_precompileFails",
    ),
    Mutation(
        "ethereum-least-threshold",
        "No client is deployed with a threshold below two thirds (INV-7).",
        "light_clients/ethereum/EthereumParameters.sol",
        "uint256(parameters_.threshold) * 3 < size * 2",
        "uint256(parameters_.threshold) * 2 < size",
        "light_clients/ethereum/EthereumBootstrap.t.sol::test_committees",
    ),
    Mutation(
        "ethereum-honest-reorganisation",
        "One header of a slot, attested twice, is no misbehaviour.",
        _ETHEREUM,
        "one.finalizedSlot == other.finalizedSlot && root != otherRoot;",
        "one.finalizedSlot == other.finalizedSlot;",
        "light_clients/ethereum/EthereumMisbehaviour.t.sol::test_honestReorgs",
    ),
)
