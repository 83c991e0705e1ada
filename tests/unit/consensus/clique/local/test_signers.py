# SPDX-License-Identifier: MIT
"""Who seals a local Clique chain, and how it is asked for."""

from __future__ import annotations

import pytest

from light_clients.clique.header import CliqueHeader
from relayer.consensus.clique.local.kind import CliqueSettings, LocalClique
from relayer.consensus.clique.local.signers import LocalSigners
from relayer.devnet.errors import DevnetError, SpecError
from relayer.devnet.state.identities import Account, derive_account
from tests.unit.consensus.clique.test_prover import make


def signers(count: int, epoch: int = 30_000) -> LocalSigners:
    return LocalSigners.of(epoch, (account(index) for index in range(count)))


def account(index: int) -> Account:
    return derive_account(b"seed", "court", "signer", index)


def header_by(signer: bytes, number: int) -> CliqueHeader:
    """A header with the few fields that counting looks at."""
    header = CliqueHeader.from_rpc(make(1).blocks[1].rpc())
    object.__setattr__(header, "signer", signer)
    object.__setattr__(header, "number", number)
    return header


def test_whose_turn_it_is_seals_or_the_next_who_need_not_wait() -> None:
    four = signers(4)
    members = four.current
    sealed = []
    for number in range(5, 13):
        signer = four.choose(number)
        sealed.append(signer)
        four.advance(header_by(signer, number))
    assert sealed == [members[number % 4] for number in range(5, 13)]
    four.down.add(members[13 % 4])
    assert four.choose(13) == members[14 % 4]


def test_a_chain_stands_still_where_nobody_may_seal() -> None:
    three = signers(3)
    first, second, _ = three.current
    three.down |= {first, second}
    signer = three.choose(5)
    three.advance(header_by(signer, 5))
    assert not three.can_seal()
    with pytest.raises(DevnetError, match="2 of 3 signers down"):
        three.choose(6)


def test_votes_repeat_until_they_are_decided_and_epoch_blocks_have_none() -> None:
    two = signers(2, epoch=10)
    joining = account(7)
    two.know(joining)
    two.wish(joining.address, add=True)
    vote = two.vote_for(9)
    assert vote is not None
    assert (vote.candidate, vote.add) == (joining.address, True)
    assert two.vote_for(10) is None
    with pytest.raises(SpecError, match="a vote that changes the set"):
        two.wish(joining.address, add=True)
    with pytest.raises(SpecError, match="a vote that changes the set"):
        two.wish(account(8).address, add=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], CliqueSettings(3, 30_000)),
        (["5"], CliqueSettings(5, 30_000)),
        (["epoch60"], CliqueSettings(3, 60)),
        (["1", "epoch7"], CliqueSettings(1, 7)),
    ],
)
def test_a_chain_is_asked_for_by_signers_and_epoch(options: list[str], expected: CliqueSettings) -> None:
    assert LocalClique().read_options("court", options) == expected


@pytest.mark.parametrize("options", [["0"], ["256"], ["epoch0"], ["epoch7", "5"], ["qbft"], ["5", "6"]])
def test_options_that_say_nothing_are_refused(options: list[str]) -> None:
    with pytest.raises(SpecError, match="SIGNERS from 1 to 255"):
        LocalClique().read_options("court", options)
