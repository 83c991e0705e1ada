# SPDX-License-Identifier: MIT
"""A prover for in-memory chains, for tests of what uses a prover. It reads the state that it claims to prove.

It shows when proofs and updates are asked for, refused and spent. It can't show that they convince a
contract.
"""

from __future__ import annotations

from typing import Final

import msgspec

from light_clients.client import Height, LightClient, Status, Timestamp
from light_clients.errors import HeaderRejected
from relayer.chains.base import Address, Chain, Head
from relayer.consensus.base import (
    DeliveryCost,
    OnChainClient,
    ProvenAccount,
    ProvenSlot,
    VerifiedHeader,
)
from relayer.errors import ChainUnavailable, ClientExpired, ClientFrozen, NotFoundYet
from relayer.testing.chain import MemoryChain
from relayer.testing.gateway import (
    MemoryBlock,
    MemoryClient,
    encode_anchor,
    encode_proof,
    encode_update,
    shorten_proof,
)
from relayer.testing.pool import RICH_WEI


class _ProverState(msgspec.Struct):
    height: int
    timestamp: int


_COSTS: Final = DeliveryCost()


class MemoryProver:
    """Proves one in-memory chain. Implements relayer.consensus.base.Prover.

    Attributes:
        rejected_heights: the blocks whose header does not verify.
        proofs: how often proofs were asked for.
        looks: how often a newer header was looked for.
        misbehaviour: what `look_for_misbehaviour` finds.
        proves_accounts: whether accounts can be proven.
        forgets: no node has the state of this block and of older ones any more.

    Args:
        chain: the chain that is proven.
        lag: how many blocks verified headers are behind the head; 0 for a chain whose blocks are final at
            once.
        anchors: whether its headers are so costly that they are anchored.
        provider_count: how many providers the chain has.
        costs: the first guess of what its deliveries cost.
    """

    def __init__(
        self,
        chain: MemoryChain,
        *,
        lag: int = 0,
        anchors: bool = False,
        provider_count: int = 1,
        costs: DeliveryCost = _COSTS,
    ) -> None:
        self.rejected_heights: set[int] = set()
        self.proofs = 0
        self.looks = 0
        self.misbehaviour: bytes | None = None
        self.proves_accounts = True
        self.forgets = -1
        self.provider_count = provider_count
        self._lag = lag
        self._costs = costs
        self._anchors = anchors
        self._sealing_since = Height(0)
        self._chain = chain
        self._newest: MemoryBlock | None = None
        self._state = _ProverState(0, 0)

    @property
    def has_delayed_finality(self) -> bool:
        """Whether the prover was made with a lag."""
        return self._lag > 0

    @property
    def client_of_proofs(self) -> LightClient:
        """None: an in-memory chain is believed without one. Raises NotFoundYet."""
        raise NotFoundYet("no light client of an in-memory chain", "a chain with headers")

    @property
    def costs(self) -> DeliveryCost:
        """The costs that the prover was made with."""
        return self._costs

    @property
    def signers(self) -> str:
        """How people call the signers."""
        return "signers"

    @property
    def signer_set_id(self) -> bytes:
        """The version of the signer set of the newest verified header."""
        return b"" if self._newest is None else self._newest.state.set_version.to_bytes(4)

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """Return the header `lag` blocks below the head. Raises HeaderRejected for `rejected_heights`."""
        if self._lag and not wanted and self._newest is not None:
            return _to_verified(self._newest)
        if self._chain.faults.down:
            raise ChainUnavailable(f"{self._chain.name} is down", "a provider")
        self.looks += 1
        number = max(0, head.number - self._lag)
        block = self._chain.ledger.at(number)
        if block is None:
            raise NotFoundYet(f"no block {number}", "a mined block")
        if number in self.rejected_heights:
            raise HeaderRejected("a test wants it so", found=number, expected="another height")
        if self._newest is None or block.number > self._newest.number:
            if self._newest is not None and self._newest.state.set_version != block.state.set_version:
                self._sealing_since = block.number
            self._newest = block
            self._state = _ProverState(block.number, block.timestamp)
        return _to_verified(block)

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """Return how many of the blocks that are needed are there."""
        return f"{head.number - number} of {self._lag} blocks"

    def anchor_for(self, height: Height) -> bytes | None:
        """Return the argument of `anchor` for a header; None where this prover does not anchor."""
        block = self._chain.ledger.at(height)
        if not self._anchors or block is None or height == 0:
            return None
        return encode_anchor(block.state.set_version, block.number, block.timestamp)

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """Return the short form of a proof; None where this prover does not anchor."""
        del height
        return shorten_proof(proof) if self._anchors else None

    async def look_for_misbehaviour(self) -> bytes | None:
        """Return what a test put into `misbehaviour`."""
        return self.misbehaviour

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Return the values of the gateway's slots at a header, with what stands for their proofs."""
        block = self._block_of(header)
        if account != self._chain.gateway:
            raise ChainUnavailable("no such gateway", "this chain's")
        self.proofs += 1
        version = block.state.set_version
        return tuple(
            ProvenSlot(
                slot,
                value := block.state.storage.get(slot, bytes(32)),
                block.number,
                block.timestamp,
                encode_proof(version, block.number, block.timestamp, slot, value),
            )
            for slot in slots
        )

    async def prove_account(self, header: VerifiedHeader, account: Address) -> ProvenAccount | None:
        """Return an account's nonce in a block, and its balance of now; None where a test wants no proofs."""
        if not self.proves_accounts:
            return None
        block = self._block_of(header)
        nonce = block.state.nonces.get(account, 0)
        return ProvenAccount(nonce, self._chain.balances.get(account, RICH_WEI), block.number)

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Return the client's state on another in-memory chain."""
        found, now = self._find(destination, client)
        version = self._newest.state.set_version if self._newest else found.set_version
        return OnChainClient(
            client,
            found.status(now),
            found.height,
            found.timestamp,
            found.trusting_period_s,
            found.set_version == version,
            self._sealing_since if found.set_version == version else Height(0),
            found.anchored if self._anchors else Height(0),
        )

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Return one update to the newest verified header; none where the client is there."""
        found, now = self._find(destination, client)
        status = found.status(now)
        if status is not Status.ACTIVE:
            error = ClientFrozen if status is Status.FROZEN else ClientExpired
            raise error(f"the light client 0x{client.hex()} is {status.name.lower()}", "Active")
        block = self._newest
        if block is None or block.number <= found.height:
            return ()
        return (encode_update(block.state.set_version, block.number, block.timestamp),)

    def export_state(self) -> bytes:
        """Return the newest verified header's height and time, encoded."""
        return msgspec.json.encode(self._state)

    def import_state(self, state: bytes) -> None:
        """Take back what `export_state` returned. Raises ValueError."""
        try:
            self._state = msgspec.json.decode(state, type=_ProverState)
        except msgspec.DecodeError as error:
            raise ValueError(f"found no exported state ({error}), expected one") from error

    # --- inside ---------------------------------------------------------------------------------------------

    def _block_of(self, header: VerifiedHeader) -> MemoryBlock:
        if self._chain.faults.down:
            raise ChainUnavailable(f"{self._chain.name} is down", "a provider")
        block = self._chain.ledger.at(header.number)
        if block is None or block.hash != header.hash:
            raise ChainUnavailable("no such block", "a verified header of this chain")
        if block.number <= self.forgets:
            raise NotFoundYet("missing trie node", "the state of a block that nodes still have")
        return block

    def _find(self, destination: Chain, client: Address) -> tuple[MemoryClient, Timestamp]:
        assert isinstance(destination, MemoryChain)
        newest = destination.ledger.blocks[-1]
        return newest.state.clients[client], newest.timestamp


def _to_verified(block: MemoryBlock) -> VerifiedHeader:
    return VerifiedHeader(block.number, block.hash, block.timestamp, block.hash, block.base_fee_wei)
