# SPDX-License-Identifier: MIT
"""What stands before anvil's pool: which transactions never come to it, and which wait for money."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from eth_account import Account

from light_clients.hashing import keccak256
from relayer.devnet.process.upstream import RefusedByAnvil, Upstream
from relayer.devnet.rpc.jsonrpc import RpcError, RpcRequest, parse
from relayer.devnet.rpc.pool import Pool
from relayer.devnet.rules import ChainRules

KEY: Final = b"\x07" * 32
SENDER: Final = bytes.fromhex(Account.from_key(KEY).address[2:])
POOR: Final = {"code": -32003, "message": "Insufficient funds for gas * price + value"}


class FakeUpstream(Upstream):
    """An anvil that takes everything, unless it is told what to say."""

    def __init__(self) -> None:
        super().__init__(0)
        self.error: dict[str, Any] | None = None
        self.pending = 0
        self.offered: list[str] = []

    async def send(self, body: bytes) -> bytes:
        """Answer `eth_sendRawTransaction`."""
        request = msgspec.json.decode(body)
        self.offered.append(request["params"][0])
        told: dict[str, Any] = {"error": self.error}
        if self.error is None:
            told = {"result": "0x" + keccak256(bytes.fromhex(request["params"][0][2:])).hex()}
        return msgspec.json.encode({"jsonrpc": "2.0", "id": request["id"]} | told)

    async def call(self, method: str, *params: Any) -> Any:
        """Answer what the pool itself asks."""
        if method == "txpool_status":
            return {"pending": hex(self.pending), "queued": "0x0"}
        self.offered.append(params[0])
        if self.error is not None:
            raise RefusedByAnvil(f"anvil refused {method}: {self.error}")
        return None


def sign(nonce: int = 0, **fields: Any) -> bytes:
    plain = {"chainId": 1, "nonce": nonce, "gas": 21_000, "to": b"\x11" * 20, "value": 0}
    return bytes(Account.from_key(KEY).sign_transaction(plain | fields).raw_transaction)


def offer(raw: bytes | str) -> RpcRequest:
    text = raw if isinstance(raw, str) else "0x" + raw.hex()
    body = {"jsonrpc": "2.0", "id": 9, "method": "eth_sendRawTransaction", "params": [text]}
    (call,) = parse(msgspec.json.encode(body), 1).calls
    assert isinstance(call, RpcRequest)
    return call


@pytest.mark.parametrize("limit", [110, 111, 112])
async def test_the_limit_is_the_largest_size_that_is_taken(limit: int) -> None:
    upstream, raw = FakeUpstream(), b"\xf8" + bytes(110)
    pool = Pool(upstream, ChainRules(max_tx_bytes=limit))
    if limit >= 111:
        await pool.offer(offer(raw))
        assert len(upstream.offered) == 1
        return
    with pytest.raises(RpcError, match="oversized data: transaction size 111, limit 110") as caught:
        await pool.offer(offer(raw))
    assert caught.value.code == -32000
    assert not upstream.offered


@pytest.mark.parametrize(("first", "taken"), [(0xF8, True), (1, True), (2, False), (3, False), (4, False)])
async def test_without_eip_1559_two_types_are_known(first: int, taken: bool) -> None:
    upstream = FakeUpstream()
    call = offer(bytes([first]) + bytes(100))
    await Pool(upstream, ChainRules()).offer(call)
    pool = Pool(upstream, ChainRules(legacy=True))
    if taken:
        await pool.offer(call)
    else:
        with pytest.raises(RpcError, match="transaction type not supported"):
            await pool.offer(call)
    assert len(upstream.offered) == 1 + taken


@pytest.mark.parametrize("text", ["0x", "nonsense", "0xabc"])
async def test_what_cannot_be_read_is_anvils_to_refuse(text: str) -> None:
    upstream = FakeUpstream()
    upstream.error = {"code": -32602, "message": "invalid"}
    pool = Pool(upstream, ChainRules(legacy=True, max_tx_bytes=1, unpaid=True))
    assert b"-32602" in await pool.offer(offer(text))


async def test_what_cannot_be_paid_is_refused_where_nobody_asked_for_else() -> None:
    upstream = FakeUpstream()
    upstream.error = POOR
    pool = Pool(upstream, ChainRules())
    assert b"-32003" in await pool.offer(offer(sign(gasPrice=9)))
    assert pool.next_nonce(SENDER, 0) == 0


async def test_what_cannot_be_paid_is_offered_before_every_block_until_it_can() -> None:
    upstream = FakeUpstream()
    pool = Pool(upstream, ChainRules(unpaid=True))
    upstream.error = POOR
    raw = sign(gasPrice=9)
    tx_hash = keccak256(raw)
    assert msgspec.json.decode(await pool.offer(offer(raw)))["result"] == "0x" + tx_hash.hex()
    await pool.offer(offer(sign(1, gasPrice=9)))
    assert pool.next_nonce(SENDER, 0) == 2
    assert pool.next_nonce(SENDER, 5) == 5
    await pool.offer_unpaid()
    assert pool.unpaid(tx_hash) is not None
    upstream.error = None
    await pool.offer_unpaid()
    assert upstream.offered[-2] == "0x" + raw.hex()
    assert pool.unpaid(tx_hash) is None
    assert pool.next_nonce(SENDER, 0) == 0


async def test_what_anvil_refuses_for_another_reason_is_forgotten() -> None:
    upstream = FakeUpstream()
    pool = Pool(upstream, ChainRules(unpaid=True))
    upstream.error = POOR
    await pool.offer(offer(sign(gasPrice=9)))
    upstream.error = {"code": -32003, "message": "nonce too low"}
    await pool.offer_unpaid()
    assert pool.next_nonce(SENDER, 0) == 0


async def test_a_replacement_that_cannot_be_paid_either_must_offer_a_tenth_more() -> None:
    upstream = FakeUpstream()
    pool = Pool(upstream, ChainRules(unpaid=True))
    upstream.error = POOR
    first, second = sign(gasPrice=100), sign(gasPrice=110)
    await pool.offer(offer(first))
    with pytest.raises(RpcError, match="Known transaction"):
        await pool.offer(offer(first))
    with pytest.raises(RpcError, match="Replacement transaction underpriced"):
        await pool.offer(offer(sign(gasPrice=109)))
    await pool.offer(offer(second))
    assert pool.unpaid(keccak256(first)) is None
    assert pool.unpaid(keccak256(second)) is not None


async def test_a_replacement_that_can_be_paid_takes_the_place_at_any_price() -> None:
    upstream = FakeUpstream()
    pool = Pool(upstream, ChainRules(unpaid=True))
    upstream.error = POOR
    await pool.offer(offer(sign(gasPrice=100)))
    upstream.error = None
    await pool.offer(offer(sign(gasPrice=0)))
    assert pool.next_nonce(SENDER, 0) == 0


async def test_the_pool_is_empty_where_no_block_could_hold_anything() -> None:
    upstream = FakeUpstream()
    pool = Pool(upstream, ChainRules(unpaid=True))
    assert await pool.is_empty()
    upstream.error = POOR
    await pool.offer(offer(sign(gasPrice=9)))
    assert await pool.is_empty()
    upstream.pending = 1
    assert not await pool.is_empty()
    pool.clear()
    assert pool.next_nonce(SENDER, 0) == 0
