# SPDX-License-Identifier: MIT
"""Headers and proofs of Besu 25.4.1 networks with four validators and no base fee to pay, as another light
client's tests have them: good ones and bad ones, by the trust that they start from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from light_clients.bft.client import BftClient, BftParams
from light_clients.bft.codec import encode_misbehaviour, encode_update
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind
from light_clients.bft.validators import set_hash
from light_clients.codec import rlp
from light_clients.errors import QuorumNotReached, ValidatorSetRejected
from light_clients.hashing import keccak256
from light_clients.proofs import mpt
from tests.conformance.case import Case, cases_in, expect, read_json, refuse, unhex

FOLDER = "besu_25_4"

#: Where the contract whose storage is proven keeps its mapping from the hash of a path to a commitment.
_COMMITMENTS: Final = unhex("1260944489272988d9df285149b5aa1b0f48f2136d6f416159f840a3e0747600")
#: What the initial set leads to, and what too few of its members, or of the header's own, sealed.
_GOOD: Final = ("updateHeight11", "updateHeight12", "conflictingHeight12")
_BAD: Final = ("lowQuorumHeight12", "lowOverlapHeight13")


def cases(folder: Path) -> Iterator[Case]:
    for name, kind in (("eureka_besu_qbft.json", BftKind.QBFT), ("eureka_besu_ibft2.json", BftKind.IBFT2)):
        yield from cases_in(folder / name, partial(network_cases, kind))
    yield from cases_in(folder / "besu_qbft_block27_rpc.json", block_cases)


def network_cases(kind: BftKind, path: Path) -> Iterator[Case]:
    data = read_json(path)
    for step in _GOOD:
        yield Case(f"{path.stem}: {step}", partial(check_step, data, kind, step))
    for step in _BAD:
        yield Case(f"{path.stem}: {step} is refused", partial(check_bad, data, kind, step))
    yield Case(f"{path.stem}: two blocks of one height freeze", partial(check_conflict, data, kind))
    for name in ("membership", "nonMembership"):
        yield Case(f"{path.stem}: {name}", partial(check_membership, data, name))


def block_cases(path: Path) -> Iterator[Case]:
    """The JSON of a header that stands beside it as RLP is the same header."""

    def check() -> None:
        data = read_json(path.with_name("eureka_besu_qbft.json"))
        block = BftHeader.from_rpc(read_json(path), BftKind.QBFT)
        expect("header", block, header_of(data, BftKind.QBFT, "updateHeight11"))
        child = header_of(data, BftKind.QBFT, "updateHeight12")
        expect("hash in its child", child.parent_hash, block.block_hash)

    yield Case(f"{path.stem}: the header of updateHeight11, and the parent of updateHeight12", check)


def header_of(data: Mapping[str, Any], kind: BftKind, step: str) -> BftHeader:
    return BftHeader.from_rlp(unhex(data[step]["headerRlp"]), kind)


def validators_of(addresses: list[str]) -> tuple[bytes, ...]:
    return tuple(unhex(address) for address in addresses)


def client_of(data: Mapping[str, Any], kind: BftKind) -> BftClient:
    """A client with the trust that the file starts from."""
    params = BftParams(kind, data["trustingPeriod"], data["maxClockDrift"])
    validators = validators_of(data["initialTrustedValidators"])
    return BftClient.bootstrap(
        params, validators, data["initialTrustedHeight"], data["initialTrustedTimestamp"]
    )


def nodes_of(proof: str) -> list[bytes]:
    """The nodes of a proof that stands as one RLP list of them."""
    nodes = rlp.decode(unhex(proof))
    assert isinstance(nodes, list)
    return [rlp.encode(node) for node in nodes]


def check_step(data: Mapping[str, Any], kind: BftKind, step: str) -> None:
    """The header leads on from the initial trust, and the account stands in its state as told."""
    told, header = data[step], header_of(data, kind, step)
    expect("height and time", (header.number, header.timestamp), (told["height"], told["expectedTimestamp"]))
    expect("validators", header.validators, validators_of(told["expectedValidators"]))
    update = encode_update(validators_of(data["initialTrustedValidators"]), [header])
    moved = client_of(data, kind).update(update, header.timestamp)
    expect("trusted set", moved.state.set_hash, set_hash(header.validators))
    moved.check_header(header, header.timestamp)
    nodes = nodes_of(told["accountProof"])
    account = mpt.verify_account(header.state_root, unhex(data["routerAddress"]), nodes)
    assert account is not None
    expect("storage root", account.storage_root, unhex(told["expectedStorageRoot"]))


def check_bad(data: Mapping[str, Any], kind: BftKind, step: str) -> None:
    """No update can be made of the header, and the header is not believed."""
    header, trusted = header_of(data, kind, step), validators_of(data["initialTrustedValidators"])
    refuse("an update", partial(encode_update, trusted, [header]), QuorumNotReached)
    check = partial(client_of(data, kind).check_header, header, header.timestamp)
    refuse("the header", check, QuorumNotReached, ValidatorSetRejected)


def check_conflict(data: Mapping[str, Any], kind: BftKind) -> None:
    """Two sealed blocks of one height freeze the client that trusts their set."""
    pair = [header_of(data, kind, step) for step in ("updateHeight12", "conflictingHeight12")]
    trusted = validators_of(data["initialTrustedValidators"])
    client = client_of(data, kind).update(encode_update(trusted, pair[:1]), pair[0].timestamp)
    expect("frozen", client.freeze(encode_misbehaviour(pair[0], pair[1])).state.frozen, True)


def check_membership(data: Mapping[str, Any], name: str) -> None:
    """A commitment, or its absence, stands in the storage that the block of its height leads to."""
    told = data[name]
    slot = keccak256(keccak256(unhex(told["path"])) + _COMMITMENTS)
    root = unhex(data["updateHeight12"]["expectedStorageRoot"])
    expect("height", told["proofHeight"], data["updateHeight12"]["height"])
    word = mpt.verify_storage(root, slot, nodes_of(told["proof"]))
    expect("commitment", word, unhex(told.get("value", "00" * 32)))
