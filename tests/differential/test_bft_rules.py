# SPDX-License-Identifier: MIT
"""INV-7 and INV-8 for the BFT light client, rule by rule (`tests/differential/rules.py`)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from light_clients.bft.client import BftKind
from light_clients.bft.preimage import BftKinds, KindChange
from tests.differential.bft_cases import DRIFT, NOW, PERIOD, TRUSTED_TIME, World, make_world
from tests.differential.bft_twins import deploy_world
from tests.differential.clients import Case, Deployed, live_on
from tests.differential.evm import Anvil
from tests.differential.rules import Rule, check_refused, check_rules
from tests.support import rlp
from tests.support.bft import PRAGUE, Draft, Validator, validators
from tests.support.wire import flag, header_parts, join, prefixed, reseal

#: What `make_world` trusts at.
HEIGHT = 10
CHANGE = KindChange(BftKind.IBFT2, BftKind.QBFT, HEIGHT + 2)
TAIL_SHIFT = 5

Parts = dict[str, bytes]


def open_world(
    anvil: Anvil, authority: bytes, kinds: BftKinds, count: int = 4, *, anchored: bool = False
) -> tuple[World, Deployed]:
    """A world of its own seed, and both clients of it."""
    world = make_world(random.Random("rules"), kinds, count)
    return world, deploy_world(anvil, authority, world, anchored=anchored)


def draft(world: World, ahead: int = 1, **terms: object) -> Draft:
    """A block so many above the trusted one, of the protocol that its height has."""
    number = HEIGHT + ahead
    usual = Draft(
        world.kinds.at(number),
        world.members,
        number=number,
        timestamp=TRUSTED_TIME + max(ahead, 0),
        tail=PRAGUE,
    )
    return replace(usual, **terms)  # type: ignore[arg-type]


def sealed(made: Draft, changed: Parts | None = None, sealing: Sequence[int] | None = None) -> bytes:
    """A header with some of its parts changed before these validators, by default all, sealed it."""
    parts = header_parts(replace(made, sealers=())) | (changed or {})
    members = range(len(made.members)) if sealing is None else sealing
    return join(reseal(parts, made.kind, made.members, members))


def flags_of(made: Draft) -> int:
    return int.from_bytes(header_parts(made)["flags"], "big")


def anchor(data: bytes, now: int = NOW) -> Case:
    return Case("anchor", data, now=now)


def update(headers: Sequence[bytes], link: bytes = b"\0", count: int | None = None, now: int = NOW) -> Case:
    sent = len(headers) if count is None else count
    return Case("update", bytes([sent]) + link + b"".join(headers), now=now)


def link(trusted: Sequence[Validator], members: Sequence[Validator], **changed: bytes) -> bytes:
    """The link from the trusted set to another."""
    places = {member.address: index for index, member in enumerate(trusted)}
    parts = {
        "named": bytes([len(trusted)]) + b"".join(member.address for member in trusted),
        "indexes": prefixed(bytes(places.get(member.address, 0xFF) for member in members)),
    } | changed
    return b"\x01" + parts["named"] + parts["indexes"]


@pytest.mark.parametrize("kinds", [*BftKind, CHANGE])
@pytest.mark.parametrize("count", [4, 6, 7])
def test_seals_and_the_set(anvil: Anvil, authority: bytes, kinds: BftKinds, count: int) -> None:
    """INV-7: two thirds of the trusted set, rounded up, and nobody else. 2F+1 of six would be three."""
    world, deployed = open_world(anvil, authority, kinds, count)
    made = draft(world)
    quorum = -(-2 * count // 3)
    good = sealed(made, sealing=range(quorum))
    parts = reseal(header_parts(replace(made, sealers=())), made.kind, made.members, range(quorum))
    seals = [parts["seals"][at : at + 64] for at in range(0, len(parts["seals"]), 64)]
    stranger = [*world.members[:-1], validators(1, 5000)[0]]
    high = int.from_bytes(parts["bits"], "big") | 1 << count
    twisted = bytes([seals[0][0] ^ 1]) + seals[0][1:]

    def broken(name: str, error: str, changed: bytes) -> Rule:
        return Rule(name, error, anchor(good), anchor(changed))

    check_rules(
        anvil,
        deployed,
        [
            broken("a quorum seals", "QuorumNotReached", sealed(made, sealing=range(quorum - 1))),
            broken("the set is the trusted one", "NotTrustedSet", sealed(replace(made, members=stranger))),
            broken(
                "the set is in the trusted order",
                "NotTrustedSet",
                sealed(replace(made, members=world.members[::-1])),
            ),
            broken(
                "a seal is its own validator's",
                "SealRejected",
                join(parts | {"seals": b"".join([seals[1], seals[0], *seals[2:]])}),
            ),
            broken("a seal is whole", "SealRejected", join(parts | {"seals": twisted + b"".join(seals[1:])})),
            broken(
                "nobody seals beyond the list",
                "HeaderMalformed",
                join(parts | {"bits": high.to_bytes(len(parts["bits"]), "big")}),
            ),
            broken(
                "a bit has a seal",
                "SealRejected",
                join(parts | {"seals": b"".join(seals[:-1])}),
            ),
            broken(
                "a seal has a bit", "LengthMismatch", join(parts | {"seals": b"".join([*seals, seals[0]])})
            ),
        ],
    )


@pytest.mark.parametrize("kinds", list(BftKind))
def test_what_is_sealed_is_the_header(anvil: Anvil, authority: bytes, kinds: BftKind) -> None:
    """INV-7: each part of a header changes what was sealed; constants cannot be others."""
    world, deployed = open_world(anvil, authority, kinds)
    made = draft(world)
    parts = header_parts(made)
    good = anchor(join(parts))
    other = rlp.encode(rlp.integer(HEIGHT + 1)) + rlp.encode(rlp.integer(7)) * 2
    ending = {"round": b"\x11" * 65} if kinds is BftKind.ISTANBUL else {"round": prefixed(b"\x01")}
    with_round = flag(flags_of(made) | 16)
    changes = {
        "parent": {"parent": b"\x11" * 32},
        "beneficiary": {"beneficiary": b"\x11" * 20},
        "state root": {"state_root": b"\x11" * 32},
        "roots": {"flags": flag(flags_of(made) & ~256), "roots": b"\x11" * 64},
        "bloom": {"flags": flag(flags_of(made) & ~3 | 2), "bloom": b"\x01\x05\x01"},
        "numbers": {"numbers": prefixed(other + rlp.encode(rlp.integer(made.timestamp)))},
        "vanity": {"flags": flag(flags_of(made) | 4), "vanity": b"\x11" * 32},
        "round": {"flags": with_round, **ending},
        "tail": {"tail": prefixed(b"\x09")},
    }
    vote = b"\xff" * 8 if kinds is BftKind.ISTANBUL else prefixed(rlp.encode([b"\x11" * 20, b"\xff"]))
    changes["vote"] = {"flags": flag(flags_of(made) | 8), "vote": vote}
    check_rules(
        anvil,
        deployed,
        [Rule(name, "SealRejected", good, anchor(join(parts | change))) for name, change in changes.items()],
    )


@pytest.mark.parametrize("kinds", list(BftKind))
def test_forms_of_a_header(anvil: Anvil, authority: bytes, kinds: BftKind) -> None:
    """INV-4, INV-8: one header has one hash, so every part has one length; all of it is sealed as it is."""
    world, deployed = open_world(anvil, authority, kinds)
    made = draft(world)
    flags = flags_of(made)
    good = sealed(made)
    numbers = [HEIGHT + 1, 30_000_000, 0, made.timestamp]

    def numbered(*encoded: bytes) -> Parts:
        usual = [rlp.encode(rlp.integer(number)) for number in numbers]
        return {"numbers": prefixed(b"".join([*encoded, *usual[len(encoded) :]]))}

    def tailed(form: int, tail: bytes) -> Parts:
        return {"flags": flag(flags & ~0xE0 | form << TAIL_SHIFT), "tail": prefixed(tail)}

    def bloomed(form: int, bloom: bytes) -> Parts:
        return {"flags": flag(flags & ~3 | form), "bloom": bloom}

    def broken(name: str, changed: Parts, like: Parts | None = None) -> Rule:
        return Rule(
            name,
            "HeaderMalformed",
            anchor(sealed(made, like) if like else good),
            anchor(sealed(made, changed)),
        )

    rules = [
        broken("flags are known", {"flags": flag(flags | 512)}),
        broken("a bloom's form is known", bloomed(3, b"")),
        broken("a sparse bloom has a place", bloomed(2, b"\0"), bloomed(2, b"\x01\x05\x01")),
        broken("in a sparse bloom no byte is zero", bloomed(2, b"\x01\x05\x00"), bloomed(2, b"\x01\x05\x01")),
        broken(
            "places of a sparse bloom ascend",
            bloomed(2, b"\x02\x05\x01\x05\x01"),
            bloomed(2, b"\x02\x05\x01\x06\x01"),
        ),
        broken(
            "a number is below 2^64", numbered(rlp.encode(rlp.integer(HEIGHT + 1)), b"\x89" + b"\x01" * 9)
        ),
        broken("a number has no leading zero", numbered(b"\x82\x00\x0b")),
        broken("a number below 128 is one byte", numbered(b"\x81\x0b")),
        broken("a number is a string", numbered(rlp.encode(rlp.integer(HEIGHT + 1)), b"\xc0")),
        broken("there are four numbers", {"numbers": prefixed(header_parts(made)["numbers"][1:] + b"\x05")}),
        broken("a tail's form is known", tailed(5, b"\x07")),
        broken("a base fee is one", tailed(4, b"\x07\x07"), tailed(4, b"\x09")),
        broken("a base fee is there", tailed(4, b""), tailed(4, b"\x09")),
        broken(
            "a base fee is below 2^256", tailed(4, b"\xa1" + b"\x01" * 33), tailed(4, b"\xa0" + b"\x01" * 32)
        ),
        broken("a base fee has no leading zero", tailed(4, b"\x82\x00\x07")),
        broken("a raw tail has at most six fields", tailed(7, b"\x80" * 7), tailed(7, b"\x80" * 6)),
        broken("a raw tail has a field", tailed(7, b""), tailed(7, b"\x80")),
        broken("a raw tail holds strings", tailed(7, b"\x80\xc0"), tailed(7, b"\x80\x80")),
        broken("a raw tail ends with its last field", tailed(7, b"\x80\x82\x01"), tailed(7, b"\x80\x81\x90")),
    ]
    if kinds is BftKind.ISTANBUL:
        without = {"flags": flag(flags & ~16), "round": b""}
        rules.append(broken("there is a proposer's seal", without))
    else:
        vote, round_ = flag(flags | 8), flag(flags | 16)
        longest = b"\xf7" + b"\x01" * 55
        for name, item in {
            "empty": b"",
            "two items": b"\x80\x80",
            "longer than it says": b"\x81\x90\x01",
            "shorter than it says": b"\x83\x01\x01",
            "a long string": b"\xb8\x38" + b"\x01" * 56,
            "a long list": b"\xf8\x38" + b"\x01" * 56,
        }.items():
            like = {"flags": vote, "vote": prefixed(longest)}
            rules.append(broken(f"a vote is one item, not {name}", like | {"vote": prefixed(item)}, like))
            like = {"flags": round_, "round": prefixed(b"\x01")}
            rules.append(broken(f"a round is one item, not {name}", like | {"round": prefixed(item)}, like))
    rules.append(
        Rule("block 0 has no seals", "GenesisHeader", anchor(good), anchor(sealed(made, numbered(b"\x80"))))
    )
    check_rules(anvil, deployed, rules)
    nobody = header_parts(replace(made, members=[], sealers=()))
    # An empty list is the form of a chain whose validators a contract chooses. No trusted set hashes to it.
    error = "HeaderMalformed" if kinds is BftKind.ISTANBUL else "NotTrustedSet"
    check_refused(anvil, deployed, anchor(join(nobody | {"bits": b"", "seals": b""})), error)


@pytest.mark.parametrize(
    "kinds",
    [
        CHANGE,
        KindChange(BftKind.ISTANBUL, BftKind.QBFT, HEIGHT + 2),
        KindChange(BftKind.QBFT, BftKind.ISTANBUL, HEIGHT + 2),
    ],
)
def test_a_height_has_one_protocol(anvil: Anvil, authority: bytes, kinds: KindChange) -> None:
    """INV-7: below the change the first one, from it on the later one, and no header of the other."""
    world, deployed = open_world(anvil, authority, kinds)
    rules = []
    for ahead in (1, 2, 3):
        made = draft(world, ahead)
        for other in set(BftKind) - {made.kind}:
            # As the other protocol seals it, every byte that is sent is read; what is hashed is not.
            error = "HeaderMalformed" if made.kind is BftKind.ISTANBUL else "SealRejected"
            if other is BftKind.ISTANBUL and made.kind is not BftKind.ISTANBUL:
                error = "HeaderMalformed"
            rules.append(
                Rule(
                    f"{made.kind.name} at {made.number}, not {other.name}",
                    error,
                    anchor(sealed(made)),
                    anchor(sealed(replace(made, kind=other))),
                )
            )
    check_rules(anvil, deployed, rules)


@pytest.mark.parametrize("kinds", [*BftKind, CHANGE])
def test_updates_of_an_unchanged_set(anvil: Anvil, authority: bytes, kinds: BftKinds) -> None:
    world, deployed = open_world(anvil, authority, kinds)
    first, second = draft(world, 1), draft(world, 2)
    one = update([sealed(first)])
    two = update([sealed(first), sealed(second)])
    level = sealed(replace(draft(world, 0), timestamp=TRUSTED_TIME))
    eight = [sealed(draft(world, ahead)) for ahead in range(1, 10)]
    later = replace(second, timestamp=NOW + DRIFT)
    grown = [*world.members, validators(1, 5000)[0]]
    check_rules(
        anvil,
        deployed,
        [
            Rule("above the trusted height", "HeightNotAbove", one, update([level])),
            Rule(
                "above the header before",
                "HeightNotAbove",
                two,
                update([sealed(second), sealed(replace(second, gas_used=1))]),
            ),
            Rule(
                "no earlier than the trusted time",
                "TimestampBelow",
                one,
                update([sealed(replace(first, timestamp=TRUSTED_TIME - 1))]),
            ),
            Rule(
                "no earlier than the header before",
                "TimestampBelow",
                two,
                update([sealed(first), sealed(replace(second, timestamp=first.timestamp - 1))]),
            ),
            Rule(
                "not ahead by more than the drift",
                "TimestampInFuture",
                update([sealed(later)]),
                update([sealed(replace(later, timestamp=later.timestamp + 1))]),
            ),
            Rule("a header", "HeaderCountInvalid", one, update([], count=0)),
            Rule("at most eight headers", "HeaderCountInvalid", update(eight[:8]), update(eight)),
            Rule(
                "all of one set",
                "SetsDiffer",
                two,
                update([sealed(first), sealed(replace(second, members=grown))]),
            ),
            Rule(
                "each with its own quorum",
                "QuorumNotReached",
                two,
                update([sealed(first, sealing=range(2)), sealed(second)]),
            ),
            Rule("a link's form is known", "FormUnknown", one, update([sealed(first)], b"\x02")),
            Rule(
                "within the trusting period",
                "NotActive",
                update([sealed(first)], now=TRUSTED_TIME + PERIOD),
                update([sealed(first)], now=TRUSTED_TIME + PERIOD + 1),
            ),
        ],
    )


@pytest.mark.parametrize("kinds", [*BftKind, CHANGE])
def test_links_to_another_set(anvil: Anvil, authority: bytes, kinds: BftKinds) -> None:
    """INV-7: a new set is let in by two thirds of the trusted one, over all headers."""
    world, deployed = open_world(anvil, authority, kinds, 6)
    trusted, (joiner, other) = world.members, validators(2, 5000)
    members = [*trusted[2:], joiner]
    first, second = (draft(world, ahead, members=members) for ahead in (1, 2))
    # Four of the trusted six have to vouch. Each header has four seals, the joiner's among them.
    vouched = [sealed(first, sealing=[0, 1, 2, 4]), sealed(second, sealing=[1, 2, 3, 4])]
    good = update(vouched, link(trusted, members))
    indexes = bytearray([2, 3, 4, 5, 0xFF])
    named = bytes([6]) + b"".join(member.address for member in trusted)

    def with_indexes(*changed: int) -> Case:
        return update(vouched, link(trusted, members, indexes=prefixed(bytes(changed))))

    def changed_to(listed: Sequence[Validator | bytes], places: Sequence[int]) -> Case:
        made = [replace(block, members=listed) for block in (first, second)]
        headers = [sealed(block, sealing=range(4)) for block in made]
        return update(headers, link(trusted, members, indexes=prefixed(bytes(places))))

    check_rules(
        anvil,
        deployed,
        [
            Rule(
                "two thirds of the trusted set vouch",
                "QuorumNotReached",
                good,
                update([vouched[0], sealed(second, sealing=[0, 1, 2, 4])], link(trusted, members)),
            ),
            Rule(
                "the trusted set is named",
                "NotTrustedSet",
                good,
                update(vouched, link([*trusted[:5], other], members, indexes=prefixed(bytes(indexes)))),
            ),
            Rule("a change has a link", "NotTrustedSet", good, update(vouched)),
            Rule(
                "what does not change has none",
                "SetUnchanged",
                update([sealed(draft(world, 1))]),
                update([sealed(draft(world, 1))], link(trusted, trusted)),
            ),
            Rule("a place for every member", "LinkLengthMismatch", good, with_indexes(*indexes[:4])),
            Rule("a place is the member's own", "LinkMismatch", good, with_indexes(3, 2, 4, 5, 0xFF)),
            Rule("a newcomer has no place", "LinkMismatch", good, with_indexes(2, 3, 4, 5, 0)),
            Rule("a place is in the set", "LinkMismatch", good, with_indexes(2, 3, 4, 5, 6)),
            Rule("a vouching member is named", "QuorumNotReached", good, with_indexes(0xFF, *indexes[1:])),
            Rule("no member twice", "ValidatorTwice", good, changed_to([*members, joiner], [*indexes, 0xFF])),
            Rule(
                "no member is zero",
                "ValidatorZero",
                good,
                changed_to([*members, bytes(20)], [*indexes, 0xFF]),
            ),
            Rule(
                "the whole trusted set is named",
                "NotTrustedSet",
                good,
                update(vouched, link(trusted, members, named=bytes([5]) + named[1:101])),
            ),
        ],
    )


@pytest.mark.parametrize("kinds", [*BftKind, CHANGE])
def test_proofs_and_anchors(anvil: Anvil, authority: bytes, kinds: BftKinds) -> None:
    world, deployed = open_world(anvil, authority, kinds, anchored=True)
    assert deployed.client.state.anchor.height == HEIGHT - 5
    proof = world.storage + world.account
    made = draft(world, state_root=world.root)

    def asked(form: int, block: Draft | None, now: int = NOW) -> Case:
        header = b""
        if block is not None:
            parts = header_parts(replace(block, sealers=()), state_root=False)
            header = join(reseal(parts, block.kind, block.members, range(4), block.state_root))
        return Case("storageAt", bytes([form]) + proof + header, now=now)

    good, anchored = asked(0, made), asked(1, None)
    strangers = replace(made, members=validators(4, 900))
    last = replace(made, timestamp=NOW + DRIFT)
    data = sealed(made)
    check_rules(
        anvil,
        deployed,
        [
            Rule(
                "the proof leads to what is sealed",
                "SealRejected",
                good,
                asked(0, replace(made, state_root=b"\x01" * 32)),
            ),
            Rule("a proof's set is the trusted one", "NotTrustedSet", good, asked(0, strangers)),
            Rule(
                "a proof is not ahead",
                "TimestampInFuture",
                asked(0, last),
                asked(0, replace(last, timestamp=last.timestamp + 1)),
            ),
            Rule("a proof's form is known", "FormUnknown", anchored, asked(2, None)),
            Rule(
                "a proof is within the trusting period",
                "NotActive",
                asked(0, made, TRUSTED_TIME + PERIOD),
                asked(0, made, TRUSTED_TIME + PERIOD + 1),
            ),
            Rule(
                "nothing left over",
                "LengthMismatch",
                good,
                replace(good, data=good.data + b"\0"),
            ),
            Rule(
                "nothing read behind the end",
                "LengthMismatch",
                good,
                replace(good, data=good.data[:-1], behind=good.data[-1:]),
            ),
            Rule(
                "an anchor is not ahead",
                "TimestampInFuture",
                anchor(sealed(last)),
                anchor(sealed(replace(last, timestamp=last.timestamp + 1))),
            ),
            Rule(
                "an anchor is above the last",
                "HeightNotAbove",
                anchor(sealed(draft(world, -4, timestamp=TRUSTED_TIME))),
                anchor(sealed(draft(world, -5, timestamp=TRUSTED_TIME))),
            ),
            Rule("an anchor ends with its seals", "LengthMismatch", anchor(data), anchor(data + b"\0")),
        ],
    )
    moved, _ = live_on(anvil, deployed, anchor(sealed(replace(made, state_root=b"\x01" * 32))))
    check_rules(anvil, moved, [Rule("the anchored root", "NotAnchoredRoot", good, anchored)])
    _, without = open_world(anvil, authority, kinds)
    check_rules(anvil, without, [Rule("an anchor is there", "NoAnchor", good, anchored)])


@pytest.mark.parametrize("kinds", [*BftKind, CHANGE])
def test_misbehaviour(anvil: Anvil, authority: bytes, kinds: BftKinds) -> None:
    """Two blocks of one height freeze, whenever; the same block sealed twice is honest."""
    world, deployed = open_world(anvil, authority, kinds)
    one = draft(world)
    other = replace(one, state_root=b"\x01" * 32)
    again = one if one.kind is BftKind.ISTANBUL else replace(one, round=3)

    def freeze(first: bytes, second: bytes, now: int = NOW) -> Case:
        return Case("freeze", first + second, now=now)

    good = freeze(sealed(one), sealed(other))
    strangers = validators(4, 900)
    check_rules(
        anvil,
        deployed,
        [
            Rule(
                "one block in two rounds",
                "NoMisbehaviour",
                good,
                freeze(sealed(one), sealed(again, sealing=[1, 2, 3])),
            ),
            Rule("two heights", "HeightsDiffer", good, freeze(sealed(one), sealed(draft(world, 2)))),
            Rule(
                "both are sealed by a quorum",
                "QuorumNotReached",
                good,
                freeze(sealed(one), sealed(other, sealing=[0, 3])),
            ),
            Rule(
                "by the trusted set",
                "NotTrustedSet",
                good,
                freeze(sealed(one), sealed(replace(other, members=strangers))),
            ),
            Rule("nothing left over", "LengthMismatch", good, freeze(sealed(one), sealed(other) + b"\0")),
        ],
    )
    expired = freeze(sealed(one), sealed(other), TRUSTED_TIME + PERIOD + 1)
    frozen, _ = live_on(anvil, deployed, expired)
    for case in (anchor(sealed(one)), update([sealed(one)]), good):
        check_refused(anvil, frozen, case, "NotActive")
