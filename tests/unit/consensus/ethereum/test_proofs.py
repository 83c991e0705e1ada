# SPDX-License-Identifier: MIT
"""Proofs of slots at verified headers: what the client accepts, and what is refused before it is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.client import Height
from light_clients.errors import ProofRejected
from light_clients.ethereum.config import Period
from relayer.chains.base import Address
from relayer.errors import (
    ChainUnavailable,
    NotFoundYet,
)
from tests.support.ethereum import (
    CONFIRMED,
    EMPTY_SLOT,
    GATEWAY,
    NEXT,
    SPE,
    STATE,
    STORAGE_SLOT,
    Beacon,
    Execution,
    Node,
    World,
    make_prover,
)
from tests.support.trie import AccountEntry, State


async def test_proofs_are_those_that_the_client_accepts(world: World) -> None:
    """INV-5: inclusion and exclusion, on the very bytes that are sent; whole and short."""
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    found, absent = await prover.prove(header, GATEWAY, (STORAGE_SLOT, EMPTY_SLOT))
    assert (found.value, found.height, found.timestamp) == (b"\x99" * 32, header.number, header.timestamp)
    assert absent.value == bytes(32)
    data = prover.anchor_for(header.number)
    assert data is not None
    anchored = prover.client.anchor(data, world.timestamp)
    for proven in (found, absent):
        assert (
            prover.client.storage_at(proven.proof, GATEWAY, proven.slot, world.timestamp).value
            == proven.value
        )
        short = prover.to_anchored(proven.height, proven.proof)
        assert short is not None
        assert len(short) < len(proven.proof) - 700
        assert anchored.storage_at(short, GATEWAY, proven.slot, world.timestamp).value == proven.value
    assert prover.anchor_for(Height(header.number + 1)) is None
    assert prover.to_anchored(Height(header.number + 1), found.proof) is None
    assert prover.to_anchored(header.number, b"\x01" + found.proof[1:]) is None


async def test_a_proof_stays_short_though_its_header_is_signed_again() -> None:
    """The best update of a period may finalize the newest header too, by other signers than at first."""
    world = World()
    world.advance(CONFIRMED, participation=24 / 32)
    world.keep_checkpoint()
    world.advance(NEXT, participation=24 / 32)
    node = Node(world.chain)
    updates, node.updates = node.updates, lambda *_: ()  # type: ignore[method-assign]
    prover = make_prover(world, Beacon([node]))
    header = await prover.verify_head(world.head())
    (proven,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
    data, short = prover.anchor_for(header.number), prover.to_anchored(header.number, proven.proof)
    assert data is not None
    assert short is not None
    before = prover.client
    assert before.state.next_committee is None
    node.updates = updates  # type: ignore[method-assign]
    world.advance(NEXT + SPE)
    assert await prover.verify_head(world.head(), wanted=False) == header
    assert prover.client.state.next_committee is not None
    (best,) = updates(Period(0), 1)
    assert best.finalized_header.execution is not None
    assert best.finalized_header.execution.block_hash == header.hash
    assert best.sync_aggregate.participants == 32
    assert prover.to_anchored(header.number, proven.proof) == short
    (later,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
    assert prover.to_anchored(header.number, later.proof) == short
    anchored = prover.client.anchor(data, world.timestamp)
    assert anchored.storage_at(short, GATEWAY, STORAGE_SLOT, world.timestamp).value == proven.value


async def test_a_proof_of_another_state_is_asked_of_the_next_provider(world: World) -> None:
    """INV-5."""
    other = State({GATEWAY: AccountEntry(storage={STORAGE_SLOT: b"\x66" * 32})})
    execution = Execution([other, STATE])
    prover = make_prover(world, execution=execution)
    header = await prover.verify_head(world.head())
    (proven,) = await prover.prove(header, GATEWAY, (STORAGE_SLOT,))
    assert proven.value == b"\x99" * 32
    assert execution.blamed == [0]
    execution.states = [other]
    with pytest.raises(ChainUnavailable):
        await prover.prove(header, GATEWAY, (STORAGE_SLOT,))


async def test_an_absent_account_is_never_an_empty_one(world: World) -> None:
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    with pytest.raises((ChainUnavailable, ProofRejected)):
        await prover.prove(header, Address(b"\x77" * 20), (STORAGE_SLOT,))


async def test_an_invented_verified_header_proves_nothing(world: World) -> None:
    prover = make_prover(world)
    header = await prover.verify_head(world.head())
    for lie in (replace(header, hash=b"\1" * 32), replace(header, number=Height(header.number - 1))):
        with pytest.raises(NotFoundYet):
            await prover.prove(lie, GATEWAY, (STORAGE_SLOT,))
    with pytest.raises(ChainUnavailable):
        await prover.prove(replace(header, state_root=b"\1" * 32), GATEWAY, (STORAGE_SLOT,))
