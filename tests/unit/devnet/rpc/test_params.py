# SPDX-License-Identifier: MIT
"""Every way to name a block becomes its number."""

from __future__ import annotations

import json

import pytest

from relayer.devnet.rpc.jsonrpc import RpcError
from relayer.devnet.rpc.params import block_number, parse_bool_param, parse_hash, state_block
from relayer.devnet.state.ledger import Ledger
from tests.support.devnet import PlainBlock, plain_ledger


@pytest.fixture
def ledger() -> Ledger[PlainBlock]:
    return plain_ledger(3)


def native(number: int) -> str:
    return "0x" + f"{number:02x}" * 32


def test_a_chain_may_not_know_what_is_final() -> None:
    genesis = plain_ledger(1).genesis
    for tag in ("safe", "finalized"):
        with pytest.raises(RpcError, match="expected a tag") as caught:
            block_number(compact(tag), 0, Ledger(genesis, final_tags=False))
        assert caught.value.code == -32602


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def test_every_way_to_name_a_block(ledger: Ledger[PlainBlock]) -> None:
    ours = "0x" + ledger.head.hash.hex()
    for raw, number in (
        (None, 2),
        ("latest", 2),
        ("safe", 2),
        ("finalized", 2),
        ("pending", 2),
        ("earliest", 0),
        ("0x1", 1),
        ("0x01", 1),
        ("0xffffffffffffffff", 2**64 - 1),
        (ours, 2),
        ({"blockHash": ours, "requireCanonical": True}, 2),
        ({"blockNumber": "0x1"}, 1),
        ({"blockNumber": "latest"}, 2),
    ):
        assert block_number(None if raw is None else compact(raw), 2, ledger) == number
    # A batch that began one block ago goes on seeing that head.
    assert block_number(b'"latest"', 1, ledger) == 1
    assert state_block(b'"0x2"', 2, ledger) == 2
    with pytest.raises(RpcError, match="unknown block 2: the head is 1"):
        state_block(b'"0x2"', 1, ledger)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (compact(native(1)), "unknown block"),
        (compact({"blockHash": native(1)}), "unknown block"),
        (b"1", "of another kind"),
        (b"[]", "of another kind"),
        (b"{}", "of another kind"),
        (b"nonsense", "not JSON"),
        (b'"1"', "the block '1'"),
        (b'"0x"', "the block '0x'"),
        (b'"0xg"', "the block '0xg'"),
        (b'"0x1_0"', "the block '0x1_0'"),
        (b'"0x10000000000000000"', "the block"),
        (b'"Latest"', "the block 'Latest'"),
    ],
)
def test_what_names_no_block(ledger: Ledger[PlainBlock], raw: bytes, message: str) -> None:
    """anvil's own hashes are among it: from outside nobody can know them."""
    with pytest.raises(RpcError, match=message):
        block_number(raw, 2, ledger)


def test_hashes_and_flags() -> None:
    assert parse_hash("0x" + "ab" * 32) == b"\xab" * 32
    for text in ("", "0x", "ab" * 32, "0x" + "ab" * 31, "0x" + "zz" * 32):
        with pytest.raises(RpcError, match="expected 32 bytes"):
            parse_hash(text)
    assert [parse_bool_param(raw) for raw in (None, b"true", b"false")] == [False, True, False]
    with pytest.raises(RpcError, match="expected true or false"):
        parse_bool_param(b'"true"')
