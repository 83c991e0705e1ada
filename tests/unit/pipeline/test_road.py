# SPDX-License-Identifier: MIT
"""The whole pipeline between in-memory chains: what it delivers, what it refuses to pay for, what it says while it waits."""

from __future__ import annotations

from pathlib import Path

from tests.unit.pipeline.road import running_road, two_chains


async def test_messages_go_both_ways_and_are_confirmed(tmp_path: Path) -> None:
    async with running_road(tmp_path, two_chains()) as road:
        there = road.send("a", "b", 3)
        back = road.send("b", "a", 2)
        await road.mine_until(lambda: road.is_confirmed([*there, *back]))
        assert road.word("a", "b") == 0b111
        assert road.word("b", "a") == 0b11
        story = road.journal.story(there[0].id)
        assert story is not None
        assert [step.state.value for step in story.steps] == [
            "observed",
            "verified",
            "proven",
            "submitted",
            "included",
            "confirmed",
        ]
        assert story.waiting is None
        assert road.journal.pending() == ()
