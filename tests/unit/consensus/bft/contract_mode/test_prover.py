# SPDX-License-Identifier: MIT
"""The prover of a chain whose validators a contract chooses: heads, changes, proofs, clients elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.contract_mode.client import ContractModeClient, ContractModeParams
from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from light_clients.bft.validators import set_hash
from light_clients.client import Height, Timestamp
from light_clients.errors import Rejection, ValidatorSetRejected
from relayer.chains.base import Address
from relayer.consensus.bft.contract_mode.prover import ContractModeProver
from relayer.errors import ClientExpired, ClientFrozen, MisbehaviourFound, NotFoundYet, RpcAnswerInvalid
from tests.support.bft import Validator, validators
from tests.support.contract_chain import ContractChain, Destination
from tests.support.contract_mode import ACCOUNT, CONTRACT, DRIFT, PERIOD, SLOT, TRUSTED_TIME, WORD

FOUR, FIVE, OTHERS = validators(4), validators(5), validators(7, 40)
PARAMS = ContractModeParams(CONTRACT, PERIOD, DRIFT)
CLIENT = Address(b"\xc1" * 20)


def addresses(members: list[Validator]) -> list[bytes]:
    return [member.address for member in members]


def prover_of(chain: ContractChain, now: int = TRUSTED_TIME + 100, height: int = 1) -> ContractModeProver:
    trusted = addresses(chain.sets[height])
    return ContractModeProver(
        chain, PARAMS, trusted, Height(height), Timestamp(TRUSTED_TIME + height), lambda: now
    )


def destination_of(chain: ContractChain, height: int = 1) -> Destination:
    trusted = addresses(chain.sets[height])
    return Destination(
        ContractModeClient.bootstrap(PARAMS, trusted, Height(height), Timestamp(TRUSTED_TIME + height))
    )


async def test_a_proof_is_believed_by_a_client_elsewhere() -> None:
    """INV-5: the bytes that the prover gives are those that the client reads."""
    chain = ContractChain([FOUR] * 10)
    prover, there = prover_of(chain), destination_of(chain)
    header = await prover.verify_head(chain.head())
    assert (header.number, header.state_root) == (9, chain.held[9].root)
    (proven,) = await prover.prove(header, Address(ACCOUNT), (SLOT,))
    found = there.client.storage_at(proven.proof, ACCOUNT, SLOT, Timestamp(there.now))
    assert (found.value, found.height) == (WORD, 9) == (proven.value, proven.height)


async def test_our_own_trust_follows_to_the_parent_of_the_head() -> None:
    chain = ContractChain([FOUR] * 10)
    prover = prover_of(chain)
    await prover.verify_head(chain.head())
    state = prover.client.state
    assert (state.height, state.timestamp) == (8, TRUSTED_TIME + 8)
    # What has been verified once is not asked for again.
    chain.asked.clear()
    await prover.verify_head(chain.head())
    assert chain.asked == []


async def test_every_change_is_followed_one_after_the_other() -> None:
    """INV-7: several changes since the last head, two in neighbouring blocks, the last one to strangers."""
    chain = ContractChain([*[FOUR] * 5, *[FIVE] * 4, validators(6), *[OTHERS] * 8])
    prover, there = prover_of(chain), destination_of(chain)
    header = await prover.verify_head(chain.head())
    assert prover.validators == tuple(addresses(OTHERS))
    assert prover.signer_set_id == set_hash(addresses(OTHERS))
    assert not (await prover.client_at(there.chain, CLIENT)).current
    updates = await prover.updates_for(there.chain, CLIENT)
    there.take(updates)
    # Blocks 5, 9 and 10 changed the list, and the last update renews.
    assert len(updates) == 4
    found = await prover.client_at(there.chain, CLIENT)
    assert found.current
    assert found.proofs_from == 11
    assert there.client.state.storage_root == chain.storage_root(16)
    assert await prover.updates_for(there.chain, CLIENT) == ()
    (proven,) = await prover.prove(header, Address(ACCOUNT), (SLOT,))
    assert there.client.storage_at(proven.proof, ACCOUNT, SLOT, Timestamp(there.now)).height == 17


@pytest.mark.parametrize("height", range(2, 12))
async def test_every_block_around_changes_can_be_proven_when_it_is_the_head(height: int) -> None:
    """INV-7: also the block of a change itself, and the one after it."""
    chain = ContractChain([*[FOUR] * 5, FIVE, FOUR, *[OTHERS] * 5])
    prover, there = prover_of(chain), destination_of(chain)
    header = await prover.verify_head(chain.head(height))
    there.take(await prover.updates_for(there.chain, CLIENT))
    (proven,) = await prover.prove(header, Address(ACCOUNT), (SLOT,))
    assert there.client.storage_at(proven.proof, ACCOUNT, SLOT, Timestamp(there.now)).height == height


async def test_the_head_of_a_change_is_still_proven_by_the_set_before_it() -> None:
    chain = ContractChain([*[FOUR] * 9, FIVE, FIVE])
    prover = prover_of(chain)
    header = await prover.verify_head(chain.head(9))
    assert prover.signer_set_id == set_hash(addresses(FOUR))
    await prover.prove(header, Address(ACCOUNT), (SLOT,))
    await prover.verify_head(chain.head(10))
    assert prover.signer_set_id == set_hash(addresses(FIVE))
    with pytest.raises(ValidatorSetRejected):
        await prover.prove(header, Address(ACCOUNT), (SLOT,))


async def test_a_list_that_came_back_is_no_change() -> None:
    chain = ContractChain([*[FOUR] * 4, *[OTHERS] * 3, *[FOUR] * 4])
    prover, there = prover_of(chain), destination_of(chain)
    await prover.verify_head(chain.head())
    assert len(await prover.updates_for(there.chain, CLIENT)) == 1


async def test_the_list_is_left_out_where_every_client_knows_the_storage() -> None:
    chain = ContractChain([FOUR] * 12, votes={11: 1})
    prover = prover_of(chain)
    there, other = destination_of(chain), replace(destination_of(chain), name="other")

    async def prove(number: int) -> bytes:
        header = await prover.verify_head(chain.head(number))
        (proven,) = await prover.prove(header, Address(ACCOUNT), (SLOT,))
        for destination in (there, other):
            await prover.client_at(destination.chain, CLIENT)
        return proven.proof

    whole = await prove(8)
    for destination in (there, other):
        # Without a storage root it is to be updated, though it trusts the right set.
        assert not (await prover.client_at(destination.chain, CLIENT)).current
    there.take(await prover.updates_for(there.chain, CLIENT))
    assert len(await prove(9)) == len(whole)
    other.take(await prover.updates_for(other.chain, CLIENT))
    assert (await prover.client_at(other.chain, CLIENT)).current
    short = await prove(9)
    assert len(short) < len(whole) - 200
    for destination in (there, other):
        assert destination.client.storage_at(short, ACCOUNT, SLOT, Timestamp(there.now)).value == WORD
    # After a vote the storage is another one, so the list is there again.
    chain.sets.append(FOUR)
    chain.held.append(chain.held[11])
    chain.drafts.append(chain.draft(12))
    again = await prove(12)
    assert len(again) > len(short) + 200
    assert there.client.storage_at(again, ACCOUNT, SLOT, Timestamp(there.now)).value == WORD


async def test_a_block_that_older_members_sealed_is_not_believed() -> None:
    """INV-7: three of the four are no quorum of the nine whose turn it is."""
    chain = ContractChain([*[FOUR] * 5, *[validators(9)] * 3])
    chain.drafts[6] = chain.draft(6, sealers=FOUR[:3])
    chain.drafts[7] = chain.draft(7, sealers=FOUR[:3])
    with pytest.raises(Rejection, match="too few validators sealed"):
        await prover_of(chain).verify_head(chain.head(7))


async def test_states_that_are_gone_are_told() -> None:
    chain = ContractChain([*[FOUR] * 5, *[FIVE] * 10])
    prover = prover_of(chain)
    chain.oldest = 8
    with pytest.raises(NotFoundYet, match="no state of block"):
        await prover.verify_head(chain.head())
    assert prover.client.state.height == 1


async def test_state_is_kept_between_runs() -> None:
    chain = ContractChain([*[FOUR] * 5, *[FIVE] * 6])
    first, second = prover_of(chain), prover_of(chain)
    await first.verify_head(chain.head())
    second.import_state(first.export_state())
    assert second.client.state.set_hash == set_hash(addresses(FIVE)) == first.client.state.set_hash
    assert second.client.state.height == first.client.state.height
    assert second.validators == first.validators
    newer = prover_of(chain, height=10)
    newer.import_state(first.export_state())
    assert newer.client.state.height == 10
    elsewhere = ContractModeProver(
        chain,
        replace(PARAMS, contract=ValidatorContract(b"\x99" * 20, bytes(32))),
        addresses(FOUR),
        Height(1),
        Timestamp(TRUSTED_TIME),
    )
    for broken in (first.export_state(), b"{}", b"[]"):
        with pytest.raises(ValueError, match="a prover's state"):
            elsewhere.import_state(broken)


async def test_a_second_block_of_a_height_is_proven_to_be_misbehaviour() -> None:
    """INV-7."""
    chain = ContractChain([FOUR] * 10)
    prover, there = prover_of(chain), destination_of(chain)
    await prover.verify_head(chain.head())
    assert await prover.look_for_misbehaviour() is None
    chain.twins[9] = chain.draft(9, gas_used=1, sealers=FOUR[:2])
    assert await prover.look_for_misbehaviour() is None
    chain.twins[9] = chain.draft(9, round=1)
    assert await prover.look_for_misbehaviour() is None
    chain.twins[9] = chain.draft(9, gas_used=1)
    data = await prover.look_for_misbehaviour()
    assert data is not None
    assert there.client.freeze(data).state.frozen
    chain.drafts[9] = chain.twins[9]
    with pytest.raises(MisbehaviourFound):
        await prover.verify_head(chain.head())


async def test_clients_that_no_update_can_help_are_told() -> None:
    chain = ContractChain([FOUR] * 10)
    prover = prover_of(chain)
    await prover.verify_head(chain.head())
    late = replace(destination_of(chain), now=TRUSTED_TIME + PERIOD + 2)
    with pytest.raises(ClientExpired):
        await prover.updates_for(late.chain, CLIENT)
    frozen = destination_of(chain)
    frozen.client = replace(frozen.client, state=replace(frozen.client.state, frozen=True))
    with pytest.raises(ClientFrozen):
        await prover.updates_for(frozen.chain, CLIENT)
    other = destination_of(chain)
    contract = ValidatorContract(CONTRACT.address, bytes(32))
    other.client = replace(other.client, params=replace(PARAMS, contract=contract))
    with pytest.raises(RpcAnswerInvalid, match="slot 0x0"):
        await prover.client_at(other.chain, CLIENT)
    with pytest.raises(ClientExpired, match="our own"):
        await prover_of(chain, now=TRUSTED_TIME + PERIOD + 2).verify_head(chain.head())
