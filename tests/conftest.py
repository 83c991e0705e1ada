# SPDX-License-Identifier: MIT
"""What every test has: the shared vectors, and a guard that keeps the network out of tests that do
not ask for it.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ROOT = Path(__file__).resolve().parents[1]

# Folders whose business is to talk to local chains and servers; elsewhere a test says so with a
# marker of its own.
NETWORK_FOLDERS = frozenset({"bench", "browser", "chaos", "differential", "e2e"})

# No deadlines: they judge the machine. CI repeats itself, so that a red run can be run again; locally
# it explores.
hypothesis.settings.register_profile("default", deadline=None, max_examples=100)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=200, derandomize=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=20_000)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default")
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder and by fixture what a reader would expect to be marked, before `-m` selects."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and NETWORK_FOLDERS & set(item.path.relative_to(here).parts[:1]):
            item.add_marker("network")
        if "shared_vectors" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep internet sockets from tests without the `network` marker, in their fixtures too.

    A unit test that talks is slow, flaky or reads another's state; socket pairs, which event
    loops need, stay.
    """
    if item.get_closest_marker("network") is not None:
        return (yield)
    plain_init, plain_lookup = socket.socket.__init__, socket.getaddrinfo

    def guarded_init(
        self: socket.socket,
        family: int = -1,
        type: int = -1,  # noqa: A002  the name that callers may use
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        if fileno is None and family in {-1, socket.AF_INET, socket.AF_INET6}:
            raise NetworkForbiddenError(item.nodeid)
        plain_init(self, family, type, proto, fileno)

    def guarded_lookup(*_: Any, **__: Any) -> Any:
        raise NetworkForbiddenError(item.nodeid)

    socket.socket.__init__ = guarded_init  # type: ignore[method-assign]
    socket.getaddrinfo = guarded_lookup
    try:
        return (yield)
    finally:
        socket.socket.__init__ = plain_init  # type: ignore[method-assign]
        socket.getaddrinfo = plain_lookup


class NetworkForbiddenError(AssertionError):
    """A test opened a socket without saying that it would."""

    def __init__(self, test: str) -> None:
        super().__init__(
            f"{test} opens a socket; mark it with @pytest.mark.network, or give it an in-memory twin"
        )


@pytest.fixture(autouse=True)
def _logs_as_at_the_start() -> Iterator[None]:
    """A daemon in a test sets up logging for the whole process, into a stream that ends with the test: every
    line that a later test's pipeline logs would raise.
    """
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """Return the folder of the shared vectors; skip where it is not beside the checkout.

    POSTROAD_VECTORS moves it.
    """
    told = os.environ.get("POSTROAD_VECTORS")
    if told:
        # Asked for by name, so its absence is a mistake rather than a poorer machine.
        if not Path(told).is_dir():
            pytest.fail(f"POSTROAD_VECTORS names {told}, which is not a folder")
        return Path(told)
    beside = ROOT.parent / "shared" / "vectors"
    if not beside.is_dir():
        pytest.skip("no ../shared/vectors beside the checkout; set POSTROAD_VECTORS to use others")
    return beside
