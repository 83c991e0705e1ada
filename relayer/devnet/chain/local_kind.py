# SPDX-License-Identifier: MIT
"""The seam between the devnet and the kinds of consensus: how a kind is run locally.

A kind's package `local` holds one `LocalKind` as `LOCAL`; nothing outside of that package names the kind. The
other half of the seam is what its chains inherit from: `relayer.devnet.chain.anvil_chain.AnvilChain`, where a
front seals what anvil executes (how a chain is put together, which faults it can suffer, what its admin RPC
can do, what it tells of itself), or `relayer.devnet.chain.local_chain.LocalChain`, where the platform's own
program does all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.chain.local_chain import LocalChain

#: What a kind reads from its part of a spec line; comparable and frozen.
S = TypeVar("S")


class LocalKind(Protocol[S]):
    """How one kind of consensus is run locally."""

    @property
    def grammar(self) -> str:
        """How its part of a spec line is written, for errors: `solo[:SIGNERS]`."""
        ...

    @property
    def words(self) -> Mapping[str, str]:
        """Words that stand in place of the kind's name, and for what: its name, and options behind it."""
        ...

    @property
    def block_time_s(self) -> float:
        """Seconds between blocks of a chain whose spec line says nothing of it."""
        ...

    def read_options(self, chain: str, options: Sequence[str]) -> S:
        """Read the options of a spec line, the texts between colons after the kind's name.

        Args:
            chain: the chain's name, for errors.
            options: as they were written; none for the kind's defaults.

        Raises:
            SpecError: says which option was found and what is possible.
        """
        ...

    def build(self, name: str, settings: S, options: ChainOptions) -> LocalChain:
        """Make a chain that is not started yet. Raises SpecError when no such chain is possible."""
        ...

    async def await_trust(self, name: str, consensus: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """Wait until a light client's trust in a running chain can begin.

        Args:
            name: of the chain, for errors.
            consensus: the keys of `[chains.NAME.consensus]`, as `ChainDetails` has them.
            tell: is told what is waited for, whenever that changes.

        Raises:
            ChainUnavailable: it does not come about.
        """
        ...


def read_count(text: str, most: int) -> int | None:
    """Read a whole number from 1 to `most`, which is below 10,000; None for any other text."""
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        return None
    return int(text) if 1 <= int(text) <= most else None
