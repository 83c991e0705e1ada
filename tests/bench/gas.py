# SPDX-License-Identifier: MIT
"""What sending and delivering cost: `python -m tests.bench.gas` prints the table and writes .bench/gas.json.

Whole transactions on anvil under Prague's rules (EIP-7623's floor included), real contracts, real seals of
seven validators, of five signers of Clique or of sync committees of 512, real storage proofs, 32-byte
payloads, an ERC-7786 recipient that emits an event. The lane is warm: the head, the sequence and the page's
delivered word are non-zero before. The rows `berlin_...` are the same between two chains with Berlin's rules
and the baseline build of the contracts; more than 12 % above the other build's figure is a failure.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from light_clients.ethereum import codec
from light_clients.ethereum.committee_multiproof import encode_siblings
from light_clients.ethereum.config import MAINNET
from relayer.chains.evm.abi import CLIENT_ANCHOR, CLIENT_UPDATE, encode_bytes
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.clique.local.chain import LocalCliqueChain
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.local.faults import LowParticipation
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.rules import ChainRules
from relayer.protocol.batch import encode_batch
from tests.bench.sides import BftSide, CliqueSide, PosSide, Side
from tests.bench.stage import Stage, open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

S = TypeVar("S", bound=Side)

OUTPUT = Path(__file__).parents[2] / ".bench" / "gas.json"
BFT_BATCHES = (1, 10, 100, 200)
#: What the baseline build is measured at, and how much more of the cancun build's gas it may take.
BERLIN_BATCHES = (1, 100)
MOST_MORE_PERCENT = 12
CLIQUE_BATCHES = (1, 100)
ETHEREUM_BATCHES = (1, 10, 100)
#: The figures are defined at these depths of the source's tries: nodes on the gateway's path, and on the
#: head's.
SHALLOW_NODES = (3, 2)
DEEP_NODES = (5, 3)
SHALLOW_ACCOUNTS = 10
DEEP_ACCOUNTS = 10_000
#: The first of the seeds gas-0, gas-1, ... whose keys give such tries is used, so every run finds the same
#: one.
MOST_SEEDS = 64
#: 507 of 512 is the nearest to 99 of 100. How far the absent sit from each other decides how many siblings
#: their keys need: 30 is the median, and the mean, of five places at random.
ABSENT_IN_512 = 5
TYPICAL_SIBLINGS = 30
MOST_DRAWS = 64
#: Far enough in the past for a whole period of the mainnet preset, in short slots, beside the rest.
ETHEREUM_GENESIS_AGO_S = 5_400.0

#: What others take for the same, measured on one machine under the same rules (docs/explanation/gas.md).
REACH = {
    "send": 42_500,
    "bft7_1": 98_000,
    "bft7_100": 4_600,
    "bft7_1_deep": 145_000,
    "pos_update_full": 215_000,
    "pos_update_99": 250_000,
    "pos_rotation_surcharge": 12_000,
    "pos_1": 305_000,
    "pos_100": 6_800,
}
PEERS = {
    "send": "Hyperlane dispatch 75k, LayerZero 90k",
    "bft7_1": "Hyperlane 3-of-5 multisig 92k bare, 113k by default; LayerZero 161-270k; Axelar 135k; CCIP 211k",
    "bft7_100": "CCIP 36k, Axelar 54k, Hyperlane 60.7k, LayerZero 86k",
    "pos_1": "zk light client (Eureka): 432k for the execution alone",
    "pos_100": "zk light client (Eureka): 161k in batches of 50",
}
LABELS = {
    "send": "send, whole transaction",
    "bft7_1": "deliver 1 message, 7 validators",
    "bft7_10": "the same, each of 10",
    "bft7_100": "the same, each of 100",
    "bft7_200": "the same, each of 200",
    "bft7_1_deep": "deliver 1, 10,000 accounts on the source",
    "berlin_send": "send, under Berlin's rules (baseline build)",
    "berlin_bft7_1": "deliver 1 message, 7 validators, the same rules",
    "berlin_bft7_100": "the same, each of 100",
    "clique5_1": "deliver 1 message, 5 signers of Clique",
    "clique5_100": "the same, each of 100",
    "pos_update_full": "update, 512 of 512 signed",
    "pos_update_99": "update, 507 of 512 signed",
    "pos_rotation_surcharge": "more when the next committee is shown",
    "pos_1": "deliver 1 message, sync committee",
    "pos_10": "the same, each of 10",
    "pos_100": "the same, each of 100",
    "pos_anchor": "anchor a state root for several",
    "pos_1_anchored": "deliver 1 against it",
}


async def _warm(stage: Stage[Any]) -> tuple[int, int]:
    """Two messages there, so that every word a delivery or a send touches is non-zero;
    returns the tries' depths.
    """
    for _ in range(2):
        await stage.send(secrets.token_bytes(32))
    batch, proven = await stage.encode_delivery(0)
    await stage.deliver(batch, proven.proof, 2)
    return proven.nodes


async def _measure_bft(stage: Stage[BftSide]) -> dict[str, int]:
    sends, each = await _measure_batches(stage, BFT_BATCHES)
    return {"send": sends, **{f"bft7_{size}": gas for size, gas in each.items()}}


async def _measure_berlin(stage: Stage[BftSide]) -> dict[str, int]:
    sends, each = await _measure_batches(stage, BERLIN_BATCHES)
    return {"berlin_send": sends, **{f"berlin_bft7_{size}": gas for size, gas in each.items()}}


async def _measure_clique(stage: Stage[CliqueSide]) -> dict[str, int]:
    _, each = await _measure_batches(stage, CLIQUE_BATCHES)
    return {f"clique5_{size}": gas for size, gas in each.items()}


async def _measure_batches(stage: Stage[Any], sizes: tuple[int, ...]) -> tuple[int, dict[int, int]]:
    """What the first send took, and what each message of a batch took, by the batch's size."""
    first_send, figures = 0, {}
    for size in sizes:
        await _stay_in_page(stage, size)
        first = len(stage.sent)
        spent = [await stage.send(secrets.token_bytes(32)) for _ in range(size)]
        first_send = first_send or spent[0]
        batch, proven = await stage.encode_delivery(first)
        figures[size] = round(await stage.deliver(batch, proven.proof, size) / size)
    return first_send, figures


