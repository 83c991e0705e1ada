# SPDX-License-Identifier: MIT
"""`make kill ARGS=--every`: the daemon is killed before, within and after each kind of commit and broadcast.

Three chains and a lane from each to each other, with messages on all of them all the time. Meanwhile
validators come and go, chains stand still for a moment, and nodes refuse a transaction now and then, so that
there are replacements and second offers. Each life of the daemon ends by its own SIGKILL, at an instant that
is chosen before (tests/support/mortal_daemon.py): every second one at the n-th commit or broadcast of any
kind, the others at the n-th of one kind. The next life begins on the journal as it was left.

What is counted afterwards (INV-2, INV-6):
- lost, twice: from the chains alone, by proven bits and by the recipients' own events;
- both_includable: pairs of transactions that carry one message and could both be included at one time
  (tests/support/includable.py), by all that the journal has and the blocks that used the nonces;
- unjournalled: transactions that left the process, or that a chain has, and that the journal did not hold;
- misremembered: transactions of which the journal tells another hash than the chain, or no end though the
  chain has used their nonce;
- gave_up: lives that ended by themselves, and tasks of theirs that failed by a defect of ours.

All of these must be 0. `double_spent_gas` is the gas of transactions that reverted or moved nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from relayer.chains.evm.node import Node
from relayer.devnet.network import background
from relayer.journal.rows import TransactionState
from tests.bench.flow import Included, count_proven, network, relayed_transactions, scratch, settled_messages
from tests.support.includable import Nonce, find_both_includable, read_signed, read_transactions
from tests.support.mortal_daemon import AFTER, BEFORE, POINTS, WITHIN, Fate, MortalDaemon
from tests.support.relaynet import RelayNet, write_json

OUTPUT: Final = Path(".bench/kill-every.json")
SPEC: Final = "a=bft:4@0.5,b=bft:ibft2:5@0.5,c=bft:4@0.5"
CHAINS: Final = ("a", "b", "c")
LANES: Final = tuple(itertools.permutations(CHAINS, 2))
SETTINGS: Final = '[api]\nlisten = ""\n\n[log]\nlevel = "warning"\n\n[batch]\nmax_wait_ms = 200\n'

#: The kinds of instants that half of the lives end at, in turn with all points.
_AIMS: Final = (
    "commit start",
    "commit proofs",
    "commit signature",
    "commit replacement",
    "commit included",
    "commit settled",
    "broadcast first",
    "broadcast replacement",
    "broadcast recovered",
    "broadcast again",
)
#: A life has one of these or few; of the other kinds the third is still soon.
_EARLY: Final = frozenset({"commit start", "broadcast recovered"})
#: The other lives end at the n-th instant of any kind. These are the most for n, in turn: a start that is cut
#: short again and again makes no progress, so that longer lives come between.
_REACHES: Final = (6, 40, 160)
#: A life whose instant does not come is killed after this, wherever it is. That does not count as a kill.
_LIFE_S: Final = 10.0
#: A run gives up after so many lives for each kill that is wanted.
_LIVES_PER_KILL: Final = 2
#: Between one round of messages and the next.
_ROUND_S: Final = 0.8
#: The daemon starts and signs within this.
_STILL_S: Final = 3.0
_SETTLE_S: Final = 120.0
#: How often blocks are looked for.
_LOOK_S: Final = 0.1
_FEWEST_VALIDATORS: Final = 4
_MOST_VALIDATORS: Final = 7
#: What a node answers to a broadcast: the first leads to a replacement, the second to a second offer.
_REFUSALS: Final = (
    {"code": -32000, "message": "replacement transaction underpriced"},
    {"http_status": 503},
)


@dataclass
class Figures:
    """What a run counted, by the names that the head of the module explains.

    `instants` counts the kills by kind and point. `elsewhere` counts the lives whose instant did not come.
    """

    seed: int
    kills: int = 0
    elsewhere: int = 0
    messages: int = 0
    lost: int = 0
    twice: int = 0
    both_includable: int = 0
    unjournalled: int = 0
    misremembered: int = 0
    gave_up: int = 0
    double_spent_gas: int = 0
    transactions: int = 0
    validator_changes: int = 0
    lanes: int = len(LANES)
    seconds: float = 0.0
    instants: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def violations(self) -> dict[str, int]:
        """What must be 0 and is not."""
        names = ("lost", "twice", "both_includable", "unjournalled", "misremembered", "gave_up")
        return {name: count for name in names if (count := getattr(self, name))}


async def main(kills: int, seed: int, *, keep: bool) -> int:
    """Run, print, write. Returns the exit code: 1 when a figure that must be 0 is not, or kills are missing.

    Args:
        kills: how many lives have to end at their chosen instant.
        seed: of the instants, and of what happens meanwhile.
        keep: keep the folder with journal, log and report.
    """
    with scratch(keep=keep) as folder:
        figures = await run(folder, kills, seed)
    print(f"{'':>24}  {BEFORE:>8}{WITHIN:>8}{AFTER:>8}")
    for kind, points in sorted(figures.instants.items()):
        print(f"{kind:>24}  " + "".join(f"{points[point]:>8}" for point in POINTS))
    values = msgspec.to_builtins(figures)
    for name, value in values.items():
        if name != "instants":
            print(f"{name:>24}  {value}")
    write_json(OUTPUT, values)
    return 1 if figures.violations or figures.kills < kills else 0


async def run(folder: Path, kills: int, seed: int) -> Figures:
    """Kill so often, then let everything arrive, and count. `folder` is for all that a run leaves."""
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    figures = Figures(seed)
    async with (
        network(folder, SPEC, extra=SETTINGS, lanes=list(LANES), admin=True) as net,
        _open_admins(folder) as admins,
    ):
        births, traffic = Births(net), Traffic(net, admins, random.Random(seed + 1))
        lives = Lives(folder, traffic, figures)
        watching, sending = asyncio.create_task(births.run()), asyncio.create_task(traffic.run())
        try:
            await lives.daemon.open()
            await lives.kill(kills)
            await traffic.end(sending)
            await lives.finish(net)
            await _count(net, births, lives, figures)
        finally:
            watching.cancel()
            sending.cancel()
            await lives.daemon.close()
    figures.validator_changes = traffic.validator_changes
    figures.seconds = round(time.monotonic() - began, 1)
    if figures.violations:
        print(lives.log_end())
    return figures


# --- the lives ----------------------------------------------------------------------------------------------


class Lives:
    """The lives of a daemon, on one journal."""

    def __init__(self, folder: Path, traffic: Traffic, figures: Figures) -> None:
        self.daemon = MortalDaemon(folder / "daemon.log")
        self._plain = Fate(
            config=str(folder / "postroad.toml"),
            journal=str(folder / "postroad.db"),
            report=str(folder / "instants.log"),
        )
        self._traffic = traffic
        self._figures = figures

    async def kill(self, kills: int) -> None:
        """Live and die until there are so many kills, or so many lives that something must be wrong."""
        figures = self._figures
        for fate in itertools.islice(self._fates(random.Random(figures.seed)), _LIVES_PER_KILL * kills):
            deaths = len(self.reported("died"))
            code = await self._live(fate)
            for _, kind, point in self.reported("died")[deaths:]:
                figures.kills += 1
                figures.instants.setdefault(kind, Counter())[point] += 1
                if figures.kills % 10 == 0:
                    print(f"{figures.kills} kills, the last at: {kind}, {point}", flush=True)
            if code is None:
                figures.elsewhere += 1
            elif code != -signal.SIGKILL:
                self._give_up(code)
            if figures.kills >= kills:
                return
            await self._traffic.perhaps_stand_still()

    def _fates(self, chance: random.Random) -> Iterator[Fate]:
        replace = msgspec.structs.replace
        aims = list(itertools.product(_AIMS, POINTS))
        while True:
            chance.shuffle(aims)
            for (kind, point), reach in zip(aims, itertools.cycle(_REACHES), strict=False):
                nth = 1 if kind in _EARLY else chance.randint(1, 3)
                yield replace(self._plain, kind=kind, points=(point,), nth=nth)
                points = (WITHIN,) if chance.random() < 0.2 else (BEFORE, AFTER)
                yield replace(self._plain, points=points, nth=chance.randint(1, reach))

    async def _live(self, fate: Fate) -> int | None:
        """Live until the fate's instant. Returns the exit code; None where the instant did not come."""
        await self.daemon.start(fate)
        try:
            async with asyncio.timeout(_LIFE_S):
                return await self.daemon.wait()
        except TimeoutError:
            await self.daemon.end(signal.SIGKILL)
            return None

    async def finish(self, net: RelayNet) -> None:
        """Let a last life finish all that was begun, and end it as an operator does."""
        total = sum([await net.next_sequence(*lane) for lane in LANES])
        settled, started = 0, time.monotonic()
        await self.daemon.start(self._plain)
        while settled < total or _count_open(net):
            await asyncio.sleep(0.5)
            settled = sum(settled_messages(net, name) for name in CHAINS)
            if time.monotonic() - started > _SETTLE_S:
                print(f"{settled} of {total} are final after {_SETTLE_S:.0f} s, {_count_open(net)} open")
                break
        code = await self.daemon.end(signal.SIGTERM)
        if code != 0:
            self._give_up(code)
        self._figures.gave_up += self.daemon.log.read_text(errors="replace").count("a task failed")

    def _give_up(self, code: int) -> None:
        self._figures.gave_up += 1
        print(f"the daemon ended with code {code}:\n{self.log_end()}")

    def reported(self, what: str) -> list[list[str]]:
        """The lines that the lives have reported and that begin with a word, in words."""
        report = Path(self._plain.report)
        lines = report.read_text().splitlines() if report.exists() else []
        return [words for line in lines if (words := line.split("\t"))[0] == what]

    def log_end(self) -> str:
        """The end of what they have logged."""
        return "\n".join(self.daemon.log.read_text(errors="replace").splitlines()[-40:])


