# SPDX-License-Identifier: MIT
"""Transactions of one chain: priced, numbered and signed. Whoever asks broadcasts them.

Signing and broadcasting are apart so that the journal holds the signed bytes before anybody
else does (INV-6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, GasPrice, SignedTransaction, TxHash
from relayer.chains.evm.fees import FeePolicy, Fees, compute_bumped_fees, compute_fees
from relayer.chains.evm.nonces import FetchNonce, NonceManager
from relayer.chains.evm.signed import DYNAMIC_FEE_TYPE, read_sender
from relayer.chains.evm.signers import ForeignAccount, Signer, as_signer
from relayer.errors import KeyUnavailable, RpcRefused

__all__ = ["Signer", "Transactions", "read_sender"]

#: Nodes have no codes for refusing a transaction; these are their words, in lower case.
_KNOWN_WORDS: Final = (
    "already known",
    "known transaction",
    "already imported",
    "already in the txpool",
    "already exists",
    "alreadyknown",
)
_NONCE_WORDS: Final = (
    "nonce too low",
    "noncetoolow",
    "nonce is too low",
    "already been used",
    "invalid nonce",
)
_PRICE_WORDS: Final = (
    "underpriced",
    "fee too low",
    "fee per gas less than block base fee",
    "less than the block base fee",
    "gas price below",
    "gasprice too low",
    "below current minimum",
)
_FUNDS_WORDS: Final = ("insufficient funds", "upfront cost", "insufficient balance")


class Transactions:
    """The signing side of one chain. It asks nothing of the chain: prices and transaction counts are given.

    Args:
        chain_id: EIP-155 number.
        signers: unlocked keys, of any library that `as_signer` takes; may be none. Raises KeyUnavailable.
        policy: the operator's limits.
        fetch_nonce: asks for an account's transaction count, pending ones included.
    """

    def __init__(
        self,
        chain_id: int,
        signers: Sequence[Signer | ForeignAccount],
        policy: FeePolicy,
        fetch_nonce: FetchNonce,
    ) -> None:
        self._chain_id = chain_id
        self._signers = {Address(signer.address): signer for signer in map(as_signer, signers)}
        self._policy = policy
        self.nonces = NonceManager(tuple(self._signers), fetch_nonce)

    @property
    def senders(self) -> tuple[Address, ...]:
        """The accounts that sign, in the order of the keys."""
        return self.nonces.senders

    async def prepare(self, call: Call, gas: int, base_fee_wei: int) -> SignedTransaction:
        """Take a nonce and sign; `gas` is the limit. A failure takes no nonce.

        Raises FeeLimitReached, KeyUnavailable, and whatever `fetch_nonce` raises.
        """
        # The price comes before the nonce: where it is too high, no nonce was taken.
        fees = compute_fees(base_fee_wei, self._policy)
        sender, nonce = await self.nonces.take()
        try:
            return self._sign(sender, nonce, call, gas, fees)
        except BaseException:
            # A cancellation comes here, too. A nonce that nobody gives back is a gap, which holds up every
            # later transaction of the account.
            self.nonces.give_back(sender, nonce)
            raise

    def replace(
        self, transaction: SignedTransaction, call: Call, gas: int, base_fee_wei: int
    ) -> SignedTransaction:
        """Sign another transaction of the same nonce at a higher price.

        Raises FeeLimitReached, KeyUnavailable.
        """
        offered = Fees(transaction.max_fee_wei, transaction.priority_fee_wei)
        fees = compute_bumped_fees(offered, base_fee_wei, self._policy)
        return self._sign(transaction.sender, transaction.nonce, call, gas, fees)

    def adopt(self, raw: bytes) -> tuple[Address, int, TxHash]:
        """Take over signed bytes, whoever signed them; return sender, nonce and hash. Raises Malformed."""
        tx_hash = TxHash(keccak256(raw))
        known = self.nonces.find(tx_hash)
        if known is None:
            sender, nonce = read_sender(raw)
            self.nonces.adopt(sender, nonce, tx_hash)
            known = sender, nonce
        return *known, tx_hash

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

    def _sign(self, sender: Address, nonce: int, call: Call, gas: int, fees: Fees) -> SignedTransaction:
        signed = self.sign(sender, nonce, call, gas, GasPrice(fees.max_wei, fees.priority_wei))
        self.nonces.record(sender, nonce, signed.tx_hash)
        return signed


def is_known(error: RpcRefused) -> bool:
    """Whether a node refuses a transaction because it has it already."""
    return _says(error, _KNOWN_WORDS)


def is_nonce_taken(error: RpcRefused) -> bool:
    """Whether a node refuses a transaction because its nonce is used up."""
    return _says(error, _NONCE_WORDS)


def is_underpriced(error: RpcRefused) -> bool:
    """Whether a node refuses a transaction because it wants a higher price."""
    return _says(error, _PRICE_WORDS)


def is_unfunded(error: RpcRefused) -> bool:
    """Whether a node refuses a transaction because the account cannot pay."""
    return _says(error, _FUNDS_WORDS)


def _says(error: RpcRefused, words: tuple[str, ...]) -> bool:
    message = error.message.lower()
    return any(word in message for word in words)
