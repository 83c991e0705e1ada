# SPDX-License-Identifier: MIT
"""A fault does what it says, clients notice, and when it stops the chain is as it was."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from light_clients.bft.client import BftClient, BftParams
from light_clients.bft.codec import encode_misbehaviour
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.client import Height, Status, Timestamp
from light_clients.errors import ProofRejected, QuorumNotReached
from light_clients.proofs import mpt
from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.bft.local.faults import (
    Equivocation,
    ForeignSeals,
    ForgedHeader,
    ForgedSeals,
    MissingSeals,
    RepeatedSeals,
    Rounds,
)
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.process.ports import listen_on
from relayer.devnet.state.faults import (
    DropConnections,
    Fault,
    RpcErrors,
    SlowAnswers,
    Stall,
    WrongLogs,
    WrongProofs,
)
from tests.support.devnet import EMITTER, Client, Refused, Wallet, open_socket, word


def now() -> Timestamp:
    return Timestamp(int(time.time()))


def trusting(chain: LocalBftChain) -> BftClient:
    first = chain.block(1)
    params = BftParams(chain.protocol, trusting_period_s=3600, max_clock_drift_s=1)
    return BftClient.bootstrap(
        params, first.extra.validators, Height(first.number), Timestamp(first.timestamp)
    )


async def read(chain: LocalBftChain, client: Client, block: str = "latest") -> BftHeader:
    return BftHeader.from_rpc(await client.call("eth_getBlockByNumber", block, False), chain.protocol)


@pytest.mark.parametrize(
    ("fault", "good_seals", "seals"),
    [
        (MissingSeals(), 2, 2),
        (MissingSeals(keep=0), 0, 0),
        (ForgedSeals(), 0, 3),
        (ForgedSeals(count=1), 2, 3),
        (ForeignSeals(), 2, 3),
        (ForeignSeals(count=3), 0, 3),
        (RepeatedSeals(), 1, 3),
        (ForgedHeader(), 0, 3),
    ],
    ids=repr,
)
async def test_headers_below_quorum(
    chain: LocalBftChain, client: Client, fault: Fault, good_seals: int, seals: int
) -> None:
    """INV-7: the light client refuses them for their seals alone, and takes the same block afterwards."""
    await chain.mine(3)
    honest = await read(chain, client)
    with chain.faults.on(fault):
        header = await read(chain, client)
        raw = await client.call("debug_getRawHeader", "latest")
    assert len(header.sealers()) == good_seals
    assert len(header.seals) == seals
    assert BftHeader.from_rlp(bytes.fromhex(raw[2:]), chain.protocol).number == header.number
    with pytest.raises(QuorumNotReached):
        trusting(chain).check_header(header, now())
    if isinstance(fault, ForgedHeader):
        assert header.state_root != honest.state_root
        assert header.block_hash != honest.block_hash
    else:
        assert header.block_hash == honest.block_hash
    assert await read(chain, client) == honest
    trusting(chain).check_header(honest, now())


async def test_faults_of_blocks_cover_heights_and_end_by_themselves(
    qbft: LocalBftChain, client: Client
) -> None:
    await qbft.mine(3)
    qbft.faults.start(MissingSeals(first=2, last=3, times=2))
    counts = [len((await read(qbft, client, hex(number))).seals) for number in (1, 2, 3, 2)]
    assert counts == [3, 2, 2, 3]
    assert not qbft.faults


async def test_equivocation_is_misbehaviour(chain: LocalBftChain, client: Client) -> None:
    """Two sealed blocks of a height: the second is served by number while the fault acts, and by its hash."""
    await chain.mine(2)
    first = await read(chain, client, "0x2")
    with chain.faults.on(Equivocation(first=2, last=2)):
        second = await read(chain, client, "0x2")
        assert await read(chain, client, "0x1") is not None
    assert first.number == second.number == 2
    assert first.block_hash != second.block_hash
    assert first.parent_hash == second.parent_hash
    for header in (first, second):
        trusting(chain).check_header(header, now())
    frozen = trusting(chain).freeze(encode_misbehaviour(first, second))
    assert frozen.status(now()) is Status.FROZEN
    twin = await client.call("eth_getBlockByHash", "0x" + second.block_hash.hex(), False)
    assert BftHeader.from_rpc(twin, chain.protocol) == second
    assert chain.equivocate(2).hash == second.block_hash
    assert await read(chain, client, "0x2") == first


@pytest.mark.parametrize("how", ["node", "short", "storage", "value"])
async def test_wrong_proofs(qbft: LocalBftChain, client: Client, how: Any) -> None:
    """INV-5: no such answer survives our own verification."""
    emitter = await Wallet(client, qbft).deploy(EMITTER)
    wallet = Wallet(client, qbft, qbft.funded_keys[1])
    await wallet.send(emitter, word(7))
    await qbft.mine()

    async def ask() -> int:
        answer = await client.call("eth_getProof", "0x" + emitter.hex(), ["0x" + word(0).hex()], "latest")
        nodes = [bytes.fromhex(node[2:]) for node in answer["accountProof"]]
        account = mpt.verify_account(qbft.head.state_root, emitter, nodes)
        (slot,) = answer["storageProof"]
        assert account is not None
        nodes = [bytes.fromhex(node[2:]) for node in slot["proof"]]
        proven = int.from_bytes(mpt.verify_storage(account.storage_root, word(0), nodes), "big")
        if proven != int(slot["value"], 16):
            raise ProofRejected("the answer claims another value", found=slot["value"], expected=proven)
        return proven

    qbft.faults.start(WrongProofs(how=how, times=1))
    with pytest.raises(ProofRejected):
        await ask()
    assert await ask() == 7


async def test_wrong_logs(qbft: LocalBftChain, client: Client) -> None:
    wallet = Wallet(client, qbft)
    emitter = await wallet.deploy(EMITTER)
    async with open_socket(qbft) as socket:
        subscription = await socket.call("eth_subscribe", "logs", {})
        await wallet.send(emitter, word(4))
        qbft.faults.start(WrongLogs(how="drop", times=1))
        await qbft.mine()
        criteria = {"fromBlock": hex(qbft.head.number)}
        honest = await client.call("eth_getLogs", criteria)
        assert len(honest) == 4
        assert [await socket.event(subscription) for _ in range(2)] == honest[1::2]
    expected: dict[Any, list[Any]] = {"drop": honest[1::2], "none": []}
    expected["twice"] = [log for log in honest for _ in range(2)]
    expected["data"] = [
        {**log, "data": log["data"][:-1] + format(int(log["data"][-1], 16) ^ 1, "x")} for log in honest
    ]
    for how, lie in expected.items():
        with qbft.faults.on(WrongLogs(how=how)):
            assert await client.call("eth_getLogs", criteria) == lie
    assert await client.call("eth_getLogs", criteria) == honest


async def test_stall_stops_blocks_and_nothing_else() -> None:
    async with (
        LocalBftChain("alpha", ChainOptions(block_time_s=0.05)) as chain,
        Client(chain.http_url) as client,
    ):
        await chain.wait_for(3)
        with chain.faults.on(Stall()):
            await asyncio.sleep(0.1)
            height = chain.head.number
            await asyncio.sleep(0.3)
            assert await client.call("eth_blockNumber") == hex(height)
        async with asyncio.timeout(2):
            await chain.wait_for(height + 2)


async def test_rounds_are_honest(chain: LocalBftChain, client: Client) -> None:
    """Another round has another proposer and another seal hash, and is believed all the same."""
    expected = chain.validators[(1 + 2) % 4]
    chain.faults.start(Rounds(round=2, times=1))
    await chain.mine()
    header = await read(chain, client)
    assert header.beneficiary == expected
    assert header.round == {BftKind.QBFT: b"\x02", BftKind.IBFT2: b"\x84\x00\x00\x00\x02"}[chain.protocol]
    trusting(chain).check_header(header, now())
    await chain.mine()
    after = await read(chain, client)
    assert after.beneficiary == chain.validators[(1 + 3) % 4]
    assert after.parent_hash == header.block_hash
    trusting(chain).check_header(after, now())


async def test_dropped_connections(qbft: LocalBftChain, client: Client) -> None:
    async with open_socket(qbft) as old:
        await old.call("eth_subscribe", "newHeads")
        number = qbft.faults.start(DropConnections())
        assert await old.closed()
        with pytest.raises(aiohttp.ClientError):
            await client.call("eth_chainId")
        with pytest.raises(aiohttp.ClientError):
            async with open_socket(qbft):
                pass
        qbft.faults.stop(number)
    assert await client.call("eth_chainId") == hex(qbft.chain_id)
    async with open_socket(qbft) as socket:
        with qbft.faults.on(DropConnections(methods=frozenset({"eth_getLogs"}))):
            assert await client.call("eth_blockNumber") == "0x1"
            with pytest.raises(aiohttp.ClientError):
                await client.call("eth_getLogs", {})
            with pytest.raises((TypeError, aiohttp.ClientError)):
                await socket.call("eth_getLogs", {})


async def test_slow_answers(qbft: LocalBftChain, client: Client) -> None:
    qbft.faults.start(SlowAnswers(delay_s=0.6, methods=frozenset({"eth_chainId"}), times=1))
    for method, low, high in (
        ("eth_blockNumber", 0.0, 0.5),
        ("eth_chainId", 0.6, 5.0),
        ("eth_chainId", 0.0, 0.5),
    ):
        began = time.monotonic()
        await client.call(method)
        assert low <= time.monotonic() - began < high


async def test_rpc_errors(qbft: LocalBftChain, client: Client) -> None:
    with qbft.faults.on(RpcErrors(code=-32005, message="limit exceeded", methods=frozenset({"eth_getLogs"}))):
        with pytest.raises(Refused, match="limit exceeded") as refused:
            await client.call("eth_getLogs", {})
        assert refused.value.code == -32005
        assert await client.call("eth_blockNumber") == "0x1"
    with qbft.faults.on(RpcErrors(http_status=429)), pytest.raises(aiohttp.ClientResponseError) as status:
        await client.call("eth_blockNumber")
    assert status.value.status == 429
    assert await client.call("eth_blockNumber") == "0x1"


async def test_each_endpoint_fails_by_itself(chain: LocalBftChain, client: Client) -> None:
    """As a chain has several providers: one lies, is silent or slow, the others don't."""
    other = await chain.add_rpc_server()
    assert other.http_url != chain.http_url
    async with Client(other.http_url) as second, open_socket(chain) as ours, open_socket(other) as theirs:
        heads = await ours.call("eth_subscribe", "newHeads")
        other_heads = await theirs.call("eth_subscribe", "newHeads")
        other.faults.start(MissingSeals())
        await chain.mine()
        honest, lie = await ours.event(heads), await theirs.event(other_heads)
        assert honest["hash"] == lie["hash"] == "0x" + chain.head.hash.hex()
        assert len((await read(chain, client)).sealers()) == 3
        assert len((await read(chain, second)).sealers()) == 2
        other.faults.start(DropConnections())
        assert await theirs.closed()
        with pytest.raises(aiohttp.ClientError):
            await second.call("eth_blockNumber")
        assert await client.call("eth_blockNumber") == "0x2"
        await chain.mine()
        assert (await ours.event(heads))["number"] == "0x3"
        other.faults.clear()
        # Every node has other valid seals for one block.
        same = await read(chain, client, "0x3")
        block = await read(chain, second, "0x3")
        assert block.block_hash == same.block_hash
        assert len(block.sealers()) >= 3
    port = other.port
    await chain.stop()
    listen_on(port).close()


async def test_dropped_transactions_never_come(qbft: LocalBftChain, client: Client) -> None:
    tx_hash = await Wallet(client, qbft).send(None, EMITTER)
    await qbft.drop_transactions()
    await qbft.mine()
    assert await client.call("eth_getTransactionByHash", tx_hash) is None
    assert await client.call("eth_getTransactionReceipt", tx_hash) is None
