# SPDX-License-Identifier: MIT
"""What a running chain tells of its consensus to other processes and to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ChainDetails:
    """What a chain's kind tells of it. All values are JSON, for they are kept in the network's state file.

    Attributes:
        summary: the consensus in a few words for people, such as `solo, one key`.
        consensus: the keys of `[chains.NAME.consensus]` that a relayer of this chain is configured with,
            `kind` included.
        facts: what programs look up, such as who signs; bytes as 0x-hex.
        lines: what people are shown beside the chain's URLs: a label and a text each.
    """

    summary: str
    consensus: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[tuple[str, str], ...] = ()
