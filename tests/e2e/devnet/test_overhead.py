# SPDX-License-Identifier: MIT
"""What the front costs on top of anvil (`pytest -m long -s`), within bounds that only a mistake breaks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.process.upstream import Upstream
from relayer.keys import sign_transaction
from tests.support.devnet import EMITTER, Client, Wallet, word

LOGS: Final = 2_000
TRANSFERS: Final = 500


async def measure(upstream: Upstream, bodies: Sequence[bytes]) -> tuple[float, float, bytes]:
    """Milliseconds of wall clock and of our processor time a request, and the last answer."""
    began, used = time.perf_counter(), time.process_time()
    answer = b""
    for body in bodies:
        answer = await upstream.send(body)
    count = len(bodies) / 1000
    return (time.perf_counter() - began) / count, (time.process_time() - used) / count, answer


def request(method: str, *params: object) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def transfers(chain: LocalBftChain, secret: bytes) -> list[bytes]:
    fields = {"chainId": chain.chain_id, "to": b"\x11" * 20, "value": 1, "gas": 21_000, "gasPrice": 10**11}
    signed = (sign_transaction({**fields, "nonce": nonce}, secret) for nonce in range(TRANSFERS))
    return [request("eth_sendRawTransaction", "0x" + raw.hex()) for raw, _ in signed]


@pytest.mark.long
async def test_overhead() -> None:
    async with (
        LocalBftChain("alpha", ChainOptions(block_time_s=None, gas_limit=200_000_000), validators=7) as chain,
        Client(chain.http_url) as client,
    ):
        wallet = Wallet(client, chain)
        emitter = await wallet.deploy(EMITTER)
        await wallet.send(emitter, word(LOGS), gas=100_000_000)
        await chain.mine()
        head = hex(chain.head.number)
        direct, front = chain.anvil.upstream, Upstream(chain.rpc_servers[0].port)
        asked = {
            f"eth_getLogs, {LOGS} logs": [request("eth_getLogs", {"fromBlock": head, "toBlock": head})] * 20,
            "eth_getBlockByNumber": [request("eth_getBlockByNumber", "latest", False)] * 300,
            "eth_getProof, 1 slot": [
                request("eth_getProof", "0x" + emitter.hex(), ["0x" + word(0).hex()], "latest")
            ]
            * 300,
        }
        print()
        added = {}
        for name, bodies in asked.items():
            await measure(front, bodies[:3])
            plain, _, _ = await measure(direct, bodies)
            sealed, _, answer = await measure(front, bodies)
            added[name] = sealed - plain
            print(f"{name:26} anvil {plain:7.3f} ms, front {sealed:7.3f} ms, {len(answer):8} bytes")
        plain, _, _ = await measure(direct, transfers(chain, chain.funded_keys[1].secret))
        sealed, _, _ = await measure(front, transfers(chain, chain.funded_keys[2].secret))
        added["send"] = sealed - plain
        print(f"{'eth_sendRawTransaction':26} anvil {plain:7.3f} ms, front {sealed:7.3f} ms")
        began = time.perf_counter()
        await chain.mine()
        print(f"block of {2 * TRANSFERS} transfers {(time.perf_counter() - began) * 1000:7.3f} ms")
        assert (
            len((await client.call("eth_getBlockByNumber", "latest", False))["transactions"]) == 2 * TRANSFERS
        )
        began = time.perf_counter()
        await chain.mine(100)
        print(f"empty block, 7 validators  {(time.perf_counter() - began) * 10:7.3f} ms")
        await front.close()
    assert added[f"eth_getLogs, {LOGS} logs"] < 50
    assert added["send"] < 5
