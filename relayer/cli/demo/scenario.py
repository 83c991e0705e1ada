# SPDX-License-Identifier: MIT
"""What the demo plays, from nothing to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from light_clients.client import Height, Timestamp
from relayer.cli.demo.console import Stage
from relayer.cli.demo.explain import Evidence, explain
from relayer.cli.demo.figures import Figures, show_figures
from relayer.cli.demo.forgeries import Attempt, Material, invent, try_forgeries
from relayer.cli.demo.measuring import measure
from relayer.cli.demo.reading import read_delivery
from relayer.cli.demo.trust import TrustTeller
from relayer.cli.demo.watching import Track, watch
from relayer.cli.endpoint import describe_step
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.bft.show import BftShow
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.show import EthereumShow
from relayer.consensus.show import Delivered, ForgeryBasis, Show
from relayer.contracts import load
from relayer.daemon import build
from relayer.devnet.network.join import LocalRoads, join_local, site_of
from relayer.devnet.network.network import Network
from relayer.devnet.network.spec import ChainSpec
from relayer.endpoint.apply import Moment, Progress
from relayer.errors import ChainUnavailable
from relayer.journal.store import Journal
from relayer.keys import Key
from relayer.protocol.batch import decode_batch
from relayer.protocol.lane import heads_slot
from relayer.road import Receipt, Road, RoadMessage, connect

_PATIENCE_S = 60.0
_POLL_S = 0.2
# Longer ones are not waited for.
_LONGEST_ROTATION_S = 30.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TEXTS = (
    "case 2031-114: hearing moved to 14:00",
    "container MSCU7291135 released",
    "evidence hash recorded",
    "customs declaration accepted",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen."""

    chains: tuple[ChainSpec, ...]
    messages: int
    batch: int


@dataclass(slots=True)
class Outcome:
    """What came of it, for `--json` and the exit code."""

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

    def to_json(self) -> dict[str, Any]:
        """The shape that docs/reference/cli.md promises."""
        return {
            "ok": self.is_good,
            "problems": self.problems,
            "seconds": round(self.seconds, 1),
            "messages": self.delivered,
            "forgeries": [
                {"name": each.name, "python": each.refused_by_python, "solidity": each.refused_by_solidity}
                for each in self.forgeries
            ],
            "gas": None if self.figures is None else msgspec.to_builtins(self.figures),
            "trust": self.trust,
        }


