# SPDX-License-Identifier: MIT
"""INV-6: the check that `make kill ARGS=--every` ends with accuses exactly what it should."""

from __future__ import annotations

from tests.support.includable import Nonce, Signed, find_both_includable

SENDER = b"\x11" * 20


def nonce(number: int, *, sender: bytes = SENDER, chain: str = "b") -> Nonce:
    return Nonce(chain, sender, number)


def signed(number: int, at: int, *sequences: int, sender: bytes = SENDER) -> Signed:
    return Signed(nonce(number, sender=sender), at, frozenset((1, sequence) for sequence in sequences))


def test_a_replacement_under_the_same_nonce_excludes_what_it_replaces() -> None:
    assert find_both_includable([signed(0, 10, 5), signed(0, 20, 5)], {}) == []


def test_a_second_nonce_before_the_first_is_used_is_found() -> None:
    first, second = signed(0, 10, 5, 6), signed(1, 20, 6, 7)
    for used_after in ({}, {nonce(0): 21}, {nonce(0): 21, nonce(1): 22}):
        assert find_both_includable([second, first], used_after) == [(first, second)]


def test_a_second_nonce_after_the_first_was_used_is_right() -> None:
    # By whatever transaction: it failed, or another one took the nonce.
    assert find_both_includable([signed(0, 10, 5), signed(1, 20, 5)], {nonce(0): 20}) == []


def test_other_messages_may_be_signed_at_any_time() -> None:
    other_lane = Signed(nonce(2), 30, frozenset({(2, 5)}))
    assert find_both_includable([signed(0, 10, 5), signed(1, 20, 6), other_lane], {}) == []


def test_two_accounts_do_not_exclude_each_other() -> None:
    first, second = signed(3, 10, 5), signed(3, 20, 5, sender=b"\x22" * 20)
    assert find_both_includable([first, second], {nonce(4): 0}) == [(first, second)]


def test_all_earlier_carriers_are_looked_at() -> None:
    first, second, third = signed(0, 10, 5), signed(1, 20, 5), signed(2, 30, 5)
    used_after = {nonce(0): 15, nonce(1): 40}
    assert find_both_includable([first, second, third], used_after) == [(second, third)]
