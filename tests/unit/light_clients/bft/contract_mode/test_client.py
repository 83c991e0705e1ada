# SPDX-License-Identifier: MIT
"""INV-7, for the client of a chain whose validators a contract chooses: what it believes, and each rule that
it refuses by.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.contract_mode.client import ContractModeClient
from light_clients.bft.validators import quorum, set_hash
from light_clients.client import Height, Status, Timestamp
from light_clients.errors import (
    HeaderRejected,
    QuorumNotReached,
    Rejection,
    TrustExpired,
    TrustFrozen,
    ValidatorSetRejected,
)
from tests.support.bft import Validator, validator, validators
from tests.support.contract_mode import (
    ACCOUNT,
    NOW,
    PERIOD,
    SLOT,
    TRUSTED_HEIGHT,
    TRUSTED_TIME,
    WORD,
    ContractWorld,
)
from tests.support.contract_mode_rules import RuleCase, after_update, believed, broken

SIZES = (1, 4, 9)
WORLDS = {size: ContractWorld(validators(size)) for size in SIZES}
CASES = {
    size: {case.name: case for case in (*believed(world), *broken(world))} for size, world in WORLDS.items()
}
BELIEVED, BROKEN = (
    [(size, name) for size in SIZES for name, case in CASES[size].items() if (case.reason is None) is good]
    for good in (True, False)
)


def hash_of(members: list[Validator]) -> bytes:
    return set_hash([member.address for member in members])


def ask(client: ContractModeClient, case: RuleCase, now: int = NOW) -> ContractModeClient:
    if case.method == "storageAt":
        slot = bytes(32) if case.name == "an absent slot" else SLOT
        found = client.storage_at(case.data, ACCOUNT, slot, Timestamp(now))
        assert found.value == (bytes(32) if case.name == "an absent slot" else WORD)
        return client
    if case.method == "freeze":
        return client.freeze(case.data)
    return getattr(client, case.method)(case.data, Timestamp(now))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("size", "name"), BELIEVED)
def test_what_is_in_order_is_believed(size: int, name: str) -> None:
    client, case = WORLDS[size].client, CASES[size][name]
    assert (ask(client, case).state != client.state) is (case.method != "storageAt")


@pytest.mark.parametrize(("size", "name"), BROKEN)
def test_what_breaks_one_rule_is_refused(size: int, name: str) -> None:
    """INV-7. The seals are in order, so nothing but the rule stands in the way."""
    case = CASES[size][name]
    with pytest.raises(Rejection, match=case.reason or None):
        ask(WORLDS[size].client, case)


@pytest.mark.parametrize("size", SIZES)
def test_a_client_that_knows_the_storage(size: int) -> None:
    world = WORLDS[size]
    client = ask(world.client, RuleCase("", "update", world.update(world.block())))
    for case in after_update(world, world.held):
        if case.reason is None:
            ask(client, case)
            continue
        with pytest.raises(Rejection, match=case.reason):
            ask(client, case)


def test_an_update_takes_over_the_set_that_the_contract_holds_under_the_header() -> None:
    world, more = ContractWorld(validators(4)), validators(7, 2)
    held = world.state(more)
    client = world.client.update(world.update(world.block(state=held)), Timestamp(NOW))
    state = client.state
    assert (state.set_hash, state.height, state.timestamp) == (hash_of(more), 11, TRUSTED_TIME + 1)
    assert state.storage_root == held.state.storages[world.contract.address].root
    # The set that was trusted before has had its last turn with that very block.
    with pytest.raises(ValidatorSetRejected):
        client.storage_at(world.proof(world.block(12, before=held)), ACCOUNT, SLOT, Timestamp(NOW))
    turn = world.block(12, before=held, claimed=more)
    assert client.storage_at(world.proof(turn), ACCOUNT, SLOT, Timestamp(NOW)).height == 12


@pytest.mark.parametrize("n", range(1, 26))
def test_a_block_needs_its_quorum_exactly(n: int) -> None:
    """INV-7, at the boundary, for every size of set."""
    world, needed = ContractWorld(validators(n)), quorum(n)
    enough, few = world.block(sealing=range(n - needed, n)), world.block(sealing=range(needed - 1))
    other = replace(enough, draft=replace(enough.draft, gas_used=1))
    now = Timestamp(NOW)
    assert world.client.storage_at(world.proof(enough), ACCOUNT, SLOT, now).value == WORD
    assert world.client.freeze(world.misbehaviour(enough, other)).state.frozen
    for refused in (
        lambda: world.client.storage_at(world.proof(few), ACCOUNT, SLOT, now),
        lambda: world.client.update(world.update(few), now),
        lambda: world.client.anchor(world.anchor(few), now),
        lambda: world.client.freeze(world.misbehaviour(enough, few)),
    ):
        with pytest.raises(QuorumNotReached):
            refused()


def test_members_of_a_set_that_has_grown_are_no_quorum_of_it() -> None:
    """INV-7. Three of four are a quorum of the trusted set. Of the nine who have the turn they are none: the
    block may have been proposed and not decided, and another one decided in a later round.
    """
    world = ContractWorld(validators(4))
    grown = world.state(validators(9))
    undecided, decided = (
        world.block(20, before=grown, state=world.state(validators(9), votes)) for votes in (1, 2)
    )
    now = Timestamp(NOW)
    for refused in (
        lambda: world.client.storage_at(world.proof(undecided), ACCOUNT, SLOT, now),
        lambda: world.client.update(world.update(undecided), now),
        lambda: world.client.anchor(world.anchor(undecided), now),
        # Both blocks are honest, so they must not freeze the client.
        lambda: world.client.freeze(world.misbehaviour(undecided, decided)),
    ):
        with pytest.raises(ValidatorSetRejected, match="not the trusted one"):
            refused()


def test_a_set_that_changed_twice_is_followed_change_by_change() -> None:
    """INV-7. The block of the first change is the last of the old set; nothing later of it counts."""
    sets = [validators(4), validators(3, 20), validators(5, 40)]
    world = ContractWorld(sets[0])
    states = [world.state(members) for members in sets]
    client = world.client
    leap = world.block(21, before=states[1], claimed=sets[0], state=states[2])
    with pytest.raises(ValidatorSetRejected):
        client.update(world.update(leap), Timestamp(NOW))
    for index in (0, 1):
        block = world.block(11 + index, before=states[index], state=states[index + 1], claimed=sets[index])
        client = client.update(world.update(block), Timestamp(NOW))
        assert client.state.set_hash == hash_of(sets[index + 1])


def test_a_renewal_is_no_way_past_a_change() -> None:
    """Anybody may send an update. One for the block of a change always takes the change over, so nobody can
    move trust beyond it and leave the client with a set that never seals again.
    """
    world = ContractWorld(validators(4))
    client = world.client.update(world.update(world.block()), Timestamp(NOW))
    change = world.block(12, state=world.state(validators(3, 30)), form=0)
    with pytest.raises(Rejection, match="another state"):
        client.update(world.update(change, world.held.set_proof(0)), Timestamp(NOW))


def test_bootstrap_refuses_what_is_no_set_and_block_0() -> None:
    params = ContractWorld(validators(1)).client.params
    with pytest.raises(ValidatorSetRejected, match="empty"):
        ContractModeClient.bootstrap(params, [], Height(1), Timestamp(NOW))
    with pytest.raises(HeaderRejected, match="block 0"):
        ContractModeClient.bootstrap(params, [validator(1).address], Height(0), Timestamp(NOW))


def test_time_and_freezing_end_all_belief() -> None:
    """INV-7."""
    world = ContractWorld(validators(4))
    block = world.block()
    fork = world.misbehaviour(block, world.block(state=world.state(validators(9))))
    late = Timestamp(TRUSTED_TIME + PERIOD + 1)
    assert world.client.status(Timestamp(late - 1)) is Status.ACTIVE
    assert world.client.status(late) is Status.EXPIRED
    for client, now, error in (
        (world.client, late, TrustExpired),
        (world.client.freeze(fork), Timestamp(NOW), TrustFrozen),
    ):
        for refused in (
            lambda: client.storage_at(world.proof(block), ACCOUNT, SLOT, now),  # noqa: B023
            lambda: client.update(world.update(block), now),  # noqa: B023
            lambda: client.anchor(world.anchor(block), now),  # noqa: B023
        ):
            with pytest.raises(error):
                refused()
    # Misbehaviour does not expire; it is proven once.
    with pytest.raises(TrustFrozen):
        world.client.freeze(fork).freeze(fork)


def test_an_anchor_serves_proofs_without_a_block() -> None:
    world = ContractWorld(validators(4))
    client = world.client.anchor(world.anchor(world.block()), Timestamp(NOW))
    found = client.storage_at(world.anchored_proof(), ACCOUNT, SLOT, Timestamp(NOW))
    assert (found.value, found.height, found.timestamp) == (WORD, 11, TRUSTED_TIME + 1)
    assert client.state.height == TRUSTED_HEIGHT
    with pytest.raises(Rejection, match="above the last anchor"):
        client.anchor(world.anchor(world.block()), Timestamp(NOW))
    with pytest.raises(Rejection, match="another root"):
        client.storage_at(world.anchored_proof(world.state(validators(4), 4)), ACCOUNT, SLOT, Timestamp(NOW))
