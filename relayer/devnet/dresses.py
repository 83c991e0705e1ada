# SPDX-License-Identifier: MIT
"""Dresses: what networks of one platform have in common, under one name, such as `a=KIND:4/goquorum`.

A dress is a bundle of rules (`relayer.devnet.rules`), options of the chain's kind, and the platform's manners
over JSON-RPC. Words of the same spec line count over it: `a=KIND:4:lazy5/goquorum` has GoQuorum's rules, but
an empty block every five seconds. Each text is what the platform's own nodes answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from relayer.devnet.errors import SpecError
from relayer.devnet.rules import EMPTY_BLOCK_PERIOD_S, ChainRules, NodeManners


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """What networks of a platform have in common.

    Attributes:
        rules: of every such chain, manners included.
        options: what its kind is told before the spec line's own options.
    """

    rules: ChainRules
    options: tuple[str, ...] = ()


#: The option of a kind.
_BY_CONTRACT: Final = "contract-validators"

#: As GoQuorum 24.4.1 is set up for a consortium: Berlin's rules, transactions of types 0 and 1 that offer
#: nothing, and blocks without transactions now and then.
GOQUORUM: Final = Dress(
    rules=ChainRules(
        free=True,
        legacy=True,
        hardfork="berlin",
        max_tx_bytes=64 * 1024,
        empty_block_period_s=EMPTY_BLOCK_PERIOD_S,
        giant=True,
        manners=NodeManners(
            dress="goquorum",
            client="Geth/postroad-devnet/v1.10.3-stable(quorum-v24.4.1)",
            no_method="the method {method} does not exist/is not available",
            no_tag="invalid argument {index}: hex string without 0x prefix",
            only_free="Gas price not 0",
            receipt={"isPrivacyMarkerTransaction": False},
        ),
    )
)
#: As Besu's guide to a free gas network sets one up: no base fee, a gas limit and a contract size without
#: bounds, accounts that hold nothing, and a pool that takes what nobody can pay.
BESU_FREE_GAS: Final = Dress(
    rules=ChainRules(
        free=True,
        hardfork="cancun",
        unpaid=True,
        giant=True,
        bigcode=True,
        manners=NodeManners(
            dress="besu-free-gas", client="besu/postroad-devnet", no_method="Method not found"
        ),
    )
)
#: Such a network, where a contract chooses who seals.
BESU_BY_CONTRACT: Final = Dress(
    rules=replace(
        BESU_FREE_GAS.rules,
        manners=replace(BESU_FREE_GAS.rules.manners, dress=f"besu-{_BY_CONTRACT}"),
    ),
    options=(_BY_CONTRACT,),
)

DRESSES: Final = {dress.rules.manners.dress: dress for dress in (GOQUORUM, BESU_FREE_GAS, BESU_BY_CONTRACT)}


def find_dress(chain: str, name: str) -> Dress:
    """Return a dress by its name. Raises SpecError, with the chain's name, when there is none."""
    found = DRESSES.get(name)
    if found is None:
        raise SpecError(f"the dress {name!r} of chain {chain!r}", f"one of {', '.join(DRESSES)}")
    return found
