# SPDX-License-Identifier: MIT
"""The compiled contracts that ship with the library, made by `make artifacts`, and how to speak to them.

Each `<build>/<Name>.json` here holds a contract's ABI, creation code and runtime code, as compiled for the
EVM that the folder names; `load` reads one. Another distribution adds contracts of its own by an entry point
`postroad.contracts` that names the package with its files, in such folders or, for Cancun, without.
"""

from __future__ import annotations

from relayer.contracts.artifact import (
    Artifact,
    Build,
    Decoded,
    UnknownContract,
    best_build,
    load,
    load_builds,
    names,
    recognise,
)

__all__ = [
    "Artifact",
    "Build",
    "Decoded",
    "UnknownContract",
    "best_build",
    "load",
    "load_builds",
    "names",
    "recognise",
]
