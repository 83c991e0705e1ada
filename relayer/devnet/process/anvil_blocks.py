# SPDX-License-Identifier: MIT
"""anvil's own blocks, of which the newest are kept: every client asks for those."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from relayer.devnet.process.upstream import Upstream

#: Without its transactions' bodies a block is small.
_KEPT_BLOCKS: Final = 64

Fields = dict[str, msgspec.Raw]
_FIELDS: Final = msgspec.json.Decoder(Fields)


def as_data(value: bytes) -> msgspec.Raw:
    """Return bytes as a field: JSON-RPC's DATA."""
    return msgspec.Raw(b'"0x%b"' % value.hex().encode())


def as_quantity(value: int) -> msgspec.Raw:
    """Return a number as a field: JSON-RPC's QUANTITY."""
    return msgspec.Raw(b'"0x%x"' % value)


class AnvilBlocks:
    """Blocks as anvil tells them, taken apart into their fields.

    What comes back is shared: don't change it.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._kept: OrderedDict[int, Fields] = OrderedDict()

    async def get(self, number: int, *, full: bool) -> Fields:
        """Return the fields of a block that exists; `full` = with its transactions' bodies."""
        kept = None if full else self._kept.get(number)
        if kept is not None:
            return kept
        return _FIELDS.decode(await self._upstream.call_raw("eth_getBlockByNumber", hex(number), full))

    def keep(self, number: int, raw: bytes) -> None:
        """Keep a block's JSON (with its transactions' hashes only), which was fetched anyway to seal it."""
        self._kept[number] = _FIELDS.decode(raw)
        if len(self._kept) > _KEPT_BLOCKS:
            self._kept.popitem(last=False)
