# SPDX-License-Identifier: MIT
"""What can be chosen of a local chain of whatever kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from relayer.devnet.errors import SpecError
from relayer.devnet.rules import ChainRules

ETHER: Final = 10**18
DEFAULT_BLOCK_TIME_S: Final = 1.0
DEFAULT_GAS_LIMIT: Final = 100_000_000
#: Faster, anvil would have no time left to execute.
MIN_BLOCK_TIME_S: Final = 0.05
MAX_BLOCK_TIME_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainOptions:
    """What every kind of local chain takes; a kind's own chain adds the rest.

    Attributes:
        block_time_s: seconds between blocks; None = a block is made only by `mine` or the RPC method
            `evm_mine`.
        seed: 32 bytes (any number, in fact) from which all keys follow; None = random, for every chain
            another.
        chain_id: None = the one that follows from the chain's name.
        funded: how many accounts get `balance_wei` each before block 1.
        balance_wei: what each of them gets, but where gas is free: there they hold nothing.
        gas_limit: of a block.
        history: how many past states can still be asked for (`eth_getProof`, `eth_call` at a block); None =
            as many as chains of the kind need.
        rules: what the chain has beside its consensus: the price of gas, which transactions its nodes take,
            when a block is made.
        port: of the RPC server; 0 = a free one.
        admin: serve the admin RPC (faults, mining, and what the kind adds) on a port of its own.
        guard: watch over anvil with a process of its own instead of the kernel's parent-death signal; None =
            only where the kernel has none.

    Raises:
        SpecError: the block time is too short.
    """

    block_time_s: float | None = DEFAULT_BLOCK_TIME_S
    seed: bytes | None = field(default=None, repr=False)
    chain_id: int | None = None
    funded: int = 10
    balance_wei: int = 1_000_000 * ETHER
    gas_limit: int = DEFAULT_GAS_LIMIT
    history: int | None = None
    rules: ChainRules = field(default_factory=ChainRules)
    port: int = 0
    admin: bool = False
    guard: bool | None = None

    def __post_init__(self) -> None:
        if self.block_time_s is not None and not self.block_time_s >= MIN_BLOCK_TIME_S:
            raise SpecError(
                f"a block time of {self.block_time_s} s",
                f"at least {MIN_BLOCK_TIME_S} s, or None for blocks on demand",
            )
