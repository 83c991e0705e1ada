# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from relayer.errors import Malformed
from relayer.protocol.interop_address import (
    AccountId,
    ChainId,
    InteropAddress,
    format_evm_address,
    parse_evm_address,
)

VITALIK = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"


def test_an_evm_account_in_three_forms() -> None:
    address = InteropAddress.evm(1, bytes.fromhex(VITALIK[2:]))
    assert address.to_bytes().hex() == "0001" + "0000" + "0101" + "14" + VITALIK[2:].lower()
    assert str(address.account_id) == f"eip155:1:{VITALIK}"
    assert address.to_text() == f"{VITALIK}@eip155:1#4CA88C9C"
    assert InteropAddress.from_account(AccountId.parse(f"eip155:1:{VITALIK}")) == address


@pytest.mark.parametrize("number", [1, 255, 256, 2**64 - 1, 2**256 - 1])
def test_chain_ids_are_minimal_numbers(number: int) -> None:
    address = InteropAddress.evm(number)
    assert address.reference[0] != 0
    assert InteropAddress.parse(address.to_bytes()) == address
    if number < 10**32:
        assert address.chain_id.evm_number == number


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "6"),
        ("0001000001", "6"),
        ("000200000101" + "00", "version 2"),
        ("0001" + "0000" + "02" + "0001" + "00", "leading zero"),
        ("0001" + "0000" + "00" + "00", "neither"),
        ("0001" + "0000" + "0101" + "13" + "11" * 19, "20"),
        ("0001" + "0000" + "0101" + "15" + "11" * 21, "20"),
        ("0001" + "0000" + "0101" + "14" + "11" * 19, "length byte"),
        ("0001" + "0000" + "0101" + "14" + "11" * 21, "length byte"),
        ("0001" + "0000" + "ff01" + "14" + "11" * 20, "left"),
        ("0001" + "0000" + "21" + "11" * 33 + "00", "32"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused(data: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        InteropAddress.parse(bytes.fromhex(data))


@pytest.mark.parametrize(
    "text",
    [
        VITALIK,
        f"{VITALIK}@eip155:1",
        f"{VITALIK}@eip155:1#4CA88C9D",
        f"{VITALIK}@eip155:01#4CA88C9C",
        f"{VITALIK}@eip155:0#4CA88C9C",
        f"{VITALIK}@eip155:#4CA88C9C",
        f"{VITALIK}@cosmos:1#4CA88C9C",
        f"{VITALIK.replace('d8dA', 'D8dA')}@eip155:1#4CA88C9C",
        "0OIl@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d#88835C11",
        "x" * 2000,
    ],
)
def test_text_with_anything_wrong_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        InteropAddress.from_text(text)


@pytest.mark.parametrize(
    "text", ["", "eip155", "eip155:", "eip155:01", "EIP155:1", "ei:1", "eip155:1:2", "x" * 50]
)
def test_what_is_no_caip2_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        ChainId.parse(text)


@pytest.mark.parametrize("text", ["eip155:1", f"eip155:1:{VITALIK}00", f"{VITALIK}", "eip155:1:"])
def test_what_is_no_caip10_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        AccountId.parse(text)


def test_a_checksum_is_checked_where_there_is_one() -> None:
    raw = bytes.fromhex(VITALIK[2:])
    assert format_evm_address(raw) == VITALIK
    assert parse_evm_address(VITALIK) == parse_evm_address(VITALIK.lower()) == raw
    assert parse_evm_address("0x" + VITALIK[2:].upper()) == raw
    with pytest.raises(Malformed, match="checksum"):
        parse_evm_address(VITALIK[:-1] + "4" if VITALIK[-1] != "4" else VITALIK[:-1] + "5")


def test_other_chains_are_carried_but_not_named() -> None:
    address = InteropAddress.parse(bytes.fromhex("0001" + "0042" + "01ff" + "02abcd"))
    assert address.to_bytes().hex() == "0001004201ff02abcd"
    with pytest.raises(Malformed, match="chain type 66"):
        address.to_text()
    with pytest.raises(Malformed, match="eip155"):
        _ = address.chain_id
