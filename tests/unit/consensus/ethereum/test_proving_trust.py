# SPDX-License-Identifier: MIT
"""What a light client trusts, compared with the beacon chain's own committees, as far as nodes show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from light_clients.client import Status
from light_clients.ethereum.config import NetworkConfig, Period, Slot
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientUpdate,
)
from relayer.consensus.ethereum.contract import EthereumClientView
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.ethereum.proving_trust import compare_committees
from relayer.consensus.findings import Finding, Severity
from relayer.errors import NotFoundYet
from tests.support.ethereum import PERIOD, World

T = TypeVar("T")
FORGED = b"\x01" * 32
FAR = 10**6


@dataclass
class Told:
    """What a node tells of the world: updates of some periods, and bootstraps of slots from one on."""

    world: World
    periods: Callable[[Period], bool] = lambda period: True
    first_slot: int = 0
    knows_finality: bool = True

    @property
    def network(self) -> NetworkConfig:
        return self.world.network

    async def finality_update(self) -> LightClientFinalityUpdate:
        found = self.world.chain.finality_update()
        if found is None or not self.knows_finality:
            raise NotFoundYet("nothing is final")
        return found

    async def header(self, name: str) -> BeaconBlock:
        block = self.world.chain.block_at(Slot(int(name))) if int(name) >= self.first_slot else None
        if block is None:
            raise NotFoundYet(f"no block of slot {name}")
        return block

    async def checked_bootstrap(self, root: bytes, check: Callable[[LightClientBootstrap], T]) -> T:
        found = self.world.chain.bootstrap(root)
        if found is None:
            raise NotFoundYet("no bootstrap")
        return check(found)

    async def checked_updates(
        self, start: Period, count: int, check: Callable[[tuple[LightClientUpdate, ...]], T]
    ) -> T:
        return check(self.world.chain.updates(start, count) if self.periods(start) else ())


@pytest.fixture
def grown(world: World) -> World:
    """A chain in its third period."""
    world.advance(2 * PERIOD + PERIOD // 2)
    return world


def client(world: World, slot: int | None = None, **change: Any) -> EthereumClientView:
    """A client that trusts the committee of a slot; without one, of what is final now."""
    newest = world.chain.finality_update()
    assert newest is not None
    height = newest.finalized_header.beacon.slot if slot is None else Slot(slot)
    committee = world.chain.committee(world.network.period_at(height)).hash_tree_root()
    view = EthereumClientView(
        contract="EthereumLightClient",
        address=b"\x05" * 20,
        status=Status.ACTIVE,
        height=height,
        timestamp=world.network.timestamp_at(height),
        trusting_period_s=77,
        max_clock_drift_s=30,
        authority=b"\x06" * 20,
        parameters=(),
        committee=committee,
        next_committee=None,
    )
    return replace(view, **change)


async def prove(told: Told, view: EthereumClientView) -> Finding:
    (finding,) = await compare_committees("eth → court", "eth", told, view)  # type: ignore[arg-type]
    return finding


async def test_the_chains_own_committees_are_fine_also_those_of_the_past(grown: World) -> None:
    following = grown.chain.committee(Period(2)).hash_tree_root()
    for view in (
        client(grown),
        client(grown, PERIOD + 1),
        client(grown, PERIOD + 1, next_committee=following),
    ):
        assert (await prove(Told(grown), view)).severity is Severity.OK


@pytest.mark.parametrize("change", [{"committee": FORGED}, {"next_committee": FORGED}])
async def test_a_committee_that_never_was_is_refused(grown: World, change: dict[str, Any]) -> None:
    """INV-7: a client that lags and one that was hijacked both trust a committee that does not sign now."""
    finding = await prove(Told(grown), client(grown, PERIOD + 1, **change))
    assert finding.severity is Severity.REFUSAL
    assert f"trusts the committee 0x{FORGED.hex()}" in finding.found
    assert "forges every message" in finding.advice


async def test_a_slot_that_is_not_final_yet_is_a_warning_where_its_committee_is_right(grown: World) -> None:
    finding = await prove(Told(grown), client(grown, grown.slot + 1))
    assert finding.severity is Severity.WARNING
    assert "is the newest finalized one" in finding.found


async def test_of_what_no_node_shows_only_the_committee_that_signs_now_is_believed(grown: World) -> None:
    """A slot that no node shows is what a forger would choose."""
    now = client(grown)
    told = Told(grown, periods=lambda period: period == 2)
    far = await prove(told, replace(now, height=now.height + FAR))
    assert far.severity is Severity.WARNING
    assert "signs now" in far.advice
    changes: tuple[dict[str, Any], ...] = ({"committee": FORGED}, {"next_committee": now.committee})
    for change in changes:
        refused = await prove(told, replace(now, height=now.height + FAR, **change))
        assert refused.severity is Severity.REFUSAL, change
        assert "may never have existed" in refused.advice
        assert "forges every message" in refused.advice


async def test_a_next_committee_that_no_node_shows_is_refused(grown: World) -> None:
    view = client(grown, next_committee=FORGED)
    assert (await prove(Told(grown, periods=lambda period: period < 2), view)).severity is Severity.REFUSAL


async def test_where_nobody_tells_who_signs_now_nothing_is_believed(grown: World) -> None:
    told = Told(grown, periods=lambda period: False, first_slot=FAR, knows_finality=False)
    assert (await prove(told, client(grown))).severity is Severity.REFUSAL
