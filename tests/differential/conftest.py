# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator

import pytest

from relayer.contracts import load
from tests.differential.evm import Anvil, run_anvil
from tools.build_contracts import check_hashes


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    # What ships must be what the sources say: agreeing with last week's contract proves nothing.
    check_hashes()
    with run_anvil() as running:
        yield running


@pytest.fixture(scope="module")
def authority(anvil: Anvil) -> bytes:
    """A manager of access, older than all that clients trust."""
    return anvil.transact(None, load("AccessManager").encode_creation(anvil.sender), 1)
