# SPDX-License-Identifier: MIT
"""Sealed blocks are believed by the light client, and hang together."""

from __future__ import annotations

import itertools
import time

import pytest

from light_clients.bft.client import BftClient, BftParams
from light_clients.bft.codec import encode_proof, encode_update
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.client import Height, Timestamp
from light_clients.codec import rlp
from light_clients.hashing import keccak256
from light_clients.proofs import mpt
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.bft.local.sealed_block import quorum
from tests.support.devnet import EMITTER, ON_DEMAND, Client, Wallet, word


def trusting(chain: LocalBftChain) -> BftClient:
    """A light client that trusts the chain's block 1."""
    first = chain.block(1)
    params = BftParams(chain.protocol, trusting_period_s=3600, max_clock_drift_s=1)
    return BftClient.bootstrap(
        params, first.extra.validators, Height(first.number), Timestamp(first.timestamp)
    )


def now() -> Timestamp:
    return Timestamp(int(time.time()))


async def test_fifty_blocks_link_and_are_believed(chain: LocalBftChain, client: Client) -> None:
    """INV-7: each header passes the light client at exactly the quorum, and names its parent's hash."""
    await chain.mine(49)
    believer = trusting(chain)
    blocks = await client.batch(*[("eth_getBlockByNumber", hex(number), False) for number in range(51)])
    proposers = []
    for parent, block in itertools.pairwise(blocks):
        header = BftHeader.from_rpc(block, chain.protocol)
        believer.check_header(header, now())
        assert header.parent_hash.hex() == parent["hash"][2:]
        assert len(header.sealers()) == len(header.seals) == quorum(4) == 3
        assert int(block["timestamp"], 16) >= int(parent["timestamp"], 16)
        assert header.timestamp <= time.time()
        proposers.append(header.beneficiary)
    # The list is ascending and the proposer goes round it, from its first member on.
    order = list(chain.validators)
    assert order == sorted(order)
    assert proposers == [order[i % 4] for i in range(50)]
    assert blocks[0]["hash"] == "0x" + chain.genesis_hash.hex()
    assert blocks[0]["parentHash"] == "0x" + "00" * 32


async def test_update_and_storage_proof_through_the_light_client(
    chain: LocalBftChain, client: Client
) -> None:
    """INV-1: an `eth_getProof` answer, with its block's header, proves a slot to the light client."""
    emitter = await Wallet(client, chain).deploy(EMITTER)
    wallet = Wallet(client, chain, chain.funded_keys[1])
    await wallet.send(emitter, word(7))
    await chain.mine()
    block, answer = await client.batch(
        ("eth_getBlockByNumber", "latest", False),
        ("eth_getProof", "0x" + emitter.hex(), ["0x" + word(0).hex()], "latest"),
    )
    header = BftHeader.from_rpc(block, chain.protocol)
    account_nodes = [bytes.fromhex(node[2:]) for node in answer["accountProof"]]
    (slot,) = answer["storageProof"]
    storage_nodes = [bytes.fromhex(node[2:]) for node in slot["proof"]]
    account = mpt.verify_account(header.state_root, emitter, account_nodes)
    assert account is not None
    assert mpt.verify_storage(account.storage_root, word(0), storage_nodes) == word(7)

    believer = trusting(chain).update(encode_update(chain.block(1).extra.validators, [header]), now())
    assert believer.state.height == chain.head.number
    proof = encode_proof(storage_nodes, account_nodes, header, emitter, word(0))
    proven = believer.storage_at(proof, emitter, word(0), now())
    assert (proven.value, proven.height) == (word(7), chain.head.number)


async def test_raw_header_is_the_blocks(chain: LocalBftChain, client: Client) -> None:
    await chain.mine(2)
    raw = await client.call("debug_getRawHeader", "latest")
    block = await client.call("eth_getBlockByNumber", "latest")
    assert BftHeader.from_rlp(bytes.fromhex(raw[2:]), chain.protocol) == BftHeader.from_rpc(
        block, chain.protocol
    )


async def test_every_tag_of_the_head_is_the_head(qbft: LocalBftChain, client: Client) -> None:
    """A sealed block is final; anvil's own finalized is 64 blocks late."""
    await qbft.mine(70)
    head = "0x" + qbft.head.hash.hex()
    for tag in ("latest", "safe", "finalized", "pending"):
        assert (await client.call("eth_getBlockByNumber", tag, False))["hash"] == head
    assert await client.call("eth_blockNumber") == hex(71)
    assert (await client.call("eth_getBlockByNumber", "earliest", False))["number"] == "0x0"


@pytest.mark.parametrize("kind", BftKind)
async def test_all_seals_when_asked_for(kind: BftKind) -> None:
    async with LocalBftChain("beta", ON_DEMAND, protocol=kind, validators=7, all_seals=True) as chain:
        header = BftHeader.from_rlp(chain.head.rlp(), kind)
        assert len(header.sealers()) == 7


async def test_size_is_the_length_of_the_blocks_rlp(qbft: LocalBftChain, client: Client) -> None:
    wallet = Wallet(client, qbft)
    await wallet.send(None, EMITTER)
    await qbft.mine()
    for number, transactions in ((1, []), (2, wallet.sent)):
        block = await client.call("eth_getBlockByNumber", hex(number), False)
        body = rlp.encode([transactions, [], []])
        payload = qbft.block(number).rlp() + body[1 if len(body) < 57 else 2 + (len(body) > 258) :]
        assert int(block["size"], 16) == len(rlp.encode_list(payload))


async def test_genesis_hash_names_the_chain() -> None:
    async with (
        LocalBftChain("alpha", ON_DEMAND) as one,
        LocalBftChain("alpha", ON_DEMAND) as other,
    ):
        assert one.chain_id == other.chain_id
        assert one.genesis_hash != other.genesis_hash
        assert one.genesis_hash == keccak256(one.block(0).rlp_with(one.block(0).extra.hashed()))
