# SPDX-License-Identifier: MIT
"""A finalized header with what makes it believable: the update that finalizes it, and who signed that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from light_clients.client import Height
from light_clients.errors import UpdateRejected
from light_clients.ethereum.codec import FinalizingUpdate, encode_anchor
from light_clients.ethereum.config import NetworkConfig, Period, Slot
from light_clients.ethereum.containers import LightClientHeader, SyncCommittee
from light_clients.ethereum.execution import ExecutionPayloadHeader
from light_clients.ethereum.params import EthereumParams
from relayer.consensus.base import VerifiedHeader

_STATE_ROOT_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A finalized header that our own light client has accepted.

    Attributes:
        update: what finalizes it.
        committee: who signed that.
        period: of the signature.
        anchor: the argument of `anchor`, which is state root ‖ signed; b"" until `encoded` was called.
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
        """The slot of the finalized header."""
        return self.header.beacon.slot

    @property
    def execution(self) -> ExecutionPayloadHeader:
        """The execution block of the finalized header. Raises UpdateRejected where it shows none."""
        if self.header.execution is None:
            raise UpdateRejected(
                "a finalized header does not show its execution block",
                found=f"slot {self.slot}",
                expected="a header of Capella or later",
            )
        return self.header.execution

    @property
    def number(self) -> Height:
        """The number of the execution block. Raises UpdateRejected as `execution` does."""
        return Height(self.execution.block_number)

    @property
    def wire(self) -> bytes:
        """What a proof ends with: `signed` of docs/reference/wire-formats.md §7.3. Needs `encoded` before."""
        return self.anchor[_STATE_ROOT_BYTES:]

    def encoded(self, params: EthereumParams) -> SignedHeader:
        """The same with `anchor` at hand. Raises Rejection where the wire format has no bytes for it."""
        if self.anchor:
            return self
        return replace(self, anchor=encode_anchor(self.update, self.committee, params))

    def to_verified(self, network: NetworkConfig) -> VerifiedHeader:
        """The execution block as the pipeline knows it."""
        execution = self.execution
        return VerifiedHeader(
            Height(execution.block_number),
            execution.block_hash,
            network.timestamp_at(self.slot),
            execution.state_root,
            execution.base_fee_per_gas,
        )
