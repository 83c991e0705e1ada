# SPDX-License-Identifier: MIT
"""What to ask beacon nodes for, and which answers to believe: the policy of the prover, apart from asking.

A follower is a protocol without I/O. It has no clock and opens no connection; it is told what time it is and
what nodes answered, and says what to ask next. EthereumProver is the shell that asks.

Following goes in rounds, one for every head of the execution chain that is looked at:

    begin(head, wanted)              what the round is for
    next_request(now) -> request     None when the round is over
    check_...(answer) -> Followed    verifies an answer, in a thread where signatures would take too long.
                                     Where it raises, the shell asks another node
    take(request, followed)          believes it; raises MisbehaviourFound where it proves that
    miss(request, error)             no node has what was asked for

The bootstrap of the configured checkpoint is asked for while nothing is trusted. After that schedule.py says
when it is time for updates of periods and for finality. Finality is needed, wanted or not, when no header was
verified yet or two thirds of the trusting period are over: after its end only a newer checkpoint helps.

An answer is believed when the store accepts it (store.py) and it contradicts nothing that was signed before.
A second header of the trusted slot is never believed. With the signature of the first one it is a proof of
misbehaviour; without it, as after a restart, it is refused, and kept until a node shows that signature.
"""

from __future__ import annotations

from dataclasses import dataclass

from light_clients.client import Height, Status, Timestamp
from light_clients.errors import HeaderRejected
from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.config import NetworkConfig, Slot
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
)
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.sync_protocol import LightClientStore, initialize_light_client_store
from relayer.chains.base import Head
from relayer.consensus.base import VerifiedHeader
from relayer.consensus.ethereum.cache import EthereumCache
from relayer.consensus.ethereum.evidence import check_same_header
from relayer.consensus.ethereum.headers import SignedHeader
from relayer.consensus.ethereum.schedule import (
    FinalityRequest,
    Schedule,
    UpdatesRequest,
    describe_finality_wait,
    usual_lag,
)
from relayer.consensus.ethereum.store import (
    Followed,
    Rules,
    client_of,
    decode_store,
    encode_store,
    follow_finality,
    follow_updates,
)
from relayer.errors import ClientExpired, NotFoundYet