async def play(options: Options, folder: Path, stage: Stage) -> Outcome:
    """Play the whole demo. Raises what can't be shown as a problem of it (no anvil, no memory, Ctrl-C)."""
    show = asyncio.current_task()
    assert show is not None
    ending = Ending(show)
    ending.listen()
    try:
        return await _play(options, folder, stage, ending)
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
    """Ends the show before its time: at a signal, or when the relayer fails. Everything that was started is stopped then."""

    show: asyncio.Task[Any]
    reason: str = ""

    def listen(self) -> None:
        """Take the signals; the daemon sets handlers of its own when it starts, so it is asked again after that."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.end, "signal")

    def end(self, reason: str) -> None:
        """End the show; only the first reason counts."""
        if not self.reason:
            self.reason = reason
            self.show.cancel()


async def _play(options: Options, folder: Path, stage: Stage, ending: Ending) -> Outcome:
    outcome = Outcome()
    stage.say("Postroad: two blockchains, one relayer, and nobody who has to be trusted.", style="bold")
    stage.act("Two chains start, and sign as real ones do")
    async with Network(options.chains) as network:
        shows = {
            name: (
                EthereumShow(chain)
                if isinstance(chain, LocalEthereumChain)
                else BftShow(network.chain_of(name, LocalBftChain))
            )
            for name, chain in network.chains.items()
        }
        for name, chain in network.chains.items():
            shows[name].begin()
            stage.stamped(f"{name}: {shows[name].introduction}, chain id {chain.chain_id}, {chain.http_url}")
        stage.act(
            "An endpoint on each, joined with the other: a gateway, and a light client of the other chain"
        )
        sites = [site_of(each) for each in network.chains.values()]
        roads = await join_local(
            sites,
            folder,
            _teller(stage),
            on_wait=lambda name, what: stage.stamped(f"{name}: waits for {what}"),
            poll_interval_ms=100,
        )
        stage.good("both endpoints are deployed and registered, the admins behind their delay")
        signers = {
            name: [Key("sender", chain.funded_keys[2].secret)] for name, chain in network.chains.items()
        }
        async with _relaying(roads, network, ending), connect(roads.config, signers=signers) as road:
            await _play_messages(options, stage, outcome, shows, roads, road)
    outcome.seconds = stage.seconds
    stage.say()
    if outcome.is_good:
        text = f"Everything held, in {outcome.seconds:.0f} s. The chains are stopped, nothing is left behind."
        stage.say(text, style="bold green")
    for problem in outcome.problems:
        stage.bad(problem)
    return outcome


async def _play_messages(
    options: Options,
    stage: Stage,
    outcome: Outcome,
    shows: Mapping[str, Show],
    roads: LocalRoads,
    road: Road,
) -> None:
    first, second = shows
    # What a delivery costs is told of the direction whose headers are the most work.
    costly = (first, second) if shows[first].signers > shows[second].signers else (second, first)
    believed = {name: show.believed for name, show in shows.items()}
    teller = TrustTeller(stage, road, shows, outcome.trust)
    stage.act(f"{2 * options.messages} messages cross, {options.messages} each way")
    tracks: list[Track] = []
    journal = await _open_journal(roads)
    try:
        async with teller.telling(), asyncio.TaskGroup() as group:
            group.create_task(_send_all(options, roads, road, (first, second), tracks))
            group.create_task(_send_all(options, roads, road, (second, first), tracks))
            group.create_task(watch(stage, journal, tracks, 2 * options.messages, _PATIENCE_S, believed))
        receipts = [await track.message.delivered(_PATIENCE_S) for track in tracks]
        _note_receipts(stage, outcome, tracks, receipts)
        stage.act("The proof of one message, explained")
        chosen = [track for track in tracks if track.message.destination == second][-1].message
        if not explain(stage, await _gather_evidence(shows[first], road, journal, chosen)):
            outcome.problems.append("the explained proof does not hold")
        stage.act("Forgeries: what a dishonest relayer would send")
        material = await _gather_material(shows[first], road, chosen)
        outcome.forgeries = await try_forgeries(stage, shows[first], material)
        outcome.problems += [f"accepted: {each.name}" for each in outcome.forgeries if not each.is_refused]
        stage.act("What it costs")
        async with teller.telling():
            outcome.figures = await measure(
                options.batch, stage, roads, road, journal, costly, shows[costly[0]]
            )
        show_figures(stage, outcome.figures)
        await _await_rotations(stage, outcome, shows, teller)
    finally:
        await asyncio.to_thread(journal.close)
    await _count_effects(stage, outcome, roads, road, options, costly)


async def _await_rotations(
    stage: Stage, outcome: Outcome, shows: Mapping[str, Show], teller: TrustTeller
) -> None:
    """Where signers change often, see that the light client follows, though no message asks it to."""
    for name, show in shows.items():
        every_s = show.rotates_every_s
        if every_s is None or every_s > _LONGEST_ROTATION_S or teller.has_moved(name):
            continue
        stage.act(
            f"The signers of {name} change every {every_s:g} s, and the light client follows, with no message to carry"
        )
        if await teller.await_move(name, _PATIENCE_S):
            stage.good("the contract trusts the next ones, because those before them said who they are")
        else:
            outcome.problems.append(f"the light client of {name} has not followed in {_PATIENCE_S:g} s")


def _teller(stage: Stage) -> Any:
    def tell(progress: Progress) -> None:
        if progress.moment is Moment.DONE:
            what = describe_step(progress.step.kind.value, progress.step.remote)
            stage.stamped(f"{progress.step.chain}: {what} ({progress.gas_used:,} gas)")

    return tell


@contextlib.asynccontextmanager
async def _relaying(roads: LocalRoads, network: Network, ending: Ending) -> AsyncIterator[None]:
    """Run the relayer beside the show; its failure ends the show."""
    quiet = msgspec.structs.replace(
        roads.config,
        log=msgspec.structs.replace(roads.config.log, level="error"),
        metrics=msgspec.structs.replace(roads.config.metrics, listen=""),
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


def _note_receipts(stage: Stage, outcome: Outcome, tracks: list[Track], receipts: list[Receipt]) -> None:
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
    stage.good(f"{len(receipts)} deliveries, each bit proven again by the library's own light clients")


async def _gather_evidence(show: Show, road: Road, journal: Journal, message: RoadMessage) -> Evidence:
    """Read back what the relayer sent: the transaction's own bytes, and the trie nodes at the height that it proved."""
    source, destination = road.chain(message.source), road.chain(message.destination)
    story = await asyncio.to_thread(journal.story, message.id)
    assert story is not None
    tx_hash = next(step.tx_hash for step in reversed(story.steps) if step.tx_hash is not None)
    batch_bytes, proof = await read_delivery(destination, tx_hash)
    batch = decode_batch(batch_bytes, destination.chain.endpoint_id)
    slot = heads_slot(message.lane_id, batch.last >> 8)
    submitted = next(step for step in reversed(story.steps) if "proof_height" in step.detail)
    height = Height(int(submitted.detail["proof_height"]))
    remote = await destination.chain.remote(message.lane.source)
    mined = await destination.node.mined(tx_hash)
    assert remote is not None
    assert mined is not None
    delivered = Delivered(
        source=source,
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
        vouching=await show.vouching_of(delivered),
        nodes=await source.chain.proof(source.chain.gateway, (slot,), height),
        gateway=source.chain.gateway,
        source=message.source,
        destination=message.destination,
    )


async def _gather_material(show: Show, road: Road, message: RoadMessage) -> Material:
    """A true proof of the lane's newest head that the contracts believe as it is, and a sender to try forgeries as."""
    source, destination = road.chain(message.source), await road.chain_to_write(message.destination)
    remote = await destination.chain.remote(message.lane.source)
    assert remote is not None
    account = source.chain.gateway
    verified = await source.prover.verify_head(await source.chain.head())
    # The relayer tells the contract who signs now; a forgery is to be refused for what is false about it alone.
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
        truth=ForgeryBasis(
            source=source,
            account=account,
            slot=slot,
            proof=proven.proof,
            nodes=await source.chain.proof(account, (slot,), verified.number),
            height=verified.number,
            word=proven.value,
            forged_word=forged_head,
        ),
        client=show.client_of(source),
        destination=destination,
        sender=destination.chain.senders[0],
        now=Timestamp(int(time.time())),
    )


async def _count_effects(
    stage: Stage,
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
        newest = int(str((await node.block("latest"))["number"]), 16)
        logs = await node.logs(endpoint.postbox, [topic], 0, newest)
        ids = {log["topics"][1] for log in logs}
        if len(logs) != expected[name] or len(ids) != len(logs):
            outcome.problems.append(
                f"{name}: the recipient saw {len(logs)} messages, {len(ids)} of them distinct, expected {expected[name]}"
            )
        else:
            stage.good(f"{name}: its recipient saw {len(logs)} messages, each exactly once")
