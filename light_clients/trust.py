# SPDX-License-Identifier: MIT
"""What the light clients of every kind share: how long trust lasts, what it moves to, the anchor, and the
front of a proof.

A proof (the argument of `storageAt`, docs/reference/wire-formats.md §5 to §7) begins with its mode and two
trie proofs. These lead to a state root, which is a claim until something vouches for it: a header that
follows in the same bytes, which is for the kind to read, or the anchor that the client stored before.
"""

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
    MisbehaviourRejected,
    TrustExpired,
    TrustFrozen,
    UpdateRejected,
)
from light_clients.proofs.compact import encode_account, encode_storage, read_account, read_storage

#: The first byte of a proof: a header that follows vouches for its state root, or the anchor does.
BY_HEADER: Final = 0
BY_ANCHOR: Final = 1


@dataclass(frozen=True, slots=True)
class Anchor:
    """A verified state root that proofs can refer to, so that they need no header of their own.

    Attributes:
        height: the block's number.
        timestamp: the block's time, in seconds.
        state_root: 32 bytes.
    """

    height: Height
    timestamp: Timestamp
    state_root: bytes


@dataclass(frozen=True, slots=True)
class TrustWindow:
    """The window of time in which a client believes, by the clock of the chain that it serves.

    It ends, because keys of validators that have long left may be sold or stolen without anyone noticing, and
    because a client that nobody updates knows of no change of validators.

    Attributes:
        timestamp: the time of the newest trusted header, in seconds.
        trusting_period_s: for how long after that anything is believed.
        max_clock_drift_s: how far a header's time may lie ahead of now.
        frozen: whether misbehaviour was proven.
    """

    timestamp: Timestamp
    trusting_period_s: int
    max_clock_drift_s: int
    frozen: bool

    def status(self, now: Timestamp) -> Status:
        """Return Frozen once misbehaviour was proven, Expired after the trusting period, and Active
        otherwise.
        """
        if self.frozen:
            return Status.FROZEN
        if now > self.timestamp + self.trusting_period_s:
            return Status.EXPIRED
        return Status.ACTIVE

    def check_active(self, now: Timestamp) -> None:
        """Check that the client believes anything at this time.

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
        """Check that the client can still be frozen. An expired client can: misbehaviour does not expire.

        Raises:
            TrustFrozen: it was frozen before.
        """
        if self.frozen:
            raise TrustFrozen("the client is frozen already", found="frozen", expected="active or expired")

    def check_not_ahead(self, timestamp: Timestamp, now: Timestamp) -> None:
        """Check that a header's time does not lie ahead of now by more than clocks may differ.

        Raises:
            HeaderRejected: it does.
        """
        latest = now + self.max_clock_drift_s
        if timestamp > latest:
            raise HeaderRejected("a header is from the future", found=timestamp, expected=f"at most {latest}")


def check_later(
    height: Height, timestamp: Timestamp, trusted_height: Height, trusted_timestamp: Timestamp
) -> None:
    """Check that trust can move from one block to another: that its height ascends, and its time does not
    descend.

    Raises:
        UpdateRejected: trust can't.
    """
    if height <= trusted_height:
        raise UpdateRejected(
            "the height does not ascend", found=height, expected=f"more than {trusted_height}"
        )
    # An equal time is no fault: a chain with more than one block a second repeats its timestamp.
    if timestamp < trusted_timestamp:
        raise UpdateRejected(
            "the timestamp descends", found=timestamp, expected=f"at least {trusted_timestamp}"
        )


def check_contradiction(heights: tuple[Height, Height], names: tuple[bytes, bytes]) -> None:
    """Check that two blocks contradict each other: that they are two of one height.

    Args:
        heights: of the two blocks.
        names: the hashes that the chain gives them.

    Raises:
        MisbehaviourRejected: they don't.
    """
    if heights[0] != heights[1]:
        raise MisbehaviourRejected("the headers are of two heights", found=heights[1], expected=heights[0])
    if names[0] == names[1]:
        raise MisbehaviourRejected("the headers are of one block", found=names[0], expected="two blocks")


class StorageClaim(NamedTuple):
    """What the front of a proof claims: true if the state root is.

    Attributes:
        value: the 32 bytes of the storage slot.
        state_root: the root that the two trie proofs lead to, 32 bytes.
        is_anchored: whether the anchor has to vouch for that root, not a header that follows.
    """

    value: bytes
    state_root: bytes
    is_anchored: bool


def read_claim(cursor: Cursor, account: bytes, slot: bytes) -> StorageClaim:
    """Read the front of a proof: its mode, the storage proof and the account proof. The rest is for the kind
    to read.

    Args:
        cursor: at the beginning of the proof; it is moved behind the account proof.
        account: 20 bytes.
        slot: 32 bytes.

    Raises:
        EncodingRejected: the first byte is unknown.
        ProofRejected: a trie proof is malformed.
    """
    mode = cursor.uint(1)
    if mode > BY_ANCHOR:
        raise EncodingRejected("a proof is of no known mode", found=mode, expected="0 or 1")
    # From the slot upwards: the storage root that comes out goes into the account (ADR 0007).
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
    """Encode what `read_claim` reads, from the nodes that `eth_getProof` gave.

    Args:
        storage_nodes: from the storage root downwards, verified before.
        account_nodes: from the state root downwards, verified before.
        account: 20 bytes.
        slot: 32 bytes.
        anchored: whether the proof refers to the anchor, so that no header follows.

    Raises:
        ProofRejected: the nodes cannot be those of this account and slot.
    """
    mode = BY_ANCHOR if anchored else BY_HEADER
    return bytes((mode,)) + encode_storage(slot, storage_nodes) + encode_account(account, account_nodes)


def prove_by_anchor(anchor: Anchor | None, claim: StorageClaim) -> StorageValue:
    """Return what a claim proves for which the anchor has to vouch.

    Raises:
        AnchorRejected: there is no anchor, or the claim leads to another state root.
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
    """Return the new anchor, which has to lie above the previous one, so that proofs never refer to an older
    state.

    Without a previous anchor any height above 0 will do, as on chain, where an empty anchor has height 0.

    Raises:
        AnchorRejected: it does not lie above.
    """
    above = 0 if previous is None else previous.height
    if anchor.height <= above:
        raise AnchorRejected(
            "the header does not lie above the last anchor",
            found=anchor.height,
            expected=f"more than {above}",
        )
    return anchor
