# SPDX-License-Identifier: MIT
"""Following a real network by consensus alone:
`light_clients.ethereum` over what a node's Beacon API serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import aiohttp

from light_clients.client import Timestamp
from light_clients.errors import Rejection
from light_clients.ethereum.config import ForkName, NetworkConfig, Period
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
)
from light_clients.ethereum.fork_upgrade import upgrade_lc_store
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    initialize_light_client_store,
    process_light_client_finality_update,
    process_light_client_update,
)
from tests.live.beacon import BeaconNode
from tests.live.oracle import Case, Json, Step
from tests.live.processes import ProgramError

_POLL_S = 1.0


@dataclass
class Followed:
    """What a light client saw.

    Attributes:
        bootstrap, bootstrap_root: what it began with, as the node served it.
        steps: every object that it was given, as served, with whether it was accepted.
        rejections: reasons of those that were not. A node may serve what is not newer than what is known;
            nothing else.
        periods: whose committees signed what was accepted.
        forks: of the finalized headers.
    """

    config: NetworkConfig
    bootstrap: Json
    bootstrap_root: bytes
    store: LightClientStore
    steps: list[Step] = field(default_factory=list)
    rejections: list[str] = field(default_factory=list)
    periods: set[int] = field(default_factory=set)
    forks: set[ForkName] = field(default_factory=set)
    participants: set[int] = field(default_factory=set)

    @property
    def finalized_period(self) -> Period:
        """The period of the finalized header."""
        return self.config.period_at(self.store.finalized_header.beacon.slot)

    def case(self, name: str, current_slot: int) -> Case:
        """All of it, for another light client to judge."""
        return Case(name, self.config, self.bootstrap, tuple(self.steps), current_slot, self.bootstrap_root)


async def begin(node: BeaconNode, config: NetworkConfig) -> Followed:
    """Wait for the first finality, and take the finalized block for the checkpoint."""
    while (found := await _finalized(node)) is None:
        node.program.check()
        await asyncio.sleep(_POLL_S)
    root, given = found
    bootstrap = LightClientBootstrap.from_versioned_json(given, config.preset)
    trusted = bytes.fromhex(root[2:])
    store = initialize_light_client_store(trusted, bootstrap, config)
    fork = config.fork_at_slot(bootstrap.header.beacon.slot).name
    return Followed(config, given, trusted, store, forks={fork})


async def _finalized(node: BeaconNode) -> tuple[str, Json] | None:
    checkpoints = await node.get("/eth/v1/beacon/states/head/finality_checkpoints")
    root: str = checkpoints["data"]["finalized"]["root"]
    if not int(root, 16):
        return None
    try:
        return root, await node.get(f"/eth/v1/beacon/light_client/bootstrap/{root}")
    except ProgramError:
        # Some nodes have it a little later than they name it.
        return None


async def follow(node: BeaconNode, seen: Followed) -> None:
    """Follow until cancelled: the next committee of each period, and each new finality."""
    while True:
        node.program.check()
        with contextlib.suppress(aiohttp.ClientError, ProgramError):
            if seen.store.next_sync_committee is None:
                await _take_update(node, seen)
            await _take_finality(node, seen)
        await asyncio.sleep(_POLL_S)


async def _take_update(node: BeaconNode, seen: Followed) -> None:
    period = seen.finalized_period
    path = f"/eth/v1/beacon/light_client/updates?start_period={period}&count=1"
    for given in await node.get(path):
        update = LightClientUpdate.from_versioned_json(given, seen.config.preset)
        # Its committee is final only where its finalized header lies in the same period: earlier it is no
        # news.
        if seen.config.period_at(update.finalized_header.beacon.slot) == period:
            _process(seen, "update", given, update)


async def _take_finality(node: BeaconNode, seen: Followed) -> None:
    given = await node.get("/eth/v1/beacon/light_client/finality_update")
    update = LightClientFinalityUpdate.from_versioned_json(given, seen.config.preset)
    signed_in = seen.config.period_at(update.signature_slot)
    known = seen.finalized_period + (seen.store.next_sync_committee is not None)
    newer = update.finalized_header.beacon.slot > seen.store.finalized_header.beacon.slot
    if newer and signed_in <= known:
        _process(seen, "finality", given, update)


def _process(
    seen: Followed, kind: str, given: Json, update: LightClientUpdate | LightClientFinalityUpdate
) -> None:
    config = seen.config
    now = config.slot_at(Timestamp(int(time.time())))
    process = (
        process_light_client_update
        if isinstance(update, LightClientUpdate)
        else process_light_client_finality_update
    )
    seen.steps.append((kind, given))
    fork = config.fork_at_slot(update.attested_header.beacon.slot).name
    try:
        seen.store = process(upgrade_lc_store(seen.store, fork, config), update, now, config)  # type: ignore[arg-type]
    except Rejection as reason:
        seen.rejections.append(f"{kind} of slot {update.attested_header.beacon.slot}: {reason}")
        return
    seen.periods.add(config.period_at(update.signature_slot))
    seen.participants.add(update.sync_aggregate.participants)
    seen.forks.add(config.fork_at_slot(seen.store.finalized_header.beacon.slot).name)
