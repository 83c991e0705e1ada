# SPDX-License-Identifier: MIT
"""Messages: found, told, proven."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec

from relayer.api.cursor import Cursor, read_cursor, write_cursor
from relayer.api.params import Hex20, Hex32, Limit, Moment, to_bytes
from relayer.api.problem import RequestRefused
from relayer.api.route import Asked, Route
from relayer.journal.queries import read_story
from relayer.journal.reading import Reading
from relayer.journal.rows import MICROS_PER_S, Micros, StoredStory
from relayer.journal.search import MessageSearch, search_messages
from relayer.protocol.delivery import DeliveryState, WaitingReason
from relayer.protocol.lane import compute_head
from relayer.protocol.message import ZERO_HEAD
from relayer.views.delivery import journal_delivery_view
from relayer.views.encoding import joined
from relayer.views.message import FoundMessagesView, MessageView, found_message_view, message_view
from relayer.views.proof import MessageProofView, message_proof_view
from relayer.views.story import StoryView, story_view


class SearchParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked for; together they narrow.

    Attributes:
        id: of the message.
        transaction: that sent it on its source, or one of ours that delivers it.
        sender: on the source.
        recipient: on the destination.
        lane: its id.
        state: where it stands.
        reason: what it waits for.
        since: seconds since 1970: the relayer saw it then or later.
        until: seconds since 1970: the relayer saw it before.
        limit: the most messages of one answer.
        cursor: `next` of the answer before.
    """

    id: Hex32 | None = None
    transaction: Hex32 | None = None
    sender: Hex20 | None = None
    recipient: Hex20 | None = None
    lane: Hex32 | None = None
    state: DeliveryState | None = None
    reason: WaitingReason | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class MessageParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message.

    Attributes:
        id: of the message.
    """

    id: Hex32


async def list_messages(asked: Asked[SearchParams]) -> FoundMessagesView:
    """Give the messages that a search finds, the newest first."""
    params = asked.params
    search = MessageSearch(
        message_id=_bytes(params.id),
        tx_hash=_bytes(params.transaction),
        sender=_account(params.sender),
        recipient=_account(params.recipient),
        lane_id=_bytes(params.lane),
        state=params.state,
        reason=params.reason,
        since=_micros(params.since),
        until=_micros(params.until),
    )
    after = None if params.cursor is None else read_cursor(params.cursor)
    page = await asked.served.read(
        partial(search_messages, search=search, limit=params.limit, after=after),
    )
    return FoundMessagesView(
        messages=tuple(found_message_view(found) for found in page.found),
        next=None if page.next is None else write_cursor(page.next),
    )


async def show_message(asked: Asked[MessageParams]) -> dict[str, Any]:
    """Give a message and its story, as `postroad trace` does, without asking a chain."""
    story = await asked.served.read(partial(_require_story, message_id=to_bytes(asked.params.id)))
    return joined(
        message_view(story.stored, story.source, story.destination),
        story_view(story, delivery=journal_delivery_view(story)),
        # Where the fields that logs tell do not hash to it, the journal's id is the one that was asked for.
        {"id": story.stored.leaf},
    )


async def show_proof(asked: Asked[MessageParams]) -> dict[str, Any]:
    """Give a message and what proves that it was sent, as `postroad verify` reads it."""
    gateways = {chain.name: chain.gateway for chain in asked.served.relayer.view().chains}
    return await asked.served.read(
        partial(_read_proof, message_id=to_bytes(asked.params.id), gateways=gateways)
    )


def _require_story(reading: Reading, message_id: bytes) -> StoredStory:
    story = read_story(reading, message_id)
    if story is None:
        raise RequestRefused(
            HTTPStatus.NOT_FOUND,
            "unknown_message",
            f"The journal knows no message 0x{message_id.hex()}.",
            "The relayer knows those of its lanes alone, from the moment on that it sees their blocks.",
        )
    return story


def _read_proof(reading: Reading, message_id: bytes, gateways: dict[str, bytes]) -> dict[str, Any]:
    story = _require_story(reading, message_id)
    stored, proof = story.stored, story.proof
    if proof is None:
        raise RequestRefused(
            HTTPStatus.CONFLICT,
            "not_proven",
            f"The message is {story.state.value}; no verified header covers it yet.",
            "Ask again when its state is proven.",
        )
    sequence = int(stored.message.sequence)
    first = max(0, sequence - 1)
    known = reading.messages(stored.lane, first, proof.last)
    previous_head = ZERO_HEAD if sequence == 0 else known[0].head
    later = [row for row in known if row.message.sequence > sequence]
    if compute_head(previous_head, (stored.leaf, *(row.leaf for row in later))) != proof.head:
        raise RequestRefused(
            HTTPStatus.CONFLICT,
            "incomplete",
            "The journal has not all messages between this one and the proven head.",
            "Ask again: they are read anew.",
        )
    return joined(
        message_view(stored, story.source, story.destination),
        message_proof_view(
            stored, proof, previous_head=previous_head, later=later, gateway=gateways.get(story.source)
        ),
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else to_bytes(text)


def _account(text: str | None) -> bytes | None:
    # The journal has EVM accounts as leaves do, left-padded to 32 bytes.
    return None if text is None else to_bytes(text).rjust(32, b"\0")


def _micros(seconds: float | None) -> Micros | None:
    return None if seconds is None else Micros(int(seconds * MICROS_PER_S))


ROUTES: Final = (
    Route(
        "/v1/messages",
        "list_messages",
        "Search messages, the newest first.",
        list_messages,
        views=(FoundMessagesView,),
        params=SearchParams,
    ),
    Route(
        "/v1/messages/{id}",
        "show_message",
        "One message and its story.",
        show_message,
        views=(MessageView, StoryView),
        params=MessageParams,
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Route(
        "/v1/messages/{id}/proof",
        "show_proof",
        "What proves that the message was sent, to be verified elsewhere.",
        show_proof,
        views=(MessageView, MessageProofView),
        params=MessageParams,
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
)
