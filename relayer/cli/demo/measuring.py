# SPDX-License-Identifier: MIT
"""Send one message alone and many at once, and read from the journal what they took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from light_clients.client import Height
from light_clients.trust import BY_ANCHOR
from relayer.chains.base import Address, Call
from relayer.chains.evm.read_back import find_anchor, read_delivery
from relayer.cli.demo.console import DemoConsole
from relayer.cli.demo.figures import Figures
from relayer.consensus.open_chain import OpenChain
from relayer.consensus.show import ConsensusShow
from relayer.contracts import load
from relayer.devnet.network.join import LocalRoads
from relayer.errors import ChainUnavailable, PostroadError
from relayer.journal.store import Journal
from relayer.road import Road
from relayer.text import hex_of, short

_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.1


async def measure(
    count: int,
    console: DemoConsole,
    roads: LocalRoads,
    road: Road,
    journal: Journal,
    lane: tuple[str, str],
    show: ConsensusShow,
) -> Figures:
    """Send one message alone, then many at once, and read from the journal what they took.

    Args:
        count: how many are sent at once.
        console: what is done is printed there.
        roads: the joined chains.
        road: the same, in use.
        journal: of their relayer.
        lane: the names of source and destination.
        show: of the source.

    Raises:
        ChainUnavailable: a message was not confirmed in time, or was not sent.
    """
    source, destination = lane
    box = roads.endpoints[destination].postbox
    console.stamped(f"one message alone, {source} → {destination} …")
    alone = await road.send(source, destination, to=box, payload=bytes(32))
    await _await_confirmed(journal, alone.id)
    single = await asyncio.to_thread(_delivery_of, journal, alone.id)
    console.stamped(f"{count} messages in one transaction of a contract that sends many …")
    sender, receiver = await road.chain_to_write(source), road.chain(destination)
    call = load("Multisender").encode_call("sendCounted", receiver.recipient(box), count, 0, [])
    sent = await sender.transact(Call(Address(roads.endpoints[source].multisender), call))
    messages = [
        found.message
        for found in await sender.chain.sent_messages(sent.block_number, sent.block_number)
        if found.tx_hash == sent.tx_hash
    ]
    await _await_confirmed(journal, messages[-1].id)
    deliveries = [await asyncio.to_thread(_delivery_of, journal, message.id) for message in messages]
    used = {delivery.tx_hash: delivery for delivery in deliveries}
    largest = max(used.values(), key=lambda delivery: delivery.messages)
    anchors = await _gas_of_anchors(road.chain(source), receiver, list(used.values()))
    own = await sender.chain.receipt(alone.sent.tx_hash)
    assert own is not None
    if len(messages) != count:
        raise ChainUnavailable(f"{len(messages)} messages in the logs", f"{count}, as sent")
    transactions = f"{len(used)} transaction{'' if len(used) == 1 else 's'}"
    console.good(f"{len(messages)} messages delivered in {transactions}")
    if anchors:
        console.say(f"  Their header was anchored once for all of them ({anchors:,} gas, shared out below).")
    return Figures(
        send=own.gas_used,
        single=single.gas_used if single.messages == 1 else None,
        batch_messages=largest.messages,
        batch_share=largest.gas_used / largest.messages + anchors / len(messages),
        signer_count=show.signer_count,
        source=source,
        consensus=show.consensus,
        checked=show.checked,
    )


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A transaction that delivered, as the journal has it. `height` is of the block that it proved."""

    tx_hash: bytes
    gas_used: int
    messages: int
    height: Height


async def _gas_of_anchors(source: OpenChain, destination: OpenChain, deliveries: list[_Delivery]) -> int:
    """Return what it took to anchor the headers that short proofs of some deliveries refer to."""
    remote = await destination.chain.remote(source.chain.endpoint_id)
    assert remote is not None
    anchors = set()
    for delivery in deliveries:
        mined = await destination.node.mined(delivery.tx_hash)
        assert mined is not None
        _, proof = await read_delivery(destination.node, delivery.tx_hash)
        if proof[0] == BY_ANCHOR:
            block = Height(mined.block_number)
            anchors.add(await find_anchor(destination.node, remote.client, delivery.height, block))
    found = [await destination.node.mined(tx_hash) for tx_hash in anchors]
    return sum(mined.gas_used for mined in found if mined is not None)


def _delivery_of(journal: Journal, message_id: bytes) -> _Delivery:
    story = journal.story(message_id)
    assert story is not None
    height = next(
        (step.detail["proof_height"] for step in reversed(story.steps) if "proof_height" in step.detail), 0
    )
    for step in reversed(story.steps):
        if "gas_used" in step.detail and step.tx_hash is not None:
            gas, messages = int(step.detail["gas_used"]), int(step.detail["messages"])
            return _Delivery(step.tx_hash, gas, messages, Height(int(height)))
    raise PostroadError(f"the journal has no delivery of {short(message_id)}")


async def _await_confirmed(journal: Journal, message_id: bytes) -> None:
    ends_at = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends_at:
        story = await asyncio.to_thread(journal.story, message_id)
        if story is not None and story.state.value == "confirmed":
            return
        await asyncio.sleep(_POLL_S)
    raise ChainUnavailable(f"{hex_of(message_id)} was not confirmed in {_PATIENCE_S:g} s", "a delivery")
