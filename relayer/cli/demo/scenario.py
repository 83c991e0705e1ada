# SPDX-License-Identifier: MIT
"""What the demo plays, from nothing to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from light_clients.client import Height, Timestamp
from relayer.chains.evm.read_back import read_delivery
from relayer.cli.demo.console import DemoConsole
from relayer.cli.demo.explain import Evidence, explain
from relayer.cli.demo.figures import Figures, show_figures
from relayer.cli.demo.forgeries import Attempt, Material, invent, try_forgeries
from relayer.cli.demo.measuring import measure
from relayer.cli.demo.plain import PlainRole
from relayer.cli.demo.trust import TrustTeller
from relayer.cli.demo.watching import Track, watch
from relayer.cli.endpoint import describe_step
from relayer.consensus.kind import ConsensusKind
from relayer.consensus.registry import find_kind
from relayer.consensus.show import ConsensusShow, Delivered, ForgeryBasis, ShowRole
from relayer.contracts import load
from relayer.daemon import build
from relayer.devnet.network.join import LocalRoads, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.devnet.network.spec import ChainSpec
from relayer.endpoint.apply import Moment, Progress
from relayer.errors import ChainUnavailable, ConfigError
from relayer.journal.store import Journal
from relayer.keys import Key
from relayer.protocol.batch import decode_batch
from relayer.protocol.lane import heads_slot
from relayer.road import Receipt, Road, RoadMessage, connect
from relayer.views.demo import DemoView

_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.2
#: Signers that stay longer are not waited for.
_LONGEST_ROTATION_S: Final = 30.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_TEXTS: Final = (
    "case 2031-114: hearing moved to 14:00",
    "container MSCU7291135 released",
    "evidence hash recorded",
    "customs declaration accepted",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen.

    Attributes:
        chains: two.
        messages: how many cross in either direction.
        batch: how many are sent at once afterwards.
    """

    chains: tuple[ChainSpec, ...]
    messages: int
    batch: int


@dataclass(slots=True)
class Outcome:
    """What came of it, for `--json` and the exit code.

    Attributes:
        seconds: how long it took.
        delivered: the messages, with the times of their steps.
        forgeries: what was tried.
        figures: gas; None where it did not come so far.
        trust: whom light clients came to trust, and when.
        problems: what is not as it should be, in words.
    """

    seconds: float = 0.0
    delivered: list[dict[str, Any]] = field(default_factory=list)
    forgeries: list[Attempt] = field(default_factory=list)
    figures: Figures | None = None
    trust: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything was as it should be."""
        return not self.problems

    def view(self) -> DemoView:
        """Return what `--json` shows."""
        return DemoView(
            ok=self.is_good,
            problems=tuple(self.problems),
            seconds=round(self.seconds, 1),
            messages=tuple(self.delivered),
            forgeries=tuple(attempt.to_json() for attempt in self.forgeries),
            gas=None if self.figures is None else self.figures.to_json(),
            trust=tuple(self.trust),
        )


async def play(options: Options, folder: Path, console: DemoConsole) -> Outcome:
    """Play the whole demo.

    Args:
        options: what was chosen.
        folder: for the files of the endpoints and the relayer.
        console: where it is shown.

    Raises:
        PostroadError: it can't be shown at all (no anvil, for example).
        KeyboardInterrupt: it was stopped by a signal.
    """
    playing = asyncio.current_task()
    assert playing is not None
    ending = Ending(playing)
    ending.listen()
    try:
        return await _play(options, folder, console, ending)
    except asyncio.CancelledError:
        if ending.reason == "signal":
            raise KeyboardInterrupt from None
        raise
    finally:
        ending.reason = "over"
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@dataclass(slots=True)
class Ending:
    """Ends the demo before its time, at a signal or when the relayer fails. What was started is stopped then.

    Attributes:
        playing: the task that plays it.
        reason: why it ends; "" while it goes on.
    """

    playing: asyncio.Task[Any]
    reason: str = ""

    def listen(self) -> None:
        """Take the signals. The daemon sets its own handlers when it starts: call this again after that."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.end, "signal")

    def end(self, reason: str) -> None:
        """End the demo; only the first reason counts."""
        if not self.reason:
            self.reason = reason
            self.playing.cancel()


