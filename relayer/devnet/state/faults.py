# SPDX-License-Identifier: MIT
"""What can be made to go wrong on a local chain: lying or failing RPC answers, and odd but honest blocks.

A fault is a frozen value; it acts from `Faults.start` until it is stopped, or until it has acted `times`
times. Faults of answers don't touch the chain itself: once they stop, the same block is served right again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Literal, TypeAlias, TypeVar, Union

import msgspec

from relayer.devnet.errors import SpecError

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Something that goes wrong. A subclass says what, and `tag` is its name in JSON, under `kind`.

    Attributes:
        times: after how many acts it ends by itself; None = when it is stopped.
    """

    times: Count | None = None


class BlockFault(Fault, frozen=True):
    """Something wrong with answers that hold a block.

    Attributes:
        first, last: the heights that it acts on; None = without a bound.
    """

    first: int | None = None
    last: int | None = None

    def covers(self, number: int) -> bool:
        """Return whether blocks of this height are served wrong."""
        return (self.first is None or number >= self.first) and (self.last is None or number <= self.last)


class WrongProofs(Fault, frozen=True, tag="wrong-proofs"):
    """`eth_getProof` lies.

    how: `node` = a bit is flipped in the account's last node; `value` = another storage value (or balance)
    than the nodes hold; `short` = the last node is missing; `storage` = a bit is flipped in each slot's last
    node.
    """

    how: Literal["node", "value", "short", "storage"] = "node"


class WrongLogs(Fault, frozen=True, tag="wrong-logs"):
    """Logs lie, in answers and in subscriptions.

    how: `drop` = every second one is missing; `data` = a bit of the data (or of the last topic) is flipped;
    `none` = all are missing; `twice` = every one comes twice.
    """

    how: Literal["drop", "data", "none", "twice"] = "drop"


class Stall(Fault, frozen=True, tag="stall"):
    """No new blocks, though answers go on. `times` has no meaning here."""


class AnswerFault(Fault, frozen=True):
    """Something wrong with answers of any sort.

    Attributes:
        methods: which calls suffer; none = all.
    """

    methods: frozenset[str] = frozenset()

    def hits(self, method: str) -> bool:
        """Return whether calls of this method suffer."""
        return not self.methods or method in self.methods


class DropConnections(AnswerFault, frozen=True, tag="drop-connections"):
    """Connections break instead of answering; open WebSockets break at once when no method is named."""


class SlowAnswers(AnswerFault, frozen=True, tag="slow-answers"):
    """Every answer waits `delay_s` first."""

    delay_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class RpcErrors(AnswerFault, frozen=True, tag="rpc-errors"):
    """A JSON-RPC error instead of the answer, or an HTTP status other than 200 (such as 429 or 503)."""

    code: int = -32603
    message: str = "internal error (a fault of the devnet)"
    http_status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None


COMMON_FAULTS: Final[frozenset[type[Fault]]] = frozenset(
    {WrongProofs, WrongLogs, Stall, DropConnections, SlowAnswers, RpcErrors}
)
"""What can go wrong with every chain."""

F = TypeVar("F", bound=Fault)
BF = TypeVar("BF", bound=BlockFault)
AF = TypeVar("AF", bound=AnswerFault)


class Faults:
    """The faults of one server, or of one chain, that act now.

    Attributes:
        possible: what can go wrong with this chain.
        started: called with every fault that starts.
    """

    def __init__(self, possible: frozenset[type[Fault]]) -> None:
        self.possible = possible
        self.started: Callable[[Fault], None] = lambda _: None
        self._active: dict[int, Fault] = {}
        self._acted: dict[int, int] = {}
        self._ids = itertools.count(1)

    def __bool__(self) -> bool:
        """Return whether any acts; a server looks no further when none does."""
        return bool(self._active)

    def start(self, fault: Fault) -> int:
        """Let a fault act, and return the number to stop it by.

        Raises:
            SpecError: it can't happen on a chain of this kind.
        """
        if type(fault) not in self.possible:
            raise SpecError(
                f"the fault {type(fault).__struct_config__.tag} on a chain where it has no meaning",
                f"one of {_tags(self.possible)}",
            )
        number = next(self._ids)
        self._active[number] = fault
        self.started(fault)
        return number

    def stop(self, number: int) -> None:
        """End a fault by its number; one that ended by itself is no error."""
        self._active.pop(number, None)
        self._acted.pop(number, None)

    def clear(self) -> None:
        """End all faults."""
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
        """Return the faults that act now, by number."""
        return dict(self._active)

    def is_on(self, kind: type[F]) -> bool:
        """Return whether one of a kind acts; counts as no act."""
        return any(isinstance(fault, kind) for fault in self._active.values())

    def take(self, kind: type[F]) -> F | None:
        """Return the newest fault of a kind, counted as acting once."""
        return self._take(kind, lambda _: True)

    def take_block(self, kind: type[BF], number: int) -> BF | None:
        """Return the newest fault of a kind that covers a height, counted as acting once."""
        return self._take(kind, lambda fault: fault.covers(number))

    def take_answer(self, kind: type[AF], method: str) -> AF | None:
        """Return the newest fault of a kind that hits a method, counted as acting once."""
        return self._take(kind, lambda fault: fault.hits(method))

    def _take(self, kind: type[F], wanted: Callable[[F], bool]) -> F | None:
        for number, fault in reversed(self._active.items()):
            if isinstance(fault, kind) and wanted(fault):
                acted = self._acted.get(number, 0) + 1
                if fault.times is not None and acted >= fault.times:
                    self.stop(number)
                else:
                    self._acted[number] = acted
                return fault
        return None


def read_fault(value: object, possible: frozenset[type[Fault]]) -> Fault:
    """Read a fault from decoded JSON, such as `{"kind": "stall", "times": 2}`.

    Args:
        value: the JSON.
        possible: what can go wrong with the chain that it is for.

    Raises:
        SpecError: it is none of these, or a field of it makes no sense.
    """
    try:
        fault: Fault = msgspec.convert(value, Union[tuple(possible)])  # noqa: UP007  the members are known at run time only
    except msgspec.ValidationError as error:
        raise SpecError(
            f"a fault that can't be read: {error}", f"an object whose kind is one of {_tags(possible)}"
        ) from error
    return fault


def _tags(faults: frozenset[type[Fault]]) -> str:
    return ", ".join(sorted(str(fault.__struct_config__.tag) for fault in faults))
