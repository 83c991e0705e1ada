# SPDX-License-Identifier: MIT
from __future__ import annotations

from typing import Final

import pytest
from eth_account import Account as Reference
from eth_utils.address import to_checksum_address

from relayer.devnet.errors import SpecError
from relayer.devnet.state.identities import CHAIN_ID_BASE, account_of, chain_id_of, derive_account

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_addresses_are_those_of_ethereum() -> None:
    for index in range(5):
        account = derive_account(b"seed", "a", "funded", index)
        assert account.address_text == Reference.from_key(account.secret).address
        assert account.address_text == to_checksum_address(account.address)
        assert account.secret_text == "0x" + account.secret.hex()
        assert account.secret.hex() not in repr(account)


def test_every_part_of_a_name_counts() -> None:
    accounts = {
        derive_account(seed, chain, role, index)
        for seed in (b"1", b"2")
        for chain in ("a", "b")
        for role in ("funded", "validator")
        for index in (0, 1)
    }
    assert len(accounts) == 16


@pytest.mark.parametrize("secret", [b"", bytes(32), bytes(31), ORDER.to_bytes(32, "big"), b"\xff" * 32])
def test_what_is_no_key(secret: bytes) -> None:
    with pytest.raises(SpecError, match="private key"):
        account_of(secret)


def test_chain_ids_are_private_stable_and_apart() -> None:
    assert chain_id_of("a") == chain_id_of("a") != chain_id_of("a", 1)
    ids = {chain_id_of(f"chain-{index}") for index in range(179)}
    assert len(ids) == 179
    assert all(CHAIN_ID_BASE <= chain_id < CHAIN_ID_BASE + 2**24 for chain_id in ids)
