# SPDX-License-Identifier: MIT
"""What every light client relies on: the limits of its trust, and proofs of storage."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutation import Mutation

_PROOF: Final = "libraries/CompactProof.sol"

MUTATIONS: Final = (
    Mutation(
        "anchor-above",
        "An anchor is above the last one.",
        "light_clients/shared/LightClient.sol",
        "if (height <= above) revert",
        "if (height < above) revert",
        "light_clients/bft/BftAnchor.t.sol::test_heightMustRise",
    ),
    Mutation(
        "anchored-root",
        "A proof by anchor leads to the anchored root (INV-1).",
        "light_clients/shared/LightClient.sol",
        "if (root != anchoredRoot) revert NotAnchoredRoot(root, anchoredRoot);",
        "",
        "light_clients/bft/BftAnchor.t.sol::test_INV1_otherRoot",
    ),
    Mutation(
        "trusting-period",
        "Trust ends (INV-7).",
        "light_clients/shared/LightClient.sol",
        "return block.timestamp > timestamp + trustingPeriod;",
        "return block.timestamp > timestamp + trustingPeriod + 1;",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_trustingPeriod",
    ),
    Mutation(
        "clock-drift",
        "A header from the future is refused (INV-7).",
        "light_clients/shared/LightClient.sol",
        "uint256 most = block.timestamp + maxClockDrift;",
        "uint256 most = block.timestamp + maxClockDrift + 1;",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_clockDrift",
    ),
    Mutation(
        "proof-other-leaf",
        "A leaf that shows absence has another path.",
        _PROOF,
        "(TrieNodes.LEAF_FLAG | (count & 1)) || path == _rest(key, depth)) {",
        "(TrieNodes.LEAF_FLAG | (count & 1))) {",
        "libraries/CompactProofRejections.t.sol::test_otherLeaf",
    ),
    Mutation(
        "proof-other-extension",
        "An extension that shows absence leads elsewhere.",
        _PROOF,
        "if (path == _rest(key, depth) >> ((left - count) << 2)) revert ProofMalformed(position);",
        "",
        "libraries/CompactProofRejections.t.sol::test_otherExtension",
    ),
    Mutation(
        "proof-own-bit",
        "A branch's own place is not among the siblings.",
        _PROOF,
        "if ((hashed | embedded) & own | (hashed & embedded) != 0) revert",
        "if (hashed & embedded != 0) revert",
        "libraries/CompactProofRejections.t.sol::test_mixedBranches",
    ),
    Mutation(
        "proof-empty-place",
        "An empty place is a branch's.",
        _PROOF,
        "if (depth == 0 || _byteAt(next) > MIXED_BRANCH) revert",
        "if (depth == 0) revert",
        "libraries/CompactProofRejections.t.sol::test_emptyPlaces",
    ),
)
