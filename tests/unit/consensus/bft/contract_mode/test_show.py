# SPDX-License-Identifier: MIT
"""What the demo shows of a chain whose validators a contract chooses: the seals, the list, and forgeries."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_abi.abi import encode
from rich.console import Console

from light_clients.bft.contract_mode.client import ContractModeParams
from light_clients.client import Height, Timestamp
from light_clients.errors import HeaderRejected, ValidatorSetRejected
from relayer.chains.base import AccountProof, Address, Call
from relayer.chains.evm import abi
from relayer.cli.demo.console import DemoConsole
from relayer.consensus.bft.contract_mode.prover import ContractModeProver
from relayer.consensus.bft.show import SHOW, ChosenSet, ContractModeShow
from relayer.consensus.show import Delivered, ForgeryBasis
from tests.support.bft import validators
from tests.support.contract_chain import ContractChain, Destination
from tests.support.contract_mode import ACCOUNT, CONTRACT, DRIFT, PERIOD, SLOT, TRUSTED_TIME, WORD

FOUR = validators(4)
CLIENT = Address(b"\xc1" * 20)
GATEWAY = Address(ACCOUNT)
NOW = Timestamp(TRUSTED_TIME + 100)


class Scene:
    """Nine blocks, whose newest proves a word; the destination's client knows the storage or not."""

    def __init__(self, *, knows_storage: bool) -> None:
        self.chain = ContractChain([FOUR] * 10)
        self.prover = ContractModeProver(
            self.chain,
            ContractModeParams(CONTRACT, PERIOD, DRIFT),
            [member.address for member in FOUR],
            Height(1),
            Timestamp(TRUSTED_TIME + 1),
            lambda: NOW,
        )
        self.destination = Destination(self.prover.client)
        if knows_storage:
            known = replace(self.prover.client.state, storage_root=self.chain.storage_root(8))
            self.destination.client = replace(self.prover.client, state=known)

        async def block(height: Height) -> object:
            return self.chain.drafts[height].rpc()

        opened = SimpleNamespace(
            name="court",
            prover=self.prover,
            chain=SimpleNamespace(
                block=block,
                checked_block=self.chain.checked_block,
                checked_proof=self.chain.checked_proof,
            ),
        )
        local = SimpleNamespace(validators=[member.address for member in FOUR])
        show = SHOW.open(cast("Any", local), cast("Any", opened))
        assert isinstance(show, ContractModeShow)
        self.show = show

    async def prove(self) -> bytes:
        await self.prover.client_at(self.destination.chain, CLIENT)
        verified = await self.prover.verify_head(self.chain.head())
        (proven,) = await self.prover.prove(verified, GATEWAY, (SLOT,))
        return proven.proof

    async def explained(self) -> ChosenSet:
        async def call(call: Call, block: Height | None = None) -> bytes:
            assert (call.to, block) == (CLIENT, 17)
            return await self.destination.call(call)

        delivered = Delivered(
            destination=cast("Any", SimpleNamespace(name="port", chain=SimpleNamespace(call=call))),
            client=CLIENT,
            account=GATEWAY,
            slot=SLOT,
            proof=await self.prove(),
            height=Height(9),
            block=Height(17),
        )
        found = await self.show.explain_delivery(delivered)
        assert isinstance(found, ChosenSet)
        return found


def told(explained: ChosenSet) -> tuple[bool, str]:
    out = io.StringIO()
    holds = explained.explain(DemoConsole(Console(file=out, width=400), is_live=False))
    return holds, out.getvalue()


@pytest.mark.parametrize("knows_storage", [True, False])
async def test_a_true_proof_is_explained_and_holds(knows_storage: bool) -> None:
    scene = Scene(knows_storage=knows_storage)
    explained = await scene.explained()
    assert explained.carried.state_root == scene.chain.held[9].root
    holds, text = told(explained)
    assert holds, text
    assert f"9 of court, hash 0x{scene.chain.drafts[9].block_hash().hex()}" in text
    assert "3 of 4 sealed, 3 are needed" in text
    assert f"0x{CONTRACT.address.hex()}, its list in slot 0x3" in text
    assert f"0x{scene.chain.storage_root(8).hex()} after block 8" in text
    assert ("no member was sent" in text) is knows_storage


async def test_an_explanation_fails_where_the_contract_holds_something_else() -> None:
    explained = await Scene(knows_storage=True).explained()
    for own in (
        explained.own._replace(storage_root=bytes(32)),
        explained.own._replace(validators=explained.own.validators[:3]),
    ):
        holds, text = told(replace(explained, own=own))
        assert not holds
        assert "NOT SO: after block 8 the contract on court has that storage" in text
    # The seals are not forgotten over it.
    holds, text = told(replace(explained, sealed=replace(explained.sealed, trusted_set=bytes(32))))
    assert not holds
    assert "NOT SO: the set hashes to the one" in text


@pytest.mark.parametrize("knows_storage", [True, False])
async def test_forgeries_are_refused_for_what_is_false_about_them(knows_storage: bool) -> None:
    """INV-7: strangers' seals, and the right set under the wrong block."""
    scene = Scene(knows_storage=knows_storage)
    proof = await scene.prove()
    state = scene.chain.held[9].state.prove(ACCOUNT, SLOT)
    nodes = AccountProof(tuple(state.account), {SLOT: tuple(state.storage)})
    basis = ForgeryBasis(GATEWAY, SLOT, proof, nodes, Height(9), WORD, b"\x77" * 32)
    client = scene.show.client
    assert client.storage_at(proof, ACCOUNT, SLOT, NOW).value == WORD
    strangers, moved = await scene.show.forge(basis)
    with pytest.raises(ValidatorSetRejected):
        client.storage_at(strangers.proof, ACCOUNT, SLOT, NOW)
    with pytest.raises(HeaderRejected, match="proven under another block"):
        client.storage_at(moved.proof, ACCOUNT, SLOT, NOW)


async def test_what_is_told_in_words() -> None:
    scene = Scene(knows_storage=True)

    async def call(call: Call, block: Height | None = None) -> bytes:
        assert (call.data, block) == (abi.CLIENT_TRUSTED_STATE, None)
        state = scene.destination.client.state
        return encode(
            ["bytes32", "uint64", "uint64", "bool"], [state.set_hash, state.height, state.timestamp, False]
        )

    destination = SimpleNamespace(name="port", chain=SimpleNamespace(call=call))
    text = await scene.show.describe_trust(cast("Any", destination), CLIENT)
    assert text.startswith("the 4 validators whose set hashes to 0x")
    assert (scene.show.consensus, scene.show.signer_count, scene.show.rotation) == ("qbft", 4, None)
    assert "4 validators" in scene.show.checked
