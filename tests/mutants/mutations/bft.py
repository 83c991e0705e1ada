# SPDX-License-Identifier: MIT
"""The light client of BFT chains whose headers list the validators."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutation import Mutation

_BFT: Final = "light_clients/bft/BftLightClient.sol"
_BFT_TRUST: Final = "light_clients/bft/BftTrust.sol"
_BFT_HEADER: Final = "light_clients/bft/BftHeader.sol"

MUTATIONS: Final = (
    Mutation(
        "bft-quorum",
        "A quorum is two thirds, rounded up (INV-7).",
        _BFT_HEADER,
        "return (count * 2 + 2) / 3;",
        "return (count * 2 + 1) / 3;",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_quorumOfEverySize",
    ),
    Mutation(
        "bft-height",
        "An update is above the trusted height.",
        _BFT,
        "if (header.number <= height) revert",
        "if (header.number < height) revert",
        "light_clients/bft/BftUpdate.t.sol::test_heightMustRise",
    ),
    Mutation(
        "bft-trusted-quorum",
        "A change of validators needs two thirds of the trusted set, not of the new one (INV-7).",
        _BFT,
        "BftHeader.quorum(link.trustedCount)",
        "BftHeader.quorum(link.count)",
        "light_clients/bft/BftUpdate.t.sol::test_INV7_trustedQuorumOfEverySize",
    ),
    Mutation(
        "bft-member-twice",
        "No validator stands twice in a set.",
        _BFT_TRUST,
        "for (uint256 j = 0; j < i; ++j) {",
        "for (uint256 j = 0; j + 1 < i; ++j) {",
        "light_clients/bft/BftUpdate.t.sol::test_INV7_memberTwice",
    ),
    Mutation(
        "bft-proof-clock",
        "A proof's header is not from the future (INV-7).",
        _BFT,
        "                _requireNotAhead(time);\n",
        "",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_clockDrift",
    ),
    Mutation(
        "bft-update-clock",
        "An update's header is not from the future (INV-7).",
        _BFT,
        "            _requireNotAhead(timestamp);\n            if (link.changes)",
        "            if (link.changes)",
        "light_clients/bft/BftUpdate.t.sol::test_INV7_clockDrift",
    ),
    Mutation(
        "bft-bit-beyond-list",
        "A seal's bit belongs to a validator of the list (INV-7).",
        _BFT_HEADER,
        "if (mask >> count != 0) revert HeaderMalformed(sealers);",
        "",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_bitBeyondTheList",
    ),
    Mutation(
        "bft-raw-tail",
        "A header has at most 21 fields.",
        _BFT_HEADER,
        "fields == 0 || fields > 6",
        "fields == 0 || fields > 7",
        "light_clients/bft/BftHeader.t.sol::test_rawTailMustBeStrings",
    ),
    Mutation(
        "bft-vote-and-round",
        "Vote and round are one item each.",
        _BFT_HEADER,
        "if (size != needed || size > 56) revert",
        "if (size < needed || size > 56) revert",
        "light_clients/bft/BftMisbehaviour.t.sol::test_INV4_splitOfVoteAndRound",
    ),
    Mutation(
        "bft-trusted-set",
        "The set whose seals vouch for a state is the trusted one (INV-7).",
        _BFT,
        "if ((uint256(setHash) ^ belief) >> SET_SHIFT != 0) revert NotTrustedSet(setHash, _trusted.setHash);",
        "",
        "light_clients/bft/BftStorageAt.t.sol::test_INV7_selfDeclaredSet",
    ),
    Mutation(
        "bft-trusted-set-linked",
        "The set that an update begins with is the trusted one (INV-7).",
        _BFT,
        "if (old != trusted) revert NotTrustedSet(old, trusted);",
        "",
        "light_clients/bft/BftUpdate.t.sol::test_INV7_linkFromAnotherSet",
    ),
    Mutation(
        "bft-trusted-set-split",
        "The set that is seen to seal two blocks of a height is the trusted one (INV-4).",
        _BFT_TRUST,
        "if (found != trusted) revert NotTrustedSet(found, trusted);",
        "",
        "light_clients/bft/BftMisbehaviour.t.sol::test_INV7_bothOfTheTrustedSet",
    ),
    Mutation(
        "bft-protocol-from",
        "The later protocol begins with its first block (INV-7).",
        _BFT_HEADER,
        "iszero(lt(height, shr(16, kinds)))",
        "gt(height, shr(16, kinds))",
        "light_clients/bft/BftProtocols.t.sol::test_INV7_aHeaderIsReadByTheProtocolOfItsHeight",
    ),
    Mutation(
        "bft-istanbul-commit",
        "Validators of legacy Istanbul sign the block's hash with the code of COMMIT, not the hash (INV-7).",
        _BFT_HEADER,
        "hash = BftHeaderRlp.istanbulHash(list, end, flags & ON_CHAIN != 0);",
        "hash = BftHeaderRlp.istanbulHash(list, end, true);",
        "light_clients/bft/BftProtocols.t.sol::test_INV7_theBlocksHashIsNotSealed",
    ),
    Mutation(
        "bft-istanbul-proposer",
        "A header of legacy Istanbul has a proposer's seal.",
        _BFT_HEADER,
        "count == 0 || flags & HAS_ROUND == 0",
        "count == 0",
        "light_clients/bft/BftProtocols.t.sol::test_INV8_aProposersSealIsThere",
    ),
)
