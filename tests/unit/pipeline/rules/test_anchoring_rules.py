# SPDX-License-Identifier: MIT
"""When several deliveries wait for one anchor, and when a proof may refer to it."""

from __future__ import annotations

from typing import cast

import pytest

from light_clients.client import Height
from relayer.consensus.base import OnChainClient, Prover
from relayer.pipeline.rules.anchoring import Anchoring


class Anchorable:
    """A prover that can anchor even blocks, and shortens a proof to its first byte."""

    def anchor_for(self, height: Height) -> bytes | None:
        return b"anchor" if height % 2 == 0 else None

    def to_anchored(self, height: Height, proof: bytes) -> bytes:
        return proof[:1]


class Read:
    """A client as it was read."""

    def __init__(self, anchored: int) -> None:
        self.anchored = Height(anchored)


def make(*, anchored: int = 0) -> Anchoring:
    made = Anchoring(cast("Prover", Anchorable()))
    made.read(cast("OnChainClient", Read(anchored)))
    return made


@pytest.mark.parametrize(
    ("height", "batches", "elsewhere", "worth"),
    [
        (60, 1, 1, False),
        (60, 2, 2, True),
        # Another lane has one ready.
        (60, 1, 2, True),
        # The prover has nothing to anchor it with.
        (61, 5, 5, False),
        # It is anchored, or a newer one is.
        (50, 5, 5, False),
        (48, 5, 5, False),
    ],
)
def test_the_second_batch_pays_for_an_anchor(height: int, batches: int, elsewhere: int, worth: bool) -> None:
    anchoring = make(anchored=50)
    assert anchoring.is_worth_it(Height(height), batches, lambda _: elsewhere) is worth


def test_batches_that_come_later_wait_for_the_same_anchor_until_it_is_there() -> None:
    anchoring = make()
    anchoring.want(Height(60))
    assert anchoring.is_worth_it(Height(60), 1, lambda _: 0)
    anchoring.read(cast("OnChainClient", Read(60)))
    assert anchoring.wanted is None
    assert not anchoring.is_worth_it(Height(60), 9, lambda _: 9)


def test_of_several_headers_the_newest_is_anchored() -> None:
    anchoring = make()
    for height in (58, 60, 56):
        anchoring.want(Height(height))
    assert anchoring.wanted == 60


def test_a_refused_header_is_never_waited_for_again() -> None:
    anchoring = make()
    anchoring.want(Height(60))
    anchoring.refuse(Height(60))
    assert anchoring.wanted is None
    assert not anchoring.is_worth_it(Height(60), 9, lambda _: 9)
    assert anchoring.is_worth_it(Height(62), 9, lambda _: 9)


def test_a_proof_is_short_while_its_header_is_the_anchored_one() -> None:
    anchoring = make(anchored=60)
    assert anchoring.shorten(Height(60), b"whole") == b"w"
    assert anchoring.shorten(Height(58), b"whole") is None
    anchoring.refuse(Height(60))
    assert anchoring.shorten(Height(60), b"whole") is None
