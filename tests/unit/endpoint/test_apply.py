# SPDX-License-Identifier: MIT
"""Where a created contract will lie."""

from __future__ import annotations

from relayer.endpoint.apply import created_address


def test_a_created_contract_lies_where_the_chain_puts_it() -> None:
    # The well-known first contracts of an account (EIP-1014's neighbours; CryptoKitties' deployer).
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert created_address(sender, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert created_address(sender, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"
