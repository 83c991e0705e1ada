# SPDX-License-Identifier: MIT
"""The backends, by name. A library is imported when its backend is asked for."""

from __future__ import annotations

from functools import cache
from typing import Final

from light_clients.bls.protocol import BlsBackend

#: The name of the backend by blst, which serves where it is installed.
PYBLST: Final = "pyblst"
#: The name of the one in pure Python, hundreds of times slower, which serves elsewhere.
PY_ECC: Final = "py_ecc"


def backend(name: str | None = None) -> BlsBackend:
    """Return the backend of a name, the fastest one for None. The same name always gives the same object.

    Raises:
        ValueError: there is no such backend.
        ImportError: its library is not installed.
    """
    if name is not None:
        return _backend(name)
    try:
        return _backend(PYBLST)
    except ImportError:
        return _backend(PY_ECC)


@cache
def _backend(name: str) -> BlsBackend:
    if name == PYBLST:
        from light_clients.bls.fast import FastBackend

        return FastBackend()
    if name == PY_ECC:
        from light_clients.bls.reference import ReferenceBackend

        return ReferenceBackend()
    raise ValueError(f"found the BLS backend {name!r}, expected {PYBLST} or {PY_ECC}")
