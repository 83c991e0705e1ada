# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from relayer.consensus.ethereum.local import LOCAL
from relayer.consensus.ethereum.local.kind import EthereumSettings
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import SpecError


@pytest.mark.parametrize(("options", "validators"), [([], 64), (["1"], 1), (["4096"], 4096)])
def test_what_can_be_chosen(options: list[str], validators: int) -> None:
    settings = LOCAL.read_options("eth", options)
    assert settings == EthereumSettings(validators)
    chain = LOCAL.build("eth", settings, ChainOptions())
    assert (chain.name, chain.kind) == ("eth", "ethereum")


@pytest.mark.parametrize("options", [[""], ["0"], ["4097"], ["many"], ["64", "64"]])
def test_what_cannot_be_chosen_and_why(options: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        LOCAL.read_options("eth", options)
    assert f"the options {':'.join(options)!r} of chain 'eth'" in str(caught.value)
    assert "ethereum[:VALIDATORS], VALIDATORS from 1 to 4096" in str(caught.value)
