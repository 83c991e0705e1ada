# SPDX-License-Identifier: MIT
from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.registry import suites
from tests.conformance.runner import run_folder, skip_folder


def with_marks(name: str) -> object:
    """A folder whose suite talks to a local chain says so with `NETWORK`."""
    talks = getattr(suites()[name], "NETWORK", False)
    return pytest.param(name, marks=[pytest.mark.network] if talks else [])


@pytest.mark.parametrize("name", [with_marks(name) for name in sorted(suites())])
def test_the_shared_vectors_hold(shared_vectors: Path, name: str) -> None:
    if not (shared_vectors / name).exists():
        pytest.skip(f"no folder {name} in {shared_vectors}")
    verdict = run_folder(suites()[name], shared_vectors / name)
    assert verdict.failures == []
    assert verdict.passed > 0


def test_every_folder_is_run_or_skipped_with_a_reason(shared_vectors: Path) -> None:
    for folder in shared_vectors.iterdir():
        if folder.is_dir() and folder.name not in suites():
            verdict = skip_folder(folder)
            assert verdict.skipped > 0
            assert all(verdict.skips)
