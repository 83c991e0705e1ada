# SPDX-License-Identifier: MIT
"""The light client of BFT chains whose validators a contract chooses."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutation import Mutation

_BFT_TRUST: Final = "light_clients/bft/BftTrust.sol"
_CONTRACT_MODE: Final = "light_clients/bft/BftValidatorContractLightClient.sol"
_CONTRACT_MODE_TEST: Final = "light_clients/bft/BftValidatorContract.t.sol::"

MUTATIONS: Final = (
    Mutation(
        "bft-counted-seals",
        "A quorum sealed (INV-7).",
        _BFT_TRUST,
        "if (found < needed) revert QuorumNotReached(found, needed);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-parent",
        "The set is the one under the sealed block's own parent (INV-7).",
        _CONTRACT_MODE,
        "if (found != parent) revert NotParent(found, parent);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_theSetUnderAnotherBlock",
    ),
    Mutation(
        "contract-mode-turn",
        "The set under the parent is the trusted one (INV-7).",
        _CONTRACT_MODE,
        "if (setHash != 0) _requireBelieved(setHash, belief);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-claimed",
        "The seals are counted by the trusted set (INV-7).",
        _CONTRACT_MODE,
        "            _requireBelieved(_setHash(_list(next + 1, count)), belief);\n",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_strangersInTheTurnOfTheTrustedSet",
    ),
    Mutation(
        "contract-mode-listed",
        "A header that lists validators is none of this mode.",
        _CONTRACT_MODE,
        "if (listed != 0) revert ValidatorsListed(listed);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_aHeaderThatListsValidators",
    ),
    Mutation(
        "contract-mode-account",
        "The list is that of the contract which chooses the validators (INV-7).",
        _CONTRACT_MODE,
        "CompactProof.keyOf(validatorContract)",
        "CompactProof.keyOf(address(uint160(uint256(validatorSlot))))",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-slot",
        "The list is in the slot that was chosen (INV-7).",
        _CONTRACT_MODE,
        "CompactProof.keyOf(validatorSlot);",
        "CompactProof.keyOf(bytes32(0));",
        _CONTRACT_MODE_TEST + "test_INV7_storageAt",
    ),
    Mutation(
        "contract-mode-known-storage",
        "A new admin's set has no known storage (INV-7).",
        _CONTRACT_MODE,
        "        storageRoot = 0;\n        _bootstrap",
        "        _bootstrap",
        _CONTRACT_MODE_TEST + "test_bootstrapAgain",
    ),
    Mutation(
        "contract-mode-next-state",
        "The next set is the one in the block's own state (INV-7).",
        _CONTRACT_MODE,
        "if (stateRoot != expected) revert NotStateRoot(stateRoot, expected);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_aRenewalIsNoWayPastAChange",
    ),
    Mutation(
        "contract-mode-empty-list",
        "No set is empty (INV-7).",
        _CONTRACT_MODE,
        "if (count - 1 >= MOST_VALIDATORS) revert",
        "if (count > MOST_VALIDATORS) revert",
        _CONTRACT_MODE_TEST + "test_INV7_aListWithoutMembers",
    ),
    Mutation(
        "contract-mode-one-storage",
        "Length and members are of one storage (INV-7).",
        _CONTRACT_MODE,
        "if (found != root) revert StorageRootsDiffer(i, found, root);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_membersOfAnotherStorage",
    ),
    Mutation(
        "contract-mode-member-word",
        "A member's word is an address.",
        _CONTRACT_MODE,
        "if (uint256(word) >> 160 != 0) revert ValidatorMalformed(i, word);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_aMemberThatIsNoAddress",
    ),
    Mutation(
        "contract-mode-height",
        "An update is above the trusted height.",
        _CONTRACT_MODE,
        "if (header.number <= _trusted.height) revert",
        "if (header.number < _trusted.height) revert",
        _CONTRACT_MODE_TEST + "test_heightMustRise",
    ),
    Mutation(
        "contract-mode-time",
        "Time does not run back (INV-7).",
        _CONTRACT_MODE,
        "if (header.timestamp < least) revert TimestampBelow(header.timestamp, least);",
        "least;",
        _CONTRACT_MODE_TEST + "test_INV7_timeRunsBack",
    ),
    Mutation(
        "contract-mode-proof-clock",
        "A proof's header is not from the future (INV-7).",
        _CONTRACT_MODE,
        "            _requireNotAhead(header.timestamp);\n            _requireEnd(proof",
        "            _requireEnd(proof",
        _CONTRACT_MODE_TEST + "test_INV7_clockDrift",
    ),
    Mutation(
        "contract-mode-update-clock",
        "An update's header is not from the future (INV-7).",
        _CONTRACT_MODE,
        "        _requireNotAhead(header.timestamp);\n\n",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_clockDrift",
    ),
    Mutation(
        "contract-mode-anchor-clock",
        "An anchored header is not from the future (INV-7).",
        _CONTRACT_MODE,
        "        _requireNotAhead(header.timestamp);\n        _requireEnd(data, end);",
        "        _requireEnd(data, end);",
        _CONTRACT_MODE_TEST + "test_INV7_clockDrift",
    ),
    Mutation(
        "contract-mode-one-block",
        "Misbehaviour is two blocks.",
        _CONTRACT_MODE,
        "if (found == hash) revert NoMisbehaviour(hash);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_twoBlocksOfAHeightFreeze",
    ),
    Mutation(
        "contract-mode-two-heights",
        "Misbehaviour is two blocks of one height (INV-7).",
        _CONTRACT_MODE,
        "if (header.number != number) revert HeightsDiffer(number, header.number);",
        "",
        _CONTRACT_MODE_TEST + "test_INV7_twoBlocksOfAHeightFreeze",
    ),
)
