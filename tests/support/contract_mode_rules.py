# SPDX-License-Identifier: MIT
"""Every rule of the client of a contract-mode chain, broken alone, with seals that are in order.

Each case is data for one method. The unit tests ask Python why it refuses, the differential tests ask both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from light_clients.bft.contract_mode.validator_contract import ValidatorContract
from tests.support.bft import Draft, validator, validators
from tests.support.contract_mode import (
    DRIFT,
    NOW,
    TRUSTED_HEIGHT,
    TRUSTED_TIME,
    ContractWorld,
    Held,
    Sent,
    word,
    words_of,
)
from tests.support.wire import header_parts


@dataclass(frozen=True)
class RuleCase:
    """Data for a method, and a part of the reason for which it is refused; None where it is believed."""

    name: str
    method: str
    data: bytes
    reason: str | None = None


def believed(world: ContractWorld) -> Iterator[RuleCase]:
    """What a client believes that has just been deployed; it knows no storage root."""
    block, more = world.block(), world.state(validators(13))
    yield RuleCase("a proof", "storageAt", world.proof(block))
    yield RuleCase("an absent slot", "storageAt", world.proof(block, slot=bytes(32)))
    yield RuleCase("all seal", "storageAt", world.proof(world.block(sealing=range(len(world.members)))))
    yield RuleCase(
        "a block of long ago", "storageAt", world.proof(world.block(3, timestamp=TRUSTED_TIME - 999))
    )
    yield RuleCase("the latest time", "storageAt", world.proof(world.block(timestamp=NOW + DRIFT)))
    listed = Draft(block.draft.kind, validators(3, 50), number=10, sealers=[], state_root=world.held.root)
    first = replace(block, parent=listed, draft=replace(block.draft, parent_hash=listed.block_hash()))
    yield RuleCase("a parent that lists its own validators", "storageAt", world.proof(first))
    yield RuleCase("an update", "update", world.update(block))
    yield RuleCase("an update to another set", "update", world.update(world.block(state=more)))
    yield RuleCase(
        "an update to a set of strangers",
        "update",
        world.update(world.block(state=world.state(validators(3, 70)))),
    )
    yield RuleCase("the trusted time again", "update", world.update(world.block(timestamp=TRUSTED_TIME)))
    yield RuleCase(
        "other storage of the same set",
        "update",
        world.update(world.block(state=world.state(world.members, 5))),
    )
    yield RuleCase(
        "255 members", "update", world.update(world.block(state=world.state(validators(255, 300))))
    )
    yield RuleCase("an anchor", "anchor", world.anchor(block))
    yield RuleCase("two blocks of a height", "freeze", world.misbehaviour(block, world.block(state=more)))
    other_parent = replace(block.parent, gas_used=7)
    fork = replace(
        block, parent=other_parent, draft=replace(block.draft, parent_hash=other_parent.block_hash())
    )
    yield RuleCase("two blocks of two parents", "freeze", world.misbehaviour(block, fork))
    future = world.block(state=more, timestamp=NOW + 10_000)
    yield RuleCase("two blocks, one from the future", "freeze", world.misbehaviour(block, future))


def broken(world: ContractWorld) -> Iterator[RuleCase]:
    """What such a client refuses, by one rule alone."""
    for case in broken_blocks(world):
        yield RuleCase(f"storageAt: {case[0]}", "storageAt", world.proof(case[1]), case[2])
        yield RuleCase(f"update: {case[0]}", "update", world.update(case[1]), case[2])
        yield RuleCase(f"anchor: {case[0]}", "anchor", world.anchor(case[1]), case[2])
        good = world.block(max(case[1].draft.number, 2), state=world.state(validators(13)))
        yield RuleCase(f"freeze: {case[0]}, first", "freeze", world.misbehaviour(case[1], good), case[2])
        yield RuleCase(f"freeze: {case[0]}, second", "freeze", world.misbehaviour(good, case[1]), case[2])
    late = world.block(timestamp=NOW + DRIFT + 1)
    yield RuleCase("a proof from the future", "storageAt", world.proof(late), "from the future")
    yield RuleCase("an update from the future", "update", world.update(late), "from the future")
    yield RuleCase("an anchor from the future", "anchor", world.anchor(late), "from the future")
    yield RuleCase("no anchor", "storageAt", world.anchored_proof(), "no anchor")
    yield RuleCase("another mode", "storageAt", b"\x02" + world.proof(world.block())[1:], "no known mode")
    for name, data, method in (
        ("a proof", world.proof(world.block()), "storageAt"),
        ("an update", world.update(world.block()), "update"),
        ("an anchor", world.anchor(world.block()), "anchor"),
    ):
        yield RuleCase(f"{name} with a byte too much", method, data + b"\0", "left over")
        yield RuleCase(f"{name} with a byte too few", method, data[:-1], "")
    yield from _broken_updates(world)
    same = world.block()
    again = replace(same, draft=replace(same.draft, round=1))
    yield RuleCase("one block in two rounds", "freeze", world.misbehaviour(same, again), "of one block")
    other = world.block(12, state=world.state(validators(13)))
    yield RuleCase("two heights", "freeze", world.misbehaviour(same, other), "of two heights")
    yield RuleCase("a lone block", "freeze", world.anchor(same), "")


def broken_blocks(world: ContractWorld) -> Iterator[tuple[str, Sent, str]]:
    """Blocks that are refused wherever they come, the rule, and the reason."""
    members = world.members
    n, needed = len(members), -(-2 * len(members) // 3)
    good = world.block()
    strangers = validators(n, 50)
    yield "a seal too few", world.block(sealing=range(needed - 1)), "too few"
    yield "strangers", world.block(claimed=strangers), "not the trusted one"
    yield (
        "strangers whom the contract names",
        world.block(claimed=strangers, before=world.state(strangers)),
        "not the trusted one",
    )
    yield "nobody", world.block(claimed=[], sealing=[]), "not the trusted one"
    if n > 1:
        # Nobody was replaced: the same people, in an order that the contract never had.
        yield "another order", world.block(claimed=members[::-1]), "not the trusted one"
    # The trusted set sealed, and it was not its turn.
    grown = world.state([*members, *validators(2 * n, 80)])
    yield "a set that has grown", world.block(before=grown), "not the trusted one"
    yield "a set that has shrunk", world.block(before=world.state([validator("lone")])), "not the trusted one"
    yield "storage that is not known", world.block(form=0), "not known"
    yield (
        "a proof of the set in another form",
        replace(good, before=b"\x02" + good.before[1:]),
        "no known form",
    )
    parent = replace(good.parent, gas_used=1)
    yield "another parent", replace(good, parent=parent), "another block"
    yield (
        "another parent's hash",
        replace(good, draft=replace(good.draft, parent_hash=bytes(32))),
        "another block",
    )
    unproven = replace(good.parent, state_root=bytes(32))
    under = replace(good, parent=unproven, draft=replace(good.draft, parent_hash=unproven.block_hash()))
    yield "a set of another state than the parent's", under, "another block"
    listed = header_parts(Draft(good.draft.kind, members, sealers=[]))["validators"]
    # The list is in what is hashed and sealed, and no seals are counted by it.
    parts = {"validators": listed}
    yield "a header that lists its validators", replace(good, parts=parts), "lists its validators"
    stranger = strangers[0].sign(bytes(32))
    yield "a seal of nothing", replace(good, seals=(stranger[:64]) * needed), "not its validator's"
    if n % 8:
        bits = (sum(1 << i for i in range(needed)) | 1 << n).to_bytes((n + 7) // 8, "big")
        yield "a seal of nobody", replace(good, bits=bits), "of no validator"
    yield "block 0", replace(good, draft=replace(good.draft, number=0)), "block 0"
    yield "a parent that is block 0", world.block(1), "block 0"
    yield from (
        (f"under the parent, {name}", replace(world.block(before=held), before=proof), reason)
        for name, held, proof, reason in broken_sets(world)
    )


def broken_sets(world: ContractWorld) -> Iterator[tuple[str, Held, bytes, str]]:
    """What a contract may hold that is no set, or is not proven: the state, its proof, the reason."""
    contract, members = world.contract, world.members
    words = words_of(members, contract)
    first, *rest = (slot for slot in words if slot != contract.slot)
    n = len(members)

    def held(
        name: str, changed: dict[bytes, bytes], reason: str, told: int | None = None
    ) -> tuple[str, Held, bytes, str]:
        state = Held({**words, **changed}, contract)
        return name, state, state.set_proof(members=told), reason

    yield held("no length", {contract.slot: word(0)}, "another length", 0)
    yield held("a length with dirty bits", {contract.slot: word(1 << 255 | n)}, "another length", n)
    yield held("a length with a bit above the byte", {contract.slot: word(256 + n)}, "another length", n)
    yield held("256 members", words_of(validators(256, 300), contract), "another length")
    yield held("a zero member", {first: word(0)}, "zero address")
    yield held("a member that is absent", {contract.slot: word(n + 1)}, "zero address")
    yield held("a member with dirty bits", {first: b"\x01" + words[first][1:]}, "no address")
    yield held(
        "a member with a bit above the address",
        {first: words[first][:11] + b"\x01" + words[first][12:]},
        "no address",
    )
    twice = words_of([*members, members[0]], contract)
    yield held("a member twice", twice, "listed twice")
    if rest:
        yield held("neighbours that are one", {rest[0]: words[first]}, "listed twice")
    state = world.held
    other = Held(words, contract, votes=1)
    slots = [contract.slot, *contract.member_slots(n)]
    mixed = [state.storage_proof(contract.address, slot) for slot in slots[:-1]]
    last = other.storage_proof(contract.address, slots[-1])
    account = state.account_proof(contract.address)
    yield (
        "a member of another storage",
        state,
        b"\x01" + b"".join([*mixed, last]) + account,
        "another storage",
    )
    wrong = b"\x01" + b"".join([*mixed, state.storage_proof(contract.address, slots[0])]) + account
    yield "a member of another slot", state, wrong, ""
    # The same list in the storage of an account that is not the contract.
    thief = Held(words, ValidatorContract(b"\x66" * 20, contract.slot))
    yield "another contract's list", thief, thief.set_proof(), ""
    moved = Held(
        words_of(members, ValidatorContract(contract.address, word(99))),
        ValidatorContract(contract.address, word(99)),
    )
    yield "a list in another slot", moved, moved.set_proof(), ""


def _broken_updates(world: ContractWorld) -> Iterator[RuleCase]:
    for number in (TRUSTED_HEIGHT, TRUSTED_HEIGHT - 1, 2):
        data = world.update(world.block(number))
        yield RuleCase(f"an update to height {number}", "update", data, "does not ascend")
    data = world.update(world.block(timestamp=TRUSTED_TIME - 1))
    yield RuleCase("an update back in time", "update", data, "descends")
    block = world.block()
    yield RuleCase("an update without the next set", "update", world.anchor(block), "")
    more = world.state(validators(13))
    data = world.update(block, more.set_proof())
    yield RuleCase("a next set of another state", "update", data, "another state")
    data = world.update(block, b"\x00" + world.held.account_proof(world.contract.address))
    yield RuleCase("a next set of storage that is not known", "update", data, "not known")
    for name, held, proof, reason in broken_sets(world):
        data = world.update(world.block(state=held), proof)
        yield RuleCase(f"next, {name}", "update", data, reason)


def after_update(world: ContractWorld, held: Held) -> Iterator[RuleCase]:
    """For a client whose set was read from the storage of `held`, at TRUSTED_HEIGHT + 1."""
    known = world.block(12, before=held, state=held, form=0)
    yield RuleCase("known storage", "storageAt", world.proof(known))
    yield RuleCase(
        "known storage, member by member", "storageAt", world.proof(world.block(12, before=held, state=held))
    )
    yield RuleCase("known storage, renewed", "update", world.update(known, held.set_proof(0)))
    yield RuleCase("known storage, read again", "update", world.update(known))
    more = world.state(validators(13), 3)
    yield RuleCase(
        "known storage that changes", "update", world.update(world.block(12, before=held, state=more, form=0))
    )
    other = world.state(world.members, 6)
    yield RuleCase(
        "other storage", "storageAt", world.proof(world.block(12, before=other, form=0)), "another block"
    )
    data = world.update(world.block(12, before=held, state=other, form=0), other.set_proof(0))
    yield RuleCase("next, other storage as known", "update", data, "another state")
    data = world.update(world.block(11, before=held, form=0))
    yield RuleCase("the same height again", "update", data, "does not ascend")
