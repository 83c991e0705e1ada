# SPDX-License-Identifier: MIT
"""A local solo chain: anvil executes a block, and one key of our own signs it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from light_clients.ecdsa import sign
from postroad_solo.rules import hash_of
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.chain.block_maker import BlockMaker
from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.chain.chain_options import DEFAULT_BLOCK_TIME_S, ChainOptions
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.chain.running_chain import RunningChain
from relayer.devnet.errors import SpecError
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.process.anvil_blocks import Fields, as_data
from relayer.devnet.rpc.served_blocks import without_body
from relayer.devnet.state.anvil_header import AnvilHeader, check_anvil_hash
from relayer.devnet.state.faults import COMMON_FAULTS, Faults
from relayer.devnet.state.identities import Account, derive_account


@dataclass(frozen=True, slots=True)
class SoloBlock:
    """A signed block. `anvil_hash` is anvil's own hash of what it executed; `seal` is 65 bytes."""

    number: int
    timestamp: int
    state_root: bytes
    parent_hash: bytes
    hash: bytes
    anvil_hash: bytes
    seal: bytes


def sign_block(native: Mapping[str, Any], parent_hash: bytes, key: Account) -> SoloBlock:
    """Sign one of anvil's blocks. Raises ExecutionError: its header holds something that we don't know."""
    header = AnvilHeader.from_rpc(native, parent_hash)
    anvil_hash = check_anvil_hash(header, native)
    digest = hash_of(header.number, header.timestamp, header.state_root, parent_hash)
    return SoloBlock(
        number=header.number,
        timestamp=header.timestamp,
        state_root=header.state_root,
        parent_hash=parent_hash,
        hash=digest,
        anvil_hash=anvil_hash,
        seal=sign(digest, key.secret),
    )


class SoloBlocks:
    """Gives clients anvil's blocks with the signed header's fields put over them."""

    def __init__(self, parts: ChainParts[SoloBlock]) -> None:
        self._parts = parts
        self._ledger = parts.ledger

    async def by_number(self, number: int, *, full: bool) -> bytes:
        """The block of a height as JSON; `null` above the head."""
        block = self._ledger.at(number)
        return b"null" if block is None else msgspec.json.encode(await self._fields(block, full=full))

    async def by_hash(self, block_hash: bytes, *, full: bool) -> bytes:
        """The block with this hash; `null` when there is none."""
        number = self._ledger.number_of(block_hash)
        return b"null" if number is None else await self.by_number(number, full=full)

    async def header(self, block: SoloBlock) -> bytes:
        """What a subscription to new heads gets."""
        return without_body(await self._fields(block, full=False))

    def header_rlp(self, number: int) -> bytes | None:
        """None: these headers have no RLP of their own."""
        del number
        return None

    async def _fields(self, block: SoloBlock, *, full: bool) -> Fields:
        own = {"hash": block.hash, "parentHash": block.parent_hash, "extraData": block.seal}
        fields = await self._parts.fields(block.number, full=full)
        return fields | {name: as_data(value) for name, value in own.items()}


class SoloMaker(BlockMaker[SoloBlock]):
    """Makes a solo chain's blocks."""

    def __init__(self, parts: ChainParts[SoloBlock], key: Account) -> None:
        super().__init__(parts)
        self._key = key

    def _advance(self, block: SoloBlock) -> None:
        """Nothing is counted."""

    async def _make(self, balances: Mapping[bytes, int]) -> tuple[SoloBlock, bool]:
        parent = self._parts.ledger.head
        timestamp = max(math.floor(time.time()), parent.timestamp)
        executed = await self._execute(parent.number + 1, timestamp, self._key.address, balances)
        self._parts.anvil_blocks.keep(parent.number + 1, executed.raw)
        return sign_block(executed.block, parent.hash, self._key), executed.has_logs


class LocalSoloChain(AnvilChain[SoloBlock]):
    """A local chain whose blocks one key signs, as an async context manager."""

    kind: ClassVar = "solo"
    history: ClassVar = 128

    def __init__(self, name: str, options: ChainOptions | None = None) -> None:
        super().__init__(name, ChainOptions() if options is None else options, Faults(COMMON_FAULTS))
        self.key = derive_account(self.seed, name, "signer", 0)

    def describe(self) -> ChainDetails:
        """Whose key signs."""
        signer = "0x" + self.key.address.hex()
        return ChainDetails(
            f"solo, one key ({signer[:10]}…)", {"kind": self.kind}, {"signer": signer}, (("signer", signer),)
        )

    async def _assemble(self, anvil: Anvil) -> RunningChain[SoloBlock]:
        genesis = await anvil.upstream.call("eth_getBlockByNumber", "0x0", False)
        parts = ChainParts.over(anvil, sign_block(genesis, bytes(32), self.key), self.faults)
        return RunningChain(
            chain_id=self.chain_id,
            client=self.kind,
            parts=parts,
            block_maker=SoloMaker(parts, self.key),
            serve=lambda _: SoloBlocks(parts),
        )


class LocalSolo:
    """The kind `solo` for the devnet (relayer.devnet.chain.local_kind.LocalKind)."""

    grammar: Final = "solo"
    words: Final[Mapping[str, str]] = {}
    block_time_s: Final = DEFAULT_BLOCK_TIME_S

    def read_options(self, chain: str, options: Sequence[str]) -> None:
        """It has none. Raises SpecError."""
        if options:
            raise SpecError(
                f"the options {':'.join(options)!r} of chain {chain!r}", "none: NAME=solo[@BLOCK_TIME]"
            )

    def build(self, name: str, settings: None, options: ChainOptions) -> LocalSoloChain:
        """Make a chain."""
        del settings
        return LocalSoloChain(name, options)

    async def await_trust(self, name: str, consensus: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """Return at once: every block is final."""


LOCAL: Final = LocalSolo()
