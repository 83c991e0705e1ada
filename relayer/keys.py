# SPDX-License-Identifier: MIT
"""Signing keys and the transactions that they sign.

Keys are encrypted on disk (Web3 secret storage, version 3, scrypt, mode 600) and are never shown or logged.
Passwords come from the environment, from a file or from a question. They never come from the command line,
which every process of the machine can read.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from light_clients.codec import rlp
from light_clients.ecdsa import ORDER, address_of, check_secret, sign
from light_clients.hashing import keccak256
from relayer.errors import KeyUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Scrypt's cost parameter: one password takes about a second and 256 MiB to try.
SCRYPT_N: Final = 1 << 18
#: A cheap one, for keys of local chains, which guard nothing.
SCRYPT_N_DEVNET: Final = 1 << 12

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PRIVATE_KEY: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_ADDRESS: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{40})")
_FILE_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700
_DYNAMIC_FEE_TYPE: Final = 2
_DYNAMIC_FEE_FIELDS: Final = (
    "chainId",
    "nonce",
    "maxPriorityFeePerGas",
    "maxFeePerGas",
    "gas",
    "to",
    "value",
    "data",
)
_LEGACY_FIELDS: Final = ("nonce", "gasPrice", "gas", "to", "value", "data")
_OPTIONAL: Final = {"to": b"", "value": 0, "data": b""}


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A keystore file.

    Attributes:
        name: the file's name without `.json`.
        address: the 20 bytes that the file claims. Unlocking the key proves them.
        path: where the file is.
    """

    name: str
    address: bytes
    path: Path


