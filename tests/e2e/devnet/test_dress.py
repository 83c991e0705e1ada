# SPDX-License-Identifier: MIT
"""What nodes of a chain in dress answer, word for word as the platform's own did when they were asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from eth_account import Account as EthAccount

from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.network.network import Network
from relayer.devnet.rpc.jsonrpc import METHOD_NOT_FOUND, SERVER_ERROR
from relayer.devnet.rules import GIANT_GAS_LIMIT
from tests.support.devnet import ON_DEMAND, Client, Refused

ZEROS = "0x" + "00" * 20
NO_TAG = "invalid argument {}: hex string without 0x prefix"


@pytest.fixture
async def goquorum() -> AsyncIterator[LocalBftChain]:
    async with Network("a=qbft:4/goquorum@manual") as network:
        yield network.chain_of("a", LocalBftChain)


@pytest.mark.parametrize(
    ("method", "params", "code", "message"),
    [
        *(
            (name, [], METHOD_NOT_FOUND, f"the method {name} does not exist/is not available")
            for name in (
                "eth_feeHistory",
                "eth_maxPriorityFeePerGas",
                "eth_getBlockReceipts",
                "eth_blobBaseFee",
            )
        ),
        ("eth_getBlockByNumber", ["finalized", False], -32602, NO_TAG.format(0)),
        ("eth_getBlockByNumber", ["safe", False], -32602, NO_TAG.format(0)),
        ("eth_call", [{"data": "0x"}, "finalized"], -32602, NO_TAG.format(1)),
        ("eth_getCode", [ZEROS, "finalized"], -32602, NO_TAG.format(1)),
        ("eth_getLogs", [{"fromBlock": "finalized"}], -32602, NO_TAG.format(0)),
    ],
)
async def test_goquorum_refuses_in_its_own_words(
    goquorum: LocalBftChain, method: str, params: list[Any], code: int, message: str
) -> None:
    async with Client(goquorum.http_url) as client:
        with pytest.raises(Refused) as refused:
            await client.call(method, *params)
    assert (refused.value.code, refused.value.message) == (code, message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gasPrice": 1}, "Gas price not 0"),
        ({"gasPrice": 1, "type": 1, "accessList": []}, "Gas price not 0"),
        ({"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}, "transaction type not supported"),
        ({"gasPrice": 0, "data": bytes(65_536)}, "oversized data"),
    ],
)
async def test_goquorum_takes_free_transactions_of_old_types_and_small_size(
    goquorum: LocalBftChain, fields: dict[str, Any], message: str
) -> None:
    async with Client(goquorum.http_url) as client:
        with pytest.raises(Refused) as refused:
            await client.call("eth_sendRawTransaction", signed(goquorum, 0, **fields))
        assert refused.value.code == SERVER_ERROR
        assert refused.value.message.startswith(message)
        for nonce, more in enumerate(({}, {"type": 1, "accessList": []})):
            tx_hash = await client.call("eth_sendRawTransaction", signed(goquorum, nonce, gasPrice=0, **more))
            await goquorum.mine()
            receipt = await client.call("eth_getTransactionReceipt", tx_hash)
            assert receipt["status"] == "0x1"
            assert receipt["isPrivacyMarkerTransaction"] is False
            assert "effectiveGasPrice" not in receipt


async def test_a_giant_block_and_an_old_header(goquorum: LocalBftChain) -> None:
    async with Client(goquorum.http_url) as client:
        assert await client.call("eth_gasPrice") == "0x0"
        assert "quorum-v24.4.1" in await client.call("web3_clientVersion")
        block = await client.call("eth_getBlockByNumber", "latest", True)
    assert int(block["gasLimit"], 16) == GIANT_GAS_LIMIT
    assert "baseFeePerGas" not in block
    # It has the hash that the block names, without a field behind the nonce.
    assert BftHeader.from_rpc(block, BftKind.QBFT).number == goquorum.head.number


async def test_contracts_of_any_size_and_accounts_without_money_where_besus_gas_is_free() -> None:
    async with Network("a=qbft:4/besu-free-gas@manual") as network, Client(network["a"].http_url) as client:
        chain = network.anvil_chain("a")
        # Returns 40,000 bytes of zeros as the contract's code.
        creation = bytes.fromhex("619c406000f3")
        raw = signed(chain, 0, to=None, data=creation, gas=20_000_000, maxFeePerGas=0, maxPriorityFeePerGas=0)
        tx_hash = await client.call("eth_sendRawTransaction", raw)
        await chain.mine()
        receipt = await client.call("eth_getTransactionReceipt", tx_hash)
        assert receipt["status"] == "0x1"
        assert len(await client.call("eth_getCode", receipt["contractAddress"], "latest")) == 2 + 80_000
        with pytest.raises(Refused, match="Method not found"):
            await client.call("eth_nothing")


@pytest.mark.parametrize("protocol", [BftKind.QBFT, BftKind.IBFT2])
async def test_every_node_has_other_valid_seals_for_one_block(protocol: BftKind) -> None:
    async with LocalBftChain("a", ON_DEMAND, protocol=protocol, validators=4) as chain:
        for _ in range(2):
            await chain.add_rpc_server()
        await chain.mine()
        found, hashes = set(), set()
        for server in chain.rpc_servers:
            async with Client(server.http_url) as client:
                block = await client.call("eth_getBlockByNumber", "0x2", False)
                again = await client.call("eth_getBlockByHash", block["hash"], False)
            assert block == again
            hashes.add(block["hash"])
            sealers = BftHeader.from_rpc(block, protocol).sealers()
            assert len(sealers) == 3
            found.add(frozenset(sealers))
        assert len(hashes) == 1
        assert len(found) == 3


def signed(chain: AnvilChain[Any], nonce: int, **fields: Any) -> str:
    """A signed transaction as hex."""
    plain = {"chainId": chain.chain_id, "nonce": nonce, "to": b"\x11" * 20, "value": 0, "gas": 2_000_000}
    chosen = {name: value for name, value in (plain | fields).items() if value is not None}
    raw: bytes = EthAccount.from_key(chain.funded_keys[0].secret).sign_transaction(chosen).raw_transaction
    return "0x" + raw.hex()
