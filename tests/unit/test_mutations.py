# SPDX-License-Identifier: MIT
"""The list of mutations keeps up with the contracts and their tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mutants.mutation import Mutation
from tests.mutants.mutations import MUTATIONS

SOLIDITY = Path(__file__).resolve().parents[2] / "solidity"


def test_names_differ() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_changes_its_source_and_names_a_test(mutation: Mutation) -> None:
    text = (SOLIDITY / "src" / mutation.source).read_text()
    assert mutation.apply_to(text) != text
    tests = (SOLIDITY / "test" / mutation.file).read_text()
    assert re.search(rf"function {mutation.test}\(", tests), mutation.killer


def test_a_text_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="found its text 0 times"):
        MUTATIONS[0].apply_to("contract Empty {}")
