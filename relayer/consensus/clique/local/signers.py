# SPDX-License-Identifier: MIT
"""The signers of a local chain: who seals next, who is down, and whom they vote for.

As go-ethereum does it: the signer whose turn it is seals, or, where that one is down or has to wait, the next
one that need not wait. A signer repeats its vote in each block that it seals until the vote is decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from light_clients.clique.header import CliqueHeader
from light_clients.clique.signers import MAX_SIGNERS, Tally
from relayer.devnet.errors import DevnetError, SpecError
from relayer.devnet.state.identities import Account, checksum_address


@dataclass(frozen=True, slots=True)
class SignerVote:
    """What the signers vote for: to add or to drop somebody (20 bytes)."""

    candidate: bytes
    add: bool


@dataclass(slots=True)
class LocalSigners:
    """The set that seals the next block, and what will change it.

    Attributes:
        epoch: after how many blocks votes are discarded and the signers listed.
        accounts: keys of all who are, were or may become signers, by address.
        down: those that seal nothing.
    """

    epoch: int
    accounts: dict[bytes, Account]
    _tally: Tally
    down: set[bytes] = field(default_factory=set)
    _wishes: list[SignerVote] = field(default_factory=list)
    _recent: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, epoch: int, accounts: Iterable[Account]) -> LocalSigners:
        """Return the set that a chain starts with: 1 to 255 distinct accounts."""
        by_address = {account.address: account for account in accounts}
        return cls(epoch, by_address, Tally(sorted(by_address)))

    @property
    def current(self) -> tuple[bytes, ...]:
        """The set that seals the next block, ascending."""
        return self._tally.signers

    def know(self, account: Account) -> None:
        """Keep the key of someone who is, or may become, a signer."""
        self.accounts[account.address] = account

    def wish(self, candidate: bytes, *, add: bool) -> None:
        """Let every signer vote to add or to drop somebody, until more than half have. Wishes wait in line.

        Raises:
            SpecError: the vote would change nothing, or leave nobody or too many.
        """
        after = set(self.current)
        for wish in self._wishes:
            after = after | {wish.candidate} if wish.add else after - {wish.candidate}
        if add == (candidate in after):
            raise SpecError(
                f"a vote to {'add' if add else 'drop'} {checksum_address(candidate)}, which "
                f"{'is' if add else 'is not'} in the set",
                "a vote that changes the set",
            )
        count = len(after) + (1 if add else -1)
        if not 1 <= count <= MAX_SIGNERS:
            raise SpecError(f"a set of {count} signers", f"1 to {MAX_SIGNERS}")
        self._wishes.append(SignerVote(candidate, add))

    def can_seal(self) -> bool:
        """Return whether anybody is there to seal the next block."""
        return bool(self._free())

    def choose(self, number: int) -> bytes:
        """Return who seals block `number`. Raises DevnetError when nobody can."""
        free, members = self._free(), self.current
        if not free:
            raise DevnetError(
                f"{len(self.down)} of {len(members)} signers down, and the others sealed just now",
                "a signer that need not wait",
                "Start signers again (postroad_startSigner).",
            )
        turn = number % len(members)
        return next(signer for signer in members[turn:] + members[:turn] if signer in free)

    def vote_for(self, number: int) -> SignerVote | None:
        """Return what the signer of block `number` votes for."""
        return self._wishes[0] if self._wishes and number % self.epoch else None

    def advance(self, header: CliqueHeader) -> None:
        """Count the vote of the block that was just made, and move on to the set of the next one."""
        assert header.signer is not None
        self._recent = [*self._recent[-MAX_SIGNERS:], header.signer]
        if header.number % self.epoch == 0:
            self._tally.clear()
        elif header.has_vote and self._tally.vote(header.signer, header.candidate, add=header.add):
            self._wishes = [wish for wish in self._wishes if wish.candidate != header.candidate]

    def _free(self) -> set[bytes]:
        waiting = len(self.current) // 2
        recent = self._recent[len(self._recent) - waiting :] if waiting else []
        return set(self.current) - self.down - set(recent)
