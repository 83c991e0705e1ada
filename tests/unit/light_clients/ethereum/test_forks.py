# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.ethereum.config import ForkName
from light_clients.ethereum.forks import LAYOUTS


@pytest.mark.parametrize(
    ("fork", "finality", "committee", "execution"),
    [
        (ForkName.ALTAIR, 6, 5, 0),
        (ForkName.BELLATRIX, 6, 5, 0),
        (ForkName.CAPELLA, 6, 5, 4),
        (ForkName.DENEB, 6, 5, 4),
        (ForkName.ELECTRA, 7, 6, 4),
        (ForkName.FULU, 7, 6, 4),
        (ForkName.GLOAS, 9, 11, 11),
    ],
)
def test_branches_have_the_length_of_their_fork(
    fork: ForkName, finality: int, committee: int, execution: int
) -> None:
    layout = LAYOUTS[fork]
    assert (layout.finality_depth, layout.committee_depth, layout.execution_depth) == (
        finality,
        committee,
        execution,
    )
    # The two committees are neighbours in the state
    assert layout.next_sync_committee == layout.current_sync_committee + 1


def test_every_fork_has_a_layout() -> None:
    assert set(LAYOUTS) == set(ForkName)
