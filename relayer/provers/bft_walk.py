"""From one trusted validator set to another, in as few `update` calls as the seals allow.

A set lets its successor in when ceil(2n/3) of it sealed headers that list the successor. So the farthest set that can be
reached in one jump is looked for first, and where none is, the range is halved: between a header that lists the trusted set
and one that is out of reach, sets change one member at a time, and the nearest change is always within reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

from light_clients.bft.client import BftClient
from light_clients.bft.codec import encode_update
from light_clients.bft.header import BftHeader
from light_clients.client import Height, Timestamp
from light_clients.errors import QuorumNotReached
from relayer.errors import NotFoundYet

T = TypeVar("T")

# Headers looked at for one jump: nodes import a block at quorum without spare seals, so one header may lack the votes
# that its neighbours bring.
_WINDOW: Final = 4
_LONGEST_WINDOW: Final = 64
_MAX_STEPS: Final = 32


class HeaderSource(Protocol):
    """Where headers come from; relayer.chains.evm.EvmChain is one."""

    async def checked_blocks(
        self, numbers: Sequence[Height], check: Callable[[Sequence[Mapping[str, Any]]], T]
    ) -> T:
        """What `check` makes of one provider's blocks; where it raises Rejection, the next provider is asked."""
        ...


class _Found(Enum):
    JUMPED = "the trusted set let this one in"
    TRUSTED_SET = "the block lists the trusted set"
    OUT_OF_REACH = "too few of the trusted set sealed"


class BftWalk:
    """A client on its way to a newer header. `updates` are the arguments of `update` that it has accepted so far.

    Args:
        source: where to read headers.
        client: trusted state to start from, ours or one on a destination.
        validators: the list that hashes to the client's trusted set, in its order.
        now: time at the client.
    """

    def __init__(
        self, source: HeaderSource, client: BftClient, validators: Sequence[bytes], now: Timestamp
    ) -> None:
        self._source = source
        self._now = now
        self.client = client
        self.validators = tuple(validators)
        self.updates: list[bytes] = []

    async def advance(self, target: BftHeader) -> bool:
        """Walk until the trusted set is the one that sealed a header, or to the header itself when it is so already.

        Returns:
            False when the walk is so long that it stopped half-way: `client` and `updates` hold what was reached.

        Raises:
            Rejection: the header or the client is not fit for it.
            ChainUnavailable: no provider's headers lead there.
            NotFoundYet: the newest blocks do not carry enough seals of the trusted set yet, or providers disagree.
        """
        for _ in range(_MAX_STEPS):
            if target.number <= self.client.state.height:
                return True
            if target.validators == self.validators:
                if not self.updates:
                    self._apply(target.validators, encode_update(self.validators, [target]))
                return True
            await self._step(target.number)
        return False

    async def _step(self, newest: Height) -> None:
        """One jump to the farthest set in reach."""
        low, high = self.client.state.height, newest
        at = newest
        while low < high:
            found = await self._try(at, newest, is_nearest=at == low + 1)
            if found is _Found.JUMPED:
                return
            if found is _Found.TRUSTED_SET:
                low = at
            else:
                high = at
            at = Height((low + high + 1) // 2)
        raise NotFoundYet(
            f"providers disagree on the validators of block {at}",
            "one list",
            "Another provider is asked next time",
        )

    async def _try(self, at: Height, newest: Height, *, is_nearest: bool) -> _Found:
        """Jump to the set of a block. The nearest change must be in reach, so it is looked at ever more closely."""
        length = _WINDOW
        while True:
            numbers = [Height(number) for number in range(at, min(at + length, newest + 1))]
            is_last = is_nearest and (numbers[-1] == newest or length >= _LONGEST_WINDOW)
            may_grow = numbers[-1] == newest

            def check(
                blocks: Sequence[Mapping[str, Any]], *, is_last: bool = is_last, may_grow: bool = may_grow
            ) -> _Found:
                try:
                    return self._judge(blocks)
                except QuorumNotReached as error:
                    if not is_last:
                        return _Found.OUT_OF_REACH
                    if not may_grow:
                        raise
                    # Nobody's fault yet: the next blocks list the same set and may bring the missing seals.
                    raise NotFoundYet(f"block {at} changes the validators: {error}") from None

            found = await self._source.checked_blocks(numbers, check)
            if found is not _Found.OUT_OF_REACH or not is_nearest:
                return found
            length *= 4

    def _judge(self, blocks: Sequence[Mapping[str, Any]]) -> _Found:
        """Jump when these headers allow it. Raises QuorumNotReached when they do not, Rejection when they can't be right."""
        kind = self.client.params.kind
        first = BftHeader.from_rpc(blocks[0], kind)
        if first.validators == self.validators:
            self.client.check_header(first, self._now)
            return _Found.TRUSTED_SET
        headers = [first]
        for block in blocks[1:]:
            header = BftHeader.from_rpc(block, kind)
            if header.validators != first.validators:
                break
            headers.append(header)
        self._apply(first.validators, encode_update(self.validators, headers))
        return _Found.JUMPED

    def _apply(self, validators: tuple[bytes, ...], update: bytes) -> None:
        self.client = self.client.update(update, self._now)
        self.validators = validators
        self.updates.append(update)