@dataclass(frozen=True, slots=True)
class EthereumBootstrap:
    """What is believed from the start, and by which rules.

    Attributes:
        network: the beacon chain.
        checkpoint_root: root of a finalized block, the first of its epoch, that the operator confirmed.
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


@dataclass(frozen=True, slots=True)
class BootstrapRequest:
    """Asks for the bootstrap of a block root, 32 bytes."""

    root: bytes


Request = BootstrapRequest | UpdatesRequest | FinalityRequest


class EthereumFollower:
    """Follows one beacon chain from a checkpoint; see the head of this module. Times are seconds since 1970.

    Args:
        bootstrap: where trust begins.

    Attributes:
        params, rules: what the light client is made with, and by which rules updates count.
        cache: what was verified and may be needed again.
        store: what is trusted; None before the bootstrap.
        newest: the newest header that was verified since the start; None before the first.

    Raises:
        ValueError: no light client can have these rules.
    """

    def __init__(self, bootstrap: EthereumBootstrap) -> None:
        self._bootstrap = bootstrap
        self._network = bootstrap.network
        self.params = EthereumParams.of(
            bootstrap.network,
            bootstrap.threshold,
            bootstrap.trusting_period_s,
            bootstrap.max_clock_drift_s,
        )
        self.rules = Rules(bootstrap.network, bootstrap.threshold)
        self.cache = EthereumCache()
        self.store: LightClientStore | None = None
        self.newest: SignedHeader | None = None
        self._exported: tuple[LightClientStore, bytes] | None = None
        self._schedule = Schedule(bootstrap.network)
        # Whether the finality that was asked for last is, by a node's word, signed by a committee that we
        # don't know.
        self._saw_unknown_committee = False
        # For people: what is in the way of newer finality, and of newer committees.
        self._obstacle = ""
        self._no_updates = "nothing was asked yet"

    # --- what is trusted ------------------------------------------------------------------------------------

    @property
    def client(self) -> EthereumClient:
        """Our own trusted state, as clients have it on chain. Raises NotFoundYet before the bootstrap."""
        if self.store is None:
            raise NotFoundYet("no trusted state", "a verified head first")
        return client_of(self.store, self.params)

    @property
    def verified(self) -> VerifiedHeader:
        """The newest verified header, for the pipeline. Raises NotFoundYet before there is one."""
        if self.newest is None:
            raise NotFoundYet("no finalized header was shown yet", "one that enough members signed")
        return self.newest.to_verified(self._network)

    def export_state(self) -> bytes:
        """The trusted state, for the journal. Empty before the bootstrap."""
        store = self.store
        if store is None:
            return b""
        # A store is immutable, so the same one has the same bytes, which every new header asks for.
        if self._exported is None or self._exported[0] is not store:
            self._exported = store, encode_store(store, self._bootstrap.checkpoint_root, self._network)
        return self._exported[1]

    def import_state(self, state: bytes) -> None:
        """Trust a state that `export_state` gave, unless an operator began anew.

        That is where the configured checkpoint is newer or, with a slot that is not known, another one.

        Raises:
            ValueError: it is not one.
        """
        if not state:
            return
        found = decode_store(state, self._network)
        if self._bootstrap.slot is None:
            is_left = found.checkpoint != self._bootstrap.checkpoint_root
        else:
            is_left = found.store.finalized_header.beacon.slot < self._bootstrap.slot
        if not is_left:
            self._trust(found.store)

    # --- asking ---------------------------------------------------------------------------------------------

    def begin(self, head: Height | None, *, wanted: bool) -> None:
        """Begin a round, and end the one before.

        Args:
            head: of the execution chain; None stands for the newest one at which finality was asked for.
            wanted: whether somebody waits for a newer header.
        """
        self._schedule.begin(head, wanted=wanted)

    def next_request(self, now: float) -> Request | None:
        """What to ask for next; it counts as asked from now on. None when the round is over.

        Raises:
            ClientExpired: what is trusted is too old.
        """
        if self.store is None:
            return BootstrapRequest(self._bootstrap.checkpoint_root)
        self._check_not_expired(now)
        is_needed = self.newest is None or self._is_trust_old(now)
        request = self._schedule.next_request(self.rules.known_until(self.store), now, needed=is_needed)
        if isinstance(request, FinalityRequest):
            self._saw_unknown_committee = False
        return request

    def _is_trust_old(self, now: float) -> bool:
        age_s = int(now) - self.client.timestamp
        return 3 * age_s >= 2 * self.params.trusting_period_s

    def _check_not_expired(self, now: float) -> None:
        if self.client.status(Timestamp(int(now))) is Status.EXPIRED:
            raise ClientExpired(
                f"our own trusted header, of slot {self.client.state.finalized_slot}, is older than the trusting period",
                f"one younger than {self.params.trusting_period_s} s",
                "Configure a newer checkpoint, after confirming its root with somebody you trust",
            )

    # --- judging answers ------------------------------------------------------------------------------------

    def check_bootstrap(self, bootstrap: LightClientBootstrap) -> Followed:
        """Verify a node's bootstrap of the checkpoint. Raises Rejection where it does not hold."""
        store = initialize_light_client_store(self._bootstrap.checkpoint_root, bootstrap, self._network)
        found, told = store.finalized_header.beacon.slot, self._bootstrap.slot
        if told is not None and found != told:
            # The root is what the operator confirmed, and it is of one slot alone.
            raise HeaderRejected("the checkpoint is of another slot", found=found, expected=told)
        return Followed(store)

    def check_updates(self, updates: tuple[LightClientUpdate, ...], now: float) -> Followed:
        """Verify a node's updates of consecutive periods.

        Raises:
            NotFoundYet: they do not lead on.
            Rejection: one of them does not hold, or shows a second header of the trusted slot, which is kept.
        """
        followed = follow_updates(self._trusted, updates, self._slot_ahead(now), self.rules)
        self._refuse_second_header(followed)
        return followed.encoded(self.params)

    def check_finality(self, update: LightClientFinalityUpdate, now: float) -> Followed:
        """Verify a node's finality update.

        Raises:
            NotFoundYet: it brings nothing, though by now it should; or who signed it is not known.
            Rejection: it does not hold, or shows a second header of the trusted slot, which is kept.
        """
        store, newest = self._trusted, self.newest
        period, known = self._network.period_at(update.signature_slot), self.rules.known_until(store)
        if period > known:
            self._saw_unknown_committee = True
            raise NotFoundYet(
                f"the sync committee of period {period} is not known: {self._no_updates}",
                f"an update for each period from {known} on",
                "Where a whole period was not finalized, only a newer checkpoint helps",
            )
        if newest is not None and newest.header == update.finalized_header:
            if self._network.slot_at(Timestamp(int(now))) - newest.slot > usual_lag(self._network):
                # Either the chain does not finalize, or this node stands still: others are asked.
                raise NotFoundYet(f"no finality after slot {newest.slot}", "a newer one by now")
            return Followed(store)
        followed = follow_finality(store, update, self._slot_ahead(now), self.rules)
        self._refuse_second_header(followed)
        return followed.encoded(self.params)

    def _refuse_second_header(self, followed: Followed) -> None:
        """Refuse another header of the trusted slot and keep it, unless the signature of the first one is at
        hand: then the two are a proof, and `take` tells. Other nodes are asked for the first one.

        Raises:
            HeaderRejected: it was refused.
        """
        trusted = self._trusted.finalized_header.beacon
        for signed in followed.headers:
            found, before = signed.header.beacon, self.cache.signed_at(signed.slot)
            if found.slot != trusted.slot or found == trusted:
                continue
            if before is None or before.header.beacon == found:
                self.cache.refused = signed
                raise HeaderRejected(
                    f"another finalized header of slot {trusted.slot} than the trusted one",
                    found=found.hash_tree_root(),
                    expected=trusted.hash_tree_root(),
                )

    # --- what follows from answers --------------------------------------------------------------------------

    def take(self, request: Request, followed: Followed) -> None:
        """Believe what a check made of an answer to a request.

        Raises:
            MisbehaviourFound: a header contradicts one that was signed before. What is trusted stays.
        """
        # All headers are compared before anything is trusted: a contradiction leaves the trust as it was.
        for signed in followed.headers:
            check_same_header(self.cache.signed_at(signed.slot), signed, self.params)
        self._trust(followed.store)
        for signed in followed.headers:
            if isinstance(signed.update, LightClientUpdate):
                attested = signed.update.attested_header.beacon.slot
                self.cache.keep_update(self._network.period_at(attested), signed.update)
        if followed.headers:
            self._keep_newest(followed.headers[-1])
        if isinstance(request, UpdatesRequest):
            self._schedule.continue_updates()
        elif isinstance(request, FinalityRequest):
            self._obstacle = ""

    def miss(self, request: Request, error: NotFoundYet) -> None:
        """Go on though no node has what was asked for; the error says why.

        Raises:
            NotFoundYet: the error that was given, where there is nothing to go on with.
        """
        if isinstance(request, UpdatesRequest):
            self._no_updates = str(error)
            self._schedule.pause_updates()
        elif isinstance(request, FinalityRequest) and self._saw_unknown_committee:
            if not self._schedule.ask_again():
                raise error
        elif isinstance(request, BootstrapRequest) or self.newest is None:
            raise error
        else:
            self._obstacle = f"; {error}"

    def describe_finality_wait(self, head: Head, number: Height, now: float) -> str:
        """How far an execution block is from being final, and what is in the way, for people."""
        return describe_finality_wait(self._network, head, number, now) + self._obstacle

    def _trust(self, store: LightClientStore) -> None:
        self.store = store
        self.cache.keep_committee(store.current_sync_committee)
        if store.next_sync_committee is not None:
            self.cache.keep_committee(store.next_sync_committee)

    def _keep_newest(self, signed: SignedHeader) -> None:
        # The best update of a period may show an older header than the one that is trusted already.
        if not signed.anchor or signed.slot < self._trusted.finalized_header.beacon.slot:
            return
        self.cache.keep_header(signed)
        if self.newest is None or signed.number > self.newest.number:
            self.newest = signed

    @property
    def _trusted(self) -> LightClientStore:
        assert self.store is not None
        return self.store

    def _slot_ahead(self, now: float) -> Slot:
        """The newest slot that may be there by a clock that runs ahead of ours."""
        return self._network.slot_at(Timestamp(int(now) + self.params.max_clock_drift_s))
