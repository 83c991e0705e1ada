# SPDX-License-Identifier: MIT
"""What a light client asks of a beacon node, over HTTP: ethereum/beacon-APIs, JSON only."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.live.specification.chain import Block, Chain
from tests.live.specification.encoding import beacon_json

_FORKS = ("ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU")
_PRESET = (
    "SLOTS_PER_EPOCH",
    "EPOCHS_PER_SYNC_COMMITTEE_PERIOD",
    "SYNC_COMMITTEE_SIZE",
    "MIN_SYNC_COMMITTEE_PARTICIPANTS",
)
_MAX_UPDATES = 128


class NotFoundError(LookupError):
    """There is no such thing; HTTP 404."""


class Api:
    """Answers from a chain. `lock` is held while the chain grows."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.lock = threading.Lock()
        self._routes: tuple[tuple[re.Pattern[str], Callable[..., Any]], ...] = tuple(
            (re.compile(f"/eth/{path}"), answer)
            for path, answer in (
                (r"v1/beacon/genesis", self._genesis),
                (r"v1/config/spec", self._spec),
                (r"v1/config/fork_schedule", self._fork_schedule),
                (
                    r"v1/node/version",
                    lambda _: {"data": {"version": f"executable-specification/{self._version()}"}},
                ),
                (r"v1/node/syncing", self._syncing),
                (r"v1/beacon/headers/(\w+)", self._header),
                (r"v1/beacon/blocks/(\w+)/root", self._root),
                (r"v1/beacon/states/(\w+)/finality_checkpoints", self._checkpoints),
                (r"v1/beacon/light_client/bootstrap/0x([0-9a-f]{64})", self._bootstrap),
                (r"v1/beacon/light_client/updates", self._updates),
                (r"v1/beacon/light_client/finality_update", self._finality_update),
                (r"v1/beacon/light_client/optimistic_update", self._optimistic_update),
            )
        )

    def answer(self, target: str) -> Any:
        """The JSON of a path with its query.

        Raises:
            NotFoundError: nothing is there.
            ValueError: the query is not understood.
        """
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        for pattern, route in self._routes:
            match = pattern.fullmatch(parts.path)
            if match is not None:
                with self.lock:
                    return route(query, *match.groups())
        raise NotFoundError(f"no route {parts.path}")

    def _version(self) -> str:
        from importlib.metadata import version

        return version("eth-consensus-specs")

    def _genesis(self, _: dict[str, str]) -> Any:
        state = self._chain.genesis.state
        return {
            "data": {
                "genesis_time": str(int(state.genesis_time)),
                "genesis_validators_root": "0x" + bytes(state.genesis_validators_root).hex(),
                "genesis_fork_version": "0x" + bytes(self._chain.spec.config.GENESIS_FORK_VERSION).hex(),
            }
        }

    def _spec(self, _: dict[str, str]) -> Any:
        spec = self._chain.rules
        values = {
            name: value for name, value in spec.config._asdict().items() if not isinstance(value, tuple)
        }
        values |= {name: getattr(spec, name) for name in _PRESET}
        said = {
            name: value if isinstance(value, str) else beacon_json(value) for name, value in values.items()
        }
        # Nodes of today say it in both units.
        said["SECONDS_PER_SLOT"] = str(int(said["SLOT_DURATION_MS"]) // 1000)
        return {"data": said}

    def _fork_schedule(self, _: dict[str, str]) -> Any:
        config = self._chain.rules.config
        found, before = [], config.GENESIS_FORK_VERSION
        for name in _FORKS:
            version, epoch = getattr(config, f"{name}_FORK_VERSION"), getattr(config, f"{name}_FORK_EPOCH")
            found.append(
                {
                    "previous_version": "0x" + bytes(before).hex(),
                    "current_version": "0x" + bytes(version).hex(),
                    "epoch": str(int(epoch)),
                }
            )
            before = version
        return {"data": found}

    def _syncing(self, _: dict[str, str]) -> Any:
        slot = str(int(self._chain.head.signed.message.slot))
        return {
            "data": {
                "head_slot": slot,
                "sync_distance": "0",
                "is_syncing": False,
                "is_optimistic": False,
                "el_offline": False,
            }
        }

    def _block(self, name: str) -> Block:
        chain = self._chain
        named = {
            "head": chain.head,
            "finalized": chain.finalized,
            "justified": chain.justified,
            "genesis": chain.genesis,
        }
        if name in named:
            return named[name]
        block = chain.block(bytes.fromhex(name[2:])) if re.fullmatch("0x[0-9a-f]{64}", name) else None
        if block is None:
            raise NotFoundError(f"no block {name}")
        return block

    def _header(self, _: dict[str, str], name: str) -> Any:
        block = self._block(name)
        message = block.signed.message
        header = {
            "slot": str(int(message.slot)),
            "proposer_index": str(int(message.proposer_index)),
            "parent_root": "0x" + bytes(message.parent_root).hex(),
            "state_root": "0x" + bytes(message.state_root).hex(),
            "body_root": "0x" + bytes(block.spec.hash_tree_root(message.body)).hex(),
        }
        signature = "0x" + bytes(block.signed.signature).hex()
        data = {
            "root": "0x" + block.root.hex(),
            "canonical": True,
            "header": {"message": header, "signature": signature},
        }
        return {"execution_optimistic": False, "finalized": name == "finalized", "data": data}

    def _root(self, _: dict[str, str], name: str) -> Any:
        return {
            "execution_optimistic": False,
            "finalized": name == "finalized",
            "data": {"root": "0x" + self._block(name).root.hex()},
        }

    def _checkpoints(self, _: dict[str, str], name: str) -> Any:
        state = self._block(name).state
        data = {
            "previous_justified": beacon_json(state.previous_justified_checkpoint),
            "current_justified": beacon_json(state.current_justified_checkpoint),
            "finalized": beacon_json(state.finalized_checkpoint),
        }
        return {"execution_optimistic": False, "finalized": False, "data": data}

    def _bootstrap(self, _: dict[str, str], root: str) -> Any:
        block = self._chain.block(bytes.fromhex(root))
        if block is None or block is self._chain.genesis:
            raise NotFoundError(f"no bootstrap for 0x{root}")
        return _object(block.spec, block.spec.create_light_client_bootstrap(block.state, block.signed))

    def _updates(self, query: dict[str, str]) -> Any:
        start, count = int(query["start_period"]), min(int(query["count"]), _MAX_UPDATES)
        found = []
        for period in range(start, start + count):
            if period not in self._chain.best_updates:
                break
            found.append(_object(*self._chain.best_updates[period]))
        return found

    def _finality_update(self, _: dict[str, str]) -> Any:
        newest = self._chain.newest_update
        if newest is None or newest[1].finalized_header.beacon.slot == 0:
            raise NotFoundError("nothing is final")
        return _object(newest[0], newest[0].create_light_client_finality_update(newest[1]))

    def _optimistic_update(self, _: dict[str, str]) -> Any:
        newest = self._chain.newest_update
        if newest is None:
            raise NotFoundError("nothing is signed")
        return _object(newest[0], newest[0].create_light_client_optimistic_update(newest[1]))


def _object(spec: Any, value: Any) -> dict[str, Any]:
    return {"version": spec.fork, "data": beacon_json(value)}


def serve(api: Api, port: int) -> ThreadingHTTPServer:
    """Listen on this machine; the caller runs `serve_forever` and closes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                status, body = 200, api.answer(self.path)
            except NotFoundError as error:
                status, body = 404, {"code": 404, "message": str(error)}
            except (ValueError, KeyError) as error:
                status, body = 400, {"code": 400, "message": repr(error)}
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if isinstance(body, dict) and "version" in body:
                self.send_header("eth-consensus-version", body["version"])
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            """Say nothing: the harness keeps the log for what matters."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
