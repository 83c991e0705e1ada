# SPDX-License-Identifier: MIT
"""Messages are found, told and proven; what is asked for wrongly is told by its name."""

from __future__ import annotations

import pytest

from relayer.protocol.lane import heads_slot
from relayer.protocol.message import next_head
from relayer.views.delivery import journal_delivery_view
from relayer.views.encoding import joined, to_plain
from relayer.views.message import message_view
from relayer.views.story import story_view
from tests.support.api import StillRelayer, serving
from tests.unit.api.relayed import Relayed

pytestmark = pytest.mark.network

UNKNOWN = "0x" + "77" * 32


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


async def test_messages_are_found_newest_first_with_where_they_stand(relayed: Relayed) -> None:
    async with serving(relayed.relayer) as client:
        page = (await client.ask("/v1/messages")).json
        assert page["next"] is None
        ids = [hexed(message.id) for message in (relayed.waiting, *reversed(relayed.confirmed))]
        assert [found["id"] for found in page["messages"]] == ids
        newest = page["messages"][0]
        assert (newest["source"], newest["destination"], newest["sequence"]) == ("a", "b", 3)
        assert (newest["state"], newest["waiting"]["reason"]) == ("observed", "finality")
        assert newest["payload_bytes"] == len(relayed.waiting.payload)
        assert page["messages"][1]["state"] == "confirmed"
        assert page["messages"][1]["waiting"] is None


async def test_pieces_join_by_their_cursors(relayed: Relayed) -> None:
    async with serving(relayed.relayer) as client:
        everything = (await client.ask("/v1/messages")).json["messages"]
        joined_up, cursor = [], ""
        while True:
            page = (await client.ask(f"/v1/messages?limit=3{cursor}")).json
            joined_up += page["messages"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert joined_up == everything
        made_up = (await client.ask(f"/v1/messages?cursor={'_' * 32}")).json
        assert made_up == {"messages": [], "next": None}


async def test_each_field_narrows(relayed: Relayed) -> None:
    message = relayed.confirmed[1]
    sender, recipient = hexed(message.sender[12:]), hexed(message.recipient[12:])
    async with serving(relayed.relayer) as client:

        async def count(query: str) -> int:
            return len((await client.ask(f"/v1/messages?{query}")).json["messages"])

        assert await count(f"id={hexed(message.id)}") == 1
        assert await count(f"id={UNKNOWN}") == 0
        assert await count(f"sender={sender}&recipient={recipient}&lane={hexed(message.lane_id)}") == 4
        assert await count(f"sender={UNKNOWN[:42]}") == 0
        assert await count("state=confirmed") == 3
        assert await count("reason=finality") == 1
        assert await count("since=1") == 4
        assert await count("until=1.5") == 0
        (story,) = (
            step
            for step in (await client.ask(f"/v1/messages/{hexed(message.id)}")).json["steps"]
            if step["state"] == "submitted"
        )
        assert await count(f"transaction={story['tx_hash']}") == 3


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("cursor=zzz", "cursor: Expected `str` of length >= 32"),
        ("cursor=" + "=" * 32, "cursor: Expected `str` matching regex '^[A-Za-z0-9_-]{32}$'"),
        ("id=0x12", "id: Expected `str` of length >= 66"),
        ("id=" + "0x" + "g" * 64, "id: Expected `str` matching regex '^0x[0-9a-fA-F]{64}$'"),
        ("limit=0", "limit: Expected `int` >= 1"),
        ("limit=501", "limit: Expected `int` <= 500"),
        ("limit=many", "limit: Expected `int`, got `str`"),
        ("state=lost", "state: Invalid enum value 'lost'"),
        ("since=-1", "since: Expected `float` >= 0.0"),
        ("since=nan", "since: Expected `float` >= 0.0"),
        ("since=inf", "since: Expected `float` <= 8796093022208.0"),
        ("until=8796093022209", "until: Expected `float` <= 8796093022208.0"),
        ("since=null", "since: found no value, expected one, or no such parameter"),
        ("limit=1&limit=2", "limit is given twice, expected once"),
        ("colour=red", "found the unknown parameter `colour`"),
    ],
)
async def test_a_wrong_parameter_is_told_by_its_name(relayer: StillRelayer, query: str, detail: str) -> None:
    async with serving(relayer) as client:
        assert await client.problem(f"/v1/messages?{query}") == (400, "invalid_parameter", detail)


