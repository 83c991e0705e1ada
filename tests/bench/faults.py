# SPDX-License-Identifier: MIT
"""`make faults`: what a relayer does while one thing after the other goes wrong: nothing lost, nothing twice,
and everything delivered soon after it ended (INV-2, INV-5).

A row is one fault. Before it, a message is delivered in health. Under it, messages are sent, and
`delivered_s` is how long they took (null: not while it lasted, within a bound; where no provider takes a
transaction, nothing can be delivered). After it, five more are sent, and `recovered_s` is how long all of
them took from the fault's end on (null: never, within a bound). Some things are no fault that passes but the
nature of a chain: no empty blocks, a limit of size, a client's words. They stay until the row ends.

Counted from the chains alone: proven bits, the recipient's events, what the relayer's key paid.
`price_ratio` is the highest price of a unit of gas against that of the message in health, `acted` how often a
provider did wrong; `waits` and `helped` say why messages waited, and what helped a road that did not recover.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tests.bench.faulty_road import DESTINATION, SOURCE, FaultyRoad, faulty_road
from tests.bench.flow import scratch
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE, write_json

OUTPUT = Path(".bench/faults.json")
#: What a row must not break. The others are measured all the same.
COVERED: Final = frozenset({"sender"})
#: No fault makes a unit of gas dearer than by one step of a replacement: a price rises because it was too
#: low, not because a node refused for another reason or time passed.
MOST_PRICE_RATIO: Final = 1.25
_MESSAGES: Final = 5
_UNDER_S: Final = 25.0
#: While no provider takes a transaction, waiting longer shows nothing.
_UNDER_ALL_S: Final = 10.0
_WITHIN_S: Final = 40.0
_HEALTHY_S: Final = 60.0
_ETHER: Final = 10**18

#: Begins something on a road, and ends it with the context. A scene sends the messages, too.
Scene: TypeAlias = Callable[[FaultyRoad], AbstractAsyncContextManager[Any]]
Part: TypeAlias = Literal["sender", "providers"]


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        fault: its name.
        covered_by: the part that has to withstand it.
        scene: begins it and sends messages under it; it ends with the scene.
        nature: what stays until all is delivered.
        under_s: how long messages are waited for under it.
        within_s: how long afterwards; longer is never.
        is_fresh: a daemon that knows nothing of its providers yet, and so prefers the first.
        may_cost: nodes say that the price is too low, so that it may rise as high as the operator allows.
    """

    fault: str
    covered_by: Part
    scene: Scene
    nature: Scene = nullcontext
    under_s: float = _UNDER_S
    within_s: float = _WITHIN_S
    is_fresh: bool = True
    may_cost: bool = False


# --- scenes -------------------------------------------------------------------------------------------------


def suffering(
    *faults: str, chains: Sequence[str] = (DESTINATION,), every: bool = False, settle_s: float = 1.0
) -> Scene:
    """Return the scene in which providers of these chains suffer, the preferred one or every one."""

    @asynccontextmanager
    async def scene(road: FaultyRoad) -> AsyncIterator[None]:
        async with road.suffering(road.providers(chains, every=every), *faults):
            await asyncio.sleep(settle_s)
            await road.send(_MESSAGES)
            yield

    return scene


def starting(*faults: str, absent_s: float = 0.0) -> Scene:
    """Return the scene in which the daemon starts, after an absence, while the preferred provider of both
    chains suffers.
    """

    @asynccontextmanager
    async def scene(road: FaultyRoad) -> AsyncIterator[None]:
        await road.stop_daemon()
        await road.send(_MESSAGES)
        await asyncio.sleep(absent_s)
        async with road.suffering(road.providers((SOURCE, DESTINATION), every=False), *faults):
            await road.daemon.start()
            road.since = time.monotonic()
            yield

    return scene


def killed(*faults: str, in_pool: bool = False) -> Scene:
    """Return the scene in which the daemon is killed after a broadcast, and starts under faults of every
    provider.

    What it broadcast is in a block by then, or (`in_pool`) waits until it was offered again.
    """

    @asynccontextmanager
    async def scene(road: FaultyRoad) -> AsyncIterator[None]:
        async with road.no_blocks():
            await road.send(_MESSAGES)
            await road.await_pooled()
            await road.daemon.kill()
            if in_pool:
                before = road.acted()
                await road.daemon.start()
                await road.await_acted(before)
        await road.await_unpooled()
        async with road.suffering(road.providers((DESTINATION,), every=True), *faults):
            await road.send(_MESSAGES)
            if not in_pool:
                await road.daemon.start()
                road.since = time.monotonic()
            yield

    return scene


def all_nodes(*faults: str) -> Scene:
    """Return the nature of two chains whose nodes are all like this."""

    def nature(road: FaultyRoad) -> AbstractAsyncContextManager[None]:
        return road.suffering(road.providers((SOURCE, DESTINATION), every=True), *faults)

    return nature


