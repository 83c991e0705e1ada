# SPDX-License-Identifier: MIT
"""Several local chains that live and die together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.local_chain import LocalChain
from relayer.devnet.errors import DevnetError, SpecError
from relayer.devnet.network.spec import ChainSpec, local_kind, parse_spec
from relayer.devnet.state.identities import chain_id_of

C = TypeVar("C", bound=LocalChain)

#: Every chain is a process that starts; all at once would only make all of them late.
_STARTING_AT_ONCE: Final = 4


class Network:
    """Local chains by name, as an async context manager.

    Args:
        chains: a line as `parse_spec` reads it, or its parts.
        options: of every chain. Block times and rules are those of the line, and chain ids follow from the
            names.

    Raises:
        SpecError: no such network is possible.
    """

    def __init__(self, chains: str | Iterable[ChainSpec], options: ChainOptions | None = None) -> None:
        self.specs = parse_spec(chains) if isinstance(chains, str) else tuple(chains)
        options = ChainOptions() if options is None else options
        built: dict[str, LocalChain] = {}
        taken: set[int] = set()
        for spec in self.specs:
            if spec.name in built:
                raise SpecError(f"two chains with the name {spec.name!r}", "names that differ")
            # Two names may hash to one chain id; a network must not have it twice.
            attempt = 0
            while (chain_id := chain_id_of(spec.name, attempt)) in taken:
                attempt += 1
            taken.add(chain_id)
            own = replace(options, block_time_s=spec.block_time_s, rules=spec.rules, chain_id=chain_id)
            built[spec.name] = local_kind(spec.kind).build(spec.name, spec.settings, own)
        self.chains: Mapping[str, LocalChain] = MappingProxyType(built)

    def __getitem__(self, name: str) -> LocalChain:
        """Return the chain of a name, of whatever kind. Raises DevnetError when there is none."""
        chain = self.chains.get(name)
        if chain is None:
            raise DevnetError(f"no chain {name!r} in the network", f"one of {', '.join(self.chains)}")
        return chain

    def chain_of(self, name: str, kind: type[C]) -> C:
        """Return the chain of a name as what it is. Raises DevnetError when it is of another class."""
        chain = self[name]
        if not isinstance(chain, kind):
            raise DevnetError(f"the chain {name}, a {type(chain).__name__}", f"a {kind.__name__}")
        return chain

    def anvil_chain(self, name: str) -> AnvilChain[Any]:
        """Return the chain of a name as one over anvil, which can suffer faults and make blocks on demand.

        Raises DevnetError when it is none.
        """
        chain = self[name]
        if not isinstance(chain, AnvilChain):
            raise DevnetError(
                f"the chain {name}, a {type(chain).__name__}", "one whose blocks anvil executes"
            )
        return chain

    async def start(self) -> None:
        """Start all.

        When one can't be started, the others are stopped again. Errors as `LocalChain.start`.
        """
        slots = asyncio.Semaphore(_STARTING_AT_ONCE)

        async def start(chain: LocalChain) -> None:
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
