# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.errors import EncodingRejected
from light_clients.ethereum.config import MAINNET, MINIMAL, ForkName, Slot
from light_clients.ethereum.containers import (
    BeaconBlockHeader,
    LightClientFinalityUpdate,
    LightClientHeader,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_update
from light_clients.ethereum.ssz_object import SszObject
from tests.support.sync_chain import SyncChain, network


def objects(fork: ForkName) -> list[SszObject]:
    chain = SyncChain(network(**{fork.label: 0}))
    update = chain.update(20, 9)
    bare = chain.update(20, None, shows_committee=False)
    return [
        update,
        bare,
        chain.bootstrap(Slot(9))[1],
        LightClientFinalityUpdate(
            update.attested_header,
            update.finalized_header,
            update.finality_branch,
            update.sync_aggregate,
            update.signature_slot,
        ),
        LightClientOptimisticUpdate(update.attested_header, update.sync_aggregate, update.signature_slot),
        update.attested_header,
        chain.committee(0),
        update.sync_aggregate,
        update.attested_header.beacon,
    ]


@pytest.mark.parametrize("fork", ForkName)
def test_ssz_and_json_come_back(fork: ForkName) -> None:
    for value in objects(fork):
        kind = type(value)
        data = value.encode_ssz(fork, MINIMAL)
        assert kind.decode_ssz(data, fork, MINIMAL) == value
        assert kind.from_json(value.to_json(fork, MINIMAL), fork, MINIMAL) == value
        answer = value.to_versioned_json(fork, MINIMAL)
        assert answer["version"] == fork.label
        assert kind.from_versioned_json(answer, MINIMAL) == value
        with pytest.raises(EncodingRejected):
            kind.decode_ssz(b"", fork, MINIMAL)
        if kind.ssz(fork, MINIMAL).size is not None:
            for wrong in (data + b"\0", data[:-1]):
                with pytest.raises(EncodingRejected, match="another length"):
                    kind.decode_ssz(wrong, fork, MINIMAL)


@pytest.mark.parametrize("fork", ForkName)
def test_roots_of_single_objects_are_those_of_their_type(fork: ForkName) -> None:
    chain = SyncChain(network(**{fork.label: 0}))
    header, committee = chain.header(Slot(5)), chain.committee(0)
    assert header.beacon.hash_tree_root() == header.beacon.root_at(fork, MINIMAL)
    assert committee.hash_tree_root() == committee.root_at(fork, MINIMAL)
    if header.execution is not None:
        assert header.execution.hash_tree_root() == header.execution.root_at(fork, MINIMAL)


def test_what_is_not_shown_is_zeros_outside_and_none_inside() -> None:
    update = SyncChain(network(deneb=0)).update(20, None, shows_committee=False)
    assert update.next_sync_committee is None
    assert update.finalized_header == LightClientHeader()
    json = update.to_json(ForkName.DENEB, MINIMAL)
    assert json["next_sync_committee"]["pubkeys"] == ["0x" + "00" * 48] * 32
    assert json["finality_branch"] == ["0x" + "00" * 32] * 6
    assert json["finalized_header"]["execution"]["block_number"] == "0"
    assert LightClientUpdate.from_json(json, ForkName.DENEB, MINIMAL) == update


def test_a_branch_of_zeros_is_an_absent_one() -> None:
    assert LightClientHeader(execution_branch=(bytes(32),) * 4) == LightClientHeader()


def test_an_object_has_the_size_of_its_fork() -> None:
    update = SyncChain(network(altair=0)).update(20, 9)
    sizes = {
        fork: len(upgrade_lc_update(update, fork, network(altair=0)).encode_ssz(fork, MINIMAL))
        for fork in (ForkName.ALTAIR, ForkName.ELECTRA)
    }
    header, committee, signature = 112, 33 * 48, 4 + 96 + 8
    assert sizes[ForkName.ALTAIR] == 2 * header + committee + signature + 32 * (5 + 6)
    # Two offsets; in each header an offset, an execution header of 17 fields and four branch nodes; two
    # longer branches
    execution = 4 + 584 + 4 * 32
    assert sizes[ForkName.ELECTRA] == sizes[ForkName.ALTAIR] + 2 * (4 + execution) + 2 * 32


def test_an_earlier_form_does_not_hold_a_longer_branch() -> None:
    update = SyncChain(network(electra=0)).update(20, 9)
    with pytest.raises(ValueError, match="expected 5"):
        update.encode_ssz(ForkName.DENEB, MINIMAL)


def test_a_committee_of_another_preset_is_refused() -> None:
    committee = SyncChain(network(altair=0)).committee(0)
    with pytest.raises(ValueError, match="expected 512"):
        committee.encode_ssz(ForkName.ALTAIR, MAINNET)
    with pytest.raises(EncodingRejected, match="512 items"):
        SyncCommittee.from_json(committee.to_json(ForkName.ALTAIR, MINIMAL), ForkName.ALTAIR, MAINNET)


def test_a_committees_root_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    committee = replace(SyncChain(network(altair=0)).committee(0))
    first = committee.hash_tree_root()

    def fail(_: object) -> bytes:
        raise AssertionError("computed again")

    monkeypatch.setattr("light_clients.ethereum.containers.merkleize", fail)
    assert committee.hash_tree_root() == first
    assert committee == SyncCommittee(committee.pubkeys, committee.aggregate_pubkey)


def test_a_headers_root_is_the_blocks_name() -> None:
    # Five zero leaves, eight wide: the third of the well-known hashes of zeros
    zero = BeaconBlockHeader()
    assert zero.hash_tree_root().hex() == "c78009fdf07fc56a11f122370658a353aaa542ed63e44c4bc15ff4cd105ab33c"