@asynccontextmanager
async def quick_unpayable(road: FaultyRoad) -> AsyncIterator[None]:
    """The nature of a chain whose pool takes what can't be paid; with quick blocks, so that many pass."""
    async with road.quick_blocks(), road.pool_of_unpayable():
        yield


@asynccontextmanager
async def large(road: FaultyRoad) -> AsyncIterator[None]:
    """20 messages of 4,000 bytes at once: more than 64 kB in one batch."""
    await road.send(20, payload_bytes=4_000)
    yield


@asynccontextmanager
async def emptied(road: FaultyRoad) -> AsyncIterator[None]:
    """The relayer's key has no money on the destination; afterwards, it has."""
    await road.take_all_money()
    try:
        await road.send(_MESSAGES)
        yield
    finally:
        await road.give_money(_ETHER)


@asynccontextmanager
async def nonce_taken(road: FaultyRoad) -> AsyncIterator[None]:
    """Somebody else uses the relayer's key: his transfer takes the nonce of what waits in the pool."""
    async with road.no_blocks():
        await road.send(_MESSAGES)
        await road.await_pooled()
        await road.transfer(1, 4 * int(await road.ask("eth_gasPrice"), 16) + 10**10)
    yield


@asynccontextmanager
async def healthy(road: FaultyRoad) -> AsyncIterator[None]:
    """Nothing goes wrong."""
    await road.send(_MESSAGES)
    yield


# --- the table ----------------------------------------------------------------------------------------------


def _first(title: str, *faults: str, settle_s: float = 1.0) -> Row:
    """Of the sender: the preferred provider of the destination fails, the other one doesn't."""
    return Row(f"{title}: preferred", "sender", suffering(*faults, settle_s=settle_s))


def _every(title: str, *faults: str, under_s: float = _UNDER_ALL_S, may_cost: bool = False) -> Row:
    """Of the sender: every provider of the destination fails alike, as an only one would."""
    return Row(
        f"{title}: every",
        "sender",
        suffering(*faults, every=True),
        under_s=under_s,
        is_fresh=False,
        may_cost=may_cost,
    )


def _of_providers(title: str, *faults: str) -> Row:
    """Of the providers: the preferred one of both chains fails, the other one doesn't."""
    return Row(title, "providers", suffering(*faults, chains=(SOURCE, DESTINATION)))


