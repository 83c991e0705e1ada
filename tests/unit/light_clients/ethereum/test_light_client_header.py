# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.errors import HeaderRejected, ProofRejected
from light_clients.ethereum.config import Slot
from light_clients.ethereum.containers import LightClientHeader
from light_clients.ethereum.light_client_header import (
    current_sync_committee_gindex_at_slot,
    finalized_root_gindex_at_slot,
    get_lc_execution_root,
    is_valid_light_client_header,
    next_sync_committee_gindex_at_slot,
    validate_light_client_header,
)
from tests.support.sync_chain import SyncChain, Tree, network

CONFIG = network(altair=0, bellatrix=1, capella=2, deneb=3, electra=4, fulu=5, gloas=6)
CHAIN = SyncChain(CONFIG)


@pytest.mark.parametrize(
    ("slot", "gindices"),
    [
        (0, (105, 54, 55)),
        (31, (105, 54, 55)),
        (32, (169, 86, 87)),
        (47, (169, 86, 87)),
        (48, (735, 2945, 2946)),
    ],
)
def test_places_change_at_the_exact_slot(slot: int, gindices: tuple[int, int, int]) -> None:
    at = Slot(slot)
    assert gindices == (
        finalized_root_gindex_at_slot(at, CONFIG),
        current_sync_committee_gindex_at_slot(at, CONFIG),
        next_sync_committee_gindex_at_slot(at, CONFIG),
    )


@pytest.mark.parametrize("slot", range(4, 60, 4))
def test_headers_of_every_fork_hold_and_show_what_their_fork_shows(slot: int) -> None:
    header = CHAIN.header(Slot(slot))
    validate_light_client_header(header, CONFIG)
    assert (header.execution is not None) is (16 <= slot < 48)
    assert (header.execution_block_hash is not None) is (slot >= 48)
    root = get_lc_execution_root(header, CONFIG)
    if header.execution is not None:
        assert root == header.execution.hash_tree_root()
    else:
        assert root == (header.execution_block_hash or bytes(32))


@pytest.mark.parametrize("slot", [4, 12])
def test_nothing_is_shown_before_capella(slot: int) -> None:
    header, later = CHAIN.header(Slot(slot)), CHAIN.header(Slot(16))
    for wrong in (
        replace(header, execution=later.execution),
        replace(header, execution_branch=later.execution_branch),
        replace(header, execution_block_hash=b"\1" * 32),
    ):
        with pytest.raises(HeaderRejected, match="shows its execution block"):
            validate_light_client_header(wrong, CONFIG)
        assert not is_valid_light_client_header(wrong, CONFIG)


@pytest.mark.parametrize("slot", [16, 24, 32, 40])
def test_a_changed_execution_part_is_refused(slot: int) -> None:
    header = CHAIN.header(Slot(slot))
    assert header.execution is not None
    branch = header.execution_branch
    for wrong in (
        replace(header, execution=None),
        replace(header, execution=replace(header.execution, block_number=1)),
        replace(header, execution_branch=()),
        replace(header, execution_branch=branch[1:]),
        replace(header, execution_branch=(*branch, bytes(32))),
        replace(header, execution_branch=(bytes(32), *branch)),
        replace(header, execution_branch=(*branch[:3], bytes(32))),
        replace(header, beacon=replace(header.beacon, body_root=bytes(32))),
    ):
        with pytest.raises(ProofRejected, match="does not lead to its body"):
            validate_light_client_header(wrong, CONFIG)


def test_blobs_before_deneb_are_refused_and_zeros_are_not() -> None:
    header = CHAIN.header(Slot(16))
    assert header.execution is not None
    zeros = replace(header, execution=replace(header.execution, blob_gas_used=0, excess_blob_gas=0))
    validate_light_client_header(zeros, CONFIG)
    assert get_lc_execution_root(zeros, CONFIG) == get_lc_execution_root(header, CONFIG)
    for execution in (
        replace(header.execution, blob_gas_used=1),
        replace(header.execution, excess_blob_gas=1),
    ):
        wrong = replace(zeros, execution=execution)
        with pytest.raises(HeaderRejected, match="has blobs"):
            validate_light_client_header(wrong, CONFIG)


def test_a_header_of_gloas_shows_the_hash_alone() -> None:
    header = CHAIN.header(Slot(48))
    with pytest.raises(HeaderRejected, match="more than the execution block's hash"):
        validate_light_client_header(replace(header, execution=CHAIN.header(Slot(40)).execution), CONFIG)
    for wrong in (
        replace(header, execution_block_hash=b"\1" * 32),
        replace(header, execution_block_hash=None),
        replace(header, execution_branch=header.execution_branch[1:]),
    ):
        with pytest.raises(ProofRejected, match="does not lead to its body"):
            validate_light_client_header(wrong, CONFIG)


def test_where_genesis_follows_capella_its_payload_is_the_default_one() -> None:
    config = network(altair=0, capella=0)
    root = get_lc_execution_root(LightClientHeader(), config)
    body = Tree({25: root}, "genesis body")
    header = LightClientHeader(
        beacon=replace(LightClientHeader().beacon, body_root=body.root), execution_branch=body.branch(25)
    )
    validate_light_client_header(header, config)


def test_a_header_of_before_the_first_fork_is_refused() -> None:
    config = network(capella=2)
    assert not is_valid_light_client_header(CHAIN.header(Slot(12)), config)
    with pytest.raises(HeaderRejected, match="before the first fork"):
        validate_light_client_header(CHAIN.header(Slot(12)), config)
