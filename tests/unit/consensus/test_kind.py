# SPDX-License-Identifier: MIT
"""What a kind of consensus says about itself, without the packages that it needs."""

from __future__ import annotations

import importlib.util

import pytest

from relayer.consensus.kind import ConsensusKind
from relayer.consensus.registry import kinds


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.faster_with], ids=lambda kind: kind.name)
def test_a_kind_tells_what_it_is_slow_without(kind: ConsensusKind, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind.slow_without() == {}
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    assert kind.slow_without() == kind.faster_with
    assert callable(kind.open_prover)
