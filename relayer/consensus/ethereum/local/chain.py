# SPDX-License-Identifier: MIT
"""One local Ethereum chain: what it is made of, and what can be done with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from light_clients.ethereum.config import (
    MINIMAL,
    BlobParameters,
    Epoch,
    Fork,
    ForkName,
    NetworkConfig,
    Preset,
    Slot,
)
from light_clients.ethereum.containers import LightClientUpdate
from relayer.consensus.ethereum.local import misbehaviour
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.ethereum.local.beacon_server import BeaconServer
from relayer.consensus.ethereum.local.block_maker import EthereumBlockMaker, max_withdrawals, read_genesis
from relayer.consensus.ethereum.local.execution_block import ExecutionBlock
from relayer.consensus.ethereum.local.faults import ETHEREUM_FAULTS
from relayer.consensus.ethereum.local.keyring import Keyring
from relayer.consensus.ethereum.local.payload import payload_of_block
from relayer.consensus.ethereum.local.served_blocks import ServedExecutionBlocks
from relayer.consensus.ethereum.local.simulation import Simulation
from relayer.devnet.chain.admin_server import AdminMethod
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.chain.running_chain import RunningChain
from relayer.devnet.errors import DevnetError, SpecError
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.process.ports import listen_on
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.identities import derive_account

#: Four sync-committee periods of the minimal preset a minute.
DEFAULT_SLOT_TIME_S: Final = 0.25
DEFAULT_VALIDATORS: Final = 64
MAX_VALIDATORS: Final = 4096
#: How far in the past a chain on demand begins, so that its slots can pass at any speed.
DEFAULT_GENESIS_AGO_S: Final = 3600.0
#: Of a chain that names none: all of them from the start.
DEFAULT_FORKS: Final[Mapping[ForkName, int]] = {name: 0 for name in ForkName if name <= ForkName.FULU}
#: From Fulu on a fork digest needs an entry (EIP-7892). Nine blobs are Electra's limit on mainnet.
_BLOBS: Final = (BlobParameters(Epoch(0), 9),)


class LocalEthereumChain(AnvilChain[ExecutionBlock]):
    """A local chain with a simulated beacon chain, as an async context manager.

    Once it has started, something is final.

    Args:
        name: of the chain; the chain id follows from it.
        options: what can be chosen of every chain. The block time is the length of a slot, whole
            milliseconds; with None slots pass only by `mine`, `advance` and the like, are `slot_time_s` long,
            and none can pass before its time.
        validators: how many there are; a sync committee seats them several times when they are fewer than its
            places.
        slot_time_s: of a chain on demand.
        genesis_ago_s: how long ago a chain on demand began: that much time can pass at once.
        preset: sizes; `MINIMAL` (8 slots an epoch, 64 a period, 32 members) or `MAINNET` (32, 8192, 512), or
            others.
        forks: epoch by fork. The first is at 0; Capella or a later one, or there is nothing to prove
            execution by.

    Raises:
        SpecError: no such chain is possible.
    """

    kind: ClassVar = "ethereum"
    # Proofs are asked for at the finalized block, which is 16 to 24 slots back (64 to 96 in the mainnet
    # preset), more when finality is withheld.
    history: ClassVar = 256

    def __init__(
        self,
        name: str,
        options: ChainOptions | None = None,
        *,
        validators: int = DEFAULT_VALIDATORS,
        slot_time_s: float = DEFAULT_SLOT_TIME_S,
        genesis_ago_s: float = DEFAULT_GENESIS_AGO_S,
        preset: Preset = MINIMAL,
        forks: Mapping[ForkName, int] = DEFAULT_FORKS,
    ) -> None:
        if not 1 <= validators <= MAX_VALIDATORS:
            raise SpecError(f"{validators} validators", f"1 to {MAX_VALIDATORS}")
        if options is None:
            options = ChainOptions(block_time_s=DEFAULT_SLOT_TIME_S)
        super().__init__(name, options, Faults(ETHEREUM_FAULTS))
        slot_s = slot_time_s if options.block_time_s is None else options.block_time_s
        self._slot_ms = round(slot_s * 1000)
        self._genesis_ago_s = genesis_ago_s
        self._preset = preset
        self._forks = _schedule(forks)
        self._count = validators
        self._beacon_seed = self.seed + name.encode()
        self._simulation: Simulation | None = None
        self._block_maker: EthereumBlockMaker | None = None
        self._began = 0
        self.beacon_servers: list[BeaconServer] = []

    def describe(self) -> ChainDetails:
        """Return where the Beacon API is, and a finalized beacon block that an operator may begin with."""
        checkpoint = self.checkpoint
        root = "0x" + checkpoint.root.hex()
        return ChainDetails(
            summary=f"{self.kind}, slots of {self._slot_ms / 1000:g} s",
            consensus={"kind": self.kind, "beacon": [self.beacon_url]},
            facts={
                "beacon": self.beacon_url,
                "checkpoint": {
                    "root": root,
                    "slot": int(checkpoint.slot),
                    "height": self.finalized.number,
                },
            },
            lines=(
                ("Beacon API", self.beacon_url),
                ("checkpoint", f"{root}   (slot {checkpoint.slot})"),
            ),
        )

    # --- what there is --------------------------------------------------------------------------------------

    @property
    def beacon_url(self) -> str:
        """Where the Beacon API is; paths begin with /eth."""
        if not self.beacon_servers:
            raise self._not_running()
        return self.beacon_servers[0].url

    @property
    def beacon(self) -> Simulation:
        """The beacon chain, in this process."""
        if self._simulation is None:
            raise self._not_running()
        return self._simulation

    @property
    def network(self) -> NetworkConfig:
        """Sizes, times and forks."""
        return self.beacon.config

    @property
    def slot(self) -> Slot:
        """The newest slot that passed, with a block or without."""
        return self._clock.slot

    @property
    def finalized(self) -> ExecutionBlock:
        """The newest execution block that is final; block 0 before there is another."""
        return self.block(self._running.parts.ledger.finalized or 0)

    @property
    def checkpoint(self) -> BeaconBlock:
        """The newest finalized beacon block: its root is what an operator confirms."""
        return self.beacon.finalized

    @property
    def validators(self) -> tuple[bytes, ...]:
        """Every validator's public key, 48 bytes each."""
        return self.beacon.keys.public_keys

    # --- what it does ---------------------------------------------------------------------------------------

    async def advance(self, slots: int = 1) -> ExecutionBlock:
        """Let slots of a chain on demand pass; return the head.

        Every slot has a block, but where a fault takes it away.

        Raises:
            DevnetError: the slots lie in the future, or pass by a clock.
        """
        self._check_on_demand()
        return await self._clock.advance(slots)

    async def advance_to(self, slot: int) -> ExecutionBlock:
        """Make the block of a slot of a chain on demand, and none in those before it. Errors as `advance`."""
        self._check_on_demand()
        return await self._clock.mine_at(Slot(slot))

    async def advance_to_finality(self) -> ExecutionBlock:
        """Make what is now the head final, and signed for; returns it.

        On demand that takes few blocks, at the beginnings of epochs; where a clock runs it takes its time.

        Raises:
            DevnetError: faults are in the way, or the slots lie in the future.
        """
        head = self.head
        if self.block_time_s is None:
            await self._finalize()
            if not self._is_shown_final(head):
                raise DevnetError(
                    f"block {head.number} of {self.name} does not become final", "no fault that withholds it"
                )
        while not self._is_shown_final(head):
            await self.wait_for(self.head.number + 1)
        return head

    async def advance_to_period(self, period: int) -> ExecutionBlock:
        """Go on to the first block of a sync-committee period; every period on the way has one good update.

        Errors as `advance`.
        """
        self._check_on_demand()
        preset = self._preset
        while (current := self.slot // preset.slots_per_period) < period:
            last = (current + 1) * preset.slots_per_period - 1
            if (
                self.checkpoint.slot // preset.slots_per_period < current
                and last - self.slot > 5 * preset.slots_per_epoch
            ):
                await self._finalize()
            await self._clock.mine_at(Slot(last + 1))
        return self.head

    def equivocate(self) -> LightClientUpdate:
        """Let the whole committee sign a second block of the newest finalized slot; return that update.

        Raises:
            DevnetError: nothing is final.
        """
        return misbehaviour.second_finality(self.beacon, *self._newest())

    def usurp(self) -> LightClientUpdate:
        """Let the whole committee sign another next committee; return that update.

        Raises:
            DevnetError: nothing is final, or the newest block is the first of a period.
        """
        try:
            return misbehaviour.second_committee(self.beacon, *self._newest())
        except ValueError as error:
            raise DevnetError(str(error), "a block that is not the first of its period") from error

    async def add_beacon_server(self, port: int = 0) -> BeaconServer:
        """Serve the Beacon API at one more port (0 = a free one), with faults of its own. The chain stops it.

        Raises:
            ChainStartError: the port can't be had.
        """
        return await self._serve_beacon(self._stack, Faults(ETHEREUM_FAULTS), port)

    # --- inside ---------------------------------------------------------------------------------------------

    @property
    def _clock(self) -> EthereumBlockMaker:
        if self._block_maker is None:
            raise self._not_running()
        return self._block_maker

    def _check_on_demand(self) -> None:
        if self.block_time_s is not None:
            raise DevnetError(
                f"the chain {self.name}, whose slots pass by a clock", "a chain on demand (block_time_s=None)"
            )

    def _is_shown_final(self, block: ExecutionBlock) -> bool:
        newest = self.beacon.newest_signed
        execution = None if newest is None else newest[2].execution
        return execution is not None and execution.block_number >= block.number

    def _newest(self) -> tuple[BeaconBlock, BeaconBlock, BeaconBlock]:
        newest = self.beacon.newest_signed
        if newest is None:
            raise DevnetError(f"nothing is final on {self.name}", "a finalized block")
        return newest

    @property
    def _first_slots(self) -> Sequence[int]:
        """Those that have a block before the clock starts: enough for finality."""
        epoch = self._preset.slots_per_epoch
        return epoch, 2 * epoch, 3 * epoch, 3 * epoch + 1

    def _genesis_time(self) -> int:
        if self.block_time_s is None:
            self._began = int(time.time() - self._genesis_ago_s)
        else:
            ago_ms = (self._first_slots[-1] + 1) * self._slot_ms
            self._began = int(time.time() - ago_ms / 1000)
        return self._began

    async def _assemble(self, anvil: Anvil) -> RunningChain[ExecutionBlock]:
        genesis, raw = await read_genesis(anvil.upstream)
        keys = Keyring(self._beacon_seed, self._count, self._preset.sync_committee_size)
        config = NetworkConfig(
            preset=self._preset,
            genesis_time=self._began,
            genesis_validators_root=keys.registry_root,
            slot_duration_ms=self._slot_ms,
            forks=self._forks,
            blob_schedule=_BLOBS,
        )
        fork = config.fork_at_slot(Slot(0)).name
        payload = payload_of_block(raw, (), fork, max_withdrawals(self._preset.name))
        self._simulation = Simulation(
            config,
            self._beacon_seed,
            self._count,
            genesis_execution=payload if fork >= ForkName.BELLATRIX else None,
        )
        parts = ChainParts.over(anvil, genesis, self.faults)
        parts.ledger.safe = parts.ledger.finalized = 0
        beneficiary = derive_account(self.seed, self.name, "fees", 0).address
        self._block_maker = EthereumBlockMaker(parts, self._simulation, beneficiary)
        return RunningChain(
            chain_id=self.chain_id,
            client=self.kind,
            parts=parts,
            block_maker=self._block_maker,
            serve=lambda _: ServedExecutionBlocks(parts),
        )

    async def _prepare(self, stack: contextlib.AsyncExitStack) -> None:
        for slot in self._first_slots:
            await self._clock.mine_at(Slot(slot))
        await self._serve_beacon(stack, self.faults, 0)

    async def _serve_beacon(
        self, stack: contextlib.AsyncExitStack, faults: Faults, port: int
    ) -> BeaconServer:
        clock = self._clock
        server = BeaconServer(self.beacon, faults, lambda: clock.slot)
        sock = listen_on(port)
        stack.callback(sock.close)
        stack.push_async_callback(server.stop)
        await server.start(sock)
        self.beacon_servers.append(server)
        return server

    async def _finalize(self) -> None:
        """Blocks at the beginnings of three epochs, and the one that signs the last of them."""
        length = self._preset.slots_per_epoch
        first = (self.slot // length + 1) * length
        for slot in (first, first + length, first + 2 * length, first + 2 * length + 1):
            await self._clock.mine_at(Slot(slot))

    def _admin_methods(self) -> dict[str, AdminMethod]:
        return {
            "postroad_advance": self._admin_advance,
            "postroad_finalize": self._admin_finalize,
        }

    async def _admin_advance(self, slots: int = 1) -> str:
        return hex((await self.advance(slots)).number)

    async def _admin_finalize(self) -> str:
        return hex((await self.advance_to_finality()).number)


def _schedule(forks: Mapping[ForkName, int]) -> tuple[Fork, ...]:
    """Forks by their epochs, with the version that a fork has on every local chain."""
    listed = sorted(forks.items(), key=lambda item: (item[1], item[0]))
    epochs = [epoch for _, epoch in listed]
    names = [name for name, _ in listed]
    if not listed or epochs[0] != 0 or names != sorted(names) or names[-1] > ForkName.FULU:
        found = ", ".join(f"{name.label} at {epoch}" for name, epoch in listed) or "no forks"
        raise SpecError(found, "forks up to fulu in their order, the first at epoch 0")
    return tuple(Fork(name, Epoch(epoch), bytes((name, 0, 0, 0x50))) for name, epoch in listed)
