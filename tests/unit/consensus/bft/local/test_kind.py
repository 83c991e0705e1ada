# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.bft.preimage import BftKind, KindChange
from relayer.consensus.bft.local import LOCAL
from relayer.consensus.bft.local.kind import BftSettings
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import SpecError


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], BftSettings(BftKind.QBFT, 4)),
        (["qbft"], BftSettings(BftKind.QBFT, 4)),
        (["ibft2"], BftSettings(BftKind.IBFT2, 4)),
        (["255"], BftSettings(BftKind.QBFT, 255)),
        (["ibft2", "7"], BftSettings(BftKind.IBFT2, 7)),
        (["ibft"], BftSettings(BftKind.ISTANBUL, 4)),
        (["ibft2-qbft-40", "5"], BftSettings(KindChange(BftKind.IBFT2, BftKind.QBFT, 40), 5)),
    ],
)
def test_what_can_be_chosen(options: list[str], settings: BftSettings) -> None:
    assert LOCAL.read_options("a", options) == settings
    chain = LOCAL.build("a", settings, ChainOptions())
    assert (chain.name, chain.kind, chain.kinds) == ("a", "bft", settings.protocol)


@pytest.mark.parametrize(
    "options",
    [[""], ["0"], ["256"], ["-4"], ["4²"], ["ibft1"], ["ibft2", ""], ["7", "ibft2"], ["qbft", "4", "4"]]
    + [[f"ibft2-{rest}"] for rest in ("", "qbft", "qbft-", "qbft-0", "ibft2-9", "qbft-9-9", "ibft1-9")],
)
def test_what_cannot_be_chosen_and_why(options: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        LOCAL.read_options("a", options)
    assert f"the options {':'.join(options)!r} of chain 'a'" in str(caught.value)
    assert "PROTOCOL one of qbft, ibft2, ibft, HEIGHT of the change, VALIDATORS from 1 to 255" in str(
        caught.value
    )