async def _play(options: Options, folder: Path, console: DemoConsole, ending: Ending) -> Outcome:
    outcome = Outcome()
    console.say("Postroad: two blockchains, one relayer, and nobody who has to be trusted.", style="bold")
    console.part("Two chains start, and sign as real ones do")
    async with Network(options.chains) as network:
        roles = {spec.name: role_of(find_kind(spec.kind)) for spec in network.specs}
        for name, chain in network.chains.items():
            introduction = roles[name].begin(chain)
            console.stamped(f"{name}: {introduction}, chain id {chain.chain_id}, {chain.http_url}")
        console.part(
            "An endpoint on each, joined with the other: a gateway, and a light client of the other chain"
        )
        roads = await join_local(
            [site_of(chain) for chain in network.chains.values()],
            folder,
            _progress_printer(console),
            on_wait=lambda name, what: console.stamped(f"{name}: waits for {what}"),
            poll_interval_ms=100,
        )
        console.good("both endpoints are deployed and registered, the admins behind their delay")
        signers = {
            name: [Key("sender", chain.funded_keys[2].secret)] for name, chain in network.chains.items()
        }
        async with _relaying(roads, network, ending), connect(roads.config, signers=signers) as road:
            shows = {
                name: roles[name].open(chain, road.chain(name)) for name, chain in network.chains.items()
            }
            await _play_messages(options, console, outcome, shows, roads, road)
    outcome.seconds = console.seconds
    console.say()
    if outcome.is_good:
        text = f"Everything held, in {outcome.seconds:.0f} s. The chains are stopped, nothing is left behind."
        console.say(text, style="bold green")
    for problem in outcome.problems:
        console.bad(problem)
    return outcome


def role_of(kind: ConsensusKind) -> ShowRole[Any]:
    """Return what a kind offers to show of its chains, or what can be shown of any chain."""
    try:
        role: ShowRole[Any] = kind.show
    except ConfigError:
        return PlainRole(kind)
    return role


async def _play_messages(
    options: Options,
    console: DemoConsole,
    outcome: Outcome,
    shows: Mapping[str, ConsensusShow],
    roads: LocalRoads,
    road: Road,
) -> None:
    first, second = shows
    # What a delivery costs is told of the direction whose headers are the most work.
    is_first_costly = shows[first].signer_count > shows[second].signer_count
    costly = (first, second) if is_first_costly else (second, first)
    believed = {name: show.why_believed for name, show in shows.items()}
    teller = TrustTeller(console, road, shows, outcome.trust)
    console.part(f"{2 * options.messages} messages cross, {options.messages} each way")
    tracks: list[Track] = []
    journal = await _open_journal(roads)
    try:
        async with teller.telling(), asyncio.TaskGroup() as group:
            group.create_task(_send_all(options, roads, road, (first, second), tracks))
            group.create_task(_send_all(options, roads, road, (second, first), tracks))
            group.create_task(watch(console, journal, tracks, 2 * options.messages, _PATIENCE_S, believed))
        receipts = [await track.message.delivered(_PATIENCE_S) for track in tracks]
        _note_receipts(console, outcome, tracks, receipts)
        console.part("The proof of one message, explained")
        chosen = [track for track in tracks if track.message.destination == second][-1].message
        if not explain(console, await _gather_evidence(shows[first], road, journal, chosen)):
            outcome.problems.append("the explained proof does not hold")
        console.part("Forgeries: what a dishonest relayer would send")
        material = await _gather_material(shows[first], road, chosen)
        outcome.forgeries = await try_forgeries(console, shows[first], material)
        outcome.problems += [
            f"accepted: {attempt.name}" for attempt in outcome.forgeries if not attempt.is_refused
        ]
        console.part("What it costs")
        async with teller.telling():
            outcome.figures = await measure(
                options.batch, console, roads, road, journal, costly, shows[costly[0]]
            )
        show_figures(console, outcome.figures)
        await _await_rotations(console, outcome, shows, teller)
    finally:
        await asyncio.to_thread(journal.close)
    await _count_effects(console, outcome, roads, road, options, costly)


