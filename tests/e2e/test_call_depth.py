# SPDX-License-Identifier: MIT
"""A relay that calls `deliver` from the end of the EVM's call stack.

There the calls of a recipient fail whatever their gas, so that one which carries on without them would be
booked as executed without its effect. It takes a block gas limit like the one that Besu's guide to free gas
names: below, the gas is gone before the depth is reached.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from relayer.chains.base import Address, Call, TxReceipt
from relayer.chains.evm import abi
from relayer.devnet.rules import GIANT_GAS_LIMIT
from relayer.protocol.batch import encode_batch
from tests.e2e.test_one_message import batch_of, observe, prove_head
from tests.support.devnet import ON_DEMAND
from tests.support.endpoints import Site, joined
from tests.support.solc import ROOT, compile_contract

SOURCE = ROOT / "solidity" / "test" / "support" / "Depth.sol"
#: The EVM's last frame, where the transaction's own is 0.
LAST_FRAME = 1_024
#: Below the gateway's: the frame around a recipient, the recipient's own, and what is kept for its calls.
KEPT = 2 + 64
#: An account of a local chain can pay for it.
GAS = 2 * 10**13


async def dive(site: Site, diver: Address, frame: int, data: bytes, gas: int) -> TxReceipt:
    """Send a transaction that calls the gateway in this frame."""
    arguments = encode(["uint256", "address", "bytes"], [frame - 1, site.chain.gateway, data])
    return await site.transact(diver, abi.selector("dive(uint256,address,bytes)") + arguments, gas)


async def ask(site: Site, account: Address, signature: str) -> int:
    return int.from_bytes(await site.chain.call(Call(account, abi.selector(signature))))


@pytest.mark.parametrize("gas_limit", [GIANT_GAS_LIMIT, 2**35 - 1])
async def test_a_message_is_not_executed_at_the_end_of_the_call_stack(gas_limit: int) -> None:
    """INV-2: executed means with its effect, however deep the relay calls from."""
    async with joined("qbft", "qbft", options=replace(ON_DEMAND, gas_limit=gas_limit)) as (alpha, beta):
        swallower = await beta.create(compile_contract(SOURCE, "Swallower").creation)
        diver = await beta.create(compile_contract(SOURCE, "Diver").creation)
        # Its call is one frame below its own, so the attack succeeds with the gateway in frame 1,022.
        await alpha.send(beta, (1).to_bytes(32), to=swallower)
        (sent,) = await observe(alpha)
        message = sent.message
        proven = await prove_head(alpha, beta, 0)
        data = beta.chain.deliver_call(encode_batch(batch_of(alpha, beta, [sent])), proven.proof, GAS).data

        for frame in (*range(LAST_FRAME - 4, LAST_FRAME + 2), LAST_FRAME - 32, LAST_FRAME - KEPT + 1):
            receipt = await dive(beta, diver, frame, data, min(GAS, gas_limit))
            assert not receipt.succeeded, frame
            assert await beta.chain.delivered_bitmap(message.lane_id, 0) == 0
            assert await ask(beta, swallower, "accepted()") == 0

        # The last frame that leaves a recipient its own; where gas is dearer, one that leaves it gas.
        frame = LAST_FRAME - KEPT if gas_limit == GIANT_GAS_LIMIT else 600
        receipt = await dive(beta, diver, frame, data, min(GAS, gas_limit))
        assert receipt.succeeded
        assert await beta.chain.delivered_bitmap(message.lane_id, 0) == 1
        assert await ask(beta, swallower, "booked()") == 1
