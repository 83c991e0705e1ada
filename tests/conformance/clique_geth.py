# SPDX-License-Identifier: MIT
"""A go-ethereum 1.13.15 Clique chain from its genesis block on: a signer voted in, one voted out, an epoch
block.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from light_clients.codec import execution_header
from tests.conformance._clique_chains import (
    check_changes,
    check_epoch_update,
    check_updates,
    check_votes,
    read_all,
)
from tests.conformance.case import Case, cases_in, expect, read_json, unhex

FOLDER = "clique_geth_1_13_15"


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.json")):
        yield from cases_in(path, chain_of)


def chain_of(path: Path) -> Iterator[Case]:
    data = read_json(path)
    epoch, blocks = data["config"]["epoch"], data["blocks"]
    sets = [tuple(map(unhex, told["signers"])) for told in data["signers_after"]]
    headers = read_all(blocks[1:])
    for block, header in zip(blocks[1:], headers, strict=True):
        yield Case(f"block {header.number}: hash", partial(check_hash, block, header.block_hash))
        yield Case(f"block {header.number}: any change is seen", partial(check_changes, header))
    genesis = execution_header.hash_of(execution_header.from_rpc(blocks[0]))
    yield Case("genesis hash", partial(expect, "hash", genesis, unhex(data["genesis_hash"])))
    yield Case("votes lead to the node's signers", partial(check_votes, headers, sets, epoch))
    yield Case("updates over all changes", partial(check_updates, headers, sets, epoch))
    epoch_headers = headers[epoch - 1 : epoch + 4]
    yield Case(
        "an epoch block leads on from the first set",
        partial(check_epoch_update, epoch_headers, sets[0], epoch),
    )


def check_hash(block: dict[str, str], found: bytes) -> None:
    expect("hash", found, unhex(block["hash"]))
