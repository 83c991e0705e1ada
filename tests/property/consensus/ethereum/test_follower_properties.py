# SPDX-License-Identifier: MIT
"""However time passes and whatever nodes answer, a follower asks within its bounds, and every round ends."""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from light_clients.client import Height
from light_clients.ethereum.config import Period
from relayer.consensus.ethereum.follower import BootstrapRequest
from relayer.consensus.ethereum.schedule import MOST_UPDATES, FinalityRequest, UpdatesRequest
from relayer.consensus.ethereum.store import Followed
from relayer.errors import ClientExpired, NotFoundYet
from tests.support.ethereum import PERIOD, SPE
from tests.support.ethereum_followed import (
    at,
    finality_followed,
    make_finality,
    make_follower,
    make_store,
    updates_followed,
)

#: In slots; two thirds of it are 400, more than six periods.
TRUSTING_PERIOD = 600


@dataclass(frozen=True)
class Replies:
    """How nodes answer in a round. Where a list is at its end, its last entry goes on.

    Attributes:
        updates: how many periods an answer leads on; 0 where none does, -1 where nobody answers at all.
        finality: "newer", "same", "missing", "unknown" (signed by an unknown committee) or "down" (nobody
            answers).
        slots: how long an answer takes.
    """

    updates: tuple[int, ...]
    finality: tuple[str, ...]
    slots: float


REPLIES = st.builds(
    Replies,
    st.lists(st.integers(-1, 5), min_size=1, max_size=4).map(tuple),
    st.lists(st.sampled_from(["newer", "same", "missing", "unknown", "down"]), min_size=1, max_size=3).map(
        tuple
    ),
    st.sampled_from([0.0, 0.0, 0.25, 2.0, 2.0 * SPE]),
)


class NobodyAnswersError(Exception):
    """Ends a round in the middle, as ChainUnavailable does."""


class Following(RuleBasedStateMachine):
    """A follower, and what it has asked. Times are slots, in fractions that floats hold exactly."""

    @initialize(knows_next=st.booleans())
    def begin_to_trust(self, knows_next: bool) -> None:
        self.follower = make_follower(trusting_period_s=2 * TRUSTING_PERIOD)
        self.now, self.head = 30.0, 1
        self.follower.take(BootstrapRequest(b""), Followed(make_store(24, knows_next=knows_next)))
        self.finality_at, self.finality_head = -1e9, 0
        self.updates_missed_at = -1e9

    @rule(slots=st.sampled_from([0.25, 0.5, 1.0, 3.0, SPE, PERIOD / 2, PERIOD, 5.0 * PERIOD]))
    def let_time_pass(self, slots: float) -> None:
        self.now += slots

    @rule()
    def see_a_new_head(self) -> None:
        self.head += 1

    @rule(wanted=st.booleans(), replies=REPLIES)
    def go_a_round(self, wanted: bool, replies: Replies) -> None:
        self.follower.begin(Height(self.head), wanted=wanted)
        self.looks, self.saw_unknown, began_at = 0, False, self.now
        updates, finality = list(replies.updates), list(replies.finality)
        first_known = self.known_until
        requests = 0
        try:
            while (request := self.follower.next_request(at(self.now))) is not None:
                requests += 1
                assert requests <= self.known_until - first_known + 4, "the round has no end"
                if isinstance(request, UpdatesRequest):
                    self.check_updates(request)
                    self.answer_updates(request, updates.pop(0) if len(updates) > 1 else updates[0])
                else:
                    assert isinstance(request, FinalityRequest)
                    self.check_finality(wanted=wanted)
                    self.answer_finality(request, finality.pop(0) if len(finality) > 1 else finality[0])
                self.now += replies.slots
        except ClientExpired:
            assert self.age > TRUSTING_PERIOD
        except (NobodyAnswersError, NotFoundYet):
            pass
        else:
            # Who waits is served: finality was asked for in this slot, or at this head.
            assert not wanted or self.finality_at > began_at - 1

    @invariant()
    def trust_is_never_ahead_of_time(self) -> None:
        assert self.age >= 0

    # --- what is asserted of requests ---

    def check_updates(self, request: UpdatesRequest) -> None:
        current = int(self.now) // PERIOD
        assert request.start == self.known_until
        assert 1 <= request.count <= MOST_UPDATES
        assert request.start + request.count - 1 <= current
        pause = SPE if self.known_until == current else 1
        assert self.now >= self.updates_missed_at + pause or self.saw_unknown

    def check_finality(self, *, wanted: bool) -> None:
        self.looks += 1
        assert self.looks <= 1 + self.saw_unknown
        if self.looks == 1:
            assert wanted or self.follower.newest is None or 3 * self.age >= 2 * TRUSTING_PERIOD - 3
            assert self.now >= self.finality_at + 1 or self.head > self.finality_head
        self.finality_at, self.finality_head = self.now, self.head

    # --- what nodes answer ---

    def answer_updates(self, request: UpdatesRequest, periods: int) -> None:
        if periods > 0:
            count = min(periods, request.count)
            # The last period has to be so far on that its middle is final.
            if (request.start + count - 1) * PERIOD + PERIOD // 2 + 3 * SPE <= self.now:
                self.follower.take(request, updates_followed(request.start, count))
                self.updates_missed_at = -1e9
                return
        self.updates_missed_at = self.now
        if periods < 0:
            raise NobodyAnswersError
        self.follower.miss(request, NotFoundYet("no updates"))

    def answer_finality(self, request: FinalityRequest, reply: str) -> None:
        trusted = self.trusted_slot
        newer = min(int(self.now) - 3 * SPE, (self.known_until + 1) * PERIOD - 1)
        if reply == "down":
            raise NobodyAnswersError
        if reply == "unknown":
            self.saw_unknown = True
            unknown = make_finality(trusted, signature_slot=(self.known_until + 1) * PERIOD)
            try:
                self.follower.check_finality(unknown, at(self.now))
            except NotFoundYet as error:
                self.follower.miss(request, error)
                return
            raise AssertionError("a signature by an unknown committee was let through")
        if reply == "newer" and newer > trusted:
            knows_next = newer // PERIOD < self.known_until
            self.follower.take(request, finality_followed(newer, knows_next=knows_next))
        elif reply == "same" and self.follower.store is not None:
            self.follower.take(request, Followed(self.follower.store))
        else:
            self.follower.miss(request, NotFoundYet("nothing newer"))

    @property
    def known_until(self) -> Period:
        assert self.follower.store is not None
        return self.follower.rules.known_until(self.follower.store)

    @property
    def trusted_slot(self) -> int:
        return self.follower.client.state.finalized_slot

    @property
    def age(self) -> float:
        """Of what is trusted."""
        return self.now - self.trusted_slot


TestFollowing = Following.TestCase
