# SPDX-License-Identifier: MIT
"""When to ask beacon nodes for updates and for finality. Pure: it is told the time, and how far we are.

Asking goes in rounds, one for every head of the execution chain that is looked at. A round asks for

1. updates of periods, while by the clock the committee after the current one is not known. One request is for
   at most MOST_UPDATES periods, and while answers lead on the next one follows at once. Where nodes have none
   that leads on, the next try is an epoch later, for a period's first finalized block comes some epochs into
   it; or a slot later where not even the current committee is known. By the clock a chain that stands still
   seems to be behind; whether it is shows with finality, so that these pauses are all that it costs.
2. finality, where a newer header is wanted or needed. It is asked for once a slot, or once a head where heads
   come faster, for nothing newer can come in between.

A finality update that is signed by a committee which is not known shows that the chain is ahead of what the
clock led to. Then, once a round, updates are asked for without any pause, and finality again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from light_clients.client import Height, Timestamp
from light_clients.ethereum.config import NetworkConfig, Period
from relayer.chains.base import Head

#: Updates in one request; nodes give no more (`MAX_REQUEST_LIGHT_CLIENT_UPDATES`).
MOST_UPDATES: Final = 128
# A block of epoch e is final when epoch e + 3 begins, at the earliest, and a signature over that comes a slot
# or two later.
_EPOCHS_TO_FINALITY: Final = 3
_SLOTS_TO_SIGNATURE: Final = 2
_NEVER_S: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class UpdatesRequest:
    """Asks for the best updates of up to `count` periods from `start` on."""

    start: Period
    count: int


@dataclass(frozen=True, slots=True)
class FinalityRequest:
    """Asks for the newest finality update."""


class _Finality(Enum):
    """How far a round is with asking for finality."""

    NOT_ASKED = "not asked"
    ASKED = "asked once"
    AGAIN = "to be asked again"
    ASKED_AGAIN = "asked twice"


class Schedule:
    """The times of asking of one network. Times are seconds since 1970.

    Args:
        network: whose slots, epochs and periods count.
    """

    def __init__(self, network: NetworkConfig) -> None:
        self._network = network
        self._slot_s = network.slot_duration_ms / 1_000
        self._epoch_s = network.preset.slots_per_epoch * self._slot_s
        self._updates_asked_at = _NEVER_S
        self._finality_asked_at = _NEVER_S
        self._asked_head = Height(0)
        # Of the round.
        self._head = Height(0)
        self._wanted = False
        self._may_ask_updates = True
        self._finality = _Finality.NOT_ASKED

    def begin(self, head: Height | None, *, wanted: bool) -> None:
        """Begin a round, and end the one before.

        Args:
            head: of the execution chain; None stands for the newest one at which finality was asked for.
            wanted: whether somebody waits for a newer header.
        """
        self._head = self._asked_head if head is None else head
        self._wanted = wanted
        self._may_ask_updates = True
        self._finality = _Finality.NOT_ASKED

    def next_request(
        self, known_until: Period, now: float, *, needed: bool
    ) -> UpdatesRequest | FinalityRequest | None:
        """What to ask for next; it counts as asked from now on. None when the round is over.

        Args:
            known_until: the last period whose committee is known.
            now: our own time.
            needed: whether a newer header is needed though nobody waits for one.
        """
        current = self._network.period_at(self._network.slot_at(Timestamp(int(now))))
        if self._are_updates_due(known_until, current, now):
            self._updates_asked_at = now
            return UpdatesRequest(known_until, min(current - known_until + 1, MOST_UPDATES))
        if self._is_finality_due(now, needed=needed):
            is_first = self._finality is _Finality.NOT_ASKED
            self._finality = _Finality.ASKED if is_first else _Finality.ASKED_AGAIN
            self._finality_asked_at, self._asked_head = now, self._head
            return FinalityRequest()
        return None

    def continue_updates(self) -> None:
        """Updates led on: where more are needed, they are asked for without a pause."""
        self._updates_asked_at = _NEVER_S

    def pause_updates(self) -> None:
        """Nodes have no updates that lead on: ask again when the pause is over, and in a later round."""
        self._may_ask_updates = False

    def ask_again(self) -> bool:
        """Ask for updates without a pause, then for finality again. False where this round has done that."""
        if self._finality is not _Finality.ASKED:
            return False
        self._finality = _Finality.AGAIN
        self._may_ask_updates = True
        self._updates_asked_at = _NEVER_S
        return True

    def _are_updates_due(self, known_until: Period, current: Period, now: float) -> bool:
        if known_until > current or not self._may_ask_updates:
            return False
        pause_s = self._slot_s if known_until < current else self._epoch_s
        return _is_over(pause_s, self._updates_asked_at, now)

    def _is_finality_due(self, now: float, *, needed: bool) -> bool:
        if self._finality is not _Finality.NOT_ASKED:
            return self._finality is _Finality.AGAIN
        if not (self._wanted or needed):
            return False
        return self._head > self._asked_head or _is_over(self._slot_s, self._finality_asked_at, now)


def usual_lag(network: NetworkConfig) -> int:
    """By how many slots finality trails the head of a healthy chain, at most."""
    return _EPOCHS_TO_FINALITY * network.preset.slots_per_epoch + _SLOTS_TO_SIGNATURE


def describe_finality_wait(network: NetworkConfig, head: Head, number: Height, now: float) -> str:
    """How far an execution block is from being final, for people: `12 of about 26 slots`.

    The slot of the block is reckoned back from the head's. A missed slot makes it seem nearer than it is.
    """
    slots_per_epoch = network.preset.slots_per_epoch
    slot = max(0, network.slot_at(head.timestamp) - max(0, head.number - number))
    final_at = (slot // slots_per_epoch + _EPOCHS_TO_FINALITY) * slots_per_epoch + _SLOTS_TO_SIGNATURE
    passed, needed = network.slot_at(Timestamp(int(now))) - slot, final_at - slot
    late = ", which is late" if passed > needed else ""
    return f"{max(0, passed)} of about {needed} slots{late}"


def _is_over(pause_s: float, since: float, now: float) -> bool:
    """Whether a pause is over. It is where our clock was set back, for nobody knows how long ago it began."""
    return not since <= now < since + pause_s