async def _await_rotations(
    console: DemoConsole, outcome: Outcome, shows: Mapping[str, ConsensusShow], teller: TrustTeller
) -> None:
    """Where signers change often, see that the light client follows, though no message asks it to."""
    for name, show in shows.items():
        rotation = show.rotation
        if rotation is None or rotation.every_s > _LONGEST_ROTATION_S or teller.has_moved(name):
            continue
        console.part(rotation.title)
        if await teller.await_move(name, _PATIENCE_S):
            console.good(rotation.followed)
        else:
            outcome.problems.append(f"the light client of {name} has not followed in {_PATIENCE_S:g} s")


def _progress_printer(console: DemoConsole) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        if progress.moment is Moment.DONE:
            what = describe_step(progress.step.kind.value, progress.step.remote)
            console.stamped(f"{progress.step.chain}: {what} ({progress.gas_used:,} gas)")

    return tell


@contextlib.asynccontextmanager
async def _relaying(roads: LocalRoads, network: Network, ending: Ending) -> AsyncIterator[None]:
    """Run the relayer beside the demo; its failure ends the demo."""
    quiet = msgspec.structs.replace(
        roads.config,
        log=msgspec.structs.replace(roads.config.log, level="error"),
        api=msgspec.structs.replace(roads.config.api, listen=""),
    )
    signers = {name: [Key("relayer", chain.funded_keys[1].secret)] for name, chain in network.chains.items()}
    daemon = build(quiet, signers=signers)
    relaying = asyncio.create_task(daemon.run(), name="relayer")
    await asyncio.sleep(0)
    ending.listen()
    is_over = False
    relaying.add_done_callback(lambda _: None if is_over else ending.end("relayer"))
    try:
        yield
    except asyncio.CancelledError:
        if ending.reason == "relayer" and relaying.done():
            relaying.result()
        raise
    finally:
        is_over = True
        daemon.stop()
        await asyncio.gather(relaying, return_exceptions=True)


async def _send_all(
    options: Options, roads: LocalRoads, road: Road, lane: tuple[str, str], tracks: list[Track]
) -> None:
    source, destination = lane
    box = roads.endpoints[destination].postbox
    for index in range(options.messages):
        payload = _TEXTS[index % len(_TEXTS)].encode()
        began = time.time()
        message = await road.send(source, destination, to=box, payload=payload, deadline="10m")
        tracks.append(Track(message, began))


async def _open_journal(roads: LocalRoads) -> Journal:
    return await asyncio.to_thread(Journal.open, roads.config.journal_url.reveal(), read_only=True)


def _note_receipts(
    console: DemoConsole, outcome: Outcome, tracks: list[Track], receipts: list[Receipt]
) -> None:
    for track, receipt in zip(tracks, receipts, strict=True):
        message = track.message
        outcome.delivered.append(
            {
                "id": bytes(message.id),
                "source": message.source,
                "destination": message.destination,
                "sequence": message.sequence,
                "height": receipt.height,
                "steps": {step: round(at, 3) for step, at in track.steps.items()},
            }
        )
    console.good(f"{len(receipts)} deliveries, each bit proven again by the library's own light clients")


