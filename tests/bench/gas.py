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
from typing import TYPE_CHECKING

from tests.bench.stage import Stage, open_stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OUTPUT = Path(__file__).parents[2] / ".bench" / "gas.json"
BATCHES = (1, 10, 100, 200)
#: The figures are defined at these depths of the source's tries: nodes on the gateway's path, and on the head's.
SHALLOW_NODES = (3, 2)
DEEP_NODES = (5, 3)
SHALLOW_ACCOUNTS = 10
DEEP_ACCOUNTS = 10_000
#: The first of the seeds gas-0, gas-1, ... whose keys give such tries is used, so every run finds the same one.
MOST_SEEDS = 64

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


async def _warm(stage: Stage) -> tuple[int, int]:
    """Two messages there, so that every word a delivery or a send touches is non-zero; returns the tries' depths."""
    for _ in range(2):
        await stage.send(secrets.token_bytes(32))
    batch, proof, nodes = await stage.encode_delivery(0)
    await stage.deliver(batch, proof, 2)
    return nodes


async def _measure_send_and_batches(stage: Stage) -> dict[str, int]:
    figures: dict[str, int] = {}
    for size in BATCHES:
        await _stay_in_page(stage, size)
        first = len(stage.sent)
        spent = [await stage.send(secrets.token_bytes(32)) for _ in range(size)]
        batch, proof, _ = await stage.encode_delivery(first)
        if size == 1:
            figures["send"] = spent[0]
        figures[f"bft7_{size}"] = round(await stage.deliver(batch, proof, size) / size)
    return figures


async def _stay_in_page(stage: Stage, size: int) -> None:
    """Goes on to the next page where a batch would cross into it: the relayer makes no such batches."""
    if len(stage.sent) >> 8 == (len(stage.sent) + size - 1) >> 8:
        return
    while len(stage.sent) & 0xFF != 1:
        await stage.send(secrets.token_bytes(32))
    batch, proof, _ = await stage.encode_delivery(len(stage.sent) - 1)
    await stage.deliver(batch, proof, 1)


async def _measure_one(stage: Stage) -> dict[str, int]:
    first = len(stage.sent)
    await stage.send(secrets.token_bytes(32))
    batch, proof, _ = await stage.encode_delivery(first)
    return {"bft7_1_deep": await stage.deliver(batch, proof, 1)}


async def _on_stage(
    nodes: tuple[int, int], accounts: int, measure: Callable[[Stage], Awaitable[dict[str, int]]]
) -> dict[str, int]:
    """Measures on the first stage whose tries have the depths that the figures are defined at."""
    for number in range(MOST_SEEDS):
        async with open_stage(
            source_kind="qbft", validators=7, seed=f"gas-{number}", accounts=accounts
        ) as stage:
            found = await _warm(stage)
            if found == nodes:
                return await measure(stage)
            print(
                f"gas: seed gas-{number} gives {found[0]} + {found[1]} nodes, looking for {nodes[0]} + {nodes[1]}"
            )
    raise SystemExit(f"gas: none of {MOST_SEEDS} seeds gives tries of {nodes[0]} + {nodes[1]} nodes")


def _print_table(figures: dict[str, int]) -> None:
    print(f"\n{'what':44}{'gas':>9}  {'reach':>8}  peers")
    for key, gas in figures.items():
        reach = f"{REACH[key]:,}" if key in REACH else ""
        print(f"{LABELS[key]:44}{gas:>9,}  {reach:>8}  {PEERS.get(key, '')}")


async def _main() -> None:
    figures = {
        **await _on_stage(SHALLOW_NODES, SHALLOW_ACCOUNTS, _measure_send_and_batches),
        **await _on_stage(DEEP_NODES, DEEP_ACCOUNTS, _measure_one),
    }
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    _print_table(figures)
    print(f"\nwritten to {OUTPUT.relative_to(Path.cwd()) if OUTPUT.is_relative_to(Path.cwd()) else OUTPUT}")


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
