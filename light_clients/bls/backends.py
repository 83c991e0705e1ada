# SPDX-License-Identifier: MIT
"""Which backend answers to which name."""

from __future__ import annotations

from functools import cache

from light_clients.bls.protocol import BlsBackend

#: The default: blst.
PYBLST = "pyblst"
#: The reference: pure Python, thousands of times slower, for tests and second opinions.
PY_ECC = "py_ecc"


def backend(name: str | None = None) -> BlsBackend:
    """A backend by name; None is the default one. The same object each time.

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
