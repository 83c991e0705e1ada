# SPDX-License-Identifier: MIT
"""One run against a network of validators: joined with a local chain by the commands of the how-tos, then
messages both ways while validators come and go, nodes stop, and the first provider is killed.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from relayer.devnet.network.network import Network
from relayer.keys import StoredKey
from tests.live.consortium.validators import Platform, Validators
from tests.live.journey import Journal, Say, send_for
from tests.live.processes import ProgramError
from tests.support.daemon_process import DaemonProcess
from tests.support.operator import Joined, Operator

PAGE = Path(__file__).parents[3] / "docs/how-to/join-a-goquorum-chain.md"
CHAIN_ID = 0x5000_1337
MINE, PARTNER = "mine", "partner"
#: All of it, starts and ends included.
RUN_S = 1500.0
_EVERY_S = 0.5
#: Messages that are proven after every event before the next one comes.
_AFTER = 6
#: So long a node stays away: some of its turns to propose pass, and other rounds follow.
_AWAY_S = 10.0
_SETTLED_S = 90.0


@dataclass
class Outcome:
    """What was seen.

    Attributes:
        events: what happened, and the height of the chain then.
        rows: what is shown at the end.
        failures: what should not have been; none when all is well.
    """

    events: list[tuple[str, int]] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def run(platform: Platform, folder: Path, say: Say) -> Outcome:
    """Do the whole run in an empty folder.

    Raises:
        ProgramError: a node does not do what it should.
        CommandError: a command fails.
        TimeoutError: it takes too long.
    """
    outcome = Outcome()
    async with asyncio.timeout(RUN_S):
        async with (
            Validators(platform, folder, CHAIN_ID) as nodes,
            Network(f"{PARTNER}=qbft:4:free@1") as network,
        ):
            try:
                await _go(nodes, network[PARTNER].http_url, network[PARTNER].ws_url, folder, outcome, say)
            except BaseException:
                say(f"the nodes said last:\n{nodes.log_ends()}")
                raise
    return outcome


async def _go(
    nodes: Validators, partner_http: str, partner_ws: str, folder: Path, outcome: Outcome, say: Say
) -> None:
    version = await nodes.ask("web3_clientVersion")
    say(f"{len(nodes.places)} nodes of {version}, {len(await nodes.validators())} of them validators")
    outcome.rows.append(("nodes", f"{len(nodes.places)} of {version}"))
    (folder / "operator").mkdir()
    operator = Operator(folder / "operator", say=say)
    urls = [nodes.places[0].ws_url, *(place.http_url for place in nodes.places[:4])]
    began = time.monotonic()
    table = f"[chains.{MINE}.consensus]\n"
    edits = {table: table + "".join(f"{line}\n" for line in nodes.platform.settings)}

    async def pay(key: StoredKey) -> None:
        if nodes.platform.has_fees and key.name.startswith(f"{MINE}-"):
            await nodes.pay(key.address)

    chains = {MINE: (nodes.platform.dialect, urls), PARTNER: ("qbft", [partner_http, partner_ws])}
    rest = await operator.follow(PAGE, chains, edits, made=pay)
    joined = await operator.put_recipients(MINE, PARTNER)
    outcome.rows.append(("deployed, joined and checked", f"in {time.monotonic() - began:.0f} s"))
    first, journal, waiting = await nodes.height(), Journal(), _Waiting(operator)
    over = asyncio.Event()
    async with operator.relaying() as daemon:
        async with asyncio.TaskGroup() as group:
            group.create_task(_disturb(nodes, journal, outcome, over, say))
            watching = group.create_task(waiting.watch())
            await send_for(
                joined,
                [(MINE, PARTNER), (PARTNER, MINE)],
                every_s=_EVERY_S,
                enough=over.is_set,
                watch=lambda: _check(daemon, nodes),
                say=say,
                journal=journal,
            )
            watching.cancel()
        for command in rest:
            await operator.shell(command, RECIPIENT="0x" + joined.endpoints[PARTNER].postbox.hex())
        await _await_settled(operator, outcome)
    last = await nodes.height()
    rounds = await nodes.rounds(first, last)
    later = f"{sum(number > 0 for number in rounds)} of {len(rounds)} that tell it in a later round"
    outcome.rows += [
        ("blocks meanwhile", f"{last - first + 1}; {later}"),
        ("reasons to wait that were told", ", ".join(sorted(waiting.reasons)) or "none"),
    ]
    if waiting.silent:
        outcome.failures.append(f"waited without a reason: {', '.join(sorted(waiting.silent))}")
    changes_at = nodes.platform.changes_at
    if changes_at is not None and first >= changes_at:
        outcome.failures.append(f"the rules changed at {changes_at}, before messages were sent ({first})")
    if rounds and not any(rounds):
        outcome.failures.append("no block came in a later round, though a validator was away")
    await _count(joined, journal, outcome)


async def _disturb(
    nodes: Validators, journal: Journal, outcome: Outcome, over: asyncio.Event, say: Say
) -> None:
    async def then(what: str, happen: Callable[[], Awaitable[object]]) -> None:
        await happen()
        height = await nodes.height()
        say(f"block {height}: {what}")
        outcome.events.append((what, height))

    async def away(*indices: int) -> None:
        await asyncio.sleep(_AWAY_S)
        await nodes.start(*indices)

    changes_at = nodes.platform.changes_at
    if changes_at is not None:
        await then("before the rules change", lambda: journal.await_proven(_AFTER))
        await then("they changed", lambda: nodes.await_height(changes_at + 2))
    await journal.await_proven(_AFTER)
    await then("first provider killed, a validator too", lambda: nodes.stop(0, kill=True))
    await journal.await_proven(_AFTER)
    await then("it came back", lambda: nodes.start(0))
    if nodes.platform.restarts_after_change:
        await then("all others restarted, one by one", lambda: nodes.restart(1, 2, 3, 4))
    await then("a validator added", lambda: nodes.vote(4, add=True))
    await journal.await_proven(_AFTER)
    await then("one of five validators stopped", lambda: nodes.stop(2))
    await then("it came back", lambda: away(2))
    await then("a validator removed", lambda: nodes.vote(1, add=False))
    await journal.await_proven(_AFTER)
    await then("two of four validators stopped: no blocks", lambda: nodes.stop(2, 3))
    await then("they came back", lambda: away(2, 3))
    await journal.await_proven(_AFTER)
    over.set()


async def _await_settled(operator: Operator, outcome: Outcome) -> None:
    """Wait until the relayer has confirmed all that it knows."""
    try:
        async with asyncio.timeout(_SETTLED_S):
            while await operator.json("pending"):  # noqa: ASYNC110  another process decides
                await asyncio.sleep(1)
    except TimeoutError:
        waiting = await operator.json("pending")
        outcome.failures.append(f"{len(waiting)} messages are pending still: {waiting[:3]}")


async def _count(joined: Joined, journal: Journal, outcome: Outcome) -> None:
    for source, destination in ((MINE, PARTNER), (PARTNER, MINE)):
        sent = {message.id for message, _ in journal.sent if message.source == source}
        arrived = await joined.arrivals(destination)
        lost, twice = sent - set(arrived), [key for key, times in arrived.items() if times > 1]
        seconds = journal.seconds(source)
        counts = f"{len(sent)} sent, {len(seconds)} proven, {len(lost)} lost, {len(twice)} twice"
        took = f"{statistics.median(seconds):.1f} s in the middle, {seconds[-1]:.1f} s at most"
        outcome.rows.append((f"{source} to {destination}", f"{counts}; {took}"))
        if lost or twice or len(seconds) != len(sent):
            outcome.failures.append(f"{source} to {destination}: {len(lost)} lost, {len(twice)} twice")


def _check(daemon: DaemonProcess, nodes: Validators) -> None:
    nodes.check()
    if not daemon.is_running():
        raise ProgramError(f"the daemon ended:\n{daemon.log_end(30)}")


class _Waiting:
    """Looks at what is pending: each entry has to tell why."""

    def __init__(self, operator: Operator) -> None:
        self._operator = Operator(operator.folder)
        self.reasons: set[str] = set()
        self.silent: set[str] = set()

    async def watch(self) -> None:
        """Look until cancelled."""
        # The relayer makes it when it starts.
        while not (self._operator.folder / "postroad.db").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        while True:
            for entry in await self._operator.json("pending"):
                if entry["reason"]:
                    self.reasons.add(entry["reason"])
                else:
                    self.silent.add(str(entry["id"]))
            await asyncio.sleep(2)