ROWS: Final[tuple[Row, ...]] = (
    Row("none", "sender", healthy),
    _first("nonce count 1000 too high once", "counts ahead once"),
    _first("nonce count 1000 too high", "counts ahead"),
    _every("nonce count 1000 too high once", "counts ahead once", under_s=_UNDER_S),
    _first("nonce count 0", "counts nothing"),
    _first("refusal in unknown words (OldNonce)", "refuses: OldNonce"),
    _every("refusal in unknown words (OldNonce)", "refuses: OldNonce"),
    _first("refusal in unknown words (existing tx)", "refuses: existing tx"),
    _every("refusal in unknown words (existing tx)", "refuses: existing tx"),
    _first("refusal in unknown words (txpool is full)", "refuses: txpool is full"),
    _every("refusal in unknown words (txpool is full)", "refuses: txpool is full"),
    Row("killed then OldNonce for what is included", "sender", killed(), all_nodes("rewords: OldNonce")),
    Row(
        "killed then existing tx for what is pending",
        "sender",
        killed(in_pool=True),
        all_nodes("rewords: existing tx"),
    ),
    Row(
        "killed then txpool is full",
        "sender",
        killed("refuses: txpool is full"),
        under_s=_UNDER_ALL_S,
    ),
    _first("'already known' and swallows", "refuses: already known"),
    _every("'already known' and swallows", "refuses: already known"),
    _first("'nonce too low' to every send", "refuses: nonce too low"),
    _every("'nonce too low' to every send", "refuses: nonce too low"),
    _first("'replacement underpriced' to every send", "refuses: underpriced"),
    _every("'replacement underpriced' to every send", "refuses: underpriced", may_cost=True),
    _first("hangs at sends", "hangs at sends"),
    _every("hangs at sends", "hangs at sends"),
    Row(
        "broadcast lost without empty blocks",
        "sender",
        suffering("swallows once", every=True),
        FaultyRoad.blocks_on_demand,
        is_fresh=False,
    ),
    Row(
        "broadcasts lost for 10 s with blocks of 0.2 s",
        "sender",
        suffering("swallows", every=True),
        FaultyRoad.quick_blocks,
        under_s=_UNDER_ALL_S,
        is_fresh=False,
    ),
    _every("broadcasts lost for 10 s", "swallows"),
    _first("base fee of 600 gwei invented", "base fee 600 gwei", settle_s=4.0),
    _first("base fee of 400 gwei invented", "base fee 400 gwei", settle_s=4.0),
    _first("no base fee", "no base fee"),
    _first("tip of 300 gwei suggested", "tip 300 gwei"),
    _first("never shows receipts", "no receipts"),
    _every("never shows receipts", "no receipts"),
    _first("invents receipts", "invented receipts"),
    Row("oversized data (64 kB)", "sender", large, all_nodes("takes 64 kB"), is_fresh=False),
    Row(
        "empty key",
        "sender",
        emptied,
        FaultyRoad.quick_blocks,
        under_s=20.0,
        within_s=20.0,
        is_fresh=False,
    ),
    Row(
        "empty key where the pool takes all",
        "sender",
        emptied,
        quick_unpayable,
        under_s=20.0,
        within_s=20.0,
        is_fresh=False,
    ),
    Row("nonce taken by somebody else", "sender", nonce_taken, is_fresh=False),
    Row(
        "destination down for 40 s",
        "sender",
        suffering("down", every=True),
        under_s=40.0,
        within_s=15.0,
        is_fresh=False,
    ),
    _of_providers("down", "down"),
    _of_providers("hangs", "hangs"),
    _of_providers("slow-loris", "drips"),
    _of_providers("slow by 3 s", "slow"),
    _of_providers("HTTP 429", "HTTP 429"),
    _of_providers("HTTP 503", "HTTP 503"),
    _of_providers("JSON -32005", "rate limit"),
    _of_providers("garbage HTML", "garbage"),
    _of_providers("huge answers (96 MiB)", "huge"),
    _of_providers("lags 5 blocks", "lags 5"),
    _of_providers("lags 100 blocks", "lags 100"),
    _of_providers("stuck at one head", "stuck"),
    _of_providers("stuck at one head without socket", "stuck", "socket refused"),
    _of_providers("socket silent", "socket silent"),
    _of_providers("socket lags 20 heads", "socket lags 20"),
    _of_providers("socket repeats one head", "socket repeats"),
    _of_providers("socket tells far heads", "socket far ahead"),
    _of_providers("socket lags 20 heads and stuck", "socket lags 20", "stuck"),
    _of_providers("eth_call always reverts", "reverts"),
    _of_providers("no batches", "no batches"),
    Row("wrong chain id at the start", "providers", starting("chain id")),
    Row("syncing at the start", "providers", starting("syncing")),
    Row(
        "range of logs limited after 10 s away", "providers", starting(absent_s=10.0), all_nodes("log range")
    ),
)

#: What continuous integration has time for.
SHORT: Final = (
    "none",
    "nonce count 1000 too high once: every",
    "killed then OldNonce for what is included",
    "'already known' and swallows: every",
    "broadcast lost without empty blocks",
    "oversized data (64 kB)",
    "empty key",
    "HTTP 503",
)


class NotInHealth(Exception):  # noqa: N818  says what the road is
    """A road delivers nothing though nothing goes wrong."""


# --- one row ------------------------------------------------------------------------------------------------


async def try_row(road: FaultyRoad, row: Row) -> dict[str, Any]:
    """Let a fault happen on a road in health; return its line of the table.

    Raises NotInHealth when nothing is delivered before the fault, TimeoutError when a scene waits in vain.
    """
    if row.is_fresh:
        await road.restart()
    first = road.head() + 1
    await road.send(1)
    if await road.await_delivered(_HEALTHY_S, final=True) is None:
        raise NotInHealth(f"{road.why()}\n{road.daemon.log_end()}")
    twice, acted = await road.count_twice(), road.acted()
    async with row.nature(road):
        async with row.scene(road):
            delivered = await road.await_delivered(row.under_s)
            why = road.why() if delivered is None else ""
        ended = time.monotonic()
        await road.send(_MESSAGES)
        road.since = ended
        recovered = await road.await_delivered(row.within_s, final=True)
        if recovered is None:
            why = road.why()
    helped = "" if recovered is not None else await road.recover()
    paid = await road.paid(first, road.head())
    healthy_price = paid.prices_wei[0]
    return {
        "fault": row.fault,
        "covered_by": row.covered_by,
        "delivered_s": delivered,
        "recovered_s": recovered,
        "lost": await road.count_lost(),
        "twice": await road.count_twice() - twice,
        "price_ratio": round(max(paid.prices_wei) / healthy_price, 2),
        "transactions": paid.transactions,
        "wasted_gas": paid.wasted_gas,
        "may_cost": row.may_cost,
        "acted": road.acted() - acted,
        "waits": " ".join(why.split())[:300],
        "helped": helped,
    }


