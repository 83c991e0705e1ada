# SPDX-License-Identifier: MIT
"""Calls and answers written by hand, against eth_abi."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from light_clients.client import Status
from relayer.chains.base import Address, LaneState, RemoteState, SimulatedDelivery
from relayer.chains.evm import abi
from relayer.consensus.bft.contract import decode_trusted_state
from relayer.contracts import load
from relayer.errors import RpcAnswerInvalid


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1000])
def test_deliver_is_encoded_as_the_abi_says(size: int) -> None:
    batch, proof = b"b" * size, b"p" * (size // 2)
    assert abi.encode_deliver(batch, proof) == load("Gateway").encode_call("deliver", batch, proof)


@pytest.mark.parametrize("attributes", [(), (b"a" * 36,), (b"a" * 36, b"b" * 36, b"")])
def test_send_message_is_encoded_as_the_abi_says(attributes: tuple[bytes, ...]) -> None:
    found = abi.encode_send_message(b"r" * 27, b"payload" * 9, attributes)
    assert found == load("Gateway").encode_call("sendMessage", b"r" * 27, b"payload" * 9, attributes)


def test_attributes_are_selector_and_word() -> None:
    found = abi.encode_attributes(gas_limit=7, deadline=9, channel=b"\1" * 32)
    assert found == (
        abi.selector("minGasLimit(uint256)") + encode(["uint256"], [7]),
        abi.selector("deadline(uint64)") + encode(["uint64"], [9]),
        abi.selector("channel(bytes32)") + b"\1" * 32,
    )
    assert abi.encode_attributes() == ()


@pytest.mark.parametrize(
    ("selector", "function", "contract"),
    [
        (abi.OUTBOUND_LANE, "outboundLane", "Gateway"),
        (abi.REMOTE, "remote", "Gateway"),
        (abi.DELIVERED_BITMAP, "delivered", "Gateway"),
        (abi.ENDPOINT_ID, "endpointId", "Gateway"),
        (abi.CLIENT_STATUS, "status", "BftLightClient"),
        (abi.CLIENT_TRUSTED_STATE, "trustedState", "BftLightClient"),
        (abi.CLIENT_TRUSTING_PERIOD, "trustingPeriod", "BftLightClient"),
        (abi.CLIENT_MAX_CLOCK_DRIFT, "maxClockDrift", "BftLightClient"),
        (abi.CLIENT_KINDS, "kinds", "BftLightClient"),
        (abi.CLIENT_UPDATE, "update", "BftLightClient"),
        (abi.CLIENT_FREEZE, "freeze", "BftLightClient"),
    ],
)
def test_selectors_are_those_of_the_shipped_contracts(selector: bytes, function: str, contract: str) -> None:
    assert load(contract).selector(function) == selector


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        (abi.MESSAGE_SENT, "MessageSent"),
        (abi.MESSAGE_APPENDED, "MessageAppended"),
        (abi.LANE_LIMITED, "LaneLimited"),
        (abi.DELIVERED, "Delivered"),
        (abi.MESSAGE_FAILED, "MessageFailed"),
        (abi.MESSAGE_EXPIRED, "MessageExpired"),
    ],
)
def test_topics_are_those_of_the_shipped_contracts(topic: bytes, event: str) -> None:
    assert load("Gateway").event_topic(event) == topic


def test_a_lane_is_one_tuple() -> None:
    types = ["(uint64,bool,bool,uint8,(uint32,uint32,uint32))"]
    data = encode(types, [(7, True, False, 0, (200_000, 2_000_000, 4096))])
    assert abi.decode_lane(data) == LaneState(7, open=True, paused=False)
    assert abi.decode_default_gas_limit(data) == 200_000


def test_a_remote_is_a_tuple_with_bytes() -> None:
    types = ["(address,address,bytes,bool,bool,bool,uint256)"]
    client, gateway = Address(b"\x11" * 20), Address(b"\x22" * 20)
    data = encode(types, [("0x" + client.hex(), "0x" + gateway.hex(), b"chain part", True, False, False, 0)])
    assert abi.decode_remote(data) == RemoteState(client, gateway, paused=True, retired=False)
    data = encode(
        types, [("0x" + client.hex(), "0x" + gateway.hex(), b"chain part", False, True, True, 1234)]
    )
    assert abi.decode_remote(data) == RemoteState(
        client, gateway, paused=False, retired=True, succeeded=True, last_height=1234
    )
    unknown = encode(types, [("0x" + "00" * 20, "0x" + "00" * 20, b"", False, False, False, 0)])
    assert abi.decode_remote(unknown) is None


def test_deliver_answers_four_words() -> None:
    data = encode(["uint8", "uint256", "uint256", "uint256"], [0, 3, 2, 1])
    assert abi.decode_simulated(data) == SimulatedDelivery(
        already_delivered=False, executed=3, failed=2, expired=1
    )
    already = encode(["uint8", "uint256", "uint256", "uint256"], [1, 0, 0, 0])
    assert abi.decode_simulated(already).already_delivered


def test_a_clients_status_is_one_word() -> None:
    assert abi.decode_status(abi.encode_word(2)) is Status.FROZEN


@pytest.mark.parametrize(
    "read",
    [
        lambda: abi.decode_lane(b""),
        lambda: abi.decode_lane(bytes(32) + abi.encode_word(2) + bytes(32 * 5)),
        lambda: abi.decode_remote(bytes(32 * 6)),
        lambda: abi.decode_remote(abi.encode_word(32) + b"\xff" * 32 + bytes(32 * 5)),
        lambda: abi.decode_simulated(abi.encode_word(2) + bytes(96)),
        lambda: abi.decode_simulated(bytes(127)),
        lambda: abi.decode_status(abi.encode_word(3)),
        lambda: abi.decode_status(b""),
        lambda: decode_trusted_state(bytes(96) + abi.encode_word(2)),
    ],
)
def test_answers_that_the_type_cannot_have_are_refused(read: object) -> None:
    with pytest.raises(RpcAnswerInvalid):
        read()  # type: ignore[operator]
