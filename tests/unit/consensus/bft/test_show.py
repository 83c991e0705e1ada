# SPDX-License-Identifier: MIT
"""What the demo shows of QBFT and IBFT 2.0: the header that was delivered, and forgeries of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_abi import abi as codec
from rich.console import Console

from light_clients.bft.client import BftClient, BftParams
from light_clients.bft.codec import encode_anchor, encode_proof
from light_clients.bft.preimage import BftKind
from light_clients.client import Height, Timestamp
from light_clients.errors import HeaderRejected, ValidatorSetRejected
from relayer.chains.base import AccountProof, Address, Call
from relayer.chains.evm import abi
from relayer.cli.demo.console import DemoConsole
from relayer.consensus.bft.prover import BftBootstrap, BftProver
from relayer.consensus.bft.show import SHOW, BftShow, SealedHeader
from relayer.consensus.show import Delivered, ForgeryBasis, rewrite
from tests.support.bft import Draft, validators
from tests.support.trie import AccountEntry, State

GATEWAY = Address(b"\x42" * 20)
CLIENT = Address(b"\x51" * 20)
SLOT = b"\x07" * 32
WORD, FORGED = b"\x99" * 32, b"\x77" * 32
STATE = State({GATEWAY: AccountEntry(storage={SLOT: WORD}), b"\x01" * 20: AccountEntry(balance=5)})
FOUR = validators(4)
NOW = Timestamp(1_700_000_100)


class Scene:
    """A block that some of four validators sealed, a proof of a word at it, and a client that believes it."""

    def __init__(self, protocol: BftKind = BftKind.QBFT, sealers: Sequence[int] = (0, 2, 3)) -> None:
        self.protocol = protocol
        self.block = Draft(
            protocol,
            FOUR,
            [FOUR[place] for place in sealers],
            number=14,
            timestamp=NOW - 5,
            state_root=STATE.root,
        )
        found = STATE.prove(GATEWAY, SLOT)
        self.nodes = AccountProof(tuple(found.account), {SLOT: tuple(found.storage)})
        self.proof = self.encode(anchored=False)

    def encode(self, *, anchored: bool) -> bytes:
        header = None if anchored else self.block.header()
        return encode_proof(self.nodes.storage_nodes[SLOT], self.nodes.account_nodes, header, GATEWAY, SLOT)

    @property
    def client(self) -> BftClient:
        params = BftParams(self.protocol, 100_000, 30)
        members = [member.address for member in FOUR]
        return BftClient.bootstrap(params, members, Height(1), Timestamp(NOW - 100))

    @property
    def show(self) -> BftShow:
        members = tuple(member.address for member in FOUR)
        bootstrap = BftBootstrap(self.protocol, members, Height(1), Timestamp(NOW - 100), 100_000, 30)

        async def block(height: Height) -> object:
            assert height == 14
            return self.block.rpc()

        opened = SimpleNamespace(
            name="court",
            prover=BftProver(cast("Any", None), bootstrap),
            chain=SimpleNamespace(block=block),
        )
        local = SimpleNamespace(validators=members)
        return cast("BftShow", SHOW.open(cast("Any", local), cast("Any", opened)))

    @property
    def destination(self) -> Any:
        state = self.client.state

        async def call(call: Call, block: Height | None = None) -> bytes:
            assert (call.to, call.data) == (CLIENT, abi.CLIENT_TRUSTED_STATE)
            assert block in (None, 17)
            return state.set_hash + b"".join(
                abi.encode_word(value) for value in (state.height, state.timestamp, state.frozen)
            )

        async def logs(*_: object) -> Sequence[Any]:
            return [{"transactionHash": "0x" + "aa" * 32}]

        async def transaction_data(_: bytes) -> bytes:
            return abi.CLIENT_ANCHOR + codec.encode(["bytes"], [encode_anchor(self.block.header())])

        node = SimpleNamespace(logs=logs, transaction_data=transaction_data)
        return SimpleNamespace(name="port", chain=SimpleNamespace(call=call), node=node)

    async def explained(self, proof: bytes | None = None) -> SealedHeader:
        delivered = Delivered(
            destination=self.destination,
            client=CLIENT,
            account=GATEWAY,
            slot=SLOT,
            proof=self.proof if proof is None else proof,
            height=Height(14),
            block=Height(17),
        )
        found = await self.show.explain_delivery(delivered)
        assert isinstance(found, SealedHeader)
        return found

    def word(self, proof: bytes) -> bytes:
        return self.client.storage_at(proof, GATEWAY, SLOT, NOW).value


def told(header: SealedHeader) -> tuple[bool, str]:
    out = io.StringIO()
    holds = header.explain(DemoConsole(Console(file=out, width=400), is_live=False))
    return holds, out.getvalue()


@pytest.mark.parametrize("protocol", BftKind)
@pytest.mark.parametrize("sealers", [(0, 1, 2, 3), (0, 2, 3), (1, 2, 3)])
async def test_a_true_proof_is_explained_and_holds(protocol: BftKind, sealers: Sequence[int]) -> None:
    scene = Scene(protocol, sealers)
    assert scene.word(scene.proof) == WORD
    header = await scene.explained()
    assert header.carried.state_root == STATE.root
    holds, text = told(header)
    assert holds, text
    assert f"14 of court, hash 0x{scene.block.block_hash().hex()}" in text
    assert f"0x{scene.block.seal_hash().hex()}" in text
    # A proof carries a quorum of the seals, and no more.
    assert "3 of 4 sealed, 3 are needed (two thirds)" in text
    lines = [line for line in text.splitlines() if line.startswith("  validator ")]
    assert len(lines) == 4
    assert sum("recovers to it" in line for line in lines) == 3
    for place, line in enumerate(lines):
        assert f"0x{FOUR[place].address.hex()}" in line
        if place not in sealers:
            assert "no seal of it was sent" in line


async def test_the_explained_header_of_a_short_proof_is_the_anchored_one() -> None:
    scene = Scene()
    header = await scene.explained(scene.encode(anchored=True))
    holds, text = told(header)
    assert holds, text
    assert f"transaction 0x{'aa' * 32}" in text
    assert header.header == (await scene.explained()).header


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"own_hash": b"\x01" * 32}, "with that state root in it, the header has the hash"),
        ({"trusted_set": b"\x01" * 32}, "the set hashes to the one that the light client on port trusts"),
    ],
)
async def test_an_explanation_fails_at_what_does_not_hold(changes: dict[str, Any], said: str) -> None:
    header = await Scene().explained()
    holds, text = told(replace(header, **changes))
    assert not holds
    assert f"NOT SO: {said}" in text


async def test_an_explanation_fails_where_too_few_sealed() -> None:
    header = await Scene().explained()
    read = replace(header.header, sealers=0b0001, seals=header.header.seals[:1])
    holds, text = told(replace(header, header=read))
    assert not holds
    assert "NOT SO: 1 of 4 sealed, 3 are needed" in text


async def test_forgeries_are_refused_for_what_is_false_about_them() -> None:
    """INV-7: strangers' seals, and a bent one."""
    scene = Scene()
    basis = ForgeryBasis(GATEWAY, SLOT, scene.proof, scene.nodes, Height(14), WORD, FORGED)
    strangers, bent = await scene.show.forge(basis)
    with pytest.raises(ValidatorSetRejected) as caught:
        scene.word(strangers.proof)
    with pytest.raises(HeaderRejected, match="seal 3 is not its validator's"):
        scene.word(bent.proof)
    with pytest.raises(HeaderRejected, match="seal 0 is not its validator's"):
        scene.word(rewrite(scene.proof, WORD, FORGED))
    # What refuses the strangers is nothing but whom the client trusts.
    found = cast("bytes", caught.value.found)
    fooled = replace(scene.client, state=replace(scene.client.state, set_hash=found))
    assert fooled.storage_at(strangers.proof, GATEWAY, SLOT, NOW).value == WORD


async def test_trust_is_told_by_the_hash_of_the_set() -> None:
    scene = Scene()
    text = await scene.show.describe_trust(scene.destination, CLIENT)
    assert text.startswith("the 4 validators whose set hashes to 0x")
    assert scene.client.state.set_hash.hex()[:8] in text


@pytest.mark.parametrize(("protocol", "name"), [(BftKind.QBFT, "qbft"), (BftKind.IBFT2, "ibft2")])
def test_json_names_the_protocol(protocol: BftKind, name: str) -> None:
    assert Scene(protocol).show.consensus == name
