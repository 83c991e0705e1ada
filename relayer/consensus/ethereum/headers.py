# SPDX-License-Identifier: MIT
"""Finalized headers with what makes them believable: the update that finalizes them, and the committee that signed it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from light_clients.client import Height
from light_clients.errors import UpdateRejected
from light_clients.ethereum.codec import FinalizingUpdate, encode_anchor
from light_clients.ethereum.config import NetworkConfig, Period, Slot
from light_clients.ethereum.containers import LightClientHeader, SyncCommittee
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.params import EthereumParams
from relayer.consensus.base import VerifiedHeader

_STATE_ROOT_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A finalized header that our own light client has accepted.

    Attributes:
        update: what finalizes it.
        committee: who signed that.
        period: of the signature.
        anchor: the argument of `anchor`: state root ‖ signed; b"" until a proof needs it.
    """

    update: FinalizingUpdate
    committee: SyncCommittee
    period: Period
    anchor: bytes = b""

    @property
    def header(self) -> LightClientHeader:
        """The finalized header."""
        return self.update.finalized_header

    @property
    def slot(self) -> Slot:
        """Of the finalized header."""
        return self.header.beacon.slot

    @property
    def execution(self) -> ExecutionPayloadHeader:
        """Its execution block. Raises UpdateRejected where the header does not show it."""
        if self.header.execution is None:
            raise UpdateRejected(
                "a finalized header does not show its execution block",
                found=f"slot {self.slot}",
                expected="a header of Capella or later",
            )
        return self.header.execution

    @property
    def number(self) -> Height:
        """The execution block's."""
        return Height(self.execution.block_number)

    @property
    def wire(self) -> bytes:
        """What a proof ends with: `signed` of docs/reference/wire-formats.md §7.3."""
        return self.anchor[_STATE_ROOT_BYTES:]

    def encoded(self, params: EthereumParams) -> SignedHeader:
        """The same with `anchor` at hand. Raises Rejection where it can't be said in those bytes."""
        if self.anchor:
            return self
        return replace(self, anchor=encode_anchor(self.update, self.committee, params))

    def to_verified(self, network: NetworkConfig) -> VerifiedHeader:
        """What the pipeline sees of it."""
        execution = self.execution
        return VerifiedHeader(
            Height(execution.block_number),
            execution.block_hash,
            network.timestamp_at(self.slot),
            execution.state_root,
        )


class SignedHeaders:
    """The newest verified headers, by their execution block's number. At most `most`; more only cost memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_number: OrderedDict[Height, SignedHeader] = OrderedDict()

    def __iter__(self) -> Iterator[SignedHeader]:
        return iter(self._by_number.values())

    def at(self, number: Height) -> SignedHeader | None:
        """The header of a block."""
        return self._by_number.get(number)

    def at_slot(self, slot: Slot) -> SignedHeader | None:
        """The header of a slot."""
        return next((each for each in self._by_number.values() if each.slot == slot), None)

    def put(self, signed: SignedHeader) -> None:
        """Keep one. The same header signed again changes nothing: proofs and anchors have the first signature already."""
        kept = self._by_number.get(signed.number)
        if kept is None or kept.header.beacon != signed.header.beacon:
            self._by_number[signed.number] = signed
        while len(self._by_number) > self._most:
            self._by_number.popitem(last=False)
