# SPDX-License-Identifier: MIT
"""What the clients of every consensus share: how long trust lasts, the anchor, and the argument of `storageAt`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from light_clients.client import Height, Status, StorageValue, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import (
    AnchorRejected,
    EncodingRejected,
    HeaderRejected,
    TrustExpired,
    TrustFrozen,
)
from light_clients.proofs.compact import encode_account, encode_storage, read_account, read_storage

#: The first byte of a proof: its root is in the header that follows, or is the anchored one.
BY_HEADER: Final = 0
BY_ANCHOR: Final = 1


@dataclass(frozen=True, slots=True)
class Anchor:
    """A verified state root that proofs can refer to."""

    height: Height
    timestamp: Timestamp
    state_root: bytes


@dataclass(frozen=True, slots=True)
class TrustWindow:
    """How long and how far a client believes, by the clock of the chain that it serves.

    Attributes:
        timestamp: of the header that is trusted, in seconds.
        trusting_period_s: how long after it anything is believed.
        max_clock_drift_s: how far a header's time may lie ahead of now.
        frozen: whether misbehaviour was proven.
    """

    timestamp: Timestamp
    trusting_period_s: int
    max_clock_drift_s: int
    frozen: bool

    def status(self, now: Timestamp) -> Status:
        """Frozen once frozen; else Expired when the trusting period is over; else Active."""
        if self.frozen:
            return Status.FROZEN
        if now > self.timestamp + self.trusting_period_s:
            return Status.EXPIRED
        return Status.ACTIVE

    def check_active(self, now: Timestamp) -> None:
        """Check that the client believes anything at all.

        Raises:
            TrustFrozen: misbehaviour was proven.
            TrustExpired: the trusting period is over.
        """
        status = self.status(now)
        if status is Status.FROZEN:
            raise TrustFrozen(
                "misbehaviour was proven; the admin must bootstrap again", found="frozen", expected="active"
            )
        if status is Status.EXPIRED:
            raise TrustExpired(
                "the trusting period is over; the admin must bootstrap again",
                found=now,
                expected=f"at most {self.timestamp + self.trusting_period_s}",
            )

    def check_not_frozen(self) -> None:
        """Check that the client can be frozen: an expired one can.

        Raises:
            TrustFrozen: it is frozen already.
        """
        if self.frozen:
            raise TrustFrozen("the client is frozen already", found="frozen", expected="active or expired")

    def check_not_ahead(self, timestamp: Timestamp, now: Timestamp) -> None:
        """Check that a time is not ahead of now by more than clocks may differ.

        Raises:
            HeaderRejected: it is.
        """
        latest = now + self.max_clock_drift_s
        if timestamp > latest:
            raise HeaderRejected("a header is from the future", found=timestamp, expected=f"at most {latest}")


class StorageClaim(NamedTuple):
    """The front of a proof: the slot's 32-byte word, the state root that this leads to, and where to find that root."""

    value: bytes
    state_root: bytes
    is_anchored: bool


def read_claim(cursor: Cursor, account: bytes, slot: bytes) -> StorageClaim:
    """Read a proof's first byte and its two trie proofs. What follows them is for the consensus.

    Args:
        cursor: stands at the beginning of a proof; afterwards behind the account's proof.
        account: 20 bytes.
        slot: 32 bytes.

    Raises:
        EncodingRejected: the first byte is unknown.
        ProofRejected: a trie proof is malformed.
    """
    mode = cursor.uint(1)
    if mode > BY_ANCHOR:
        raise EncodingRejected("a proof is of no known mode", found=mode, expected="0 or 1")
    storage = read_storage(cursor.data, cursor.pos, slot)
    root, cursor.pos = read_account(cursor.data, storage.end, account, storage.root)
    return StorageClaim(storage.value, root, mode == BY_ANCHOR)


def encode_claim(
    storage_nodes: Sequence[bytes],
    account_nodes: Sequence[bytes],
    account: bytes,
    slot: bytes,
    *,
    anchored: bool,
) -> bytes:
    """Encode what `read_claim` reads, from the nodes that `eth_getProof` gave, each from its root downwards.

    Raises:
        ProofRejected: the nodes cannot be those of this account and slot.
    """
    mode = BY_ANCHOR if anchored else BY_HEADER
    return bytes((mode,)) + encode_storage(slot, storage_nodes) + encode_account(account, account_nodes)


def prove_by_anchor(anchor: Anchor | None, claim: StorageClaim) -> StorageValue:
    """Believe a claim that refers to the anchored state root.

    Raises:
        AnchorRejected: there is no anchor, or the claim leads to another root.
    """
    if anchor is None:
        raise AnchorRejected(
            "there is no anchor to refer to", found="none", expected="an anchored state root"
        )
    if anchor.state_root != claim.state_root:
        raise AnchorRejected(
            "the proof leads to another root", found=claim.state_root, expected=anchor.state_root
        )
    return StorageValue(claim.value, anchor.height, anchor.timestamp)


def move_anchor(previous: Anchor | None, anchor: Anchor) -> Anchor:
    """The new anchor, where it lies above the last one. As on chain, where nothing is anchored its height is 0.

    Raises:
        AnchorRejected: it does not.
    """
    above = 0 if previous is None else previous.height
    if anchor.height <= above:
        raise AnchorRejected(
            "the header does not lie above the last anchor",
            found=anchor.height,
            expected=f"more than {above}",
        )
    return anchor
