# SPDX-License-Identifier: MIT
"""Sent messages: ranges in parts, lost and changed logs, default gas limits that changed."""

from __future__ import annotations

from typing import Any

import pytest

from light_clients.client import Height
from relayer.chains.evm import abi
from relayer.errors import (
    ChainUnavailable,
)
from tests.support.rpc import RefusalError
from tests.unit.chains.evm.chain_bench import (
    ChainBench,
    Node,
    lane_word,
    refuse,
)
from tests.unit.chains.evm.gateway_logs import (
    GATEWAY,
    LANE,
    message_of,
    pair,
    to_log,
)

pytestmark = pytest.mark.network


async def test_messages_are_asked_for_by_address_and_topics(bench: ChainBench) -> None:
    logs = [*pair(message_of(0), index=0), *pair(message_of(1), index=2)]
    node = Node(eth_getLogs=logs)
    found = await (await bench.chain(node)).sent_messages(Height(7), Height(7))
    assert [sent.message for sent in found] == [message_of(0), message_of(1)]
    (query,) = node.asked("eth_getLogs")[0]
    assert query["address"] == "0x" + GATEWAY.hex()
    assert (query["fromBlock"], query["toBlock"]) == ("0x7", "0x7")
    # The lane's default was asked for once.
    assert len(node.asked("eth_call")) == 1


async def test_a_wide_range_is_read_in_parts_that_providers_accept(bench: ChainBench) -> None:
    logs = [log for n in range(40) for log in pair(message_of(n), index=2 * n, block=n + 1)]

    def get_logs(params: list[Any]) -> Any:
        first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
        if last - first >= 5:
            raise RefusalError(-32005, "query exceeds the block range limit of 5")
        return [log for log in logs if first <= int(log["blockNumber"], 16) <= last]

    node = Node(eth_getLogs=get_logs)
    chain = await bench.chain(node, max_log_range=64)
    found = await chain.sent_messages(Height(1), Height(40))
    assert [sent.message.sequence for sent in found] == list(range(40))
    assert await chain.sent_messages(Height(30), Height(30)) == [found[29]]
    assert await chain.sent_messages(Height(41), Height(40)) == []


async def test_a_range_of_one_block_that_is_refused_goes_to_the_next_provider(bench: ChainBench) -> None:
    logs = pair(message_of(0), index=0)
    refusing = Node(eth_getLogs=refuse(-32005, "query returned more than 10000 results"))
    chain = await bench.chain(refusing, Node(eth_getLogs=logs))
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.message == message_of(0)


async def test_limits_that_changed_are_found_in_the_range_now_or_before(bench: ChainBench) -> None:
    limits = abi.encode_word(300_000) + abi.encode_word(2_000_000) + abi.encode_word(4096)
    logs = [
        *pair(message_of(0, 200_000), index=0),
        to_log([abi.LANE_LIMITED, LANE], limits, 2),
        *pair(message_of(1, 300_000), index=4),
    ]
    node = Node(eth_getLogs=logs)
    found = await (await bench.chain(node)).sent_messages(Height(7), Height(7))
    assert [sent.message.gas_limit for sent in found] == [200_000, 300_000]
    assert all(sent.message.id == sent.claimed_id for sent in found)


async def test_a_limit_that_only_history_tells_is_looked_up(bench: ChainBench) -> None:
    limits = abi.encode_word(250_000) + abi.encode_word(2_000_000) + abi.encode_word(4096)
    old = to_log([abi.LANE_LIMITED, LANE], limits, 0, block=2)

    def get_logs(params: list[Any]) -> Any:
        return [old] if isinstance(params[0]["topics"][0], str) else pair(message_of(0, 250_000), index=0)

    def call(params: list[Any]) -> Any:
        if params[1] != "latest":
            raise RefusalError(-32000, "missing trie node")
        return lane_word(999_999)

    node = Node(eth_getLogs=get_logs, eth_call=call)
    (found,) = await (await bench.chain(node)).sent_messages(Height(7), Height(7))
    assert found.message == message_of(0, 250_000)


async def test_a_changed_message_is_asked_of_the_next_provider(bench: ChainBench) -> None:
    """INV-5: and who changed it is charged."""
    honest = pair(message_of(0), index=0)
    changed = pair(message_of(0, payload=b"forged"), index=0)
    for log, right in zip(changed, honest, strict=True):
        log["topics"] = right["topics"]
    chain = await bench.chain(Node(eth_getLogs=changed), Node(eth_getLogs=honest))
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.message == message_of(0)
    assert "invalid" in {kind for _, kind in bench.errors}
    assert chain.health()[0].cost > chain.health()[1].cost


async def test_who_left_a_log_out_is_charged_when_the_proven_head_shows_it(bench: ChainBench) -> None:
    """INV-5: and the other provider is asked from then on."""
    whole = pair(message_of(0), index=0)
    chain = await bench.chain(Node(eth_getLogs=[]), Node(eth_getLogs=whole))
    assert await chain.sent_messages(Height(7), Height(7)) == []
    chain.doubt_logs(Height(8), Height(20))
    assert bench.errors == []
    chain.doubt_logs(Height(0), Height(20))
    assert [kind for _, kind in bench.errors] == ["invalid"]
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.message == message_of(0)


async def test_what_nobody_reproduces_is_reported_and_not_dropped(bench: ChainBench) -> None:
    changed = pair(message_of(3, payload=b"forged"), index=0)
    for log, right in zip(changed, pair(message_of(3), index=0), strict=True):
        log["topics"] = right["topics"]
    chain = await bench.chain(Node(eth_getLogs=changed), Node(eth_getLogs=changed))
    (found,) = await chain.sent_messages(Height(7), Height(7))
    assert found.claimed_id == message_of(3).id
    assert found.message.id != found.claimed_id
    assert found.message.sequence == 3


async def test_logs_that_no_gateway_emits_are_no_answer(bench: ChainBench) -> None:
    chain = await bench.chain(Node(eth_getLogs=pair(message_of(0))[:1]))
    with pytest.raises(ChainUnavailable, match="MessageSent without MessageAppended"):
        await chain.sent_messages(Height(7), Height(7))
