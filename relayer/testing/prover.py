"""A prover for in-memory chains: it reads the state that it claims to prove. For tests of what stands above.

It shows when proofs and updates are asked for, refused and spent. That they convince a contract, it can't show.
"""

from __future__ import annotations

import msgspec

from light_clients.client import Height, Status, Timestamp
from light_clients.errors import HeaderRejected
from relayer.chains.base import Address, Chain, Head
from relayer.consensus.base import DeliveryCost, OnChainClient, ProvenSlot, VerifiedHeader
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


class _Exported(msgspec.Struct):
    height: int
    timestamp: int


_COSTS = DeliveryCost()


class MemoryProver:
    """Proves one in-memory chain. Implements relayer.consensus.base.Prover.

    Attributes:
        rejected_heights: blocks whose header 'does not verify'.
        proofs: how often proofs were asked for.
        looks: how often a newer header was looked for.
        misbehaviour: what comparing providers finds.
        forgets: headers from this one on down, whose state no node has any more.

    Args:
        chain: the chain that is proven.
        lag: how many blocks verified headers trail the head; 0 for a chain whose blocks are final at once.
        anchors: whether its headers are so costly that they are anchored.
        witnesses: how many providers it has.
        costs: what its deliveries are reckoned with.
    """

    def __init__(
        self,
        chain: MemoryChain,
        *,
        lag: int = 0,
        anchors: bool = False,
        witnesses: int = 1,
        costs: DeliveryCost = _COSTS,
    ) -> None:
        self.rejected_heights: set[int] = set()
        self.proofs = 0
        self.looks = 0
        self.misbehaviour: bytes | None = None
        self.forgets = -1
        self.witnesses = witnesses
        self._lag = lag
        self._costs = costs
        self._anchors = anchors
        self._sealing_since = Height(0)
        self._chain = chain
        self._newest: MemoryBlock | None = None
        self._state = _Exported(0, 0)

    @property
    def has_delayed_finality(self) -> bool:
        """Whether a lag was asked for."""
        return self._lag > 0

    @property
    def costs(self) -> DeliveryCost:
        """What was asked for."""
        return self._costs

    @property
    def signers(self) -> str:
        """Nobody signs in memory; the word stands for them."""
        return "signers"

    @property
    def signer_set_id(self) -> bytes:
        """The version of the set that 'signed' the newest header."""
        return b"" if self._newest is None else self._newest.state.set_version.to_bytes(4)

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """The block of the head's number less the lag, unless a test has it rejected."""
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
            self._state = _Exported(block.number, block.timestamp)
        return _to_verified(block)

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """Blocks that are there of those that are needed."""
        return f"{head.number - number} of {self._lag} blocks"

    def anchor_for(self, height: Height) -> bytes | None:
        """The argument of `anchor` where this prover's headers are costly."""
        block = self._chain.ledger.at(height)
        if not self._anchors or block is None or height == 0:
            return None
        return encode_anchor(block.state.set_version, block.number, block.timestamp)

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """The short form of a proof."""
        del height
        return shorten_proof(proof) if self._anchors else None

    async def look_for_misbehaviour(self) -> bytes | None:
        """What a test wants to be found."""
        return self.misbehaviour

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """The words of the gateway at a header."""
        if self._chain.faults.down:
            raise ChainUnavailable(f"{self._chain.name} is down", "a provider")
        block = self._chain.ledger.at(header.number)
        if block is None or block.hash != header.hash or account != self._chain.gateway:
            raise ChainUnavailable("no such block or gateway", "a verified header of this chain")
        if block.number <= self.forgets:
            raise NotFoundYet("missing trie node", "the state of a block that nodes still have")
        self.proofs += 1
        version = block.state.set_version
        return tuple(
            ProvenSlot(
                slot,
                value := block.state.words.get(slot, bytes(32)),
                block.number,
                block.timestamp,
                encode_proof(version, block.number, block.timestamp, slot, value),
            )
            for slot in slots
        )

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """The client's state on another in-memory chain."""
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
        """One update to the newest verified header."""
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
        """The newest verified height."""
        return msgspec.json.encode(self._state)

    def import_state(self, state: bytes) -> None:
        """Take it back. Raises ValueError."""
        try:
            self._state = msgspec.json.decode(state, type=_Exported)
        except msgspec.DecodeError as error:
            raise ValueError(f"found no exported state ({error}), expected one") from error

    # --- inside ---

    def _find(self, destination: Chain, client: Address) -> tuple[MemoryClient, Timestamp]:
        assert isinstance(destination, MemoryChain)
        newest = destination.ledger.blocks[-1]
        return newest.state.clients[client], newest.timestamp


def _to_verified(block: MemoryBlock) -> VerifiedHeader:
    return VerifiedHeader(block.number, block.hash, block.timestamp, block.hash)
