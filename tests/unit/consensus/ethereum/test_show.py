# SPDX-License-Identifier: MIT
"""The demo's look at proof of stake: what it shows is what was delivered, and its forgeries are as good as forgeries can be."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_abi import abi as codec
from rich.console import Console

from light_clients.bls import decompress_g1
from light_clients.client import Height, Timestamp
from light_clients.cursor import Cursor
from light_clients.errors import (
    QuorumNotReached,
    Rejection,
    SignatureRejected,
    ValidatorSetRejected,
)
from light_clients.ethereum.client import EthereumClient, EthereumState
from light_clients.ethereum.codec import encode_anchor, encode_proof
from light_clients.ethereum.config import ForkName, Period, Slot
from light_clients.ethereum.params import EthereumParams
from light_clients.ethereum.reader import read_signed
from light_clients.trust import read_claim
from relayer.chains.base import AccountProof, Address, Call
from relayer.chains.evm import abi
from relayer.cli.demo.console import Stage
from relayer.consensus.ethereum.show import EthereumShow
from relayer.consensus.ethereum.show.explain import Finalized
from relayer.consensus.ethereum.show.forgeries import forge, sign_as_few
from relayer.consensus.ethereum.show.wire import SignedParts
from relayer.consensus.show import Delivered, ForgeryBasis, rewrite
from relayer.contracts import load
from relayer.errors import NotFoundYet
from tests.support.ethereum import GATEWAY, SPE, STATE, STORAGE_SLOT, BeaconDestination, World

WORD = b"\x99" * 32
FORGED = b"\x77" * 32
CLIENT = Address(b"\x51" * 20)
SIGNERS = (32, 31, 25, 22)


class Scene:
    """A chain whose newest finality so many members signed, the proof of a word at it, and a client that believes it."""

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
        chain = SimpleNamespace(network=self.world.network, beacon=self.world.chain)
        return EthereumShow(cast("Any", chain))

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

    def truth(self) -> ForgeryBasis:
        return ForgeryBasis(
            cast("Any", None), GATEWAY, STORAGE_SLOT, self.proof, self.nodes, self.height, WORD, FORGED
        )

    def word(self, proof: bytes) -> bytes:
        return self.client.storage_at(proof, GATEWAY, STORAGE_SLOT, self.now).value

    async def vouching(
        self, proof: bytes, logs: Sequence[dict[str, str]] = (), data: bytes = b""
    ) -> Finalized:
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
            source=cast("Any", SimpleNamespace(name="eth")),
            destination=cast("Any", SimpleNamespace(name="court", chain=chain, node=node)),
            client=CLIENT,
            account=GATEWAY,
            slot=STORAGE_SLOT,
            proof=proof,
            height=self.height,
            block=Height(17),
        )
        found = await self.show.vouching_of(delivered)
        assert isinstance(found, Finalized)
        topic = load("EthereumLightClient").event_topic("Anchored")  # the reader has it by its signature
        assert asked in ([], [[topic, abi.encode_word(self.height)]])
        return found


def one_more_absent(found: Finalized) -> Finalized:
    """As if one of those who signed had not."""
    members = found.parts.members
    gone = members.bits.index(True)
    bits = tuple(bit and place != gone for place, bit in enumerate(members.bits))
    keys = tuple(
        decompress_g1(key) for key, bit in zip(found.committee.pubkeys, bits, strict=True) if not bit
    )
    members = replace(members, bits=bits, absent_keys=keys)
    return replace(found, parts=replace(found.parts, members=members))


def told(vouching: Finalized) -> tuple[bool, str]:
    out = io.StringIO()
    holds = vouching.explain(Stage(Console(file=out, width=400), is_live=False))
    return holds, out.getvalue()


@pytest.mark.parametrize("fork", [ForkName.CAPELLA, ForkName.DENEB, ForkName.ELECTRA, ForkName.FULU])
@pytest.mark.parametrize("signers", SIGNERS)
def test_signed_comes_apart_and_together_as_the_light_client_reads_it(fork: ForkName, signers: int) -> None:
    """INV-8: the demo's roots are those of the reader whose verdict counts."""
    scene = Scene(fork, signers)
    parts = SignedParts.read(scene.signed, scene.params)
    assert parts.encode() == scene.signed
    assert parts.members.signed == signers
    assert (parts.execution.fields16to31 is None) == (fork is ForkName.CAPELLA)
    state_root = read_claim(Cursor(scene.proof), GATEWAY, STORAGE_SLOT).state_root
    read = read_signed(Cursor(scene.signed), scene.params, state_root)
    rebuilt = parts.rebuild(state_root)
    assert rebuilt.finalized_root == read.finalized_root
    signed = scene.world.chain.signing_root(rebuilt.attested_root, parts.signature_slot)
    assert signed == read.signing_root
    assert parts.committee_root == read.committee == scene.committee.hash_tree_root()


def test_what_is_cut_or_too_long_does_not_come_apart() -> None:
    scene = Scene()
    for data in (scene.signed[:-1], scene.signed + b"\0"):
        with pytest.raises(Rejection):
            SignedParts.read(data, scene.params)


