# SPDX-License-Identifier: MIT
"""The sync protocol on a chain of real committees; every rule is broken once (INV-1, INV-7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from light_clients import bls
from light_clients.errors import (
    HeaderRejected,
    ProofRejected,
    PublicKeyRejected,
    QuorumNotReached,
    Rejection,
    SignatureRejected,
    UpdateRejected,
)
from light_clients.ethereum.config import MINIMAL, ForkName, Slot
from light_clients.ethereum.containers import (
    LightClientHeader,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_update
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    apply_light_client_update,
    compute_sync_committee_period_at_slot,
    get_safety_threshold,
    initialize_light_client_store,
    process_light_client_finality_update,
    process_light_client_optimistic_update,
    process_light_client_store_force_update,
    process_light_client_update,
    validate_light_client_update,
)
from tests.support.sync_chain import SyncChain, finality_of, network, optimistic_of

CONFIG = network(altair=0, capella=2, deneb=4, electra=16)
CHAIN = SyncChain(CONFIG)
LATE = Slot(10_000)
#: The first slot of Electra: 16 epochs of 8 slots, also the first of period 2.
ELECTRA = 128


@pytest.fixture
def store() -> LightClientStore:
    return initialize_light_client_store(*CHAIN.bootstrap(Slot(8)), CONFIG)


def process(
    store: LightClientStore, update: LightClientUpdate, now: int = LATE, chain: SyncChain = CHAIN
) -> LightClientStore:
    return process_light_client_update(store, update, Slot(now), chain.config)


def flip(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]


# --- bootstrap ----------------------------------------------------------------------------------------------


def test_a_bootstrap_begins_with_its_header(store: LightClientStore) -> None:
    assert store.finalized_header == store.optimistic_header == CHAIN.bootstrap(Slot(8))[1].header
    assert store.current_sync_committee == CHAIN.committee(0)
    assert store.next_sync_committee is None
    assert compute_sync_committee_period_at_slot(Slot(64), CONFIG) == 1


@pytest.mark.parametrize("slot", [8, 15, 16, 31, 32, ELECTRA - 1, ELECTRA, 500])
def test_a_bootstrap_of_every_fork_holds(slot: int) -> None:
    initialize_light_client_store(*CHAIN.bootstrap(Slot(slot)), CONFIG)


def test_a_bootstrap_that_does_not_hold_is_refused() -> None:
    root, bootstrap = CHAIN.bootstrap(Slot(40))
    with pytest.raises(UpdateRejected, match="another block"):
        initialize_light_client_store(flip(root), bootstrap, CONFIG)
    branch = bootstrap.current_sync_committee_branch
    for at in range(len(branch)):
        wrong = (*branch[:at], flip(branch[at]), *branch[at + 1 :])
        with pytest.raises(ProofRejected, match="current sync committee"):
            initialize_light_client_store(
                root, replace(bootstrap, current_sync_committee_branch=wrong), CONFIG
            )
    with pytest.raises(ProofRejected, match="current sync committee"):
        initialize_light_client_store(
            root, replace(bootstrap, current_sync_committee=CHAIN.committee(1)), CONFIG
        )
    header = bootstrap.header
    assert header.execution is not None
    other = replace(header, execution=replace(header.execution, gas_used=1))
    with pytest.raises(ProofRejected, match="execution branch"):
        initialize_light_client_store(root, replace(bootstrap, header=other), CONFIG)
    with pytest.raises(HeaderRejected, match="before the first fork"):
        initialize_light_client_store(root, bootstrap, network(altair=100))


# --- following ----------------------------------------------------------------------------------------------


def test_periods_follow_each_other_across_forks(store: LightClientStore) -> None:
    for period in range(5):
        first = 64 * period
        store = process(store, CHAIN.update(first + 40, first + 24))
        assert store.finalized_header.beacon.slot == first + 24
        assert store.optimistic_header.beacon.slot == first + 40
        assert store.current_sync_committee == CHAIN.committee(period)
        assert store.next_sync_committee == CHAIN.committee(period + 1)
        assert store.best_valid_update is None


def test_a_period_may_be_signed_but_not_skipped(store: LightClientStore) -> None:
    known = process(store, CHAIN.update(40, 24))
    with pytest.raises(UpdateRejected, match="committee that is not known"):
        process(store, CHAIN.update(72, 66))
    with pytest.raises(UpdateRejected, match="committee that is not known"):
        process(known, CHAIN.update(130, 129))
    moved = process(known, CHAIN.update(72, 66))
    assert moved.current_sync_committee == CHAIN.committee(1)
    with pytest.raises(UpdateRejected, match="committee that is not known"):
        process(moved, CHAIN.update(50, 40))


def test_the_committee_is_that_of_the_signature_slot(store: LightClientStore) -> None:
    # The last slot of period 0, signed in the first block of period 1: the next committee signs.
    known = process(store, CHAIN.update(40, 24))
    update = CHAIN.update(63, 48, signature=64)
    assert process(known, update).finalized_header.beacon.slot == 48
    by_old = replace(update, sync_aggregate=CHAIN.sign(update.attested_header.beacon, Slot(63)))
    with pytest.raises(SignatureRejected, match="period 1 did not sign slot 63"):
        process(known, by_old)


def test_a_new_period_is_entered_by_finality_and_not_by_the_attested_header(store: LightClientStore) -> None:
    known = process(store, CHAIN.update(40, 24))
    still = process(known, CHAIN.update(70, 56))
    assert still.current_sync_committee == CHAIN.committee(0)
    assert still.next_sync_committee == CHAIN.committee(1)
    assert process(still, CHAIN.update(80, 64)).current_sync_committee == CHAIN.committee(1)


def test_what_entered_a_period_without_its_committee_learns_it_later(store: LightClientStore) -> None:
    known = process(store, CHAIN.update(40, 24))
    entered = process(known, CHAIN.update(80, 64, shows_committee=False))
    assert entered.current_sync_committee == CHAIN.committee(1)
    assert entered.next_sync_committee is None
    # Older than what is finalized, but it shows the committee, and its finality is of this period.
    learned = process(entered, CHAIN.update(78, 64))
    assert learned.next_sync_committee == CHAIN.committee(2)
    assert learned.finalized_header.beacon.slot == 64


@pytest.mark.parametrize(
    ("attested", "finalized", "signature", "now"),
    [(40, 24, 40, LATE), (40, 41, 42, LATE), (40, 24, 41, 40), (40, 24, 39, LATE)],
)
def test_slots_out_of_order_are_refused(
    store: LightClientStore, attested: int, finalized: int, signature: int, now: int
) -> None:
    with pytest.raises(UpdateRejected, match="out of order"):
        process(store, CHAIN.update(attested, finalized, signature), now)


def test_slots_at_their_limits_are_accepted(store: LightClientStore) -> None:
    assert process(store, CHAIN.update(40, 24), 41).finalized_header.beacon.slot == 24
    assert process(store, CHAIN.update(40, 24, 63), 63).finalized_header.beacon.slot == 24


def test_what_is_known_already_is_refused(store: LightClientStore) -> None:
    known = process(store, CHAIN.update(40, 24))
    with pytest.raises(UpdateRejected, match="older than what is known"):
        process(known, CHAIN.update(24, 16))
    # The same again is valid (its attested header is newer than the finalized one) and changes nothing but
    # counts.
    again = process(known, CHAIN.update(40, 24))
    assert again.finalized_header == known.finalized_header
    assert again.next_sync_committee == known.next_sync_committee


# --- participation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("participants", "final"), [(1, False), (21, False), (22, True), (32, True)])
def test_finality_needs_two_thirds(store: LightClientStore, participants: int, final: bool) -> None:
    # 32 seats: 22 · 3 ≥ 64 > 21 · 3
    after = process(store, CHAIN.update(40, 24, participants=participants))
    assert (after.finalized_header.beacon.slot == 24) is final
    assert (after.next_sync_committee is not None) is final
    assert (after.best_valid_update is None) is final
    assert after.optimistic_header.beacon.slot == 40


def test_nobody_is_no_quorum(store: LightClientStore) -> None:
    with pytest.raises(QuorumNotReached, match="nobody signed"):
        process(store, CHAIN.update(40, 24, participants=0))


def test_the_optimistic_header_needs_half_of_the_most_seen(store: LightClientStore) -> None:
    seen = process(store, CHAIN.update(40, 24, participants=30))
    assert get_safety_threshold(seen) == 15
    assert process(seen, CHAIN.update(41, 24, participants=15)).optimistic_header.beacon.slot == 40
    assert process(seen, CHAIN.update(41, 24, participants=16)).optimistic_header.beacon.slot == 41
    # The count of the period before still holds after a rotation.
    rotated = process(seen, CHAIN.update(80, 64, participants=22))
    assert (rotated.previous_max_active_participants, rotated.current_max_active_participants) == (30, 0)
    assert get_safety_threshold(rotated) == 15


def test_bits_that_did_not_sign_are_refused(store: LightClientStore) -> None:
    update = CHAIN.update(40, 24, participants=30)
    bits = update.sync_aggregate.sync_committee_bits
    wrongs = [(False, *bits[1:]), (*bits[:-1], True), bits[::-1]]
    for wrong in wrongs:
        aggregate = replace(update.sync_aggregate, sync_committee_bits=wrong)
        with pytest.raises(SignatureRejected, match="did not sign"):
            process(store, replace(update, sync_aggregate=aggregate))
    for wrong in ((True,) * 31, (True,) * 33):
        aggregate = replace(update.sync_aggregate, sync_committee_bits=wrong)
        with pytest.raises(SignatureRejected, match="participation bits"):
            process(store, replace(update, sync_aggregate=aggregate))


def test_signatures_that_are_none_are_refused(store: LightClientStore) -> None:
    update = CHAIN.update(40, 24)
    for wrong in (bls.INFINITY_SIGNATURE, bytes(96), b"\xff" * 96, b""):
        aggregate = replace(update.sync_aggregate, sync_committee_signature=wrong)
        with pytest.raises(SignatureRejected, match="did not sign"):
            process(store, replace(update, sync_aggregate=aggregate))


def test_a_committee_with_a_key_that_is_none_is_refused() -> None:
    store = initialize_light_client_store(*CHAIN.bootstrap(Slot(8)), CONFIG)
    infinity = b"\xc0" + bytes(47)
    keys = CHAIN.committee(0).pubkeys
    wrong = SyncCommittee((infinity, *keys[1:]), CHAIN.committee(0).aggregate_pubkey)
    with pytest.raises(PublicKeyRejected):
        process(replace(store, current_sync_committee=wrong), CHAIN.update(40, 24))


# --- fork versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "fork"),
    [
        (15, ForkName.ALTAIR),
        (16, ForkName.ALTAIR),
        (17, ForkName.CAPELLA),
        (32, ForkName.CAPELLA),
        (33, ForkName.DENEB),
    ],
)
def test_the_fork_version_is_that_of_the_slot_before_the_signature(
    store: LightClientStore, signature: int, fork: ForkName
) -> None:
    versions = {fork_.name: fork_.version for fork_ in CONFIG.forks}
    make = partial(CHAIN.update, signature - 1, 9, signature)
    process(store, make(version=versions[fork]))
    for name, version in versions.items():
        if name is not fork:
            with pytest.raises(SignatureRejected, match="did not sign"):
                process(store, make(version=version))


def test_signatures_of_another_network_are_refused(store: LightClientStore) -> None:
    other = SyncChain(replace(CONFIG, genesis_validators_root=b"\1" * 32))
    with pytest.raises(SignatureRejected, match="did not sign"):
        process(store, other.update(40, 24))


def test_trees_of_the_last_slot_before_electra_and_of_its_first_have_their_own_places() -> None:
    store = initialize_light_client_store(*CHAIN.bootstrap(Slot(70)), CONFIG)
    store = process(store, CHAIN.update(100, 80))
    before = CHAIN.update(ELECTRA - 1, 104, ELECTRA)
    assert (len(before.finality_branch), len(before.next_sync_committee_branch)) == (6, 5)
    store = process(store, before)
    after = CHAIN.update(ELECTRA, 112)
    assert (len(after.finality_branch), len(after.next_sync_committee_branch)) == (7, 6)
    store = process(store, after)
    assert store.finalized_header.beacon.slot == 112
    # With the old places, whoever could choose the state's tree would choose what stands there.
    old = SyncChain(network(altair=0, capella=2, deneb=4))
    for wrong in (old.update(ELECTRA, 112), old.update(ELECTRA + 1, 112)):
        signed = replace(wrong, sync_aggregate=CHAIN.sign(wrong.attested_header.beacon, wrong.signature_slot))
        with pytest.raises(ProofRejected, match="finalized header"):
            process(store, signed)


# --- every part is covered ----------------------------------------------------------------------------------


def tampered() -> list[tuple[str, Callable[[LightClientUpdate], LightClientUpdate], type[Rejection], str]]:
    def attested(update: LightClientUpdate, **changes: Any) -> LightClientUpdate:
        header = update.attested_header
        return replace(
            update,
            attested_header=replace(header, beacon=replace(header.beacon, **changes)),
        )

    def finalized(update: LightClientUpdate, **changes: Any) -> LightClientUpdate:
        header = update.finalized_header
        return replace(
            update,
            finalized_header=replace(header, beacon=replace(header.beacon, **changes)),
        )

    def committee(update: LightClientUpdate) -> LightClientUpdate:
        return replace(update, next_sync_committee=CHAIN.committee(7))

    def aggregate_key(update: LightClientUpdate) -> LightClientUpdate:
        if update.next_sync_committee is None:
            raise AssertionError
        key = CHAIN.committee(7).aggregate_pubkey
        return replace(update, next_sync_committee=replace(update.next_sync_committee, aggregate_pubkey=key))

    def execution(update: LightClientUpdate, part: str) -> LightClientUpdate:
        header = getattr(update, part)
        other = replace(header, execution=replace(header.execution, state_root=b"\7" * 32))
        changes: dict[str, Any] = {part: other}
        return replace(update, **changes)

    def branch(update: LightClientUpdate, part: str) -> LightClientUpdate:
        nodes = getattr(update, part)
        changes: dict[str, Any] = {part: (*nodes[:-1], flip(nodes[-1]))}
        return replace(update, **changes)

    def no_execution(update: LightClientUpdate) -> LightClientUpdate:
        header = replace(update.finalized_header, execution=None, execution_branch=())
        return replace(update, finalized_header=header)

    return [
        ("attested proposer", partial(attested, proposer_index=63), SignatureRejected, "did not sign"),
        ("attested parent", partial(attested, parent_root=b"\1" * 32), SignatureRejected, "did not sign"),
        ("attested state", partial(attested, state_root=b"\1" * 32), ProofRejected, "finalized header"),
        ("attested body", partial(attested, body_root=b"\1" * 32), ProofRejected, "execution branch"),
        ("attested execution", partial(execution, part="attested_header"), ProofRejected, "execution branch"),
        ("finalized slot", partial(finalized, slot=23), ProofRejected, "finalized header"),
        ("finalized state", partial(finalized, state_root=b"\1" * 32), ProofRejected, "finalized header"),
        ("finalized body", partial(finalized, body_root=b"\1" * 32), ProofRejected, "execution branch"),
        ("finalized execution", partial(execution, part="finalized_header"), ProofRejected, "execution"),
        ("no finalized execution", no_execution, ProofRejected, "execution branch"),
        ("finality branch", partial(branch, part="finality_branch"), ProofRejected, "finalized header"),
        ("committee branch", partial(branch, part="next_sync_committee_branch"), ProofRejected, "next sync"),
        ("committee", committee, ProofRejected, "next sync committee"),
        ("committee's aggregate", aggregate_key, ProofRejected, "next sync committee"),
        (
            "finality without its branch",
            lambda update: replace(update, finality_branch=()),
            UpdateRejected,
            "without its branch",
        ),
        (
            "branch without finality",
            lambda update: replace(update, finalized_header=LightClientHeader()),
            ProofRejected,
            "finalized header",
        ),
        (
            "committee without its branch",
            lambda update: replace(update, next_sync_committee_branch=(bytes(32),) * 5),
            UpdateRejected,
            "without its branch",
        ),
        (
            "branch without committee",
            lambda update: replace(update, next_sync_committee=None),
            UpdateRejected,
            "comes without it",
        ),
    ]


@pytest.mark.parametrize(
    ("change", "error", "what"), [case[1:] for case in tampered()], ids=[case[0] for case in tampered()]
)
@pytest.mark.parametrize("attested_at", [40, 56])
def test_a_tampered_update_is_refused(
    store: LightClientStore,
    attested_at: int,
    change: Callable[[LightClientUpdate], LightClientUpdate],
    error: type[Rejection],
    what: str,
) -> None:
    update = CHAIN.update(attested_at, 24)
    validate_light_client_update(store, update, LATE, CONFIG)
    with pytest.raises(error, match=what):
        validate_light_client_update(store, change(update), LATE, CONFIG)


def test_a_zero_committee_is_no_committee(store: LightClientStore) -> None:
    update = CHAIN.update(40, 24)
    zero = SyncCommittee((bytes(48),) * 32, bytes(48))
    shown = upgrade_lc_update(replace(update, next_sync_committee=zero), ForkName.DENEB, CONFIG)
    data = shown.encode_ssz(ForkName.DENEB, MINIMAL)
    read = LightClientUpdate.decode_ssz(data, ForkName.DENEB, MINIMAL)
    assert read.next_sync_committee is None
    with pytest.raises(UpdateRejected, match="comes without it"):
        process(store, read)


def test_another_next_committee_than_is_known_is_refused(store: LightClientStore) -> None:
    known = replace(process(store, CHAIN.update(40, 24)), next_sync_committee=CHAIN.committee(7))
    with pytest.raises(UpdateRejected, match="another one than is known"):
        process(known, CHAIN.update(48, 32))


def test_genesis_is_finalized_as_nothing(store: LightClientStore) -> None:
    genesis = CHAIN.update(40, 0)
    assert genesis.finalized_header == LightClientHeader()
    after = process(store, genesis)
    # Finalized in this period, so it shows the next committee for good.
    assert after.next_sync_committee == CHAIN.committee(1)
    assert after.finalized_header == store.finalized_header
    named = replace(genesis, finalized_header=CHAIN.header(Slot(0)))
    with pytest.raises(UpdateRejected, match="genesis"):
        process(store, named)


# --- smaller updates, and force -----------------------------------------------------------------------------


def test_finality_and_optimistic_updates_move_what_they_show(store: LightClientStore) -> None:
    known = process(store, CHAIN.update(40, 24))
    later = CHAIN.update(56, 48)
    finality = finality_of(later)
    after = process_light_client_finality_update(known, finality, LATE, CONFIG)
    assert after.finalized_header.beacon.slot == 48
    assert after.next_sync_committee == known.next_sync_committee
    optimistic = optimistic_of(later)
    after = process_light_client_optimistic_update(known, optimistic, LATE, CONFIG)
    assert after.optimistic_header.beacon.slot == 56
    assert after.finalized_header == known.finalized_header


def test_force_waits_for_a_whole_period_without_finality(store: LightClientStore) -> None:
    held = process(store, CHAIN.update(40, None, participants=20))
    assert held.best_valid_update is not None
    timeout = 8 + 64
    assert process_light_client_store_force_update(held, Slot(timeout), CONFIG) == held
    forced = process_light_client_store_force_update(held, Slot(timeout + 1), CONFIG)
    assert forced.finalized_header.beacon.slot == 40
    assert forced.next_sync_committee == CHAIN.committee(1)
    assert forced.best_valid_update is None
    assert process_light_client_store_force_update(forced, LATE, CONFIG) == forced


def test_a_rejected_update_leaves_the_store_as_it_was(store: LightClientStore) -> None:
    before = replace(store)
    with pytest.raises(UpdateRejected):
        process(store, CHAIN.update(72, 66))
    assert store == before
    with pytest.raises(UpdateRejected, match="another period"):
        apply_light_client_update(store, CHAIN.update(72, 66), CONFIG)
