# SPDX-License-Identifier: MIT
"""Transactions of one chain, signed. Which nonce and which price they have, and when they are offered, is
decided elsewhere (relayer.sending): the journal holds the signed bytes before anybody else does (INV-6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relayer.chains.base import Address, Call, GasPrice, SignedTransaction, TxHash
from relayer.chains.evm.signed import DYNAMIC_FEE_TYPE
from relayer.chains.evm.signers import ForeignAccount, Signer, as_signer
from relayer.errors import KeyUnavailable


class TransactionSigner:
    """The keys of one chain. It asks nothing of the chain.

    Args:
        chain_id: EIP-155 number.
        signers: unlocked keys, of any library that `as_signer` takes; may be none. Raises KeyUnavailable.
    """

    def __init__(self, chain_id: int, signers: Sequence[Signer | ForeignAccount]) -> None:
        self._chain_id = chain_id
        self._signers = {Address(signer.address): signer for signer in map(as_signer, signers)}

    @property
    def senders(self) -> tuple[Address, ...]:
        """The accounts that sign, in the order of the keys."""
        return tuple(self._signers)

    def sign(self, sender: Address, nonce: int, call: Call, gas: int, price: GasPrice) -> SignedTransaction:
        """Sign with an account's key; `gas` is the limit. Raises KeyUnavailable."""
        signer = self._signers.get(sender)
        if signer is None:
            raise KeyUnavailable(
                f"no key for account 0x{sender.hex()}", "a configured key", "Name it in the chain's keys."
            )
        # The price tells type 0. eth-account takes no other sign of it.
        offer: dict[str, Any] = (
            {"gasPrice": price.max_wei}
            if price.is_legacy
            else {
                "type": DYNAMIC_FEE_TYPE,
                "maxFeePerGas": price.max_wei,
                "maxPriorityFeePerGas": price.priority_wei,
            }
        )
        raw, tx_hash = signer.sign_transaction(
            {
                **offer,
                "chainId": self._chain_id,
                "nonce": nonce,
                "to": call.to,
                "value": call.value_wei,
                "data": call.data,
                "gas": gas,
            }
        )
        return SignedTransaction(sender, nonce, TxHash(tx_hash), raw, price.max_wei, price.priority_wei, gas)
