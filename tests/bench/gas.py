# SPDX-License-Identifier: MIT
"""What sending and delivering cost: `python -m tests.bench.gas` prints the table and writes .bench/gas.json.

Whole transactions on anvil under Prague's rules (EIP-7623's floor included), real contracts, real seals of seven
validators, real storage proofs, 32-byte payloads, an ERC-7786 recipient that emits an event. The lane is warm: the head,
the sequence and the page's delivered word are non-zero before.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from pathlib import Path

from tests.bench.stage import Stage, open_stage

OUTPUT = Path(__file__).parents[2] / ".bench" / "gas.json"
BATCHES = (1, 10, 100, 200)
#: Seeds whose tries have the depths that the figures are defined at: 3 + 2 nodes, and 5 + 3 among 10,000 accounts.
SEED = "gas-2"
DEEP_SEED = "gas-2"
DEEP_ACCOUNTS = 10_000
SHALLOW_NODES = (3, 2)

#: What others take for the same, measured on one machine under the same rules (docs/explanation/gas.md).
REACH = {"send": 42_500, "bft7_1": 98_000, "bft7_100": 4_600, "bft7_1_deep": 145_000}
PEERS = {
    "send": "Hyperlane dispatch 75k, LayerZero 90k",
    "bft7_1": "Hyperlane 3-of-5 multisig 92k bare, 113k by default; LayerZero 161-270k; Axelar 135k; CCIP 211k",
    "bft7_100": "CCIP 36k, Axelar 54k, Hyperlane 60.7k, LayerZero 86k",
}
LABELS = {
    "send": "send, whole transaction",
    "bft7_1": "deliver 1 message, 7 validators",
    "bft7_10": "the same, each of 10",
    "bft7_100": "the same, each of 100",
    "bft7_200": "the same, each of 200",
    "bft7_1_deep": "deliver 1, 10,000 accounts on the source",
}


async def _warm(stage: Stage) -> None:
    """Two messages there, so that every word a delivery or a send touches is non-zero."""
    for _ in range(2):
        await stage.send(secrets.token_bytes(32))
    batch, proof, _ = await stage.encode_delivery(0)
    await stage.deliver(batch, proof, 2)


async def measure_shallow() -> dict[str, int]:
    """send and the batches on a chain with a handful of accounts."""
    figures: dict[str, int] = {}
    async with open_stage(source_kind="qbft", validators=7, seed=SEED) as stage:
        await _warm(stage)
        for size in BATCHES:
            first = len(stage.sent)
            # A batch lies in one page, as the relayer makes them.
            if first >> 8 != (first + size - 1) >> 8:
                while len(stage.sent) & 0xFF or len(stage.sent) == first:
                    await stage.send(secrets.token_bytes(32))
                await stage.send(secrets.token_bytes(32))
                batch, proof, _ = await stage.encode_delivery(len(stage.sent) - 1)
                await stage.deliver(batch, proof, 1)
                first = len(stage.sent)
            spent = [await stage.send(secrets.token_bytes(32)) for _ in range(size)]
            batch, proof, nodes = await stage.encode_delivery(first)
            if size == 1:
                figures["send"] = spent[0]
                if nodes != SHALLOW_NODES:
                    raise SystemExit(f"gas: the proof has {nodes} nodes, the figure is defined at {SHALLOW_NODES}")
            figures[f"bft7_{size}"] = round(await stage.deliver(batch, proof, size) / size)
    return figures


async def measure_deep() -> dict[str, int]:
    """One message from a chain with 10,000 accounts."""
    async with open_stage(source_kind="qbft", validators=7, seed=DEEP_SEED, accounts=DEEP_ACCOUNTS) as stage:
        await _warm(stage)
        first = len(stage.sent)
        await stage.send(secrets.token_bytes(32))
        batch, proof, nodes = await stage.encode_delivery(first)
        print(f"gas: {DEEP_ACCOUNTS} accounts give {nodes[0]} + {nodes[1]} nodes")
        return {"bft7_1_deep": await stage.deliver(batch, proof, 1)}


def _print_table(figures: dict[str, int]) -> None:
    print(f"\n{'what':44}{'gas':>9}  {'reach':>8}  peers")
    for key, gas in figures.items():
        reach = f"{REACH[key]:,}" if key in REACH else ""
        print(f"{LABELS[key]:44}{gas:>9,}  {reach:>8}  {PEERS.get(key, '')}")


async def _main() -> None:
    figures = {**await measure_shallow(), **await measure_deep()}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    _print_table(figures)
    print(f"\nwritten to {OUTPUT.relative_to(Path.cwd()) if OUTPUT.is_relative_to(Path.cwd()) else OUTPUT}")


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
