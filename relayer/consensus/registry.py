# SPDX-License-Identifier: MIT
"""The kinds of consensus that are installed, found by the entry points `postroad.consensus`.

Nothing here names a kind, so another distribution can add one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relayer import contracts, plugins
from relayer.chains.evm.contract_reader import ContractReader
from relayer.config import ChainConfig
from relayer.consensus.kind import ClientView, ConfiguredChain, ConsensusKind
from relayer.errors import ConfigError


def find_kind(name: str) -> ConsensusKind:
    """Return a kind by its name. Raises ConfigError when no installed distribution offers it."""
    kind = plugins.load(plugins.CONSENSUS, name)
    if not isinstance(kind, ConsensusKind) or kind.name != name:
        raise ConfigError(
            f"the entry point {name!r} of {plugins.CONSENSUS}, which names {kind!r:.100}",
            f"a relayer.consensus.kind.ConsensusKind with the name {name!r}",
            "Ask the author of the distribution.",
        )
    return kind


def kinds() -> tuple[ConsensusKind, ...]:
    """Return every installed kind, in the order of names. Raises ConfigError as `find_kind`."""
    return tuple(find_kind(name) for name in plugins.names(plugins.CONSENSUS))


def kind_of(chain: ChainConfig) -> ConsensusKind:
    """Return the kind of a configured chain. Raises ConfigError as `find_kind`."""
    return find_kind(chain.consensus.kind)


def configured(name: str, chain: ChainConfig) -> ConfiguredChain[Any]:
    """Return a configured chain as its kind sees it."""
    return ConfiguredChain(name, chain, chain.consensus)


async def view_client(reader: ContractReader, address: bytes) -> ClientView | None:
    """Read a light client, of whatever kind; None when there is no code of ours at the address."""
    code = await reader.node.code(address)
    for kind in kinds():
        if any(contracts.recognise(contract, code) for contract in kind.contracts):
            view: ClientView = await kind.on_chain.view(reader, address)
            return view
    return None


def recognise(head: Mapping[str, Any]) -> tuple[ConsensusKind, Mapping[str, Any]] | None:
    """Return which kind a node's newest block looks like, and the keys that the block tells;
    None for no kind.

    Nothing is verified: the result is a suggestion for people.
    """
    for kind in kinds():
        keys = kind.endpoint.recognise(head)
        if keys is not None:
            return kind, keys
    return None
