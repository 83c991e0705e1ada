# SPDX-License-Identifier: MIT
"""What the demo shows of Ethereum: what was delivered, and forgeries that are as good as forgeries can be."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_abi import abi as codec
from rich.console import Console

from light_clients.bls import backend, decompress_g1
from light_clients.client import Height, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import QuorumNotReached, SignatureRejected, ValidatorSetRejected
from light_clients.ethereum.client import EthereumClient, EthereumState
from light_clients.ethereum.codec import encode_anchor, encode_proof
from light_clients.ethereum.config import ForkName, Period, Slot
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.reader import Signed, read_signed
from light_clients.trust import read_claim
from relayer.chains.base import AccountProof, Address, Call
from relayer.chains.evm import abi
from relayer.cli.demo.console import DemoConsole
from relayer.consensus.ethereum.show import EthereumShow
from relayer.consensus.ethereum.show.explain import FinalizedHeader
from relayer.consensus.ethereum.show.forgeries import Forger, forge
from relayer.consensus.show import Delivered, ForgeryBasis, rewrite
from relayer.contracts import load
from relayer.errors import NotFoundYet
from tests.support.ethereum import GATEWAY, SPE, STATE, STORAGE_SLOT, BeaconDestination, World

WORD = b"\x99" * 32
FORGED = b"\x77" * 32
CLIENT = Address(b"\x51" * 20)
SIGNERS = (32, 31, 25, 22)


class Scene:
    """A chain whose newest finality so many members signed, a proof, and a client that believes it."""

    def __init__(self, fork: ForkName = ForkName.ELECTRA, signers: int = 31) -> None:
        self.world = World(((fork, 0),))
        self.world.advance(5 * SPE + 3, participation=signers / 32)
        update = self.world.chain.finality_update()
        assert update is not None
        self.update = update
        network = self.world.network
        self.period = network.period_at(update.signature_slot)
        self.committee = self.world.chain.committee(self.period)
        self.params = EthereumParams.of(network, 22, 100_000, 10)
        following = self.world.chain.committee(Period(self.period + 1)).hash_tree_root()
        state = EthereumState(update.finalized_header.beacon.slot, self.committee.hash_tree_root(), following)
        self.client = EthereumClient(self.params, state)
        found = STATE.prove(GATEWAY, STORAGE_SLOT)
        self.nodes = AccountProof(tuple(found.account), {STORAGE_SLOT: tuple(found.storage)})
        self.proof = self.encode(anchored=False)
        execution = update.finalized_header.execution
        assert execution is not None
        self.height = Height(execution.block_number)

    @property
    def now(self) -> Timestamp:
        return Timestamp(int(self.world.now()))

    @property
    def show(self) -> EthereumShow:
        chain = SimpleNamespace(name="eth", network=self.world.network, beacon=self.world.chain)
        return EthereumShow(cast("Any", chain), cast("Any", SimpleNamespace(name="eth")))

    @property
    def signed(self) -> bytes:
        cursor = Cursor(self.proof)
        read_claim(cursor, GATEWAY, STORAGE_SLOT)
        return self.proof[cursor.pos :]

    def encode(self, *, anchored: bool) -> bytes:
        return encode_proof(
            self.nodes.storage_nodes[STORAGE_SLOT],
            self.nodes.account_nodes,
            None if anchored else (self.update, self.committee),
            GATEWAY,
            STORAGE_SLOT,
            self.params,
        )

    def read(self, data: bytes | None = None, state_root: bytes = STATE.root) -> Signed:
        return read_signed(Cursor(self.signed if data is None else data), self.params, state_root)

    def truth(self) -> ForgeryBasis:
        return ForgeryBasis(GATEWAY, STORAGE_SLOT, self.proof, self.nodes, self.height, WORD, FORGED)

    def word(self, proof: bytes) -> bytes:
        return self.client.storage_at(proof, GATEWAY, STORAGE_SLOT, self.now).value

    async def explained(
        self, proof: bytes, logs: Sequence[dict[str, str]] = (), data: bytes = b""
    ) -> FinalizedHeader:
        destination = BeaconDestination(self.client, float(self.now))
        asked: list[list[bytes]] = []

        async def call(call: Call, _: Height | None = None) -> bytes:
            return await destination.call(call)

        async def find_logs(address: bytes, topics: list[bytes], first: int, last: int) -> Sequence[Any]:
            assert (address, first, last) == (CLIENT, 0, 17)
            asked.append(topics)
            return logs

        async def transaction_data(tx_hash: bytes) -> bytes:
            assert tx_hash == b"\xaa" * 32
            return data

        chain = SimpleNamespace(call=call)
        node = SimpleNamespace(logs=find_logs, transaction_data=transaction_data)
        delivered = Delivered(
            destination=cast("Any", SimpleNamespace(name="court", chain=chain, node=node)),
            client=CLIENT,
            account=GATEWAY,
            slot=STORAGE_SLOT,
            proof=proof,
            height=self.height,
            block=Height(17),
        )
        found = await self.show.explain_delivery(delivered)
        assert isinstance(found, FinalizedHeader)
        topic = load("EthereumLightClient").event_topic("Anchored")  # the reader has it by its signature
        assert asked in ([], [[topic, abi.encode_word(self.height)]])
        return found


def told(header: FinalizedHeader) -> tuple[bool, str]:
    out = io.StringIO()
    holds = header.explain(DemoConsole(Console(file=out, width=400), is_live=False))
    return holds, out.getvalue()


@pytest.mark.parametrize("fork", [ForkName.CAPELLA, ForkName.DENEB, ForkName.ELECTRA, ForkName.FULU])
@pytest.mark.parametrize("signers", SIGNERS)
async def test_a_true_proof_is_explained_and_holds(fork: ForkName, signers: int) -> None:
    scene = Scene(fork, signers)
    header = await scene.explained(scene.proof)
    assert header.carried.state_root == STATE.root
    holds, text = told(header)
    assert holds, text
    assert "NOT SO" not in text
    assert f"{signers} of 32 signed, 22 are needed (two thirds)" in text
    assert text.count("absent ") >= 2 * (32 - signers)
    assert ("fields 16 to 31" in text) == (fork is not ForkName.CAPELLA)
    assert f"trusts for period {scene.period} (its current one)" in text
    for root in (
        scene.committee.hash_tree_root(),
        STATE.root,
        scene.update.finalized_header.beacon.body_root,
        scene.update.attested_header.beacon.state_root,
    ):
        assert f"0x{root.hex()}" in text


async def test_the_explained_header_of_a_short_proof_is_the_anchored_one() -> None:
    scene = Scene()
    anchor = encode_anchor(scene.update, scene.committee, scene.params)
    data = abi.CLIENT_ANCHOR + codec.encode(["bytes"], [anchor])
    logs = [{"transactionHash": "0x" + "bb" * 32}, {"transactionHash": "0x" + "aa" * 32}]
    header = await scene.explained(scene.encode(anchored=True), logs, data)
    assert header.signed == scene.read()
    holds, text = told(header)
    assert holds, text
    assert f"transaction 0x{'aa' * 32}" in text


async def test_a_short_proof_without_an_anchor_is_said() -> None:
    scene = Scene()
    with pytest.raises(NotFoundYet, match=f"no anchor of block {scene.height}"):
        await scene.explained(scene.encode(anchored=True))


def other_state(scene: Scene, header: FinalizedHeader) -> FinalizedHeader:
    return replace(header, signed=scene.read(state_root=b"\x01" * 32))


def other_body(scene: Scene, header: FinalizedHeader) -> FinalizedHeader:
    return replace(header, signed=scene.read(scene.signed[:-1] + bytes([scene.signed[-1] ^ 1])))


def later_epoch(scene: Scene, header: FinalizedHeader) -> FinalizedHeader:
    parts = header.signed.parts
    sent = parts.epoch.to_bytes(8, "little") + parts.finality_branch[0]
    bent = (parts.epoch + 1).to_bytes(8, "little") + parts.finality_branch[0]
    return replace(header, signed=scene.read(scene.signed.replace(sent, bent, 1)))


def other_parent(scene: Scene, header: FinalizedHeader) -> FinalizedHeader:
    parent = header.signed.parts.attested_parent_root
    return replace(header, signed=scene.read(scene.signed.replace(parent, b"\x01" * 32, 1)))


def other_committee(scene: Scene, header: FinalizedHeader) -> FinalizedHeader:
    """The chain says that another committee was drawn than the one that is shown and trusted."""
    drawn = scene.world.chain.committee(Period(scene.period + 1))
    return replace(header, committee=drawn)


def one_more_absent(_: Scene, header: FinalizedHeader) -> FinalizedHeader:
    """The delivery says that one of those who signed did not."""
    members = header.signed.parts.participation
    gone = next(place for place in range(32) if place not in members.absent)
    places = sorted((*members.absent, gone))
    keys = [decompress_g1(header.committee.pubkeys[place]) for place in places]
    members = replace(members, absent=tuple(places), absent_keys=tuple(keys))
    present = [key for place, key in enumerate(header.committee.pubkeys) if place not in places]
    signers_key = backend().aggregate([backend().public_key(key) for key in present]).compressed
    parts = replace(header.signed.parts, participation=members)
    return replace(header, signed=replace(header.signed, parts=parts, signers_key=signers_key))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_state, "that is the payload header of block"),
        (other_body, "and those the body and the root of the beacon block of slot"),
        (later_epoch, "that is the state of slot"),
        (other_parent, "the attested root is that of the beacon block of slot"),
        (
            lambda _, header: replace(
                header, signed=replace(header.signed, signature_slot=header.signed.attested_slot)
            ),
            "the slots are in order",
        ),
        (
            lambda _, header: replace(header, signed=replace(header.signed, signing_root=b"\x01" * 32)),
            "the light client's own reader found",
        ),
        (
            lambda _, header: replace(header, params=replace(header.params, threshold=32)),
            "31 of 32 signed, 32 are needed",
        ),
        (
            lambda _, header: replace(header, trusted=replace(header.trusted, committee=b"\x01" * 32)),
            "the committee's root is the one that the light client on court trusts",
        ),
        (
            lambda _, header: replace(
                header, trusted=replace(header.trusted, finalized_slot=header.trusted.finalized_slot + 64)
            ),
            "the committee's root is the one that the light client on court trusts",
        ),
        (other_committee, "and that of the committee that eth drew"),
        (other_committee, "the 31 signers' keys add up to the same"),
        (one_more_absent, "e(keys"),
    ],
)
async def test_an_explanation_fails_at_what_does_not_hold(change: Any, said: str) -> None:
    scene = Scene()
    header = await scene.explained(scene.proof)
    holds, text = told(change(scene, header))
    assert not holds
    assert f"NOT SO: {said}" in text


# --- forgeries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signers", [32, 31])
def test_forgeries_are_refused_for_what_is_false_about_them(signers: int) -> None:
    """INV-7: a committee of one's own, a bent signature, and one signer too few."""
    scene = Scene(signers=signers)
    assert scene.word(scene.proof) == WORD
    own, bent, few = forge(scene.truth(), scene.params, scene.world.chain)
    assert "21 of the true committee's 32" in few.name
    with pytest.raises(ValidatorSetRejected):
        scene.word(own.proof)
    with pytest.raises(SignatureRejected):
        scene.word(bent.proof)
    with pytest.raises(QuorumNotReached):
        scene.word(few.proof)
    with pytest.raises(SignatureRejected):
        scene.word(rewrite(scene.proof, WORD, FORGED))


