# SPDX-License-Identifier: MIT
"""Why to believe a solo chain: the seal of its key.

Whatever is returned has passed the Python light client.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from light_clients.client import Height, Status, Timestamp
from light_clients.errors import HeaderRejected, Rejection
from light_clients.trust import encode_claim
from postroad_solo import KIND
from postroad_solo.config import SoloConfig
from postroad_solo.contract import read_client
from postroad_solo.rules import SoloClient, SoloHeader, SoloState
from relayer.chains.base import AccountProof, Address, Chain, Head
from relayer.chains.evm.chain import EvmChain
from relayer.chains.provider_pool import OnRpcError
from relayer.consensus.accounts import prove_account
from relayer.consensus.base import (
    DeliveryCost,
    OnChainClient,
    ProvenAccount,
    ProvenSlot,
    VerifiedHeader,
)
from relayer.consensus.kind import ConfiguredChain, OpenProver
from relayer.errors import ClientExpired, ClientFrozen, ConfigError, MisbehaviourFound

_KEPT_HEADERS: Final = 128


class _Exported(msgspec.Struct):
    height: int
    timestamp: int
    frozen: bool


class SoloProver:
    """Proves one solo chain. Implements relayer.consensus.base.Prover.

    Args:
        source: the chain that is proven.
        client: our own light client, which begins with the configured bootstrap.
        clock: our own time, in seconds since 1970.
    """

    has_delayed_finality = False
    costs = DeliveryCost(first_base_gas=80_000)
    signers = KIND.signers

    def __init__(self, source: EvmChain, client: SoloClient, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self.client = client
        self._clock = clock
        self._headers: dict[Height, SoloHeader] = {}

    @property
    def client_of_proofs(self) -> SoloClient:
        """The same client: it reads the proofs that are made."""
        return self.client

    @property
    def provider_count(self) -> int:
        """How many providers the chain has."""
        return self._source.provider_count

    @property
    def signer_set_id(self) -> bytes:
        """The key's address: it never changes."""
        return self.client.signer

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """Verify the block of a head's number: it is final at once. See Prover."""
        del wanted
        self._check_own()
        header = await self._source.checked_block(head.number, self._read)
        known = self._headers.get(header.number)
        if known is not None and known.hash != header.hash:
            evidence = known.encode() + header.encode()
            raise MisbehaviourFound(f"two blocks {header.number} that the key signed", evidence)
        self._headers[header.number] = header
        while len(self._headers) > _KEPT_HEADERS:
            del self._headers[next(iter(self._headers))]
        if header.number > self.client.state.height and header.timestamp >= self.client.state.timestamp:
            self.client = self.client.update(header.encode(), self._now())
        # The key does not sign the base fee, so a header that holds does not prove it.
        return VerifiedHeader(header.number, header.hash, header.timestamp, header.state_root)

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """Nothing waits: a signed block is final."""
        del head, number
        return ""

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Prove slots at a verified header; each proof has passed our own light client. See Prover."""
        signed = self._headers.get(header.number)
        if signed is None or signed.hash != header.hash:
            signed = await self._source.checked_block(header.number, self._read)
        found = signed

        def check(proof: AccountProof) -> tuple[ProvenSlot, ...]:
            return tuple(self._prove_slot(found, account, slot, proof) for slot in slots)

        return await self._source.checked_proof(account, slots, header.number, check)

    async def prove_account(self, header: VerifiedHeader, account: Address) -> ProvenAccount:
        """An account's nonce and balance at a verified header. See Prover."""
        return await prove_account(self._source, header, account)

    def anchor_for(self, height: Height) -> bytes | None:
        """None: a seal costs less than an anchor's transaction."""
        del height
        return None

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """None: nothing is anchored."""
        del height, proof
        return None

    async def look_for_misbehaviour(self) -> bytes | None:
        """Compare what all providers say of the newest verified block. See Prover."""
        if not self._headers:
            return None
        newest = next(reversed(self._headers.values()))
        for _, block in await self._source.blocks_of_everyone(newest.number):
            try:
                evidence = newest.encode() + SoloHeader.from_rpc(block).encode()
                self.client.freeze(evidence)
            except Rejection:
                continue
            return evidence
        return None

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Read this chain's client on a destination. The key never changes, so it always knows who signs."""
        status, state, period_s = await read_client(destination, client)
        return OnChainClient(client, status, state.height, state.timestamp, period_s, current=True)

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """One update that renews the trusting period; nothing where the client is as new as we are."""
        _, state, _ = await read_client(destination, client)
        if not self._headers or next(reversed(self._headers)) <= state.height:
            return ()
        return (next(reversed(self._headers.values())).encode(),)

    def export_state(self) -> bytes:
        """The trusted state, for the journal."""
        state = self.client.state
        return msgspec.json.encode(_Exported(state.height, state.timestamp, state.frozen))

    def import_state(self, state: bytes) -> None:
        """Take a state that `export_state` gave, unless the bootstrap is newer. Raises ValueError."""
        try:
            found = msgspec.json.decode(state, type=_Exported)
        except msgspec.DecodeError as error:
            message = f"found a prover's state that can't be read ({error}), expected one"
            raise ValueError(message) from error
        if found.height >= self.client.state.height:
            known = SoloState(Height(found.height), Timestamp(found.timestamp), found.frozen)
            rest = (self.client.signer, self.client.trusting_period_s, self.client.max_clock_drift_s)
            self.client = SoloClient(*rest, known)

    def _read(self, block: Mapping[str, Any]) -> SoloHeader:
        header = SoloHeader.from_rpc(block)
        self.client.check_header(header, self._now())
        return header

    def _prove_slot(
        self, header: SoloHeader, account: Address, slot: bytes, proof: AccountProof
    ) -> ProvenSlot:
        claim = encode_claim(proof.storage_nodes[slot], proof.account_nodes, account, slot, anchored=False)
        encoded = claim + header.encode(in_proof=True)
        found = self.client.storage_at(encoded, account, slot, self._now())
        if found.height != header.number:
            raise HeaderRejected("a proof of another height", found=found.height, expected=header.number)
        return ProvenSlot(slot, found.value, found.height, found.timestamp, encoded)

    def _check_own(self) -> None:
        status = self.client.status(self._now())
        if status is Status.EXPIRED:
            raise ClientExpired("our own trusted state has expired", "a newer one", "Configure a bootstrap")
        if status is Status.FROZEN:
            raise ClientFrozen("our own light client is frozen", "Active", "Ask the chain's owner")

    def _now(self) -> Timestamp:
        return Timestamp(int(self._clock()))


def open_prover(
    chain: ConfiguredChain[SoloConfig], source: EvmChain, on_error: OnRpcError | None = None
) -> OpenProver:
    """Build the prover of a configured chain. Raises ConfigError without a bootstrap."""
    del on_error
    bootstrap = chain.consensus.bootstrap
    if bootstrap is None:
        raise ConfigError(
            f"chains.{chain.name}.consensus without a bootstrap", "one", "Run `endpoint deploy`"
        )
    state = SoloState(Height(bootstrap.height), Timestamp(bootstrap.timestamp))
    period_s, drift_s = chain.chain.trusting_period_s, chain.chain.max_clock_drift_s
    return OpenProver(SoloProver(source, SoloClient(bytes(bootstrap.signer), period_s, drift_s, state)))
