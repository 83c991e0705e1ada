# SPDX-License-Identifier: MIT
"""`make kill`: messages while the daemon is killed at random instants, mid-flight: none lost, none twice
(INV-2, INV-6).

SIGKILL, so no handler runs and nothing is flushed; then it is started again on the same journal. Counted
afterwards from the chains alone: proven bits, the recipient's events, and the gas of deliveries that moved
nothing. With `--every` the instants are not random: see tests/bench/kill_every.py.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench import kill_every
from tests.bench.flow import count_proven, network, relayed_transactions, scratch, settled_messages
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
        extra = '[api]\nlisten = ""\n\n[log]\nlevel = "warning"\n'
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
    """Gas of the relayer's transactions that reverted or moved nothing, from the chain itself."""
    included = await relayed_transactions(net.places[name])
    return sum(transaction.gas_used for transaction in included if not transaction.moved)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000, help="how many to send (not with --every)")
    parser.add_argument("--kills", type=int, default=None, help="how often to kill (5; with --every 100)")
    parser.add_argument("--seed", type=int, default=None, help="of the instants; random when left out")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--ethereum", action="store_true", help="from a proof-of-stake chain")
    source.add_argument(
        "--every", action="store_true", help="at each kind of commit and broadcast, three chains, six lanes"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with journal and log")
    options = parser.parse_args()
    chosen = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    sys.exit(
        asyncio.run(
            kill_every.main(options.kills or 100, chosen, keep=options.keep)
            if options.every
            else main(
                options.messages, options.kills or 5, chosen, keep=options.keep, ethereum=options.ethereum
            )
        )
    )
