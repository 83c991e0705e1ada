# SPDX-License-Identifier: MIT
"""Why to believe a proof-of-stake chain: signatures of its sync committees, from a checkpoint on.

Only finalized headers count. Whatever is returned has passed the Python light client, on the very bytes that
are sent (INV-5, INV-7). How it works:

- follower.py says what to ask for, schedule.py when, and store.py what is believed. They are pure.
- This module is the shell around it: it asks beacon nodes, checks their answers in threads while it is still
  known whose they are, and hands them to the follower. It alone reads a clock. One lock orders the
  rounds of following.
- proofs.py makes proofs at the headers that the cache keeps.
- deployed_client.py and update_path.py know light clients on destinations, and lead them to a newer header.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from light_clients.client import Height, Timestamp
from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.codec import FinalizingUpdate
from light_clients.ethereum.config import Slot
from relayer.chains.base import AccountProof, Address, Chain, Head
from relayer.chains.evm.chain import EvmChain
from relayer.chains.provider_pool import OnRpcError
from relayer.consensus.accounts import prove_account
from relayer.consensus.activity import require_active
from relayer.consensus.base import (
    DeliveryCost,
    OnChainClient,
    ProvenAccount,
    ProvenSlot,
    VerifiedHeader,
)
from relayer.consensus.ethereum import KIND
from relayer.consensus.ethereum.beacon_api import BeaconApi
from relayer.consensus.ethereum.config import EthereumConfig
from relayer.consensus.ethereum.deployed_client import (
    DeployedClient,
    knows_signers,
    read_client,
)
from relayer.consensus.ethereum.discovery import check_network
from relayer.consensus.ethereum.evidence import find_contradiction
from relayer.consensus.ethereum.follower import (
    BootstrapRequest,
    EthereumBootstrap,
    EthereumFollower,
    Request,
)
from relayer.consensus.ethereum.proofs import prove_slots, read_proof, shorten_proof
from relayer.consensus.ethereum.schedule import UpdatesRequest
from relayer.consensus.ethereum.sources import BeaconSource
from relayer.consensus.ethereum.store import Followed
from relayer.consensus.ethereum.update_path import EthereumUpdatePath, PeriodSource
from relayer.consensus.kind import ConfiguredChain, OpenProver
from relayer.consensus.sources import ProofSource
from relayer.errors import ConfigError, MisbehaviourFound, NotFoundYet

#: An update of the light client takes 204,200 gas, and 250,700 where 5 of 512 members are absent (ADR 0011).
#: A delivery proves storage besides.
_COSTS: Final = DeliveryCost(
    first_base_gas=450_000,
    gas_suspects=frozenset({"PrecompileFailed", "HashFailed", "SignatureInvalid"}),
)


class EthereumProver:
    """Proves one proof-of-stake chain. Implements relayer.consensus.base.Prover.

    Args:
        source: the execution chain that is proven.
        beacon: nodes of its consensus.
        bootstrap: where trust begins.
        clock: our own time, in seconds since 1970.

    Raises:
        ValueError: no light client can have these rules.
    """

    def __init__(
        self,
        source: ProofSource,
        beacon: BeaconSource,
        bootstrap: EthereumBootstrap,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._beacon = beacon
        self._network = bootstrap.network
        self._clock = clock
        self._follower = EthereumFollower(bootstrap)
        self._periods = PeriodSource(beacon, bootstrap.network, self._follower.cache)
        self._lock = asyncio.Lock()

    @property
    def client(self) -> EthereumClient:
        """Our own trusted state, as clients have it on chain. Raises NotFoundYet before the bootstrap."""
        return self._follower.client

    @property
    def client_of_proofs(self) -> EthereumClient:
        """The same client: it reads the proofs that are made. Raises NotFoundYet before the bootstrap."""
        return self.client

    @property
    def has_delayed_finality(self) -> bool:
        """Always: blocks are final after two epochs and more."""
        return True

    @property
    def provider_count(self) -> int:
        """How many beacon nodes there are."""
        return self._beacon.provider_count

    @property
    def signers(self) -> str:
        """How people call those who sign."""
        return KIND.signers

    @property
    def costs(self) -> DeliveryCost:
        """A signature costs much, and a precompile that runs out of gas looks like one that does not hold."""
        return _COSTS

    @property
    def signer_set_id(self) -> bytes:
        """Root of the sync committee that signed the newest verified header."""
        newest = self._follower.newest
        return b"" if newest is None else newest.committee.hash_tree_root()

    # --- following ------------------------------------------------------------------------------------------

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """The newest finalized execution block; see Prover. The head only says that there is something new.

        Raises:
            Rejection: the checkpoint's bootstrap is not to be believed.
            ClientExpired: our own trusted state is too old; the configuration needs a newer checkpoint.
            ChainUnavailable: no node gave what holds, or all show another header of the trusted slot.
            NotFoundYet: nobody has a finalized header of enough signers, or committees can't be followed.
            MisbehaviourFound: another header of a finalized slot was signed before.
        """
        async with self._lock:
            await self._follow(head.number, wanted=wanted)
            return self._follower.verified

    async def _follow(self, head: Height | None, *, wanted: bool) -> None:
        follower = self._follower
        follower.begin(head, wanted=wanted)
        while (request := follower.next_request(self._clock())) is not None:
            try:
                followed = await self._ask(request)
            except NotFoundYet as error:
                follower.miss(request, error)
            else:
                follower.take(request, followed)

    async def _ask(self, request: Request) -> Followed:
        follower, beacon = self._follower, self._beacon
        if isinstance(request, BootstrapRequest):
            return await beacon.checked_bootstrap(request.root, follower.check_bootstrap)
        if isinstance(request, UpdatesRequest):
            return await beacon.checked_updates(
                request.start,
                request.count,
                lambda updates: follower.check_updates(updates, self._clock()),
            )
        return await beacon.checked_finality_update(
            lambda update: follower.check_finality(update, self._clock())
        )

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """How far a block is from being final, and what is in the way; see Prover."""
        return self._follower.describe_finality_wait(head, number, self._clock())

    async def look_for_misbehaviour(self) -> bytes | None:
        """Compare what all nodes say of finality and of the next committee; see Prover. Answers that differ
        without two signatures are only wrong answers.
        """
        follower, store = self._follower, self._follower.store
        if store is None:
            return None
        client, period = follower.client, self._network.period_at(store.finalized_header.beacon.slot)
        finality, updates = await asyncio.gather(
            self._beacon.finality_updates_of_everyone(), self._beacon.updates_of_everyone(period)
        )
        told: list[FinalizingUpdate] = [update for _, update in finality]
        told += [update for _, update in updates]
        told += follower.cache.signed_updates(period)
        return await asyncio.to_thread(find_contradiction, client, store, told, follower.rules)

    # --- proving --------------------------------------------------------------------------------------------

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Prove slots at a verified header; see Prover.

        Raises:
            ChainUnavailable: no provider gave a proof that leads to the header's state.
            NotFoundYet: none has that state any more, or the header is none that was verified here.
            Rejection: our own light client does not accept the bytes.
        """
        signed = self._follower.cache.header(header.number)
        if signed is None or signed.execution.block_hash != header.hash:
            raise NotFoundYet(
                f"block {header.number} is not among the newest verified ones", "a header that was"
            )
        client = self.client

        def read(proof: AccountProof) -> tuple[AccountProof, dict[bytes, bytes]]:
            return proof, read_proof(proof, header.state_root, account, slots)

        proof, values = await self._source.checked_proof(account, slots, header.number, read)
        return await asyncio.to_thread(prove_slots, signed, client, account, proof, values, self._now())

    async def prove_account(self, header: VerifiedHeader, account: Address) -> ProvenAccount:
        """An account's nonce and balance at a verified header; see Prover."""
        return await prove_account(self._source, header, account)

    def anchor_for(self, height: Height) -> bytes | None:
        """The argument of `anchor` for a header that is at hand; see Prover."""
        signed = self._follower.cache.header(height)
        return None if signed is None else signed.anchor

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """The proof without the header and its signature; see Prover."""
        signed = self._follower.cache.header(height)
        return None if signed is None else shorten_proof(signed, proof)

    # --- clients on destinations ----------------------------------------------------------------------------

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Read this chain's client on a destination; see Prover.

        Raises:
            RpcAnswerInvalid: it is the client of another network, or lacks a fork that is in force.
        """
        found = await self._read_client(destination, client)
        return found.describe(client, self._follower.newest, self._follower.cache)

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Arguments of `update` that let a client know who signed the newest verified header; see Prover.

        They are one a period. Where the client knows already, it is one that renews its trust.

        Raises:
            ClientExpired, ClientFrozen: no update can help, or our own trusted state is too old.
            NotFoundYet: no header was verified yet, or nodes have no update that leads on.
            ChainUnavailable: no node's updates hold.
        """
        found = await self._read_client(destination, client)
        expires_at = found.client.timestamp + found.client.params.trusting_period_s
        require_active(found.status, client, expires_at)
        # The contract judges by its own chain's clock, which can't run behind its newest block.
        now = (await destination.head()).timestamp
        target = self._follower.newest
        if target is None:
            raise NotFoundYet("no verified header to bring the client to", "a verified head first")
        walk = EthereumUpdatePath(self._periods, found.client, now)
        if not knows_signers(found.client, target):
            await walk.advance(target)
            return tuple(walk.updates)
        async with self._lock:
            # A contradiction is for `verify_head` to tell. Clients are brought to what is trusted, so that
            # they can judge it.
            with contextlib.suppress(MisbehaviourFound):
                await self._follow(None, wanted=True)
        await walk.renew(self._follower.newest or target)
        return tuple(walk.updates)

    async def _read_client(self, destination: Chain, client: Address) -> DeployedClient:
        return await read_client(
            destination, client, self._follower.params, self._network.slot_at(self._now())
        )

    # --- state ----------------------------------------------------------------------------------------------

    def export_state(self) -> bytes:
        """The trusted state, for the journal; see Prover. Empty before the bootstrap."""
        return self._follower.export_state()

    def import_state(self, state: bytes) -> None:
        """Trust a state that `export_state` gave, unless a newer checkpoint is configured; see Prover.

        Raises:
            ValueError: it is not one.
        """
        self._follower.import_state(state)

    def _now(self) -> Timestamp:
        return Timestamp(int(self._clock()))


