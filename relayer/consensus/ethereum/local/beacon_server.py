# SPDX-License-Identifier: MIT
"""The Beacon API of a local chain (ethereum/beacon-APIs), as far as light clients and operators ask."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from light_clients.ethereum.config import Fork, Period, Slot
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientOptimisticUpdate,
    LightClientUpdate,
)
from relayer.consensus.ethereum.local import misbehaviour
from relayer.consensus.ethereum.local.beacon_block import BeaconBlock
from relayer.consensus.ethereum.local.faults import SecondFinality, StaleLightClient, WrongLightClient
from relayer.consensus.ethereum.local.finality import Checkpoint
from relayer.consensus.ethereum.local.keyring import Keyring
from relayer.consensus.ethereum.local.network_json import genesis_json, spec_json
from relayer.consensus.ethereum.local.simulation import Simulation
from relayer.consensus.ethereum.local.tampering import tamper
from relayer.devnet.state.faults import DropConnections, Fault, Faults, RpcErrors, SlowAnswers

VERSION: Final = "postroad-devnet/ethereum"
MAX_UPDATES: Final = 128
"""Most updates in one answer (`MAX_REQUEST_LIGHT_CLIENT_UPDATES`)."""
_SHUTDOWN_S: Final = 0.5
_SSZ: Final = "application/octet-stream"
_JSON: Final = "application/json"
_GARBAGE: Final = b'{"version": "electra", "data": {"attested_header": 7'

OPERATIONS: Final = frozenset(
    {
        "beacon_bootstrap",
        "beacon_updates",
        "beacon_finality_update",
        "beacon_optimistic_update",
        "beacon_genesis",
        "beacon_spec",
        "beacon_header",
        "beacon_finality_checkpoints",
        "beacon_version",
        "beacon_syncing",
        "beacon_health",
    }
)
"""What faults of answers name instead of a JSON-RPC method."""

_AnyUpdate = LightClientUpdate | LightClientFinalityUpdate | LightClientOptimisticUpdate
_Single = TypeVar("_Single", LightClientBootstrap, LightClientFinalityUpdate, LightClientOptimisticUpdate)
_Handler = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]


class _Problem(Exception):  # noqa: N818  an answer, not an error
    """An HTTP status with a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _View:
    """What light clients are told, at one moment."""

    newest: tuple[BeaconBlock, BeaconBlock, BeaconBlock] | None
    finality: LightClientFinalityUpdate | None
    optimistic: LightClientOptimisticUpdate | None
    best: Mapping[Period, LightClientUpdate]


@dataclass(frozen=True, slots=True)
class _Route:
    name: str
    path: re.Pattern[str]
    handler: _Handler


