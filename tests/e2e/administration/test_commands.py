# SPDX-License-Identifier: MIT
"""The commands themselves: what they print, how they exit, and the how-to of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from relayer.consensus.findings import Severity
from relayer.endpoint.steps import ADMIN_ROLE, GUARDIAN_ROLE
from relayer.protocol.lane import Lane
from relayer.protocol.message import EndpointId
from tests.support.administration import CHANNEL, DELAY_S, Site


async def test_the_commands_speak_json_and_exit_as_they_say(site: Site) -> None:
    site.write_files(other=3)
    admin = "0x" + site.key().address.hex()

    roles = await site.cli("roles", "list", "court")
    assert {
        (function, rule["role"], member["account"], member["delay_s"])
        for rule in roles["rules"]
        for function in rule["functions"]
        for member in rule["members"]
        if function in {"replaceClient", "pauseRemote"}
    } == {("replaceClient", ADMIN_ROLE, admin, DELAY_S), ("pauseRemote", GUARDIAN_ROLE, admin, 0)}
    # Nobody is there to ask; a dry run asks nobody and sends nothing.
    assert (await site.cli("remote", "pause", "court", "port", code=2))["error"]["expected"] == "--yes"
    dry = await site.cli("remote", "pause", "court", "port", "--dry-run")
    assert (dry["applied"], dry["changes"][0]["act"], dry["changes"][0]["role"]) == (
        False,
        "call",
        GUARDIAN_ROLE,
    )
    assert not (await site.remote()).is_paused
    done = await site.cli("remote", "pause", "court", "port", "--yes")
    assert (done["applied"], len(done["transactions"])) == (True, 1)
    again = await site.cli("remote", "pause", "court", "port", "--yes")
    assert (again["applied"], again["changes"][0]["act"]) == (False, "nothing")

    # Without a key: the only admin is who will send it.
    printed = await site.cli("remote", "unpause", "court", "port", "--print-call")
    assert printed["account"] == admin
    assert [call["name"] for call in printed["calls"]] == ["schedule", "execute"]
    batch = printed["calls"][0]["batch"]
    assert batch["chainId"] == str(site.chains["court"].chain_id)
    (transaction,) = batch["transactions"]
    assert (transaction["to"], transaction["value"]) == (printed["calls"][0]["target"], "0")
    assert transaction["data"] == printed["calls"][0]["data"]
    scheduled = await site.cli("remote", "unpause", "court", "port", "--yes")
    assert scheduled["changes"][0]["act"] == "schedule"
    assert scheduled["changes"][0]["ready_at"] > 0
    stranger = await site.cli("remote", "unpause", "court", "port", "--yes", "--key", "other", code=5)
    assert stranger["refused"]
    cancelled = await site.cli("remote", "unpause", "court", "port", "--cancel", "--yes")
    assert cancelled["changes"][0]["act"] == "cancel"
    lane = await site.cli("lane", "pause", "port", "court", "--inbound", "--yes")
    assert (lane["chain"], lane["changes"][0]["act"]) == ("court", "call")
    assert (await site.cli("client", "replace", "port", "court", "--force", "--print-call", code=2))["error"]
    deployed = await site.cli(
        "client", "replace", "port", "court", "--force", "--deploy-only", "--key", "other", "--yes"
    )
    assert deployed["applied"]
    named = await site.cli("client", "replace", "port", "court", "--force", "--print-call")
    assert [call["name"] for call in named["calls"]] == ["schedule", "execute"]
    assert await site.cli("client", "bootstrap", "port", "court", "--yes")
    await site.cli("remote", "pause", "court", "nowhere", "--yes", code=3)
    await site.cli("roles", "grant", "court", "emperor", admin, "--yes", code=5)
    revoked = await site.cli("roles", "revoke", "court", "admin", admin, "--yes", code=5)
    assert any(finding["severity"] == Severity.REFUSAL.value for finding in revoked["findings"])


PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "administrate-an-endpoint.md"


async def test_the_how_to_can_be_followed_word_for_word(site: Site) -> None:
    site.write_files(**{"on-call": 1, "app-owner": 2})
    addresses = {"ON_CALL": site.key(1), "APP_OWNER": site.key(2), "SAFE": site.key(3), "APP": site.key(4)}
    words = {name: "0x" + key.address.hex() for name, key in addresses.items()}
    words["CHANNEL"] = "0x" + CHANNEL.hex()
    lines = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    postroad ")]
    assert len(lines) > 30
    for line in lines:
        command, _, comment = line.partition("#")
        given = [words.get(word.removeprefix("$"), word) for word in command.split()[1:]]
        is_reading = given[1] in {"list", "status"} or "--print-call" in given
        if is_reading:
            await site.cli(*given)
            continue
        change = await site.next_change(given)
        for _ in range(20):
            if change["act"] != "wait" or not comment.strip().startswith("after the delay"):
                break
            await asyncio.sleep(0.5)
            change = await site.next_change(given)
        assert change["act"] == expected_act(line), (line, change)
    # What the page says that it did.
    look, remote = await site.look(), await site.remote()
    assert remote.is_paused
    assert not remote.is_retired
    assert {member.account for member in look.access.role(ADMIN_ROLE).members} >= {addresses["SAFE"].address}
    assert [member.account for member in look.access.role(GUARDIAN_ROLE).members] == [site.key().address]
    lane = Lane(EndpointId(look.view.own_id), EndpointId(remote.endpoint_id), CHANNEL)
    owner, _ = await look.reader.ask(look.gateway, "Gateway", "laneOwner", lane.id)
    assert owner == words["ON_CALL"]


def expected_act(line: str) -> str:
    """What a line of the page does, by what the page says of it, and whose it is."""
    command, _, comment = line.partition("#")
    if comment.strip().startswith("after the delay"):
        return "execute"
    if "nothing to do" in comment:
        return "nothing"
    if "--cancel" in command:
        return "cancel"
    of_an_owner = "channel" in command and " open " not in command
    return "call" if of_an_owner or " pause " in command else "schedule"
