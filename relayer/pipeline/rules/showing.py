# SPDX-License-Identifier: MIT
"""Showing: what changes in the journal when logs tell anew of blocks that are not final. Pure.

A reorganisation may take messages away, put others in their places, or move them into other blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from relayer.chains.base import SentMessage
from relayer.journal.rows import StoredMessage
from relayer.pipeline.rules.lane import LaneProgress
from relayer.pipeline.rules.linking import link_messages
from relayer.pipeline.rules.proving import to_stored

#: The most unfinalized messages of a lane that the journal shows.
MOST_SHOWN: Final = 1_024


@dataclass(frozen=True, slots=True)
class UnfinalizedChange:
    """What changes of a lane's unfinalized messages.

    Attributes:
        told: all that logs tell of now.
        fresh: those of them that the journal does not show.
        moved: those that it shows in other blocks: their rows change, and their story does not.
        gone: the sequences whose block is gone.
        cut: the journal deletes the messages from this sequence on, before it keeps others; None for none.
    """

    told: tuple[StoredMessage, ...]
    fresh: tuple[StoredMessage, ...]
    moved: tuple[StoredMessage, ...]
    gone: range
    cut: int | None

    def __bool__(self) -> bool:
        return bool(self.fresh or self.moved or self.cut is not None)


def compare_unfinalized(
    progress: LaneProgress, sent: Iterable[SentMessage], height: int, before: tuple[StoredMessage, ...] | None
) -> UnfinalizedChange:
    """Compare what logs tell with what the journal shows.

    Args:
        progress: the lane; its candidates link what is proven to what is not final.
        sent: what logs tell of the lane above the verified header.
        height: the verified header's block.
        before: what the journal shows; None where only an earlier process knew it.
    """
    links = link_messages(progress.proven_head, progress.proven, [*progress.candidates, *sent])
    told = tuple(to_stored(progress, link) for link in links if link.sent.block_number > height)[:MOST_SHOWN]
    start = progress.proven + sum(link.sent.block_number <= height for link in links)
    if before is None:
        # What an earlier process left in the journal may be gone since: all of it is replaced.
        return UnfinalizedChange(told, fresh=told, moved=(), gone=range(0), cut=start)
    shown = [stored for stored in before if stored.message.sequence >= start]
    same = _count_same(shown, told)
    gone = range(0)
    if len(shown) > same:
        gone = range(shown[same].message.sequence, shown[-1].message.sequence + 1)
    moved = tuple(stored for stored, old in zip(told[:same], shown, strict=False) if stored != old)
    return UnfinalizedChange(told, told[same:], moved, gone, gone.start if gone else None)


def _count_same(before: Iterable[StoredMessage], now: Iterable[StoredMessage]) -> int:
    """Return how many messages from the first on are the same ones, whatever their block."""
    count = 0
    for old, new in zip(before, now, strict=False):
        if old.leaf != new.leaf:
            break
        count += 1
    return count