async def test_a_message_is_told_as_trace_tells_it(relayed: Relayed) -> None:
    message = relayed.confirmed[0]
    story = relayed.network.journal.story(message.id)
    assert story is not None
    async with serving(relayed.relayer) as client:
        told = (await client.ask(f"/v1/messages/{hexed(message.id)}")).json
        assert told == joined(
            message_view(story.stored, "a", "b"), story_view(story, delivery=journal_delivery_view(story))
        )
        assert [step["state"] for step in told["steps"]][-1] == "confirmed"
        assert told["delivery"]["told_by"] == "journal"
        assert await client.problem(f"/v1/messages/{UNKNOWN}") == (
            404,
            "unknown_message",
            f"The journal knows no message {UNKNOWN}.",
        )
        assert (await client.problem("/v1/messages/7"))[:2] == (400, "invalid_parameter")


async def test_the_proof_of_a_message_leads_from_a_header_to_it(relayed: Relayed) -> None:
    """INV-1: whoever verifies the storage proof and hashes the ids has the message proven."""
    message = relayed.confirmed[1]
    async with serving(relayed.relayer) as client:
        proof = (await client.ask(f"/v1/messages/{hexed(message.id)}/proof")).json
        assert proof["slot"] == hexed(heads_slot(message.lane_id, 0))
        assert proof["gateway"] == hexed(relayed.network.chains["a"].gateway)
        head = bytes.fromhex(proof["previous_head"][2:])
        for leaf in (proof["id"], *proof["later"]):
            head = next_head(head, bytes.fromhex(leaf[2:]))
        assert hexed(head) == proof["head"]
        assert len(proof["later"]) == 1
        assert proof["height"] >= 1
        first = (await client.ask(f"/v1/messages/{hexed(relayed.confirmed[0].id)}/proof")).json
        assert first["previous_head"] == "0x" + "00" * 32
        assert await client.problem(f"/v1/messages/{hexed(relayed.waiting.id)}/proof") == (
            409,
            "not_proven",
            "The message is observed; no verified header covers it yet.",
        )
        assert (await client.problem(f"/v1/messages/{UNKNOWN}/proof"))[:2] == (404, "unknown_message")


async def test_a_proof_that_the_journal_has_not_whole_is_none(relayed: Relayed) -> None:
    journal = relayed.network.journal
    with journal.reading() as reading:
        (row,) = (lane.row for lane in reading.lanes() if lane.source == "a")
    await journal.commit(lambda writing: writing.discard_messages(row, 2))
    async with serving(relayed.relayer) as client:
        assert await client.problem(f"/v1/messages/{hexed(relayed.confirmed[1].id)}/proof") == (
            409,
            "incomplete",
            "The journal has not all messages between this one and the proven head.",
        )


async def test_what_the_pipeline_knows_is_shown_as_its_views(relayed: Relayed) -> None:
    shown = relayed.relayer.shown
    async with serving(relayed.relayer) as client:
        assert (await client.ask("/v1/chains")).json == to_plain(shown.chains)
        assert (await client.ask("/v1/lanes")).json == to_plain(shown.lanes)
        assert (await client.ask("/v1/clients")).json == to_plain(shown.clients)
        accounts = (await client.ask("/v1/accounts")).json
        assert [account["chain"] for account in accounts] == [
            chain.name for chain in shown.chains for _ in chain.accounts
        ]
        assert accounts[0]["address"] == hexed(shown.chains[0].accounts[0].address)
        policies = (await client.ask("/v1/policies")).json
        assert [policy["chain"] for policy in policies] == ["a", "b"]
        assert policies[0]["max_batch_messages"] == shown.chains[0].policy.max_batch_messages
        assert (await client.problem("/v1/lanes?colour=red"))[:2] == (400, "invalid_parameter")
