# SPDX-License-Identifier: MIT
"""The table `[chains.NAME.consensus]` of kind `clique`."""

from __future__ import annotations

import pytest

from relayer import config
from relayer.config import Bytes20, InvalidConfig
from relayer.consensus.clique.config import CliqueBootstrap, CliqueConfig

ALICE, BOB = Bytes20(b"\x01" * 20), Bytes20(b"\x02" * 20)
CHAIN = """\
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:9"]

[chains.court.consensus]
kind = "clique"
"""


def test_the_epoch_is_what_nodes_take_by_default_and_a_bootstrap_completes_it() -> None:
    bare = config.parse(CHAIN)
    assert bare.chain("court").missing == ("gateway", "genesis_hash", "consensus.bootstrap")
    assert CliqueConfig().epoch == 30_000
    whole = CliqueConfig(bootstrap=CliqueBootstrap(height=17, timestamp=1, signers=(ALICE, BOB)))
    assert (whole.missing, whole.first_height, whole.label) == ((), 17, "Clique")


@pytest.mark.parametrize("signers", [(BOB, ALICE), (ALICE, ALICE), (Bytes20(20), ALICE)])
def test_signers_that_do_not_ascend_or_nobody_are_refused(signers: tuple[Bytes20, ...]) -> None:
    wrong = CliqueConfig(bootstrap=CliqueBootstrap(height=1, timestamp=1, signers=signers))
    chain = config.parse(CHAIN).chain("court")
    with pytest.raises(InvalidConfig, match="distinct addresses, ascending") as caught:
        wrong.check(chain, lambda *keys: ".".join(map(str, keys)))
    assert caught.value.where == "bootstrap.signers"


@pytest.mark.parametrize("line", ["epoch = 0", "extra_depth = 101", "extra_depth = -1"])
def test_rules_of_no_chain_are_refused(line: str) -> None:
    with pytest.raises(InvalidConfig):
        config.parse(CHAIN + line + "\n")
