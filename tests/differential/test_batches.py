# SPDX-License-Identifier: MIT
"""The same batch bytes to the Python decoder and to the deployed Inbox: what one calls malformed, the other
refuses.

The light client's proof is left as it is, so a batch that is read at all goes on to HeadMismatch or to
execution. INV-8.
"""

from __future__ import annotations

import asyncio
import random

from relayer.errors import CallReverted, Malformed
from relayer.protocol.batch import Batch, decode_batch, encode_batch
from relayer.protocol.lane import heads_slot
from relayer.protocol.message import Message, MessageId, Sequence
from tests.support.endpoints import Site, joined

GAS = 20_000_000
MUTATIONS = 1_500


def mutate(data: bytes, chances: random.Random) -> bytes:
    """Bytes that differ a little, in places that matter rather than in payloads and hashes alone."""
    # Counts, tags and lengths lie close behind the 79 fixed bytes and are few: hit them more often.
    at = chances.choice([chances.randrange(len(data)), chances.randrange(32, min(len(data), 140))])
    kind = chances.randrange(5)
    if kind == 0:
        return data[:at] + bytes([chances.randrange(256)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ 1 << chances.randrange(8)]) + data[at + 1 :]
    if kind == 2:
        return data[:at]
    if kind == 3:
        return data[:at] + chances.randbytes(chances.choice([1, 2, 20, 31, 32, 33])) + data[at:]
    return data[:at] + data[at + chances.choice([1, 2, 20, 31, 32, 33]) :]


def random_batch(source: Site, destination: Site, chances: random.Random) -> Batch:
    lane = source.lane_to(destination)
    first = chances.choice([0, 250, 2**63])
    items: list[Message | MessageId] = []
    for index in range(chances.randrange(1, 6)):
        if index and chances.random() < 0.3:
            items.append(MessageId(chances.randbytes(32)))
            continue
        items.append(
            Message(
                lane.id,
                Sequence(first + index),
                chances.choice([b"\1" * 20, b"\2" * 32]).rjust(32, b"\0"),
                chances.choice([destination.recipient, b"\3" * 20]).rjust(32, b"\0"),
                chances.choice([0, 30_000, 50_000]),
                chances.choice([0, 0, 2**40]),
                0,
                chances.randbytes(chances.choice([0, 1, 32, 40])),
            )
        )
    tail = tuple(MessageId(chances.randbytes(32)) for _ in range(chances.randrange(3)))
    return Batch(lane, chances.randbytes(32), Sequence(first), tuple(items), tail, chances.choice([0, 9]))


async def test_both_decoders_refuse_the_same_bytes() -> None:
    chances = random.Random(20_250)
    async with joined() as (alpha, beta):
        await alpha.send(beta, b"a message, so that the head can be proven".ljust(64))
        header = await alpha.prover.verify_head(await alpha.chain.head())
        slot = heads_slot(alpha.lane_to(beta).id, 0)
        (proven,) = await alpha.prover.prove(header, alpha.chain.gateway, (slot,))
        sender = beta.chain.senders[0]
        counts = {"read": 0, "malformed": 0}

        async def compare(data: bytes) -> None:
            try:
                decode_batch(data, beta.chain.endpoint_id)
                is_malformed = False
            except Malformed:
                is_malformed = True
            try:
                await beta.chain.simulate_deliver(sender, data, proven.proof, GAS)
                name = ""
            except CallReverted as error:
                name = error.name
            counts["malformed" if is_malformed else "read"] += 1
            # A batch of another endpoint or lane is refused before its items are read.
            earlier = {"UnknownRemote", "UnsupportedLaneFlags"}
            if is_malformed:
                assert name in {"MalformedBatch", *earlier}, (data.hex(), name)
            else:
                assert name != "MalformedBatch", data.hex()

        batches = [encode_batch(random_batch(alpha, beta, chances)) for _ in range(60)]
        for data in batches:
            await compare(data)
        assert counts == {"read": 60, "malformed": 0}
        mutants = [mutate(chances.choice(batches), chances) for _ in range(MUTATIONS)]
        for start in range(0, len(mutants), 16):
            await asyncio.gather(*(compare(data) for data in mutants[start : start + 16]))
        assert min(counts.values()) > MUTATIONS // 10