class Key:
    """An unlocked key. It signs, and never shows, copies or pickles its secret."""

    __slots__ = ("_secret", "address", "name")

    address: bytes
    name: str

    def __init__(self, name: str, private_key: bytes) -> None:
        self.address = address_of(private_key)
        self.name = name
        self._secret = private_key

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Sign a transaction, and return its raw bytes and its hash: `sign_transaction` with this key's
        secret.
        """
        return sign_transaction(transaction, self._secret)

    def __repr__(self) -> str:
        return f"Key({self.name!r}, 0x{self.address.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an unlocked key can't be pickled or copied")


def sign_transaction(transaction: Mapping[str, Any], secret: bytes) -> tuple[bytes, bytes]:
    """Sign a transaction, and return its raw bytes and its hash.

    Args:
        transaction: the fields under their names of JSON-RPC, numbers as int and bytes as bytes: `chainId`,
            `nonce`, `gas`, `to` (absent for a creation), `value` (default 0), `data` (default empty), and the
            price. The price is `maxFeePerGas` with `maxPriorityFeePerGas` for type 2 (EIP-1559, with an empty
            access list), or `gasPrice` for type 0 (EIP-155). `type` may be left out.
        secret: the private key, 32 bytes.

    Raises:
        ValueError: a field is missing, unknown or negative, the type is another one, or `to` is no address.
        TypeError: a field is neither an int nor bytes.
    """
    is_legacy = "gasPrice" in transaction
    names = _LEGACY_FIELDS if is_legacy else _DYNAMIC_FEE_FIELDS
    fields = {**_OPTIONAL, **transaction}
    expected_type = 0 if is_legacy else _DYNAMIC_FEE_TYPE
    # Exactly these fields, for a name that is misspelt must not leave a default in its place.
    if fields.pop("type", expected_type) != expected_type or fields.keys() != {"chainId", *names}:
        raise ValueError(
            f"found a transaction of type {transaction.get('type')} with the fields "
            f"{', '.join(sorted(transaction))}; "
            f"expected type {expected_type} with {', '.join(sorted({'chainId', *names}))}"
        )
    if len(fields["to"]) not in (0, 20):
        raise ValueError(f"found a recipient of {len(fields['to'])} bytes, expected 20")
    values = [fields[name] for name in names]
    if is_legacy:
        # EIP-155: the chain id is signed, so that the signature holds on no other chain.
        chain_id = fields["chainId"]
        signature = sign(keccak256(rlp.encode([*values, chain_id, 0, 0])), secret)
        prefix, parity = b"", 35 + 2 * chain_id + signature[64]
    else:
        prefix = bytes((_DYNAMIC_FEE_TYPE,))
        values.append([])
        signature = sign(keccak256(prefix + rlp.encode(values)), secret)
        parity = signature[64]
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    # In both types the parity comes before r and s: as the plain bit, or with the chain id mixed in.
    raw = prefix + rlp.encode([*values, parity, r, s])
    return raw, keccak256(raw)


class KeyStore:
    """A folder of keystores with the names `<name>.json`. Nothing is cached: every call reads the folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def new(self, name: str, password: str, *, scrypt_n: int = SCRYPT_N) -> StoredKey:
        """Make a random key and store it. Raises KeyUnavailable when the name is taken or not allowed."""
        # Private keys of secp256k1 are the numbers from 1 to the order less one.
        return self._store(name, 1 + secrets.randbelow(ORDER - 1), password, scrypt_n)

    def import_private_key(
        self, name: str, text: str, password: str, *, scrypt_n: int = SCRYPT_N
    ) -> StoredKey:
        """Store a private key that is given as 64 hex digits.

        Raises KeyUnavailable, without the key in its text.
        """
        match = _PRIVATE_KEY.fullmatch(text.strip())
        number = int(match[1], 16) if match else 0
        if not 0 < number < ORDER:
            raise KeyUnavailable(
                "what was given is no private key",
                "64 hex digits",
                "Copy the key again; 0x before it is allowed.",
            )
        return self._store(name, number, password, scrypt_n)

    def import_keystore(
        self, name: str, path: Path, old_password: str, password: str, *, scrypt_n: int = SCRYPT_N
    ) -> StoredKey:
        """Store the key of another keystore file (version 3) under a new password. Raises KeyUnavailable."""
        return self._store(name, int.from_bytes(_decrypt(path, old_password)), password, scrypt_n)

    def list(self) -> tuple[StoredKey, ...]:
        """List the keys by name. Raises KeyUnavailable for a file that is no keystore."""
        if not self.directory.is_dir():
            return ()
        return tuple(_describe(path) for path in sorted(self.directory.glob("*.json")))

    def find(self, name: str) -> StoredKey:
        """Return the key with this name. Raises KeyUnavailable when there is none."""
        path = self._path(name)
        if not path.is_file():
            names = ", ".join(key.name for key in self.list())
            raise KeyUnavailable(
                f"there is no key {name!r} in {self.directory}",
                f"one of {names}" if names else "a keystore file",
                f"Make one with `postroad keys new {name}`, or correct the name.",
            )
        return _describe(path)

    def unlock(self, name: str, password: str) -> Key:
        """Decrypt a key.

        Raises KeyUnavailable for a wrong password, or a file that claims another address.
        """
        stored = self.find(name)
        key = Key(name, _decrypt(stored.path, password))
        if key.address != stored.address:
            raise KeyUnavailable(
                f"{stored.path} claims 0x{stored.address.hex()} but holds the key of 0x{key.address.hex()}",
                "the address of its own key",
                "Someone has changed the file: restore it from a backup.",
            )
        return key

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise KeyUnavailable(
                f"{name!r} can't name a key", "a-z, 0-9 and -, at most 64 long", "Choose another name."
            )
        return self.directory / f"{name}.json"

    def _store(self, name: str, number: int, password: str, scrypt_n: int) -> StoredKey:
        from eth_keyfile.keyfile import create_keyfile_json

        path = self._path(name)
        if not password:
            raise KeyUnavailable(
                "the password is empty", "a password", "An unencrypted key is no secret: choose one."
            )
        private_key = number.to_bytes(32)
        content = create_keyfile_json(private_key, password.encode(), kdf="scrypt", iterations=scrypt_n)
        self.directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        # The file is written aside, so that it appears whole or not at all. It is linked, not renamed,
        # because a link never overwrites a key, not even when two commands run at once.
        temporary = path.with_name(f".{name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps(content, indent=2) + "\n")
                file.flush()
                # Before the name leads to it: a power cut leaves a whole key or none.
                os.fsync(file.fileno())
            path.hardlink_to(temporary)
        except FileExistsError as error:
            raise KeyUnavailable(
                f"there is a key {name!r} in {self.directory} already", "a new name", "Choose another name."
            ) from error
        finally:
            temporary.unlink()
        return _describe(path)


def read_password(
    *,
    variable: str | None = None,
    file: Path | None = None,
    ask: Callable[[], str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Return a password: from the environment variable, else from the file's first line, else asked for.

    Raises:
        KeyUnavailable: the configured source has none, or there is nobody to ask.
    """
    if variable is not None:
        if not environment.get(variable):
            raise KeyUnavailable(
                f"the environment variable {variable} is not set",
                "the keystores' password",
                f"Set {variable}, or use password_file in [keys].",
            )
        return environment[variable]
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise KeyUnavailable(
                f"the password file {file} can't be read ({reason})",
                "a file whose first line is the keystores' password",
                "Correct password_file in [keys], or the file's mode.",
            ) from error
        if not lines or not lines[0]:
            raise KeyUnavailable(
                f"the password file {file} is empty", "the password in its first line", "Write it there."
            )
        return lines[0]
    if ask is None:
        raise KeyUnavailable(
            "no password is configured, and there is no terminal to ask at",
            "password_env or password_file in [keys]",
            "Set one of them.",
        )
    return ask()


def _read(path: Path) -> dict[str, Any]:
    """Read a keystore file. Errors do not repeat its content."""
    advice = "Keep only keystores (Web3 secret storage, version 3) in that folder, one key a file."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeyUnavailable(
            f"{path} can't be read ({error.strerror})", "a keystore file", "Check its mode."
        ) from error
    except ValueError:
        raise KeyUnavailable(f"{path} is no JSON", "a keystore file", advice) from None
    if (
        not isinstance(content, dict)
        or content.get("version") != 3
        or not isinstance(content.get("crypto"), dict)
    ):
        raise KeyUnavailable(f"{path} is no keystore of version 3", "a keystore file", advice)
    return content


def _describe(path: Path) -> StoredKey:
    match = _ADDRESS.fullmatch(str(_read(path).get("address", "")))
    if match is None:
        raise KeyUnavailable(
            f"{path} names no address", "20 bytes of hex under `address`", "Import the key again."
        )
    return StoredKey(path.stem, bytes.fromhex(match[1]), path)


def _decrypt(path: Path, password: str) -> bytes:
    from eth_keyfile.keyfile import decode_keyfile_json

    content = _read(path)
    # eth-keyfile assumes this cipher, whatever the file says.
    if content["crypto"].get("cipher") != "aes-128-ctr":
        raise KeyUnavailable(f"{path} is damaged", "the cipher aes-128-ctr", "Restore it from a backup.")
    try:
        secret = bytes(decode_keyfile_json(content, password.encode()))
        check_secret(secret)
    except ValueError as error:
        # eth-keyfile tells a wrong password from a damaged file by this text alone.
        if "MAC" in str(error):
            raise KeyUnavailable(
                f"the password does not open {path}", "its password", "Try another one."
            ) from None
        raise KeyUnavailable(
            f"{path} is damaged", "a keystore of version 3", "Restore it from a backup."
        ) from None
    except (KeyError, TypeError, NotImplementedError):
        raise KeyUnavailable(
            f"{path} is damaged", "a keystore of version 3", "Restore it from a backup."
        ) from None
    return secret
