# SPDX-License-Identifier: MIT
"""Keys that sign: ours, and those of other libraries that look like eth-account's `LocalAccount`.

They are told apart by their shape, so that nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from light_clients.hashing import keccak256
from relayer.chains.base import Address
from relayer.chains.evm.signed import read_price, read_signed
from relayer.errors import KeyUnavailable, Malformed

_ADDRESS_BYTES: Final = 20
_EXPECTED: Final = "a relayer.keys.Key, or an account with `address` and `sign_transaction`"


class Signer(Protocol):
    """An unlocked key. `relayer.keys.Key` is one."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        ...

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Sign a transaction given by JSON-RPC's field names; return its raw bytes and its hash."""
        ...


class ForeignAccount(Protocol):
    """An unlocked key of another library, such as `eth_account.Account.from_key(...)`."""

    @property
    def address(self) -> str:
        """The account, as 0x and 40 hex digits."""
        ...

    def sign_transaction(self, transaction_dict: Any) -> Any:
        """Sign a transaction given by JSON-RPC's field names; return what has `raw_transaction`."""
        ...


def as_signer(candidate: object) -> Signer:
    """Return a key of any library as a signer.

    Args:
        candidate: a `Signer`, or an object with the account as hex text in `address` and with
            `sign_transaction`, which returns an object with `raw_transaction` (eth-account).

    Raises:
        KeyUnavailable: it is neither. The error does not show the object, which may hold a secret.
    """
    address = getattr(candidate, "address", None)
    sign = getattr(candidate, "sign_transaction", None)
    kind = type(candidate).__name__
    if not callable(sign):
        raise KeyUnavailable(f"a signer of the type {kind} without sign_transaction", _EXPECTED)
    if isinstance(address, bytes) and len(address) == _ADDRESS_BYTES:
        return _Adapted(Address(address), sign, kind)
    try:
        account = bytes.fromhex(address.removeprefix("0x")) if isinstance(address, str) else b""
    except ValueError:
        account = b""
    if len(account) != _ADDRESS_BYTES:
        raise KeyUnavailable(f"a signer of the type {kind} whose address is none", f"{_EXPECTED} of 20 bytes")
    return _Adapted(Address(account), sign, kind)


class _Adapted:
    """A key of any library whose answers are checked: what it signs must be what was asked for."""

    def __init__(self, address: Address, sign: Callable[[Any], Any], kind: str) -> None:
        self.address = address
        self._sign = sign
        self._kind = kind

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Sign, and return the raw bytes and their hash. Raises KeyUnavailable for other bytes."""
        raw = self._raw_of(self._sign(dict(transaction)))
        try:
            signed, price = read_signed(raw), read_price(raw)
        except Malformed as error:
            raise KeyUnavailable(f"a signer of the type {self._kind} signed {error.found}") from None
        wanted = (self.address, transaction["nonce"], transaction["gas"], "gasPrice" in transaction)
        found = (signed.sender, signed.nonce, signed.gas, price.is_legacy)
        if found != wanted:
            raise KeyUnavailable(
                f"a signer of the type {self._kind} signed another transaction, or with another key",
                f"nonce {transaction['nonce']} of 0x{self.address.hex()}",
                "Use the key of that account",
            )
        return raw, keccak256(raw)

    def _raw_of(self, answer: Any) -> bytes:
        if isinstance(answer, tuple):
            answer = answer[0] if answer else None
        else:
            # Releases of eth-account before 0.12 write it the other way.
            answer = getattr(answer, "raw_transaction", getattr(answer, "rawTransaction", None))
        if not isinstance(answer, bytes):
            raise KeyUnavailable(
                f"a signer of the type {self._kind} returned no signed bytes", "`raw_transaction`, or a tuple"
            )
        return bytes(answer)
