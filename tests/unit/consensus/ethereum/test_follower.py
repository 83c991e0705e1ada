# SPDX-License-Identifier: MIT
"""What a follower asks for, takes and says, by tables of cases: no event loop, no chain, no signature.

That answers are verified is tested on simulated chains: test_prover.py, test_evidence.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from light_clients.client import Height
from light_clients.ethereum.config import Period, Slot
from relayer.chains.base import Head
from relayer.consensus.ethereum.follower import BootstrapRequest, EthereumFollower, Request
from relayer.consensus.ethereum.schedule import FinalityRequest, UpdatesRequest
from relayer.consensus.ethereum.store import Followed, encode_store
from relayer.errors import ClientExpired, MisbehaviourFound, NotFoundYet
from tests.support.ethereum import PERIOD, SPE
from tests.support.ethereum_followed import (
    NETWORK,
    at,
    finality_followed,
    make_committee,
    make_finality,
    make_follower,
    make_store,
    updates_followed,
)

ROOT = b"\x11" * 32
FINALITY = FinalityRequest()
MISSING = NotFoundYet("nobody has it")


def updates(start: int, count: int) -> UpdatesRequest:
    return UpdatesRequest(Period(start), count)


def trusting(
    store_slot: int, *, knows_next: bool = True, trusting_period_s: int = 100_000
) -> EthereumFollower:
    """A follower that trusts a finalized slot and has verified no header yet."""
    follower = make_follower(trusting_period_s=trusting_period_s)
    follower.take(BootstrapRequest(ROOT), Followed(make_store(store_slot, knows_next=knows_next)))
    return follower


def run_round(
    follower: EthereumFollower,
    slot: float,
    replies: Sequence[Followed | NotFoundYet | None] = (),
    *,
    wanted: bool = True,
) -> list[Request]:
    """What a round at a slot asks. Replies are taken in order; None is a finality by an unknown committee."""
    follower.begin(Height(int(slot)), wanted=wanted)
    left, asked = list(replies), []
    while (request := follower.next_request(at(slot))) is not None:
        asked.append(request)
        reply = left.pop(0)
        if isinstance(reply, Followed):
            follower.take(request, reply)
            continue
        if reply is None:
            with pytest.raises(NotFoundYet) as found:
                follower.check_finality(make_finality(90 * PERIOD), at(slot))
            reply = found.value
        follower.miss(request, reply)
    assert not left
    return asked


@dataclass(frozen=True)
class Case:
    """A round at a slot by a follower that trusts `trusted`, and what it asks and has verified afterwards."""

    slot: float
    replies: tuple[Followed | NotFoundYet | None, ...]
    asked: tuple[Request, ...]
    newest: int | None
    trusted: int = 24
    knows_next: bool = True
    wanted: bool = True


CASES = {
    "the newest finality is taken": Case(50, (finality_followed(32),), (FINALITY,), 32),
    "without a verified header finality is asked for, wanted or not": Case(
        50, (finality_followed(32),), (FINALITY,), 32, wanted=False
    ),
    "the next committee comes first": Case(
        60, (updates_followed(0, 1), finality_followed(40)), (updates(0, 1), FINALITY), 40, knows_next=False
    ),
    "the update of a period shows a header too": Case(
        60,
        (updates_followed(0, 1), Followed(make_store(32))),
        (updates(0, 1), FINALITY),
        32,
        knows_next=False,
    ),
    "an update that shows an older header than the trusted one brings a committee alone": Case(
        60,
        (
            Followed(make_store(40), updates_followed(0, 1).headers),
            Followed(make_store(40)),
        ),
        (updates(0, 1), FINALITY),
        None,
        trusted=40,
        knows_next=False,
    ),
    "a committee that comes too late does not hold finality up": Case(
        60,
        (MISSING, finality_followed(40, knows_next=False)),
        (updates(0, 1), FINALITY),
        40,
        knows_next=False,
    ),
    "missed periods come in one request": Case(
        5 * PERIOD + 30,
        (updates_followed(1, 5), finality_followed(5 * PERIOD + 8)),
        (updates(1, 5), FINALITY),
        # The last update showed a newer header than this finality.
        5 * PERIOD + 32,
    ),
    "missed periods come in as many requests as nodes need": Case(
        5 * PERIOD + 30,
        (updates_followed(1, 2), updates_followed(3, 1), updates_followed(4, 2), Followed(make_store(352))),
        (updates(1, 5), updates(3, 3), updates(4, 2), FINALITY),
        352,
    ),
    "a chain that is ahead of our clock is followed": Case(
        50,
        (None, finality_followed(PERIOD + 8)),
        (FINALITY, FINALITY),
        PERIOD + 8,
    ),
    "a committee that our pause kept from us is asked for when its signature is shown": Case(
        PERIOD,
        (MISSING, None, updates_followed(0, 2), finality_followed(PERIOD + 40)),
        (updates(0, 2), FINALITY, updates(0, 2), FINALITY),
        PERIOD + 40,
        knows_next=False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_round_asks_and_leads_to(name: str) -> None:
    case = CASES[name]
    follower = trusting(case.trusted, knows_next=case.knows_next)
    assert run_round(follower, case.slot, case.replies, wanted=case.wanted) == list(case.asked)
    assert (None if follower.newest is None else follower.newest.slot) == case.newest
    last = [reply for reply in case.replies if isinstance(reply, Followed)][-1]
    assert follower.store is last.store


def test_the_checkpoint_comes_before_everything() -> None:
    follower = make_follower()
    follower.begin(Height(1), wanted=False)
    request = follower.next_request(at(50))
    assert request == BootstrapRequest(ROOT)
    with pytest.raises(NotFoundYet, match="nobody"):
        follower.miss(request, MISSING)
    assert follower.export_state() == b""
    for read in (lambda: follower.client, lambda: follower.verified):
        with pytest.raises(NotFoundYet):
            read()
    replies = (Followed(make_store(24, knows_next=False)), updates_followed(0, 1), Followed(make_store(32)))
    assert run_round(follower, 50, replies) == [BootstrapRequest(ROOT), updates(0, 1), FINALITY]
    assert follower.client.state.finalized_slot == 32


@pytest.mark.parametrize(
    ("age_slots", "asked"), [(19, []), (20, [FINALITY]), (30, [FINALITY])], ids=["young", "old", "at its end"]
)
def test_trust_is_renewed_when_two_thirds_of_it_are_over(age_slots: int, asked: list[Request]) -> None:
    """Wanted or not: after its end only a newer checkpoint helps."""
    follower = trusting(24, trusting_period_s=60)
    run_round(follower, 50, (finality_followed(32),))
    assert run_round(follower, 32 + age_slots, (MISSING,) * len(asked), wanted=False) == asked


def test_trust_that_is_over_asks_for_nothing() -> None:
    """INV-7: weak subjectivity."""
    follower = trusting(24, trusting_period_s=60)
    follower.begin(Height(55), wanted=True)
    with pytest.raises(ClientExpired, match="newer checkpoint"):
        follower.next_request(at(24 + 31))


def test_a_finality_by_an_unknown_committee_is_tried_twice_and_then_told() -> None:
    follower = trusting(24)
    run_round(follower, 50, (finality_followed(32),))
    with pytest.raises(NotFoundYet, match="sync committee of period 90 is not known: nobody has it"):
        run_round(follower, 51 + PERIOD, (MISSING, None, MISSING, None))
    # What is not known stands in the way of nothing that is: the next round asks finality alone, until the
    # pause is over.
    assert run_round(follower, 52 + PERIOD, (MISSING,)) == [FINALITY]


def test_what_is_in_the_way_is_told_until_finality_comes() -> None:
    follower = trusting(24)
    with pytest.raises(NotFoundYet, match="nobody"):
        run_round(follower, 50, (MISSING,))
    run_round(follower, 51, (finality_followed(32),))
    head = Head(Height(52), bytes(32), bytes(32), NETWORK.timestamp_at(Slot(52)))
    assert follower.describe_finality_wait(head, Height(52), at(52)) == "0 of about 22 slots"
    run_round(follower, 52, (MISSING,))
    assert follower.describe_finality_wait(head, Height(52), at(52)) == "0 of about 22 slots; nobody has it"
    assert follower.verified.number == 32
    run_round(follower, 53, (Followed(make_store(32)),))
    assert follower.describe_finality_wait(head, Height(52), at(52)) == "0 of about 22 slots"


@pytest.mark.parametrize("slot", [32 + 3 * SPE + 2, 32 + 3 * SPE + 3])
def test_the_same_finality_again_is_enough_for_as_long_as_finality_usually_takes(slot: int) -> None:
    """Later either the chain does not finalize or a node stands still, so that other nodes are asked."""
    follower = trusting(24)
    run_round(follower, 50, (finality_followed(32),))
    told = make_finality(32)
    if slot - 32 <= 3 * SPE + 2:
        assert follower.check_finality(told, at(slot)) == Followed(make_store(32))
    else:
        with pytest.raises(NotFoundYet, match="no finality after slot 32"):
            follower.check_finality(told, at(slot))


def test_an_older_header_never_replaces_the_newest() -> None:
    follower = trusting(24)
    run_round(follower, 60, (finality_followed(40),))
    older = finality_followed(32)
    run_round(follower, 61, (Followed(make_store(32), older.headers),))
    assert follower.verified.number == 40
    assert follower.cache.header(Height(32)) is older.headers[0]


def test_a_header_that_shows_no_execution_block_is_trusted_and_proves_nothing() -> None:
    follower = trusting(24)
    (signed,) = finality_followed(32).headers
    without = Followed(make_store(32), (type(signed)(signed.update, signed.committee, signed.period),))
    run_round(follower, 50, (without,))
    assert follower.client.state.finalized_slot == 32
    assert follower.newest is None


def test_what_was_followed_is_kept_for_clients_that_lag() -> None:
    follower = trusting(24)
    run_round(follower, 2 * PERIOD, (updates_followed(1, 2), Followed(make_store(160))))
    assert [follower.cache.update(Period(period)) is not None for period in range(4)] == [
        False,
        True,
        True,
        False,
    ]
    kept = [follower.cache.committee(make_committee(period).hash_tree_root()) for period in range(5)]
    assert [committee is not None for committee in kept] == [True, True, True, True, False]


def test_two_headers_of_a_slot_are_misbehaviour_and_move_nothing() -> None:
    """INV-7: the second one is believed as little as the first one is forgotten."""
    follower = trusting(24)
    run_round(follower, 50, (finality_followed(32),))
    state = follower.export_state()
    with pytest.raises(MisbehaviourFound, match="two finalized headers of slot 32") as found:
        run_round(follower, 51, (finality_followed(32, mark=b"\x02"),))
    assert found.value.freeze_data
    assert follower.export_state() is state
    assert follower.cache.header(Height(32)) is follower.newest


def test_a_header_that_was_refused_is_half_of_the_evidence() -> None:
    """After a restart the trusted header's signature is not at hand. With it, the two are a proof."""
    follower = trusting(32)
    follower.cache.refused = finality_followed(32, mark=b"\x02").headers[0]
    with pytest.raises(MisbehaviourFound):
        run_round(follower, 50, (finality_followed(32),))
    assert follower.newest is None


@pytest.mark.parametrize(
    ("root", "begun", "is_taken"),
    [
        (ROOT, None, True),
        (b"\x22" * 32, None, False),
        (b"\x22" * 32, Slot(40), True),
        (b"\x22" * 32, Slot(41), False),
        (ROOT, Slot(41), False),
    ],
    ids=["same root", "another root", "another root, not newer", "newer", "same root, newer"],
)
def test_a_state_is_taken_unless_the_checkpoint_is_newer(
    root: bytes, begun: Slot | None, is_taken: bool
) -> None:
    follower = make_follower(slot=begun)
    follower.import_state(b"")
    assert follower.export_state() == b""
    follower.import_state(encode_store(make_store(40), root, NETWORK))
    if not is_taken:
        assert follower.store is None
        return
    assert follower.client.state.finalized_slot == 40
    # From now on it goes back to this checkpoint.
    assert follower.export_state() == encode_store(make_store(40), ROOT, NETWORK)
