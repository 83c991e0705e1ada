# SPDX-License-Identifier: MIT
"""What has been deployed, in a file that is written after each step, so that a run can be resumed.

The chain has the last word: the code at an address is checked before anything builds on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from relayer.chains.evm.signed import read_signed
from relayer.contracts import Build
from relayer.errors import ConfigError, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The version of the file's format. One older version is read; a file of any other is refused.
FORMAT: Final = 3
_EARLIER_FORMAT: Final = 2


class BadManifest(ConfigError):  # noqa: N818  as in relayer.errors
    """The manifest can't be used, or tells of another chain than the one that answers."""


class Hex(bytes):
    """Bytes, written as hex with 0x."""

    __slots__ = ()


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A contract as it was deployed.

    `code_hash` is keccak256 of the code found there afterwards, and `build` which build of the contract that
    is: of code that is none of ours there is none.
    """

    address: Hex
    tx_hash: Hex
    block_number: int
    code_hash: Hex
    build: Build | None = Build.CANCUN


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A light client of a remote chain.

    `kind` is the consensus. `initial_trust` is what the client was deployed with, in the kind's own keys; it
    is kept for people, and nothing reads it.
    """

    contract: Contract
    kind: str
    initial_trust: dict[str, Any]
    trusting_period_s: int
    max_clock_drift_s: int


