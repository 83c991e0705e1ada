# SPDX-License-Identifier: MIT
"""The on-chain client's twin over a running chain: what the devnet signs is what wire §7 carries."""

from __future__ import annotations

import contextlib
from typing import Final

import pytest

from light_clients.client import Status, Timestamp
from light_clients.errors import QuorumNotReached, Rejection, UpdateRejected
from light_clients.ethereum.client import EthereumClient
from light_clients.ethereum.codec import encode_anchor, encode_misbehaviour, encode_proof, encode_update
from light_clients.ethereum.config import ForkName, Slot
from light_clients.ethereum.containers import LightClientUpdate, SyncCommittee
from light_clients.ethereum.params import EthereumParams, least_threshold
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.consensus.ethereum.local.faults import Participation
from relayer.devnet.chain.chain_options import ChainOptions
from tests.support.devnet import EMITTER, ON_DEMAND, Client, Wallet, word

FORKS: Final = {ForkName.CAPELLA: 0, ForkName.DENEB: 9, ForkName.ELECTRA: 17}


def start(chain: LocalEthereumChain, size: int = 32) -> EthereumClient:
    """A client that trusts the chain's checkpoint."""
    slot = chain.checkpoint.slot
    params = EthereumParams.of(chain.network, least_threshold(size), 86_400, 30)
    committee = chain.beacon.committee(chain.network.period_at(slot))
    return EthereumClient.bootstrap(params, slot, committee.hash_tree_root())


def now(chain: LocalEthereumChain) -> Timestamp:
    return chain.network.timestamp_at(chain.slot)


def signed(chain: LocalEthereumChain, update: LightClientUpdate) -> tuple[LightClientUpdate, SyncCommittee]:
    """An update and who signed it."""
    return update, chain.beacon.committee(chain.network.period_at(update.signature_slot))


def newest(chain: LocalEthereumChain) -> LightClientUpdate:
    update = chain.beacon.newest_update()
    assert update is not None
    return update


def follow(chain: LocalEthereumChain, client: EthereumClient) -> EthereumClient:
    """Take the best update of each period since the trusted one, for its committees, then the newest."""
    since = chain.network.period_at(client.state.finalized_slot)
    for update in (*chain.beacon.updates(since, 128), newest(chain)):
        with contextlib.suppress(UpdateRejected):
            client = client.update(encode_update(*signed(chain, update), client.params), now(chain))
    return client


async def test_a_client_follows_over_forks_and_periods_and_proves_storage() -> None:
    async with (
        LocalEthereumChain("eth", ON_DEMAND, forks=FORKS) as chain,
        Client(chain.http_url) as rpc,
    ):
        client = start(chain)
        wallet = Wallet(rpc, chain)
        emitter = await wallet.deploy(EMITTER)
        key, seen = word(0), set()
        for count in range(1, 6):
            await wallet.send(emitter, word(count))
            await chain.mine()
            with chain.faults.on(Participation(share=0.8)):
                await chain.advance(30)
            await chain.advance_to_finality()
            update = newest(chain)
            client = follow(chain, client)
            execution = update.finalized_header.execution
            assert execution is not None
            proof = await rpc.call(
                "eth_getProof", "0x" + emitter.hex(), ["0x" + key.hex()], hex(execution.block_number)
            )
            account_nodes = [bytes.fromhex(node[2:]) for node in proof["accountProof"]]
            storage_nodes = [bytes.fromhex(node[2:]) for node in proof["storageProof"][0]["proof"]]
            data = encode_proof(
                storage_nodes, account_nodes, signed(chain, update), emitter, key, client.params
            )
            found = client.storage_at(data, emitter, key, now(chain))
            assert found.value == word(count)
            assert found.height == execution.block_number
            seen.add(chain.checkpoint.fork.name)
        assert seen == set(FORKS)
        assert client.state.finalized_slot == chain.checkpoint.slot > 3 * 64
        client = client.anchor(encode_anchor(*signed(chain, newest(chain)), client.params), now(chain))
        assert client.state.anchor is not None
        assert client.state.anchor.state_root == chain.finalized.state_root


async def test_too_few_are_not_believed() -> None:
    """INV-7."""
    async with LocalEthereumChain("eth", ON_DEMAND) as chain:
        client = start(chain)
        with chain.faults.on(Participation(share=21 / 32)):
            await chain.advance(20)
        with pytest.raises(QuorumNotReached):
            encode_update(*signed(chain, newest(chain)), client.params)
        with chain.faults.on(Participation(share=22 / 32)):
            await chain.advance()
        client.update(encode_update(*signed(chain, newest(chain)), client.params), now(chain))


@pytest.mark.parametrize("how", ["equivocate", "usurp"])
async def test_misbehaviour_freezes(how: str) -> None:
    """INV-7."""
    async with LocalEthereumChain("eth", ON_DEMAND) as chain:
        client = start(chain)
        await chain.advance(20)
        honest, lie = newest(chain), getattr(chain, how)()
        with pytest.raises(Rejection, match="don't contradict"):
            client.freeze(encode_misbehaviour(signed(chain, honest), signed(chain, honest), client.params))
        frozen = client.freeze(encode_misbehaviour(signed(chain, honest), signed(chain, lie), client.params))
        assert frozen.status(now(chain)) is Status.FROZEN


async def test_an_update_of_a_chain_with_the_same_name_and_another_seed_is_not_believed() -> None:
    async with (
        LocalEthereumChain("eth", ChainOptions(block_time_s=None, seed=b"1")) as one,
        LocalEthereumChain("eth", ChainOptions(block_time_s=None, seed=b"2")) as other,
    ):
        client = start(one)
        await other.advance(20)
        data = encode_update(*signed(other, newest(other)), client.params)
        with pytest.raises(Rejection):
            client.update(data, now(other))
        assert client.state.finalized_slot == Slot(8)
