# SPDX-License-Identifier: MIT
"""The execution payload's header (`specs/{bellatrix,capella,deneb}/beacon-chain.md`)."""

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
    """An execution block as its beacon block's body commits to it.

    Attributes:
        fee_recipient: 20 bytes. The hashes and roots: 32 bytes. logs_bloom: 256. extra_data: at most 32.
        withdrawals_root: None before Capella.
        blob_gas_used, excess_blob_gas: None before Deneb.
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
    def ssz(cls, fork: ForkName, preset: Preset) -> Container[Self]:  # noqa: ARG003 - the same in both presets
        """The SSZ type. Gloas has none, and light clients see none before Bellatrix: these get their neighbour's."""
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
        """The root over the fields that are there, 32 bytes."""
        return self.root_at(self.fork, MAINNET)

    def in_form_of(self, fork: ForkName) -> Self:
        """The same header with exactly a fork's fields: new ones zero, later ones left out."""
        return replace(
            self,
            withdrawals_root=(self.withdrawals_root or bytes(32)) if fork >= ForkName.CAPELLA else None,
            blob_gas_used=(self.blob_gas_used or 0) if fork >= ForkName.DENEB else None,
            excess_blob_gas=(self.excess_blob_gas or 0) if fork >= ForkName.DENEB else None,
        )
