# SPDX-License-Identifier: MIT
"""The table `[chains.NAME.consensus]` of kind `bft`."""

from __future__ import annotations

from typing import Literal

import pytest

from light_clients.bft.preimage import BftKind, KindChange
from relayer import config
from relayer.config import Bytes20, InvalidConfig
from relayer.consensus.bft.config import PROTOCOLS, BftConfig, BootstrapConfig
from relayer.consensus.registry import configured, find_kind
from relayer.errors import ConfigError

BFT = find_kind("bft")
ALICE, BOB = Bytes20(b"\x01" * 20), Bytes20(b"\x02" * 20)
CHAIN = """\
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:9"]

[chains.court.consensus]
kind = "bft"
protocol = "qbft"
"""


@pytest.mark.parametrize(
    ("protocol", "kind", "label"),
    [
        ("qbft", BftKind.QBFT, "QBFT"),
        ("ibft2", BftKind.IBFT2, "IBFT 2.0"),
        ("ibft", BftKind.ISTANBUL, "legacy Istanbul"),
    ],
)
def test_a_protocol_is_what_headers_know_and_has_the_name_that_people_use(
    protocol: Literal["qbft", "ibft2", "ibft"], kind: BftKind, label: str
) -> None:
    found = BftConfig(protocol=protocol)
    assert (found.kinds, found.label) == (kind, label)
    assert BFT.dialects[protocol] == {"protocol": protocol}
    assert set(BFT.dialects) == set(PROTOCOLS)


def test_a_change_ahead_is_the_protocol_and_the_block() -> None:
    text = CHAIN + 'then = { protocol = "ibft", from_height = 150 }\n'
    found: BftConfig = configured("court", config.parse(text).chain("court")).consensus
    assert found.kinds == KindChange(BftKind.QBFT, BftKind.ISTANBUL, 150)
    assert found.label == "QBFT until block 149, legacy Istanbul from then on"


@pytest.mark.parametrize(
    "then", ['{ protocol = "qbft2", from_height = 1 }', '{ protocol = "ibft2" }', "{ from_height = 9 }"]
)
def test_half_a_change_is_refused(then: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        config.parse(f"{CHAIN}then = {then}\n")
    assert "chains.court.consensus.then" in caught.value.where


def test_a_change_to_the_same_protocol_is_refused() -> None:
    text = CHAIN + 'then = { protocol = "qbft", from_height = 150 }\n'
    with pytest.raises(InvalidConfig, match="another protocol") as caught:
        config.parse(text)
    assert "chains.court.consensus.then.protocol" in caught.value.where


def test_it_is_complete_with_a_bootstrap_and_messages_are_looked_for_from_there() -> None:
    bare = config.parse(CHAIN)
    assert bare.chain("court").missing == ("gateway", "genesis_hash", "consensus.bootstrap")
    whole = BftConfig(
        protocol="qbft", bootstrap=BootstrapConfig(height=17, timestamp=1, validators=(ALICE, BOB))
    )
    assert (whole.missing, whole.first_height) == ((), 17)


@pytest.mark.parametrize("validators", [(ALICE, BOB, ALICE), (ALICE, Bytes20(20))])
def test_a_validator_twice_or_nobody_is_refused(validators: tuple[Bytes20, ...]) -> None:
    wrong = BftConfig(
        protocol="qbft", bootstrap=BootstrapConfig(height=1, timestamp=1, validators=validators)
    )
    chain = config.parse(CHAIN).chain("court")
    with pytest.raises(InvalidConfig, match="distinct validators") as caught:
        wrong.check(chain, lambda *keys: ".".join(map(str, keys)))
    assert caught.value.where == "bootstrap.validators"


@pytest.mark.parametrize("count", [0, 256])
def test_a_set_that_no_header_can_list_is_refused(count: int) -> None:
    listed = ", ".join(f'"0x{number:040x}"' for number in range(1, count + 1))
    text = f"{CHAIN}bootstrap = {{ height = 1, timestamp = 1, validators = [{listed}] }}\n"
    with pytest.raises(InvalidConfig, match="length") as caught:
        config.parse(text)
    assert "chains.court.consensus.bootstrap.validators" in caught.value.where


def test_without_a_bootstrap_no_prover_is_opened() -> None:
    chain = configured("court", config.parse(CHAIN).chain("court"))
    unused: object = None
    with pytest.raises(ConfigError, match=r"chains\.court\.consensus without a bootstrap"):
        BFT.open_prover(chain, unused)  # type: ignore[arg-type]
