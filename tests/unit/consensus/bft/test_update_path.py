# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from relayer.consensus.bft.update_path import describe_change

MEMBERS = [bytes([number]) * 20 for number in range(1, 8)]


@pytest.mark.parametrize(
    ("trusted", "listed", "expected", "advice"),
    [
        # 5 -> 4: ceil(2 * 5 / 3) = 4 of the five must seal, and four remain.
        (MEMBERS[:5], MEMBERS[:4], "4 of the 5 trusted", "All 4 that remain are needed"),
        (MEMBERS[:4], MEMBERS[:5], "3 of the 4 trusted", "4 of them remain, so 1 may be missing"),
        (MEMBERS[:7], MEMBERS[:4], "5 of the 7 trusted", "Only 4 of them remain, so no update leads there"),
        (MEMBERS[:4], MEMBERS[4:], "3 of the 4 trusted", "Only 0 of them remain"),
    ],
)
def test_what_a_change_of_the_validators_needs_is_told(
    trusted: list[bytes], listed: list[bytes], expected: str, advice: str
) -> None:
    needed, meaning = describe_change(trusted, listed)
    assert expected in needed
    assert advice in meaning
