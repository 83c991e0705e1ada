# SPDX-License-Identifier: MIT
"""What a running chain is made of, put together in the one right order."""

from __future__ import annotations

from dataclasses import dataclass

from relayer.devnet.anvil import Anvil
from relayer.devnet.blocks import BlockServer
from relayer.devnet.faults import Faults
from relayer.devnet.front import Front
from relayer.devnet.gate import Gate
from relayer.devnet.ledger import Ledger
from relayer.devnet.logs import LogSource
from relayer.devnet.methods import Methods
from relayer.devnet.producer import Producer, read_genesis
from relayer.devnet.sealing import Validators
from relayer.devnet.subscriptions import Publisher


@dataclass(frozen=True, slots=True)
class Parts:
    """A chain's parts. `port` is the front's."""

    port: int
    anvil: Anvil
    ledger: Ledger
    blocks: BlockServer
    producer: Producer
    methods: Methods
    front: Front


async def assemble(
    *,
    anvil: Anvil,
    port: int,
    chain_id: int,
    validators: Validators,
    faults: Faults,
    seed: bytes,
    all_seals: bool,
) -> Parts:
    """Put a chain together over a started anvil. Nothing is served yet, and there is no block but the genesis block."""
    upstream, gate = anvil.upstream, Gate()
    ledger = Ledger(await read_genesis(upstream, validators.kind, validators.current))
    blocks = BlockServer(ledger, upstream, faults, validators.accounts, seed)
    logs = LogSource(ledger, upstream, faults)
    publisher = Publisher(blocks, logs)
    producer = Producer(
        ledger=ledger,
        upstream=upstream,
        validators=validators,
        blocks=blocks,
        publisher=publisher,
        faults=faults,
        gate=gate,
        all_seals=all_seals,
    )
    methods = Methods(
        kind=validators.kind,
        chain_id=chain_id,
        ledger=ledger,
        upstream=upstream,
        blocks=blocks,
        logs=logs,
        faults=faults,
        gate=gate,
        mine=producer.mine,
    )
    front = Front(methods, logs, publisher, faults, lambda: ledger.head.number)
    return Parts(port, anvil, ledger, blocks, producer, methods, front)
