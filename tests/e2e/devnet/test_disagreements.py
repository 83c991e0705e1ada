# SPDX-License-Identifier: MIT
"""What a sealing front over anvil can't make agree, held here so that nobody relies on it (docs/adr/0003).

anvil executes each block before it is sealed, with hashes and randomness of its own: contracts that read them
see anvil's. COINBASE and TIMESTAMP are told to anvil beforehand, and agree.
"""

from __future__ import annotations

from typing import Final

from relayer.consensus.bft.local.chain import LocalBftChain
from tests.support.devnet import WITNESS, Client, Wallet

HISTORY: Final = "0x0000f90827f1c53a10cb7a02335b175320002935"


async def test_what_contracts_see_of_blocks(chain: LocalBftChain, client: Client) -> None:
    wallet = Wallet(client, chain)
    witness = await wallet.deploy(WITNESS)
    await wallet.send(witness, b"")
    await chain.mine()
    block = await client.call("eth_getBlockByNumber", "latest", False)
    blockhash, prevrandao, coinbase, timestamp = [
        await client.call("eth_getStorageAt", "0x" + witness.hex(), hex(slot), "latest") for slot in range(4)
    ]
    assert coinbase[-40:] == block["miner"][2:]
    assert int(timestamp, 16) == int(block["timestamp"], 16)
    # The two that disagree: a real chain has the parent's hash and the constant mixHash here.
    native_parent = "0x" + chain.block(chain.head.number - 1).anvil_hash.hex()
    assert blockhash == native_parent != block["parentHash"]
    assert prevrandao != block["mixHash"]


async def test_history_contract_keeps_native_hashes(chain: LocalBftChain, client: Client) -> None:
    """EIP-2935: block hashes in state are anvil's, and part of the state root that was sealed."""
    await chain.mine(3)
    number = chain.head.number - 1
    stored = await client.call("eth_getStorageAt", HISTORY, hex(number), "latest")
    assert stored == "0x" + chain.block(number).anvil_hash.hex()
    assert stored != "0x" + chain.block(number).hash.hex()


async def test_genesis_state_root_is_no_state(chain: LocalBftChain, client: Client) -> None:
    """Trust begins at block 1: anvil's block 0 claims an empty state, though it has contracts."""
    genesis = await client.call("eth_getBlockByNumber", "0x0", False)
    assert genesis["stateRoot"] == "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert await client.call("eth_getCode", HISTORY, "0x0") != "0x"