async def _stay_in_page(stage: Stage[Any], size: int) -> None:
    """Goes on to the next page where a batch would cross into it: the relayer makes no such batches."""
    if len(stage.sent) >> 8 == (len(stage.sent) + size - 1) >> 8:
        return
    while len(stage.sent) & 0xFF != 1:
        await stage.send(secrets.token_bytes(32))
    batch, proven = await stage.encode_delivery(len(stage.sent) - 1)
    await stage.deliver(batch, proven.proof, 1)


async def _measure_one(stage: Stage[BftSide]) -> dict[str, int]:
    first = len(stage.sent)
    await stage.send(secrets.token_bytes(32))
    batch, proven = await stage.encode_delivery(first)
    return {"bft7_1_deep": await stage.deliver(batch, proven.proof, 1)}


async def _measure_pos(stage: Stage[PosSide]) -> dict[str, int]:
    _, each = await _measure_batches(stage, ETHEREUM_BATCHES)
    figures = {f"pos_{size}": gas for size, gas in each.items()}
    return {**await _measure_updates(stage), **figures, **await _measure_anchored(stage)}


async def _measure_updates(stage: Stage[PosSide]) -> dict[str, int]:
    """Updates of a client that has seen both places of its ring in use, as after its first day."""
    chain = stage.source.chain
    await chain.advance_to_finality()
    await _update(stage, show_next=True)
    await chain.advance_to_period(chain.network.period_at(chain.slot) + 1)
    spent = []
    for show_next in (False, False, True):
        await chain.advance_to_finality()
        spent.append(await _update(stage, show_next=show_next))
    _, full, rotation = spent
    share = 1 - ABSENT_IN_512 / chain.network.preset.sync_committee_size
    with chain.faults.on(LowParticipation(share=share)):
        await _draw_absent(chain)
        some = await _update(stage, show_next=False)
    return {"pos_update_full": full, "pos_update_99": some, "pos_rotation_surcharge": rotation - full}


async def _draw_absent(chain: LocalEthereumChain) -> None:
    """Go on until a finality that is news was signed by all but five at places that are
    as scattered as is usual.
    """
    await chain.advance_to_finality()
    for _ in range(MOST_DRAWS):
        update = chain.beacon.newest_update()
        assert update is not None
        bits = update.sync_aggregate.sync_committee_bits
        absent = [place for place, bit in enumerate(bits) if not bit]
        siblings = len(encode_siblings([bytes(32)] * len(bits), absent)) // 32
        if (len(absent), siblings) == (ABSENT_IN_512, TYPICAL_SIBLINGS):
            return
        await chain.advance()
    raise AssertionError(f"no {ABSENT_IN_512} absent of {TYPICAL_SIBLINGS} siblings in {MOST_DRAWS} slots")


