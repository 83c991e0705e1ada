# SPDX-License-Identifier: MIT
"""What tests of several parts ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.plug_ins import PlugIn, offered_plug_ins


@pytest.fixture
def plug_in() -> Iterator[PlugIn]:
    """Return a function that offers an entry point, as an installed distribution would."""
    with offered_plug_ins() as offer:
        yield offer
