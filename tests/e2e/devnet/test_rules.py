# SPDX-License-Identifier: MIT
"""Chains with other rules than Ethereum's: free gas, no EIP-1559, Berlin, small transactions, few blocks."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import pytest
from eth_account import Account as EthAccount

from light_clients.bft.client import BftClient, BftParams
from light_clients.bft.codec import encode_anchor, encode_proof
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.client import Height, Timestamp
from light_clients.codec import rlp
from light_clients.hashing import keccak256
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.contracts import load
from relayer.devnet.chain.anvil_chain import AnvilChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.rpc.jsonrpc import RpcError
from relayer.devnet.rules import LEGACY_GAS_PRICE_WEI, ChainRules
from relayer.devnet.state.identities import Account
from tests.support.devnet import EMITTER, GWEI, Client, Refused, Wallet, open_socket, word

FREE: Final = ChainRules(free=True)
LEGACY: Final = ChainRules(legacy=True)
BERLIN: Final = ChainRules(legacy=True, hardfork="berlin")
SOMEBODY: Final = b"\x11" * 20
#: What GoQuorum 24.4.1 serves neither as methods nor as fields of a block.
UNKNOWN_METHODS: Final = (
    "eth_feeHistory",
    "eth_maxPriorityFeePerGas",
    "eth_blobBaseFee",
    "eth_getBlockReceipts",
)
UNKNOWN_FIELDS: Final = {
    "baseFeePerGas",
    "withdrawals",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
}
#: CALLDATALOAD, then SSTORE in slot 0, without an opcode that came after Berlin.
KEEPER: Final = bytes.fromhex("6007600c60003960076000f3" + "60003560005500")


def on_demand(rules: ChainRules, **options: Any) -> ChainOptions:
    return ChainOptions(block_time_s=None, rules=rules, **options)


def signed(chain: AnvilChain[Any], nonce: int, account: Account | None = None, **fields: Any) -> str:
    """A signed transaction as hex; of type 0 with `gasPrice`, of type 2 with `maxFeePerGas`."""
    key = chain.funded_keys[0] if account is None else account
    plain: dict[str, Any] = {
        "chainId": chain.chain_id,
        "nonce": nonce,
        "to": SOMEBODY,
        "value": 0,
        "gas": 100_000,
    }
    chosen = {name: value for name, value in (plain | fields).items() if value is not None}
    if isinstance(chosen.get("to"), str):
        # eth_account takes bytes, or EIP-55's letters, which a receipt does not have.
        chosen["to"] = bytes.fromhex(chosen["to"][2:])
    raw: bytes = EthAccount.from_key(key.secret).sign_transaction(chosen).raw_transaction
    return "0x" + raw.hex()


async def send(
    chain: AnvilChain[Any], nonce: int, account: Account | None = None, **fields: Any
) -> dict[str, Any]:
    """Send a transaction, make a block, and return the receipt."""
    tx_hash = await chain.rpc("eth_sendRawTransaction", signed(chain, nonce, account, **fields))
    await chain.mine()
    receipt: dict[str, Any] = await chain.rpc("eth_getTransactionReceipt", tx_hash)
    return receipt


# --- gas is free --------------------------------------------------------------------------------------------


async def test_on_a_free_chain_accounts_without_money_send_and_deploy() -> None:
    async with LocalBftChain("alpha", on_demand(FREE)) as chain:
        assert await chain.rpc("eth_gasPrice") == "0x0"
        assert await chain.rpc("eth_maxPriorityFeePerGas") == "0x0"
        for key in chain.funded_keys:
            assert await chain.rpc("eth_getBalance", key.address_text, "latest") == "0x0"
        sender = {"from": chain.funded_keys[0].address_text}
        assert await chain.rpc("eth_estimateGas", sender | {"to": "0x" + SOMEBODY.hex()}) == "0x5208"
        free: dict[str, Any] = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
        deployed = await send(chain, 0, to=None, data=EMITTER, **free)
        emitter = deployed["contractAddress"]
        called = await send(chain, 1, to=emitter, data=word(2), **free)
        legacy = await send(chain, 2, to=emitter, data=word(3), gasPrice=0)
        assert [receipt["status"] for receipt in (deployed, called, legacy)] == ["0x1"] * 3
        assert {receipt["effectiveGasPrice"] for receipt in (deployed, called, legacy)} == {"0x0"}
        assert len(legacy["logs"]) == 3
        # Whoever offers more than nothing has to have it.
        with pytest.raises(RpcError, match="Insufficient funds"):
            await chain.rpc("eth_sendRawTransaction", signed(chain, 3, gasPrice=1))
        await chain.fund(SOMEBODY, 77)
        assert await chain.rpc("eth_getBalance", "0x" + SOMEBODY.hex(), "latest") == hex(77)


async def test_the_base_fee_stays_0_behind_full_blocks() -> None:
    async with LocalBftChain("alpha", on_demand(FREE, gas_limit=1_000_000)) as chain:
        # JUMPDEST, PUSH1 0, JUMP: a loop that uses up all its gas.
        for nonce in range(3):
            receipt = await send(
                chain, nonce, to=None, data=bytes.fromhex("5b600056"), gas=950_000, gasPrice=0
            )
            assert receipt["status"] == "0x0"
        await chain.mine()
        history = await chain.rpc("eth_feeHistory", "0x4", "latest", [50])
        assert max(history["gasUsedRatio"]) > 0.9
        assert set(history["baseFeePerGas"]) == {"0x0"}
        for number in range(chain.head.number + 1):
            assert (await chain.rpc("eth_getBlockByNumber", hex(number), False))["baseFeePerGas"] == "0x0"


async def test_a_proof_of_stake_chain_can_be_free() -> None:
    async with LocalEthereumChain("eth", on_demand(FREE)) as chain:
        receipt = await send(chain, 0, to=None, data=EMITTER, maxFeePerGas=0, maxPriorityFeePerGas=0)
        assert receipt["status"] == "0x1"
        block = await chain.rpc("eth_getBlockByNumber", "latest", False)
        assert block["baseFeePerGas"] == "0x0"


# --- without EIP-1559 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [LEGACY, BERLIN, ChainRules(legacy=True, free=True)])
async def test_a_chain_without_eip_1559_knows_nothing_of_it(rules: ChainRules) -> None:
    async with LocalBftChain("alpha", on_demand(rules)) as chain, Client(chain.http_url) as client:
        with pytest.raises(Refused, match="transaction type not supported") as caught:
            await client.call(
                "eth_sendRawTransaction", signed(chain, 0, maxFeePerGas=GWEI, maxPriorityFeePerGas=0)
            )
        assert caught.value.code == -32000
        for method in UNKNOWN_METHODS:
            with pytest.raises(Refused, match="not among the methods") as caught:
                await client.call(method, "0x1")
            assert caught.value.code == -32601
        for tag in ("finalized", "safe"):
            for method, params in (
                ("eth_getBlockByNumber", [tag, False]),
                ("eth_getBalance", [chain.funded_keys[0].address_text, tag]),
                ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": tag}]),
            ):
                with pytest.raises(Refused) as caught:
                    await client.call(method, *params)
                assert caught.value.code == -32602
        suggested = 0 if rules.free else LEGACY_GAS_PRICE_WEI
        assert await client.call("eth_gasPrice") == hex(suggested)
        async with open_socket(chain) as socket:
            heads = await socket.call("eth_subscribe", "newHeads")
            receipt = await send(chain, 0, to=None, data=KEEPER, gasPrice=suggested)
            pushed = await socket.event(heads)
        assert receipt["status"] == "0x1"
        assert receipt["type"] == "0x0"
        assert not {"effectiveGasPrice", "blobGasPrice"} & receipt.keys()
        nobody = chain.funded_keys[1]
        assert (await send(chain, 0, nobody, gasPrice=0))["status"] == "0x1"
        for number in range(chain.head.number + 1):
            for full in (False, True):
                block = await client.call("eth_getBlockByNumber", hex(number), full)
                assert not UNKNOWN_FIELDS & block.keys()
                assert block == await client.call("eth_getBlockByHash", block["hash"], full)
        assert not UNKNOWN_FIELDS & pushed.keys()
        assert "baseFeePerGas" not in "".join(client.seen)


@pytest.mark.parametrize("rules", [LEGACY, BERLIN])
@pytest.mark.parametrize("protocol", BftKind)
async def test_a_header_without_a_base_fee_has_15_fields_and_is_believed(
    protocol: BftKind, rules: ChainRules
) -> None:
    """INV-7: with the seals over a header that ends with its nonce, down to a storage slot."""
    async with (
        LocalBftChain("alpha", on_demand(rules), protocol=protocol) as chain,
        Client(chain.http_url) as client,
    ):
        keeper = (await send(chain, 0, to=None, data=KEEPER, gasPrice=0))["contractAddress"]
        await send(chain, 1, to=keeper, data=word(7), gasPrice=0)
        raw = bytes.fromhex((await client.call("debug_getRawHeader", "latest"))[2:])
        fields = rlp.decode(raw)
        assert len(fields) == 15
        block, answer = await client.batch(
            ("eth_getBlockByNumber", "latest", False),
            ("eth_getProof", keeper, ["0x" + word(0).hex()], "latest"),
        )
        header = BftHeader.from_rpc(block, protocol)
        assert header == BftHeader.from_rlp(raw, protocol)
        assert header.block_hash.hex() == block["hash"][2:]
        parent = await client.call("eth_getBlockByNumber", hex(chain.head.number - 1), False)
        assert block["parentHash"] == parent["hash"]
        # A transaction of type 0 is a list in the body, and no withdrawals come behind the empty ommers.
        body = rlp.encode_list(bytes.fromhex(signed(chain, 1, to=keeper, data=word(7), gasPrice=0)[2:]))
        assert int(block["size"], 16) == len(rlp.encode_list(raw + body + b"\xc0"))
        account_nodes = [bytes.fromhex(node[2:]) for node in answer["accountProof"]]
        storage_nodes = [bytes.fromhex(node[2:]) for node in answer["storageProof"][0]["proof"]]
        place = bytes.fromhex(keeper[2:])
        proof = encode_proof(storage_nodes, account_nodes, header, place, word(0))
        now = Timestamp(int(time.time()))
        proven = _believer(chain).storage_at(proof, place, word(0), now)
        assert (proven.value, proven.height) == (word(7), chain.head.number)


async def test_the_contract_believes_a_header_without_a_base_fee() -> None:
    """INV-8: `BftLightClient`, deployed on the very chain, anchors one of its headers as Python does."""
    async with LocalBftChain("alpha", on_demand(LEGACY)) as chain:
        first = chain.block(1)
        gas: dict[str, Any] = {"gas": 10_000_000, "gasPrice": 0}
        manager = load("AccessManager").encode_creation(chain.funded_keys[0].address)
        authority = (await send(chain, 0, to=None, data=manager, **gas))["contractAddress"]
        artifact = load("BftLightClient")
        trust = (list(first.extra.validators), first.number, first.timestamp, 3600, 60)
        creation = artifact.encode_creation(authority, *chain.protocol.arguments(), *trust)
        place = (await send(chain, 1, to=None, data=creation, **gas))["contractAddress"]
        header = BftHeader.from_rlp(chain.head.rlp(), chain.protocol)
        argument = encode_anchor(header)
        believer = _believer(chain).anchor(argument, Timestamp(int(time.time())))
        assert believer.state.anchor is not None
        # With another state root the seals are those of a header that nobody shows.
        spoilt = argument.replace(header.state_root, bytes(32))
        assert spoilt != argument
        statuses = []
        for nonce, data in ((2, spoilt), (3, argument)):
            receipt = await send(chain, nonce, to=place, data=artifact.encode_call("anchor", data), **gas)
            statuses.append(receipt["status"])
        assert statuses == ["0x0", "0x1"]


async def test_berlin_has_no_younger_opcode() -> None:
    async with (
        LocalBftChain("old", on_demand(BERLIN)) as old,
        LocalBftChain("new", on_demand(LEGACY)) as new,
    ):
        # PUSH0, PUSH0, RETURN.
        creation = bytes.fromhex("5f5ff3")
        statuses = [
            (await send(chain, 0, to=None, data=creation, gasPrice=0))["status"] for chain in (old, new)
        ]
    assert statuses == ["0x0", "0x1"]


# --- what nodes take ----------------------------------------------------------------------------------------


async def test_a_transaction_above_the_limit_is_refused_by_its_size() -> None:
    async with LocalBftChain("alpha", on_demand(ChainRules(max_tx_bytes=65_536))) as chain:
        wide: dict[str, Any] = {"gasPrice": 10 * GWEI, "gas": 9_000_000}
        large = signed(chain, 0, data=bytes(65_536), **wide)
        found = len(large) // 2 - 1
        with pytest.raises(
            RpcError, match=f"oversized data: transaction size {found}, limit 65536"
        ) as caught:
            await chain.rpc("eth_sendRawTransaction", large)
        assert caught.value.code == -32000
        assert (await send(chain, 0, data=bytes(65_400), **wide))["status"] == "0x1"


async def test_what_its_sender_cannot_pay_waits_and_is_never_mined() -> None:
    """As a Besu node does it; a replacement that can be paid takes the place."""
    async with LocalBftChain("alpha", on_demand(ChainRules(free=True, unpaid=True))) as chain:
        poor = chain.funded_keys[0].address_text

        async def pending() -> int:
            return int(await chain.rpc("eth_getTransactionCount", poor, "pending"), 16)

        dear = signed(chain, 0, maxFeePerGas=GWEI, maxPriorityFeePerGas=GWEI)
        tx_hash = await chain.rpc("eth_sendRawTransaction", dear)
        assert tx_hash == "0x" + keccak256(bytes.fromhex(dear[2:])).hex()
        await chain.mine(3)
        waiting = await chain.rpc("eth_getTransactionByHash", tx_hash)
        assert (waiting["from"], waiting["nonce"], waiting["blockHash"]) == (poor.lower(), "0x0", None)
        assert await chain.rpc("eth_getTransactionReceipt", tx_hash) is None
        assert await pending() == 1
        for again, message in (
            (dear, "Known transaction"),
            (signed(chain, 0, gasPrice=GWEI + 1), "Replacement transaction underpriced"),
        ):
            with pytest.raises(RpcError, match=message):
                await chain.rpc("eth_sendRawTransaction", again)
        dearer = await chain.rpc("eth_sendRawTransaction", signed(chain, 0, gasPrice=2 * GWEI))
        assert await chain.rpc("eth_getTransactionByHash", tx_hash) is None
        assert (await send(chain, 0, gasPrice=0))["status"] == "0x1"
        assert await chain.rpc("eth_getTransactionByHash", dearer) is None
        assert await pending() == 1


async def test_what_could_not_be_paid_is_mined_once_it_can() -> None:
    async with LocalBftChain("alpha", on_demand(ChainRules(free=True, unpaid=True))) as chain:
        key = chain.funded_keys[0]
        prices: list[dict[str, Any]] = [{"gasPrice": GWEI}, {"maxFeePerGas": GWEI, "maxPriorityFeePerGas": 1}]
        for nonce, fields in enumerate([*prices, prices[0]]):
            await chain.rpc("eth_sendRawTransaction", signed(chain, nonce, **fields))
        await chain.fund(key.address, 10**18)
        await chain.mine(2)
        assert await chain.rpc("eth_getTransactionCount", key.address_text, "latest") == "0x3"
        await chain.rpc("eth_sendRawTransaction", signed(chain, 3, gasPrice=10**18))
        await chain.drop_transactions()
        assert await chain.rpc("eth_getTransactionCount", key.address_text, "pending") == "0x3"


# --- when blocks are made -----------------------------------------------------------------------------------


async def test_a_lazy_chain_makes_a_block_for_a_transaction_and_seldom_an_empty_one() -> None:
    options = ChainOptions(block_time_s=0.1, rules=ChainRules(empty_block_period_s=2))
    async with LocalBftChain("alpha", options) as chain, Client(chain.http_url) as client:
        began = chain.head.number
        await asyncio.sleep(1)
        assert chain.head.number == began
        asked = time.monotonic()
        await Wallet(client, chain).send(SOMEBODY, b"")
        await asyncio.wait_for(chain.wait_for(began + 1), 1)
        assert time.monotonic() - asked < 1
        made = time.monotonic()
        await asyncio.wait_for(chain.wait_for(began + 2), 5)
        assert time.monotonic() - made > 1.5
        block = await client.call("eth_getBlockByNumber", hex(began + 2), False)
        assert block["transactions"] == []


def _believer(chain: LocalBftChain) -> BftClient:
    """A light client that trusts the chain's block 1."""
    first = chain.block(1)
    params = BftParams(chain.protocol, trusting_period_s=3600, max_clock_drift_s=60)
    return BftClient.bootstrap(
        params, first.extra.validators, Height(first.number), Timestamp(first.timestamp)
    )
