# SPDX-License-Identifier: MIT
"""What rules a local chain has beside its consensus: gas, what its nodes take, when a block is made.

In a spec line they are words among the options, such as `a=KIND:4:free`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from relayer.devnet.errors import SpecError

#: A block without transactions comes when the newest one is this old.
EMPTY_BLOCK_PERIOD_S: Final = 60
#: What a chain without a base fee suggests, unless its gas is free.
LEGACY_GAS_PRICE_WEI: Final = 10**9
#: What contracts run under, unless a chain asks for another fork; anvil's name for it.
PRAGUE: Final = "prague"
#: Of a block, as Besu's guide to free gas says and many GoQuorum networks have it: calls may reach the EVM's
#: depth.
GIANT_GAS_LIMIT: Final = 0x1FFFFFFFFFFFFF
#: How the words are written, for errors and help.
GRAMMAR: Final = "free, legacy, berlin, cancun, lazy[SECONDS], txKILOBYTESk, unpaid, giant, bigcode"

#: The forks besides, by the words that ask for them; anvil calls them the same.
_BERLIN: Final = "berlin"
_OLDER_FORKS: Final = (_BERLIN, "cancun")
_LAZY: Final = re.compile("lazy([1-9][0-9]{0,3})?")
_SIZE: Final = re.compile("tx([1-9][0-9]{0,3})k")
_KILOBYTE: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeManners:
    """How a platform's nodes answer where they differ from the devnet's own (`relayer.devnet.dresses`).

    Attributes:
        dress: the name of the dress that has them; empty for the devnet's own.
        client: what `web3_clientVersion` tells; empty = what the devnet calls itself.
        no_method: the message for a method that is not served; `{method}` stands for its name.
        no_tag: the message for a block parameter that is no number, and no tag that they know; `{index}`
            stands for its place; empty = ours.
        only_free: the message for a transaction that offers a price; empty = prices are taken.
        receipt: what receipts have besides.
    """

    dress: str = ""
    client: str = ""
    no_method: str = "{method} is not among the methods that local chains serve"
    no_tag: str = ""
    only_free: str = ""
    receipt: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRules:
    """The rules of one local chain; by default those of the Prague fork.

    Attributes:
        free: gas costs nothing: the base fee of every block is 0, nodes suggest 0, and the accounts that
            otherwise get money hold none. Besu calls it zeroBaseFee.
        legacy: there is no EIP-1559: no transactions of type 2 or above, no base fee in blocks, headers and
            answers, no effectiveGasPrice in receipts, no `safe` and `finalized`, as with GoQuorum. Any gas
            price will do, 0 too. Contracts still run under the rules of `hardfork`.
        hardfork: whose rules contracts run under: `prague`, `cancun`, or `berlin`, which only a chain without
            EIP-1559 can have.
        max_tx_bytes: of a signed transaction; None = what its nodes take is not limited.
        empty_block_period_s: a block without transactions is made when the newest one is this old, others as
            soon as the block time has passed; None = every block time has a block.
        unpaid: nodes take transactions that their senders can't pay, and keep them out of blocks until they
            can, as Besu does.
        giant: a block may use `GIANT_GAS_LIMIT` of gas, whatever the chain's options say.
        bigcode: contracts may be larger than EIP-170 allows.
        manners: how its nodes answer.

    Raises:
        SpecError: there is no such chain.
    """

    free: bool = False
    legacy: bool = False
    hardfork: str = PRAGUE
    max_tx_bytes: int | None = None
    empty_block_period_s: int | None = None
    unpaid: bool = False
    giant: bool = False
    bigcode: bool = False
    manners: NodeManners = field(default_factory=NodeManners)

    def __post_init__(self) -> None:
        if self.hardfork == _BERLIN and not self.legacy:
            raise SpecError("Berlin's rules on a chain with a base fee", "legacy and berlin together")

    @property
    def base_fee_wei(self) -> int | None:
        """Return what anvil's blocks keep as base fee; None = what EIP-1559 makes of it, or none at all."""
        return 0 if (self.free or self.legacy) and self.hardfork != _BERLIN else None

    @property
    def gas_price_wei(self) -> int | None:
        """Return what nodes suggest as gas price; None = what anvil does."""
        if self.free:
            return 0
        return LEGACY_GAS_PRICE_WEI if self.legacy else None

    @property
    def words(self) -> tuple[str, ...]:
        """The words that ask for these rules in a spec line; manners have none."""
        words = [word for word in ("free", "legacy") if getattr(self, word)]
        if self.hardfork != PRAGUE:
            words.append(self.hardfork)
        if self.empty_block_period_s is not None:
            words.append(f"lazy{self.empty_block_period_s}")
        if self.max_tx_bytes is not None:
            words.append(f"tx{self.max_tx_bytes // _KILOBYTE}k")
        return (*words, *(word for word in ("unpaid", "giant", "bigcode") if getattr(self, word)))


def take_rules(
    chain: str, options: Sequence[str], worn: ChainRules | None = None
) -> tuple[ChainRules, tuple[str, ...]]:
    """Take the words of rules out of a spec line's options, wherever they stand among them.

    Args:
        chain: the chain's name, for errors.
        options: the texts between colons after the kind's name.
        worn: the rules of the chain's dress, over which words count.

    Returns:
        The rules, and the options that are left for the kind.

    Raises:
        SpecError: two words say the same, or together make no sense.
    """
    chosen: dict[str, Any] = {}
    rest = []
    for option in options:
        read = _read_word(option)
        if read is None:
            rest.append(option)
            continue
        name, value = read
        if name in chosen:
            raise SpecError(f"the option {option!r} of chain {chain!r}, where another one says that", "one")
        chosen[name] = value
    return replace(ChainRules() if worn is None else worn, **chosen), tuple(rest)


def _read_word(word: str) -> tuple[str, bool | int | str] | None:
    """Return the name of a rule and its value; None for a word that is not about rules."""
    if word in {"free", "legacy", "unpaid", "giant", "bigcode"}:
        return word, True
    if word in _OLDER_FORKS:
        return "hardfork", word
    if (lazy := _LAZY.fullmatch(word)) is not None:
        return "empty_block_period_s", int(lazy[1] or EMPTY_BLOCK_PERIOD_S)
    if (size := _SIZE.fullmatch(word)) is not None:
        return "max_tx_bytes", int(size[1]) * _KILOBYTE
    return None