class Joined(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remote endpoint as it was registered. `tx_hash` is empty when it was found registered."""

    endpoint_id: Hex
    gateway: Hex
    genesis_hash: Hex
    client: Hex
    tx_hash: Hex


class Roles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may pause, and who may open channels; zero for nobody but the admin. Accounts have 20 bytes."""

    guardian: Hex
    channel_opener: Hex
    tx_hash: Hex


class Admin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who administrates, 20 bytes, and how long each change of theirs waits."""

    account: Hex
    delay_s: int
    tx_hash: Hex


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signature made for a nonce, of which the chain takes at most one.

    Attributes:
        raw: the signed bytes.
        tx_hash: their hash, 32 bytes.
        gas: the gas limit.
        max_fee_wei: the most that it pays for a unit of gas.
        priority_fee_wei: the part of that which goes to the block's maker.
        at: when it was signed, in microseconds since 1970.
        is_cancellation: whether it is an empty transfer that only uses the nonce up.
    """

    raw: Hex
    tx_hash: Hex
    gas: int
    max_fee_wei: int
    priority_fee_wei: int
    at: int = 0
    is_cancellation: bool = False


class Pending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed transaction that may still land, or whose block may still go. A later run goes on with it.

    Attributes:
        step: the step's id; empty for an empty transfer that only uses up a nonce that others wait for.
        sender: the account that signed, 20 bytes.
        nonce: the account's nonce.
        signatures: every one that was made for the nonce, the oldest first.
        is_done: whether it was seen in a block, so that the record has what the step did.
    """

    step: str
    sender: Hex
    nonce: int
    signatures: tuple[Signature, ...]
    is_done: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One endpoint. An `adopted` one was deployed elsewhere; its roles and its admin are left alone."""

    chain: str
    genesis_hash: Hex
    adopted: bool = False
    authority: Contract | None = None
    gateway: Contract | None = None
    roles: Roles | None = None
    clients: dict[str, Client] = {}
    remotes: dict[str, Joined] = {}
    admin: Admin | None = None
    pending: tuple[Pending, ...] = ()


class _Format(msgspec.Struct, frozen=True):
    """The only key that manifests of all versions have."""

    format: int = FORMAT


class _EarlierPending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pending transaction as format 2 had it."""

    step: str
    nonce: int
    raw: Hex
    tx_hash: Hex
    address: Hex | None = None


class _Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int = FORMAT
    endpoints: dict[str, Record] = {}


def to_plain(value: object) -> Any:
    """Return a kind's own record, or a value in one, as the file has it: a dict, with bytes as
    hex with 0x.
    """
    if isinstance(value, msgspec.Struct):
        return {key: to_plain(getattr(value, key)) for key in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: to_plain(below) for key, below in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(element) for element in value]
    return "0x" + value.hex() if isinstance(value, bytes) else value


class Manifest:
    """The file. `put` writes it whole and durably before it returns. Hold `locked` while you deploy."""

    def __init__(self, path: Path) -> None:
        """Read the file; an absent one is empty. Raises BadManifest."""
        self.path = path
        self._content = _read(path)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the endpoints that are in it."""
        return tuple(self._content.endpoints)

    def get(self, name: str) -> Record | None:
        """Return an endpoint's record; None when nothing of it was deployed."""
        return self._content.endpoints.get(name)

    def put(self, name: str, record: Record) -> None:
        """Replace an endpoint's record; it is on disk when this returns."""
        content = msgspec.structs.replace(self._content, endpoints=self._content.endpoints | {name: record})
        _write(self.path, content)
        self._content = content

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from deploying with a manifest of this folder, and read the file anew.

        Raises BadManifest when another process deploys.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The lock is on the folder, because every write puts another file in the place of the manifest.
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._content = _read(self.path)
            yield
        except BlockingIOError as error:
            raise BadManifest(
                f"{self.path} is in use by another process", "to be the only one that deploys", "Wait for it."
            ) from error
        finally:
            os.close(folder)


def _read(path: Path) -> _Content:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return _Content()
    except OSError as error:
        raise BadManifest(
            f"{path} can't be read ({error.strerror})", "the manifest", "Check its mode."
        ) from error
    try:
        found = msgspec.json.decode(text, type=_Format).format
        if found == _EARLIER_FORMAT:
            return msgspec.convert(_upgrade(msgspec.json.decode(text)), type=_Content, dec_hook=_decode)
        if found != FORMAT:
            advice = (
                "Another version of Postroad wrote it. Finish with that one what it began; then move the file away: "
                "endpoints whose gateway the configuration names are taken over from their chains."
            )
            raise BadManifest(f"{path} has format {found}", f"format {FORMAT}", advice)
        return msgspec.json.decode(text, type=_Content, dec_hook=_decode)
    except (msgspec.DecodeError, Malformed) as error:
        raise BadManifest(
            f"{path} is no manifest: {error}", "what `endpoint` writes", "Restore it from a backup."
        ) from error


def _upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Return a file of the format before as one of this format.

    It had at most one pending transaction of a chain, with one signature. Raises Malformed.
    """
    content["format"] = FORMAT
    endpoints = content.get("endpoints")
    for record in endpoints.values() if isinstance(endpoints, dict) else ():
        if isinstance(record, dict) and "pending" in record:
            before = record["pending"]
            record["pending"] = [] if before is None else [_upgrade_pending(before)]
    return content


def _upgrade_pending(before: object) -> dict[str, Any]:
    old = msgspec.convert(before, type=_EarlierPending, dec_hook=_decode)
    signed = read_signed(old.raw)
    signature = Signature(
        raw=old.raw,
        tx_hash=Hex(signed.tx_hash),
        gas=signed.gas,
        max_fee_wei=signed.max_fee_wei,
        priority_fee_wei=signed.priority_fee_wei,
    )
    pending = Pending(step=old.step, sender=Hex(signed.sender), nonce=signed.nonce, signatures=(signature,))
    upgraded: dict[str, Any] = to_plain(pending)
    return upgraded


def _write(path: Path, content: _Content) -> None:
    text = msgspec.json.format(msgspec.json.encode(content, enc_hook=_encode), indent=2) + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with temporary.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # The new name itself is on disk only when its folder is.
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _decode(kind: type, value: object) -> object:
    if kind is Hex and isinstance(value, str) and value.startswith("0x"):
        return Hex(bytes.fromhex(value[2:]))
    raise ValueError("expected hex with 0x")


def _encode(value: object) -> object:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise NotImplementedError(type(value).__name__)
