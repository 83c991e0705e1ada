# SPDX-License-Identifier: MIT
"""What a running chain is made of, whatever its consensus."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from relayer.devnet.chain.block_maker import BlockMaker
from relayer.devnet.process.anvil import Anvil
from relayer.devnet.process.anvil_blocks import NativeBlocks
from relayer.devnet.process.read_gate import Gate
from relayer.devnet.rpc.logs import LogSource
from relayer.devnet.rpc.methods import Blocks, Methods
from relayer.devnet.rpc.rpc_server import Front
from relayer.devnet.rpc.subscriptions import Headers, Publisher
from relayer.devnet.state.faults import DropConnections, Fault, Faults
from relayer.devnet.state.ledger import B, Ledger

_B_contra = TypeVar("_B_contra", contravariant=True)


class Served(Blocks, Headers[_B_contra], Protocol[_B_contra]):
    """Blocks as one kind of chain serves them, in answers and in subscriptions."""


class Endpoint:
    """One RPC endpoint of a chain. A chain may have several, as it has several providers in life; each fails by itself."""

    def __init__(
        self, front: Front, publisher: Publisher[Any], blocks: Served[Any], methods: Methods, faults: Faults
    ) -> None:
        self._front = front
        self._port = 0
        self.publisher = publisher
        self.blocks = blocks
        self.methods = methods
        self.faults = faults

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""
        return self._port

    @property
    def http_url(self) -> str:
        """Where JSON-RPC is posted to."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """Where WebSockets are opened."""
        return f"ws://127.0.0.1:{self._port}"

    async def start(self, sock: socket.socket) -> None:
        """Serve on a listening socket."""
        self._port = sock.getsockname()[1]
        self.faults.started = self._on_fault
        await self._front.start(sock)

    async def stop(self) -> None:
        """Stop serving. Safe to call twice."""
        await self._front.stop()

    def _on_fault(self, fault: Fault) -> None:
        if isinstance(fault, DropConnections) and not fault.methods:
            self._front.drop_sockets()


@dataclass(frozen=True, slots=True)
class Parts(Generic[B]):
    """A chain's parts. The first endpoint is there from the start; its faults are the ones that the producer minds too.

    Attributes:
        kind: the consensus, as `web3_clientVersion` names it.
        serve: blocks as clients get them, with the faults of one endpoint.
        block_methods: what only chains of this kind answer of a block; see `Methods`.
    """

    kind: str
    chain_id: int
    anvil: Anvil
    ledger: Ledger[B]
    native: NativeBlocks
    gate: Gate
    producer: BlockMaker[B]
    serve: Callable[[Faults], Served[B]]
    publishers: list[Publisher[B]] = field(default_factory=list)
    block_methods: Mapping[str, Callable[[B], object]] = field(default_factory=dict)

    def make_endpoint(self, faults: Faults) -> Endpoint:
        """One more endpoint, not serving yet. Its subscribers hear of blocks from now on."""
        upstream, ledger = self.anvil.upstream, self.ledger
        blocks = self.serve(faults)
        logs = LogSource(ledger, upstream, faults)
        publisher = Publisher(blocks, logs)
        methods = Methods(
            kind=self.kind,
            chain_id=self.chain_id,
            ledger=ledger,
            upstream=upstream,
            blocks=blocks,
            logs=logs,
            faults=faults,
            gate=self.gate,
            mine=self.producer.mine,
            block_methods=self.block_methods,
        )
        front = Front(methods, logs, publisher, faults, lambda: ledger.head.number)
        self.publishers.append(publisher)
        return Endpoint(front, publisher, blocks, methods, faults)
