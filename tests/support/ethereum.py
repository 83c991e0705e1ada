# SPDX-License-Identifier: MIT
"""A proof-of-stake chain without sockets: a simulated beacon chain over one execution state, its nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from light_clients.client import Height, Timestamp
from light_clients.errors import Rejection
from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.config import (
    MINIMAL,
    BlobParameters,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Period,
    Slot,
)
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
)
from relayer.chains.base import AccountProof, Address, Call, Head
from relayer.chains.evm import abi
from relayer.consensus.base import VerifiedHeader
from relayer.consensus.ethereum.follower import EthereumBootstrap
from relayer.consensus.ethereum.local.payload import invent_payload
from relayer.consensus.ethereum.local.simulation import Simulation
from relayer.consensus.ethereum.prover import EthereumProver
from relayer.errors import ChainUnavailable, NotFoundYet
from tests.support.trie import AccountEntry, State

T = TypeVar("T")

START = 1_700_000_000
SLOT_MS = 2_000
GATEWAY = Address(b"\x42" * 20)
STORAGE_SLOT = b"\x07" * 32
EMPTY_SLOT = b"\x08" * 32
STATE = State(
    {GATEWAY: AccountEntry(storage={STORAGE_SLOT: b"\x99" * 32}), b"\x01" * 20: AccountEntry(balance=5)}
)
SPE = MINIMAL.slots_per_epoch
PERIOD = MINIMAL.slots_per_period
#: A checkpoint is final at this slot of a new world, newer finality is shown two slots into the next epoch.
CONFIRMED = 4 * SPE + 2
NEXT = 5 * SPE + 2

ALL_AT_GENESIS = ((ForkName.ELECTRA, 0),)


def make_network(forks: Sequence[tuple[ForkName, int]] = ALL_AT_GENESIS) -> NetworkConfig:
    """A minimal network with these forks."""
    rows = tuple(Fork(name, Epoch(epoch), bytes([name, 0, 0, 7])) for name, epoch in forks)
    return NetworkConfig(MINIMAL, START, b"\x37" * 32, SLOT_MS, rows, (BlobParameters(Epoch(0), 9),))


class World:
    """The chain, which grows by `advance`, and its time."""

    def __init__(
        self, forks: Sequence[tuple[ForkName, int]] = ALL_AT_GENESIS, seed: bytes = b"world"
    ) -> None:
        self.network = make_network(forks)
        self.chain = Simulation(self.network, seed)
        self.checkpoint = b""
        self.checkpoint_slot = Slot(0)

    @property
    def slot(self) -> Slot:
        return self.chain.head.slot

    def now(self) -> float:
        return self.network.timestamp_at(self.slot) + 1.0

    @property
    def timestamp(self) -> Timestamp:
        """The time in whole seconds, as light clients have it."""
        return Timestamp(int(self.now()))

    def advance(
        self, to: int, *, participation: float | Callable[[int], float] = 1.0, votes: float = 1.0
    ) -> None:
        """Make a block in every slot up to `to`, all with one execution state."""
        while self.slot < to:
            slot = Slot(self.slot + 1)
            fork = self.network.fork_at_slot(slot).name
            before = self.chain.head.execution
            execution = replace(
                invent_payload(fork, slot, self.network.timestamp_at(slot), before), state_root=STATE.root
            )
            share = participation if isinstance(participation, float) else participation(slot)
            self.chain.propose(slot, execution, share, target_votes=votes)

    def keep_checkpoint(self) -> None:
        """The operator confirms what is final now."""
        self.checkpoint, self.checkpoint_slot = self.chain.finalized.root, self.chain.finalized.slot

    def head(self) -> Head:
        execution = self.chain.head.execution
        assert execution is not None
        return Head(
            Height(execution.block_number),
            execution.block_hash,
            execution.parent_hash,
            self.network.timestamp_at(self.slot),
        )

    def finalized(self) -> VerifiedHeader:
        """What the newest finality update shows, by the simulation's own word."""
        signed = self.chain.newest_signed
        assert signed is not None
        final = signed[2]
        assert final.execution is not None
        return VerifiedHeader(
            Height(final.execution.block_number),
            final.execution.block_hash,
            self.network.timestamp_at(final.slot),
            STATE.root,
            final.execution.base_fee_per_gas,
        )

    def bootstrap(self, **terms: Any) -> EthereumBootstrap:
        return EthereumBootstrap(
            **{
                "network": self.network,
                "checkpoint_root": self.checkpoint,
                "threshold": 22,
                "trusting_period_s": 100_000,
                "max_clock_drift_s": 10,
                "slot": None,
                **terms,
            }
        )


@dataclass
class Node:
    """One beacon node. `tamper` changes whatever it tells; `down` makes it tell nothing."""

    chain: Simulation
    tamper: Callable[[Any], Any] = lambda found: found
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def bootstrap(self, root: bytes) -> LightClientBootstrap:
        return self._tell("bootstrap", self.chain.bootstrap(root))

    def updates(self, start: Period, count: int) -> tuple[LightClientUpdate, ...]:
        self._tell(f"updates {start} {count}", ())
        return tuple(self.tamper(update) for update in self.chain.updates(start, count))

    def finality(self) -> LightClientFinalityUpdate:
        return self._tell("finality", self.chain.finality_update())

    def _tell(self, what: str, found: T | None) -> T:
        self.asked.append(what)
        if self.down:
            raise NotFoundYet("down")
        if found is None:
            raise NotFoundYet(f"no {what}")
        told: T = self.tamper(found)
        return told