class BeaconServer:
    """One Beacon API endpoint of a chain.

    Args:
        simulation: the beacon chain.
        faults: of this endpoint.
        slot: the newest slot that passed.
    """

    def __init__(self, simulation: Simulation, faults: Faults, slot: Callable[[], Slot]) -> None:
        self._chain = simulation
        self._slot = slot
        self._strangers = Keyring(b"strangers", 4, simulation.config.preset.sync_committee_size)
        self._runner: web.ServerRunner | None = None
        self._port = 0
        self._stuck: _View | None = None
        self.faults = faults
        table: dict[str, tuple[str, _Handler]] = {
            "beacon_bootstrap": (r"/eth/v1/beacon/light_client/bootstrap/([^/]+)", self._bootstrap),
            "beacon_updates": (r"/eth/v1/beacon/light_client/updates()", self._updates),
            "beacon_finality_update": (r"/eth/v1/beacon/light_client/finality_update()", self._finality),
            "beacon_optimistic_update": (
                r"/eth/v1/beacon/light_client/optimistic_update()",
                self._optimistic,
            ),
            "beacon_genesis": (r"/eth/v1/beacon/genesis()", self._genesis),
            "beacon_spec": (r"/eth/v1/config/spec()", self._spec),
            "beacon_header": (r"/eth/v1/beacon/headers/([^/]+)", self._header),
            "beacon_finality_checkpoints": (
                r"/eth/v1/beacon/states/([^/]+)/finality_checkpoints",
                self._checkpoints,
            ),
            "beacon_version": (r"/eth/v1/node/version()", self._version),
            "beacon_syncing": (r"/eth/v1/node/syncing()", self._syncing),
            "beacon_health": (r"/eth/v1/node/health()", self._health),
        }
        self._routes = [_Route(name, re.compile(path), handler) for name, (path, handler) in table.items()]

    @property
    def url(self) -> str:
        """Where the API is; paths begin with /eth."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self, sock: socket.socket) -> None:
        """Serve on a listening socket."""
        self._port = sock.getsockname()[1]
        also = self.faults.started

        def started(fault: Fault) -> None:
            also(fault)
            if isinstance(fault, StaleLightClient):
                self._stuck = self._look()

        self.faults.started = started
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def stop(self) -> None:
        """Stop serving. Safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- one request ------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except _Problem as problem:
            return _json({"code": problem.status, "message": str(problem)}, status=problem.status)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "GET":
            raise _Problem(405, "only GET is answered")
        for route in self._routes:
            found = route.path.fullmatch(request.path)
            if found is not None:
                instead = await self._suffer(request, route.name) if self.faults else None
                return instead or await route.handler(request, found[1])
        raise _Problem(404, f"no such path: {request.path[:80]}")

    async def _suffer(self, request: web.BaseRequest, name: str) -> web.StreamResponse | None:
        if (slow := self.faults.take_answer(SlowAnswers, name)) is not None:
            await asyncio.sleep(slow.delay_s)
        if self.faults.take_answer(DropConnections, name) is not None:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=500)
        if (refusal := self.faults.take_answer(RpcErrors, name)) is not None:
            raise _Problem(refusal.http_status or 500, refusal.message)
        return None

    # --- light clients ----------------------------------------------------------------------------

    def _look(self) -> _View:
        chain = self._chain
        return _View(
            chain.newest_signed, chain.finality_update(), chain.optimistic_update(), chain.best_updates()
        )

    def _view(self) -> _View | None:
        """Return what the node is stuck at; None when it is not."""
        return self._stuck if self.faults.is_on(StaleLightClient) else None

    async def _bootstrap(self, request: web.BaseRequest, text: str) -> web.StreamResponse:
        root = _root(text)
        block = None if root is None else self._chain.block(root)
        if root is None:
            raise _Problem(400, f"the block root {text[:80]!r}; expected 32 bytes as 0x-hex")
        value = self._chain.bootstrap(root)
        if block is None or value is None:
            raise _Problem(404, f"no bootstrap for the block {text}")
        return self._object(request, value, block.fork)

    async def _updates(self, request: web.BaseRequest, _: str) -> web.StreamResponse:
        start, count = (_number(request, name) for name in ("start_period", "count"))
        if count < 1:
            raise _Problem(400, "count 0; expected at least 1")
        updates = self._best(start, min(count, MAX_UPDATES))
        wrong = self.faults.take(WrongLightClient) if self.faults else None
        if wrong is not None and wrong.how == "garbage":
            return web.Response(body=_GARBAGE, content_type=_JSON)
        if wrong is not None:
            updates = tuple(tamper(update, wrong, self._strangers) for update in updates)
        preset = self._chain.config.preset
        forks = [self._fork(update) for update in updates]
        if _wants_ssz(request):
            body = b""
            for update, fork in zip(updates, forks, strict=True):
                epoch = self._chain.config.epoch_at(update.attested_header.beacon.slot)
                digest = self._chain.config.fork_digest(fork, epoch)
                chunk = digest + update.encode_ssz(fork.name, preset)
                body += len(chunk).to_bytes(8, "little") + chunk
            return web.Response(body=body, content_type=_SSZ)
        pairs = zip(updates, forks, strict=True)
        return _json([update.to_versioned_json(fork.name, preset) for update, fork in pairs])

    def _best(self, start: int, count: int) -> tuple[LightClientUpdate, ...]:
        view = self._view()
        if view is None:
            return self._chain.updates(Period(start), count)
        wanted = map(view.best.get, map(Period, range(start, start + count)))
        return tuple(update for update in takewhile(bool, wanted) if update is not None)

    async def _finality(self, request: web.BaseRequest, _: str) -> web.StreamResponse:
        view = self._view()
        value = self._chain.finality_update() if view is None else view.finality
        newest = self._chain.newest_signed if view is None else view.newest
        if value is None or newest is None:
            raise _Problem(404, "no finality update: nothing is final yet")
        if self.faults and self.faults.take(SecondFinality) is not None:
            lie = misbehaviour.second_finality(self._chain, *newest)
            value = LightClientFinalityUpdate(
                attested_header=lie.attested_header,
                finalized_header=lie.finalized_header,
                finality_branch=lie.finality_branch,
                sync_aggregate=lie.sync_aggregate,
                signature_slot=lie.signature_slot,
            )
        return self._object(request, value, self._fork(value))

    async def _optimistic(self, request: web.BaseRequest, _: str) -> web.StreamResponse:
        view = self._view()
        value = self._chain.optimistic_update() if view is None else view.optimistic
        if value is None:
            raise _Problem(404, "no optimistic update: nobody signed a block yet")
        return self._object(request, value, self._fork(value))

    def _object(
        self,
        request: web.BaseRequest,
        value: _Single,
        fork: Fork,
    ) -> web.StreamResponse:
        wrong = self.faults.take(WrongLightClient) if self.faults else None
        if wrong is not None:
            if wrong.how == "garbage":
                return web.Response(body=_GARBAGE, content_type=_JSON)
            value = tamper(value, wrong, self._strangers)
        preset = self._chain.config.preset
        headers = {"Eth-Consensus-Version": fork.name.label}
        if _wants_ssz(request):
            return web.Response(body=value.encode_ssz(fork.name, preset), content_type=_SSZ, headers=headers)
        return _json(value.to_versioned_json(fork.name, preset), headers=headers)

    def _fork(self, value: _AnyUpdate) -> Fork:
        return self._chain.config.fork_at_slot(value.attested_header.beacon.slot)

    # --- the chain and the node -------------------------------------------------------------------

    async def _genesis(self, _request: web.BaseRequest, _: str) -> web.StreamResponse:
        return _json({"data": genesis_json(self._chain.config)})

    async def _spec(self, _request: web.BaseRequest, _: str) -> web.StreamResponse:
        return _json({"data": spec_json(self._chain.config)})

    async def _header(self, _request: web.BaseRequest, text: str) -> web.StreamResponse:
        block = self._block(text)
        header = block.header.to_json(block.fork.name, self._chain.config.preset)
        signed = {"message": header, "signature": "0x" + bytes(96).hex()}
        data = {"root": "0x" + block.root.hex(), "canonical": True, "header": signed}
        return _json(self._envelope(block, data))

    async def _checkpoints(self, _request: web.BaseRequest, text: str) -> web.StreamResponse:
        block = self._block(text)
        finality = block.finality
        data = {
            "previous_justified": _checkpoint(finality.previous_justified),
            "current_justified": _checkpoint(finality.justified),
            "finalized": _checkpoint(finality.finalized),
        }
        return _json(self._envelope(block, data))

    async def _version(self, _request: web.BaseRequest, _: str) -> web.StreamResponse:
        return _json({"data": {"version": VERSION}})

    async def _syncing(self, _request: web.BaseRequest, _: str) -> web.StreamResponse:
        head = self._chain.head.slot
        data = {
            "head_slot": str(head),
            "sync_distance": str(max(0, self._slot() - head)),
            "is_syncing": False,
            "is_optimistic": False,
            "el_offline": False,
        }
        return _json({"data": data})

    async def _health(self, _request: web.BaseRequest, _: str) -> web.StreamResponse:
        return web.Response(status=200)

    def _envelope(self, block: BeaconBlock, data: Any) -> dict[str, Any]:
        is_final = block.slot <= self._chain.finalized.slot
        return {"execution_optimistic": False, "finalized": is_final, "data": data}

    def _block(self, text: str) -> BeaconBlock:
        chain = self._chain
        named = {
            "head": chain.head,
            "genesis": chain.genesis,
            "finalized": chain.finalized,
            "justified": chain.justified,
        }
        block = named.get(text)
        if block is None and text.isascii() and text.isdigit() and len(text) <= 20:
            block = chain.block_at(Slot(int(text)))
        elif block is None:
            root = _root(text)
            if root is None:
                known = ", ".join(named)
                raise _Problem(400, f"the block {text[:80]!r}; expected {known}, a slot, or a root as 0x-hex")
            block = chain.block(root)
        if block is None:
            raise _Problem(404, f"no block {text}")
        return block


