# SPDX-License-Identifier: MIT
"""What the simulated beacon chain hands out must hold by the specification's own rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from light_clients.bls import PY_ECC, backend
from light_clients.errors import Rejection
from light_clients.ethereum.config import (
    MAINNET,
    MINIMAL,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Period,
    Preset,
    Slot,
)
from light_clients.ethereum.containers import LightClientFinalityUpdate, LightClientUpdate
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    initialize_light_client_store,
    is_better_update,
    process_light_client_finality_update,
    process_light_client_optimistic_update,
    process_light_client_update,
)
from relayer.consensus.ethereum.local.misbehaviour import second_committee, second_finality
from relayer.consensus.ethereum.local.simulation import Simulation

GENESIS: Final = 1_700_000_000
KNOWN: Final = [name for name in ForkName if name < ForkName.GLOAS]


def network(*forks: tuple[ForkName, int], preset: Preset = MINIMAL) -> NetworkConfig:
    return NetworkConfig(
        preset,
        GENESIS,
        b"\x07" * 32,
        250,
        tuple(Fork(name, Epoch(epoch), bytes((name, 0, 0, 9))) for name, epoch in forks),
    )


def grown(config: NetworkConfig, slots: int, participation: float = 1.0) -> Simulation:
    chain = Simulation(config, b"seed")
    for slot in range(1, slots + 1):
        chain.propose(Slot(slot), None, participation)
    return chain


def follow(chain: Simulation, slot: Slot) -> LightClientStore:
    """A store that began at a block of a slot and took one update a period, then the newest finality."""
    block = chain.block_at(slot)
    assert block is not None
    bootstrap = chain.bootstrap(block.root)
    assert bootstrap is not None
    config = chain.config
    store = initialize_light_client_store(block.root, bootstrap, config)
    now = chain.head.slot
    first = config.period_at(slot)
    for update in chain.updates(first, config.period_at(now) - first + 1):
        store = process_light_client_update(store, update, now, config)
    newest = chain.finality_update()
    assert newest is not None
    store = process_light_client_finality_update(store, newest, now, config)
    optimistic = chain.optimistic_update()
    assert optimistic is not None
    return process_light_client_optimistic_update(store, optimistic, now, config)


@pytest.mark.parametrize("fork", KNOWN, ids=lambda fork: fork.label)
def test_a_store_follows_over_periods(fork: ForkName) -> None:
    chain = grown(network((fork, 0)), 230)
    store = follow(chain, Slot(8))
    assert store.finalized_header.beacon == chain.finalized.header
    assert store.optimistic_header.beacon.slot == 229
    assert chain.finalized.slot == 208
    execution = store.finalized_header.execution
    assert (execution is None) == (fork < ForkName.CAPELLA)
    if execution is not None:
        assert execution == chain.finalized.execution


def test_a_store_follows_over_every_fork() -> None:
    config = network(*((name, 5 * i) for i, name in enumerate(KNOWN)))
    chain = grown(config, 300)
    for start in (8, 36, 44, 84, 130):
        store = follow(chain, Slot(start))
        assert store.finalized_header.beacon == chain.finalized.header


def test_finality_updates_hold_across_a_fork_at_every_slot() -> None:
    config = network((ForkName.CAPELLA, 0), (ForkName.DENEB, 4), (ForkName.ELECTRA, 6))
    chain = Simulation(config, b"seed")
    for slot in range(1, 30):
        chain.propose(Slot(slot))
    store = follow(chain, Slot(8))
    for slot in range(30, 90):
        chain.propose(Slot(slot))
        finality = chain.finality_update()
        assert finality is not None
        form = config.fork_at_slot(finality.attested_header.beacon.slot).name
        wire = finality.encode_ssz(form, MINIMAL)
        again = LightClientFinalityUpdate.decode_ssz(wire, form, MINIMAL)
        update = chain.newest_update()
        assert update is not None
        store = process_light_client_finality_update(store, again, Slot(slot), config)
        store = process_light_client_update(store, update, Slot(slot), config)
    assert store.finalized_header.beacon == chain.finalized.header


def test_the_mainnet_preset_with_512_members() -> None:
    config = network((ForkName.ELECTRA, 0), preset=MAINNET)
    chain = Simulation(config, b"seed", 512)
    # Epochs with one block each: slots are cheap, finality takes three of them.
    for slot in (32, 64, 96, 97, 8192, 8192 + 32, 8192 + 64, 8192 + 65):
        chain.propose(Slot(slot))
    assert chain.finalized.slot == 8192
    committee = chain.committee(Period(0))
    assert len(set(committee.pubkeys)) == 512
    assert committee.pubkeys != chain.committee(Period(1)).pubkeys
    store = follow(chain, Slot(32))
    assert store.finalized_header.beacon.slot == 8192


def test_the_aggregate_signature_is_what_members_would_sign_singly() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 2)
    bits = [True, True, False] + [False] * 29
    block = chain.propose(Slot(3), None, bits)
    members = chain.keys.members(Period(0))
    parent = chain.block_at(Slot(2))
    assert parent is not None
    message = chain.signing_root(parent.root, Slot(3))
    for library in (backend(), backend(PY_ECC)):
        single = [library.sign(chain.secrets[members[place]], message) for place in (0, 1)]
        assert library.aggregate_signatures(single) == block.aggregate.sync_committee_signature


@pytest.mark.parametrize(("share", "signed"), [(1.0, 32), (0.5, 16), (2 / 3, 21), (0.0, 0)])
def test_participation_by_share(share: float, signed: int) -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 1)
    block = chain.propose(Slot(2), None, share)
    assert block.aggregate.participants == signed


def test_an_unsigned_block_is_told_to_nobody() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 40)
    before = chain.finality_update(), chain.optimistic_update(), chain.update(Period(0))
    chain.propose(Slot(41), None, 0.0)
    assert (chain.finality_update(), chain.optimistic_update(), chain.update(Period(0))) == before


def test_finality_needs_two_thirds_of_two_epochs() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 31)
    assert chain.finalized.slot == 8
    for slot in range(32, 72):
        chain.propose(Slot(slot), target_votes=0.66)
    # Epoch 3 had its votes before, and epoch 4 has too few: nothing after epoch 2 becomes final.
    assert chain.finalized.slot == 16
    assert chain.justified.slot == 24
    for slot in range(72, 97):
        chain.propose(Slot(slot), target_votes=0.67)
    assert chain.finalized.slot == 80


def test_missed_slots_name_the_block_before_as_checkpoint() -> None:
    chain = Simulation(network((ForkName.ELECTRA, 0)), b"seed")
    for slot in range(1, 60):
        if slot % 8 != 0:
            chain.propose(Slot(slot))
    assert chain.finalized.slot == 39
    assert chain.head.finality.finalized.epoch == 5
    assert follow(chain, Slot(9)).finalized_header.beacon.slot == 39


def test_an_epoch_without_blocks_is_not_justified() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 39)
    before = chain.finalized
    chain.propose(Slot(80))
    assert chain.head.finality.justified.epoch == 4
    # Epoch 4 ended with its votes; epochs 5 to 9 had no block.
    assert chain.finalized.slot == 24
    assert before.slot == 16


def test_the_best_update_of_a_period_is_kept() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 40, participation=0.7)
    weak = chain.update(Period(0))
    chain.propose(Slot(41), None, 1.0)
    strong = chain.update(Period(0))
    chain.propose(Slot(42), None, 0.9)
    assert weak is not None
    assert strong is not None
    assert chain.update(Period(0)) is strong
    assert is_better_update(strong, weak, chain.config)
    assert strong.signature_slot == 41


def test_updates_stop_at_a_gap() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 100)
    assert len(chain.updates(Period(0), 10)) == 2
    assert chain.updates(Period(5), 3) == ()
    for slot in range(300, 310):
        chain.propose(Slot(slot))
    assert len(chain.updates(Period(0), 10)) == 2
    assert len(chain.updates(Period(4), 10)) == 1


def test_a_signature_of_the_next_period_shows_no_committee() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 64)
    update = chain.newest_update()
    assert update is not None
    assert (update.attested_header.beacon.slot, update.signature_slot) == (63, 64)
    assert update.next_sync_committee is None


def test_old_blocks_are_forgotten_but_not_what_is_final() -> None:
    config = network((ForkName.ELECTRA, 0))
    chain = Simulation(config, b"seed", retention=32)
    for slot in range(1, 30):
        chain.propose(Slot(slot))
    for slot in range(30, 90):
        chain.propose(Slot(slot), target_votes=0.0)
    assert chain.block_at(Slot(50)) is None
    assert chain.finalized.slot == 8
    assert chain.finality_update() is not None
    assert chain.bootstrap(chain.finalized.root) is not None


def test_a_block_that_somebody_began_with_is_kept() -> None:
    chain = Simulation(network((ForkName.ELECTRA, 0)), b"seed", retention=5)
    for slot in range(1, 42):
        chain.propose(Slot(slot))
    asked, not_asked = chain.finalized.root, chain.head.root
    assert chain.bootstrap(asked) is not None
    for slot in range(42, 500):
        chain.propose(Slot(slot))
    assert chain.bootstrap(asked) is not None
    assert chain.bootstrap(not_asked) is None
    # The slots of what was forgotten are forgotten too.
    assert chain.kept_slots <= 2 * 32


def test_the_same_seed_makes_the_same_chain() -> None:
    config = network((ForkName.ELECTRA, 0))
    assert grown(config, 20).head.root == grown(config, 20).head.root
    assert Simulation(config, b"other").head.root != Simulation(config, b"seed").head.root


@pytest.mark.parametrize("slot", [0, 3, 5])
def test_time_runs_one_way(slot: int) -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 5)
    with pytest.raises(ValueError, match="expected one after the head's"):
        chain.propose(Slot(slot))


def test_a_payload_of_another_fork_is_refused() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 1)
    assert chain.head.execution is not None
    with pytest.raises(ValueError, match="expected the form of electra"):
        chain.propose(Slot(2), chain.head.execution.in_form_of(ForkName.CAPELLA))


def tampered(update: LightClientUpdate) -> list[LightClientUpdate]:
    attested = update.attested_header
    return [
        replace(update, finality_branch=(b"\x01" * 32, *update.finality_branch[1:])),
        replace(update, next_sync_committee_branch=(b"\x01" * 32, *update.next_sync_committee_branch[1:])),
        replace(update, signature_slot=Slot(update.signature_slot + 64)),
        replace(
            update, attested_header=replace(attested, beacon=replace(attested.beacon, proposer_index=999))
        ),
    ]


def test_what_is_changed_does_not_hold() -> None:
    chain = grown(network((ForkName.ELECTRA, 0)), 40)
    block = chain.block_at(Slot(8))
    assert block is not None
    bootstrap = chain.bootstrap(block.root)
    assert bootstrap is not None
    store = initialize_light_client_store(block.root, bootstrap, chain.config)
    update = chain.update(Period(0))
    assert update is not None
    process_light_client_update(store, update, Slot(200), chain.config)
    for wrong in tampered(update):
        with pytest.raises(Rejection):
            process_light_client_update(store, wrong, Slot(200), chain.config)


@pytest.mark.parametrize("fork", [ForkName.CAPELLA, ForkName.DENEB, ForkName.FULU], ids=lambda f: f.label)
def test_misbehaviour_is_signed_by_the_committee(fork: ForkName) -> None:
    """Both would be believed by whoever had not seen the honest one: that is what makes them misbehaviour."""
    chain = grown(network((fork, 0)), 40)
    first = chain.block_at(Slot(8))
    newest = chain.newest_signed
    assert newest is not None
    assert first is not None
    bootstrap = chain.bootstrap(first.root)
    assert bootstrap is not None
    store = initialize_light_client_store(first.root, bootstrap, chain.config)
    honest = process_light_client_update(store, chain.update_of(*newest[:2]), Slot(40), chain.config)
    lie = second_finality(chain, *newest)
    deceived = process_light_client_update(store, lie, Slot(40), chain.config)
    assert deceived.finalized_header.beacon.slot == honest.finalized_header.beacon.slot
    assert deceived.finalized_header != honest.finalized_header
    assert deceived.next_sync_committee == honest.next_sync_committee
    usurped = process_light_client_update(store, second_committee(chain, *newest), Slot(40), chain.config)
    assert usurped.next_sync_committee not in {None, honest.next_sync_committee}
    assert usurped.finalized_header == honest.finalized_header