def _count_open(net: RelayNet) -> int:
    with net.open_journal() as journal, journal.reading() as reading:
        return sum(len(reading.live_transactions(chain.row)) for chain in reading.chains())


# --- what happens meanwhile ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Admin:
    """A chain's admin RPC.

    Attributes:
        node: calls it.
        method: the method of the chain's own RPC that tells a block's validators.
        validators: who was asked to seal its blocks.
    """

    node: Node
    method: str
    validators: list[str]


@asynccontextmanager
async def _open_admins(folder: Path) -> AsyncIterator[Mapping[str, Admin]]:
    state = await asyncio.to_thread(background.status, folder / "devnet")
    assert state is not None
    admins: dict[str, Admin] = {}
    for chain in state.chains:
        facts = chain.details.facts
        method = f"{'ibft' if facts['protocol'] == 'ibft2' else 'qbft'}_getValidatorsByBlockNumber"
        node = Node.over(chain.name, [str(chain.admin_url)])
        admins[chain.name] = Admin(node, method, list(facts["validators"]))
    try:
        yield admins
    finally:
        for admin in admins.values():
            await admin.node.close()


class Traffic:
    """Messages on all lanes, and what makes their road uneven.

    `validator_changes` counts the changes of sets that were asked for.
    """

    def __init__(self, net: RelayNet, admins: Mapping[str, Admin], chance: random.Random) -> None:
        self.validator_changes = 0
        self._net = net
        self._admins = admins
        self._chance = chance
        self._sent: dict[str, bytes] = {}
        self._ending = False
        self._still: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Go on until `end`."""
        seed = 1
        while not self._ending:
            for source, destination in LANES:
                count = self._chance.randint(1, 4)
                self._sent[source] = await self._net.send_counted(source, destination, count, seed)
                seed += count
            await self._change_validators(self._chance.choice(CHAINS))
            # Only between two rounds, so that it is the daemon's transaction that is refused.
            node = self._admins[self._chance.choice(CHAINS)].node
            fault = {"kind": "rpc-errors", "methods": ["eth_sendRawTransaction"], "times": 1}
            number = await node.request("postroad_fault", [fault | self._chance.choice(_REFUSALS)])
            await asyncio.sleep(_ROUND_S)
            await node.request("postroad_stopFault", [number])

    async def end(self, running: asyncio.Task[None]) -> None:
        """Send no more, and return once all that was sent is in a block."""
        self._ending = True
        await running
        if self._still is not None:
            await self._still
        for source, digest in self._sent.items():
            await self._net.places[source].included(digest)

    async def perhaps_stand_still(self) -> None:
        """Have no chain make blocks for a moment, every second time.

        A life that ended just now has left transactions in no block, and the next one meets them so.
        """
        if self._chance.random() < 0.5 and (self._still is None or self._still.done()):
            stalls = [
                (admin.node, await admin.node.request("postroad_fault", [{"kind": "stall"}]))
                for admin in self._admins.values()
            ]
            self._still = asyncio.create_task(_go_on(stalls))

    async def _change_validators(self, chain: str) -> None:
        """Have a validator voted in or out, unless a vote is under way.

        A set that lives for a block or two may be sealed by too few of those that a light client trusts, and
        then no client can follow (docs/adr/0002-stateless-header-verification.md).
        """
        admin, node = self._admins[chain], self._net.places[chain].node
        members = admin.validators
        if set(await node.request(admin.method, ["latest"])) != set(members):
            return
        is_small, is_large = len(members) <= _FEWEST_VALIDATORS, len(members) >= _MOST_VALIDATORS
        if is_small or (not is_large and self._chance.random() < 0.5):
            members.append(await admin.node.request("postroad_addValidator", []))
        else:
            leaving = members.pop(self._chance.randrange(len(members)))
            await admin.node.request("postroad_removeValidator", [leaving])
        self.validator_changes += 1


async def _go_on(stalls: list[tuple[Node, int]]) -> None:
    await asyncio.sleep(_STILL_S)
    for node, number in stalls:
        await node.request("postroad_stopFault", [number])


class Births:
    """Since when blocks can be there, on the wall clock that the daemon signs by."""

    def __init__(self, net: RelayNet) -> None:
        self._net = net
        self._absent: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Watch all chains until cancelled."""
        await asyncio.gather(*(self._watch(name) for name in self._net.places))

    async def _watch(self, name: str) -> None:
        newest = before = 0
        while True:
            asked = time.time_ns() // 1_000
            head = int(await self._net.places[name].node.request("eth_blockNumber", []), 16)
            for number in range(newest + 1, head + 1):
                self._absent[name, number] = before
            newest, before = head, asked
            await asyncio.sleep(_LOOK_S)

    def absent_at(self, chain: str, number: int) -> int:
        """The last moment when a block was certainly not there, in microseconds since 1970."""
        return self._absent[chain, number]


