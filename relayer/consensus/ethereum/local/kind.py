# SPDX-License-Identifier: MIT
"""How a spec line asks for an Ethereum chain, `ethereum[:VALIDATORS]`, and when trust in one can begin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from light_clients.client import Timestamp
from light_clients.ethereum.config import NetworkConfig
from relayer.consensus.ethereum.beacon_api import BeaconApi
from relayer.consensus.ethereum.discovery import discover_network
from relayer.consensus.ethereum.local.chain import (
    DEFAULT_SLOT_TIME_S,
    DEFAULT_VALIDATORS,
    MAX_VALIDATORS,
    LocalEthereumChain,
)
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.local_kind import read_count
from relayer.devnet.errors import SpecError
from relayer.errors import ChainUnavailable, NotFoundYet

_FINALITY_POLL_S: Final = 0.25
_FINALITY_TIMEOUT_S: Final = 180.0
_EPOCHS_TO_FINALITY: Final = 4
"""About how many a chain that has just begun needs to its first finality."""


@dataclass(frozen=True, slots=True)
class EthereumSettings:
    """What a spec line says of an Ethereum chain."""

    validators: int = DEFAULT_VALIDATORS


class LocalEthereum:
    """The kind `ethereum` for the devnet (relayer.devnet.chain.local_kind.LocalKind)."""

    grammar: Final = "ethereum[:VALIDATORS]"
    words: Final[Mapping[str, str]] = {"pos": "ethereum"}
    block_time_s: Final = DEFAULT_SLOT_TIME_S

    def read_options(self, chain: str, options: Sequence[str]) -> EthereumSettings:
        """Read a number of validators. Raises SpecError."""
        if not options:
            return EthereumSettings()
        validators = read_count(options[0], MAX_VALIDATORS) if len(options) == 1 else None
        if validators is None:
            raise SpecError(
                f"the options {':'.join(options)!r} of chain {chain!r}",
                f"{self.grammar}, VALIDATORS from 1 to {MAX_VALIDATORS}",
            )
        return EthereumSettings(validators)

    def build(self, name: str, settings: EthereumSettings, options: ChainOptions) -> LocalEthereumChain:
        """Make a chain."""
        return LocalEthereumChain(name, options, validators=settings.validators)

    async def await_trust(self, name: str, consensus: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """Wait until a block is final. Raises ChainUnavailable when that takes too long."""
        urls = consensus["beacon"]
        network = await discover_network(name, urls)
        api = BeaconApi(name, urls, network)
        try:
            await _await_finality(name, api, network, tell)
        finally:
            await api.close()


async def _await_finality(
    name: str, api: BeaconApi, network: NetworkConfig, tell: Callable[[str], None]
) -> None:
    last = ""
    for _ in range(int(_FINALITY_TIMEOUT_S / _FINALITY_POLL_S)):
        try:
            await api.finality_update()
        except NotFoundYet:
            slot = network.slot_at(Timestamp(int(time.time())))
            needed = _EPOCHS_TO_FINALITY * network.preset.slots_per_epoch
            waits_for = f"the first finality: slot {slot} of about {needed}"
            if waits_for != last:
                tell(waits_for)
            last = waits_for
            await asyncio.sleep(_FINALITY_POLL_S)
        else:
            return
    raise ChainUnavailable(
        f"nothing is final on {name} after {_FINALITY_TIMEOUT_S:g} s",
        "a finalized block",
        "Do its slots pass, and do enough validators vote?",
    )
