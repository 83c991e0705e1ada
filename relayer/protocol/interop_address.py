# SPDX-License-Identifier: MIT
"""Addresses that name their chain: ERC-7930 bytes and text, CAIP-2 and CAIP-10 text, all read strictly.

An address has exactly one encoding: an eip155 reference has no leading zero, and an eip155 address has 20
bytes, or none where a chain alone is meant. Input is read to its last byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from light_clients.hashing import keccak256
from relayer.errors import Malformed

VERSION: Final = 1
EIP155: Final = 0x0000
SOLANA: Final = 0x0002

#: The CAIP-350 profiles whose text form is implemented, by chain type. Other chain types have bytes only.
_NAMESPACES: Final = {EIP155: "eip155", SOLANA: "solana"}

_CAIP2: Final = re.compile(r"([-a-z0-9]{3,8}):([-_a-zA-Z0-9]{1,32})")
_CAIP10_ACCOUNT: Final = re.compile(r"[-.%a-zA-Z0-9]{1,128}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]*")
_EVM_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_BASE58_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
#: Two parts of 255 bytes fit in base58, whose decoding takes quadratic time: longer text is refused unread.
_MAX_TEXT: Final = 1024
#: ERC-7930 gives the length of a part in one byte.
_MAX_LENGTH: Final = 255


@dataclass(frozen=True, slots=True)
class ChainId:
    """A CAIP-2 chain id, such as `eip155:1`."""

    namespace: str
    reference: str

    def __post_init__(self) -> None:
        """Raise Malformed when this is not CAIP-2, or an eip155 reference is no canonical number."""
        text = str(self)
        if not _CAIP2.fullmatch(text):
            raise Malformed(f"chain id {_quote(text)}", "CAIP-2 text such as eip155:1")
        if self.namespace == "eip155" and not _DECIMAL.fullmatch(self.reference):
            raise Malformed(
                f"chain id {_quote(text)}", "a decimal number without leading zeros after eip155:"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read CAIP-2 text. Raises Malformed."""
        namespace, colon, reference = text.partition(":")
        if not colon:
            raise Malformed(f"chain id {_quote(text)}", "CAIP-2 text such as eip155:1")
        return cls(namespace, reference)

    @classmethod
    def evm(cls, number: int) -> Self:
        """The chain id of an EIP-155 number."""
        return cls("eip155", str(number))

    @property
    def evm_number(self) -> int:
        """The EIP-155 number. Raises Malformed for another namespace."""
        if self.namespace != "eip155":
            raise Malformed(f"chain id {self}", "an eip155 chain")
        return int(self.reference)

    def __str__(self) -> str:
        return f"{self.namespace}:{self.reference}"


