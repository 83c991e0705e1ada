# SPDX-License-Identifier: MIT
"""Who may seal behind a block, read back from the epoch block before it.

An epoch block lists the signers and discards votes, so the headers from there on tell the set exactly. Nothing
here is believed by itself: a light client compares the set's hash with its own, or people compare the list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from light_clients.client import Height
from light_clients.clique.header import parse_extra_data
from light_clients.clique.reader import Run
from light_clients.codec import execution_header
from light_clients.errors import HeaderRejected
from relayer.consensus.clique.update_path import read_linked

#: Reads one node's blocks.
ReadBlocks = Callable[[Sequence[Height]], Awaitable[Sequence[Mapping[str, Any]]]]

#: Headers that are asked for at once.
_PIECE: Final = 256


async def find_signers(read: ReadBlocks, height: Height, epoch: int) -> tuple[bytes, ...]:
    """Return the set that may seal the block behind `height`.

    The headers from the epoch block on are read and checked by Clique's rules: up to an epoch of them.

    Args:
        read: reads one node's blocks.
        height: of a block that the node has.
        epoch: after how many blocks the chain lists its signers.

    Raises:
        Rejection: the node's headers hold no signers, or are not valid one after the other.
    """
    start = Height(height // epoch * epoch)
    block = (await read([start]))[0]
    extra = execution_header.read_data("extraData", block.get("extraData"), -1)
    _, listed, _ = parse_extra_data(extra)
    if not listed:
        raise HeaderRejected(
            f"block {start} lists no signers (is the epoch {epoch}?)", found=0, expected="an epoch block"
        )
    signers, behind = listed, Height(start + 1)
    walk = Run(signers, epoch, tallied=True)
    while behind <= height:
        last = min(behind + _PIECE - 1, height)
        for header in read_linked(await read([Height(number) for number in range(behind, last + 1)])):
            walk.append(header)
        behind = Height(last + 1)
    return walk.signers