def open_prover(
    chain: ConfiguredChain[EthereumConfig], source: EvmChain, on_error: OnRpcError | None = None
) -> OpenProver:
    """Build the prover of a configured chain. Raises ConfigError without network and checkpoint."""
    config = chain.consensus
    api = BeaconApi(chain.name, config.beacon_urls, config.rules(), on_error)

    async def check() -> None:
        await check_network(chain.name, api)

    return OpenProver(build_prover(chain, source, api), check, api.close)


def build_prover(
    chain: ConfiguredChain[EthereumConfig], source: ProofSource, beacon: BeaconSource
) -> EthereumProver:
    """Build the prover over a Beacon API that is open. Raises ConfigError without network and checkpoint."""
    config = chain.consensus
    if config.bootstrap is None:
        raise ConfigError(
            f"chains.{chain.name}.consensus without a bootstrap",
            "the checkpoint that trust begins with",
            "Run `postroad endpoint deploy`, or copy it from the endpoint's owner",
        )
    rules = config.rules()
    bootstrap = EthereumBootstrap(
        network=rules,
        checkpoint_root=bytes(config.bootstrap.root),
        threshold=config.threshold_of(rules),
        trusting_period_s=chain.chain.trusting_period_s,
        max_clock_drift_s=chain.chain.max_clock_drift_s,
        slot=Slot(config.bootstrap.slot),
    )
    return EthereumProver(source, beacon, bootstrap)
