# SPDX-License-Identifier: MIT
"""INV-8: Python and Solidity hash the same message to the same point of G2.

POSTROAD_DIFFERENTIAL_SEED says which messages are drawn. A difference is reported with its message.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_abi.abi import decode, encode

from light_clients.bls import PY_ECC, backend
from light_clients.bls.encoding import MODULUS
from tests.differential.chances import SEED
from tests.differential.evm import Anvil, run_anvil, selector
from tests.support.solc import compile_contract

MESSAGES = 1_200
LONG_MESSAGES = 50_000
REFERENCE_MESSAGES = 20
#: Of messages in a call: some 7 million gas.
BATCH = 128
PLACE = b"\xb1" * 20
WORD = 2**256


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    probe = compile_contract(Path(__file__).with_name("HashToCurveProbe.sol"), "HashToCurveProbe").runtime
    with run_anvil() as running:
        running.rpc("anvil_setCode", "0x" + PLACE.hex(), "0x" + probe.hex())
        yield running


def hash_on_chain(anvil: Anvil, messages: list[bytes]) -> list[bytes]:
    """192 bytes a message; the 16 zero bytes before each coordinate are checked and left out."""
    points = []
    for start in range(0, len(messages), BATCH):
        data = selector("hashAll(bytes32[])") + encode(["bytes32[]"], [messages[start : start + BATCH]])
        (packed,) = decode(["bytes"], anvil.call(PLACE, data))
        for at in range(0, len(packed), 256):
            numbers = [packed[at + place : at + place + 64] for place in range(0, 256, 64)]
            assert all(number[:16] == bytes(16) for number in numbers)
            points.append(b"".join(number[16:] for number in numbers))
    return points


def draw_messages(count: int) -> list[bytes]:
    rng = random.Random(SEED)
    edges = [bytes(32), b"\xff" * 32, b"\0" * 31 + b"\1", b"\x80" + b"\0" * 31]
    return edges + [rng.randbytes(32) for _ in range(count - len(edges))]


def check_messages(anvil: Anvil, messages: list[bytes]) -> None:
    bls = backend()
    found = hash_on_chain(anvil, messages)
    assert len(found) == len(messages)
    for message, point in zip(messages, found, strict=True):
        assert point == bls.hash_to_g2(message), f"seed {SEED}: message 0x{message.hex()}"


def test_messages_are_the_same_points(anvil: Anvil) -> None:
    check_messages(anvil, draw_messages(MESSAGES))


@pytest.mark.long
def test_many_messages_are_the_same_points(anvil: Anvil) -> None:
    check_messages(anvil, draw_messages(LONG_MESSAGES))


def test_the_reference_agrees_as_well(anvil: Anvil) -> None:
    reference = backend(PY_ECC)
    messages = draw_messages(REFERENCE_MESSAGES)
    assert hash_on_chain(anvil, messages) == [reference.hash_to_g2(message) for message in messages]


def draw_numbers() -> list[int]:
    """Two words each: random ones, and those beside multiples of the modulus,
    where a quotient is easily one off.
    """
    rng = random.Random(SEED)
    multiples = [MODULUS * rng.randrange(WORD**2 // MODULUS) for _ in range(400)]
    multiples += [0, MODULUS, 2 * MODULUS, MODULUS * (WORD**2 // MODULUS)]
    beside = [number + step for number in multiples for step in (-2, -1, 0, 1, 2)]
    words = [high * WORD + low for high in (0, 1, WORD - 1) for low in (0, 1, WORD - 1)]
    return [
        number
        for number in [*beside, *words, *(rng.randrange(WORD**2) for _ in range(1_000))]
        if 0 <= number < WORD**2
    ]


def test_numbers_have_the_same_remainder(anvil: Anvil) -> None:
    numbers = draw_numbers()
    data = selector("reduceAll(uint256[2][])") + encode(
        ["uint256[2][]"], [[divmod(number, WORD) for number in numbers]]
    )
    (remainders,) = decode(["uint256[2][]"], anvil.call(PLACE, data))
    for number, (high, low) in zip(numbers, remainders, strict=True):
        assert high * WORD + low == number % MODULUS, f"seed {SEED}: number {number:#x}"
