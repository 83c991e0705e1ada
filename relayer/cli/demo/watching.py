# SPDX-License-Identifier: MIT
"""The road of the messages, as the relayer's journal tells it while it happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.live import Live
from rich.table import Table

from relayer.cli.demo.console import DemoConsole
from relayer.errors import ChainUnavailable
from relayer.protocol.delivery import DeliveryState
from relayer.road import RoadMessage
from relayer.text import hex_of, short

if TYPE_CHECKING:
    from relayer.journal.store import Journal

STEPS: Final = ("watch", "verify", "prove", "submit", "confirm")
_STEP_OF: Final = {
    DeliveryState.OBSERVED: "watch",
    DeliveryState.VERIFIED: "verify",
    DeliveryState.PROVEN: "prove",
    DeliveryState.SUBMITTED: "submit",
    DeliveryState.CONFIRMED: "confirm",
}
_POLL_S: Final = 0.08


@dataclass(slots=True)
class Track:
    """One message on its road.

    Attributes:
        message: as it was sent.
        sent_at: when its sending began, in seconds since 1970.
        steps: by name of a step, the seconds after that until it was journalled.
        details: by name of a step, what is printed behind it.
    """

    message: RoadMessage
    sent_at: float
    steps: dict[str, float] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)

    @property
    def is_confirmed(self) -> bool:
        """Whether the destination's light client has proven its bit."""
        return "confirm" in self.steps

    @property
    def name(self) -> str:
        """How it is called on the console."""
        message = self.message
        return f"{hex_of(message.id[:4])}  {message.source} → {message.destination} #{message.sequence}"


async def watch(
    console: DemoConsole,
    journal: Journal,
    tracks: Sequence[Track],
    total: int,
    timeout_s: float,
    believed: Mapping[str, str],
) -> None:
    """Show the messages' steps until all are confirmed.

    Args:
        console: where they are shown.
        journal: of the relayer.
        tracks: of the messages; grows while they are sent.
        total: how many there will be.
        timeout_s: how long all of it may take.
        believed: by a chain's name, why its headers are believed.

    Raises:
        ChainUnavailable: it takes longer.
    """
    ends_at = time.monotonic() + timeout_s
    if not console.is_live:
        await _follow(console, journal, tracks, total, ends_at, believed)
        return
    with Live(_table(tracks), console=console.console, refresh_per_second=12) as live:
        while not _is_done(tracks, total):
            await _read(journal, tracks, believed)
            live.update(_table(tracks))
            await _pause(tracks, ends_at)
        live.update(_table(tracks))


async def _follow(
    console: DemoConsole,
    journal: Journal,
    tracks: Sequence[Track],
    total: int,
    ends_at: float,
    believed: Mapping[str, str],
) -> None:
    told = 0
    while not _is_done(tracks, total):
        for track in tracks[told:]:
            console.stamped(
                f"{track.name}  sent    in block {track.message.block_number} of {track.message.source}"
            )
        told = len(tracks)
        for track, step in await _read(journal, tracks[:told], believed):
            console.stamped(f"{track.name}  {step:<7} {track.details.get(step, '')}")
        await _pause(tracks, ends_at)


def _is_done(tracks: Sequence[Track], total: int) -> bool:
    return len(tracks) == total and all(track.is_confirmed for track in tracks)


async def _pause(tracks: Sequence[Track], ends_at: float) -> None:
    if time.monotonic() > ends_at:
        late = [track for track in tracks if not track.is_confirmed]
        found = (
            f"{late[0].name} got no further than {', '.join(late[0].steps) or 'being sent'}"
            if late
            else "no message"
        )
        raise ChainUnavailable(
            found,
            "all messages confirmed",
            "Run the demo again with POSTROAD_DEBUG=1; is the machine very busy?",
        )
    await asyncio.sleep(_POLL_S)


async def _read(
    journal: Journal, tracks: Sequence[Track], believed: Mapping[str, str]
) -> list[tuple[Track, str]]:
    """Take up what is new in the journal, in the order in which it happened."""
    news: list[tuple[float, Track, str]] = []
    for track in tracks:
        if track.is_confirmed:
            continue
        story = await asyncio.to_thread(journal.story, track.message.id)
        for step in () if story is None else story.steps:
            name, at = _STEP_OF.get(step.state), step.at / 1_000_000
            if name is None or name in track.steps:
                continue
            track.steps[name] = max(0.0, at - track.sent_at)
            track.details[name] = _detail(
                name, dict(step.detail), step.tx_hash, believed[track.message.source]
            )
            news.append((at, track, name))
    in_order = sorted(news, key=lambda step: (step[0], STEPS.index(step[2])))
    return [(track, name) for _, track, name in in_order]


def _detail(step: str, detail: dict[str, object], tx_hash: bytes | None, believed: str) -> str:
    if step == "watch":
        blocks = detail.get("blocks")
        return f"in the logs of block {blocks[0]}" if isinstance(blocks, list) else ""
    if step == "submit":
        count = detail.get("messages", 1)
        return f"transaction {short(tx_hash or b'')} with {count} message{'' if count == 1 else 's'}"
    said = {
        "verify": f"header of block {{}} believed: {believed}",
        "prove": "its page's head proven in block {}",
        "confirm": "its bit proven in block {} of the destination",
    }[step]
    return said.format(detail.get("height", "?"))


def _table(tracks: Sequence[Track]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    # Where the terminal is narrow, long names are wrapped and no step is cut off.
    table.add_column("message", overflow="fold")
    for step in STEPS:
        table.add_column(step, justify="right", no_wrap=True)
    for track in tracks:
        done = [
            f"[green]✓[/] {track.steps[step]:4.1f} s" if step in track.steps else "[dim]·[/]"
            for step in STEPS
        ]
        table.add_row(track.name, *done)
    return table
