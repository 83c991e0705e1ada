# SPDX-License-Identifier: MIT
"""Reading `signed` (wire-formats §7.3): what it yields, and every rule that needs no trusted state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bls import backend
from light_clients.codec.merkle_branch import hash_pair
from light_clients.cursor import Cursor
from light_clients.errors import (
    EncodingRejected,
    HeaderRejected,
    PublicKeyRejected,
    QuorumNotReached,
    Rejection,
    SignatureRejected,
)
from light_clients.ethereum.params import EthereumParams, WireFork, WireLayout
from light_clients.ethereum.reader import Signed, read_signed
from tests.support.beacon import (
    ORDER,
    Committee,
    Draft,
    Network,
    P,
    Seat,
    hash_attested,
    hash_finalized,
    join,
    make_committee,
    number,
    pack,
    resign,
    seat,
    signed_parts,
    split,
    stray_points,
    stray_signature,
    u64,
)

SIZE, EPOCH, PERIOD = 16, 8, 64
LAYOUTS = {"altair": (1, 105), "capella": (2, 105), "deneb": (3, 105), "electra": (4, 169)}
COMMITTEE, NEXT = make_committee("reader", SIZE), make_committee("reader, next", SIZE)
DRAFT = Draft(signature_slot=130, attested_slot=129, finalized_slot=128)
ROOT = b"\x07" * 32


def make_params(*forks: tuple[int, int], threshold: int = 11) -> EthereumParams:
    return EthereumParams(
        genesis_time=1_600_000_000,
        slot_duration_ms=12_000,
        slots_per_epoch=EPOCH,
        slots_per_period=PERIOD,
        committee_size=SIZE,
        threshold=threshold,
        trusting_period_s=1000,
        max_clock_drift_s=10,
        genesis_validators_root=b"\x11" * 32,
        forks=tuple(WireFork(epoch, bytes([epoch, 0, 0, 9]), WireLayout(layout)) for epoch, layout in forks),
    )


def make_network(params: EthereumParams) -> Network:
    forks = tuple((fork.epoch, fork.version, int(fork.layout)) for fork in params.forks)
    return Network(forks, EPOCH, params.genesis_validators_root)


PARAMS = make_params((0, 4))
NETWORK = make_network(PARAMS)


def read(parts: dict[str, bytes], params: EthereumParams = PARAMS, state_root: bytes | None = None) -> Signed:
    cursor = Cursor(join(parts))
    signed = read_signed(cursor, params, state_root)
    cursor.finish()
    return signed


@pytest.mark.parametrize("absent", [(), (0,), (3, 4), (15,), (0, 1, 2, 3, 15)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_everything_that_was_signed_is_read_back(layout: str, absent: tuple[int, ...]) -> None:
    number_, gindex = LAYOUTS[layout]
    params = make_params((0, number_))
    network = make_network(params)
    draft = replace(DRAFT, absent=absent, next_committee=NEXT.root)
    parts = signed_parts(draft, COMMITTEE, network)
    signed = read(parts, params)
    assert len(parts["upper"]) == 32 * (gindex.bit_length() - 4)
    assert (signed.signature_slot, signed.attested_slot, signed.finalized_slot) == (130, 129, 128)
    assert (signed.committee, signed.next_committee) == (COMMITTEE.root, NEXT.root)
    assert signed.finalized_root == hash_finalized(parts, None)
    assert signed.signing_root == network.signing_root(hash_attested(parts, COMMITTEE, None), 130)
    assert signed.block_number is None
    keys = [
        backend().secret_to_public(signer.secret)
        for i, signer in enumerate(COMMITTEE.seats)
        if i not in absent
    ]
    assert signed.signers_key == backend().aggregate(keys).compressed
    signed.check_signature(backend())


@pytest.mark.parametrize("layout", ["capella", "deneb", "electra"])
def test_the_execution_is_read_where_it_is_shown(layout: str) -> None:
    params = make_params((0, LAYOUTS[layout][0]))
    parts = signed_parts(replace(DRAFT, state_root=ROOT, block_number=9), COMMITTEE, make_network(params))
    signed = read(parts, params, ROOT)
    assert signed.block_number == 9
    assert signed.finalized_root == hash_finalized(parts, ROOT)
    signed.check_signature(backend())
    with pytest.raises(SignatureRejected):
        read(parts, params, b"\x08" * 32).check_signature(backend())


def named(signed: Signed, *, shows_execution: bool) -> dict[str, bytes]:
    """What the reader names, back as the bytes that it came as, without the flags."""
    parts, members = signed.parts, signed.parts.participation
    inactivity, committees, *upper = parts.finality_branch
    marks = sum(1 << place for place in members.absent).to_bytes(SIZE // 8, "little")
    found = {
        "signature_slot": u64(signed.signature_slot),
        "signature": parts.signature,
        "aggregate_key": parts.aggregate_key,
        "pubkeys_root": b"" if members.absent else members.pubkeys_root,
        "absent": marks if members.absent else b"",
        "keys": b"".join(members.absent_keys),
        "siblings": b"".join(members.siblings),
        "attested_slot": u64(signed.attested_slot),
        "attested_proposer": u64(parts.attested_proposer),
        "parent_root": parts.attested_parent_root,
        "attested_body": parts.attested_body_side,
        "epoch": u64(parts.epoch),
        "inactivity": inactivity,
        "committees": committees,
        "upper": b"".join(upper),
        "finalized_slot": u64(signed.finalized_slot),
        "finalized_proposer": u64(parts.finalized_proposer),
        "parent_and_state": parts.finalized_parent_and_state,
    }
    assert (parts.execution is not None) == shows_execution
    if parts.execution is not None:
        execution = parts.execution
        found |= {
            "block_number": u64(execution.block_number),
            "gas_limit": u64(execution.gas_limit),
            "receipts_root": execution.receipts_root,
            "fields0to1": execution.fields0to1,
            "fields4to5": execution.fields4to5,
            "fields8to15": execution.fields8to15,
            "fields16to31": execution.fields16to31 or b"",
            "body_branch": b"".join(execution.body_branch),
        }
    return found


@pytest.mark.parametrize("absent", [(), (0,), (3, 4), (0, 1, 2, 3, 15)])
@pytest.mark.parametrize(
    ("layout", "state_root"),
    [
        ("altair", None),
        *((layout, root) for layout in ("capella", "deneb", "electra") for root in (None, ROOT)),
    ],
)
def test_every_part_keeps_its_bytes_for_those_who_explain(
    layout: str, state_root: bytes | None, absent: tuple[int, ...]
) -> None:
    params = make_params((0, LAYOUTS[layout][0]))
    network = make_network(params)
    sent = signed_parts(replace(DRAFT, absent=absent, state_root=state_root), COMMITTEE, network)
    signed = read(sent, params, state_root)
    found = named(signed, shows_execution=state_root is not None)
    assert found == {name: sent[name] for name in found}
    assert set(sent) - set(found) <= {"flags", "body_side"} | set(ORDER[ORDER.index("block_number") :])
    assert signed.parts.attested_root == hash_attested(sent, COMMITTEE, state_root)
    if signed.parts.execution is not None:
        body_root = signed.parts.execution.body_root
        side = hash_pair(hash_pair(body_root, bytes(32)), hash_pair(bytes(32), bytes(32)))
        front = hash_pair(u64(128).ljust(32, b"\0"), sent["finalized_proposer"].ljust(32, b"\0"))
        assert hash_pair(hash_pair(front, sent["parent_and_state"]), side) == signed.finalized_root


def test_altair_shows_no_execution() -> None:
    params = make_params((0, 1))
    parts = signed_parts(replace(DRAFT, state_root=ROOT), COMMITTEE, make_network(params))
    with pytest.raises(HeaderRejected, match="don't show their execution"):
        read(parts, params, ROOT)


def test_each_header_has_the_layout_of_its_own_slot() -> None:
    """The attested state is Electra's, the finalized payload Capella's, the signature under the version
    before it.
    """
    params = make_params((0, 2), (17, 4))
    network = make_network(params)
    draft = Draft(136, 136 - 1, 120, state_root=ROOT)
    # The signature's slot begins the fork; what is signed is under the version of the slot before.
    parts = signed_parts(draft, COMMITTEE, network)
    assert len(parts["upper"]) == 96
    read(parts, params, ROOT).check_signature(backend())
    after = signed_parts(replace(draft, signature_slot=137, attested_slot=136), COMMITTEE, network)
    assert len(after["upper"]) == 128
    assert not after["fields16to31"]
    read(after, params, ROOT).check_signature(backend())
    assert network.signing_root(ROOT, 136) != network.signing_root(ROOT, 137)


@pytest.mark.parametrize(
    "name", sorted(set(ORDER) - {"signature", "absent", "keys", "siblings", "body_side"})
)
def test_every_part_is_under_the_signature(name: str) -> None:
    draft = replace(DRAFT, state_root=ROOT)
    parts = signed_parts(draft, COMMITTEE, NETWORK)
    changed = parts | {name: bytes([parts[name][0] ^ 1]) + parts[name][1:]}
    if name == "signature_slot":
        # It is not signed: only its period and the fork of the slot before it are said by it.
        read(changed, state_root=ROOT).check_signature(backend())
        return
    try:
        signed = read(changed, state_root=ROOT)
    except Rejection:
        return
    if signed.committee == COMMITTEE.root:
        with pytest.raises(SignatureRejected):
            signed.check_signature(backend())


@pytest.mark.parametrize("absent", [(), (2, 7)])
def test_no_cut_and_no_rest_is_accepted(absent: tuple[int, ...]) -> None:
    data = join(signed_parts(replace(DRAFT, absent=absent), COMMITTEE, NETWORK))
    for length in range(len(data)):
        with pytest.raises(Rejection):
            read_signed(Cursor(data[:length]), PARAMS)
    cursor = Cursor(data + b"\0")
    read_signed(cursor, PARAMS)
    with pytest.raises(EncodingRejected, match="left over"):
        cursor.finish()


@pytest.mark.parametrize("flags", [4, 8, 128, 255])
def test_unknown_flags_are_refused(flags: int) -> None:
    with pytest.raises(EncodingRejected, match="flags"):
        read(signed_parts(DRAFT, COMMITTEE, NETWORK) | {"flags": bytes([flags])})


def test_nobody_absent_has_one_form_only() -> None:
    parts = signed_parts(DRAFT, COMMITTEE, NETWORK)
    longer = parts | {"flags": b"\1", "pubkeys_root": b"", "absent": bytes(SIZE // 8)}
    with pytest.raises(EncodingRejected, match="nobody is absent"):
        read(longer | {"siblings": COMMITTEE.levels[-1][0]})


@pytest.mark.parametrize(("threshold", "absent"), [(11, 5), (13, 3), (16, 0)])
def test_the_threshold_is_exact(threshold: int, absent: int) -> None:
    """INV-7."""
    params = make_params((0, 4), threshold=threshold)
    parts = signed_parts(replace(DRAFT, absent=tuple(range(absent))), COMMITTEE, NETWORK)
    read(parts, params).check_signature(backend())
    with pytest.raises(QuorumNotReached) as caught:
        read(signed_parts(replace(DRAFT, absent=tuple(range(absent + 1))), COMMITTEE, NETWORK), params)
    assert caught.value.found == threshold - 1


@pytest.mark.parametrize(
    ("signature", "attested", "finalized"), [(128, 128, 120), (127, 128, 120), (130, 120, 128), (0, 0, 0)]
)
def test_slots_out_of_order_are_refused(signature: int, attested: int, finalized: int) -> None:
    with pytest.raises(HeaderRejected, match="out of order"):
        read(signed_parts(Draft(signature, attested, finalized), COMMITTEE, NETWORK))


@pytest.mark.parametrize(
    ("signature", "attested", "finalized"), [(128, 127, 120), (130, 129, 127), (129, 128, 127)]
)
def test_a_next_committee_is_shown_within_one_period_only(
    signature: int, attested: int, finalized: int
) -> None:
    draft = Draft(signature, attested, finalized)
    read(signed_parts(draft, COMMITTEE, NETWORK)).check_signature(backend())
    with pytest.raises(HeaderRejected, match="across periods"):
        read(signed_parts(replace(draft, next_committee=NEXT.root), COMMITTEE, NETWORK))


def test_a_next_committee_of_zero_is_refused() -> None:
    with pytest.raises(HeaderRejected, match="zero"):
        read(signed_parts(replace(DRAFT, next_committee=bytes(32)), COMMITTEE, NETWORK))


@pytest.mark.parametrize("draft", [Draft(17, 16, 15), Draft(17, 15, 15), Draft(16, 15, 15)])
def test_nothing_before_the_first_fork_is_believed(draft: Draft) -> None:
    params = make_params((2, 4))
    with pytest.raises(HeaderRejected, match="before the first fork"):
        read(signed_parts(draft, COMMITTEE, make_network(params)), params)
    read(signed_parts(Draft(17, 16, 16), COMMITTEE, make_network(params)), params)


@pytest.mark.parametrize("slot", [2**64 - 1, 2**63, 2**32])
def test_the_greatest_slots_overflow_nowhere(slot: int) -> None:
    signed = read(signed_parts(Draft(slot, slot - 1, slot - 1), COMMITTEE, NETWORK))
    signed.check_signature(backend())
    assert signed.signature_slot == slot


def keys_of(xy: bytes) -> dict[str, bytes]:
    x, y = split(xy)
    return {
        "infinity": bytes(96),
        "x not below p": pack((x + P, y)),
        "y not below p": pack((x, y + P)),
        "off the curve": pack((x, y ^ 1)),
        "y zero": pack((x, 0)),
        "all bits": b"\xff" * 96,
    }


@pytest.mark.parametrize("kind", keys_of(COMMITTEE.aggregate))
def test_impossible_keys_are_refused_even_where_a_committee_has_them(kind: str) -> None:
    """The committee commits to them, so that nothing but the rule itself stands in the way."""
    bad = keys_of(COMMITTEE.seats[0].xy)[kind]
    total = sum(signer.secret for signer in COMMITTEE.seats[1:])
    aggregate = seat_sum(total)
    absent = Committee((Seat(0, bad), *COMMITTEE.seats[1:]), aggregate)
    with pytest.raises(PublicKeyRejected):
        read(signed_parts(replace(DRAFT, absent=(0,)), absent, NETWORK))
    claiming = Committee(COMMITTEE.seats, keys_of(COMMITTEE.aggregate)[kind])
    with pytest.raises(PublicKeyRejected):
        read(signed_parts(DRAFT, claiming, NETWORK))


def seat_sum(secret: int) -> bytes:
    order = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
    return backend().secret_to_public(secret % order).xy


def test_the_other_root_of_a_key_is_another_key() -> None:
    parts = signed_parts(replace(DRAFT, absent=(1,)), COMMITTEE, NETWORK)
    for name in ("keys", "aggregate_key"):
        x, y = split(parts[name])
        assert read(parts | {name: pack((x, P - y))}).committee != COMMITTEE.root


def test_absent_keys_outside_the_subgroup_are_taken_away_like_others() -> None:
    """As the precompile adds them: only the sum of those who signed has to be in the subgroup."""
    stray = Committee((Seat(0, pack(stray_points(1)[0])), *COMMITTEE.seats[1:]))
    read(signed_parts(replace(DRAFT, absent=(0,)), stray, NETWORK)).check_signature(backend())
    for absent in ((), (3,)):
        signed = read(signed_parts(replace(DRAFT, absent=absent), stray, NETWORK))
        with pytest.raises(PublicKeyRejected, match="G1"):
            signed.check_signature(backend())


def test_signers_who_add_up_to_infinity_are_refused() -> None:
    one = COMMITTEE.seats[0]
    order = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
    pairs: list[Seat] = []
    for signer in COMMITTEE.seats[: SIZE // 2]:
        pairs += [signer, Seat(order - signer.secret, seat_sum(order - signer.secret))]
    # All pairs cancel out but the first, whose second member is another.
    cancelling = Committee((one, one, *pairs[2:]))
    read(signed_parts(DRAFT, cancelling, NETWORK)).check_signature(backend())
    read(signed_parts(replace(DRAFT, absent=(0,)), cancelling, NETWORK)).check_signature(backend())
    nobody = signed_parts(replace(DRAFT, absent=(0, 1)), cancelling, NETWORK)
    with pytest.raises(PublicKeyRejected, match="that signed"):
        read(nobody | {"signature": signed_parts(DRAFT, COMMITTEE, NETWORK)["signature"]})
    # Infinity signs everything with infinity.
    with pytest.raises(SignatureRejected):
        read(nobody | {"signature": bytes(192)})


def test_signatures_that_are_none_are_refused() -> None:
    parts = signed_parts(DRAFT, COMMITTEE, NETWORK)
    numbers = [int.from_bytes(parts["signature"][at : at + 48], "big") for at in range(0, 192, 48)]

    def packed(values: list[int]) -> bytes:
        return b"".join(value.to_bytes(48, "big") for value in values)

    for bad in (
        bytes(192),
        b"\xff" * 192,
        packed([numbers[0] + P, *numbers[1:]]),
        packed([*numbers[:3], numbers[3] + P]),
        packed([numbers[1], numbers[0], *numbers[2:]]),
    ):
        with pytest.raises(SignatureRejected):
            read(parts | {"signature": bad})
    negated = packed([*numbers[:2], *((P - value) % P for value in numbers[2:])])
    for other in (negated, stray_signature()):
        with pytest.raises(SignatureRejected):
            read(parts | {"signature": other}).check_signature(backend())


@pytest.mark.parametrize("count", [1, 2])
def test_absent_members_are_those_of_the_bits(count: int) -> None:
    """Who is absent is never the sender's choice: other bits, keys or siblings lead to another committee."""
    absent = tuple(range(4, 4 + count))
    parts = signed_parts(replace(DRAFT, absent=absent), COMMITTEE, NETWORK)
    keys = COMMITTEE.seats[9].xy + parts["keys"][96:]
    assert read(parts | {"keys": keys}).committee != COMMITTEE.root
    marks = (number(parts["absent"]) ^ 1 << 4 ^ 1 << 9).to_bytes(2, "little")
    moved = parts | {"absent": marks}
    if len(COMMITTEE.siblings((9, *absent[1:]))) == len(parts["siblings"]):
        assert read(moved).committee != COMMITTEE.root
    dropped = parts | {"keys": parts["keys"][96:]}
    with pytest.raises(Rejection):
        read(dropped)
    present = [place not in absent for place in range(SIZE)]
    fewer = {"absent": (number(parts["absent"]) ^ 1 << 4).to_bytes(2, "little"), "keys": parts["keys"][96:]}
    with pytest.raises(Rejection):
        read(resign(parts | fewer, COMMITTEE, NETWORK, present)).check_signature(backend())


def test_numbers_are_little_endian() -> None:
    parts = signed_parts(DRAFT, COMMITTEE, NETWORK)
    assert parts["signature_slot"] == u64(130) == b"\x82\0\0\0\0\0\0\0"
    assert seat("someone").xy != seat("someone else").xy
