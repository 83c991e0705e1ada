# SPDX-License-Identifier: MIT
"""A message's story: told by a relayer's journal where one has it, else by what the chains show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from relayer.protocol.delivery import DeliveryState, Waiting

if TYPE_CHECKING:
    from relayer.journal.rows import Story as JournalStory


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step. `at_s` is seconds since 1970, None where nobody noted it; `detail` is what made it."""

    state: DeliveryState
    at_s: float | None
    detail: Mapping[str, Any]
    tx_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of a message, oldest step first.

    `told_by` is `journal` for a relayer's own notes, `chains` for what can be seen from outside: then only its sending and
    its delivery are told. `waiting` is None once nothing more can happen, or where nobody knows.
    """

    state: DeliveryState
    waiting: Waiting | None
    steps: tuple[StoryStep, ...]
    told_by: Literal["journal", "chains"]


def from_journal(story: JournalStory) -> Story:
    """Turn the journal's story into the library's."""
    steps = tuple(
        StoryStep(step.state, step.at / 1_000_000, dict(step.detail), step.tx_hash) for step in story.steps
    )
    return Story(story.state, story.waiting, steps, "journal")
