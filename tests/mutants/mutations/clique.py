# SPDX-License-Identifier: MIT
"""The light client of Clique chains."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutation import Mutation

_CLIQUE: Final = "light_clients/clique/CliqueLightClient.sol"
_CLIQUE_RUN: Final = "light_clients/clique/CliqueRun.sol"
_CLIQUE_SIGNERS: Final = "light_clients/clique/CliqueSigners.sol"
_CLIQUE_TEST: Final = "light_clients/clique/CliqueRules.t.sol::"

MUTATIONS: Final = (
    Mutation(
        "clique-majority",
        "More than half is floor(n/2) + 1 (INV-7).",
        _CLIQUE_SIGNERS,
        "return count / 2 + 1;",
        "return (count + 1) / 2;",
        _CLIQUE_TEST + "test_INV7_votesOfHalf",
    ),
    Mutation(
        "clique-vote-once",
        "A signer has one vote on a candidate (INV-7).",
        _CLIQUE_SIGNERS,
        ": by == voter && on == candidate;",
        ": false;",
        _CLIQUE_TEST + "test_INV7_votesOfOneTwice",
    ),
    Mutation(
        "clique-seal",
        "A header is sealed by the signer that it names (INV-7).",
        _CLIQUE_RUN,
        "if (recovered != header.signer) revert SealRejected(header.number, recovered, header.signer);",
        "",
        _CLIQUE_TEST + "test_INV7_strangersSeal",
    ),
    Mutation(
        "clique-too-soon",
        "No signer seals twice among floor(n/2) + 1 headers (INV-7).",
        _CLIQUE_RUN,
        "if (run.sealers[i] == recovered) revert SealedTooSoon(header.number, recovered);",
        "",
        _CLIQUE_TEST + "test_INV7_sealedTooSoon",
    ),
    Mutation(
        "clique-gap",
        "Headers of a run are consecutive (INV-7).",
        _CLIQUE_RUN,
        "if (header.number != run.number + 1) revert NotConsecutive(header.number, run.number + 1);",
        "",
        _CLIQUE_TEST + "test_INV7_gapInTheRun",
    ),
    Mutation(
        "clique-time",
        "Time does not run back within a run (INV-7).",
        _CLIQUE_RUN,
        "if (header.timestamp < run.timestamp) revert TimestampBelow(header.timestamp, run.timestamp);",
        "",
        _CLIQUE_TEST + "test_INV7_timeRunsBack",
    ),
    Mutation(
        "clique-epoch-votes",
        "An epoch block does not vote.",
        _CLIQUE_RUN,
        "if (header.number % run.epoch == 0 && _hasVote(header)) revert EpochBlockVotes(header.number);",
        "",
        _CLIQUE_TEST + "test_INV7_epochBlockVotes",
    ),
    Mutation(
        "clique-trusted-set",
        "The set is the trusted one (INV-7).",
        _CLIQUE,
        "if (found != _trusted.setHash) revert NotTrustedSet(found, _trusted.setHash);",
        "",
        _CLIQUE_TEST + "test_INV7_selfDeclaredSet",
    ),
    Mutation(
        "clique-change-too-late",
        "No vote changes the set behind the header that becomes trusted (INV-7).",
        _CLIQUE,
        "if (run.changed > count - depth) revert ChangeTooLate(run.changed, count - depth);",
        "",
        _CLIQUE_TEST + "test_INV7_changeTooLate",
    ),
    Mutation(
        "clique-epoch-majority",
        "More than half of the trusted signers build on an epoch block's list (INV-7).",
        _CLIQUE,
        "                _requireMajority(trusted, run);\n",
        "",
        _CLIQUE_TEST + "test_INV7_epochBlockOfAMinority",
    ),
    Mutation(
        "clique-no-epoch-block",
        "Only an epoch block lists signers (INV-7).",
        _CLIQUE,
        "if (placed[0][0] % epoch != 0) revert NoEpochBlock(placed[0][0], epoch);",
        "",
        _CLIQUE_TEST + "test_INV7_noEpochBlock",
    ),
    Mutation(
        "clique-height",
        "An update is above the trusted height.",
        _CLIQUE,
        "if (height <= above) revert",
        "if (height < above) revert",
        _CLIQUE_TEST + "test_heightMustRise",
    ),
    Mutation(
        "clique-one-block",
        "Misbehaviour is two blocks.",
        _CLIQUE,
        "if (hash == otherHash) revert NoMisbehaviour(hash);",
        "",
        _CLIQUE_TEST + "test_oneBlockTwiceFreezesNothing",
    ),
    Mutation(
        "clique-clock",
        "An anchored header is not from the future (INV-7).",
        _CLIQUE,
        "        _requireNotAhead(timestamp);\n        _moveAnchor",
        "        _moveAnchor",
        _CLIQUE_TEST + "test_INV7_headerFromTheFuture",
    ),
)
