# SPDX-License-Identifier: MIT
"""PURE. Headers and the light client of a solo chain, with the verdicts of `SoloLightClient.sol` (INV-7,
INV-8).

A header is number (8 bytes), timestamp (8), state root (32, left out in a proof, which leads to it), parent
hash (32) and seal (r ‖ s ‖ parity, 65). Time is an argument; there is no clock, socket or log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from light_clients.client import Height, Status, StorageValue, Timestamp
from light_clients.codec import execution_header
from light_clients.cursor import Cursor
from light_clients.ecdsa import recover
from light_clients.errors import HeaderRejected, MisbehaviourRejected, UpdateRejected
from light_clients.hashing import keccak256
from light_clients.trust import Anchor, TrustWindow, move_anchor, prove_by_anchor, read_claim

SEAL_BYTES: Final = 65
_FIELDS: Final = {field.name: index for index, field in enumerate(execution_header.FIELDS)}


@dataclass(frozen=True, slots=True)
class SoloHeader:
    """A block's header. Hashes are 32 bytes, `seal` is 65."""

    number: Height
    timestamp: Timestamp
    state_root: bytes
    parent_hash: bytes
    seal: bytes

    @classmethod
    def from_rpc(cls, block: Mapping[str, object]) -> Self:
        """Read a block as a provider gives it.

        Raises HeaderRejected: it is no block, or tells another hash.
        """
        fields = execution_header.from_rpc(block)
        extra = fields[_FIELDS["extraData"]]
        if len(extra) != SEAL_BYTES:
            raise HeaderRejected("extraData is no seal", found=f"{len(extra)} bytes", expected=SEAL_BYTES)
        number, timestamp = (int.from_bytes(fields[_FIELDS[name]]) for name in ("number", "timestamp"))
        if number >> 64 or timestamp >> 64:
            raise HeaderRejected("a number or a time of more than 64 bits", found=number, expected="64 bits")
        header = cls(
            Height(number),
            Timestamp(timestamp),
            fields[_FIELDS["stateRoot"]],
            fields[_FIELDS["parentHash"]],
            extra,
        )
        told = execution_header.read_data("hash", block.get("hash"), 32)
        if told != header.hash:
            raise HeaderRejected("a block tells another hash", found=told, expected=header.hash)
        return header

    @classmethod
    def read(cls, cursor: Cursor, state_root: bytes | None = None) -> Self:
        """Read a header off the wire; `state_root` takes the place of the one that a proof leaves out."""
        number, timestamp = Height(cursor.uint(8)), Timestamp(cursor.uint(8))
        root = cursor.take(32) if state_root is None else state_root
        return cls(number, timestamp, root, cursor.take(32), cursor.take(SEAL_BYTES))

    def encode(self, *, in_proof: bool = False) -> bytes:
        """Write the header for the contract; in a proof, without its state root."""
        front = self.number.to_bytes(8) + self.timestamp.to_bytes(8)
        return front + (b"" if in_proof else self.state_root) + self.parent_hash + self.seal

    @property
    def hash(self) -> bytes:
        """What the key signs, and how the chain names the block."""
        return hash_of(self.number, self.timestamp, self.state_root, self.parent_hash)

    @property
    def sealer(self) -> bytes | None:
        """Who signed: 20 bytes, or None where the seal is nobody's."""
        parity = self.seal[64]
        return recover(self.hash, self.seal[:64], parity) if parity in (0, 1) else None


def hash_of(number: int, timestamp: int, state_root: bytes, parent_hash: bytes) -> bytes:
    """Return a block's hash, which its seal signs."""
    return keccak256(number.to_bytes(8) + timestamp.to_bytes(8) + state_root + parent_hash)


@dataclass(frozen=True, slots=True)
class SoloState:
    """Trusted state: the newest header's height and time, whether misbehaviour was proven, and the anchor."""

    height: Height
    timestamp: Timestamp
    frozen: bool = False
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class SoloClient:
    """Implements light_clients.client.LightClient. `signer` is 20 bytes; times are in seconds."""

    signer: bytes
    trusting_period_s: int
    max_clock_drift_s: int
    state: SoloState

    @property
    def _window(self) -> TrustWindow:
        return TrustWindow(
            self.state.timestamp, self.trusting_period_s, self.max_clock_drift_s, self.state.frozen
        )

    def status(self, now: Timestamp) -> Status:
        """Whether the client believes anything at the moment."""
        return self._window.status(now)

    def check_header(self, header: SoloHeader, now: Timestamp) -> None:
        """Check a header as `storage_at` checks the one in a proof. Raises Rejection."""
        self._window.check_active(now)
        self._check_seal(header)
        self._window.check_not_ahead(header.timestamp, now)

    def storage_at(self, proof: bytes, account: bytes, slot: bytes, now: Timestamp) -> StorageValue:
        """Prove a storage slot; see LightClient."""
        self._window.check_active(now)
        cursor = Cursor(proof)
        claim = read_claim(cursor, account, slot)
        if claim.is_anchored:
            cursor.finish()
            return prove_by_anchor(self.state.anchor, claim)
        header = SoloHeader.read(cursor, claim.state_root)
        cursor.finish()
        self.check_header(header, now)
        return StorageValue(claim.value, header.number, header.timestamp)

    def update(self, data: bytes, now: Timestamp) -> Self:
        """Move trusted state to a newer header; see LightClient."""
        header = self._read_whole(data, now)
        if header.number <= self.state.height or header.timestamp < self.state.timestamp:
            raise UpdateRejected(
                "a header does not lie above the trusted one",
                found=(header.number, header.timestamp),
                expected=(self.state.height, self.state.timestamp),
            )
        moved = replace(self.state, height=header.number, timestamp=header.timestamp)
        return replace(self, state=moved)

    def anchor(self, data: bytes, now: Timestamp) -> Self:
        """Store a verified state root; see LightClient."""
        header = self._read_whole(data, now)
        anchor = Anchor(header.number, header.timestamp, header.state_root)
        return replace(self, state=replace(self.state, anchor=move_anchor(self.state.anchor, anchor)))

    def freeze(self, data: bytes) -> Self:
        """Prove that the key signed two blocks of one height; see LightClient."""
        self._window.check_not_frozen()
        cursor = Cursor(data)
        first, second = SoloHeader.read(cursor), SoloHeader.read(cursor)
        cursor.finish()
        for header in (first, second):
            self._check_seal(header)
        if first.number != second.number or first.hash == second.hash:
            raise MisbehaviourRejected(
                "two headers are no misbehaviour",
                found=(first.number, second.number),
                expected="two blocks of one height",
            )
        return replace(self, state=replace(self.state, frozen=True))

    def _read_whole(self, data: bytes, now: Timestamp) -> SoloHeader:
        self._window.check_active(now)
        cursor = Cursor(data)
        header = SoloHeader.read(cursor)
        cursor.finish()
        self.check_header(header, now)
        return header

    def _check_seal(self, header: SoloHeader) -> None:
        sealer = header.sealer
        if sealer != self.signer:
            raise HeaderRejected("another key signed", found=sealer or b"", expected=self.signer)
