# SPDX-License-Identifier: MIT
"""Several local chains that live and die together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.bft.local.header import Kind
from relayer.consensus.ethereum.local.chain import EthereumKind, LocalEthereumChain
from relayer.devnet.errors import DevnetError, SpecError
from relayer.devnet.network.spec import ChainSpec, parse_spec
from relayer.devnet.state.identities import chain_id_of

AnyChain: TypeAlias = LocalBftChain | LocalEthereumChain

# Each is a process that starts; all at once would only make all of them late.
_STARTING_AT_ONCE = 4


class Network:
    """Local chains by name, as an async context manager.

    Args:
        chains: a line as `parse_spec` reads it, or its parts.
        seed: all keys follow from it; random when None.
        options: of `LocalBftChain` and `LocalEthereumChain`, for each of them (`admin`, `funded`, `gas_limit`, ...).
    """

    def __init__(
        self, chains: str | Iterable[ChainSpec], *, seed: bytes | None = None, **options: Any
    ) -> None:
        specs = parse_spec(chains) if isinstance(chains, str) else tuple(chains)
        seed = secrets.token_bytes(32) if seed is None else seed
        built: dict[str, AnyChain] = {}
        taken: set[int] = set()
        for spec in specs:
            if spec.name in built:
                raise SpecError(f"two chains with the name {spec.name!r}", "a name of its own for each")
            # Two names may hash to one chain id; a network must not have it twice.
            attempt = 0
            while (chain_id := chain_id_of(spec.name, attempt)) in taken:
                attempt += 1
            taken.add(chain_id)
            common = {
                "validators": spec.validators,
                "block_time_s": spec.block_time_s,
                "seed": seed,
                "chain_id": chain_id,
                **options,
            }
            if isinstance(spec.kind, EthereumKind):
                built[spec.name] = LocalEthereumChain(spec.name, **common)
            else:
                built[spec.name] = LocalBftChain(spec.name, spec.kind, **common)
        self.specs = specs
        self.chains: Mapping[str, AnyChain] = MappingProxyType(built)

    def __getitem__(self, name: str) -> LocalBftChain:
        """The QBFT or IBFT 2.0 chain of a name. Raises DevnetError when it is of another kind: see `pos`."""
        chain = self.chains[name]
        if not isinstance(chain, LocalBftChain):
            raise DevnetError(f"the chain {name} of kind {chain.kind}", f"one of {', '.join(Kind)}")
        return chain

    def pos(self, name: str) -> LocalEthereumChain:
        """The proof-of-stake chain of a name. Raises DevnetError when it is of another kind."""
        chain = self.chains[name]
        if not isinstance(chain, LocalEthereumChain):
            raise DevnetError(f"the chain {name} of kind {chain.kind}", "a chain of kind pos")
        return chain

    async def start(self) -> None:
        """Start all. When one can't be started, the others are stopped again. Errors as `LocalBftChain.start`."""
        slots = asyncio.Semaphore(_STARTING_AT_ONCE)

        async def start(chain: AnyChain) -> None:
            async with slots:
                await chain.start()

        try:
            async with asyncio.TaskGroup() as group:
                for chain in self.chains.values():
                    group.create_task(start(chain))
        except BaseException as error:
            await self.stop()
            if isinstance(error, BaseExceptionGroup):
                # One cause is enough to act on, and callers catch our errors by type.
                first, rest = error.split(DevnetError)
                if first is not None and rest is None:
                    raise _first_of(first) from error
            raise

    async def stop(self) -> None:
        """Stop all. Safe to call twice."""
        await asyncio.gather(*(chain.stop() for chain in self.chains.values()))

    async def wait_ended(self) -> None:
        """Wait until the first chain stops. Raises ExecutionError when it died."""
        waiting = [asyncio.create_task(chain.wait_ended()) for chain in self.chains.values()]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _first_of(group: BaseExceptionGroup[DevnetError]) -> DevnetError:
    for error in group.exceptions:
        return _first_of(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError
