# SPDX-License-Identifier: MIT
"""From one trusted validator set to another, in as few `update` calls as the seals allow.

The light client replaces its trusted set by another when ceil(2n/3) of the trusted one sealed headers that
list the other. One jump may skip many changes, as long as enough of the trusted validators still seal
(skipping verification). So the newest block is tried first. Where too few of the trusted set sealed it, the
range is halved, down to the nearest change. A chain changes one validator at a time, so a set that lasts some
blocks gathers enough seals of the one before it. A node keeps hardly more seals of a block than the quorum,
and not those that other nodes keep, so where one provider's copies have too few, everyone's are put together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

from light_clients.bft.client import BftClient
from light_clients.bft.codec import encode_update
from light_clients.bft.header import BftHeader
from light_clients.bft.reader import MAX_HEADERS
from light_clients.bft.validators import quorum
from light_clients.client import Height, Timestamp
from light_clients.errors import QuorumNotReached, Rejection
from relayer.consensus.sources import ComparedSource, RunSource
from relayer.errors import ChainUnavailable, NotFoundYet

T = TypeVar("T")

#: Headers that are looked at for one jump. A node imports a block as soon as a quorum sealed it, so one
#: header may lack seals that its neighbours have.
_WINDOW: Final = 4
#: Blocks that are looked at behind the nearest change when it is out of reach itself: several changes may
#: come in neighbouring blocks.
_SCANNED: Final = 128
#: Blocks at either end of a set's time whose seals are asked of every provider, where one lacks some.
_GATHERED: Final = 8
#: Jumps of one call of `advance`, so that a very long absence does not hold up everything else.
_MAX_STEPS: Final = 32


class BftHeaderSource(RunSource, ComparedSource, Protocol):
    """Serves headers; relayer.chains.evm.chain.EvmChain is one."""


class _Found(Enum):
    JUMPED = "the trusted set let this one in"
    TRUSTED_SET = "the block lists the trusted set"
    OUT_OF_REACH = "too few of the trusted set sealed"


class BftUpdatePath:
    """The way of a light client from its trusted state to a newer header.

    `client` and `validators` are where it has come to; `updates` are the arguments of `update`, in order,
    that led there and that the Python client has accepted.

    Args:
        source: where to read headers.
        client: trusted state to start from, ours or one on a destination.
        validators: the list that hashes to the client's trusted set, in its order.
        now: time at the client.
    """

    def __init__(
        self, source: BftHeaderSource, client: BftClient, validators: Sequence[bytes], now: Timestamp
    ) -> None:
        self._source = source
        self._now = now
        self.client = client
        self.validators = tuple(validators)
        self.updates: list[bytes] = []

    async def advance(self, target: BftHeader) -> bool:
        """Lead the client to the validator set that sealed a header.

        Where the set is the trusted one from the start, one update leads to the header itself, which renews
        the trusting period.

        Returns:
            False when the way is so long that it stopped on it: `client` and `updates` hold what was reached.

        Raises:
            Rejection: the light client refuses the header, or is expired or frozen.
            ChainUnavailable: no provider's headers lead there.
            NotFoundYet: the newest blocks do not carry enough seals of the trusted set
                yet, or providers disagree.
        """
        for _ in range(_MAX_STEPS):
            if target.number <= self.client.state.height:
                return True
            if target.validators == self.validators:
                # A jump has renewed the trusting period just now, so a further update would only cost gas.
                if not self.updates:
                    self._apply(target.validators, encode_update(self.validators, [target]))
                return True
            await self._step(target.number)
        return False

    async def _step(self, newest: Height) -> None:
        """Make one jump, to the farthest set that is found to be in reach."""
        low, high = self.client.state.height, newest
        at = newest
        while low < high:
            # The block before it has the trusted set, so halving comes no nearer to the change.
            if at == low + 1:
                await self._scan(at, newest)
                return
            found = await self._try(at, newest)
            if found is _Found.JUMPED:
                return
            if found is _Found.TRUSTED_SET:
                low = at
            else:
                high = at
            at = Height((low + high + 1) // 2)
        raise _disagreement(newest)

    async def _try(self, at: Height, newest: Height) -> _Found:
        """Jump to the set that a block lists, if the seals of it and of the next few blocks allow that."""

        def check(blocks: Sequence[Mapping[str, Any]]) -> _Found:
            runs = self._read_runs(blocks)
            if runs[0][0].validators == self.validators:
                # A block that only claims the trusted set must not steer the search, so it is verified.
                self.client.check_header(runs[0][0], self._now)
                return _Found.TRUSTED_SET
            try:
                self._jump(runs[0])
            except QuorumNotReached:
                return _Found.OUT_OF_REACH
            return _Found.JUMPED

        return await self._source.checked_blocks(_range(at, _WINDOW, newest), check)

    async def _scan(self, first: Height, newest: Height) -> None:
        """Jump to a set at or behind the nearest change, the farthest first.

        The set of the nearest change may have lasted too few blocks to gather enough seals, while one of the
        next sets has them.
        """
        numbers = _range(first, _SCANNED, newest)
        # What every provider showed whose copies had too few seals, by its blocks' hashes.
        short: dict[tuple[bytes, ...], list[BftHeader]] = {}

        def check(blocks: Sequence[Mapping[str, Any]]) -> None:
            runs = [run for run in self._read_runs(blocks) if run[0].validators != self.validators]
            if not runs:
                raise _disagreement(first)
            refusals: list[QuorumNotReached] = []
            for run in reversed(runs):
                try:
                    self._jump(run)
                except QuorumNotReached as error:
                    refusals.append(error)
                    short[tuple(header.block_hash for header in run)] = run
                else:
                    return
            refusal = refusals[-1]
            nearest = runs[0][0]
            change = f"block {nearest.number} changes the validators"
            needed, advice = describe_change(self.validators, nearest.validators)
            if numbers[-1] < newest:
                raise QuorumNotReached(f"{change}: {advice}", found=refusal.found, expected=needed)
            # Nobody's fault yet: the next blocks list the same set and may bring the missing seals.
            raise NotFoundYet(f"{change}: {refusal}", needed, advice)

        try:
            await self._source.checked_blocks(numbers, check)
        except (ChainUnavailable, NotFoundYet):
            if not await self._jump_together(short.values()):
                raise

    async def _jump_together(self, runs: Iterable[Sequence[BftHeader]]) -> bool:
        """Jump to the set of one of these runs with the seals that all providers together have of it."""
        if self._source.provider_count < 2:
            return False
        for run in runs:
            try:
                self._jump(await self._gather(run))
            except QuorumNotReached:
                continue
            return True
        return False

    async def _gather(self, run: Sequence[BftHeader]) -> list[BftHeader]:
        """Return a run's headers, the first and the last of them with every provider's seals."""
        asked = [*run[:_GATHERED], *run[_GATHERED:][-_GATHERED:]]
        told = await asyncio.gather(*(self._source.blocks_of_everyone(header.number) for header in asked))
        gathered = {
            header.number: self._with_seals(header, [block for _, block in blocks])
            for header, blocks in zip(asked, told, strict=True)
        }
        return [gathered.get(header.number, header) for header in run]

    def _with_seals(self, header: BftHeader, copies: Sequence[Mapping[str, Any]]) -> BftHeader:
        """Return a header with the seals that copies of it have; seals that do not count stay uncounted."""
        seals = dict.fromkeys(header.seals)
        for block in copies:
            try:
                copy = BftHeader.from_rpc(block, self.client.params.kinds)
            except Rejection:
                continue
            # The hash that is sealed has the round in it: seals of another round are none of this copy's.
            if copy.commit_seal_hash == header.commit_seal_hash:
                seals |= dict.fromkeys(copy.seals)
        return replace(header, seals=tuple(seals))

    def _read_runs(self, blocks: Sequence[Mapping[str, Any]]) -> list[list[BftHeader]]:
        """Return the headers of blocks, grouped where neighbours list the same set. Raises Rejection."""
        runs: list[list[BftHeader]] = []
        for block in blocks:
            header = BftHeader.from_rpc(block, self.client.params.kinds)
            if runs and runs[-1][0].validators == header.validators:
                runs[-1].append(header)
            else:
                runs.append([header])
        return runs

    def _jump(self, headers: Sequence[BftHeader]) -> None:
        """Make the set that these headers list the trusted one. Raises QuorumNotReached."""
        self._apply(headers[0].validators, encode_update(self.validators, headers))

    def _apply(self, validators: tuple[bytes, ...], update: bytes) -> None:
        self.client = self.client.update(update, self._now)
        self.validators = validators
        self.updates.append(update)


def describe_change(trusted: Sequence[bytes], listed: Sequence[bytes]) -> tuple[str, str]:
    """Return what a change of the validators needs, and what that means, as two texts for people.

    A new set is trusted when two thirds of the trusted set sealed headers that list it. Validators that were
    removed do not seal any more, so a removal may need the seal of every trusted validator that remains.
    """
    remaining, needed = len(set(trusted) & set(listed)), quorum(len(trusted))
    expected = f"the seals of {needed} of the {len(trusted)} trusted validators within {MAX_HEADERS} blocks"
    if remaining < needed:
        return expected, (
            f"Only {remaining} of them remain, so no update leads there: the admin of each destination bootstraps its "
            "light client anew"
        )
    if remaining == needed:
        return expected, (
            f"All {remaining} that remain are needed: one that stands still holds the change up. Let every one of them "
            "seal; more providers may have seals that one lacks"
        )
    return expected, f"{remaining} of them remain, so {remaining - needed} may be missing"


def _range(first: Height, length: int, newest: Height) -> list[Height]:
    return [Height(number) for number in range(first, min(first + length, newest + 1))]


def _disagreement(number: Height) -> NotFoundYet:
    return NotFoundYet(
        f"providers disagree on the validators of block {number}",
        "one list",
        "Another provider is asked next time",
    )
