# SPDX-License-Identifier: MIT
"""A chain that a kind has put together: its parts, what makes its blocks, and how they are served."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic

from relayer.devnet.chain.block_maker import BlockMaker
from relayer.devnet.chain.chain_parts import ChainParts
from relayer.devnet.rpc.logs import LogSource
from relayer.devnet.rpc.methods import Methods
from relayer.devnet.rpc.rpc_server import RpcServer
from relayer.devnet.rpc.served_blocks import ServedBlocks
from relayer.devnet.rpc.subscriptions import Publisher
from relayer.devnet.state.faults import Faults
from relayer.devnet.state.ledger import B


@dataclass(frozen=True, slots=True)
class RunningChain(Generic[B]):
    """A chain over a running anvil.

    Attributes:
        chain_id: EIP-155's.
        client: what `web3_clientVersion` names after `postroad-devnet/`.
        parts: what it consists of.
        block_maker: makes its blocks.
        serve: gives its blocks to clients, with the faults of one RPC server.
        block_methods: what only chains of this kind answer of a block; see `Methods`.
    """

    chain_id: int
    client: str
    parts: ChainParts[B]
    block_maker: BlockMaker[B]
    serve: Callable[[Faults], ServedBlocks[B]]
    block_methods: Mapping[str, Callable[[B], object]] = field(default_factory=dict)

    def make_server(self, faults: Faults) -> RpcServer:
        """Make one more RPC server, not serving yet. Its subscribers hear of blocks from now on."""
        parts = self.parts
        blocks = self.serve(faults)
        logs = LogSource(parts.ledger, parts.anvil.upstream, faults)
        publisher = Publisher(blocks, logs)
        methods = Methods(
            client=self.client,
            chain_id=self.chain_id,
            ledger=parts.ledger,
            upstream=parts.anvil.upstream,
            blocks=blocks,
            logs=logs,
            faults=faults,
            pool=parts.pool,
            rules=parts.rules,
            gate=parts.gate,
            mine=self.block_maker.mine,
            block_methods=self.block_methods,
        )
        parts.publishers.append(publisher)
        return RpcServer(methods, logs, publisher, faults, lambda: parts.ledger.head.number)
