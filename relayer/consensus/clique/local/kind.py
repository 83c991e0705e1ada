# SPDX-License-Identifier: MIT
"""How Clique chains are asked for in a spec line: `clique[:SIGNERS][:epochBLOCKS][:geth]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from light_clients.clique.signers import MAX_SIGNERS
from relayer.consensus.clique.config import DEFAULT_EPOCH
from relayer.consensus.clique.local.chain import DEFAULT_SIGNERS, LocalCliqueChain
from relayer.consensus.clique.local.geth.chain import GethCliqueChain
from relayer.consensus.clique.local.geth.program import is_at_hand
from relayer.devnet.chain.chain_options import DEFAULT_BLOCK_TIME_S, ChainOptions
from relayer.devnet.chain.local_chain import LocalChain
from relayer.devnet.chain.local_kind import read_count
from relayer.devnet.errors import SpecError

_EPOCH: Final = re.compile("epoch([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class CliqueSettings:
    """What a spec line says of a Clique chain."""

    signers: int = DEFAULT_SIGNERS
    epoch: int = DEFAULT_EPOCH
    by_geth: bool = False


class LocalClique:
    """The kind `clique` for the devnet (relayer.devnet.chain.local_kind.LocalKind)."""

    grammar: Final = "clique[:SIGNERS][:epochBLOCKS][:geth]"
    words: Final[Mapping[str, str]] = {"poa": "clique"}
    block_time_s: Final = DEFAULT_BLOCK_TIME_S

    def read_options(self, chain: str, options: Sequence[str]) -> CliqueSettings:
        """Read the number of signers, the epoch, and who seals, in this order. Raises SpecError."""
        rest, signers, epoch = list(options), DEFAULT_SIGNERS, DEFAULT_EPOCH
        if rest and (count := read_count(rest[0], MAX_SIGNERS)) is not None:
            signers = count
            rest.pop(0)
        if rest and (match := _EPOCH.fullmatch(rest[0])) is not None:
            epoch = int(match[1])
            rest.pop(0)
        by_geth = rest == ["geth"]
        if rest and not by_geth:
            raise SpecError(
                f"the options {':'.join(options)!r} of chain {chain!r}",
                f"{self.grammar}, SIGNERS from 1 to {MAX_SIGNERS}, BLOCKS from 1 to 999999",
            )
        return CliqueSettings(signers, epoch, by_geth)

    def build(self, name: str, settings: CliqueSettings, options: ChainOptions) -> LocalChain:
        """Make a chain, of go-ethereum where that is asked for and at hand, else one that a front seals.

        Raises SpecError.
        """
        if not settings.by_geth:
            return LocalCliqueChain(name, options, signers=settings.signers, epoch=settings.epoch)
        # Made on every machine, so that what it can't have is refused on every machine.
        chain = GethCliqueChain(name, options, signers=settings.signers, epoch=settings.epoch)
        if is_at_hand():
            return chain
        return LocalCliqueChain(
            name,
            options,
            signers=settings.signers,
            epoch=settings.epoch,
            remark="sealed by a front, for neither geth nor Go is here",
        )

    async def await_trust(self, name: str, consensus: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """Return at once: a started chain has as many blocks as it takes to believe one."""
