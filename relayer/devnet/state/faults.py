# SPDX-License-Identifier: MIT
"""What can be made to go wrong on a local chain: lying or failing RPC answers, and odd but honest blocks.

A fault is a frozen value; it acts from `Faults.start` until it is stopped, or until it has acted `times` times. Faults of
answers don't touch the chain itself: once they stop, the same block is served right again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec

from relayer.devnet.errors import SpecError

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class _Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """times: after how many acts it ends by itself; None = when it is stopped."""

    times: Count | None = None


class _BlockFault(_Fault, frozen=True):
    """Answers that hold a block: first and last say which heights lie (None = all)."""

    first: int | None = None
    last: int | None = None

    def covers(self, number: int) -> bool:
        """Whether blocks of this height are served wrong."""
        return (self.first is None or number >= self.first) and (self.last is None or number <= self.last)


class MissingSeals(_BlockFault, frozen=True, tag="missing-seals"):
    """Blocks come with fewer seals than the quorum: `keep`, by default one too few."""

    keep: Annotated[int, msgspec.Meta(ge=0)] | None = None


class ForgedSeals(_BlockFault, frozen=True, tag="forged-seals"):
    """`count` seals (by default all) are signatures of another hash, so that they recover to nobody in the set."""

    count: Count | None = None


class ForeignSeals(_BlockFault, frozen=True, tag="foreign-seals"):
    """`count` seals (by default 1) are right signatures of somebody who is not a validator."""

    count: Count = 1


class RepeatedSeals(_BlockFault, frozen=True, tag="repeated-seals"):
    """One validator's seal, as often as the quorum asks for."""


class ForgedHeader(_BlockFault, frozen=True, tag="forged-header"):
    """Blocks come with an invented state root and `hash`, but the true block's seals: no quorum signed that."""


class Equivocation(_BlockFault, frozen=True, tag="equivocation"):
    """Asked by number, a second block of that height comes, with another state root, that a quorum sealed as well."""


class WrongProofs(_Fault, frozen=True, tag="wrong-proofs"):
    """`eth_getProof` lies.

    how: `node` = a bit is flipped in the account's last node; `value` = another storage value (or balance) than the nodes
    hold; `short` = the last node is missing; `storage` = a bit is flipped in each slot's last node.
    """

    how: Literal["node", "value", "short", "storage"] = "node"


class WrongLogs(_Fault, frozen=True, tag="wrong-logs"):
    """Logs lie, in answers and in subscriptions.

    how: `drop` = every second one is missing; `data` = a bit of the data (or of the last topic) is flipped; `none` = all
    are missing; `twice` = each comes twice.
    """

    how: Literal["drop", "data", "none", "twice"] = "drop"


class Stall(_Fault, frozen=True, tag="stall"):
    """No new blocks, though answers go on. `times` has no meaning here."""


class Rounds(_Fault, frozen=True, tag="rounds"):
    """New blocks are sealed in this round: honest, but slower consensus with another proposer. `times` counts blocks."""

    round: Count = 1


class Participation(_Fault, frozen=True, tag="participation"):
    """Of a sync committee only a share signs, the absent ones at random places; or all but some validators, who stay away
    for as long as it lasts. `times` counts blocks.
    """

    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    absent: frozenset[int] = frozenset()


class WithheldFinality(_Fault, frozen=True, tag="withheld-finality"):
    """Only a share of the validators votes for checkpoints: with less than two thirds nothing becomes final. `times` counts blocks."""

    votes: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class MissedSlots(_Fault, frozen=True, tag="missed-slots"):
    """Slots pass without a block: every `every`-th. `times` counts missed slots."""

    every: Count = 1


class WrongLightClient(_Fault, frozen=True, tag="wrong-light-client"):
    """The Beacon API serves wrong light-client objects.

    how: `signature` = of another message; `participation` = one more bit is set than signed; `header` = the attested header's
    state root is invented; `finality-branch`, `committee-branch`, `execution-branch` = a bit of the first sibling is flipped;
    `committee` = one key of the next (or current) committee is another; `garbage` = a text that is no object. What an object
    does not have stays as it is.
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


class SecondFinality(_Fault, frozen=True, tag="second-finality"):
    """Finality updates come with another finalized block of the same slot, which the whole committee signed."""


class StaleLightClient(_Fault, frozen=True, tag="stale-light-client"):
    """The Beacon API's light-client objects are those of when the fault began: a node that is stuck. `times` has no meaning here."""


class _AnswerFault(_Fault, frozen=True):
    """methods: which calls suffer (empty = all)."""

    methods: frozenset[str] = frozenset()

    def hits(self, method: str) -> bool:
        """Whether calls of this method suffer."""
        return not self.methods or method in self.methods


class DropConnections(_AnswerFault, frozen=True, tag="drop-connections"):
    """Connections break instead of answering; open WebSockets break at once when no method is named."""


