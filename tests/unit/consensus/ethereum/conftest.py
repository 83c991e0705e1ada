# SPDX-License-Identifier: MIT
"""A proof-of-stake chain whose checkpoint the operator has confirmed, and that has finalized more since."""

from __future__ import annotations

import pytest

from tests.support.ethereum import CONFIRMED, NEXT, World


@pytest.fixture
def world() -> World:
    made = World()
    made.advance(CONFIRMED)
    made.keep_checkpoint()
    made.advance(NEXT)
    return made
