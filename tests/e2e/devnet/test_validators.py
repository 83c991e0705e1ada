# SPDX-License-Identifier: MIT
"""Validator sets change as in the real protocols, and the light client follows."""

from __future__ import annotations

import time
from typing import Final

import pytest

from light_clients.bft.client import BftClient, BftParams
from light_clients.bft.codec import encode_update
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.client import Height, Timestamp
from light_clients.errors import QuorumNotReached
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.bft.local.sealed_block import SealedBlock
from relayer.devnet.errors import SpecError
from tests.support.devnet import ON_DEMAND, Client

NAMES: Final = {BftKind.QBFT: "qbft", BftKind.IBFT2: "ibft"}


def now() -> Timestamp:
    return Timestamp(int(time.time()))


def header_of(chain: LocalBftChain, block: SealedBlock) -> BftHeader:
    return BftHeader.from_rlp(block.rlp(), chain.protocol)


def trusting(chain: LocalBftChain) -> BftClient:
    first = chain.block(1)
    params = BftParams(chain.protocol, trusting_period_s=3600, max_clock_drift_s=1)
    return BftClient.bootstrap(
        params, first.extra.validators, Height(first.number), Timestamp(first.timestamp)
    )


async def test_votes_add_a_validator(chain: LocalBftChain, client: Client) -> None:
    """floor(4/2) + 1 proposers vote; the block after the third lists and is sealed by the new set."""
    before = chain.validators
    added = chain.add_validator()
    blocks = [await chain.mine() for _ in range(5)]
    assert [block.extra.vote is not None for block in blocks] == [True, True, True, False, False]
    assert len({block.proposer for block in blocks[:3]}) == 3
    assert [block.extra.validators for block in blocks] == [before] * 3 + [
        tuple(sorted([*before, added]))
    ] * 2
    assert chain.validators == tuple(sorted([*before, added]))
    votes = [header_of(chain, block).vote for block in blocks[:3]]
    # RLP of [address, 0xff], as Besu writes it; no vote is the empty list or the empty string.
    assert votes == [b"\xd7\x94" + added + b"\x81\xff"] * 3
    assert header_of(chain, blocks[3]).vote == {BftKind.QBFT: b"\xc0", BftKind.IBFT2: b"\x80"}[chain.protocol]
    for block in blocks:
        name = f"{NAMES[chain.protocol]}_getValidatorsByBlockNumber"
        listed = await client.call(name, hex(block.number))
        assert listed == ["0x" + address.hex() for address in block.extra.validators]
        assert len(block.seals) == -(-2 * len(listed) // 3)


async def test_votes_remove_a_validator_and_the_light_client_follows(chain: LocalBftChain) -> None:
    """Four become three: the new quorum of 2 is less than the trusted set's 3, so it takes two headers."""
    old = chain.validators
    removed = old[0]
    chain.remove_validator(removed)
    await chain.mine(3)
    first, second = header_of(chain, await chain.mine()), header_of(chain, await chain.mine())
    assert removed not in first.validators
    assert len(first.validators) == 3
    assert len(first.seals) == 2
    with pytest.raises(QuorumNotReached):
        encode_update(old, [first])
    moved = trusting(chain).update(encode_update(old, [first, second]), now())
    moved.check_header(header_of(chain, await chain.mine()), now())


async def test_a_transition_replaces_the_list_at_a_block(chain: LocalBftChain) -> None:
    old = chain.validators
    (added,) = chain.new_validators(1)
    new = tuple(sorted([*old[1:], added]))
    chain.set_validators(new, at=4)
    blocks = [await chain.mine() for _ in range(4)]
    assert [block.extra.validators for block in blocks] == [old, old, new, new]
    headers = [header_of(chain, block) for block in blocks[2:]]
    trusting(chain).update(encode_update(old, headers), now())
    assert {block.proposer for block in blocks[2:]} <= set(new)


async def test_all_new_validators_are_not_believed(chain: LocalBftChain) -> None:
    """INV-7: a set that the trusted one did not let in stays out, however well it seals its own blocks."""
    old = chain.validators
    chain.set_validators(chain.new_validators(4))
    headers = [header_of(chain, await chain.mine()) for _ in range(4)]
    assert not set(headers[0].validators) & set(old)
    with pytest.raises(QuorumNotReached):
        encode_update(old, headers)


async def test_several_wishes_and_single_validators() -> None:
    async with LocalBftChain("alpha", ON_DEMAND, validators=1) as chain:
        (only,) = chain.validators
        first, second = chain.add_validator(), chain.add_validator()
        await chain.mine(6)
        assert chain.validators == tuple(sorted([only, first, second]))
        chain.remove_validator(only)
        await chain.mine(6)
        assert chain.validators == tuple(sorted([first, second]))


async def test_adding_and_removing_at_a_block_need_no_votes(qbft: LocalBftChain) -> None:
    added = qbft.add_validator(at=3)
    qbft.remove_validator(qbft.validators[0], at=5)
    sizes = [len((await qbft.mine()).extra.validators) for _ in range(5)]
    assert sizes == [4, 5, 5, 4, 4]
    assert added in qbft.validators


async def test_impossible_changes_are_refused(qbft: LocalBftChain) -> None:
    known = qbft.validators[0]
    secret = qbft.validator_account(known).secret
    with pytest.raises(SpecError, match="is in the set"):
        qbft.add_validator(secret)
    with pytest.raises(SpecError, match="is not in the set"):
        qbft.remove_validator(b"\x11" * 20)
    with pytest.raises(SpecError, match="whose key this chain does not have"):
        qbft.set_validators([b"\x11" * 20])
    with pytest.raises(SpecError, match="a set of 0 validators"):
        qbft.set_validators([])
    with pytest.raises(SpecError, match="at block 1"):
        qbft.set_validators([known], at=1)
    chosen = qbft.validators
    for address in chosen[1:]:
        qbft.remove_validator(address)
    with pytest.raises(SpecError, match="a set of 0 validators"):
        qbft.remove_validator(chosen[0])
