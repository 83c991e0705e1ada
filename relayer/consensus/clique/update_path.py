# SPDX-License-Identifier: MIT
"""From one trusted signer set to another, in as few `update` calls as it takes.

The light client moves its set by votes that it counts itself, in a run of consecutive headers, or by an
epoch block, which lists the signers (docs/adr/0021-clique.md). So the newest block is tried first; where the
trusted set did not seal it, the range is halved down to the first change. A node of go-ethereum repeats its
vote in each block that it seals until the vote is decided, so the run that decides is about one round of the
signers long. Where votes lie farther apart than one update holds, the next epoch block leads on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

from light_clients.client import Height, Timestamp
from light_clients.clique.client import CliqueClient
from light_clients.clique.codec import encode_anchor, encode_update
from light_clients.clique.header import CliqueHeader
from light_clients.clique.reader import Run
from light_clients.errors import HeaderRejected, Rejection
from relayer.consensus.sources import RunSource
from relayer.errors import NotFoundYet

T = TypeVar("T")

#: Headers that one update can hold.
MAX_HEADERS: Final = 255
#: Jumps of one call of `advance`, so that a very long absence does not hold up everything else.
_MAX_STEPS: Final = 16
#: Epoch blocks that are tried for one jump.
_EPOCHS_TRIED: Final = 3


class CliqueUpdatePath:
    """The way of a light client from its trusted state to a newer header.

    `client` and `signers` are where it has come to, and `since` is the first block that this set seals, 0
    while it is the one that was begun with. `updates` are the arguments of `update`, in order, that led there
    and that the Python client has accepted.

    Args:
        source: where to read headers.
        client: trusted state to start from, ours or one on a destination.
        signers: the set that hashes to the client's trusted one, ascending.
        head: the newest block that can be read.
        now: time at the client.
    """

    def __init__(
        self,
        source: RunSource,
        client: CliqueClient,
        signers: Sequence[bytes],
        head: Height,
        now: Timestamp,
    ) -> None:
        self._source = source
        self._head = head
        self._now = now
        self.client = client
        self.signers = tuple(signers)
        self.since = Height(0)
        self.updates: list[bytes] = []

    @property
    def depth(self) -> int:
        """How many blocks have to stand on one that the set has sealed."""
        return self.client.params.depth(len(self.signers))

    async def advance(self, target: Height) -> bool:
        """Lead the client to the set that sealed a block, and those that stand on it.

        Where the set is the trusted one from the start, one update leads to the block itself, which renews
        the trusting period.

        Returns:
            False when the way is so long that it stopped on it: `client` and `updates` hold what was reached.

        Raises:
            Rejection: the light client is expired or frozen, or refuses the header.
            ChainUnavailable: no provider's headers lead there.
            NotFoundYet: the change can't be shown yet, or providers disagree.
        """
        for _ in range(_MAX_STEPS):
            if target <= self.client.state.height:
                return True
            if self.updates and target + self.depth > self._head:
                # A larger set asks for more blocks than stand on the target: nothing more can be shown.
                return True
            run = await self._believed(target)
            if run is not None:
                # A jump has renewed the trusting period just now, so a further update would only cost gas.
                if not self.updates:
                    # Votes that are decided on top of the block change the set too late for an update, or
                    # shorten the run: a later block renews the period.
                    with contextlib.suppress(Rejection):
                        self._apply(encode_update(self.signers, run, self._epoch), self.signers)
                return True
            await self._step(target)
        return False

    @property
    def _epoch(self) -> int:
        return self.client.params.epoch

    async def _believed(self, number: Height) -> list[CliqueHeader] | None:
        """Return a block with those that stand on it, if the trusted set sealed them all; else None."""
        if number + self.depth > self._head:
            return None
        first = first_to_read(self.client, self.signers, number)
        return await self._source.checked_blocks(
            heights(first, number + self.depth),
            lambda blocks: believe_run(
                self.client, self.signers, read_linked(blocks), self._now, number - first
            ),
        )

    async def _step(self, target: Height) -> None:
        """Make one jump, over the first change of the signers that is found."""
        low, high = self.client.state.height, target
        while high - low > 1:
            middle = Height((low + high) // 2)
            if await self._believed(middle) is None:
                high = middle
            else:
                low = middle
        # The last block that has to stand on `high` is the first that the trusted set did not seal.
        first_strange = high + self.depth
        if await self._jump_by_votes(first_strange):
            return
        first = Height(-(-high // self._epoch) * self._epoch)
        for epoch_block in range(first, first + _EPOCHS_TRIED * self._epoch, self._epoch):
            if epoch_block < self._head and await self._jump_by_epoch(Height(epoch_block)):
                return
        raise NotFoundYet(
            f"the signers change at about block {first_strange}, which can't be shown yet",
            f"the deciding votes within {MAX_HEADERS - self.depth} blocks with {self.depth} more on them, or the "
            f"epoch block {next_epoch_block(self._head, self._epoch, first)} with as many",
            f"Behind an epoch block {len(self.signers) // 2 + 1} of the {len(self.signers)} trusted signers have to seal; "
            "where more are gone, the admin of each destination bootstraps its light client anew",
        )

    async def _jump_by_votes(self, first_strange: int) -> bool:
        """Jump over a change that a run of blocks shows which begins with its votes."""
        # Two rounds of the signers behind the change hold all who still seal.
        behind = 2 * len(self.signers) + self.depth
        numbers = heights(max(1, first_strange - MAX_HEADERS), min(self._head, first_strange + behind))

        def check(blocks: Sequence[Mapping[str, Any]]) -> bool:
            headers = read_linked(blocks)
            # The newest votes come first, so that as few headers as possible are sent.
            for start in reversed(range(len(headers))):
                if headers[start].has_vote and self._try(headers[start:], None):
                    return True
            return False

        return await self._source.checked_blocks(numbers, check)

    async def _jump_by_epoch(self, number: Height) -> bool:
        """Jump to the set that an epoch block lists."""
        numbers = heights(number, min(self._head, number + MAX_HEADERS - 1))

        def check(blocks: Sequence[Mapping[str, Any]]) -> bool:
            headers = read_linked(blocks)
            return self._try(headers, headers[0].listed)

        return await self._source.checked_blocks(numbers, check)

    def _try(self, headers: Sequence[CliqueHeader], listed: tuple[bytes, ...] | None) -> bool:
        """Jump by the shortest run from the first of these headers that changes the set, if there is one."""
        run = Run(self.signers if listed is None else listed, self._epoch, tallied=True)
        for header in headers[:MAX_HEADERS]:
            try:
                run.append(header)
            except HeaderRejected:
                return False
            buried = len(run.headers) - self.client.params.depth(len(run.signers))
            if run.signers == self.signers or buried < max(1, run.changed):
                continue
            try:
                self._apply(encode_update(self.signers, run.headers, self._epoch, listed=listed), run.signers)
            except Rejection:
                # More headers may bring more of the trusted signers.
                continue
            return True
        return False

    def _apply(self, update: bytes, signers: tuple[bytes, ...]) -> None:
        self.client = self.client.update(update, self._now)
        if signers != self.signers:
            self.since = Height(self.client.state.height + 1)
        self.signers = signers
        self.updates.append(update)


def read_linked(blocks: Sequence[Mapping[str, Any]], parent_hash: bytes | None = None) -> list[CliqueHeader]:
    """Return the headers of consecutive blocks.

    Args:
        blocks: as a node gives them, ascending.
        parent_hash: of the first, where it is known.

    Raises:
        Rejection: one is no header, or not the parent of the next.
    """
    headers = [CliqueHeader.from_rpc(block) for block in blocks]
    if headers and parent_hash is not None:
        _check_parent(headers[0], parent_hash)
    for parent, header in pairwise(headers):
        _check_parent(header, parent.block_hash)
    return headers


def first_to_read(client: CliqueClient, signers: Sequence[bytes], number: Height) -> Height:
    """Return from where on headers are read before it is said that a set sealed a block, and those on it.

    Two rounds of the signers before the block, as far as they lie behind the trusted one. By chance a few
    blocks in a row can be valid under a set that has changed long ago; trust that moved there would leave the
    votes behind, and only an epoch block would lead on.
    """
    return Height(max(min(client.state.height + 1, number), number - 2 * len(signers), 1))


def believe_run(
    client: CliqueClient,
    signers: Sequence[bytes],
    headers: list[CliqueHeader],
    now: Timestamp,
    before: int = 0,
) -> list[CliqueHeader] | None:
    """Return a header and those that stand on it, where a client believes the first of them.

    None where other signers than the trusted ones seem to have sealed them. That is no reason to blame who
    told them: the signers may have changed.

    Args:
        client: the light client.
        signers: the set that hashes to its trusted one, ascending.
        headers: linked; the header, and as many on it as the client asks for.
        now: time at the client.
        before: how many further headers come first, which have to be valid too.

    Raises:
        Rejection: the client is not Active, or the header is from the future.
    """
    epoch = client.params.epoch
    run = Run(signers, epoch)
    for header in headers:
        try:
            run.append(header)
        except HeaderRejected:
            return None
    found = headers[before:]
    # The rules are asked once more, by the bytes that a contract would be given (INV-5).
    client.believe(encode_anchor(signers, found, epoch), now)
    return found


def next_epoch_block(head: Height, epoch: int, least: int = 0) -> int:
    """Return the first epoch block above the head that is not below `least`."""
    return max(-(-(head + 1) // epoch) * epoch, least)


def heights(first: int, last: int) -> list[Height]:
    """Return the block numbers from the first to the last."""
    return [Height(number) for number in range(first, last + 1)]


def _check_parent(header: CliqueHeader, expected: bytes) -> None:
    if header.parent_hash != expected:
        raise HeaderRejected(
            f"block {header.number} has another parent", found=header.parent_hash, expected=expected
        )
