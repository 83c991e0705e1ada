# SPDX-License-Identifier: MIT
"""The hand-overs: what each step gives to the next."""

from __future__ import annotations

from dataclasses import dataclass

from relayer.chains.base import SentMessage, TxReceipt
from relayer.consensus.base import VerifiedHeader
from relayer.journal.rows import LaneRow, StoredBatch, StoredMessage, StoredProof, StoredWait, TransactionRow
from relayer.protocol.delivery import Waiting


@dataclass(frozen=True, slots=True)
class Observed:
    """watch → verify: what logs tell of blocks first..last, for every lane of the chain."""

    first: int
    last: int
    sent: tuple[SentMessage, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """verify → prove: messages of one lane that lead to a head which a verified header commits to.

    `messages` follow on from what was proven before. `hearsay` is what logs tell beyond that; where `waiting` is given,
    something is missing or wrong and the logs are to be read again.
    """

    lane: LaneRow
    header: VerifiedHeader
    messages: tuple[StoredMessage, ...]
    hearsay: tuple[StoredMessage, ...]
    waiting: Waiting | None


@dataclass(frozen=True, slots=True)
class Proven:
    """prove → submit: page heads with the bytes that prove them on the destination."""

    lane: LaneRow
    proofs: tuple[StoredProof, ...]


@dataclass(frozen=True, slots=True)
class Submitted:
    """submit → confirm: a batch whose signed transaction is in the journal."""

    batch: StoredBatch
    transaction: TransactionRow


@dataclass(frozen=True, slots=True)
class Included:
    """Within confirm: a provider shows the transaction in a block."""

    batch: StoredBatch
    receipt: TxReceipt


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a proven word of the destination says of a page, as bits of the page.

    `delivered` and `expired` are final. `failed` are the messages that their recipient refused, with what is known.
    `returned` are to be delivered again, `unseen` were shown as delivered by a provider and are not.
    """

    lane: LaneRow
    page: int
    height: int
    delivered: int
    expired: int
    failed: tuple[StoredWait, ...]
    returned: int
    unseen: int
