# SPDX-License-Identifier: MIT
"""A gateway remembers the endpoints that it has given up, and what must not come back with another one."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from relayer.chains.evm.node import Node
from relayer.consensus.bft.endpoint import BftTrust
from relayer.consensus.findings import Severity
from relayer.contracts import load
from relayer.endpoint.former import judge_former, judge_retired, read_former
from relayer.endpoint.steps import Located
from relayer.endpoint.survey import Survey
from relayer.errors import CallRevertedStopLane
from relayer.protocol.batch import encode_batch
from relayer.protocol.interop_address import InteropAddress
from relayer.protocol.lane import endpoint_id
from tests.e2e.test_one_message import GAS, batch_of, deliver, observe, prove_head
from tests.support.endpoints import LIMITS, Site, joined

NEW_VALIDATORS = [bytes([0x70 + index]) * 20 for index in range(4)]
OTHER_GENESIS = b"\x99" * 32
OTHER_GATEWAY = b"\x44" * 20


def locate(site: Site, gateway: bytes, genesis_hash: bytes) -> Located:
    address = InteropAddress.evm(site.local.chain_id, gateway).to_bytes()
    return Located(gateway, genesis_hash, address, endpoint_id(address, genesis_hash))


def survey_of(validators: Sequence[bytes]) -> Survey:
    """What a chain shows that these validators seal."""
    header: Any = SimpleNamespace(number=1, timestamp=1, validators=tuple(validators))
    none: Any = None
    return Survey("alpha", "bft", 0, OTHER_GENESIS, "", BftTrust(header), 0, none, (), ())


async def retire(alpha: Site, beta: Site, last_height: int) -> None:
    data = load("Gateway").encode_call("retireRemote", alpha.chain.endpoint_id, last_height)
    assert (await beta.transact(beta.chain.gateway, data)).succeeded


async def test_a_retired_endpoint_is_remembered_by_its_gateway() -> None:
    async with joined() as (alpha, beta):
        here = locate(beta, beta.chain.gateway, beta.chain.settings.genesis_hash)
        old = locate(alpha, alpha.chain.gateway, alpha.chain.settings.genesis_hash)
        node = Node.over("beta", [beta.local.http_url])
        try:
            assert await read_former(node, here, None) == ()
            await retire(alpha, beta, 5)
            former = await read_former(node, here, None)
            data = load("Gateway").encode_call("reinstateRemote", alpha.chain.endpoint_id)
            assert (await beta.transact(beta.chain.gateway, data)).succeeded
            assert await read_former(node, here, None) == (), "taken back"
        finally:
            await node.close()
        (gone,) = former
        assert gone.endpoint_id == alpha.chain.endpoint_id == old.endpoint_id
        assert gone.address7930 == old.address7930
        assert gone.signers >= set(alpha.prover.validators)

        def found(gateway: bytes, validators: Sequence[bytes]) -> list[str]:
            candidate = locate(alpha, gateway, OTHER_GENESIS)
            findings = judge_former("alpha → beta", former, candidate, survey_of(validators))
            assert all(finding.severity is Severity.REFUSAL for finding in findings)
            return [finding.found for finding in findings]

        assert found(OTHER_GATEWAY, NEW_VALIDATORS) == []
        (shared,) = found(OTHER_GATEWAY, [*NEW_VALIDATORS[:3], alpha.prover.validators[2]])
        assert shared.startswith("1 signers of the retired endpoint 0x")
        assert alpha.prover.validators[2].hex() in shared
        (address,) = found(alpha.chain.gateway, NEW_VALIDATORS)
        assert "the chain id and the gateway" in address
        # The retired one itself, as it is still configured, is no other endpoint; but nobody registers it.
        assert judge_former("alpha → beta", former, old, survey_of(alpha.prover.validators)) == []
        (refusal,) = judge_retired("alpha → beta", former, old)
        assert refusal.severity is Severity.REFUSAL
        assert judge_retired("alpha → beta", former, locate(alpha, OTHER_GATEWAY, OTHER_GENESIS)) == []


async def test_a_retired_chain_delivers_what_it_sent_by_its_last_height_and_nothing_for_its_successor() -> (
    None
):
    """INV-1: recipients know a chain by its id alone, so only one endpoint at a time speaks for it."""
    async with joined() as (alpha, beta):
        await alpha.send(beta, b"before".ljust(32))
        (first,) = await observe(alpha)
        early = await prove_head(alpha, beta, 0)
        last_height = int((await alpha.chain.head()).number)
        await alpha.send(beta, b"after".ljust(32))
        both = await observe(alpha)
        late = await prove_head(alpha, beta, 1)
        await retire(alpha, beta, last_height)

        sender, batch = beta.chain.senders[0], encode_batch(batch_of(alpha, beta, both))
        with pytest.raises(CallRevertedStopLane, match="BeyondRetirement"):
            await beta.chain.simulate_deliver(sender, batch, late.proof, GAS)
        assert (await deliver(alpha, beta, batch_of(alpha, beta, [first]), early)).succeeded
        assert await beta.chain.delivered_bitmap(first.message.lane_id, 0) == 1

        # Another endpoint is registered for the chain: what was not delivered by then never is.
        await retire(alpha, beta, last_height + 1_000)
        await beta.chain.simulate_deliver(sender, batch, late.proof, GAS)
        remote = InteropAddress.evm(alpha.local.chain_id, OTHER_GATEWAY).to_bytes()
        data = load("Gateway").encode_call("registerRemote", remote, OTHER_GENESIS, beta.client, LIMITS)
        assert (await beta.transact(beta.chain.gateway, data)).succeeded
        with pytest.raises(CallRevertedStopLane, match="RemoteIsSucceeded"):
            await beta.chain.simulate_deliver(sender, batch, late.proof, GAS)
