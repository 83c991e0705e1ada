# SPDX-License-Identifier: MIT
"""Fixtures of pytest: one line in a conftest.py gives a test local chains and their relayer.

    pytest_plugins = ["relayer.testing.fixtures"]

`postroad_roads` is a `relayer.testing.RunningRoads`, started for the first test that asks for it and ended
after the session's last. A conftest.py that has a session's fixture `postroad_spec` of its own chooses the
chains; it returns a line as `postroad devnet up --chains` takes it. No event loop is needed, and no plug-in
for one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from relayer.testing.roads import DEFAULT_SPEC, RunningRoads, local_roads


@pytest.fixture(scope="session")
def postroad_spec() -> str:
    """Return the chains that `postroad_roads` starts."""
    return DEFAULT_SPEC


@pytest.fixture(scope="session")
def postroad_roads(postroad_spec: str) -> Iterator[RunningRoads]:
    """Give joined local chains with a running relayer, to all tests of the session."""
    with local_roads(postroad_spec) as roads:
        yield roads
