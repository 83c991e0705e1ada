# SPDX-License-Identifier: MIT
"""The daemon: the one place that builds things from a configuration, runs them, and ends them in order.

    daemon = build(config)          # reads keys, opens the journal; nothing is asked of a chain yet
    await daemon.run()              # until SIGTERM, SIGINT or `stop`; what was signed is in the journal then

A daemon inside of another program is ended by `stop`. What shows it to others, such as relayer.api, stands
above it and is given to `build`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Final, Protocol, TypeAlias

import structlog
from prometheus_client.core import Metric

from light_clients import ecdsa, hashing
from relayer.chains.evm.signers import ForeignAccount, Signer
from relayer.config import Config, LogConfig
from relayer.consensus.open_chain import OpenChain, open_chain
from relayer.consensus.registry import kind_of
from relayer.errors import ConfigError, Retryable
from relayer.journal.errors import JournalBroken
from relayer.journal.rows import MICROS_PER_S
from relayer.journal.store import Journal, now_micros
from relayer.keys import KeyStore, read_password
from relayer.metrics import Metrics
from relayer.pipeline.chain_task import STALL_S
from relayer.pipeline.pipeline import BatchSettings, Pipeline, ServedChain, ServedLane
from relayer.sending.price import PricePolicy
from relayer.views.gauges import gauges, process_gauges
from relayer.views.relayer import RelayerView, relayer_view

#: How long the check of one chain may hold up the start. A chain that does not answer is taken up later.
_CHECK_S: Final = 10.0
#: How often the daemon looks whether a task or the journal has failed.
_LOOK_S: Final = 0.5
_COMPLETE_ADVICE: Final = (
    "Run `postroad endpoint deploy`, or copy the keys from the endpoint's owner, and restart."
)

#: Unlocked keys by chain.
Signers: TypeAlias = Mapping[str, Sequence[Signer | ForeignAccount]]


class Server(Protocol):
    """Shows a daemon to others for as long as it runs."""

    async def start(self) -> None:
        """Begin. Raises ConfigError where it can't."""

    async def close(self) -> None:
        """End; idempotent, and called in any case."""