async def _gather_evidence(
    show: ConsensusShow, road: Road, journal: Journal, message: RoadMessage
) -> Evidence:
    """Read back the transaction that the relayer sent, and the trie nodes at the height that it proved."""
    source, destination = road.chain(message.source), road.chain(message.destination)
    story = await asyncio.to_thread(journal.story, message.id)
    assert story is not None
    tx_hash = next(step.tx_hash for step in reversed(story.steps) if step.tx_hash is not None)
    batch_bytes, proof = await read_delivery(destination.node, tx_hash)
    batch = decode_batch(batch_bytes, destination.chain.endpoint_id)
    slot = heads_slot(message.lane_id, batch.last >> 8)
    submitted = next(step for step in reversed(story.steps) if "proof_height" in step.detail)
    height = Height(int(submitted.detail["proof_height"]))
    remote = await destination.chain.remote(message.lane.source)
    mined = await destination.node.mined(tx_hash)
    assert remote is not None
    assert mined is not None
    delivered = Delivered(
        destination=destination,
        client=remote.client,
        account=source.chain.gateway,
        slot=slot,
        proof=proof,
        height=height,
        block=Height(mined.block_number),
    )
    return Evidence(
        message=message.sent.message,
        batch=batch,
        encoded_batch=batch_bytes,
        proof=proof,
        trust=await show.explain_delivery(delivered),
        nodes=await source.chain.proof(source.chain.gateway, (slot,), height),
        gateway=source.chain.gateway,
        source=message.source,
        destination=message.destination,
    )


async def _gather_material(show: ConsensusShow, road: Road, message: RoadMessage) -> Material:
    """Return a true proof of the lane's newest head, which the contracts believe, for forgeries of it."""
    source, destination = road.chain(message.source), road.chain(message.destination)
    remote = await destination.chain.remote(message.lane.source)
    assert remote is not None
    account = source.chain.gateway
    verified = await source.prover.verify_head(await source.chain.head())
    # The relayer tells the contract who signs now: a forgery shall be refused for nothing but its lie.
    ends_at = time.monotonic() + _PATIENCE_S
    while not (await source.prover.client_at(destination.chain, remote.client)).current:
        if time.monotonic() > ends_at:
            raise ChainUnavailable(
                f"the light client of {source.name} on {destination.name} lags after {_PATIENCE_S:g} s",
                "a relayer that lets it follow",
                "Run the demo again with POSTROAD_DEBUG=1; is the machine very busy?",
            )
        await asyncio.sleep(_POLL_S)
        verified = await source.prover.verify_head(await source.chain.head())
    state = await source.chain.lane(message.lane_id, verified.number)
    slot = heads_slot(message.lane_id, (state.next_sequence - 1) >> 8)
    (proven,) = await source.prover.prove(verified, account, (slot,))
    batch, forged_head = invent(message.lane, proven.value, state.next_sequence, message.sent.message)
    return Material(
        batch=batch,
        basis=ForgeryBasis(
            account=account,
            slot=slot,
            proof=proven.proof,
            nodes=await source.chain.proof(account, (slot,), verified.number),
            height=verified.number,
            word=proven.value,
            forged_word=forged_head,
        ),
        client=show.client,
        destination=destination,
        sender=(await road.chain_to_write(message.destination)).chain.senders[0],
        now=Timestamp(int(time.time())),
    )


async def _count_effects(
    console: DemoConsole,
    outcome: Outcome,
    roads: LocalRoads,
    road: Road,
    options: Options,
    costly: tuple[str, str],
) -> None:
    """Count what the recipients saw: every message once, and nothing else (INV-1, INV-2)."""
    source, destination = costly
    expected = {source: options.messages, destination: options.messages + 1 + options.batch}
    topic = load("Postbox").event_topic("Received")
    for name, endpoint in roads.endpoints.items():
        node = road.chain(name).node
        newest = await node.height()
        logs = await node.logs(endpoint.postbox, [topic], 0, newest)
        ids = {log["topics"][1] for log in logs}
        if len(logs) != expected[name] or len(ids) != len(logs):
            outcome.problems.append(
                f"{name}: the recipient saw {len(logs)} messages, {len(ids)} of them distinct, expected {expected[name]}"
            )
        else:
            console.good(f"{name}: its recipient saw {len(logs)} messages, each exactly once")
