# SPDX-License-Identifier: MIT
"""What can be made to go wrong with local Ethereum chains, beside what can with every local chain."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from relayer.devnet.state.faults import COMMON_FAULTS, Count, Fault


class Participation(Fault, frozen=True, tag="participation"):
    """Of a sync committee only a share signs, the absent ones at random places; or all but some validators,
    who stay away for as long as it lasts. `times` counts blocks.
    """

    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    absent: frozenset[int] = frozenset()


class WithheldFinality(Fault, frozen=True, tag="withheld-finality"):
    """Only a share of the validators votes: with less than two thirds nothing becomes final.

    `times` counts blocks.
    """

    votes: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class MissedSlots(Fault, frozen=True, tag="missed-slots"):
    """Slots pass without a block: every `every`-th. `times` counts missed slots."""

    every: Count = 1


class WrongLightClient(Fault, frozen=True, tag="wrong-light-client"):
    """The Beacon API serves wrong light-client objects.

    how: `signature` = of another message; `participation` = one more bit is set than signed; `header` = the
    attested header's state root is invented; `finality-branch`, `committee-branch`, `execution-branch` = a
    bit of the first sibling is flipped; `committee` = one key of the next (or current) committee is another;
    `garbage` = a text that is no object. What an object does not have stays as it is.
    """

    how: Literal[
        "signature",
        "participation",
        "header",
        "finality-branch",
        "committee-branch",
        "execution-branch",
        "committee",
        "garbage",
    ] = "signature"


class SecondFinality(Fault, frozen=True, tag="second-finality"):
    """Finality updates have another finalized block of the same slot, which the whole committee signed."""


class StaleLightClient(Fault, frozen=True, tag="stale-light-client"):
    """The Beacon API's light-client objects are those of when the fault began: a node that is stuck.

    `times` has no meaning here.
    """


ETHEREUM_FAULTS: Final[frozenset[type[Fault]]] = COMMON_FAULTS | {
    Participation,
    WithheldFinality,
    MissedSlots,
    WrongLightClient,
    SecondFinality,
    StaleLightClient,
}
"""All of them."""
