# SPDX-License-Identifier: MIT
"""Remotes: paused and retired, taken back, done twice, and cut short."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from relayer.endpoint.administration.decisions import Act
from relayer.endpoint.administration.remotes import reinstate_remote, retire_remote
from relayer.endpoint.administration.site import NotAdministrable, Want
from relayer.endpoint.administration.site import Site as Administrated
from relayer.endpoint.apply import Moment, Progress
from tests.support.administration import DELAY_S, Killed, Site, acts, pausing
from tests.support.relaynet import count_pending


async def test_a_guardian_pauses_at_once_and_an_admin_lifts_it_after_the_delay(site: Site) -> None:
    pause, unpause = pausing(pause=True), pausing(pause=False)
    assert acts(await site.run(pause)) == [Act.CALL]
    assert (await site.remote()).is_paused
    # Twice is a no-op that says so.
    again = await site.run(pause)
    assert acts(again) == [Act.NOTHING]
    assert "paused on court already" in again.findings[0].found
    scheduled = await site.run(unpause)
    assert acts(scheduled) == [Act.SCHEDULE]
    assert scheduled.decisions[0].permission.delay_s == DELAY_S
    assert acts(await site.run(unpause)) == [Act.WAIT]
    # Somebody who may not is told who may, and schedules nothing.
    stranger = await site.plan(unpause, key=site.key(3))
    assert acts(stranger) == [Act.REFUSED]
    assert site.key().address.hex() in stranger.findings[0].expected
    await site.wait(unpause)
    assert acts(await site.run(unpause)) == [Act.EXECUTE]
    assert not (await site.remote()).is_paused
    assert acts(await site.run(unpause)) == [Act.NOTHING]


async def test_what_is_scheduled_is_taken_back_and_is_nothing_to_execute_afterwards(site: Site) -> None:
    pause, unpause = pausing(pause=True), pausing(pause=False)
    await site.run(pause)
    assert acts(await site.run(unpause, cancel=True)) == [Act.NOTHING]
    await site.run(unpause)
    assert acts(await site.plan(unpause, cancel=True, key=site.key(3))) == [Act.REFUSED]
    assert acts(await site.run(unpause, cancel=True)) == [Act.CANCEL]
    assert not (await site.look()).access.operations
    await asyncio.sleep(DELAY_S + 1)
    assert acts(await site.plan(unpause)) == [Act.SCHEDULE]
    assert (await site.remote()).is_paused


@pytest.mark.parametrize("moment", [Moment.SENDING, Moment.DONE])
async def test_a_command_that_is_killed_goes_on_where_it_was_and_sends_nothing_twice(
    site: Site, moment: Moment
) -> None:
    def kill(progress: Progress) -> None:
        if progress.moment is moment:
            raise Killed

    pause, unpause = pausing(pause=True), pausing(pause=False)
    await site.run(pause)
    before = await count_pending(site.nodes["court"], site.key().address)
    with pytest.raises(Killed):
        await site.run(unpause, on_progress=kill)
    record = site.manifest.get("court")
    assert record is not None
    (kept,) = record.pending
    assert kept.step.startswith("administer:schedule remote unpause")
    # The same command again takes it up, and finds what it did on the chain.
    assert acts(await site.run(unpause)) == [Act.WAIT]
    record = site.manifest.get("court")
    assert record is not None
    assert record.pending == ()
    # The process is gone between schedule and execute; the next one executes.
    await site.wait(unpause)
    with pytest.raises(Killed):
        await site.run(unpause, on_progress=kill)
    assert acts(await site.run(unpause)) == [Act.NOTHING]
    assert not (await site.remote()).is_paused
    assert await count_pending(site.nodes["court"], site.key().address) == before + 2


def retiring(last_height: int | None = None, *, cancel: bool = False) -> Want:
    return lambda site: retire_remote(site, "port", last_height, cancel=cancel)


async def reinstating(site: Administrated) -> Any:
    return await reinstate_remote(site, "port")


async def test_a_remote_is_retired_at_a_height_and_reinstated(site: Site) -> None:
    # A height is chosen by people; what is scheduled or done needs none.
    with pytest.raises(NotAdministrable, match="trusts block"):
        await site.plan(retiring())
    assert acts(await site.run(retiring(40))) == [Act.SCHEDULE]
    assert acts(await site.plan(retiring())) == [Act.WAIT]
    other = await site.plan(retiring(41))
    assert acts(other) == [Act.REFUSED]
    assert "lastHeight: 40" in other.findings[0].found
    assert acts(await site.run(retiring(cancel=True), cancel=True)) == [Act.CANCEL]
    scheduled = await site.run(retiring(41))
    assert "From court to port: 0 of 0 messages" in " ".join(scheduled.decisions[0].change.compare)
    await site.wait(retiring())
    assert acts(await site.run(retiring())) == [Act.EXECUTE]
    retired = await site.remote()
    assert (retired.is_retired, retired.last_height) == (True, 41)
    assert acts(await site.plan(retiring())) == [Act.NOTHING]
    # Another height is another retirement.
    assert acts(await site.plan(retiring(42))) == [Act.SCHEDULE]
    await site.run(reinstating)
    await site.wait(reinstating)
    assert acts(await site.run(reinstating)) == [Act.EXECUTE]
    assert not (await site.remote()).is_retired
    assert acts(await site.plan(reinstating)) == [Act.NOTHING]


async def test_a_remote_with_a_successor_is_retired_for_good(site: Site) -> None:
    look = await site.look()
    remote = replace(await site.remote(), is_retired=True, is_succeeded=True, last_height=40)
    look = replace(look, view=replace(look.view, remotes=(remote,)))
    assert (await retire_remote(look, "port", 40)).changes[0].done
    with pytest.raises(NotAdministrable, match="another endpoint is registered"):
        await retire_remote(look, "port", 41)
    with pytest.raises(NotAdministrable, match="another endpoint is registered"):
        await reinstate_remote(look, "port")
