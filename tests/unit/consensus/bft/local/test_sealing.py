# SPDX-License-Identifier: MIT
"""Who seals a block, and a second one of its height."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients.bft.preimage import BftKind
from light_clients.ecdsa import recover
from relayer.consensus.bft.local.sealed_block import ExtraDataParts, SealedBlock, build_block, quorum
from relayer.consensus.bft.local.sealing import make_twin, seal
from relayer.devnet.state.anvil_header import AnvilHeader
from relayer.devnet.state.identities import derive_account
from relayer.devnet.state.ledger import Ledger

ACCOUNTS: Final = {
    account.address: account
    for account in (derive_account(b"test", "test", "validator", index) for index in range(30))
}


def block_of(
    count: int, number: int = 1, parent_hash: bytes = bytes(32), kind: BftKind = BftKind.IBFT2
) -> SealedBlock:
    """A block that the first validators of a set may seal; the last of them proposes it."""
    listed = tuple(sorted(ACCOUNTS)[:count])
    header = AnvilHeader(
        *(parent_hash, listed[-1], bytes(32), bytes(32), bytes(32), bytes(256)),
        number=number,
        gas_limit=1,
        gas_used=0,
        timestamp=number,
        tail=(),
    )
    return build_block(header, ExtraDataParts(kind, listed), anvil_hash=bytes(32), body_bytes=3)


def signers(block: SealedBlock) -> list[bytes]:
    found = [recover(block.seal_hash(), one[:64], one[64]) for one in block.seals]
    return [address for address in found if address is not None]


@given(count=st.integers(1, 30), wanted=st.none() | st.integers(0, 40))
def test_seals_are_distinct_and_begin_with_the_proposers(count: int, wanted: int | None) -> None:
    block = seal(block_of(count), ACCOUNTS, wanted)
    sealed_by = signers(block)
    assert (
        len(set(sealed_by)) == len(block.seals) == (quorum(count) if wanted is None else min(wanted, count))
    )
    assert set(sealed_by) <= set(block.extra.validators)
    assert sealed_by[:1] in ([], [block.proposer])


@pytest.mark.parametrize("kind", list(BftKind))
def test_what_another_node_has_of_a_block_is_the_same_block(kind: BftKind) -> None:
    block = seal(block_of(4, kind=kind), ACCOUNTS)
    other = seal(block, ACCOUNTS, node=1)
    assert other.hash == block.hash
    assert set(signers(other)) != set(signers(block))
    assert len(set(signers(other))) == quorum(4)


@pytest.mark.parametrize("kind", list(BftKind))
def test_a_twin_is_another_block_of_the_height_that_a_quorum_sealed(kind: BftKind) -> None:
    genesis = block_of(4, number=0, kind=kind)
    ledger = Ledger(genesis)
    block = seal(block_of(4, parent_hash=genesis.hash, kind=kind), ACCOUNTS)
    ledger.append(block)
    twin = make_twin(ledger, 1, ACCOUNTS)
    assert (twin.number, twin.parent_hash) == (block.number, block.parent_hash)
    assert twin.hash != block.hash
    assert twin.state_root != block.state_root
    assert len(set(signers(twin))) == quorum(4)
    assert ledger.twin(twin.hash) == twin == make_twin(ledger, 1, ACCOUNTS)
    assert ledger.head == block
    with pytest.raises(IndexError, match="block 2 is above the head, 1"):
        make_twin(ledger, 2, ACCOUNTS)
