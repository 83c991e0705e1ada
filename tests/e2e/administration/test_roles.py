# SPDX-License-Identifier: MIT
"""Roles: granted and revoked after the delay, by a key that is here or by a printed call."""

from __future__ import annotations

import asyncio

from relayer.contracts import load
from relayer.endpoint.access import PUBLIC_ROLE
from relayer.endpoint.administration.decisions import Act, printed_calls
from relayer.endpoint.administration.roles import grant_role, revoke_role
from relayer.endpoint.administration.site import Want
from relayer.endpoint.steps import ADMIN_ROLE
from tests.support.administration import DELAY_S, Site, acts, pausing


def granting(role: str, account: bytes) -> Want:
    return lambda site: grant_role(site, role, account, None)


def revoking(role: str, account: bytes, *, force: bool = False) -> Want:
    return lambda site: revoke_role(site, role, account, force=force)


async def test_a_printed_call_sent_by_another_account_with_the_role_has_the_effect(site: Site) -> None:
    other = site.key(1)
    grant = granting("admin", other.address)
    assert acts(await site.run(grant)) == [Act.SCHEDULE]
    await site.wait(grant)
    assert acts(await site.run(grant)) == [Act.EXECUTE]
    admins = (await site.look()).access.role(ADMIN_ROLE).members
    assert {member.account: member.delay_s for member in admins}[other.address] == DELAY_S
    assert acts(await site.run(grant)) == [Act.NOTHING]

    # As a multisig: only the printed bytes are sent, and not by us.
    await site.run(pausing(pause=True))
    plan = await site.plan(pausing(pause=False), key=other)
    assert acts(plan) == [Act.SCHEDULE]
    schedule, execute = printed_calls(plan.decisions[0], plan.site.view.authority, other.address)
    await site.send(other, schedule.target, schedule.data)
    # The first admin finds it scheduled, and schedules nothing beside it.
    waiting = await site.plan(pausing(pause=False))
    assert acts(waiting) == [Act.WAIT]
    assert other.address.hex() in waiting.findings[0].found
    await site.wait(pausing(pause=False), key=other)
    await site.send(other, execute.target, execute.data)
    assert not (await site.remote()).is_paused


async def test_the_last_admin_stays_and_nobody_is_granted_what_everybody_has(site: Site) -> None:
    mine = site.key().address
    last = await site.plan(revoking("admin", mine))
    assert last.is_refused
    assert not last.steps
    assert not (await site.plan(revoking("admin", mine, force=True))).is_refused
    assert (await site.plan(granting(str(PUBLIC_ROLE), mine))).is_refused
    # A guardian is another matter: it is revoked after the delay, and a second time nothing is left.
    revoke = revoking("guardian", mine)
    await site.run(revoke)
    await site.wait(revoke)
    assert acts(await site.run(revoke)) == [Act.EXECUTE]
    assert acts(await site.run(revoke)) == [Act.NOTHING]
    assert acts(await site.plan(pausing(pause=True))) == [Act.REFUSED]


async def test_a_role_without_functions_gets_them_with_its_first_member(site: Site) -> None:
    grant = granting("channel-opener", site.key(1).address)
    plan = await site.run(grant)
    assert acts(plan) == [Act.SCHEDULE, Act.SCHEDULE]
    for _ in range(100):
        if acts(await site.plan(grant)) == [Act.EXECUTE, Act.EXECUTE]:
            break
        await asyncio.sleep(0.1)
    assert acts(await site.run(grant)) == [Act.EXECUTE, Act.EXECUTE]
    assert acts(await site.run(grant)) == [Act.NOTHING]
    administrated = await site.look()
    selector = load("Gateway").selector("openChannel")
    can = await administrated.reader.ask(
        administrated.view.authority,
        "AccessManager",
        "canCall",
        site.key(1).address,
        administrated.gateway,
        selector,
    )
    assert can == (True, 0)