def _json(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, headers=headers, content_type=_JSON)


def _wants_ssz(request: web.BaseRequest) -> bool:
    """Return whether SSZ is accepted, and before JSON by its place and weight."""
    accepted: dict[str, float] = {}
    for part in request.headers.get("Accept", _JSON).split(","):
        kind, *options = (word.strip() for word in part.split(";"))
        weight = 1.0
        for option in options:
            if option.startswith("q="):
                try:
                    weight = float(option[2:])
                except ValueError:
                    weight = 0.0
        accepted.setdefault(kind, weight)
    json = max(accepted.get(_JSON, 0.0), accepted.get("*/*", 0.0))
    ssz = accepted.get(_SSZ, 0.0)
    if ssz == json == 0:
        raise _Problem(406, f"Accept: {request.headers.get('Accept', '')[:80]}; expected {_JSON} or {_SSZ}")
    order = list(accepted)
    return ssz > json or (ssz == json and _JSON in order and order.index(_SSZ) < order.index(_JSON))


def _number(request: web.BaseRequest, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise _Problem(400, f"{name} {text[:40]!r}; expected a number")
    return int(text)


def _root(text: str) -> bytes | None:
    try:
        root = bytes.fromhex(text[2:]) if text.startswith("0x") else b""
    except ValueError:
        return None
    return root if len(root) == 32 else None


def _checkpoint(checkpoint: Checkpoint) -> dict[str, str]:
    return {"epoch": str(checkpoint.epoch), "root": "0x" + checkpoint.root.hex()}
