# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import SpecError


@pytest.mark.parametrize("block_time_s", [0.0, 0.049, -1.0, float("nan")])
def test_blocks_that_come_too_fast_are_refused(block_time_s: float) -> None:
    with pytest.raises(SpecError, match=r"at least 0\.05 s, or None for blocks on demand"):
        ChainOptions(block_time_s=block_time_s)


def test_a_seed_is_not_shown() -> None:
    assert "secret" not in repr(ChainOptions(seed=b"secret"))
