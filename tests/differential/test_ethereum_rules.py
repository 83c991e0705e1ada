# SPDX-License-Identifier: MIT
"""INV-7 and INV-8 for the Ethereum light client, rule by rule (`tests/differential/rules.py`)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.differential.clients import Case, Deployed, deploy, live_on
from tests.differential.ethereum_cases import (
    DRIFT,
    EPOCH,
    EPOCH_SLOTS,
    FIRST,
    PERIOD,
    PERIOD_SLOTS,
    Setting,
    World,
    clock,
    find_anchor,
    find_freeze,
    find_update,
    make_world,
    sign,
)
from tests.differential.ethereum_twins import BEACON, creation_of
from tests.differential.evm import Anvil
from tests.differential.rules import Rule, check_refused, check_rules
from tests.support.beacon import Committee, Draft, join, resign, seat, signed_parts, stray_signature

SIZE = 8
TRUSTED = FIRST + 9
#: The fork in which no execution is shown, the one after it, and the newest.
ALTAIR, CAPELLA, ELECTRA = 1, 2, 4
#: The first slot of the next period.
NEXT = FIRST + PERIOD_SLOTS
ORDINARY = Setting(SIZE, ((0, ELECTRA),), ("ordinary", "ordinary"), TRUSTED, knows_next=True)


def open_world(
    anvil: Anvil, authority: bytes, setting: Setting, *, anchored: bool = False
) -> tuple[World, Deployed]:
    """A world of its own seed, and both clients of it."""
    world = make_world(random.Random("rules"), setting)
    story = [find_anchor(world)] if anchored else []
    deployed = deploy(
        anvil, BEACON, world.client, creation_of(world.client, authority), story, world.client.timestamp
    )
    return replace(world, client=deployed.client), deployed


def signed_by(world: World, draft: Draft, committee: Committee) -> bytes:
    """A draft that this committee signs, whatever its period."""
    return join(signed_parts(draft, committee, world.network))


def update(world: World, data: bytes, now: int = 0) -> Case:
    return Case("update", data, now=now or clock(world))


def test_committees_and_periods(anvil: Anvil, authority: bytes) -> None:
    """INV-7: only the committee of the signature's period signs."""
    world, deployed = open_world(anvil, authority, ORDINARY)
    good = Draft(TRUSTED + 3, TRUSTED + 2, TRUSTED + 1)
    following = Draft(NEXT + 3, NEXT + 2, NEXT + 1)
    earlier = Draft(FIRST - 1, FIRST - 2, FIRST - 3)
    later = Draft(NEXT + PERIOD_SLOTS + 1, NEXT + PERIOD_SLOTS, NEXT + PERIOD_SLOTS)
    good_case, next_case = update(world, sign(world, good)), update(world, sign(world, following))
    now = clock(world) + PERIOD_SLOTS * 6
    check_rules(
        anvil,
        deployed,
        [
            Rule("no earlier period", "PeriodUnknown", good_case, update(world, sign(world, earlier))),
            Rule(
                "no period but the next", "PeriodUnknown", next_case, update(world, sign(world, later), now)
            ),
            Rule(
                "another period's committee",
                "NotTrustedCommittee",
                good_case,
                update(world, signed_by(world, good, world.committees[PERIOD + 1])),
            ),
            Rule(
                "this period's committee in the next",
                "NotTrustedCommittee",
                next_case,
                update(world, signed_by(world, following, world.committees[PERIOD])),
            ),
        ],
    )


def test_a_committee_that_served_signs_nothing_more(anvil: Anvil, authority: bytes) -> None:
    """INV-7: the ring of two committees keeps the former one where the unknown next one will stand."""
    world, deployed = open_world(anvil, authority, ORDINARY)

    def has_rotated(client: object) -> bool:
        state = getattr(client, "state", None)
        return state is not None and state.finalized_slot >= NEXT and state.next_committee is None

    deployed, _ = live_on(anvil, deployed, find_update(world, has_rotated))
    world = replace(world, client=deployed.client)
    after = NEXT + PERIOD_SLOTS
    good = Draft(NEXT + 40, NEXT + 39, NEXT + 38)
    stale = Draft(after + 2, after + 1, after)
    check_rules(
        anvil,
        deployed,
        [
            Rule(
                "the former committee in the period after the next",
                "PeriodUnknown",
                update(world, sign(world, good)),
                update(world, signed_by(world, stale, world.committees[PERIOD])),
            ),
            Rule(
                "the former committee in this period",
                "NotTrustedCommittee",
                update(world, sign(world, good)),
                update(world, signed_by(world, good, world.committees[PERIOD])),
            ),
        ],
    )


