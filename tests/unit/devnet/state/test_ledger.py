# SPDX-License-Identifier: MIT
"""The map of hashes: out of answers nothing of anvil's, into it nothing but numbers."""

from __future__ import annotations

import json

import pytest

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.header import Consensus, SealedBlock, build_block
from relayer.devnet.errors import ExecutionError
from relayer.devnet.rpc.jsonrpc import RpcError
from relayer.devnet.rpc.params import block_number, parse_bool_param, parse_hash, state_block
from relayer.devnet.state.header import Header
from relayer.devnet.state.ledger import Ledger, NotSealedYet


def block(number: int, parent_hash: bytes) -> SealedBlock:
    header = Header(
        *(parent_hash, bytes(20), bytes(32), bytes(32), bytes(32), bytes(256)),
        number=number,
        gas_limit=1,
        gas_used=0,
        timestamp=1,
        tail=(),
    )
    native = number.to_bytes(1, "big") * 32
    return build_block(header, Consensus(BftKind.QBFT, (b"\x01" * 20,)), native_hash=native, body_bytes=3)


@pytest.fixture
def ledger() -> Ledger[SealedBlock]:
    made = Ledger(block(0, bytes(32)))
    for number in (1, 2):
        made.append(block(number, made.head.hash))
    return made


def native(number: int) -> str:
    return "0x" + f"{number:02x}" * 32


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def test_every_block_hash_is_replaced_and_nothing_else(ledger: Ledger[SealedBlock]) -> None:
    blocks = [ledger.at(number) for number in (1, 2)]
    ours = ["0x" + one.hash.hex() for one in blocks if one is not None]

    def answer(first: str, second: str) -> bytes:
        logs = [{"blockHash": first, "transactionHash": native(1)}, {"blockHash": second, "data": native(2)}]
        return compact({"result": {"blockHash": first, "hash": native(1), "logs": logs, "x": None}})

    assert ledger.rewrite(answer(native(1), native(2))) == answer(ours[0], ours[1])
    untouched = compact({"blockHash": None, "text": f'"blockHash":"{native(1)}"'})
    assert ledger.rewrite(untouched) is untouched
    assert ledger.native_hashes() == {native(0), native(1), native(2)}


def test_what_is_not_sealed_is_not_shown(ledger: Ledger[SealedBlock]) -> None:
    with pytest.raises(NotSealedYet):
        ledger.rewrite(compact([{"blockHash": native(1)}, {"blockHash": native(3)}]))


def test_only_the_next_block_follows(ledger: Ledger[SealedBlock]) -> None:
    for wrong in (block(2, ledger.head.hash), block(4, ledger.head.hash), block(3, bytes(32))):
        with pytest.raises(ExecutionError, match=f"block {wrong.number} on parent"):
            ledger.append(wrong)
    assert ledger.head.number == 2
    assert ledger.at(3) is None
    assert ledger.at(-1) is None


def test_second_blocks_are_no_part_of_the_chain(ledger: Ledger[SealedBlock]) -> None:
    twin = ledger.head.with_state_root(b"\x05" * 32)
    ledger.add_twin(twin)
    assert ledger.twin(twin.hash) == twin
    assert ledger.number_of(twin.hash) is None
    assert ledger.twin(ledger.head.hash) is None


def test_every_way_to_name_a_block(ledger: Ledger[SealedBlock]) -> None:
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
def test_what_names_no_block(ledger: Ledger[SealedBlock], raw: bytes, message: str) -> None:
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