class SlowAnswers(_AnswerFault, frozen=True, tag="slow-answers"):
    """Every answer waits `delay_s` first."""

    delay_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class RpcErrors(_AnswerFault, frozen=True, tag="rpc-errors"):
    """A JSON-RPC error instead of the answer, or an HTTP status other than 200 (such as 429 or 503)."""

    code: int = -32603
    message: str = "internal error (a fault of the devnet)"
    http_status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None


Fault: TypeAlias = (
    MissingSeals
    | ForgedSeals
    | ForeignSeals
    | RepeatedSeals
    | ForgedHeader
    | Equivocation
    | WrongProofs
    | WrongLogs
    | Stall
    | Rounds
    | Participation
    | WithheldFinality
    | MissedSlots
    | WrongLightClient
    | SecondFinality
    | StaleLightClient
    | DropConnections
    | SlowAnswers
    | RpcErrors
)
SealFault: TypeAlias = MissingSeals | ForgedSeals | ForeignSeals | RepeatedSeals

_EVERYWHERE: frozenset[type[Fault]] = frozenset(
    {WrongProofs, WrongLogs, Stall, DropConnections, SlowAnswers, RpcErrors}
)
#: What can go wrong with QBFT and IBFT 2.0 chains.
BFT_FAULTS: frozenset[type[Fault]] = _EVERYWHERE | {
    MissingSeals,
    ForgedSeals,
    ForeignSeals,
    RepeatedSeals,
    ForgedHeader,
    Equivocation,
    Rounds,
}
#: What can go wrong with proof-of-stake chains.
ETHEREUM_FAULTS: frozenset[type[Fault]] = _EVERYWHERE | {
    Participation,
    WithheldFinality,
    MissedSlots,
    WrongLightClient,
    SecondFinality,
    StaleLightClient,
}

_F = TypeVar("_F", bound=_Fault)
_BF = TypeVar("_BF", bound=_BlockFault)
_AF = TypeVar("_AF", bound=_AnswerFault)


class Faults:
    """The faults of one chain that act now."""

    def __init__(self, possible: frozenset[type[Fault]] | None = None) -> None:
        #: What can go wrong with this chain; None = anything.
        self.possible = possible
        #: Called with each fault that starts.
        self.started: Callable[[Fault], None] = lambda _: None
        self._active: dict[int, Fault] = {}
        self._acted: dict[int, int] = {}
        self._ids = itertools.count(1)

    def __bool__(self) -> bool:
        """Whether any acts: the front looks no further when none does."""
        return bool(self._active)

    def start(self, fault: Fault) -> int:
        """Let a fault act, and return the number to stop it by.

        Raises:
            SpecError: it can't happen on a chain of this kind.
        """
        if self.possible is not None and type(fault) not in self.possible:
            kinds = ", ".join(sorted(str(kind.__struct_config__.tag) for kind in self.possible))
            raise SpecError(
                f"the fault {type(fault).__struct_config__.tag} on a chain where it has no meaning",
                f"one of {kinds}",
            )
        number = next(self._ids)
        self._active[number] = fault
        self.started(fault)
        return number

    def stop(self, number: int) -> None:
        """End one; one that ended by itself is no error."""
        self._active.pop(number, None)
        self._acted.pop(number, None)

    def clear(self) -> None:
        """End all."""
        self._active.clear()
        self._acted.clear()

    @contextmanager
    def on(self, fault: Fault) -> Iterator[int]:
        """Let a fault act inside a `with` block."""
        number = self.start(fault)
        try:
            yield number
        finally:
            self.stop(number)

    def active(self) -> dict[int, Fault]:
        """Those that act now, by number."""
        return dict(self._active)

    def is_on(self, kind: type[_F]) -> bool:
        """Whether one of a kind acts; counts as no act."""
        return any(isinstance(fault, kind) for fault in self._active.values())

    def take(self, kind: type[_F]) -> _F | None:
        """The newest fault of a kind, counted as acting once."""
        return self._take(kind, lambda _: True)

    def take_block(self, kind: type[_BF], number: int) -> _BF | None:
        """The same among those that cover a height."""
        return self._take(kind, lambda fault: fault.covers(number))

    def take_answer(self, kind: type[_AF], method: str) -> _AF | None:
        """The same among those that hit a method."""
        return self._take(kind, lambda fault: fault.hits(method))

    def _take(self, kind: type[_F], wanted: Callable[[_F], bool]) -> _F | None:
        for number, fault in reversed(self._active.items()):
            if isinstance(fault, kind) and wanted(fault):
                acted = self._acted.get(number, 0) + 1
                if fault.times is not None and acted >= fault.times:
                    self.stop(number)
                else:
                    self._acted[number] = acted
                return fault
        return None


def read_fault(value: object) -> Fault:
    """A fault from decoded JSON, such as `{"kind": "missing-seals", "keep": 2}`.

    Raises:
        SpecError: it is none, or a field of it makes no sense.
    """
    try:
        fault: Fault = msgspec.convert(value, Fault)
    except msgspec.ValidationError as error:
        kinds = ", ".join(str(kind.__struct_config__.tag) for kind in Fault.__args__)
        raise SpecError(
            f"a fault that can't be read: {error}", f"an object whose kind is one of {kinds}"
        ) from error
    return fault