def test_slots_and_the_next_committee(anvil: Anvil, authority: bytes) -> None:
    world, deployed = open_world(anvil, authority, ORDINARY)
    good = Draft(TRUSTED + 3, TRUSTED + 2, TRUSTED + 1)
    shown = replace(good, next_committee=world.committees[PERIOD + 1].root)
    across = Draft(NEXT + 3, NEXT + 2, NEXT - 1)

    def pair(name: str, error: str, one: Draft, other: Draft) -> Rule:
        return Rule(name, error, update(world, sign(world, one)), update(world, sign(world, other)))

    check_rules(
        anvil,
        deployed,
        [
            pair(
                "signed after attested",
                "SlotsOutOfOrder",
                good,
                replace(good, signature_slot=good.attested_slot),
            ),
            pair(
                "attested not before finalized",
                "SlotsOutOfOrder",
                replace(good, finalized_slot=good.attested_slot),
                replace(good, finalized_slot=good.attested_slot + 1, signature_slot=good.signature_slot + 1),
            ),
            pair("above the trusted slot", "HeightNotAbove", good, replace(good, finalized_slot=TRUSTED)),
            pair("no committee of zero", "CommitteeZero", shown, replace(shown, next_committee=bytes(32))),
            pair(
                "the known next committee",
                "NextCommitteeDiffers",
                shown,
                replace(shown, next_committee=b"\x01" * 32),
            ),
            pair(
                "shown within one period",
                "PeriodsDiffer",
                across,
                replace(across, next_committee=world.committees[PERIOD + 2].root),
            ),
        ],
    )


