"""A prover for in-memory chains: it reads the state that it claims to prove. For tests of what stands above.

It shows when proofs and updates are asked for, refused and spent. That they convince a contract, it can't show.
"""

from __future__ import annotations

import msgspec

from light_clients.client import Status, Timestamp
from light_clients.errors import HeaderRejected
from relayer.chains.base import Address, Chain, Head
from relayer.chains.memory import MemoryChain
from relayer.chains.memory_gateway import MemoryBlock, MemoryClient, encode_proof, encode_update
from relayer.errors import ChainUnavailable, ClientExpired, ClientFrozen, NotFoundYet
from relayer.provers.base import OnChainClient, ProvenSlot, VerifiedHeader


class _Exported(msgspec.Struct):
    height: int
    timestamp: int


class MemoryProver:
    """Proves one in-memory chain. Implements relayer.provers.base.Prover.

    Attributes:
        rejected_heights: blocks whose header 'does not verify'.
        proofs: how often proofs were asked for.
    """

    def __init__(self, chain: MemoryChain) -> None:
        self.rejected_heights: set[int] = set()
        self.proofs = 0
        self._chain = chain
        self._newest: MemoryBlock | None = None
        self._state = _Exported(0, 0)

    async def verify_head(self, head: Head) -> VerifiedHeader:
        """The block of the head's number, unless a test has it rejected."""
        if self._chain.faults.down:
            raise ChainUnavailable(f"{self._chain.name} is down", "a provider")
        block = self._chain.ledger.at(head.number)
        if block is None:
            raise NotFoundYet(f"no block {head.number}", "a mined block")
        if head.number in self.rejected_heights:
            raise HeaderRejected("a test wants it so", found=head.number, expected="another height")
        if self._newest is None or block.number > self._newest.number:
            self._newest = block
            self._state = _Exported(block.number, block.timestamp)
        return VerifiedHeader(block.number, block.hash, block.timestamp, block.hash)

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """The words of the gateway at a header."""
        if self._chain.faults.down:
            raise ChainUnavailable(f"{self._chain.name} is down", "a provider")
        block = self._chain.ledger.at(header.number)
        if block is None or block.hash != header.hash or account != self._chain.gateway:
            raise ChainUnavailable("no such block or gateway", "a verified header of this chain")
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

    def _find(self, destination: Chain, client: Address) -> tuple[MemoryClient, Timestamp]:
        assert isinstance(destination, MemoryChain)
        newest = destination.ledger.blocks[-1]
        return newest.state.clients[client], newest.timestamp
