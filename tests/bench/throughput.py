# SPDX-License-Identifier: MIT
"""`make throughput`: messages per second through the whole pipeline, end to end, and what the daemon costs.

Two local chains with 1 s blocks, real seals and contracts; messages through the Multisender at a steady rate
that is a multiple of what has to be reached (--rate 0: as fast as the source's blocks take them); the daemon
in a process of its own. Latency is from when the source's block was seen to when the block with the delivery
was seen.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from relayer.contracts import load
from tests.bench.flow import BlockTimes, count_proven, network, open_chain, scratch, settled_messages
from tests.support.daemon_process import DaemonProcess, Usage
from tests.support.relaynet import RelayNet, write_json

OUTPUT = Path(".bench/throughput.json")
SOURCE, DESTINATION = "a", "b"
_PER_TRANSACTION = 250
_WARM_UP = 512


@dataclass(frozen=True)
class Run:
    """What a run saw. Times in seconds of one clock."""

    sent: int
    source_seen: dict[int, float]
    destination_seen: dict[int, float]
    before: Usage
    after: Usage
    highest_mb: float


async def main(messages: int, rate: int, *, keep: bool) -> int:
    """Run, print, write. Returns the exit code: 1 when a message was lost or came twice."""
    if messages < _PER_TRANSACTION:
        sys.exit(f"found {messages} messages, expected at least {_PER_TRANSACTION}")
    with scratch(keep=keep) as folder:
        extra = '[api]\nlisten = ""\n\n[log]\nlevel = "warning"\n'
        lanes = [(SOURCE, DESTINATION), (DESTINATION, SOURCE)]
        spec = f"{SOURCE}=bft:4@1,{DESTINATION}=bft:ibft2:7@1"
        async with network(folder, spec, extra=extra, lanes=lanes) as net:
            run = await _run(net, messages, rate)
            figures = await _judge(net, run)
    for name, value in figures.items():
        print(f"{name:>20}  {value}")
    write_json(OUTPUT, figures)
    return 1 if figures["lost"] or figures["twice"] else 0


async def _run(net: RelayNet, messages: int, rate: int) -> Run:
    watches = {name: BlockTimes(open_chain(net.config, name)) for name in (SOURCE, DESTINATION)}
    daemon = DaemonProcess(net.config_path)
    await daemon.start()
    try:
        for watch in watches.values():
            watch.start()
        # A lane in use, a client that was read, caches that are full: not what a first message costs.
        await _send(net, _WARM_UP, 1 << 128, 0)
        await _await_settled(net, daemon, _WARM_UP, 0.0)
        before = daemon.usage()
        await _send(net, messages, 1, rate)
        highest = await _await_settled(net, daemon, _WARM_UP + messages, before.rss_mb)
        after = daemon.usage()
        code = await daemon.stop()
        if code != 0:
            sys.exit(f"the daemon ended with code {code}:\n{daemon.log_end()}")
    finally:
        if daemon.is_running():
            await daemon.kill()
        for watch in watches.values():
            await watch.stop()
    return Run(messages, watches[SOURCE].seen, watches[DESTINATION].seen, before, after, highest)


async def _send(net: RelayNet, messages: int, seed: int, rate: int) -> None:
    """Hand messages to the source, `rate` a second (0: all at once); return when the last is in a block."""
    hashes = []
    began = time.monotonic()
    for start in range(0, messages, _PER_TRANSACTION):
        count = min(_PER_TRANSACTION, messages - start)
        # The same gas for each: anvil forgets a transaction that would fit a full block but for those before
        # it.
        if rate:
            await asyncio.sleep(max(0.0, began + start / rate - time.monotonic()))
        gas = 100_000 + 60_000 * _PER_TRANSACTION
        hashes.append(await net.send_counted(SOURCE, DESTINATION, count, seed + start, gas=gas))
    # In order of their nonces: when one is in a block, those before it are. Each must have succeeded.
    for digest in reversed(hashes):
        await net.places[SOURCE].included(digest, timeout_s=300)


async def _await_settled(net: RelayNet, daemon: DaemonProcess, total: int, highest_mb: float) -> float:
    """Wait until the daemon calls every message final; the most memory that was seen."""
    progress, since = -1, time.monotonic()
    while True:
        if not daemon.is_running():
            sys.exit(f"the daemon has ended:\n{daemon.log_end()}")
        highest_mb = max(highest_mb, daemon.usage().rss_mb)
        settled = await asyncio.to_thread(settled_messages, net, SOURCE)
        if settled >= total:
            return highest_mb
        if settled != progress:
            progress, since = settled, time.monotonic()
        if time.monotonic() - since > 60:
            sys.exit(f"stuck at {settled} of {total} for a minute:\n{daemon.log_end()}")
        await asyncio.sleep(0.25)


async def _judge(net: RelayNet, run: Run) -> dict[str, float | int]:
    total = _WARM_UP + run.sent
    sent_in = await _blocks_of(net, SOURCE, "MessageAppended")
    delivered_in = await _blocks_of(net, DESTINATION, "Delivered")
    proven = await count_proven(net, SOURCE, DESTINATION, total)
    receipts = await net.receipts_by_id(DESTINATION)
    latencies = sorted(
        run.destination_seen[delivered_in[sequence]] - run.source_seen[sent_in[sequence]]
        for sequence in range(_WARM_UP, total)
        if sequence in delivered_in
    )
    first = run.source_seen[sent_in[_WARM_UP]]
    last = max(
        run.destination_seen[block] for sequence, block in delivered_in.items() if sequence >= _WARM_UP
    )
    return {
        "messages": run.sent,
        "lost": total - proven,
        "twice": sum(count > 1 for count in receipts.values()),
        "messages_per_s": round(run.sent / (last - first), 1),
        "latency_p50_s": round(latencies[len(latencies) // 2], 3),
        "latency_p99_s": round(latencies[len(latencies) * 99 // 100], 3),
        "cpu_ms_per_message": round((run.after.cpu_s - run.before.cpu_s) * 1_000 / run.sent, 4),
        "rss_mb": round(run.highest_mb, 1),
    }


async def _blocks_of(net: RelayNet, name: str, event: str) -> dict[int, int]:
    """The block of every sequence, by the gateway's own events on one chain: of sending, or of delivery."""
    place = net.places[name]
    lane = net.lane(SOURCE, DESTINATION)
    topics: list[bytes | None] = [load("Gateway").event_topic(event), lane.id]
    newest = int(str((await place.node.block("latest"))["number"]), 16)
    found: dict[int, int] = {}
    for number in range(1, newest + 1):
        for log in await place.node.logs(place.gateway, topics, number, number):
            if event == "MessageAppended":
                found[int(log["topics"][2], 16)] = number
                continue
            first, _, mask = (int(log["data"][2 + 64 * i : 66 + 64 * i], 16) for i in range(3))
            page = first >> 8 << 8
            for bit in range(256):
                if mask >> bit & 1:
                    found[page + bit] = number
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=30_720, help="how many to send")
    parser.add_argument("--rate", type=int, default=6_000, help="how many a second; 0: all at once")
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal and log")
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.messages, options.rate, keep=options.keep)))
