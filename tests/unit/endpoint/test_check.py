# SPDX-License-Identifier: MIT
"""An endpoint and its light clients judged: what doesn't belong there is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import set_hash
from light_clients.client import Status
from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.consensus.bft.contract import BftClientView
from relayer.consensus.findings import Finding, Severity
from relayer.endpoint.check import judge_client, judge_endpoint
from relayer.endpoint.manifest import Contract, Hex, Record
from relayer.endpoint.steps import Located
from relayer.endpoint.survey import Survey
from relayer.endpoint.view import EndpointView, RemoteView
from relayer.protocol.message import EndpointId
from tests.support.bft import Draft, validators

GATEWAY, MANAGER, OTHER = b"\x01" * 20, b"\x03" * 20, b"\x66" * 20
OWN_ID = EndpointId(b"\x33" * 32)
HEIGHT, TIME = 100, 1_700_000_000
FOUR = validators(4)
BLOCK = Draft(BftKind.QBFT, FOUR, number=HEIGHT, timestamp=TIME).rpc()
CONFIG = """
[chains.court]
chain = "eip155:1"
rpc = ["http://localhost:1"]
[chains.court.consensus]
kind = "bft"
protocol = "qbft"
[chains.port]
chain = "eip155:2"
rpc = ["http://localhost:2"]
trusting_period_s = 1000
max_clock_drift_s = 30
[chains.port.consensus]
kind = "bft"
protocol = "qbft"
"""


def endpoint(**change: Any) -> EndpointView:
    view = EndpointView(
        name="court",
        located=Located(GATEWAY, b"\x22" * 32, b"", OWN_ID),
        is_gateway=True,
        own_id=OWN_ID,
        authority=MANAGER,
        is_manager=True,
        remotes=(),
        now=TIME + 10,
    )
    return replace(view, **change)


def refused(findings: Sequence[Finding]) -> list[str]:
    return [finding.found for finding in findings if finding.severity is Severity.REFUSAL]


def record(manager: bytes) -> Record:
    contract = Contract(address=Hex(manager), tx_hash=Hex(b"\x01" * 32), block_number=1, code_hash=Hex())
    return Record(chain="eip155:1", genesis_hash=Hex(b"\x22" * 32), authority=contract)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_gateway": False}, "other code, or none"),
        ({"own_id": b"\x44" * 32}, "endpoint id 0x4444"),
        ({"is_manager": False}, f"the authority 0x{MANAGER.hex()}, whose code is unknown"),
    ],
)
def test_an_endpoint_that_is_not_what_it_should_be_is_refused(change: dict[str, Any], words: str) -> None:
    (text,) = refused(judge_endpoint(endpoint(**change)))
    assert text.startswith(words)


def test_an_authority_that_is_not_the_manifests_is_refused() -> None:
    assert refused(judge_endpoint(endpoint(), record(MANAGER))) == []
    assert refused(judge_endpoint(endpoint(), record(OTHER))) == [f"the authority 0x{MANAGER.hex()}"]


def client(**change: Any) -> BftClientView:
    view = BftClientView(
        contract="BftLightClient",
        address=b"\x05" * 20,
        status=Status.ACTIVE,
        height=HEIGHT,
        timestamp=TIME,
        trusting_period_s=1000,
        max_clock_drift_s=30,
        authority=MANAGER,
        kinds=BftKind.QBFT,
        set_hash=set_hash([validator.address for validator in FOUR]),
    )
    return replace(view, **change)


async def judge(view: BftClientView | None) -> list[Finding]:
    """Judge a client of `port` on `court`; the chain has one block, and its validators seal still."""

    async def request(method: str, params: Sequence[Any]) -> Any:
        del method, params
        return BLOCK

    none: Any = None
    survey = Survey("port", "bft", 2, b"\x02" * 32, "", None, 0, none, (), ())
    remote = RemoteView("port", b"\x55" * 32, b"\x05" * 20, view, is_paused=False, is_retired=False)
    config = configuration.parse(CONFIG, directory=Path(), environment={})
    node = Node("port", request)
    return await judge_client("port → court", endpoint(), remote, survey, config, node)


async def test_a_client_of_the_chains_own_set_is_good() -> None:
    findings = await judge(client())
    assert {finding.severity for finding in findings} == {Severity.OK}, findings


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (None, "other code, or none, at the light client's address"),
        (client(contract="EthereumLightClient"), "a EthereumLightClient"),
        (client(authority=OTHER), f"the client's authority 0x{OTHER.hex()}"),
        (client(status=Status.FROZEN), "a frozen client"),
        (client(status=Status.EXPIRED), "a client expired"),
        (client(set_hash=b"\x66" * 32), "a client that trusts a set with hash 0x6666"),
    ],
)
async def test_a_client_that_could_be_used_to_forge_or_believes_nothing_is_refused(
    view: BftClientView | None, words: str
) -> None:
    """INV-7."""
    (text,) = refused(await judge(view))
    assert text.startswith(words)
