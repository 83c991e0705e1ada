# SPDX-License-Identifier: MIT
"""The backends, by name. A library is imported when its backend is asked for."""

from __future__ import annotations

from functools import cache
from typing import Final

from light_clients.bls.protocol import BlsBackend

#: The name of the default backend: blst.
PYBLST: Final = "pyblst"
#: The name of the reference: pure Python, hundreds of times slower, for tests.
PY_ECC: Final = "py_ecc"


def backend(name: str | None = None) -> BlsBackend:
    """Return the backend of a name, the default one for None. The same name always gives the same object.

    Raises:
        ValueError: there is no such backend.
        ImportError: its library is not installed. Nothing else here needs either of them.
    """
    return _backend(PYBLST if name is None else name)


@cache
def _backend(name: str) -> BlsBackend:
    if name == PYBLST:
        try:
            from light_clients.bls.fast import FastBackend
        except ImportError as error:
            raise ImportError(
                "found no package pyblst, expected it for BLS signatures: install it (where it has no wheel for this "
                "Python and platform, that takes a Rust compiler, or use Python 3.13)"
            ) from error

        return FastBackend()
    if name == PY_ECC:
        from light_clients.bls.reference import ReferenceBackend

        return ReferenceBackend()
    raise ValueError(f"found the BLS backend {name!r}, expected {PYBLST} or {PY_ECC}")
