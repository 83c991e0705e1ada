# SPDX-License-Identifier: MIT
"""What a proven head says of the messages that logs told of (INV-1). No IO here: values in, values out.

A lane is a chain of hashes, so logs need no trust: linked from the last proven head they either lead to the proven value
or they don't. Where they do, every one of them was sent, unaltered, in this order. Where only a part of them does, the
rest is from later blocks, or invented. Where none does, something is missing or wrong, and they are fetched again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relayer.chains.base import SentMessage
from relayer.protocol.message import PAGE_BITS, PAGE_SIZE, next_head


@dataclass(frozen=True, slots=True)
class Link:
    """A message that logs told of, and the lane's running head after it if it is true."""

    sent: SentMessage
    head: bytes

    @property
    def sequence(self) -> int:
        """Its place in the lane."""
        return self.sent.message.sequence

    @property
    def is_reproduced(self) -> bool:
        """Whether the fields that logs tell hash to the leaf; if not, the leaf may be true and the fields are not."""
        return self.sent.message.id == self.sent.claimed_id


def link(previous_head: bytes, sequence: int, sent: Iterable[SentMessage]) -> tuple[Link, ...]:
    """Chain messages on from a head, as far as their sequences follow on from `sequence` without a gap.

    Messages below `sequence` are known already; of two with the same sequence the first in order is taken.
    """
    links: list[Link] = []
    head = previous_head
    for each in sorted(sent, key=_order):
        if each.message.sequence < sequence:
            continue
        if each.message.sequence > sequence:
            break
        head = next_head(head, each.claimed_id)
        links.append(Link(each, head))
        sequence += 1
    return tuple(links)


def _order(sent: SentMessage) -> tuple[int, int, int]:
    return sent.message.sequence, sent.block_number, sent.log_index


def count_proven(links: tuple[Link, ...], proven: dict[int, bytes]) -> int:
    """How many links, from the first on, the proven page heads vouch for.

    `proven` is the value of the page's slot by page. A page's slot holds the running head after the page's last message
    so far, so any link whose head it is proves all links before it, in earlier pages too.
    """
    for index in range(len(links) - 1, -1, -1):
        each = links[index]
        if proven.get(each.sequence >> PAGE_BITS) == each.head:
            return index + 1
    return 0


def is_explained(proven_count: int, proven_head: bytes, page: int, value: bytes) -> bool:
    """Whether the newest page's proven value says that nothing is missing.

    `proven_count` and `proven_head` are the lane's after all that is proven; `page` is the page whose slot was proven,
    the one that the lane's next message belongs to.
    """
    if proven_count >> PAGE_BITS == page and proven_count % PAGE_SIZE == 0:
        return value == bytes(32)
    return value == proven_head
