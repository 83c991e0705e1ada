# SPDX-License-Identifier: MIT
"""Headers as anvil makes them: their fields, and the hash computed again from those fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

from light_clients.codec.rlp import encode_bytes, encode_int, encode_list
from light_clients.hashing import EMPTY_OMMERS, keccak256
from relayer.devnet.errors import ExecutionError

#: In the order of the header; all of London's and later forks', so that Berlin's headers have none.
_TAIL_FIELDS: Final = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)


@dataclass(frozen=True)
class AnvilHeader:
    """What consensus does not decide of a header.

    Hashes and roots have 32 bytes, the beneficiary 20, the bloom filter 256. `tail` holds the RLP of every
    field from baseFeePerGas on that the block has.
    """

    parent_hash: bytes
    beneficiary: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    tail: tuple[bytes, ...]

    @classmethod
    def from_rpc(cls, block: Mapping[str, Any], parent_hash: bytes) -> Self:
        """Read a block as JSON-RPC gives it, and link it to another parent."""
        tail = []
        for name, is_number in _TAIL_FIELDS:
            value = block.get(name)
            if value is None:
                # With Berlin's rules anvil's block 0 has the blob fields alone.
                continue
            tail.append(encode_int(int(value, 16)) if is_number else encode_bytes(unhex(value)))
        return cls(
            parent_hash=parent_hash,
            beneficiary=unhex(block["miner"]),
            state_root=unhex(block["stateRoot"]),
            transactions_root=unhex(block["transactionsRoot"]),
            receipts_root=unhex(block["receiptsRoot"]),
            logs_bloom=unhex(block["logsBloom"]),
            number=int(block["number"], 16),
            gas_limit=int(block["gasLimit"], 16),
            gas_used=int(block["gasUsed"], 16),
            timestamp=int(block["timestamp"], 16),
            tail=tuple(tail),
        )

    def without_tail(self) -> Self:
        """Return the header as it would be without London and all later forks: of 15 fields with seals."""
        return replace(self, tail=())

    @cached_property
    def front(self) -> bytes:
        """The RLP items from the parent's hash to the bloom filter, without a list around them."""
        return b"".join(
            (
                encode_bytes(self.parent_hash),
                encode_bytes(EMPTY_OMMERS),
                encode_bytes(self.beneficiary),
                encode_bytes(self.state_root),
                encode_bytes(self.transactions_root),
                encode_bytes(self.receipts_root),
                encode_bytes(self.logs_bloom),
            )
        )

    @cached_property
    def numbers(self) -> bytes:
        """The RLP items from the number to the timestamp."""
        return b"".join(map(encode_int, (self.number, self.gas_limit, self.gas_used, self.timestamp)))

    def anvil_rlp(self, block: Mapping[str, Any]) -> bytes:
        """Return the RLP of the header that anvil itself made.

        Args:
            block: the JSON that this header was read from.
        """
        return encode_list(
            b"".join(
                (
                    encode_bytes(unhex(block["parentHash"])),
                    # The parent's hash, 33 bytes of RLP, is replaced by the one that anvil has.
                    self.front[33:],
                    encode_int(int(block["difficulty"], 16)),
                    self.numbers,
                    encode_bytes(unhex(block["extraData"])),
                    encode_bytes(unhex(block["mixHash"])),
                    encode_bytes(unhex(block["nonce"])),
                    *self.tail,
                )
            )
        )

    def body_bytes(self, block: Mapping[str, Any], *, legacy: bool) -> int:
        """Return the length of the block's RLP payload beside the header.

        Args:
            block: the JSON that this header was read from.
            legacy: the chain has no withdrawals, whatever rules anvil runs.
        """
        counted = list_payload_bytes(int(block["size"], 16)) - len(self.anvil_rlp(block))
        # anvil's size leaves out the withdrawals, an empty list in every block with Shanghai's rules.
        return counted if legacy else counted + 1


def check_anvil_hash(header: AnvilHeader, block: Mapping[str, Any]) -> bytes:
    """Return anvil's own hash of the block, after computing it again.

    So a header field that we don't know of can never stay out of the hash unseen.

    Raises:
        ExecutionError: the hash is not that of the fields that we read.
    """
    computed = keccak256(header.anvil_rlp(block))
    claimed = unhex(block["hash"])
    if computed != claimed:
        raise ExecutionError(
            f"anvil's block {header.number} has the hash 0x{claimed.hex()}",
            f"0x{computed.hex()}, from the fields that Postroad knows",
            "This anvil makes headers of another shape: use the version that tools/package.json pins.",
        )
    return claimed


def list_bytes(payload: int) -> int:
    """Return the length of an RLP list whose payload has the given length."""
    return payload + (1 if payload < 56 else 1 + (payload.bit_length() + 7) // 8)


def list_payload_bytes(total: int) -> int:
    """Return the inverse of `list_bytes`."""
    payload = total - 1
    while payload > 0 and list_bytes(payload) != total:
        payload -= 1
    return payload


def unhex(text: str) -> bytes:
    """Return bytes of 0x-prefixed hex."""
    return bytes.fromhex(text[2:])
