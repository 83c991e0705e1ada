# SPDX-License-Identifier: MIT
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relayer.errors import Malformed
from relayer.protocol.interop_address import InteropAddress


@given(st.integers(1, 2**256 - 1), st.one_of(st.just(b""), st.binary(min_size=20, max_size=20)))
def test_evm_addresses_come_back_from_bytes_and_text(number: int, address: bytes) -> None:
    found = InteropAddress.evm(number, address)
    assert InteropAddress.parse(found.to_bytes()) == found
    assert InteropAddress.from_text(found.to_text()) == found


@given(st.binary(max_size=32), st.binary(min_size=1, max_size=64))
def test_solana_addresses_come_back_from_bytes_and_text(reference: bytes, address: bytes) -> None:
    found = InteropAddress(2, reference, address)
    assert InteropAddress.parse(found.to_bytes()) == found
    assert InteropAddress.from_text(found.to_text()) == found


@given(st.binary(max_size=64))
def test_any_bytes_have_at_most_one_reading(data: bytes) -> None:
    """One address, one encoding: whatever is read is written back to the same bytes."""
    try:
        found = InteropAddress.parse(data)
    except Malformed:
        return
    assert found.to_bytes() == data


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = InteropAddress.from_text(text)
    except Malformed:
        return
    assert InteropAddress.from_text(found.to_text()) == found
