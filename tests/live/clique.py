# SPDX-License-Identifier: MIT
"""`python -m tests.live.clique`: a local chain of go-ethereum 1.13.15, the last version that seals Clique,
joined with another one; messages both ways while signers are voted in and out, one is stopped, and the node
that the relayer asks first is away.

POSTROAD_GETH names the program. Without it, it is built by Go, where that is installed. Exits with 1 when
anything was not as it should be.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from relayer.consensus.clique.local.geth.chain import GethCliqueChain
from relayer.consensus.clique.local.geth.program import provide
from relayer.contracts import Build
from relayer.devnet.errors import DevnetError
from relayer.devnet.network.network import Network
from tests.support.daemon_process import DaemonProcess
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE, RelayNet, access_of, join_network

#: All of it, starts and ends included.
RUN_S: Final = 900.0

Say = Callable[[str], None]


async def run(folder: Path, say: Say) -> None:
    """The whole run. Raises AssertionError, ChainStartError, ExecutionError, TimeoutError."""
    os.environ[PASSWORD_VARIABLE] = PASSWORD
    async with asyncio.timeout(RUN_S), Network("port=bft:4@1,court=clique:3:geth@1") as network:
        chain = network.chain_of("court", GethCliqueChain)
        say(f"{len(chain.nodes)} nodes of {await chain.nodes[0].call('web3_clientVersion')}")
        court = replace(access_of(chain), build=Build.BASELINE)
        urls = ", ".join(f'"{node.http_url}"' for node in chain.nodes)
        net = await join_network(folder, [court, access_of(network["port"])], extra='[api]\nlisten = ""\n')
        text = net.config_path.read_text()
        net.config_path.write_text(text.replace(f'rpc = ["{court.http_url}"]', f"rpc = [{urls}]"))
        say("deployed and joined, the chain at London's rules by the baseline build")
        daemon = DaemonProcess(net.config_path)
        await daemon.start()
        try:
            await _messages(chain, net, say)
            await net.await_settled("court", "port", 25, timeout_s=240)
            assert await daemon.stop() == 0
        except BaseException:
            say(daemon.log_end(30))
            raise
        finally:
            if daemon.is_running():
                await daemon.kill()
        receipts = await net.receipts_by_id("port")
        assert len(receipts) == 25, f"{len(receipts)} of 25 arrived"
        assert set(receipts.values()) == {1}, "a message arrived twice"
        height = await chain.height()
        late = await _out_of_turn(chain, height)
        say(f"25 messages either way, once each; {late} of {height} blocks out of turn")
        await net.close()


async def _messages(chain: GethCliqueChain, net: RelayNet, say: Say) -> None:
    sent = 0

    async def both_ways(what: str) -> None:
        nonlocal sent
        sent += 5
        began = time.monotonic()
        for source, destination in (("court", "port"), ("port", "court")):
            await net.send_counted(source, destination, 5, 100 * sent)
        for source, destination in (("court", "port"), ("port", "court")):
            await net.await_delivered(source, destination, sent, timeout_s=240)
        say(f"{what}: 5 messages either way, both delivered after {time.monotonic() - began:.0f} s")

    await both_ways("three signers")
    await chain.add_signer()
    assert len(chain.signers) == 4
    await both_ways(f"a fourth voted in by block {await chain.height()}")
    first, second, third, _ = (node.account.address for node in chain.nodes)
    await chain.remove_signer(second)
    await both_ways(f"one voted out by block {await chain.height()}")
    await chain.stop_signer(third)
    await both_ways("one of three signers stopped")
    await chain.start_signer(third)
    # The test itself asks the first node: it is away for some blocks, in which the relayer asks the others.
    await chain.stop_signer(first)
    await chain.wait_for(await chain.height() + 8)
    await chain.start_signer(first)
    await both_ways("the first provider stopped and back")


async def _out_of_turn(chain: GethCliqueChain, last: int) -> int:
    """How many of the blocks from 1 on were sealed out of turn."""
    node = chain.nodes[0]
    blocks = [await node.call("eth_getBlockByNumber", hex(at), False) for at in range(1, last + 1)]
    return sum(block["difficulty"] == "0x1" for block in blocks)


def main() -> int:
    """Run; the exit code."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[clique {time.monotonic() - began:5.0f} s] {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="postroad-live-", ignore_cleanup_errors=True) as name:
        try:
            provide(say)
            asyncio.run(run(Path(name), say))
        except (AssertionError, DevnetError, TimeoutError, OSError) as error:
            say(f"FAILED: {type(error).__name__}: {error}")
            print("live-clique: 0 passed, 1 failed")
            return 1
    print("live-clique: 1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
