# SPDX-License-Identifier: MIT
"""Real sealed headers of consortium chains: QBFT, IBFT 2.0, blocks of legacy Istanbul, and Clique."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from light_clients.bft.client import BftClient, BftParams, quorum
from light_clients.bft.codec import encode_anchor, encode_update
from light_clients.bft.header import BftHeader, BftKind, parse_extra_data
from light_clients.client import Height, Timestamp
from light_clients.clique.header import CliqueHeader
from light_clients.codec import execution_header, rlp
from light_clients.errors import Rejection
from light_clients.hashing import keccak256
from relayer.consensus.clique.config import DEFAULT_EPOCH
from tests.conformance._clique_chains import chain_cases
from tests.conformance._clique_chains import check_changes as check_clique
from tests.conformance.case import Case, cases_in, expect, read_json, refuse, unhex

FOLDER = "poa_headers"


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("*.json")):
        yield from cases_in(path, file_cases)


def file_cases(path: Path) -> Iterator[Case]:
    kind = path.parent.name
    name = f"{kind}/{path.stem}"
    data = read_json(path)
    if kind == "clique":
        yield from clique_cases(name, data)
    elif kind == "ibft1":
        yield from istanbul_cases(name, data)
    elif path.stem == "official_bft_extra_data":
        for case, entry in data.items():
            yield Case(f"{name}/{case}", partial(check_official, entry))
    elif "extra_data" in data:
        yield Case(name, partial(check_extra_data, data))
    elif "rlp_commit_seals" in data:
        yield Case(name, partial(check_preimage, data))
    else:
        yield Case(f"{name}: hash, validators, seals, round", partial(check_header, data))
        yield Case(f"{name}: believed by a client", partial(check_client, data))
        yield Case(f"{name}: any change is refused", partial(check_changes, data))


def clique_cases(name: str, data: list[Any]) -> Iterator[Case]:
    """Headers by their fields, or whole blocks in RLP; where they follow from one another, a client of who
    sealed them believes the first.
    """
    headers = [clique_header(entry) for entry in data if not is_genesis(entry)]
    for header in headers:
        yield Case(f"{name}: block {header.number}, any change is seen", partial(check_clique, header))
    linked = all(header.parent_hash == parent.block_hash for parent, header in pairwise(headers))
    if linked and len(headers) > 1:
        signers = sorted({header.signer for header in headers if header.signer is not None})
        yield from chain_cases(name, headers, signers, DEFAULT_EPOCH)


def clique_header(entry: Any) -> CliqueHeader:
    return (
        CliqueHeader.from_rpc(entry)
        if isinstance(entry, dict)
        else CliqueHeader.from_rlp(rlp.encode(_first_item(unhex(entry))))
    )


def is_genesis(entry: Any) -> bool:
    return (
        not isinstance(entry, dict)
        and not execution_header.from_rlp(rlp.encode(_first_item(unhex(entry))))[8]
    )


def istanbul_cases(name: str, data: Any) -> Iterator[Case]:
    if not isinstance(data, list):
        yield Case(name, skipped="a genesis file: block 0 has no seals")
        return
    headers = [rlp.encode(_first_item(unhex(block))) for block in data[1:]]
    for place, (before, header) in enumerate(pairwise(headers), start=1):
        yield Case(f"{name}[{place}]", partial(check_istanbul, before, header))


def check_istanbul(before: bytes, encoded: bytes) -> None:
    """A header is believed with its own seals, and names the block before it by the hash that we compute."""
    header = BftHeader.from_rlp(encoded, BftKind.ISTANBUL)
    expect("parent", header.parent_hash, BftHeader.from_rlp(before, BftKind.ISTANBUL).block_hash)
    expect("seals that count", len(header.sealers()), len(header.seals))
    client_for(header).check_header(header, header.timestamp)


def _first_item(block: bytes) -> rlp.Item:
    items = rlp.decode(block)
    assert isinstance(items, list)
    return items[0]


def read(data: Any) -> BftHeader:
    kind = BftKind[data["kind"].upper()]
    if "block" in data:
        return BftHeader.from_rpc(data["block"], kind)
    if "header_rlp" in data:
        return BftHeader.from_rlp(unhex(data["header_rlp"]), kind)
    return BftHeader.from_rlp(rlp.encode(_first_item(unhex(data["block_rlp"]))), kind)


def round_of(header: BftHeader) -> int:
    payload = rlp.decode(header.round)
    assert isinstance(payload, bytes)
    return int.from_bytes(payload, "big")


def check_header(data: Any) -> None:
    header = read(data)
    expected = data.get("expect", {})
    # A block from a node has no list of expectations; it names its hash and number itself.
    block = data.get("block", {})
    expect("number", header.number, expected.get("number", int(block.get("number", "0x0"), 16)))
    expect("validators", len(header.validators), expected.get("validators", 4))
    expect("round", round_of(header), expected.get("round", 0))
    expect("seals", len(header.seals), expected.get("seals", 3))
    expect("seals that count", len(header.sealers()), len(header.seals))
    named = expected.get("hash", block.get("hash"))
    if named is not None:
        expect("hash", header.block_hash.hex(), named.removeprefix("0x"))
    if "commit_hash" in data:
        expect("commit-seal hash", header.commit_seal_hash, unhex(data["commit_hash"]))
        expect("its preimage", keccak256(unhex(data["commit_preimage_header_rlp"])), header.commit_seal_hash)


def client_for(header: BftHeader) -> BftClient:
    params = BftParams(header.kind, 1000, 15)
    return BftClient.bootstrap(params, header.validators, Height(header.number - 1), header.timestamp)


def check_client(data: Any) -> None:
    header = read(data)
    client = client_for(header)
    client.check_header(header, header.timestamp)
    anchored = client.anchor(encode_anchor(header), header.timestamp).state.anchor
    assert anchored is not None
    expect("state root", anchored.state_root, header.state_root)
    moved = client.update(encode_update(header.validators, [header]), header.timestamp)
    expect("height", moved.state.height, header.number)
    few = replace(header, seals=header.seals[: quorum(len(header.validators)) - 1])
    refuse("a header below quorum", partial(client.check_header, few, header.timestamp), Rejection)


def check_changes(data: Any) -> None:
    header = read(data)
    client = client_for(header)
    for name, changed in {
        "state root": replace(header, state_root=bytes(32)),
        "number": replace(header, number=Height(header.number + 1)),
        "timestamp": replace(header, timestamp=Timestamp(header.timestamp - 1)),
        "beneficiary": replace(header, beneficiary=bytes(20)),
        "vanity": replace(header, vanity=b"\x01" * 32),
        "round": replace(header, round=b"\x05"),
        "tail": replace(header, tail=(*header.tail, b"\x01")),
        "order of validators": replace(header, validators=header.validators[::-1]),
    }.items():
        refuse(f"another {name}", partial(client.check_header, changed, header.timestamp), Rejection)


def check_preimage(data: Any) -> None:
    """A header given without its seals: as the chain hashes it, and its seals apart."""
    preimage = unhex(data["rlp_header_hash_preimage"])
    unsealed = BftHeader.from_rlp(preimage, BftKind.QBFT)
    expect("hash", unsealed.block_hash, unhex(data["block_hash"]))
    expect("hash of the preimage", keccak256(preimage), unsealed.block_hash)
    expect("number", unsealed.number, data["block_number"])
    expect("seals", unsealed.sealers(), {})
    seals = rlp.decode(unhex(data["rlp_commit_seals"]))
    assert isinstance(seals, list)
    header = replace(unsealed, seals=tuple(seal for seal in seals if isinstance(seal, bytes)))
    expect("who sealed", [header.validators[i] for i in header.sealers()], [unhex(data["signer"])])
    client_for(header).check_header(header, header.timestamp)
    refuse(
        "an extraData of four items",
        partial(BftHeader.from_rlp, unhex(data["rlp_header_without_seals_field"]), BftKind.QBFT),
        Rejection,
    )


def check_extra_data(data: Any) -> None:
    extra = parse_extra_data(unhex(data["extra_data"]), BftKind.QBFT)
    expect("validators", len(extra.validators), 4)
    expect("seals", len(extra.seals), 3)
    expect("round", extra.round, b"\x80")


def check_official(entry: Any) -> None:
    expected, encoded = entry["qbft_extra_data"], unhex(entry["rlp"])
    extra = parse_extra_data(encoded, BftKind.QBFT)
    vote = expected["vote"]
    # No vote is an empty string here and an empty list in the headers of real chains.
    cast: rlp.Item = b"" if vote is None else [unhex(vote["recipient"]), unhex(vote["voteType"])]
    expect("vanity", extra.vanity, unhex(expected["vanityData"]))
    expect("validators", list(extra.validators), [unhex(validator) for validator in expected["validators"]])
    expect("vote", rlp.decode(extra.vote), cast)
    expect("round", int.from_bytes(extra.round[1:], "big"), expected["round"])
    expect("seals", list(extra.seals), [unhex(seal) for seal in expected["seals"]])
    again = rlp.encode_list(
        rlp.encode(extra.vanity)
        + rlp.encode(list(extra.validators))
        + extra.vote
        + extra.round
        + rlp.encode(list(extra.seals))
    )
    expect("encoding of what was read", again, encoded)
