# SPDX-License-Identifier: MIT
"""Which suite reads which folder of the vectors."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol, cast

from tests.conformance.case import Case

#: Where the package of a kind of consensus names the module of its suite.
GROUP: Final = "postroad.conformance"

#: Why nobody reads a folder yet. A folder that is neither here nor read by a suite is reported all the same.
NOT_SERVED: Final = {
    "fisco_bcos": "no FISCO BCOS light client yet",
    "gm_sm2_sm3": "no SM2 and SM3 yet: they come with the FISCO BCOS light client",
    "cometbft": "no CometBFT light client yet",
    "ics23": "no ICS-23 proofs yet: they come with the CometBFT light client",
}


class Suite(Protocol):
    """A module that reads a folder of the vectors. `NETWORK = True` beside FOLDER: it starts a local
    chain.
    """

    FOLDER: str

    def cases(self, folder: Path) -> Iterator[Case]:
        """The folder's cases, in an order that they can be run in."""


def suites() -> dict[str, Suite]:
    """Every suite by the folder that it reads: the modules of this package, then those of installed packages.

    Raises:
        ValueError: two suites read the same folder, or an installed package names a module that is no suite.
    """
    return by_folder([*_own_modules(), *(entry.load() for entry in entry_points(group=GROUP))])


def by_folder(modules: list[ModuleType]) -> dict[str, Suite]:
    """The modules by the folder that they read.

    Raises:
        ValueError: two read the same folder, or one is no suite.
    """
    found: dict[str, ModuleType] = {}
    for module in modules:
        if not hasattr(module, "FOLDER") or not hasattr(module, "cases"):
            raise ValueError(
                f"found {module.__name__} without FOLDER or cases(), expected a suite of conformance cases"
            )
        if module.FOLDER in found:
            both = f"{found[module.FOLDER].__name__} and {module.__name__}"
            raise ValueError(f"found two suites for the folder {module.FOLDER}, expected one: {both}")
        found[module.FOLDER] = module
    return cast("dict[str, Suite]", found)


def _own_modules() -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith(("_", "test_")):
            continue
        loaded = importlib.import_module(f"{__package__}.{module.name}")
        # The runner's own modules have none.
        if hasattr(loaded, "FOLDER"):
            yield loaded
