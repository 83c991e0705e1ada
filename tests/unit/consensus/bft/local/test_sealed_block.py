# SPDX-License-Identifier: MIT
"""Headers and extraData are those of real chains, and those that the light client reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.codec import rlp
from light_clients.ecdsa import recover
from light_clients.hashing import keccak256
from relayer.consensus.bft.local.sealed_block import ExtraDataParts, Vote, build_block, quorum
from relayer.consensus.bft.local.sealing import seal
from relayer.devnet.errors import ExecutionError
from relayer.devnet.state.anvil_header import AnvilHeader, check_anvil_hash, list_bytes, list_payload_bytes
from relayer.devnet.state.identities import derive_account


def header_of(found: BftHeader) -> AnvilHeader:
    """What our own encoder starts from, out of a header that the light client read."""
    return AnvilHeader(
        parent_hash=found.parent_hash,
        beneficiary=found.beneficiary,
        state_root=found.state_root,
        transactions_root=found.transactions_root,
        receipts_root=found.receipts_root,
        logs_bloom=found.bloom,
        number=found.number,
        gas_limit=found.gas_limit,
        gas_used=found.gas_used,
        timestamp=found.timestamp,
        tail=tuple(map(rlp.encode_bytes, found.tail)),
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("qbft/besu_4val_round1_block7528.json", BftKind.QBFT),
        ("ibft2/besu_4val_round0_block5618555.json", BftKind.IBFT2),
    ],
)
def test_real_headers_come_out_byte_for_byte(shared_vectors: Path, path: str, kind: BftKind) -> None:
    """The RLP, the block hash and what the validators signed, from fields alone."""
    vector = json.loads((shared_vectors / "poa_headers" / path).read_text())
    raw = bytes.fromhex((vector.get("header_rlp") or vector["block_rlp"])[2:])
    if "block_rlp" in vector:
        _, start, _ = rlp.span(raw, 0, len(raw))
        _, _, stop = rlp.span(raw, start, len(raw))
        raw = raw[start:stop]
    found = BftHeader.from_rlp(raw, kind)
    round_number = int.from_bytes(rlp.decode(found.round) or b"\x00", "big")  # type: ignore[arg-type]
    consensus = ExtraDataParts(kind, found.validators, round=round_number, vanity=found.vanity)
    block = replace(
        build_block(header_of(found), consensus, anvil_hash=bytes(32), body_bytes=3), seals=found.seals
    )
    assert block.rlp() == raw
    assert block.hash == found.block_hash
    if "commit_hash" in vector:
        assert block.seal_hash().hex() == vector["commit_hash"][2:]
    signers = {recover(block.seal_hash(), one[:64], one[64]) for one in found.seals}
    assert len(signers) == len(found.seals) >= quorum(len(found.validators))
    assert signers <= set(found.validators)


def test_real_headers_of_legacy_istanbul_come_out_byte_for_byte(shared_vectors: Path) -> None:
    """Block hashes, what the validators signed, and what their proposer did."""
    blocks = json.loads((shared_vectors / "goquorum/ibft1_headers.json").read_text())["blocks"]
    proposers, listed = set(), set()
    for told in blocks[1:]:
        found = BftHeader.from_rpc(told, BftKind.ISTANBUL)
        consensus = ExtraDataParts(
            BftKind.ISTANBUL, found.validators, vanity=found.vanity, proposer_seal=found.round
        )
        block = build_block(header_of(found), consensus, anvil_hash=bytes(32), body_bytes=3)
        assert "0x" + block.hash.hex() == told["hash"]
        assert consensus.stored(found.seals).hex() == told["extraData"][2:]
        signers = {recover(block.seal_hash(), one[:64], one[64]) for one in found.seals}
        assert len(signers) == len(found.seals) >= quorum(len(found.validators))
        digest = keccak256(keccak256(block.rlp_with(consensus.proposed())))
        proposers.add(recover(digest, found.round[:64], found.round[64]))
        listed |= set(found.validators)
    assert proposers == listed


def test_official_extra_data(shared_vectors: Path) -> None:
    """The QBFT specification's own cases: votes to add and to drop, no vote, empty lists.

    They write the round in four bytes and no vote as the empty string; real blocks (the vector above) have
    the round without leading zeros and no vote as the empty list, and so have ours.
    """
    cases = json.loads((shared_vectors / "poa_headers/qbft/official_bft_extra_data.json").read_text())
    checked = 0
    for case in cases.values():
        if not isinstance(case, dict) or "qbft_extra_data" not in case:
            continue
        fields = case["qbft_extra_data"]
        vote = fields["vote"]
        consensus = ExtraDataParts(
            kind=BftKind.QBFT,
            validators=tuple(bytes.fromhex(address[2:]) for address in fields["validators"]),
            vote=vote and Vote(bytes.fromhex(vote["recipient"][2:]), add=vote["voteType"] == "0xff"),
            round=fields["round"],
            vanity=bytes.fromhex(fields["vanityData"][2:]),
        )
        expected = rlp.decode(bytes.fromhex(case["rlp"][2:]))
        assert isinstance(expected, list)
        assert isinstance(expected[3], bytes)
        expected[3] = expected[3].lstrip(b"\x00")
        expected[2] = expected[2] or []
        seals = [bytes.fromhex(one[2:]) for one in fields["seals"]]
        assert rlp.decode(consensus.stored(seals)) == expected
        checked += 1
    assert checked >= 4


headers = st.builds(
    AnvilHeader,
    parent_hash=st.binary(min_size=32, max_size=32),
    beneficiary=st.binary(min_size=20, max_size=20),
    state_root=st.binary(min_size=32, max_size=32),
    transactions_root=st.binary(min_size=32, max_size=32),
    receipts_root=st.binary(min_size=32, max_size=32),
    logs_bloom=st.binary(min_size=256, max_size=256),
    number=st.integers(1, 2**64 - 1),
    gas_limit=st.integers(0, 2**64 - 1),
    gas_used=st.integers(0, 2**64 - 1),
    timestamp=st.integers(0, 2**64 - 1),
    tail=st.integers(0, 6).map(
        lambda count: tuple(
            rlp.encode_bytes(field) for field in (b"\x07", bytes(32), b"", b"", bytes(32), bytes(32))[:count]
        )
    ),
)
ACCOUNTS: Final = {
    account.address: account
    for account in (derive_account(b"test", "test", "validator", index) for index in range(25))
}


@given(
    header=st.tuples(headers, st.integers(0, 24)).map(
        lambda made: replace(made[0], beneficiary=sorted(ACCOUNTS)[made[1]])
    ),
    kind=st.sampled_from(BftKind),
    count=st.integers(1, 25),
    vote=st.none() | st.builds(Vote, st.binary(min_size=20, max_size=20), add=st.booleans()),
    round_number=st.integers(0, 2**31 - 1),
    vanity=st.binary(min_size=32, max_size=32),
)
def test_the_light_client_reads_what_we_seal(
    header: AnvilHeader, kind: BftKind, count: int, vote: Vote | None, round_number: int, vanity: bytes
) -> None:
    """INV-7: whatever is sealed at exactly the quorum has that many seals that count."""
    listed = tuple(sorted(ACCOUNTS)[:count])
    consensus = ExtraDataParts(kind, listed, vote, round_number, vanity)
    block = seal(build_block(header, consensus, anvil_hash=bytes(32), body_bytes=3), ACCOUNTS)
    found = BftHeader.from_rlp(block.rlp(), kind)
    assert found.block_hash == block.hash
    assert found.commit_seal_hash == block.seal_hash()
    assert header_of(found) == replace(header, beneficiary=consensus.coinbase(header.beneficiary))
    assert (found.validators, found.vanity) == (listed, vanity)
    assert len(found.sealers()) == len(found.seals) == quorum(count)


@given(header=headers, kind=st.sampled_from(BftKind))
def test_another_state_root_changes_nothing_else(header: AnvilHeader, kind: BftKind) -> None:
    consensus = ExtraDataParts(kind, tuple(sorted(ACCOUNTS)[:4]))
    block = build_block(header, consensus, anvil_hash=bytes(32), body_bytes=3)
    other = block.with_state_root(b"\x77" * 32)
    assert other == build_block(
        replace(header, state_root=b"\x77" * 32), consensus, anvil_hash=bytes(32), body_bytes=3
    )


@pytest.mark.parametrize(
    ("validators", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (21, 14)]
)
def test_quorum(validators: int, needed: int) -> None:
    assert quorum(validators) == needed


@given(st.integers(1, 100_000))
def test_list_lengths(payload: int) -> None:
    assert list_bytes(payload) == len(rlp.encode_list(bytes(payload)))
    assert list_payload_bytes(list_bytes(payload)) == payload


def native_block(**changes: Any) -> dict[str, Any]:
    """A block in anvil's shape, with its right hash unless the hash is changed."""
    block: dict[str, Any] = {
        "parentHash": "0x" + "11" * 32,
        "miner": "0x" + "22" * 20,
        "stateRoot": "0x" + "33" * 32,
        "transactionsRoot": "0x" + "44" * 32,
        "receiptsRoot": "0x" + "55" * 32,
        "logsBloom": "0x" + "00" * 256,
        "difficulty": "0x0",
        "number": "0x1",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "timestamp": "0x6b0230ab",
        "extraData": "0x",
        "mixHash": "0x" + "66" * 32,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x7",
    } | changes
    header = AnvilHeader.from_rpc(block, bytes(32))
    return {"hash": "0x" + keccak256(header.anvil_rlp(block)).hex()} | block


