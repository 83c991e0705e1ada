# SPDX-License-Identifier: MIT
"""How Clique chains are asked for in a spec line: `clique[:SIGNERS][:epochBLOCKS]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from light_clients.clique.signers import MAX_SIGNERS
from relayer.consensus.clique.config import DEFAULT_EPOCH
from relayer.consensus.clique.local.chain import DEFAULT_SIGNERS, LocalCliqueChain
from relayer.devnet.chain.chain_options import DEFAULT_BLOCK_TIME_S, ChainOptions
from relayer.devnet.chain.local_kind import read_count
from relayer.devnet.errors import SpecError

_EPOCH: Final = re.compile("epoch([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class CliqueSettings:
    """What a spec line says of a Clique chain."""

    signers: int = DEFAULT_SIGNERS
    epoch: int = DEFAULT_EPOCH


class LocalClique:
    """The kind `clique` for the devnet (relayer.devnet.chain.local_kind.LocalKind)."""

    grammar: Final = "clique[:SIGNERS][:epochBLOCKS]"
    words: Final[Mapping[str, str]] = {"poa": "clique"}
    block_time_s: Final = DEFAULT_BLOCK_TIME_S

    def read_options(self, chain: str, options: Sequence[str]) -> CliqueSettings:
        """Read a number of signers, the length of an epoch, or both in this order. Raises SpecError."""
        rest, signers, epoch = list(options), DEFAULT_SIGNERS, DEFAULT_EPOCH
        if rest and (count := read_count(rest[0], MAX_SIGNERS)) is not None:
            signers = count
            rest.pop(0)
        if rest and (match := _EPOCH.fullmatch(rest[0])) is not None:
            epoch = int(match[1])
            rest.pop(0)
        if rest:
            raise SpecError(
                f"the options {':'.join(options)!r} of chain {chain!r}",
                f"{self.grammar}, SIGNERS from 1 to {MAX_SIGNERS}, BLOCKS from 1 to 999999",
            )
        return CliqueSettings(signers, epoch)

    def build(self, name: str, settings: CliqueSettings, options: ChainOptions) -> LocalCliqueChain:
        """Make a chain."""
        return LocalCliqueChain(name, options, signers=settings.signers, epoch=settings.epoch)

    async def await_trust(self, name: str, consensus: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """Return at once: a started chain has as many blocks as it takes to believe one."""
