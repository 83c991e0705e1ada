# SPDX-License-Identifier: MIT
"""From the specification's objects to bytes that the on-chain client believes, and what cannot be said in
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from light_clients.client import Timestamp
from light_clients.errors import (
    HeaderRejected,
    QuorumNotReached,
    Rejection,
    SignatureRejected,
    UpdateRejected,
    ValidatorSetRejected,
)
from light_clients.ethereum.client import EthereumClient, EthereumParams
from light_clients.ethereum.codec import (
    FinalizingUpdate,
    encode_anchor,
    encode_misbehaviour,
    encode_proof,
    encode_update,
)
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
from light_clients.ethereum.containers import (
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_update
from light_clients.ethereum.params import least_threshold
from relayer.consensus.ethereum.local.misbehaviour import second_committee, second_finality
from relayer.consensus.ethereum.local.payload import invent_payload
from relayer.consensus.ethereum.local.simulation import Simulation
from tests.support.trie import AccountEntry, State

GENESIS = 1_700_000_000
ACCOUNT, SLOT, WORD = b"\xcc" * 20, b"\x01" * 32, b"\x2a".rjust(32, b"\0")
STATE = State({ACCOUNT: AccountEntry(1, 0, storage={SLOT: WORD}), b"\xdd" * 20: AccountEntry(3, 5)})
KNOWN = [name for name in ForkName if name < ForkName.GLOAS]
LATE = Timestamp(GENESIS + 10_000)


def network(*forks: tuple[ForkName, int], preset: Preset = MINIMAL) -> NetworkConfig:
    named = tuple(Fork(name, Epoch(epoch), bytes((name, 0, 0, 9))) for name, epoch in forks)
    return NetworkConfig(preset, GENESIS, b"\x07" * 32, 2000, named)


def params_of(config: NetworkConfig) -> EthereumParams:
    return EthereumParams.of(config, least_threshold(config.preset.sync_committee_size), 100_000, 15)


def grow(
    config: NetworkConfig, slots: int, participation: float | Sequence[bool] = 1.0, start: int = 1
) -> Simulation:
    """A chain whose execution blocks all have the state that proofs here are of, up to a slot."""
    chain = Simulation(config, b"codec")
    for slot in range(start, slots + 1):
        fork = config.fork_at_slot(Slot(slot)).name
        execution = None
        if fork >= ForkName.BELLATRIX:
            invented = invent_payload(fork, Slot(slot), config.timestamp_at(Slot(slot)), None)
            execution = replace(invented, state_root=STATE.root, block_number=slot)
        chain.propose(Slot(slot), execution, participation)
    return chain


def trust(chain: Simulation, slot: int = 0) -> EthereumClient:
    period = chain.config.period_at(Slot(slot))
    root = chain.committee(period).hash_tree_root()
    return EthereumClient.bootstrap(params_of(chain.config), Slot(slot), root)


def signer(chain: Simulation, update: FinalizingUpdate) -> SyncCommittee:
    return chain.committee(chain.config.period_at(update.signature_slot))


def finality_of(chain: Simulation) -> LightClientFinalityUpdate:
    found = chain.finality_update()
    assert found is not None
    return found


def update_of(chain: Simulation) -> LightClientUpdate:
    found = chain.newest_update()
    assert found is not None
    return found


@pytest.mark.parametrize("fork", KNOWN, ids=lambda fork: fork.label)
def test_a_client_follows_a_chain_of_every_fork(fork: ForkName) -> None:
    chain = grow(network((fork, 0)), 170, 0.8)
    client = trust(chain)
    for update in chain.updates(Period(0), 3):
        data = encode_update(update, signer(chain, update), client.params)
        client = client.update(data, LATE)
        period = chain.config.period_at(update.finalized_header.beacon.slot)
        assert client.state.finalized_slot == update.finalized_header.beacon.slot
        assert client.state.next_committee == chain.committee(Period(period + 1)).hash_tree_root()
    finality = finality_of(chain)
    client = client.update(encode_update(finality, signer(chain, finality), client.params), LATE)
    assert client.state.finalized_slot == chain.finalized.slot


@pytest.mark.parametrize(
    "fork", [name for name in KNOWN if name >= ForkName.CAPELLA], ids=lambda fork: fork.label
)
def test_storage_is_proven_by_header_and_by_anchor(fork: ForkName) -> None:
    chain = grow(network((fork, 0)), 40, 0.9)
    client, finality = trust(chain), finality_of(chain)
    params, nodes = client.params, STATE.prove(ACCOUNT, SLOT)
    signed = finality, signer(chain, finality)
    data = encode_proof(nodes.storage, nodes.account, signed, ACCOUNT, SLOT, params)
    found = client.storage_at(data, ACCOUNT, SLOT, LATE)
    final = finality.finalized_header.beacon.slot
    assert found.value == WORD
    assert int(found.height) == final
    assert found.timestamp == chain.config.timestamp_at(final)
    anchored = client.anchor(encode_anchor(*signed, params), LATE)
    short = encode_proof(nodes.storage, nodes.account, None, ACCOUNT, SLOT, params)
    assert anchored.storage_at(short, ACCOUNT, SLOT, LATE) == found


def test_headers_on_both_sides_of_every_fork_are_encoded() -> None:
    """Attested and finalized header of different layouts, at every slot around each fork."""
    config = network(*((name, 2 * index) for index, name in enumerate(KNOWN)))
    chain, params = Simulation(config, b"codec"), params_of(config)
    nodes, seen = STATE.prove(ACCOUNT, SLOT), set()
    client = trust(chain)
    for slot in range(1, 120):
        fork = config.fork_at_slot(Slot(slot)).name
        execution = None
        if fork >= ForkName.BELLATRIX:
            invented = invent_payload(fork, Slot(slot), config.timestamp_at(Slot(slot)), None)
            execution = replace(invented, state_root=STATE.root)
        chain.propose(Slot(slot), execution)
        if slot <= 32 or chain.newest_signed is None:
            continue
        update = update_of(chain)
        signed = update, signer(chain, update)
        layouts = [
            params.fork_at(at.beacon.slot).layout for at in (update.attested_header, update.finalized_header)
        ]
        seen.add(tuple(layouts))
        if update.finalized_header.beacon.slot > client.state.finalized_slot:
            client = client.update(encode_update(*signed, params), LATE)
        if layouts[1].shows_execution:
            data = encode_proof(nodes.storage, nodes.account, signed, ACCOUNT, SLOT, params)
            assert client.storage_at(data, ACCOUNT, SLOT, LATE).value == WORD
    assert {layouts for layouts in seen if layouts[0] is not layouts[1]} >= {(2, 1), (3, 2), (4, 3)}


def test_an_object_in_the_form_of_a_later_fork_says_the_same() -> None:
    config = network((ForkName.CAPELLA, 0), (ForkName.DENEB, 100), (ForkName.ELECTRA, 101))
    chain, params = grow(config, 40), params_of(config)
    update = update_of(chain)
    upgraded = upgrade_lc_update(update, ForkName.ELECTRA, config)
    assert upgraded != update
    committee = signer(chain, update)
    assert encode_update(upgraded, committee, params) == encode_update(update, committee, params)
    assert encode_anchor(upgraded, committee, params) == encode_anchor(update, committee, params)


@pytest.mark.parametrize("absent", [0, 1, 2, 60, 170])
def test_large_committees(absent: int) -> None:
    config = network(
        (ForkName.ELECTRA, 0), preset=replace(MAINNET, slots_per_epoch=8, epochs_per_sync_committee_period=8)
    )
    chain = grow(config, 33, [place % 3 != 1 or place // 3 >= absent for place in range(512)])
    update = update_of(chain)
    client, data = trust(chain), encode_update(update, signer(chain, update), params_of(config))
    assert client.update(data, LATE).state.finalized_slot == chain.finalized.slot
    assert update.sync_aggregate.participants == 512 - absent


def test_the_next_committee_is_shown_where_it_can_be() -> None:
    chain = grow(network((ForkName.ELECTRA, 0)), 60)
    update, params = update_of(chain), params_of(chain.config)
    committee = signer(chain, update)
    shown, hidden = (encode_update(update, committee, params, show_next=show) for show in (None, False))
    assert len(shown) == len(hidden)
    assert (shown[0], hidden[0]) == (2, 0)
    client = trust(chain)
    following = chain.committee(Period(1)).hash_tree_root()
    assert client.update(shown, LATE).state.next_committee == following
    assert client.update(hidden, LATE).state.next_committee is None
    with pytest.raises(UpdateRejected, match="cannot be shown"):
        encode_update(finality_of(chain), committee, params, show_next=True)


def test_the_next_committee_is_not_shown_across_periods() -> None:
    chain = grow(network((ForkName.ELECTRA, 0)), 66)
    update, params = update_of(chain), params_of(chain.config)
    assert update.next_sync_committee is not None
    assert encode_update(update, signer(chain, update), params)[0] == 0
    with pytest.raises(UpdateRejected, match="periods"):
        encode_update(update, signer(chain, update), params, show_next=True)


def test_misbehaviour_of_both_kinds_freezes() -> None:
    chain = grow(network((ForkName.DENEB, 0)), 60)
    assert chain.newest_signed is not None
    block, attested, final = chain.newest_signed
    honest, client = update_of(chain), trust(chain)
    committee = signer(chain, honest)
    for forged in (
        second_finality(chain, block, attested, final),
        second_committee(chain, block, attested, final),
    ):
        data = encode_misbehaviour((honest, committee), (forged, committee), client.params)
        assert client.freeze(data).state.frozen
    with pytest.raises(Rejection):
        client.freeze(encode_misbehaviour((honest, committee), (honest, committee), client.params))


# --- what cannot be said ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain() -> Simulation:
    return grow(network((ForkName.CAPELLA, 0)), 40, 0.9)


def test_an_update_without_finality(chain: Simulation) -> None:
    bare = replace(update_of(chain), finality_branch=(), finalized_header=LightClientHeader())
    with pytest.raises(UpdateRejected, match="finalizes nothing"):
        encode_update(bare, chain.committee(Period(0)), params_of(chain.config))


def test_finality_of_genesis(chain: Simulation) -> None:
    zeros = replace(update_of(chain), finalized_header=LightClientHeader())
    with pytest.raises(UpdateRejected, match="genesis"):
        encode_update(zeros, chain.committee(Period(0)), params_of(chain.config))


def test_execution_that_is_not_shown() -> None:
    chain = grow(network((ForkName.BELLATRIX, 0)), 40)
    update, params = update_of(chain), params_of(chain.config)
    signed, nodes = (update, signer(chain, update)), STATE.prove(ACCOUNT, SLOT)
    with pytest.raises(UpdateRejected, match="does not show its execution"):
        encode_anchor(*signed, params)
    with pytest.raises(UpdateRejected, match="does not show its execution"):
        encode_proof(nodes.storage, nodes.account, signed, ACCOUNT, SLOT, params)


def test_execution_that_is_missing(chain: Simulation) -> None:
    update = update_of(chain)
    header = replace(update.finalized_header, execution=None, execution_branch=())
    with pytest.raises(UpdateRejected, match="does not show its execution"):
        encode_anchor(
            replace(update, finalized_header=header), signer(chain, update), params_of(chain.config)
        )
    shorter = replace(update.finalized_header, execution_branch=update.finalized_header.execution_branch[1:])
    with pytest.raises(UpdateRejected, match="execution branch"):
        encode_anchor(
            replace(update, finalized_header=shorter), signer(chain, update), params_of(chain.config)
        )


def test_a_finality_branch_of_another_depth(chain: Simulation) -> None:
    update = update_of(chain)
    for branch in (update.finality_branch[1:], (b"\x01" * 32, *update.finality_branch)):
        with pytest.raises(UpdateRejected, match="finality branch"):
            encode_update(
                replace(update, finality_branch=branch), signer(chain, update), params_of(chain.config)
            )
    epoch = b"\x01" * 32
    broken = replace(update, finality_branch=(epoch, *update.finality_branch[1:]))
    with pytest.raises(UpdateRejected, match="no epoch"):
        encode_update(broken, signer(chain, update), params_of(chain.config))


def test_too_few_signers() -> None:
    chain = grow(network((ForkName.DENEB, 0)), 40, [place < 21 for place in range(32)])
    update = update_of(chain)
    with pytest.raises(QuorumNotReached) as caught:
        encode_update(update, signer(chain, update), params_of(chain.config))
    assert (caught.value.found, caught.value.expected) == (21, "at least 22")


def test_committees_of_another_size(chain: Simulation) -> None:
    update, committee = update_of(chain), chain.committee(Period(0))
    smaller = SyncCommittee(committee.pubkeys[:16], committee.aggregate_pubkey)
    with pytest.raises(ValidatorSetRejected, match="committee is of another size"):
        encode_update(update, smaller, params_of(chain.config))
    bits = update.sync_aggregate.sync_committee_bits * 2
    wider = replace(update, sync_aggregate=replace(update.sync_aggregate, sync_committee_bits=bits))
    with pytest.raises(ValidatorSetRejected, match="participation is of another size"):
        encode_update(wider, committee, params_of(chain.config))


def test_signatures_that_are_none(chain: Simulation) -> None:
    update = update_of(chain)
    for signature in (b"\xc0" + bytes(95), bytes(96)):
        broken = replace(
            update, sync_aggregate=replace(update.sync_aggregate, sync_committee_signature=signature)
        )
        with pytest.raises(SignatureRejected):
            encode_update(broken, signer(chain, update), params_of(chain.config))


def test_slots_before_the_first_fork(chain: Simulation) -> None:
    later = network((ForkName.CAPELLA, 100))
    with pytest.raises(HeaderRejected, match="first fork"):
        encode_update(update_of(chain), chain.committee(Period(0)), params_of(later))


def test_another_committees_update_is_encoded_and_not_believed(chain: Simulation) -> None:
    """The codec asks objects for bytes; the client is who believes."""
    update, client = update_of(chain), trust(chain)
    with pytest.raises(ValidatorSetRejected):
        client.update(encode_update(update, chain.committee(Period(1)), client.params), LATE)
