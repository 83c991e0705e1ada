# SPDX-License-Identifier: MIT
"""Linking: which of the messages that logs tell of a proven head vouches for (INV-1). Pure: values in, values
out.

A lane is a chain of hashes, so logs need no trust. Linked from the last proven head on, they lead to the
proven value or they don't. Where they do, every one of these messages was sent, in this order, with this
leaf. Where only the first of them do, the rest is from later blocks or invented. Where none does, something
is missing or wrong, and the logs are read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relayer.chains.base import SentMessage
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, next_head


@dataclass(frozen=True, slots=True)
class Link:
    """A message that logs tell of, and the lane's running head after it if the logs are true."""

    sent: SentMessage
    head: bytes

    @property
    def sequence(self) -> int:
        """The message's place in the lane."""
        return self.sent.message.sequence


def link_messages(previous_head: bytes, sequence: int, sent: Iterable[SentMessage]) -> tuple[Link, ...]:
    """Return the messages that follow on from a head without a gap, as links.

    Messages below `sequence`, the first that is not proven, are passed over. Of two with one sequence the
    first by block and log index is taken.
    """
    links: list[Link] = []
    head = previous_head
    for message in sorted(sent, key=_order):
        if message.message.sequence < sequence:
            continue
        if message.message.sequence > sequence:
            break
        head = next_head(head, message.claimed_id)
        links.append(Link(message, head))
        sequence += 1
    return tuple(links)


def _order(sent: SentMessage) -> tuple[int, int, int]:
    return sent.message.sequence, sent.block_number, sent.log_index


def count_proven(links: tuple[Link, ...], proven: dict[int, bytes]) -> int:
    """Return how many links, from the first on, the proven page heads vouch for.

    `proven` has the proven values of the heads' slots by page. A page's slot holds the running head after the
    page's newest message. So a link with that head proves all links before it, in earlier pages too.
    """
    for index in range(len(links) - 1, -1, -1):
        if proven.get(links[index].sequence >> PAGE_BITS) == links[index].head:
            return index + 1
    return 0


def is_explained(proven_count: int, proven_head: bytes, page: int, value: bytes) -> bool:
    """Return whether the proven value of the newest page shows that no message is missing.

    Args:
        proven_count: how many messages of the lane are proven.
        proven_head: the running head after them.
        page: the page whose slot was proven, which the lane's next message belongs to.
        value: the proven value of that slot.
    """
    if proven_count >> PAGE_BITS == page and proven_count % PAGE_SIZE == 0:
        # No message of this page was sent yet, so its slot was never written.
        return value == bytes(32)
    return value == proven_head