def build(
    config: Config,
    *,
    serve: Callable[[Daemon], Server] | None = None,
    signers: Signers | Callable[[], Signers] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Daemon:
    """Read everything that the configuration names and take the journal's lock. Nothing is asked of a chain.

    `signers` are unlocked keys by chain, or a function that unlocks them once nothing else is in the way:
    that takes seconds, and a person may be asked. Without them the configured password unlocks the keystores.
    `serve` makes what shows the daemon to others; without it nobody sees it.

    A chain whose endpoint is not complete is left out, as long as a lane remains.

    Raises:
        ConfigError: something is missing, locked or contradicts itself; nothing was started.
    """
    lanes = tuple(
        ServedLane(lane.source, lane.destination, lane.channel_bytes) for lane in config.relayed_lanes()
    )
    if not lanes:
        for name in config.left_out():
            config.require_endpoint(name)
        raise ConfigError("no lanes", "at least one lane between two chains", "Add a [[lanes]] table")
    names = {name for chain in config.chains.values() for name in chain.keys}
    if signers is None or callable(signers):
        for name in sorted(names):
            KeyStore(config.keys_directory).find(name)
    metrics = Metrics()
    served = {name for lane in lanes for name in (lane.source, lane.destination)}
    journal = Journal.open(config.journal_url.reveal())
    try:
        if signers is None:
            signers = _unlock(config, names, environment)
        elif callable(signers):
            signers = signers()
        built = {
            name: _open(config, name, signers.get(name, ()), metrics)
            for name in config.chains
            if name in served
        }
    except BaseException:
        journal.close()
        raise
    return Daemon(config, built, lanes, journal, metrics, serve)


def _unlock(config: Config, names: set[str], environment: Mapping[str, str]) -> Signers:
    if not names:
        return {}
    file = None if config.keys.password_file is None else config.resolve(config.keys.password_file)
    password = read_password(variable=config.keys.password_env, file=file, environment=environment)
    store = KeyStore(config.keys_directory)
    keys = {name: store.unlock(name, password) for name in sorted(names)}
    return {name: [keys[key] for key in chain.keys] for name, chain in config.chains.items()}


def _open(
    config: Config, name: str, signers: Sequence[Signer | ForeignAccount], metrics: Metrics
) -> OpenChain:
    def on_rpc_error(provider: str, kind: str) -> None:
        metrics.rpc_failed(name, provider, kind)

    return open_chain(config, name, signers, on_rpc_error)


class Daemon:
    """A process's worth of relaying. `run` once."""

    def __init__(
        self,
        config: Config,
        built: Mapping[str, OpenChain],
        lanes: tuple[ServedLane, ...],
        journal: Journal,
        metrics: Metrics,
        serve: Callable[[Daemon], Server] | None = None,
    ) -> None:
        self.journal = journal
        self.metrics = metrics
        self.pipeline: Pipeline | None = None
        self.config = config
        self._built = built
        self._lanes = lanes
        self._stopping = asyncio.Event()
        self._serve = serve
        self._server: Server | None = None
        self._log = structlog.get_logger()

    def stop(self) -> None:
        """Drain and end. What a signal does."""
        self._stopping.set()

    async def run(self) -> None:
        """Relay until stopped.

        Raises:
            ConfigError: a provider shows that the configuration is of another chain, gateway or network.
            JournalBroken: the journal can't be written; nothing was broadcast that is not in it.
        """
        configure_logging(self.config.log)
        if not ecdsa.BACKEND.is_fast:
            self._log.warning("btclib-secp256k1 is not installed", advice=ecdsa.SLOW_ADVICE)
        if not hashing.IS_FAST:
            self._log.warning("safe-pysha3 is not installed", advice=hashing.SLOW_ADVICE)
        kinds = {kind.name: kind for kind in (kind_of(self.config.chain(name)) for name in self._built)}
        for kind in kinds.values():
            for module, advice in kind.slow_without().items():
                self._log.warning(f"{module} is not installed", advice=advice)
        for name, missing in self.config.left_out().items():
            self._log.warning("the chain is left out", chain=name, missing=missing, advice=_COMPLETE_ADVICE)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Only the main thread's loop may; a daemon inside of something else is stopped by `stop`.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.stop)
        try:
            # All checks end before a refusal ends the run: one that went on would open what was closed.
            checks = (self._check_chain(opened) for opened in self._built.values())
            for failure in await asyncio.gather(*checks, return_exceptions=True):
                if isinstance(failure, BaseException):
                    raise failure
            self.pipeline = await self._open()
            self.metrics.watch(self._gauges)
            # Before the tasks start: an address that is taken ends the daemon, and nothing is signed yet.
            if self._serve is not None:
                self._server = self._serve(self)
                await self._server.start()
            self.pipeline.start()
            self._log.info(
                "relaying",
                version=version("postroad"),
                lanes=len(self._lanes),
                chains=sorted(self._built),
                accounts={
                    name: [f"0x{account.hex()}" for account in opened.chain.senders]
                    for name, opened in sorted(self._built.items())
                },
            )
            await self._until_stopped(self.pipeline)
        finally:
            await self._end()

    async def _check_chain(self, opened: OpenChain) -> None:
        try:
            async with asyncio.timeout(_CHECK_S):
                await opened.check()
        except (Retryable, TimeoutError) as error:
            # A chain that is down now may be up later; its lanes say why they wait.
            self._log.warning("the chain could not be checked", chain=opened.name, error=str(error))

    async def _open(self) -> Pipeline:
        batch = self.config.batch
        chains = {
            name: ServedChain(
                chain=opened.chain,
                prover=opened.prover,
                first_height=self.config.require_endpoint(name).consensus.first_height,
                prices=PricePolicy(opened.config.max_fee_wei, opened.config.priority_fee_wei),
                max_spend_wei_per_day=opened.config.max_spend_wei_per_day,
            )
            for name, opened in self._built.items()
        }
        settings = BatchSettings(batch.max_gas_share, batch.max_wait_ms, batch.max_messages)
        return await Pipeline.open(
            self.journal, chains, self._lanes, batch=settings, metrics=self.metrics, clock=now_micros
        )

    async def _until_stopped(self, pipeline: Pipeline) -> None:
        while not self._stopping.is_set():
            if pipeline.supervisor.failure.done():
                raise pipeline.supervisor.failure.result()
            if isinstance(self.journal.failure, JournalBroken):
                raise self.journal.failure
            if self.journal.failure is not None:
                # A defect of ours in one piece of work. Only a journal that can't be written ends everything.
                self._log.error("a task failed", error=repr(self.journal.failure))
                self.journal.failure = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._stopping.wait()
        self._log.info("draining")

    async def _end(self) -> None:
        if self._server is not None:
            await self._server.close()
        if self.pipeline is not None:
            await self.pipeline.drain()
        for opened in self._built.values():
            await opened.close()
        # Last: draining still commits, and the lock keeps a second daemon from signing with our nonces.
        await asyncio.to_thread(self.journal.close)
        self._log.info("stopped")

    # --- what others see ------------------------------------------------------------------------------------

    def health(self) -> str | None:
        """Return what is wrong with the process; None where nothing is."""
        return None if self.journal.failure is None else f"journal: {self.journal.failure}"

    def readiness(self) -> str | None:
        """Return why nothing is relayed; None where all chains are followed."""
        if self.pipeline is None:
            return "starting"
        now = asyncio.get_running_loop().time()
        late = [
            name
            for name, worker in self.pipeline.chain_tasks.items()
            if worker.header is None or worker.head_at is None or now - worker.head_at > STALL_S
        ]
        return f"no verified head lately: {', '.join(sorted(late))}" if late else None

    def remarks(self) -> list[str]:
        """What keeps messages to a chain from moving, or soon will. The others are served all the same."""
        remarks = [
            f"{name}: left out, its endpoint lacks {', '.join(missing)}"
            for name, missing in self.config.left_out().items()
        ]
        if self.pipeline is None:
            return remarks
        funds = [
            f"{name}: {trouble}"
            for name, task in sorted(self.pipeline.chain_tasks.items())
            for trouble in task.sender.funds.troubles(task.sender.transactions)
        ]
        clients = [
            f"{destination}: {remark}"
            for (_, destination), task in sorted(self.pipeline.client_tasks.items())
            if (remark := task.remark()) is not None
        ]
        return [*remarks, *funds, *clients]

    def _gauges(self) -> Iterator[Metric]:
        yield from gauges(self.view())
        yield from process_gauges(is_ready=self.readiness() is None, free_bytes=self.journal.free_bytes())

    def view(self) -> RelayerView:
        """Return everything that the daemon works on, as it is now in memory."""
        at = now_micros() / MICROS_PER_S
        if self.pipeline is None:
            return RelayerView(at=at)
        kinds = {name: kind_of(opened.config) for name, opened in self._built.items()}
        providers = {name: opened.chain.health() for name, opened in self._built.items()}
        return relayer_view(self.pipeline, at, kinds=kinds, providers=providers)


def configure_logging(config: LogConfig) -> None:
    """Log to stderr, for people or for machines. Nothing that is logged holds a secret."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if config.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[config.level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
