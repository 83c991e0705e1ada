# SPDX-License-Identifier: MIT
"""The map of hashes: out of answers nothing of anvil's, into it nothing but numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from relayer.devnet.errors import ExecutionError
from relayer.devnet.state.ledger import Ledger, NotSealedYet
from tests.support.devnet import PlainBlock, plain_block, plain_ledger


@pytest.fixture
def ledger() -> Ledger[PlainBlock]:
    return plain_ledger(3)


def native(number: int) -> str:
    return "0x" + f"{number:02x}" * 32


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def test_every_block_hash_is_replaced_and_nothing_else(ledger: Ledger[PlainBlock]) -> None:
    blocks = [ledger.at(number) for number in (1, 2)]
    ours = ["0x" + one.hash.hex() for one in blocks if one is not None]

    def answer(first: str, second: str) -> bytes:
        logs = [{"blockHash": first, "transactionHash": native(1)}, {"blockHash": second, "data": native(2)}]
        return compact({"result": {"blockHash": first, "hash": native(1), "logs": logs, "x": None}})

    assert ledger.rewrite(answer(native(1), native(2))) == answer(ours[0], ours[1])
    untouched = compact({"blockHash": None, "text": f'"blockHash":"{native(1)}"'})
    assert ledger.rewrite(untouched) is untouched
    assert ledger.anvil_hashes() == {native(0), native(1), native(2)}


def test_what_is_not_sealed_is_not_shown(ledger: Ledger[PlainBlock]) -> None:
    with pytest.raises(NotSealedYet):
        ledger.rewrite(compact([{"blockHash": native(1)}, {"blockHash": native(3)}]))


def test_only_the_next_block_follows(ledger: Ledger[PlainBlock]) -> None:
    for wrong in (
        plain_block(2, ledger.head.hash),
        plain_block(4, ledger.head.hash),
        plain_block(3, bytes(32)),
    ):
        with pytest.raises(ExecutionError, match=f"block {wrong.number} on parent"):
            ledger.append(wrong)
    assert ledger.head.number == 2
    assert ledger.at(3) is None
    assert ledger.at(-1) is None


def test_second_blocks_are_no_part_of_the_chain(ledger: Ledger[PlainBlock]) -> None:
    twin = replace(ledger.head, hash=b"\x05" * 32)
    ledger.add_twin(twin)
    assert ledger.twin(twin.hash) == twin
    assert ledger.number_of(twin.hash) is None
    assert ledger.twin(ledger.head.hash) is None
