# SPDX-License-Identifier: MIT
"""What a kind of consensus says about itself, without the packages that it needs."""

from __future__ import annotations

import importlib.util

import pytest

from relayer.consensus.kind import ConsensusKind
from relayer.consensus.registry import kinds
from relayer.errors import ConfigError


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.requires], ids=lambda kind: kind.name)
def test_chains_of_a_kind_are_not_opened_without_what_it_requires(
    kind: ConsensusKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(kind.open_prover)
    module, advice = next(iter(kind.requires.items()))
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(ConfigError, match=f"without the module {module}") as caught:
        _ = kind.open_prover
    assert caught.value.advice == advice