async def _update(stage: Stage[PosSide], *, show_next: bool) -> int:
    """Bring the client to what is newest now; returns the transaction's gas."""
    source = stage.source
    update, committee = source.newest()
    data = codec.encode_update(update, committee, source.params, show_next=show_next)
    receipt = await stage.destination.transact(stage.client, CLIENT_UPDATE + encode_bytes(data))
    return int(receipt["gasUsed"], 16)


async def _measure_anchored(stage: Stage[PosSide]) -> dict[str, int]:
    """An anchor where there was one before, and a delivery that leans on it."""
    source, gas, spent = stage.source, 0, 0
    for _ in range(2):
        await stage.send(secrets.token_bytes(32))
        await source.chain.advance_to_finality()
        data = CLIENT_ANCHOR + encode_bytes(codec.encode_anchor(*source.newest(), source.params))
        gas = int((await stage.destination.transact(stage.client, data))["gasUsed"], 16)
        batch = stage.batch_from(len(stage.sent) - 1)
        proven = await source.prove_anchored(stage.slot_of(batch))
        spent = await stage.deliver(encode_batch(batch), proven.proof, 1)
    return {"pos_anchor": gas, "pos_1_anchored": spent}


@asynccontextmanager
async def _bft_source(seed: bytes, accounts: int) -> AsyncIterator[BftSide]:
    async with LocalBftChain(
        "source", ChainOptions(block_time_s=None, seed=seed, funded=accounts), validators=7
    ) as chain:
        yield BftSide(chain)


@asynccontextmanager
async def _berlin_source(seed: bytes, accounts: int) -> AsyncIterator[BftSide]:
    options = ChainOptions(
        block_time_s=None, seed=seed, funded=accounts, rules=ChainRules(legacy=True, hardfork="berlin")
    )
    async with LocalBftChain("source", options, validators=7) as chain:
        yield BftSide(chain)


@asynccontextmanager
async def _clique_source(seed: bytes, accounts: int) -> AsyncIterator[CliqueSide]:
    options = ChainOptions(block_time_s=None, seed=seed, funded=accounts)
    async with LocalCliqueChain("source", options, signers=5) as chain:
        yield CliqueSide(chain)


@asynccontextmanager
async def _pos_source(seed: bytes, accounts: int) -> AsyncIterator[PosSide]:
    async with LocalEthereumChain(
        "source",
        ChainOptions(block_time_s=None, seed=seed, funded=accounts),
        genesis_ago_s=ETHEREUM_GENESIS_AGO_S,
        preset=MAINNET,
    ) as chain:
        yield PosSide(chain)


async def _on_stage(
    open_source: Callable[[bytes, int], Any],
    nodes: tuple[int, int],
    accounts: int,
    measure: Callable[[Stage[S]], Awaitable[dict[str, int]]],
) -> dict[str, int]:
    """Measures on the first stage whose tries have the depths that the figures are defined at."""
    for number in range(MOST_SEEDS):
        seed = int.from_bytes(f"gas-{number}".encode()).to_bytes(32)
        async with open_source(seed, accounts) as source, open_stage(source, seed) as stage:
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


def _check_berlin(figures: dict[str, int]) -> None:
    """Compare the builds. Raises SystemExit where the baseline build takes too much more."""
    for key, gas in figures.items():
        other = figures.get(key.removeprefix("berlin_"), gas)
        more = 100 * (gas / other - 1)
        if key.startswith("berlin_"):
            print(f"gas: {key} is {more:+.1f} % of the cancun build's figure")
        if more > MOST_MORE_PERCENT:
            raise SystemExit(
                f"gas: {key} takes {gas:,}, expected at most {MOST_MORE_PERCENT} % above {other:,}"
            )


async def _main() -> None:
    figures = {
        **await _on_stage(_bft_source, SHALLOW_NODES, SHALLOW_ACCOUNTS, _measure_bft),
        **await _on_stage(_bft_source, DEEP_NODES, DEEP_ACCOUNTS, _measure_one),
        **await _on_stage(_berlin_source, SHALLOW_NODES, SHALLOW_ACCOUNTS, _measure_berlin),
        **await _on_stage(_clique_source, SHALLOW_NODES, SHALLOW_ACCOUNTS, _measure_clique),
        **await _on_stage(_pos_source, SHALLOW_NODES, SHALLOW_ACCOUNTS, _measure_pos),
    }
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    _print_table(figures)
    _check_berlin(figures)
    print(f"\nwritten to {OUTPUT.relative_to(Path.cwd()) if OUTPUT.is_relative_to(Path.cwd()) else OUTPUT}")


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
