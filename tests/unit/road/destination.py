# SPDX-License-Identifier: MIT
"""A destination that tells what a test wants: logs, receipts, and what its light client proves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from light_clients.client import Height, Timestamp
from relayer.chains.base import Address, DeliveredRange, Head, TxHash, TxReceipt
from relayer.chains.evm.abi import DELIVERED
from relayer.chains.evm.node import Node
from relayer.consensus.base import ProvenSlot, VerifiedHeader
from relayer.consensus.open_chain import OpenChain
from relayer.errors import ChainUnavailable, RpcRefused
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId

GATEWAY = Address(b"\x11" * 20)
SENT_IN = Lane(EndpointId(b"a" * 32), EndpointId(b"b" * 32))
LANE = SENT_IN.id
SEQUENCE = 0x105
"""Bit 5 of page 1."""


class FakeDestination:
    """What a destination's providers tell: logs by block, receipts by hash; and its light client's proof.

    `bitmap` is what the light client proves of the message's page, None where the chain can't be asked for
    proofs; `is_down` makes it answer nothing at all.
    """

    gateway = GATEWAY
    settings = SimpleNamespace(poll_interval_s=0.02)

    def __init__(self, newest: int, *, most_blocks: int | None = None, bitmap: int | None = 0) -> None:
        self.newest = newest
        self.most_blocks = most_blocks
        self.bitmap = bitmap
        self.is_down = False
        self.has_logs = True
        self.has_blocks = True
        self.logs: list[dict[str, Any]] = []
        self.serve: Callable[[], list[dict[str, Any]]] | None = None
        self.receipts: dict[bytes, TxReceipt] = {}
        self.asked: list[tuple[int, int]] = []
        self.header = VerifiedHeader(Height(newest), b"H" * 32, Timestamp(newest * 10), b"R" * 32)

    def add(
        self,
        block: int,
        tx_hash: bytes,
        *,
        first: int = SEQUENCE,
        mask: int = 1 << 5,
        receipt_mask: int | None = None,
        has_receipt: bool = True,
    ) -> None:
        """A `Delivered` log, and its receipt, whose mask may be another one."""
        words = (first, 1, mask)
        self.logs.append(
            {
                "address": "0x" + GATEWAY.hex(),
                "topics": ["0x" + DELIVERED.hex(), "0x" + LANE.hex()],
                "data": "0x" + b"".join(word.to_bytes(32) for word in words).hex(),
                "blockNumber": hex(block),
                "blockHash": "0x" + "bb" * 32,
                "transactionHash": "0x" + tx_hash.hex(),
                "logIndex": "0x0",
            }
        )
        if has_receipt:
            self.receipts[tx_hash] = make_receipt(
                block, tx_hash, mask if receipt_mask is None else receipt_mask
            )

    # --- as a chain -----------------------------------------------------------------------------------------

    async def receipt(self, tx_hash: TxHash) -> TxReceipt | None:
        self._check_up()
        return self.receipts.get(tx_hash)

    async def block(self, number: Height) -> Mapping[str, Any]:
        self._check_up()
        if not self.has_blocks:
            raise ChainUnavailable("no blocks now")
        return {"timestamp": hex(number * 10)}

    async def head(self) -> Head:
        self._check_up()
        return Head(Height(self.newest), b"H" * 32, bytes(32), Timestamp(self.newest * 10))

    async def delivered_bitmap(self, *_: object) -> int:
        return self.bitmap or 0

    # --- as a node ------------------------------------------------------------------------------------------

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        if method == "eth_call":
            # Its recipient takes everything.
            return "0x"
        self._check_up()
        if method == "eth_getBlockByNumber":
            return {"number": hex(self.newest)}
        assert method == "eth_getLogs"
        if not self.has_logs:
            raise ChainUnavailable("no logs now")
        (query,) = params
        assert query["topics"] == ["0x" + DELIVERED.hex(), "0x" + LANE.hex()]
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        self.asked.append((first, last))
        if self.most_blocks is not None and last - first >= self.most_blocks:
            raise RpcRefused(-32005, "too many blocks")
        if self.serve is not None:
            return self.serve()
        return [log for log in self.logs if first <= int(log["blockNumber"], 16) <= last]

    # --- as a prover ----------------------------------------------------------------------------------------

    async def verify_head(self, _: Head) -> VerifiedHeader:
        self._check_up()
        return self.header

    async def prove(
        self, header: VerifiedHeader, _: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        if self.bitmap is None:
            raise ChainUnavailable("no proofs now")
        value = self.bitmap.to_bytes(32)
        return tuple(ProvenSlot(slot, value, header.number, header.timestamp, b"proof") for slot in slots)

    def _check_up(self) -> None:
        if self.is_down:
            raise ChainUnavailable("nothing answers")

    def opened(self) -> OpenChain:
        this: Any = self
        return OpenChain("port", this, SimpleNamespace(prover=self), Node("port", self.request), this)  # type: ignore[arg-type]


def make_receipt(block: int, tx_hash: bytes, mask: int) -> TxReceipt:
    delivered = (DeliveredRange(LANE, SEQUENCE, 1, mask),)
    return TxReceipt(TxHash(tx_hash), Height(block), b"B" * 32, True, 1, 1, delivered, ())


def hash_of(number: int) -> bytes:
    return number.to_bytes(32)
