# SPDX-License-Identifier: MIT
"""What the cache of a proof-of-stake chain keeps, for how long, and which signature of a header it shows."""

from __future__ import annotations

from dataclasses import replace

from light_clients.client import Height
from light_clients.ethereum.config import Period, Slot
from relayer.consensus.ethereum.cache import (
    MOST_COMMITTEES_KEPT,
    MOST_HEADERS,
    MOST_UPDATES_KEPT,
    EthereumCache,
)
from relayer.consensus.ethereum.headers import SignedHeader
from tests.support.ethereum import PERIOD
from tests.support.ethereum_followed import finality_followed, make_committee, updates_followed


def signed_header(slot: int, mark: bytes = b"\x01") -> SignedHeader:
    return finality_followed(slot, mark=mark).headers[0]


def test_the_oldest_entries_go_first() -> None:
    cache = EthereumCache()
    for number in range(1, MOST_HEADERS + 2):
        cache.keep_header(signed_header(number))
    assert cache.header(Height(1)) is None
    assert cache.header(Height(2)) is not None
    for period in range(MOST_UPDATES_KEPT + 1):
        update = updates_followed(period, 1).headers[0].update
        cache.keep_update(Period(period), update)  # type: ignore[arg-type]
    assert [cache.update(Period(period)) is None for period in (0, 1)] == [True, False]
    for period in (*range(MOST_COMMITTEES_KEPT), 0, MOST_COMMITTEES_KEPT):
        cache.keep_committee(make_committee(period))
    roots = [make_committee(period).hash_tree_root() for period in (0, 1, 2)]
    # The first one was used again meanwhile.
    assert [cache.committee(root) is None for root in roots] == [False, True, False]


def test_the_first_signature_of_a_header_stays() -> None:
    """Proofs and anchors have it already."""
    cache, first = EthereumCache(), signed_header(32)
    cache.keep_header(first)
    cache.keep_header(replace(first, anchor=bytes(41)))
    assert cache.header(Height(32)) is first


def test_a_refused_header_is_shown_where_its_slot_has_no_other() -> None:
    cache = EthereumCache()
    cache.refused = signed_header(32, b"\x02")
    assert cache.signed_at(Slot(32)) is cache.refused
    assert cache.signed_at(Slot(33)) is None
    assert cache.signed_updates(Period(0)) == [cache.refused.update]
    first = signed_header(32)
    cache.keep_header(first)
    assert cache.signed_at(Slot(32)) is first
    assert cache.signed_updates(Period(0)) == [first.update, cache.refused.update]


def test_proofs_reach_back_to_the_first_header_of_a_committee_that_is_known() -> None:
    cache = EthereumCache()
    for slot in (3, PERIOD + 1, PERIOD + 9, 2 * PERIOD):
        cache.keep_header(signed_header(slot))
    numbers = [cache.first_signed_since(Period(period)) for period in range(4)]
    assert numbers == [3, PERIOD + 1, 2 * PERIOD, None]
