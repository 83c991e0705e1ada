# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.bls import PY_ECC, PYBLST, backend


def test_backends_are_chosen_by_name_and_made_once() -> None:
    assert backend() is backend(PYBLST)
    assert backend().name == PYBLST
    assert backend(PY_ECC).name == PY_ECC
    with pytest.raises(ValueError, match="'milagro', expected pyblst or py_ecc"):
        backend("milagro")
