# SPDX-License-Identifier: MIT
"""The fields that every execution header has, whoever seals it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support import rlp
from tests.support.trie import EMPTY_ROOT

NO_OMMERS = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")

#: What the fields behind the nonce are called in a node's JSON, and which of them are numbers there.
_TAIL = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)


@dataclass(frozen=True, kw_only=True)
class HeaderDraft:
    """A header before it is sealed. Fields may break any rule.

    `tail` is what follows the nonce; `vanity` are the first bytes of the extra data.
    """

    number: int = 1
    timestamp: int = 1_700_000_000
    state_root: bytes = EMPTY_ROOT
    parent_hash: bytes = bytes(range(32))
    beneficiary: bytes = bytes(range(20))
    transactions_root: bytes = EMPTY_ROOT
    receipts_root: bytes = EMPTY_ROOT
    bloom: bytes = bytes(256)
    gas_limit: int = 30_000_000
    gas_used: int = 0
    vanity: bytes = bytes(32)
    tail: tuple[bytes, ...] = ()
    difficulty: int = 1
    ommers: bytes = NO_OMMERS
    mix_hash: bytes = bytes(32)
    nonce: bytes = bytes(8)

    def fields(self, extra_data: bytes) -> dict[str, bytes | int]:
        """By the names of a node's JSON, in the header's order; without the tail."""
        return {
            "parentHash": self.parent_hash,
            "sha3Uncles": self.ommers,
            "miner": self.beneficiary,
            "stateRoot": self.state_root,
            "transactionsRoot": self.transactions_root,
            "receiptsRoot": self.receipts_root,
            "logsBloom": self.bloom,
            "difficulty": self.difficulty,
            "number": self.number,
            "gasLimit": self.gas_limit,
            "gasUsed": self.gas_used,
            "timestamp": self.timestamp,
            "extraData": extra_data,
            "mixHash": self.mix_hash,
            "nonce": self.nonce,
        }

    def encode_with(self, extra_data: bytes) -> bytes:
        """The header's RLP."""
        fields = self.fields(extra_data).values()
        return rlp.encode(
            [*(rlp.integer(field) if isinstance(field, int) else field for field in fields), *self.tail]
        )

    def json_with(self, extra_data: bytes) -> dict[str, object]:
        """The header as a node's JSON has it."""
        fields = self.fields(extra_data)
        for (name, is_number), field in zip(_TAIL, self.tail, strict=False):
            fields[name] = int.from_bytes(field, "big") if is_number else field
        return {
            name: hex(field) if isinstance(field, int) else "0x" + field.hex()
            for name, field in fields.items()
        }
