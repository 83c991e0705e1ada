# SPDX-License-Identifier: MIT
"""Why to believe Ethereum, or another proof-of-stake chain: the signatures of its sync committees, from a checkpoint on.

Only finalized headers count. Whatever is returned has passed the Python light client, on the very bytes that are sent
(INV-5, INV-7). Finality is asked for when a newer header is wanted or our own trust becomes old, and not more than once a
slot; committees are followed each period, wanted or not. Signatures are checked in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from light_clients.client import Height, Status, Timestamp
from light_clients.errors import HeaderRejected, ProofRejected
from light_clients.ethereum.client import EthereumClient, EthereumState
from light_clients.ethereum.codec import FinalizingUpdate
from light_clients.ethereum.config import NetworkConfig, Period, Slot
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.sync_protocol import LightClientStore, initialize_light_client_store
from light_clients.proofs import mpt
from light_clients.trust import BY_ANCHOR, BY_HEADER, encode_claim
from relayer.chains.base import AccountProof, Address, Chain, Head
from relayer.chains.evm.chain import EvmChain
from relayer.chains.provider_pool import OnRpcError
from relayer.consensus.base import DeliveryCost, OnChainClient, ProvenSlot, VerifiedHeader
from relayer.consensus.ethereum import KIND
from relayer.consensus.ethereum.beacon_api import BeaconApi
from relayer.consensus.ethereum.config import EthereumConfig
from relayer.consensus.ethereum.discovery import check_network
from relayer.consensus.ethereum.evidence import encode_freeze, find_contradiction
from relayer.consensus.ethereum.headers import SignedHeader, SignedHeaders
from relayer.consensus.ethereum.sources import BeaconSource, EthereumSource
from relayer.consensus.ethereum.store import (
    Followed,
    Rules,
    decode_store,
    encode_store,
    follow_finality,
    follow_updates,
)
from relayer.consensus.ethereum.update_path import EthereumWalk, check_usable, read_client
from relayer.consensus.kind import ConfiguredChain, OpenProver
from relayer.errors import ClientExpired, ClientFrozen, ConfigError, MisbehaviourFound, NotFoundYet

T = TypeVar("T")

_COSTS: Final = DeliveryCost(
    first_base_gas=450_000,
    gas_suspects=frozenset({"PrecompileFailed", "HashFailed", "SignatureInvalid"}),
)
# Verified headers that are kept at hand for proofs and anchors.
_KEPT_HEADERS: Final = 64
# Best updates and committees, by period and by root: what clients on destinations that lag a little need.
_KEPT_UPDATES: Final = 8
_KEPT_COMMITTEES: Final = 8
_MOST_UPDATES: Final = 128
# A block of epoch e is final when epoch e + 3 begins, at the earliest, and a signature over that comes a slot or two later.
_EPOCHS_TO_FINALITY: Final = 3
_SLOTS_TO_SIGNATURE: Final = 2


@dataclass(frozen=True, slots=True)
class EthereumBootstrap:
    """What is believed from the start, and by which rules.

    Attributes:
        network: what the chain is.
        checkpoint_root: root of a finalized block, the first of its epoch, that the operator confirmed; 32 bytes.
        threshold: members of the sync committee that have to sign, at least two thirds.
        trusting_period_s: how long a finalized header is believed after its time.
        max_clock_drift_s: how far a signature's slot may lie ahead of our time.
        slot: of the checkpoint, where it is known: a state from the journal that is older is left for it.
    """

    network: NetworkConfig
    checkpoint_root: bytes
    threshold: int
    trusting_period_s: int
    max_clock_drift_s: int
    slot: Slot | None = None


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
        source: EthereumSource,
        beacon: BeaconSource,
        bootstrap: EthereumBootstrap,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._beacon = beacon
        self._bootstrap = bootstrap
        self._network = bootstrap.network
        self._clock = clock
        self._params = EthereumParams.of(
            bootstrap.network,
            bootstrap.threshold,
            bootstrap.trusting_period_s,
            bootstrap.max_clock_drift_s,
        )
        self._rules = Rules(bootstrap.network, bootstrap.threshold)
        self._checkpoint = bootstrap.checkpoint_root
        self._store: LightClientStore | None = None
        self._headers = SignedHeaders(_KEPT_HEADERS)
        self._newest: SignedHeader | None = None
        # A signed header that contradicts a trusted one whose signature is not at hand: half of a proof of misbehaviour.
        self._refused: SignedHeader | None = None
        self._updates: OrderedDict[Period, LightClientUpdate] = OrderedDict()
        self._committees: OrderedDict[bytes, SyncCommittee] = OrderedDict()
        self._exported: tuple[LightClientStore, bytes] | None = None
        # What is in the way of newer finality, and of newer committees; for people.
        self._obstacle = ""
        self._no_way = "nothing was asked yet"
        self._polled_at = float("-inf")
        self._polled_head = Height(0)
        self._rotated_at = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def client(self) -> EthereumClient:
        """Our own trusted state, as the client on a destination has it. Raises NotFoundYet before the bootstrap."""
        if self._store is None:
            raise NotFoundYet("no trusted state", "a verified head first")
        return self._client_of(self._store)

    @property
    def has_delayed_finality(self) -> bool:
        """Always: blocks are final after two epochs and more."""
        return True

    @property
    def witnesses(self) -> int:
        """How many beacon nodes there are."""
        return self._beacon.witnesses

    @property
    def signers(self) -> str:
        """How people call them."""
        return KIND.signers

    @property
    def costs(self) -> DeliveryCost:
        """A signature costs much, and a precompile that runs out of gas looks like one that does not hold."""
        return _COSTS

    @property
    def signer_set_id(self) -> bytes:
        """Root of the sync committee that signed the newest verified header."""
        return b"" if self._newest is None else self._newest.committee.hash_tree_root()

    # --- verifying -----------------------------------------------------------------------------------------------------

    async def verify_head(self, head: Head, *, wanted: bool = True) -> VerifiedHeader:
        """The newest finalized execution block; see Prover. The head only says that there is something new.

        Raises:
            Rejection: the checkpoint's bootstrap is not to be believed.
            ClientExpired: our own trusted state is too old; the configuration needs a newer checkpoint.
            ChainUnavailable: no node gave what holds, or all show another header of the trusted slot.
            NotFoundYet: nobody has a finalized header that enough members signed, or sync committees can't be followed.
            MisbehaviourFound: another header of a finalized slot was signed before.
        """
        async with self._lock:
            if self._store is None:
                await self._begin()
            self._check_own()
            await self._rotate()
            if wanted or self._newest is None or self._is_trust_old:
                await self._poll(head.number)
            if self._newest is None:
                raise NotFoundYet("no finalized header was shown yet", "one that enough members signed")
            return self._newest.to_verified(self._network)

    async def _begin(self) -> None:
        """Verify what nodes say of the checkpoint. Raises Rejection, NotFoundYet, ChainUnavailable."""
        root, network = self._checkpoint, self._network

        def check(bootstrap: LightClientBootstrap) -> LightClientStore:
            store = initialize_light_client_store(root, bootstrap, network)
            found, told = store.finalized_header.beacon.slot, self._bootstrap.slot
            if told is not None and found != told:
                # The root is what the operator confirmed, and it is of one slot alone.
                raise HeaderRejected("the checkpoint is of another slot", found=found, expected=told)
            return store

        self._set_store(await self._beacon.checked_bootstrap(root, check))

    async def _rotate(self) -> None:
        """Know the committee that signs now, and the one after it as soon as there is a way to; else try again later.

        By our clock a chain that stands still seems to be behind. Whether it is shows with the next finality.
        """
        period, known = self._network.period_at(self._current_slot()), self._known_until()
        pause_s = self._slot_s if known < period else self._epoch_s
        if known > period or self._clock() - self._rotated_at < pause_s:
            return
        self._rotated_at = self._clock()
        while known <= period:
            count = min(period - known + 1, _MOST_UPDATES)
            try:
                followed = await self._beacon.checked_updates(known, count, self._follow_updates)
            except NotFoundYet as error:
                # A period's first finalized block comes some epochs into it.
                self._no_way = str(error)
                return
            self._take(followed)
            for each in followed.headers:
                assert isinstance(each.update, LightClientUpdate)
                self._keep_update(each.update)
            known = self._known_until()

    def _known_until(self) -> Period:
        return self._rules.known_until(self._require_store())

    def _follow_updates(self, updates: tuple[LightClientUpdate, ...]) -> Followed:
        followed = follow_updates(self._require_store(), updates, self._slot_ahead(), self._rules)
        return self._encode_newest(self._without_second(followed))

    async def _poll(self, head: Height) -> None:
        """Ask for the newest finality, unless that was done in this slot and at this head; follow committees to it.

        Raises:
            NotFoundYet: nobody has one that brings anything, and there is none from before; or who signed is not known.
        """
        if self._clock() - self._polled_at < self._slot_s and head <= self._polled_head:
            return
        self._polled_at, self._polled_head = self._clock(), head
        if not await self._ask_finality(is_last_try=False):
            # The chain is ahead of what our clock led us to.
            self._rotated_at = float("-inf")
            await self._rotate()
            await self._ask_finality(is_last_try=True)

    async def _ask_finality(self, *, is_last_try: bool) -> bool:
        """Take the newest finality. False when it is signed by a committee that is not known."""
        lost = False

        def check(update: LightClientFinalityUpdate) -> Followed | None:
            nonlocal lost
            period, known = self._network.period_at(update.signature_slot), self._known_until()
            if period > known:
                lost = True
                raise NotFoundYet(
                    f"the sync committee of period {period} is not known: {self._no_way}",
                    f"an update for each period from {known} on",
                    "Where a whole period was not finalized, only a newer checkpoint helps",
                )
            newest = self._newest
            if newest is not None and newest.header == update.finalized_header:
                if self._current_slot() - newest.slot > self._usual_lag:
                    # Either the chain does not finalize, or this node stands still: others are asked.
                    raise NotFoundYet(f"no finality after slot {newest.slot}", "a newer one by now")
                return None
            followed = follow_finality(self._require_store(), update, self._slot_ahead(), self._rules)
            return self._encode_newest(self._without_second(followed))

        try:
            followed = await self._beacon.checked_finality_update(check)
        except NotFoundYet as error:
            if lost and not is_last_try:
                return False
            if self._newest is None or lost:
                raise
            self._obstacle = f"; {error}"
            return True
        self._obstacle = ""
        if followed is not None:
            self._take(followed)
        return True

    def _without_second(self, followed: Followed) -> Followed:
        """The same, unless it shows another header of the trusted slot. Other nodes are asked then, for the first one with
        its signature makes the two a proof; where that is at hand, `_take` tells.

        Raises HeaderRejected.
        """
        trusted = self._require_store().finalized_header.beacon
        for signed in followed.headers:
            found, before = signed.header.beacon, self._signed_at(signed.slot)
            if found.slot != trusted.slot or found == trusted:
                continue
            if before is None or before.header.beacon == found:
                self._refused = signed
                raise HeaderRejected(
                    f"another finalized header of slot {trusted.slot} than the trusted one",
                    found=found.hash_tree_root(),
                    expected=trusted.hash_tree_root(),
                )
        return followed

    def _signed_at(self, slot: Slot) -> SignedHeader | None:
        """A header of a slot that was seen with its signature, believed or not."""
        refused = self._refused if self._refused is not None and self._refused.slot == slot else None
        return self._headers.at_slot(slot) or refused

    def _encode_newest(self, followed: Followed) -> Followed:
        """With the newest header's bytes at hand; in the thread, for they take some milliseconds."""
        *older, newest = followed.headers
        if newest.header.execution is None:
            # Before Capella there is nothing to prove; committees are followed all the same.
            return followed
        return Followed(followed.store, (*older, newest.encoded(self._params)))

    def _take(self, followed: Followed) -> None:
        """Believe what was followed.

        Raises:
            MisbehaviourFound: a header contradicts one that was signed before. What is trusted stays as it was.
        """
        for signed in followed.headers:
            before = self._signed_at(signed.slot)
            if before is not None and before.header.beacon != signed.header.beacon:
                raise MisbehaviourFound(
                    f"two finalized headers of slot {signed.slot}: 0x{before.header.beacon.hash_tree_root().hex()} "
                    f"and 0x{signed.header.beacon.hash_tree_root().hex()}",
                    encode_freeze(before, signed, self._params),
                )
        self._set_store(followed.store)
        newest = followed.headers[-1]
        # The best update of a period may show an older header than the one that is trusted already.
        if newest.anchor and newest.slot >= followed.store.finalized_header.beacon.slot:
            self._headers.put(newest)
            if self._newest is None or newest.number > self._newest.number:
                self._newest = newest

    # --- proving -------------------------------------------------------------------------------------------------------

    async def prove(
        self, header: VerifiedHeader, account: Address, slots: tuple[bytes, ...]
    ) -> tuple[ProvenSlot, ...]:
        """Prove slots at a verified header; see Prover.

        Raises:
            ChainUnavailable: no provider gave a proof that leads to the header's state.
            NotFoundYet: none has that state any more, or the header is none that was verified here.
            Rejection: our own light client does not accept the bytes.
        """
        signed = self._headers.at(header.number)
        if signed is None or signed.execution.block_hash != header.hash:
            raise NotFoundYet(
                f"block {header.number} is not among the newest verified ones", "a header that was"
            )
        found, client = signed, self.client

        def check(proof: AccountProof) -> dict[bytes, bytes]:
            return _read_proof(proof, header.state_root, account, slots)

        def read(proof: AccountProof) -> tuple[AccountProof, dict[bytes, bytes]]:
            return proof, check(proof)

        proof, values = await self._source.checked_proof(account, slots, header.number, read)
        return await asyncio.to_thread(self._prove_slots, found, client, account, proof, values)

    def _prove_slots(
        self,
        signed: SignedHeader,
        client: EthereumClient,
        account: Address,
        proof: AccountProof,
        values: dict[bytes, bytes],
    ) -> tuple[ProvenSlot, ...]:
        now, proven = self._now(), []
        for slot, value in values.items():
            claim = encode_claim(
                proof.storage_nodes[slot], proof.account_nodes, account, slot, anchored=False
            )
            encoded = claim + signed.wire
            found = client.storage_at(encoded, account, slot, now)
            if found.value != value or found.height != signed.number:
                raise ProofRejected(
                    "two verifiers read a proof differently",
                    found=found.value + found.height.to_bytes(8),
                    expected=value + signed.number.to_bytes(8),
                )
            proven.append(ProvenSlot(slot, value, found.height, found.timestamp, encoded))
        return tuple(proven)

    def describe_finality_wait(self, head: Head, number: Height) -> str:
        """How far a block is from being final; see Prover. A missed slot makes it seem nearer than it is."""
        slots_per_epoch = self._network.preset.slots_per_epoch
        newest = self._network.slot_at(head.timestamp)
        slot = max(0, newest - max(0, head.number - number))
        final_at = (slot // slots_per_epoch + _EPOCHS_TO_FINALITY) * slots_per_epoch + _SLOTS_TO_SIGNATURE
        passed, needed = self._current_slot() - slot, final_at - slot
        late = ", which is late" if passed > needed else ""
        return f"{max(0, passed)} of about {needed} slots{late}{self._obstacle}"

    def anchor_for(self, height: Height) -> bytes | None:
        """The argument of `anchor` for a header that is at hand; see Prover."""
        signed = self._headers.at(height)
        return None if signed is None else signed.anchor

    def to_anchored(self, height: Height, proof: bytes) -> bytes | None:
        """The proof without the header and its signature; see Prover."""
        signed = self._headers.at(height)
        if signed is None or proof[:1] != bytes((BY_HEADER,)) or not proof.endswith(signed.wire):
            return None
        return bytes((BY_ANCHOR,)) + proof[1 : -len(signed.wire)]

    # --- clients on destinations ---------------------------------------------------------------------------------------

    async def client_at(self, destination: Chain, client: Address) -> OnChainClient:
        """Read this chain's client on a destination; see Prover. Raises RpcAnswerInvalid for one of another network."""
        found = await read_client(destination, client, self._params, self._current_slot())
        state, newest = found.client.state, self._newest
        current = newest is None or found.knows(newest)
        proofs_from = Height(0)
        if current and newest is not None:
            # Committees before the client's own are forgotten there.
            proofs_from = min(each.number for each in self._headers if each.period >= found.period)
        return OnChainClient(
            client,
            found.status,
            Height(state.finalized_slot),
            found.client.timestamp,
            found.client.params.trusting_period_s,
            current,
            proofs_from,
            Height(0) if state.anchor is None else state.anchor.height,
        )

    async def updates_for(self, destination: Chain, client: Address) -> tuple[bytes, ...]:
        """Arguments of `update` that let a client know who signed the newest verified header; see Prover.

        One a period. Where it knows already, it is one update that renews the trusting period, by the newest finality.

        Raises:
            ClientExpired, ClientFrozen: no update can help.
            NotFoundYet: no header was verified yet, or nodes have no update that leads on.
            ChainUnavailable: no node's updates hold.
        """
        found = await read_client(destination, client, self._params, self._current_slot())
        check_usable(found, client)
        # The contract judges by its own chain's clock, which can't run behind its newest block.
        now = (await destination.head()).timestamp
        target = self._newest
        if target is None:
            raise NotFoundYet("no verified header to bring the client to", "a verified head first")
        walk = EthereumWalk(self, found.client, now)
        if not found.knows(target):
            await walk.advance(target)
            return tuple(walk.updates)
        async with self._lock:
            # A contradiction is for `verify_head` to tell; clients are brought to what is trusted, which lets them judge it.
            with contextlib.suppress(MisbehaviourFound):
                await self._rotate()
                await self._poll(self._polled_head)
        await walk.renew(self._newest or target)
        return tuple(walk.updates)

    async def best_update(self, period: Period, least: int) -> LightClientUpdate:
        """An update of a period that `least` members signed: the one that we followed, or the best one that a node has.

        Raises NotFoundYet.
        """
        kept = self._updates.get(period)
        if kept is not None and kept.sync_aggregate.participants >= least:
            return kept

        def first(updates: tuple[LightClientUpdate, ...]) -> LightClientUpdate:
            if not updates or self._network.period_at(updates[0].attested_header.beacon.slot) != period:
                raise NotFoundYet(f"a node has no update of period {period}", "one that its committee signed")
            signed = updates[0].sync_aggregate.participants
            if signed < least:
                raise NotFoundYet(
                    f"{signed} members signed a node's best update of period {period}", f"at least {least}"
                )
            return updates[0]

        return await self._beacon.checked_updates(period, 1, first)

    async def committee_with(self, root: bytes, period: Period) -> SyncCommittee:
        """The committee of a period by its root, which the update of the period before shows. Raises NotFoundYet."""
        kept = self._committees.get(root)
        if kept is not None:
            return kept

        def check(updates: tuple[LightClientUpdate, ...]) -> SyncCommittee:
            shown = updates[0].next_sync_committee if updates else None
            if shown is None:
                raise NotFoundYet(f"a node has no update that shows the sync committee of period {period}")
            if shown.hash_tree_root() != root:
                raise HeaderRejected(
                    f"another sync committee of period {period} than the client's",
                    found=shown.hash_tree_root(),
                    expected=root,
                )
            return shown

        committee = await self._beacon.checked_updates(Period(max(0, period - 1)), 1, check)
        self._keep_committee(committee)
        return committee

    # --- misbehaviour --------------------------------------------------------------------------------------------------

    async def look_for_misbehaviour(self) -> bytes | None:
        """Compare what all nodes say of finality and of the next committee; see Prover. Differing answers without two
        signatures are only wrong answers.
        """
        store = self._store
        if store is None:
            return None
        period = self._network.period_at(store.finalized_header.beacon.slot)
        finality, updates = await asyncio.gather(
            self._beacon.finality_updates_of_everyone(), self._beacon.updates_of_everyone(period)
        )
        told: list[FinalizingUpdate] = [*(each for _, each in finality), *(each for _, each in updates)]
        told += [each.update for each in self._headers]
        told += [each for each in (self._updates.get(period),) if each is not None]
        told += [each.update for each in (self._refused,) if each is not None]
        return await asyncio.to_thread(find_contradiction, self._client_of(store), store, told, self._rules)

    # --- state ---------------------------------------------------------------------------------------------------------

    def export_state(self) -> bytes:
        """The trusted state, for the journal. Empty before the bootstrap."""
        store = self._store
        if store is None:
            return b""
        if self._exported is None or self._exported[0] is not store:
            self._exported = store, encode_store(store, self._checkpoint, self._network)
        return self._exported[1]

    def import_state(self, state: bytes) -> None:
        """Take a state that `export_state` gave, unless the configured checkpoint is newer or, where its slot is not known,
        another one: then an operator began anew.

        Raises ValueError when it is not one.
        """
        if not state:
            return
        found = decode_store(state, self._network)
        newest = found.store.finalized_header.beacon.slot
        slot = self._bootstrap.slot
        if newest < slot if slot is not None else found.checkpoint != self._checkpoint:
            return
        self._set_store(found.store)

    def _check_own(self) -> None:
        client, now = self.client, self._now()
        status = client.status(now)
        if status is Status.FROZEN:
            raise ClientFrozen("our own light client is frozen", "Active", "Configure a newer checkpoint")
        if status is Status.EXPIRED:
            raise ClientExpired(
                f"our own trusted header, of slot {client.state.finalized_slot}, is older than the trusting period",
                f"one younger than {self._params.trusting_period_s} s",
                "Configure a newer checkpoint, after confirming its root with somebody you trust",
            )

    @property
    def _is_trust_old(self) -> bool:
        """Whether two thirds of our own trusting period have passed; beyond its end only a newer checkpoint helps."""
        age_s = self._now() - self.client.timestamp
        return 3 * age_s >= 2 * self._params.trusting_period_s

    def _client_of(self, store: LightClientStore) -> EthereumClient:
        following = store.next_sync_committee
        state = EthereumState(
            store.finalized_header.beacon.slot,
            store.current_sync_committee.hash_tree_root(),
            None if following is None else following.hash_tree_root(),
        )
        return EthereumClient(self._params, state)

    def _set_store(self, store: LightClientStore) -> None:
        self._store = store
        self._keep_committee(store.current_sync_committee)
        if store.next_sync_committee is not None:
            self._keep_committee(store.next_sync_committee)

    def _require_store(self) -> LightClientStore:
        assert self._store is not None
        return self._store

    def _keep_committee(self, committee: SyncCommittee) -> None:
        _put(self._committees, committee.hash_tree_root(), committee, _KEPT_COMMITTEES)

    def _keep_update(self, update: LightClientUpdate) -> None:
        period = self._network.period_at(update.attested_header.beacon.slot)
        _put(self._updates, period, update, _KEPT_UPDATES)

    @property
    def _slot_s(self) -> float:
        return self._network.slot_duration_ms / 1_000

    @property
    def _epoch_s(self) -> float:
        return self._network.preset.slots_per_epoch * self._slot_s

    @property
    def _usual_lag(self) -> int:
        """By how many slots finality trails on a healthy chain, at most."""
        return _EPOCHS_TO_FINALITY * self._network.preset.slots_per_epoch + _SLOTS_TO_SIGNATURE

    def _now(self) -> Timestamp:
        return Timestamp(int(self._clock()))

    def _current_slot(self) -> Slot:
        return self._network.slot_at(self._now())

    def _slot_ahead(self) -> Slot:
        """The newest slot that may be there by a clock that runs ahead of ours."""
        return self._network.slot_at(Timestamp(self._now() + self._params.max_clock_drift_s))


K = TypeVar("K")
V = TypeVar("V")


def _put(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)


def _read_proof(
    proof: AccountProof, state_root: bytes, account: Address, slots: tuple[bytes, ...]
) -> dict[bytes, bytes]:
    """The words that a proof proves, by slot. Raises ProofRejected."""
    found = mpt.verify_account(state_root, account, proof.account_nodes)
    if found is None:
        raise ProofRejected("an account is absent", found=account, expected="a contract")
    return {slot: mpt.verify_storage(found.storage_root, slot, proof.storage_nodes[slot]) for slot in slots}


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
    chain: ConfiguredChain[EthereumConfig], source: EthereumSource, beacon: BeaconSource
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
