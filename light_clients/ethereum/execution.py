# SPDX-License-Identifier: MIT
"""The header of the execution payload (consensus-specs,
`specs/{bellatrix,capella,deneb}/beacon-chain.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Self

from light_clients.codec.ssz import BYTES32, UINT64, UINT256, ByteList, ByteVector, Container, SszType
from light_clients.ethereum.config import MAINNET, ForkName, Preset
from light_clients.ethereum.ssz_object import SszObject

_BELLATRIX: Final[Mapping[str, SszType[Any]]] = {
    "parent_hash": BYTES32,
    "fee_recipient": ByteVector(20),
    "state_root": BYTES32,
    "receipts_root": BYTES32,
    "logs_bloom": ByteVector(256),
    "prev_randao": BYTES32,
    "block_number": UINT64,
    "gas_limit": UINT64,
    "gas_used": UINT64,
    "timestamp": UINT64,
    "extra_data": ByteList(32),
    "base_fee_per_gas": UINT256,
    "block_hash": BYTES32,
    "transactions_root": BYTES32,
}
_CAPELLA: Final = {**_BELLATRIX, "withdrawals_root": BYTES32}
_DENEB: Final = {**_CAPELLA, "blob_gas_used": UINT64, "excess_blob_gas": UINT64}


@dataclass(frozen=True, slots=True)
class ExecutionPayloadHeader(SszObject):
    """The header of an execution block, as the body of its beacon block commits to it.

    Hashes and roots have 32 bytes, and what is not listed is as the execution block has it.

    Attributes:
        fee_recipient: 20 bytes.
        logs_bloom: 256 bytes.
        timestamp: in seconds.
        extra_data: at most 32 bytes.
        base_fee_per_gas: in wei.
        withdrawals_root: None before Capella.
        blob_gas_used: None before Deneb.
        excess_blob_gas: None before Deneb.
    """

    parent_hash: bytes = bytes(32)
    fee_recipient: bytes = bytes(20)
    state_root: bytes = bytes(32)
    receipts_root: bytes = bytes(32)
    logs_bloom: bytes = bytes(256)
    prev_randao: bytes = bytes(32)
    block_number: int = 0
    gas_limit: int = 0
    gas_used: int = 0
    timestamp: int = 0
    extra_data: bytes = b""
    base_fee_per_gas: int = 0
    block_hash: bytes = bytes(32)
    transactions_root: bytes = bytes(32)
    withdrawals_root: bytes | None = None
    blob_gas_used: int | None = None
    excess_blob_gas: int | None = None

    @classmethod
    @cache
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - it is the same in both presets
        """Return the SSZ type of a fork's payload header.

        Gloas has no such header, and light clients see none before Bellatrix. For these forks, the type is
        that of the nearest fork that has one.
        """
        if fork >= ForkName.DENEB:
            return Container(cls, _DENEB)
        return Container(cls, _CAPELLA if fork >= ForkName.CAPELLA else _BELLATRIX)

    @property
    def fork(self) -> ForkName:
        """The first fork that has these fields: Bellatrix, Capella or Deneb."""
        if self.blob_gas_used is not None or self.excess_blob_gas is not None:
            return ForkName.DENEB
        return ForkName.BELLATRIX if self.withdrawals_root is None else ForkName.CAPELLA

    def hash_tree_root(self) -> bytes:
        """Return the root over the fields that this header has, 32 bytes."""
        return self.root_at(self.fork, MAINNET)

    def in_form_of(self, fork: ForkName) -> Self:
        """Return this header with exactly the fields of a fork: new ones are zero, later ones are left
        out.
        """
        return replace(
            self,
            withdrawals_root=(self.withdrawals_root or bytes(32)) if fork >= ForkName.CAPELLA else None,
            blob_gas_used=(self.blob_gas_used or 0) if fork >= ForkName.DENEB else None,
            excess_blob_gas=(self.excess_blob_gas or 0) if fork >= ForkName.DENEB else None,
        )
