# SPDX-License-Identifier: MIT
"""Who may seal behind a block, read back from the epoch block before it.

An epoch block lists the signers and discards votes, so the headers from there on tell the set exactly.
Nothing here is believed by itself: a light client compares the set's hash with its own, or people compare the
list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from light_clients.client import Height
from light_clients.clique.header import SEAL_BYTES, VANITY_BYTES, CliqueHeader, parse_extra_data
from light_clients.clique.signers import Tally, check_set
from light_clients.codec import execution_header
from light_clients.errors import HeaderRejected, ValidatorSetRejected
from relayer.consensus.clique.update_path import read_linked

#: Reads one node's blocks.
ReadBlocks = Callable[[Sequence[Height]], Awaitable[Sequence[Mapping[str, Any]]]]

#: Headers that are asked for at once.
_PIECE: Final = 256


async def find_signers(read: ReadBlocks, height: Height, epoch: int) -> tuple[bytes, ...]:
    """Return the set that may seal the block behind `height`, ascending.

    The headers from the epoch block on are read, up to an epoch of them: their links, who sealed them, and
    their votes.

    Args:
        read: reads one node's blocks.
        height: of a block that the node has.
        epoch: after how many blocks the chain lists its signers.

    Raises:
        Rejection: the node's headers hold no signers, or do not follow from one another.
    """
    start = height // epoch * epoch
    block = (await read([Height(start)]))[0]
    last_hash = execution_header.hash_of(execution_header.from_rpc(block))
    tally = Tally(_listed(block, start, epoch))
    for first in range(start + 1, height + 1, _PIECE):
        blocks = await read([Height(at) for at in range(first, min(first + _PIECE, height + 1))])
        headers = read_linked(blocks, last_hash)
        for header in headers:
            _count(tally, header, start)
        last_hash = headers[-1].block_hash
    return tally.signers


def _count(tally: Tally, header: CliqueHeader, start: int) -> None:
    if header.listed:
        raise HeaderRejected(
            f"block {header.number} lists signers (is the epoch {header.number - start}?)",
            found=len(header.listed),
            expected="none between two epoch blocks",
        )
    index = tally.index_of(header.signer, header.number)
    if header.has_vote:
        tally.vote(tally.signers[index], header.candidate, add=header.add)


def _listed(block: Mapping[str, Any], number: int, epoch: int) -> tuple[bytes, ...]:
    extra = execution_header.read_data("extraData", block.get("extraData"), -1)
    if number:
        _, listed, _ = parse_extra_data(extra)
    else:
        # Whoever wrote the genesis file was free to list them in any order.
        packed = extra[VANITY_BYTES:-SEAL_BYTES]
        listed = tuple(sorted(packed[at : at + 20] for at in range(0, len(packed), 20)))
    try:
        check_set(listed)
    except ValidatorSetRejected as error:
        raise HeaderRejected(
            f"block {number} lists no signers (is the epoch {epoch}?): {error}",
            found=len(listed),
            expected="an epoch block",
        ) from error
    return listed
