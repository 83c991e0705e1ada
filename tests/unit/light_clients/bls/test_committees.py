# SPDX-License-Identifier: MIT
from __future__ import annotations

from itertools import compress, product

import pytest

from light_clients.bls import GROUP_ORDER, PY_ECC, BlsBackend, PublicKey, backend, committee, committee_keys
from light_clients.bls.fast import FastBackend
from light_clients.errors import PublicKeyRejected, SignatureRejected

MESSAGE = b"c" * 32
SECRETS = tuple(range(11, 19))
PUBKEYS = tuple(backend().secret_to_public(secret).compressed for secret in SECRETS)


class Counted:
    """How often the fast backend was asked for what costs time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.decompressed = self.added = 0
        public_key, aggregate, subtract = BlsBackend.public_key, BlsBackend.aggregate, BlsBackend.subtract

        def counted_key(bls: BlsBackend, compressed: bytes) -> PublicKey:
            self.decompressed += 1
            return public_key(bls, compressed)

        def counted_aggregate(bls: BlsBackend, keys: tuple[PublicKey, ...]) -> PublicKey:
            self.added += len(keys)
            return aggregate(bls, keys)

        def counted_subtract(bls: BlsBackend, total: PublicKey, keys: tuple[PublicKey, ...]) -> PublicKey:
            self.added += len(keys)
            return subtract(bls, total, keys)

        monkeypatch.setattr(FastBackend, "public_key", counted_key)
        monkeypatch.setattr(FastBackend, "aggregate", counted_aggregate)
        monkeypatch.setattr(FastBackend, "subtract", counted_subtract)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def fresh(start: int, size: int = 8) -> list[bytes]:
    """A committee that no other test has asked for."""
    return [backend().secret_to_public(start * 1000 + seat).compressed for seat in range(1, size + 1)]


def sign(bits: tuple[bool, ...]) -> bytes:
    return backend().sign(sum(compress(SECRETS, bits)), MESSAGE)


def test_every_participation_has_the_verdict_of_the_plain_way() -> None:
    members, bls = committee(PUBKEYS), backend()
    everybody = sign((True,) * 8)
    for bits in product((False, True), repeat=8):
        keys = list(compress(members.keys, bits))
        if keys:
            assert members.verify(bits, MESSAGE, sign(bits))
            assert members.sum_of(bits) == bls.aggregate(keys)
        expected = bls.fast_aggregate_verify(keys, MESSAGE, everybody)
        assert members.verify(bits, MESSAGE, everybody) is expected is all(bits)


def test_the_reference_has_the_same_verdicts() -> None:
    members = committee(PUBKEYS, PY_ECC)
    assert members.bls is backend(PY_ECC)
    bits = (True, True, False, True, True, True, True, True)
    assert members.verify(bits, MESSAGE, sign(bits))
    assert not members.verify(bits, MESSAGE, sign((True,) * 8))


def test_whichever_are_fewer_are_added(counted: Counted) -> None:
    members = committee(PUBKEYS)
    for absent in range(9):
        counted.added = 0
        bits = tuple(seat >= absent for seat in range(8))
        members.verify(bits, MESSAGE, sign((True,) * 8))
        assert counted.added == min(absent, 8 - absent)


def test_nobody_signs_nothing() -> None:
    members = committee(PUBKEYS)
    assert not members.verify((False,) * 8, MESSAGE, b"\xc0" + bytes(95))
    with pytest.raises(PublicKeyRejected, match="no keys"):
        members.sum_of((False,) * 8)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_there_is_one_bit_a_member(count: int) -> None:
    members = committee(PUBKEYS)
    for call in (members.sum_of, lambda bits: members.verify(bits, MESSAGE, bytes(96))):
        with pytest.raises(SignatureRejected, match=f"found {count} bits, expected 8"):
            call((True,) * count)


def test_a_committee_is_decompressed_once(counted: Counted) -> None:
    pubkeys = fresh(1)
    keys = committee_keys(pubkeys)
    assert counted.decompressed == 8
    assert committee_keys(tuple(pubkeys)) is keys
    assert committee(pubkeys).total == backend().aggregate(keys)
    assert counted.decompressed == 8
    assert [key.compressed for key in keys] == pubkeys


def test_the_order_is_part_of_a_committee() -> None:
    pubkeys = fresh(2)
    assert committee_keys(pubkeys[::-1]) == committee_keys(pubkeys)[::-1]


def test_a_member_of_many_seats_is_decompressed_once(counted: Counted) -> None:
    one, other = fresh(3, 2)
    keys = committee_keys([one, other, one, one])
    assert counted.decompressed == 2
    assert [key.compressed for key in keys] == [one, other, one, one]


def test_the_cache_is_bounded(counted: Counted) -> None:
    for start in range(10, 30):
        committee(fresh(start, 1))
    counted.decompressed = 0
    committee(fresh(29, 1))
    assert counted.decompressed == 0
    committee(fresh(10, 1))
    assert counted.decompressed == 1


@pytest.mark.parametrize("wrong", [b"\xc0" + bytes(47), PUBKEYS[0][:47], bytes(48)])
def test_a_committee_with_a_wrong_key_is_refused_each_time(wrong: bytes) -> None:
    for _ in range(2):
        with pytest.raises(PublicKeyRejected):
            committee([*PUBKEYS, wrong])


def test_a_committee_of_nobody_or_that_cancels_out_is_refused() -> None:
    bls: BlsBackend = backend()
    opposite = [bls.secret_to_public(9).compressed, bls.secret_to_public(GROUP_ORDER - 9).compressed]
    with pytest.raises(PublicKeyRejected, match="no keys"):
        committee([])
    with pytest.raises(PublicKeyRejected, match="infinity"):
        committee(opposite)


def test_members_who_cancel_out_sign_nothing() -> None:
    bls = backend()
    members = committee([bls.secret_to_public(secret).compressed for secret in (9, GROUP_ORDER - 9, 5, 6, 7)])
    bits = (True, True, False, False, False)
    with pytest.raises(PublicKeyRejected, match="infinity"):
        members.sum_of(bits)
    for signature in (b"\xc0" + bytes(95), bls.sign(5, MESSAGE)):
        assert not members.verify(bits, MESSAGE, signature)
        assert not bls.fast_aggregate_verify(members.keys[:2], MESSAGE, signature)
