# SPDX-License-Identifier: MIT
"""What the contract of a BFT light client answers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi.abi import encode

from light_clients.bft.client import BftState
from light_clients.bft.preimage import BftKind
from light_clients.client import Height, Timestamp
from relayer.chains.evm.contract_reader import ContractReader
from relayer.consensus.bft.config import VALIDATOR_CONTRACT_CLIENT
from relayer.consensus.bft.contract import CONTRACT, NAME, decode_trusted_state
from relayer.contracts import Build, load

CLIENT, ZERO = b"\x0c" * 20, "0x" + "00" * 20
ANSWERS = {
    "status": 0,
    "kinds": (0, 0, 0),
    "trustedState": (b"\7" * 32, 5, 6, False),
    "trustingPeriod": 7,
    "maxClockDrift": 8,
    "authority": ZERO,
    "validatorContract": ZERO,
    "validatorSlot": bytes(32),
    "storageRoot": bytes(32),
}


class Told(ContractReader):
    """Answers as a contract with the functions of its artifact, whose code is at the client's address."""

    def __init__(self, code: bytes) -> None:
        async def code_at(address: bytes) -> bytes:
            assert address == CLIENT
            return code

        self.node: Any = SimpleNamespace(code=code_at)

    async def ask(self, to: bytes, contract: str, function: str, *arguments: object) -> Any:
        assert (to, arguments) == (CLIENT, ())
        assert load(contract).encode_call(function)
        return ANSWERS[function]


def test_a_trusted_state_is_read_field_by_field() -> None:
    data = encode(["bytes32", "uint64", "uint64", "bool"], [b"\7" * 32, 5, 6, True])
    assert decode_trusted_state(data) == BftState(b"\7" * 32, Height(5), Timestamp(6), frozen=True)


@pytest.mark.parametrize("build", [Build.CANCUN, Build.BASELINE])
@pytest.mark.parametrize("name", [NAME, VALIDATOR_CONTRACT_CLIENT])
def test_a_client_is_viewed_as_what_its_code_is_in_every_build(name: str, build: Build) -> None:
    view = asyncio.run(CONTRACT.view(Told(load(name, build).runtime_code), CLIENT))
    assert (view.contract, view.kinds, view.set_hash) == (name, BftKind.QBFT, b"\7" * 32)
    assert (view.height, view.timestamp, view.trusting_period_s, view.max_clock_drift_s) == (5, 6, 7, 8)