def faults_of(line: dict[str, Any]) -> list[str]:
    """Return what is wrong with a line of the table, in words."""
    wrong = [f"{line[name]} {name}" for name in ("lost", "twice") if line[name]]
    if line["covered_by"] in COVERED:
        if line["recovered_s"] is None:
            wrong.append("never recovered")
        if line["price_ratio"] > MOST_PRICE_RATIO and not line["may_cost"]:
            wrong.append(f"{line['price_ratio']} times the price")
    return wrong


# --- all of them --------------------------------------------------------------------------------------------


async def run(folder: Path, rows: Sequence[Row], at_once: int) -> list[dict[str, Any]]:
    """Return the lines of these rows, in their order. The keystores' password is in the environment.

    Args:
        folder: for journals, keys and logs.
        rows: of the table.
        at_once: how many roads are used side by side: most of a row's time is waiting.
    """
    lines: dict[str, dict[str, Any]] = {}
    waiting = deque(rows)
    async with asyncio.TaskGroup() as group:
        for number in range(min(at_once, len(rows))):
            group.create_task(_work(folder / str(number), waiting, lines))
    return [lines[row.fault] for row in rows]


async def main(rows: Sequence[Row], at_once: int, *, keep: bool) -> int:
    """Run, print, write. Returns the exit code: 1 when something is wrong with a line, by `faults_of`."""
    os.environ[PASSWORD_VARIABLE] = PASSWORD
    with scratch(keep=keep) as folder:
        table = await run(folder, rows, at_once)
    _print_table(table)
    write_json(OUTPUT, {"rows": table})
    wrong = {line["fault"]: faults for line in table if (faults := faults_of(line))}
    for fault, faults in wrong.items():
        print(f"WRONG  {fault}: {', '.join(faults)}")
    return 1 if wrong else 0


async def _work(folder: Path, waiting: deque[Row], lines: dict[str, dict[str, Any]]) -> None:
    """Take rows while there are any, on one road after the other: one that does not recover is left."""
    roads = 0
    failed: Row | None = None
    while waiting:
        roads += 1
        async with faulty_road(folder / str(roads)) as road:
            while waiting:
                row = waiting.popleft()
                began = time.monotonic()
                try:
                    line = await try_row(road, row)
                except (NotInHealth, TimeoutError) as error:
                    # Trouble that a row before it left behind: the row gets a road of its own, once.
                    print(f"{row.fault}: {type(error).__name__} {error}", flush=True)
                    if row is failed:
                        raise
                    failed = row
                    waiting.appendleft(row)
                    break
                lines[row.fault] = line
                _print_line(line, f"({time.monotonic() - began:.0f} s)")
                if line["lost"]:
                    break


def _print_line(line: dict[str, Any], end: str = "") -> None:
    seconds = {
        name: "never" if line[name] is None else f"{line[name]:.1f}"
        for name in ("delivered_s", "recovered_s")
    }
    print(
        f"{line['fault']:52} {line['covered_by']:9} {seconds['delivered_s']:>6} {seconds['recovered_s']:>6}"
        f" {line['lost']:>4} {line['twice']:>5} {line['price_ratio']:>6} {line['transactions']:>4}"
        f" {line['wasted_gas']:>7} {line['acted']:>5}  {end or line['waits'][:60]}"
        f"{'; helped by: ' * bool(line['helped'])}{line['helped']}",
        flush=True,
    )


def _print_table(table: Sequence[dict[str, Any]]) -> None:
    print(
        f"\n{'fault':52} {'part':9} {'under':>6} {'after':>6} {'lost':>4} {'twice':>5} {'price':>6} {'txs':>4}"
        f" {'wasted':>7} {'acted':>5}  waits for"
    )
    for line in table:
        _print_line(line)


def _choose(names: Sequence[str]) -> Sequence[Row]:
    """Return the rows of these names, or of names that hold one of them; all rows for no name."""
    known = {row.fault for row in ROWS}
    unknown = [name for name in names if not any(name in fault for fault in known)]
    if unknown:
        listed = "\n  ".join(row.fault for row in ROWS)
        sys.exit(f"found no row {unknown[0]!r}, expected a part of one of\n  {listed}")
    wanted = {
        fault for name in names for fault in known if fault == name or (name not in known and name in fault)
    }
    return [row for row in ROWS if not names or row.fault in wanted]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of rows, or parts of them, with commas between")
    parser.add_argument("--short", action="store_true", help="the few rows that are tried at every change")
    parser.add_argument("--at-once", type=int, default=3, help="how many roads side by side")
    parser.add_argument("--keep", action="store_true", help="keep the folder with journals and logs")
    options = parser.parse_args()
    names = [*filter(None, options.only.split(",")), *(SHORT if options.short else ())]
    sys.exit(asyncio.run(main(_choose(names), options.at_once, keep=options.keep)))