def test_members_and_signature(anvil: Anvil, authority: bytes) -> None:
    """INV-7: no quorum, no trust."""
    world, deployed = open_world(anvil, authority, ORDINARY)
    most = SIZE - world.client.params.threshold
    good = Draft(TRUSTED + 3, TRUSTED + 2, TRUSTED + 1)
    few = replace(good, absent=tuple(range(most)))
    committee = world.committees[PERIOD]
    parts = signed_parts(good, committee, world.network)
    some = signed_parts(few, committee, world.network)
    present = [place not in few.absent for place in range(SIZE)]
    fewer = [place > most for place in range(SIZE)]
    good_case, few_case = update(world, join(parts)), update(world, join(some))
    nobody = parts | {"flags": b"\x01", "pubkeys_root": b"", "absent": bytes(SIZE // 8)}
    other_root = parts | {"parent_root": b"\x01" * 32}
    stranger = seat("stranger").xy

    def broken(name: str, error: str, case: Case, changed: dict[str, bytes]) -> Rule:
        return Rule(name, error, case, update(world, join(changed)))

    check_rules(
        anvil,
        deployed,
        [
            broken(
                "two thirds take part",
                "ParticipationTooLow",
                few_case,
                signed_parts(replace(few, absent=(*few.absent, most)), committee, world.network),
            ),
            broken("the absent are somebody", "NobodyAbsent", good_case, nobody),
            broken("flags are known", "FormUnknown", good_case, parts | {"flags": b"\x04"}),
            broken(
                "signed by all who are named",
                "SignatureInvalid",
                few_case,
                resign(some, committee, world.network, fewer),
            ),
            broken("what is signed is what is shown", "SignatureInvalid", good_case, other_root),
            broken(
                "a signature is not infinity",
                "SignatureInfinity",
                good_case,
                parts | {"signature": bytes(192)},
            ),
            broken(
                "a signature is in its subgroup",
                "PrecompileFailed",
                good_case,
                parts | {"signature": stray_signature()},
            ),
            broken(
                "the sum of keys is the committee's",
                "NotTrustedCommittee",
                good_case,
                resign(parts | {"aggregate_key": stranger}, committee, world.network, [True] * SIZE),
            ),
            broken(
                "an absent key is the member's",
                "NotTrustedCommittee",
                few_case,
                resign(some | {"keys": stranger + some["keys"][96:]}, committee, world.network, present),
            ),
        ],
    )


@pytest.mark.parametrize(
    ("kind", "absent", "error"),
    [("cancelling", (0,), "AggregateInfinity"), ("infinite", (), "KeyInvalid")],
)
def test_keys_of_odd_committees(
    anvil: Anvil, authority: bytes, kind: str, absent: tuple[int, ...], error: str
) -> None:
    """INV-7: a committee whose keys cancel out, or whose sum is none, signs nothing by itself."""
    world, deployed = open_world(
        anvil, authority, replace(ORDINARY, kinds=(kind, "ordinary"), trusted_slot=TRUSTED)
    )
    good = Draft(NEXT + 3, NEXT + 2, NEXT + 1)
    odd = Draft(TRUSTED + 3, TRUSTED + 2, TRUSTED + 1, absent)
    rule = Rule(kind, error, update(world, sign(world, good)), update(world, sign(world, odd)))
    check_rules(anvil, deployed, [rule])


def test_forks(anvil: Anvil, authority: bytes) -> None:
    """Nothing before the first fork is believed, whoever signed it; a version is that of the slot before."""
    first, second = EPOCH + 1, EPOCH + 2
    start, border = first * EPOCH_SLOTS, second * EPOCH_SLOTS
    setting = Setting(
        SIZE, ((first, CAPELLA), (second, ELECTRA)), ("ordinary", "ordinary"), start + 1, knows_next=False
    )
    world, deployed = open_world(anvil, authority, setting)
    # Its period's next committee is news, so a slot that is not above the trusted one is believed.
    news = Draft(start + 4, start + 3, start, next_committee=world.committees[PERIOD + 1].root)
    before = replace(news, finalized_slot=start - 1)
    both = Draft(start + 4, start + 3, start)
    both_before = replace(both, finalized_slot=start - 1)
    freeze_good = sign(world, both) + sign(world, replace(both, seed="another"))
    freeze_before = sign(world, both_before) + sign(world, replace(both_before, seed="another"))
    at_border = Draft(border, border - 1, border - 2)
    committee = world.committees[PERIOD]
    right = signed_parts(at_border, committee, world.network)
    # The same bytes, signed under the version of the signature's own slot.
    renamed = replace(world.network, forks=((0, world.network.forks[1][1], CAPELLA),))
    wrong = resign(right, committee, renamed, [True] * SIZE)
    now = clock(world)
    check_rules(
        anvil,
        deployed,
        [
            Rule(
                "no finalized slot before the first fork",
                "BeforeFirstFork",
                update(world, sign(world, news)),
                update(world, sign(world, before)),
            ),
            Rule(
                "no misbehaviour before the first fork",
                "BeforeFirstFork",
                Case("freeze", freeze_good, now=now),
                Case("freeze", freeze_before, now=now),
            ),
            Rule(
                "the version of the slot before",
                "SignatureInvalid",
                update(world, join(right)),
                update(world, join(wrong)),
            ),
        ],
    )


def test_time_and_length(anvil: Anvil, authority: bytes) -> None:
    """INV-7: nothing from the future, nothing after the trusting period; no byte more or less."""
    world, deployed = open_world(anvil, authority, ORDINARY)
    good = Draft(TRUSTED + 3, TRUSTED + 2, TRUSTED + 1)
    data = sign(world, good)
    signed_at = world.client.params.timestamp_at(good.signature_slot)
    expiry = world.client.timestamp + world.client.params.trusting_period_s
    now = clock(world)
    check_rules(
        anvil,
        deployed,
        [
            Rule(
                "not ahead by more than the drift",
                "TimestampInFuture",
                update(world, data, signed_at - DRIFT),
                update(world, data, signed_at - DRIFT - 1),
            ),
            Rule(
                "within the trusting period",
                "NotActive",
                update(world, data, expiry),
                update(world, data, expiry + 1),
            ),
            Rule("nothing left over", "LengthMismatch", update(world, data), update(world, data + b"\0")),
            Rule(
                "nothing read behind the end",
                "LengthMismatch",
                update(world, data),
                Case("update", data[:-1], data[-1:], now),
            ),
        ],
    )


def test_proofs_and_anchors(anvil: Anvil, authority: bytes) -> None:
    world, deployed = open_world(anvil, authority, ORDINARY, anchored=True)
    anchored = world.client.state.anchor
    assert anchored is not None
    good = Draft(
        TRUSTED + 3, TRUSTED + 2, TRUSTED + 1, state_root=world.root, block_number=anchored.height + 1
    )
    proof = world.storage + world.account
    other = replace(good, state_root=b"\x01" * 32)
    now = clock(world)

    def asked(form: int, draft: Draft | None) -> Case:
        return Case("storageAt", bytes([form]) + proof + (sign(world, draft) if draft else b""), now=now)

    def anchor(draft: Draft) -> Case:
        assert draft.state_root is not None
        return Case("anchor", draft.state_root + sign(world, draft), now=now)

    ahead = Draft(TRUSTED + 3, TRUSTED + 2, TRUSTED + 1, state_root=world.root, block_number=anchored.height)
    check_rules(
        anvil,
        deployed,
        [
            Rule("the proof leads to what is signed", "SignatureInvalid", asked(0, good), asked(0, other)),
            Rule("a proof's form is known", "FormUnknown", asked(1, None), asked(2, None)),
            Rule("an anchor is above the last", "HeightNotAbove", anchor(good), anchor(ahead)),
        ],
    )
    moved, _ = live_on(anvil, deployed, anchor(replace(other, block_number=anchored.height + 2)))
    check_rules(
        anvil,
        moved,
        [Rule("the anchored root", "NotAnchoredRoot", asked(0, good), asked(1, None))],
    )
    fresh, without = open_world(anvil, authority, ORDINARY)
    assert fresh.client.state.anchor is None
    check_rules(anvil, without, [Rule("an anchor is there", "NoAnchor", asked(0, good), asked(1, None))])


def test_headers_without_execution(anvil: Anvil, authority: bytes) -> None:
    setting = replace(ORDINARY, forks=((0, ALTAIR), (EPOCH + 2, CAPELLA)))
    world, deployed = open_world(anvil, authority, setting)
    border = (EPOCH + 2) * EPOCH_SLOTS
    proof = b"\0" + world.storage + world.account
    good = Draft(border + 3, border + 2, border, state_root=world.root)
    bare = replace(good, finalized_slot=border - 1)
    now = clock(world)
    check_rules(
        anvil,
        deployed,
        [
            Rule(
                "headers of the fork show their execution",
                "NoExecution",
                Case("storageAt", proof + sign(world, good), now=now),
                Case("storageAt", proof + sign(world, bare), now=now),
            )
        ],
    )


def test_misbehaviour(anvil: Anvil, authority: bytes) -> None:
    """Two headers of one slot or two next committees freeze; honest reorganisations do not."""
    world, deployed = open_world(anvil, authority, ORDINARY)
    one = Draft(TRUSTED + 3, TRUSTED + 2, TRUSTED + 1, seed="one")
    reorganised = replace(one, extra={"parent_root": b"\x02" * 32})
    later = replace(one, finalized_slot=TRUSTED + 2, seed="other")
    shown = replace(one, next_committee=world.committees[PERIOD + 1].root)
    shown_later = replace(later, next_committee=shown.next_committee)
    differs = replace(later, next_committee=b"\x01" * 32)
    now = clock(world)

    def freeze(first: Draft, second: Draft) -> Case:
        return Case("freeze", sign(world, first) + sign(world, second), now=now)

    two_headers = freeze(one, replace(one, seed="other"))
    check_rules(
        anvil,
        deployed,
        [
            Rule("two attested headers are honest", "NoMisbehaviour", two_headers, freeze(one, reorganised)),
            Rule("two slots are honest", "NoMisbehaviour", two_headers, freeze(one, later)),
            Rule(
                "one next committee twice is honest",
                "NoMisbehaviour",
                freeze(shown, differs),
                freeze(shown, shown_later),
            ),
        ],
    )
    frozen, _ = live_on(anvil, deployed, find_freeze(world))
    check_refused(anvil, frozen, update(world, sign(world, one)), "NotActive")