def test_a_header_field_that_we_do_not_know_is_noticed() -> None:
    """A newer anvil could hash more fields: then each block hash would be wrong, and nobody would see why."""
    block = native_block()
    assert check_anvil_hash(AnvilHeader.from_rpc(block, bytes(32)), block).hex() == block["hash"][2:]
    unknown = block | {"hash": "0x" + "99" * 32}
    with pytest.raises(ExecutionError, match="headers of another shape"):
        check_anvil_hash(AnvilHeader.from_rpc(unknown, bytes(32)), unknown)


def test_fields_end_where_the_fork_ends() -> None:
    london = AnvilHeader.from_rpc(native_block(), bytes(32))
    assert len(london.tail) == 1
    shanghai = AnvilHeader.from_rpc(native_block(withdrawalsRoot="0x" + "77" * 32), bytes(32))
    assert len(shanghai.tail) == 2
    berlin = AnvilHeader.from_rpc(native_block(baseFeePerGas=None), bytes(32))
    assert berlin.tail == ()
    # anvil's block 0 has the blob fields with every fork, and hashes what it has.
    first = AnvilHeader.from_rpc(
        native_block(baseFeePerGas=None, blobGasUsed="0x0", excessBlobGas="0x0"), bytes(32)
    )
    assert first.tail == (b"\x80", b"\x80")
    assert shanghai.without_tail().tail == first.without_tail().tail == ()
