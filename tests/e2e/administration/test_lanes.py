# SPDX-License-Identifier: MIT
"""Lanes: paused at either end; and channels, which belong to their owners."""

from __future__ import annotations

from typing import Any

import pytest

from relayer.endpoint.administration.channels import (
    accept_channel,
    allow_sender,
    open_channel,
    transfer_channel,
)
from relayer.endpoint.administration.decisions import Act, printed_calls
from relayer.endpoint.administration.lanes import pause_lane
from relayer.endpoint.administration.remotes import pause_remote
from relayer.endpoint.administration.site import NotAdministrable, Want
from relayer.endpoint.administration.site import Site as Administrated
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId
from tests.support.administration import CHANNEL, Site, acts


@pytest.mark.parametrize("inbound", [False, True])
async def test_a_lane_is_paused_at_either_end(site: Site, inbound: bool) -> None:
    def want(*, pause: bool) -> Want:
        return lambda site: pause_lane(site, "port", pause=pause, inbound=inbound)

    assert acts(await site.plan(want(pause=False))) == [Act.NOTHING]
    assert acts(await site.run(want(pause=True))) == [Act.CALL]
    assert acts(await site.run(want(pause=True))) == [Act.NOTHING]
    administrated = await site.look()
    own, other = EndpointId(administrated.view.own_id), EndpointId((await site.remote()).endpoint_id)
    lane = await administrated.reader.ask(
        administrated.gateway, "Gateway", "outboundLane", Lane(own, other).id
    )
    assert lane[2] is not inbound
    assert acts(await site.run(want(pause=False))) == [Act.SCHEDULE]
    await site.wait(want(pause=False))
    assert acts(await site.run(want(pause=False))) == [Act.EXECUTE]
    assert acts(await site.plan(want(pause=False))) == [Act.NOTHING]


async def test_a_lane_that_is_not_open_can_not_be_paused(site: Site) -> None:
    with pytest.raises(NotAdministrable, match="no lane"):
        await pause_lane(await site.look(), "port", pause=True, channel=b"\x01" * 32)
    with pytest.raises(NotAdministrable, match="not registered"):
        await pause_remote(await site.look(), "0x" + "77" * 32, pause=True)


async def test_a_channel_is_opened_for_its_owner_who_allows_and_hands_it_over(site: Site) -> None:
    owner, heir, sender = site.key(1), site.key(2), b"\x55" * 20

    async def opening(site: Administrated) -> Any:
        return await open_channel(site, "port", CHANNEL, owner.address)

    def allowing(*, allow: bool) -> Want:
        return lambda site: allow_sender(site, "port", CHANNEL, sender, allow=allow)

    def offering(account: bytes) -> Want:
        return lambda site: transfer_channel(site, "port", CHANNEL, account)

    async def accepting(site: Administrated) -> Any:
        return await accept_channel(site, "port", CHANNEL)

    async def ask(function: str, *arguments: object) -> Any:
        look = await site.look()
        lane = Lane(EndpointId(look.view.own_id), EndpointId((await site.remote()).endpoint_id), CHANNEL)
        return await look.reader.ask(look.gateway, "Gateway", function, lane.id, *arguments)

    def shown(*accounts: bytes) -> tuple[str, ...]:
        return tuple("0x" + account.hex() for account in accounts)

    with pytest.raises(NotAdministrable, match="no channel"):
        await site.plan(allowing(allow=True))
    with pytest.raises(NotAdministrable, match="public lane"):
        await open_channel(await site.look(), "port", bytes(32), owner.address)
    # Through the manager, which calls in the end: the channel belongs to whom its opener names all the same.
    assert acts(await site.run(opening)) == [Act.SCHEDULE]
    await site.wait(opening)
    assert acts(await site.run(opening)) == [Act.EXECUTE]
    assert await ask("laneOwner") == shown(owner.address, bytes(20))
    assert acts(await site.run(opening)) == [Act.NOTHING]

    # Nobody but the owner, whom nothing delays.
    refused = await site.plan(allowing(allow=True))
    assert acts(refused) == [Act.REFUSED]
    assert owner.address.hex() in refused.findings[0].expected
    assert acts(await site.run(allowing(allow=True), key=owner)) == [Act.CALL]
    assert await ask("isSenderAllowed", sender)
    assert acts(await site.run(allowing(allow=True), key=owner)) == [Act.NOTHING]
    assert acts(await site.run(allowing(allow=False), key=owner)) == [Act.CALL]
    assert not await ask("isSenderAllowed", sender)

    assert acts(await site.run(offering(sender), key=owner)) == [Act.CALL]
    assert acts(await site.run(offering(owner.address), key=owner)) == [Act.CALL]
    assert await ask("laneOwner") == shown(owner.address, bytes(20))
    assert acts(await site.run(offering(owner.address), key=owner)) == [Act.NOTHING]
    assert acts(await site.run(offering(heir.address), key=owner)) == [Act.CALL]
    assert acts(await site.run(offering(heir.address), key=owner)) == [Act.NOTHING]
    assert acts(await site.plan(accepting, key=owner)) == [Act.REFUSED]
    # As a multisig: the printed bytes, and nothing else.
    plan = await site.plan(accepting, key=heir)
    (call,) = printed_calls(plan.decisions[0], plan.site.view.authority, heir.address)
    await site.send(heir, call.target, call.data)
    assert await ask("laneOwner") == shown(heir.address, bytes(20))
    assert acts(await site.plan(accepting, key=heir)) == [Act.NOTHING]