@dataclass(frozen=True, slots=True)
class AccountId:
    """A CAIP-10 account id, such as `eip155:1:0xab16...`."""

    chain: ChainId
    account: str

    def __post_init__(self) -> None:
        """Raise Malformed when this is not CAIP-10, or no address where the chain is an EVM one."""
        if not _CAIP10_ACCOUNT.fullmatch(self.account):
            raise Malformed(f"account {_quote(self.account)}", "1 to 128 characters of CAIP-10")
        if self.chain.namespace == "eip155":
            parse_evm_address(self.account)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read CAIP-10 text. Raises Malformed."""
        chain, colon, account = text.rpartition(":")
        if not colon:
            raise Malformed(f"account id {_quote(text)}", "CAIP-10 text such as eip155:1:0x...")
        return cls(ChainId.parse(chain), account)

    def __str__(self) -> str:
        return f"{self.chain}:{self.account}"


@dataclass(frozen=True, slots=True)
class InteropAddress:
    """An ERC-7930 address, version 1: an account on a chain, an account alone, or a chain alone.

    Attributes:
        chain_type: two bytes; 0 is eip155.
        reference: 0..255 bytes; for eip155 the minimal big-endian chain id, empty = no chain named.
        address: 0..255 bytes; for eip155 20 or none.
    """

    chain_type: int
    reference: bytes
    address: bytes

    def __post_init__(self) -> None:
        """Raise Malformed when this has no canonical encoding."""
        if not 0 <= self.chain_type <= 0xFFFF:
            raise Malformed(f"chain type {self.chain_type}", "0..65535")
        for name, part in (("chain reference", self.reference), ("address", self.address)):
            if len(part) > _MAX_LENGTH:
                raise Malformed(f"{name} of {len(part)} bytes", f"at most {_MAX_LENGTH}")
        if not self.reference and not self.address:
            raise Malformed("neither a chain reference nor an address", "at least one of them")
        if self.chain_type == EIP155:
            # An endpoint's id is the hash of these bytes: a second encoding would be a second endpoint.
            if self.reference[:1] == b"\0":
                raise Malformed(f"chain reference 0x{self.reference.hex()}", "no leading zero byte")
            if len(self.reference) > 32:
                raise Malformed(f"chain reference of {len(self.reference)} bytes", "at most 32 for eip155")
            if len(self.address) not in (0, 20):
                raise Malformed(f"address of {len(self.address)} bytes", "20 for eip155, or none")

    @classmethod
    def evm(cls, chain_number: int, address: bytes = b"") -> Self:
        """An account of an EVM chain by its EIP-155 number, or that chain alone."""
        if chain_number < 1:
            raise Malformed(f"chain number {chain_number}", "1 or more")
        return cls(EIP155, chain_number.to_bytes((chain_number.bit_length() + 7) // 8), address)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read canonical ERC-7930 bytes to the last. Raises Malformed."""
        # Version, chain type and the two length bytes are six.
        if len(data) < 6:
            raise Malformed(f"an interoperable address of {len(data)} bytes", "at least 6")
        version = int.from_bytes(data[:2])
        if version != VERSION:
            raise Malformed(f"an interoperable address of version {version}", f"version {VERSION}")
        reference_end = 5 + data[4]
        if reference_end >= len(data):
            raise Malformed(
                f"a chain reference of {data[4]} bytes", f"at most the {len(data) - 6} that are left"
            )
        length = data[reference_end]
        address = data[reference_end + 1 :]
        if len(address) != length:
            raise Malformed(f"{len(address)} bytes of address", f"{length}, as its length byte says")
        return cls(int.from_bytes(data[2:4]), bytes(data[5:reference_end]), bytes(address))

    @classmethod
    def from_account(cls, account: AccountId) -> Self:
        """Return the address of a CAIP-10 account of an EVM chain. Raises Malformed for another chain."""
        return cls.evm(account.chain.evm_number, parse_evm_address(account.account))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `ADDRESS@NAMESPACE:REFERENCE#CHECKSUM`, for eip155 and solana. Raises Malformed."""
        if len(text) > _MAX_TEXT:
            raise Malformed(f"{len(text)} characters of address", f"at most {_MAX_TEXT}")
        address, at, rest = text.partition("@")
        chain, hash_mark, checksum = rest.partition("#")
        if not at or not hash_mark:
            raise Malformed(f"address {_quote(text)}", "ADDRESS@CHAIN#CHECKSUM")
        namespace, colon, reference = chain.partition(":")
        if (colon and not reference) or namespace not in _NAMESPACES.values():
            raise Malformed(
                f"chain {_quote(chain)}", f"one of {', '.join(_NAMESPACES.values())}, then its reference"
            )
        if namespace == "eip155":
            found = cls(EIP155, _parse_decimal(reference), parse_evm_address(address) if address else b"")
        else:
            found = cls(SOLANA, _base58_decode(reference), _base58_decode(address))
        if checksum != found.checksum:
            raise Malformed(
                f"checksum {_quote(checksum)}", f"{found.checksum}", "The address may be mistyped."
            )
        return found

    @property
    def chain_part(self) -> bytes:
        """The bytes before the address's length: version, chain type and reference.

        They key a gateway's routes.
        """
        head = VERSION.to_bytes(2) + self.chain_type.to_bytes(2)
        return head + bytes((len(self.reference),)) + self.reference

    @property
    def checksum(self) -> str:
        """Eight upper-case hex digits over everything but the version."""
        return keccak256(self.to_bytes()[2:])[:4].hex().upper()

    @property
    def chain_id(self) -> ChainId:
        """The chain as CAIP-2. Raises Malformed for a chain that is no EVM one or is not named."""
        if self.chain_type != EIP155 or not self.reference:
            raise Malformed(
                f"an address of chain type {self.chain_type}", "an eip155 address that names its chain"
            )
        return ChainId.evm(int.from_bytes(self.reference))

    @property
    def account_id(self) -> AccountId:
        """The account as CAIP-10. Raises Malformed for what is no EVM account on a named chain."""
        return AccountId(self.chain_id, format_evm_address(self.address))

    def to_bytes(self) -> bytes:
        """Return the ERC-7930 bytes."""
        return self.chain_part + bytes((len(self.address),)) + self.address

    def to_text(self) -> str:
        """Return `ADDRESS@NAMESPACE:REFERENCE#CHECKSUM`.

        Raises Malformed for a chain type without a text form.
        """
        namespace = _NAMESPACES.get(self.chain_type)
        if namespace is None:
            raise Malformed(f"chain type {self.chain_type}", f"one of {', '.join(_NAMESPACES.values())}")
        if self.chain_type == EIP155:
            address = format_evm_address(self.address) if self.address else ""
            reference = str(int.from_bytes(self.reference)) if self.reference else ""
        else:
            address = _base58_encode(self.address)
            reference = _base58_encode(self.reference)
        chain = f"{namespace}:{reference}" if reference else namespace
        return f"{address}@{chain}#{self.checksum}"


def parse_evm_address(text: str) -> bytes:
    """Read a 20-byte address. Mixed case must carry the right EIP-55 checksum. Raises Malformed."""
    if not _EVM_ADDRESS.fullmatch(text):
        raise Malformed(f"address {_quote(text)}", "0x and 40 hex digits")
    address = bytes.fromhex(text[2:])
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and text != format_evm_address(address):
        expected = format_evm_address(address)
        raise Malformed(f"address {text} with a wrong checksum", expected, "The address may be mistyped.")
    return address


def format_evm_address(address: bytes) -> str:
    """Return a 20-byte address as text with its EIP-55 checksum. Raises Malformed for another length."""
    if len(address) != 20:
        raise Malformed(f"address of {len(address)} bytes", "20")
    digits = address.hex()
    digest = keccak256(digits.encode()).hex()
    pairs = zip(digits, digest, strict=False)  # the digest is longer
    return "0x" + "".join(digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in pairs)


def _parse_decimal(text: str) -> bytes:
    if not text:
        return b""
    # 2^256 has 78 digits, and EIP-155 numbers begin with 1.
    if len(text) > 78 or not _DECIMAL.fullmatch(text) or text == "0":
        raise Malformed(f"chain reference {_quote(text)}", "a number from 1, without leading zeros")
    number = int(text)
    return number.to_bytes((number.bit_length() + 7) // 8)


def _base58_encode(data: bytes) -> str:
    number = int.from_bytes(data)
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58_ALPHABET[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def _base58_decode(text: str) -> bytes:
    number = 0
    for character in text:
        digit = _BASE58_ALPHABET.find(character)
        if digit < 0:
            raise Malformed(f"character {_quote(character)}", "base58")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def _quote(text: str) -> str:
    """Return untrusted text cut and made printable, for an error."""
    cut = text if len(text) <= 80 else text[:80] + "…"
    return ascii(cut)