@dataclass
class Beacon:
    """Several nodes, asked in turn as BeaconApi does; who was blamed is kept."""

    nodes: list[Node]
    blamed: list[int] = field(default_factory=list)

    @property
    def provider_count(self) -> int:
        return len(self.nodes)

    @property
    def asked(self) -> list[str]:
        return [asked for node in self.nodes for asked in node.asked]

    def forget(self) -> None:
        for node in self.nodes:
            node.asked.clear()

    async def checked_bootstrap(self, root: bytes, check: Callable[[LightClientBootstrap], T]) -> T:
        return self._ask(lambda node: check(node.bootstrap(root)))

    async def checked_updates(
        self, start: Period, count: int, check: Callable[[tuple[LightClientUpdate, ...]], T]
    ) -> T:
        return self._ask(lambda node: check(node.updates(start, count)))

    async def checked_finality_update(self, check: Callable[[LightClientFinalityUpdate], T]) -> T:
        return self._ask(lambda node: check(node.finality()))

    async def finality_updates_of_everyone(self) -> list[tuple[str, LightClientFinalityUpdate]]:
        return [(str(index), node.finality()) for index, node in enumerate(self.nodes)]

    async def updates_of_everyone(self, period: Period) -> list[tuple[str, LightClientUpdate]]:
        return [
            (str(index), found) for index, node in enumerate(self.nodes) for found in node.updates(period, 1)
        ]

    def _ask(self, use: Callable[[Node], T]) -> T:
        missing: NotFoundYet | None = None
        refused: Rejection | None = None
        for index in sorted(range(len(self.nodes)), key=self.blamed.count):
            try:
                return use(self.nodes[index])
            except Rejection as error:
                self.blamed.append(index)
                refused = error
            except NotFoundYet as error:
                missing = error
        if refused is None and missing is not None:
            raise missing
        raise ChainUnavailable(f"nobody's answer holds: {refused}")


@dataclass
class Execution:
    """Providers of the execution chain, with a state of their own."""

    states: list[State] = field(default_factory=lambda: [STATE])
    blamed: list[int] = field(default_factory=list)
    asked: int = 0

    async def checked_proof(
        self, account: Address, slots: Sequence[bytes], number: Height, check: Callable[[AccountProof], T]
    ) -> T:
        del number
        self.asked += 1
        for index, state in enumerate(self.states):
            proofs = {slot: state.prove(account, slot) for slot in slots}
            try:
                return check(
                    AccountProof(
                        tuple(state.prove(account, STORAGE_SLOT).account),
                        {slot: tuple(proof.storage) for slot, proof in proofs.items()},
                    )
                )
            except Rejection:
                self.blamed.append(index)
        raise ChainUnavailable("nobody's answer holds")


@dataclass
class BeaconDestination:
    """A chain that answers for one EthereumLightClient. `client` can be moved by what a test accepts."""

    client: EthereumClient
    now: float

    def apply(self, updates: Sequence[bytes]) -> None:
        for update in updates:
            self.client = self.client.update(update, Timestamp(int(self.now)))

    async def head(self) -> Head:
        return Head(Height(9), bytes(32), bytes(32), Timestamp(int(self.now)))

    async def call(self, call: Call, number: Height | None = None) -> bytes:
        assert number is None
        state, params, word = self.client.state, self.client.params, abi.encode_word
        anchor = state.anchor
        if call.data == abi.CLIENT_STATUS:
            return word(self.client.status(Timestamp(int(self.now))))
        if call.data == abi.CLIENT_TRUSTED_STATE:
            following = state.next_committee or bytes(32)
            frozen = word(int(state.frozen))
            return (
                word(state.finalized_slot)
                + word(self.client.timestamp)
                + state.committee
                + following
                + frozen
            )
        if call.data == abi.CLIENT_ANCHORED:
            if anchor is None:
                return bytes(96)
            return anchor.state_root + word(anchor.height) + word(anchor.timestamp)
        assert call.data == abi.CLIENT_PARAMETERS
        numbers = (
            32,
            params.genesis_time,
            params.slot_duration_ms,
            params.slots_per_epoch,
            params.slots_per_period,
            params.committee_size,
            params.threshold,
            params.trusting_period_s,
            params.max_clock_drift_s,
        )
        forks = b"".join(
            word(fork.epoch) + fork.version.ljust(32, b"\0") + word(fork.layout) for fork in params.forks
        )
        head = b"".join(map(word, numbers)) + params.genesis_validators_root + word(320)
        return head + word(len(params.forks)) + forks


def make_prover(
    world: World, beacon: Beacon | None = None, execution: Execution | None = None, **terms: Any
) -> EthereumProver:
    """A prover of the world that begins with the confirmed checkpoint."""
    return EthereumProver(
        execution or Execution(), beacon or Beacon([Node(world.chain)]), world.bootstrap(**terms), world.now
    )


def make_destination(world: World, prover: EthereumProver) -> BeaconDestination:
    """A destination whose client trusts what the prover trusts now."""
    return BeaconDestination(prover.client, world.now())
