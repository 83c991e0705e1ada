# SPDX-License-Identifier: MIT
"""Blocks that nodes of BFT chains gave: read, believed, and followed through changes of the set and of the
protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from light_clients.bft.client import BftClient, BftParams
from light_clients.bft.codec import encode_update
from light_clients.bft.header import BftHeader
from light_clients.bft.preimage import BftKind, BftKinds
from light_clients.bft.validators import quorum, set_hash
from light_clients.errors import QuorumNotReached, Rejection
from light_clients.proofs import mpt
from tests.conformance.case import Case, expect, refuse, unhex


def client_for(header: BftHeader, kinds: BftKinds) -> BftClient:
    """A client that trusts the set of this header."""
    params = BftParams(kinds, 1000, 15)
    return BftClient.bootstrap(params, header.validators, header.number, header.timestamp)


def chain_cases(name: str, blocks: Sequence[Any], kinds: BftKinds) -> Iterator[Case]:
    """A case a block, and one that follows the sets from the first block to the last."""
    for place, block in enumerate(blocks):
        yield Case(f"{name}[{place}]", partial(check_block, block, kinds))
    yield Case(f"{name}: followed from the first block to the last", partial(check_sets, blocks, kinds))


def check_block(block: Any, kinds: BftKinds) -> None:
    """A block hashes as its node says, is believed with a quorum of its seals, and refused with fewer."""
    header = BftHeader.from_rpc(block, kinds)
    client, least = client_for(header, kinds), quorum(len(header.validators))
    client.check_header(header, header.timestamp)
    few = replace(header, seals=header.seals[: least - 1])
    refuse("a header below quorum", lambda: client.check_header(few, few.timestamp), QuorumNotReached)
    for other in set(BftKind) - {header.kind}:
        refuse("a header of another protocol", partial(BftHeader.from_rpc, block, other), Rejection)


def check_sets(blocks: Sequence[Any], kinds: BftKinds) -> None:
    """A client moves to every set of the chain, each as soon as enough of the one before vouch for it."""
    first, *headers = [BftHeader.from_rpc(block, kinds) for block in blocks]
    client, trusted = client_for(first, kinds), first.validators
    waiting: list[BftHeader] = []
    for header in headers:
        if header.validators == trusted:
            waiting = []
            client.check_header(header, header.timestamp)
            continue
        refuse(
            "a set that is not trusted yet", partial(client.check_header, header, header.timestamp), Rejection
        )
        waiting.append(header)
        try:
            update = encode_update(trusted, waiting)
        except QuorumNotReached:
            continue
        client, trusted, waiting = client.update(update, header.timestamp), header.validators, []
    expect("set at the end", client.state.set_hash, set_hash(headers[-1].validators))


def check_answer(block: Any, kind: BftKind, address: str, answer: Any) -> None:
    """An answer of `eth_getProof` holds in the state of a sealed block: an account or its absence, and its
    slots.
    """
    header = BftHeader.from_rpc(block, kind)
    nodes = [unhex(node) for node in answer["accountProof"]]
    account = mpt.verify_account(header.state_root, unhex(address), nodes)
    told = (int(answer["nonce"], 16), int(answer["balance"], 16), unhex(answer["storageHash"]))
    if account is None:
        expect("what an absent account is said to have", told[:2], (0, 0))
        return
    expect("account", (account.nonce, account.balance, account.storage_root), told)
    for entry in answer["storageProof"]:
        key = int(entry["key"], 16).to_bytes(32, "big")
        word = mpt.verify_storage(account.storage_root, key, [unhex(node) for node in entry["proof"]])
        expect(f"slot {entry['key']}", int.from_bytes(word, "big"), int(entry["value"], 16))


def check_refused(block: Any) -> None:
    """A block that lists no set is refused by every protocol."""
    for kind in BftKind:
        refuse(f"a block read as {kind.name}", partial(BftHeader.from_rpc, block, kind), Rejection)
