# SPDX-License-Identifier: MIT
"""Transactions of one chain: priced, numbered and signed. Whoever asks broadcasts them.

Signing and broadcasting are apart so that the journal holds the signed bytes before anybody
else does (INV-6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from light_clients.codec import rlp
from light_clients.ecdsa import recover
from light_clients.errors import Rejection
from light_clients.hashing import keccak256
from relayer.chains.base import Address, Call, SignedTransaction, TxHash
from relayer.chains.evm.fees import FeePolicy, Fees, compute_bumped_fees, compute_fees
from relayer.chains.evm.nonces import FetchNonce, NonceManager
from relayer.errors import KeyUnavailable, Malformed, RpcRefused

#: EIP-1559: the type byte, the fields of a signed transaction, and those that are signed.
_DYNAMIC_FEE_TYPE: Final = 2
_DYNAMIC_FEE_FIELDS: Final = 12
_UNSIGNED_FIELDS: Final = 9

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


class Signer(Protocol):
    """An unlocked key. `relayer.keys.Key` is one."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        ...

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Sign a transaction given by JSON-RPC's field names; return its raw bytes and its hash."""
        ...


class Transactions:
    """The signing side of one chain. It asks nothing of the chain: prices and transaction counts are given.

    Args:
        chain_id: EIP-155 number.
        signers: unlocked keys; may be none.
        policy: the operator's limits.
        fetch_nonce: asks for an account's transaction count, pending ones included.
    """

    def __init__(
        self, chain_id: int, signers: Sequence[Signer], policy: FeePolicy, fetch_nonce: FetchNonce
    ) -> None:
        self._chain_id = chain_id
        self._signers = {Address(signer.address): signer for signer in signers}
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

    def _sign(self, sender: Address, nonce: int, call: Call, gas: int, fees: Fees) -> SignedTransaction:
        signer = self._signers.get(sender)
        if signer is None:
            raise KeyUnavailable(
                f"no key for account 0x{sender.hex()}", "a configured key", "Name it in the chain's keys."
            )
        raw, tx_hash = signer.sign_transaction(
            {
                "type": _DYNAMIC_FEE_TYPE,
                "chainId": self._chain_id,
                "nonce": nonce,
                "to": call.to,
                "value": call.value_wei,
                "data": call.data,
                "gas": gas,
                "maxFeePerGas": fees.max_wei,
                "maxPriorityFeePerGas": fees.priority_wei,
            }
        )
        self.nonces.record(sender, nonce, TxHash(tx_hash))
        return SignedTransaction(sender, nonce, TxHash(tx_hash), raw, fees.max_wei, fees.priority_wei, gas)


def read_sender(raw: bytes) -> tuple[Address, int]:
    """Return who signed the bytes of an EIP-1559 transaction, and its nonce. Raises Malformed."""
    expected = "a signed EIP-1559 transaction"
    if raw[:1] != bytes((_DYNAMIC_FEE_TYPE,)):
        raise Malformed(f"a transaction of type 0x{raw[:1].hex()}", expected)
    try:
        fields = rlp.decode(raw[1:])
    except Rejection as error:
        raise Malformed(f"a transaction that is no RLP ({error})", expected) from None
    if not isinstance(fields, list) or len(fields) != _DYNAMIC_FEE_FIELDS:
        raise Malformed("a transaction with another number of fields", expected)
    nonce, parity, r, s = fields[1], fields[9], fields[10], fields[11]
    if not (
        isinstance(nonce, bytes)
        and isinstance(parity, bytes)
        and isinstance(r, bytes)
        and isinstance(s, bytes)
    ):
        raise Malformed("a transaction with a list for a number", expected)
    if len(r) > 32 or len(s) > 32 or parity not in (b"", b"\x01") or len(nonce) > 8:
        raise Malformed("a transaction with an impossible signature or nonce", expected)
    digest = keccak256(raw[:1] + rlp.encode(fields[:_UNSIGNED_FIELDS]))
    signer = recover(digest, r.rjust(32, b"\0") + s.rjust(32, b"\0"), int(parity == b"\x01"))
    if signer is None:
        raise Malformed("a transaction with an impossible signature", expected)
    return Address(signer), int.from_bytes(nonce)


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