@pytest.mark.parametrize("signers", SIGNERS)
async def test_a_true_proof_is_explained_and_holds(signers: int) -> None:
    scene = Scene(signers=signers)
    vouching = await scene.vouching(scene.proof)
    assert vouching.state_root == STATE.root
    holds, text = told(vouching)
    assert holds, text
    assert "NOT SO" not in text
    assert f"{signers} of 32 signed, 22 are needed (two thirds)" in text
    assert text.count("absent ") >= 2 * (32 - signers)
    assert f"trusts for period {scene.period} (its current one)" in text
    for root in (
        scene.committee.hash_tree_root(),
        STATE.root,
        scene.update.finalized_header.beacon.body_root,
    ):
        assert f"0x{root.hex()}" in text


async def test_the_explained_header_of_a_short_proof_is_the_anchored_one() -> None:
    scene = Scene()
    anchor = encode_anchor(scene.update, scene.committee, scene.params)
    data = abi.CLIENT_ANCHOR + codec.encode(["bytes"], [anchor])
    logs = [{"transactionHash": "0x" + "bb" * 32}, {"transactionHash": "0x" + "aa" * 32}]
    vouching = await scene.vouching(scene.encode(anchored=True), logs, data)
    assert vouching.signed == scene.signed
    holds, text = told(vouching)
    assert holds, text
    assert f"transaction 0x{'aa' * 32}" in text


async def test_a_short_proof_without_an_anchor_is_said() -> None:
    scene = Scene()
    with pytest.raises(NotFoundYet, match=f"no anchor of block {scene.height}"):
        await scene.vouching(scene.encode(anchored=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda found: replace(found, state_root=b"\x01" * 32),
            "NOT SO: that is the payload header of block",
        ),
        (
            lambda found: replace(found, trusted=replace(found.trusted, committee=b"\x01" * 32)),
            "NOT SO: the committee's root is the one that the light client on court trusts",
        ),
        (
            lambda found: replace(
                found, trusted=replace(found.trusted, finalized_slot=found.trusted.finalized_slot + 64)
            ),
            "NOT SO: the committee's root is the one that the light client on court trusts",
        ),
        (
            lambda found: replace(found, params=replace(found.params, threshold=32)),
            "NOT SO: 31 of 32 signed, 32 are needed",
        ),
        (
            lambda found: replace(
                found, parts=replace(found.parts, signature_slot=found.parts.attested.slot)
            ),
            "NOT SO: the slots are in order",
        ),
        (
            lambda found: replace(
                found,
                parts=replace(
                    found.parts, finality=replace(found.parts.finality, epoch=found.parts.finality.epoch + 1)
                ),
            ),
            "NOT SO: that is the state of slot",
        ),
        (
            one_more_absent,
            "NOT SO: e(keys",
        ),
        (lambda found: replace(found, signed=found.signed[:-1]), "NOT SO: the light client's own reader"),
    ],
)
async def test_an_explanation_fails_at_what_does_not_hold(change: Any, said: str) -> None:
    scene = Scene()
    vouching = await scene.vouching(scene.proof)
    holds, text = told(change(vouching))
    assert not holds
    assert said in text


# --- forgeries ----------------------------------------------------------------------------------------------------------


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
    """INV-7: two thirds of the committee can say what they like; what refuses 21 of them is their number."""
    scene = Scene()
    parts = SignedParts.read(scene.signed, scene.params)
    lie = rewrite(scene.proof[: -len(scene.signed)], WORD, FORGED)
    state_root = read_claim(Cursor(lie), GATEWAY, STORAGE_SLOT).state_root
    bought = sign_as_few(parts, state_root, scene.world.chain, 22)
    assert scene.word(lie + bought.encode()) == FORGED


@pytest.mark.parametrize(
    ("word", "other"),
    [(b"\x11" * 32, b"\x00" * 3 + b"\x22" * 29), (b"\x00" * 2 + b"\x11" * 30, b"\x22" * 32)],
)
def test_words_with_leading_zeros_are_rewritten_as_the_encoding_has_them(word: bytes, other: bytes) -> None:
    def leaf(value: bytes) -> bytes:
        stripped = value.lstrip(b"\0")
        return b"\x00\x00" + bytes((len(stripped),)) + stripped

    assert rewrite(leaf(word), word, other) == leaf(other)
    assert rewrite(leaf(word), b"\x33" * 32, other) == leaf(word)


async def test_trust_is_told_with_its_period() -> None:
    scene = Scene()

    async def tell(client: EthereumClient) -> str:
        destination = BeaconDestination(client, float(scene.now))
        return await scene.show.trust_of(cast("Any", SimpleNamespace(chain=destination)), CLIENT)

    text = await tell(scene.client)
    assert f"period {scene.period}" in text
    assert "and the next (0x" in text
    unknown = replace(scene.client, state=replace(scene.client.state, next_committee=None))
    assert "the next is not known yet" in await tell(unknown)
    slot = Slot(scene.client.state.finalized_slot + 1)
    later = replace(scene.client, state=replace(scene.client.state, finalized_slot=slot))
    assert await tell(later) == text
