# SPDX-License-Identifier: MIT
"""The validators of a local chain: who proposes, who votes for whom, and when their set changes.

The rules are Besu's: the list is ascending; the proposer of round 0 is the validator after the parent's
proposer, and each further round moves one on; a vote counts once a proposer, and floor(n/2) + 1 of them
change the set from the next block on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from light_clients.bft.preimage import BftKinds
from relayer.consensus.bft.local.sealed_block import SealedBlock, Vote
from relayer.devnet.errors import SpecError
from relayer.devnet.state.identities import Account, checksum_address

#: The light client's format counts them in one byte.
MAX_VALIDATORS: Final = 255


@dataclass(slots=True)
class Validators:
    """The set that seals the next block, and what will change it."""

    by_contract: ClassVar[bool] = False
    """Whether headers leave the list to a contract."""

    kinds: BftKinds
    accounts: dict[bytes, Account]
    current: tuple[bytes, ...]
    wishes: list[Vote] = field(default_factory=list)
    _tally: dict[Vote, set[bytes]] = field(default_factory=dict)
    _overrides: dict[int, tuple[bytes, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, kinds: BftKinds, accounts: Iterable[Account]) -> Self:
        """Return the set that a chain starts with.

        Raises:
            SpecError: none, too many, or one twice.
        """
        listed = list(accounts)
        by_address = {account.address: account for account in listed}
        if len(by_address) != len(listed):
            raise SpecError("a validator that is listed twice", "distinct validators")
        return cls(kinds, by_address, _checked_set(by_address))

    def at(self, number: int) -> tuple[bytes, ...]:
        """Return the set that seals block `number`: certain for the next block, planned for later ones."""
        due = [first for first in self._overrides if first <= number]
        return self._overrides[max(due)] if due else self.current

    def check(self, validators: Iterable[bytes]) -> tuple[bytes, ...]:
        """Return validators as a set has them, ascending.

        Raises:
            SpecError: there are none or too many, one is there twice, or one has no key here.
        """
        chosen = _checked_set(validators)
        for address in chosen:
            if address not in self.accounts:
                raise SpecError(
                    f"{checksum_address(address)} as a validator, whose key this chain does not have",
                    "validators that were added with their key",
                )
        return chosen

    def know(self, account: Account) -> None:
        """Keep the key of someone who is, or may become, a validator."""
        self.accounts[account.address] = account

    def wish(self, candidate: bytes, *, add: bool) -> None:
        """Let every proposer vote to add or to remove a validator, until a majority has. Wishes wait in line.

        Raises:
            SpecError: the vote would change nothing, or leave nobody.
        """
        after = set(self.current)
        for vote in self.wishes:
            after = after | {vote.candidate} if vote.add else after - {vote.candidate}
        if add == (candidate in after):
            raise SpecError(
                f"a vote to {'add' if add else 'remove'} {checksum_address(candidate)}, which "
                f"{'is' if add else 'is not'} in the set",
                "a vote that changes the set",
            )
        _checked_set(after | {candidate} if add else after - {candidate})
        self.wishes.append(Vote(candidate, add=add))

    def override(self, validators: Iterable[bytes], first_block: int, next_block: int) -> None:
        """Set the list from a block on, as a transition in a chain's configuration does. It ends all votes.

        Raises:
            SpecError: the block is already sealed, or the list is empty, too long, or has a member without a
                key.
        """
        if first_block < next_block:
            raise SpecError(
                f"a change of validators at block {first_block}", f"block {next_block} or a later one"
            )
        self._overrides[first_block] = self.check(validators)

    def proposer(self, number: int, parent_proposer: bytes, round_number: int) -> bytes:
        """Return who proposes block `number`. The genesis block's proposer is zero."""
        chosen = self.at(number)
        return chosen[(bisect_right(chosen, parent_proposer) + round_number) % len(chosen)]

    def vote_for(self, proposer: bytes) -> Vote | None:
        """Return what this proposer writes into its block: the first wish that it has not voted for yet."""
        for vote in self.wishes:
            if proposer not in self._tally.get(vote, ()):
                return vote
        return None

    def advance(self, block: SealedBlock) -> None:
        """Count the vote of the block that was just made, and move on to the set of the next one."""
        self.current = block.extra.validators
        if block.number in self._overrides:
            del self._overrides[block.number]
            self.wishes.clear()
            self._tally.clear()
        vote = block.extra.vote
        if vote is None:
            return
        voters = self._tally.setdefault(vote, set())
        voters.add(block.proposer)
        # The vote of a validator that has left since then does not count.
        if len(voters & set(self.current)) >= len(self.current) // 2 + 1:
            members = set(self.current)
            self.current = _checked_set(
                members | {vote.candidate} if vote.add else members - {vote.candidate}
            )
            self.wishes = [other for other in self.wishes if other.candidate != vote.candidate]
            self._tally = {
                other: who for other, who in self._tally.items() if other.candidate != vote.candidate
            }


def _checked_set(validators: Iterable[bytes]) -> tuple[bytes, ...]:
    chosen = tuple(sorted(validators))
    if not 0 < len(set(chosen)) == len(chosen) <= MAX_VALIDATORS:
        raise SpecError(f"a set of {len(chosen)} validators", f"1 to {MAX_VALIDATORS} distinct ones")
    return chosen