# --- counting -----------------------------------------------------------------------------------------------


async def _count(net: RelayNet, births: Births, lives: Lives, figures: Figures) -> None:
    for lane in LANES:
        sent = await net.next_sequence(*lane)
        figures.messages += sent
        figures.lost += sent - await count_proven(net, *lane, sent)
    included: dict[Nonce, Included] = {}
    for name, place in net.places.items():
        receipts = await net.receipts_by_id(name)
        figures.twice += sum(count > 1 for count in receipts.values())
        for transaction in await relayed_transactions(place):
            included[Nonce(name, transaction.sender, transaction.nonce)] = transaction
    figures.double_spent_gas = sum(found.gas_used for found in included.values() if not found.moved)
    with net.open_journal() as journal, journal.reading() as reading:
        stored = read_transactions(reading)
        signed = read_signed(reading, stored)
    figures.transactions = len(stored)
    used_after = {
        nonce: births.absent_at(nonce.chain, found.block_number) for nonce, found in included.items()
    }
    for earlier, later in find_both_includable(signed, used_after):
        figures.both_includable += 1
        print(f"both could be included: {earlier} and {later}")
    journalled = {attempt.tx_hash for transaction in stored for attempt in transaction.attempts}
    figures.unjournalled = len(lives.reported("unjournalled"))
    figures.unjournalled += sum(found.tx_hash not in journalled for found in included.values())
    for told, known in zip(stored, signed, strict=True):
        shown = included.get(known.nonce)
        # What was signed just before the end may still be on its way to a block, and the journal says so.
        is_under_way = told.state is TransactionState.OPEN and shown is None
        has_no_end = told.state in {TransactionState.OPEN, TransactionState.INCLUDED} and not is_under_way
        if has_no_end or told.included_hash not in {None, None if shown is None else shown.tx_hash}:
            figures.misremembered += 1
            print(f"the journal has: {told}\nthe chain has: {shown}")
