# SPDX-License-Identifier: MIT
"""`make kill`: messages while the daemon is killed at random instants, mid-flight: none lost, none twice
(INV-2, INV-6).

SIGKILL, so no handler runs and nothing is flushed; then it is started again on the same journal. Counted
afterwards from the chains alone: proven bits, the recipient's events, and the gas of deliveries that moved
nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.flow import count_proven, network, scratch, settled_messages
from tests.support.daemon_process import DaemonProcess
from tests.support.relaynet import RelayNet, write_json

OUTPUT = Path(".bench/kill.json")
ETHEREUM_OUTPUT = Path(".bench/kill-ethereum.json")
SOURCE, DESTINATION = "a", "b"
_CHUNK = 50
_SHORTEST_S, _LONGEST_S = 0.1, 3.0
_BLOCK_TIME_S = 0.5
_SLOT_TIME_S = 0.25


@dataclass(frozen=True)
class Run:
    """What a run did: how many were sent, and how many kills hit while messages were on their way."""

    sent: int
    kills: int


async def main(messages: int, kills: int, seed: int, *, keep: bool, ethereum: bool = False) -> int:
    """Run, print, write. Returns the exit code: 1 when a message was lost or came twice.

    With `ethereum` the source is a proof-of-stake chain: finality trails, and committees change meanwhile.
    """
    print(f"seed {seed}")
    with scratch(keep=keep) as folder:
        extra = '[metrics]\nlisten = ""\n\n[log]\nlevel = "warning"\n'
        source = f"ethereum@{_SLOT_TIME_S}" if ethereum else f"bft:4@{_BLOCK_TIME_S}"
        spec = f"{SOURCE}={source},{DESTINATION}=bft:ibft2:7@{_BLOCK_TIME_S}"
        async with network(folder, spec, extra=extra, lanes=[(SOURCE, DESTINATION)]) as net:
            run = await _run(net, messages, kills, random.Random(seed))
            proven = await count_proven(net, SOURCE, DESTINATION, run.sent)
            receipts = await net.receipts_by_id(DESTINATION)
            figures = {
                "messages": run.sent,
                "lost": run.sent - proven,
                "twice": sum(count > 1 for count in receipts.values()),
                "kills": run.kills,
                "double_spent_gas": await count_wasted_gas(net, DESTINATION),
            }
    for name, value in figures.items():
        print(f"{name:>20}  {value}")
    write_json(ETHEREUM_OUTPUT if ethereum else OUTPUT, figures)
    return 1 if figures["lost"] or figures["twice"] else 0


async def _run(net: RelayNet, messages: int, kills: int, chance: random.Random) -> Run:
    daemon = DaemonProcess(net.config_path)
    await daemon.start()
    sending = asyncio.create_task(_send(net, messages, pause_s=kills * _LONGEST_S * _CHUNK / messages))
    done = 0
    try:
        while done < kills:
            await asyncio.sleep(chance.uniform(_SHORTEST_S, _LONGEST_S))
            # A kill counts only while something is on its way.
            if settled_messages(net, SOURCE) >= messages:
                sys.exit(
                    f"all {messages} messages were through after {done} kills, expected {kills}; send more"
                )
            if not daemon.is_running():
                sys.exit(f"the daemon has ended by itself:\n{daemon.log_end()}")
            await daemon.kill()
            done += 1
            await daemon.start()
        await sending
        await _await_settled(net, daemon, messages)
        await daemon.stop()
    finally:
        sending.cancel()
        if daemon.is_running():
            await daemon.kill()
    return Run(messages, done)


async def _send(net: RelayNet, messages: int, pause_s: float) -> None:
    for start in range(0, messages, _CHUNK):
        await net.send_counted(SOURCE, DESTINATION, min(_CHUNK, messages - start), 1 + start)
        await asyncio.sleep(pause_s)


async def _await_settled(net: RelayNet, daemon: DaemonProcess, total: int) -> None:
    try:
        async with asyncio.timeout(120):
            while settled_messages(net, SOURCE) < total:  # noqa: ASYNC110  another process's file has no event
                await asyncio.sleep(0.25)
    except TimeoutError:
        settled = settled_messages(net, SOURCE)
        print(f"only {settled} of {total} are final after two minutes:\n{daemon.log_end()}")


async def count_wasted_gas(net: RelayNet, name: str) -> int:
    """Gas of transactions to the gateway that reverted or moved nothing, from the chain itself."""
    place = net.places[name]
    gateway = "0x" + place.gateway.hex()
    newest = int(str((await place.node.block("latest"))["number"]), 16)
    wasted = 0
    for number in range(1, newest + 1):
        block: dict[str, Any] = await place.node._request("eth_getBlockByNumber", [hex(number), True])
        for transaction in block["transactions"]:
            if (transaction["to"] or "").lower() != gateway:
                continue
            receipt = await place.node._request("eth_getTransactionReceipt", [transaction["hash"]])
            spoke = any(log["address"].lower() == gateway for log in receipt["logs"])
            if receipt["status"] != "0x1" or not spoke:
                wasted += int(receipt["gasUsed"], 16)
    return wasted


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000, help="how many to send")
    parser.add_argument("--kills", type=int, default=5, help="how often to kill")
    parser.add_argument("--seed", type=int, default=None, help="of the instants; random when left out")
    parser.add_argument("--ethereum", action="store_true", help="from a proof-of-stake chain")
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal and log")
    options = parser.parse_args()
    chosen = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    sys.exit(
        asyncio.run(
            main(options.messages, options.kills, chosen, keep=options.keep, ethereum=options.ethereum)
        )
    )