def test_the_forgers_own_committee_would_be_believed_by_who_trusts_it() -> None:
    """So what refuses the forgery is nothing but whom the client trusts."""
    scene = Scene()
    own = forge(scene.truth(), scene.params, scene.world.chain)[0].proof
    with pytest.raises(ValidatorSetRejected) as caught:
        scene.word(own)
    root = cast("bytes", caught.value.found)
    fooled = replace(scene.client, state=replace(scene.client.state, committee=root, next_committee=root))
    assert fooled.storage_at(own, GATEWAY, STORAGE_SLOT, scene.now).value == FORGED


def test_one_signer_more_and_the_forgery_would_be_the_truth() -> None:
    """INV-7: two thirds of a committee can say what they like; what refuses 21 of them is their number."""
    scene = Scene()
    signed = scene.read()
    slots = signed.signature_slot, signed.attested_slot, signed.finalized_slot
    lie = rewrite(scene.proof[: -len(scene.signed)], WORD, FORGED)
    state_root = read_claim(Cursor(lie), GATEWAY, STORAGE_SLOT).state_root
    forger = Forger(scene.params, scene.world.chain, *slots)
    assert scene.word(lie + forger.sign_as_few(state_root, 22)) == FORGED


async def test_trust_is_told_with_its_period() -> None:
    scene = Scene()

    async def tell(client: EthereumClient) -> str:
        destination = BeaconDestination(client, float(scene.now))
        return await scene.show.describe_trust(cast("Any", SimpleNamespace(chain=destination)), CLIENT)

    text = await tell(scene.client)
    assert f"period {scene.period}" in text
    assert "and the next (0x" in text
    unknown = replace(scene.client, state=replace(scene.client.state, next_committee=None))
    assert "the next is not known yet" in await tell(unknown)
    slot = Slot(scene.client.state.finalized_slot + 1)
    later = replace(scene.client, state=replace(scene.client.state, finalized_slot=slot))
    assert await tell(later) == text
