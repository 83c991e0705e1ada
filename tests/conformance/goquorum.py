# SPDX-License-Identifier: MIT
"""Blocks and proofs of a GoQuorum network: QBFT, and the former Istanbul protocol."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from light_clients.bft.header import BftHeader, BftKind
from tests.conformance._bft_chains import chain_cases, check_answer, check_block
from tests.conformance.case import Case, cases_in, expect, read_json

FOLDER = "goquorum"


def cases(folder: Path) -> Iterator[Case]:
    yield from cases_in(folder / "qbft_headers.json", partial(header_cases, BftKind.QBFT))
    yield from cases_in(folder / "qbft_other_seals.json", other_seal_cases)
    yield from cases_in(folder / "qbft_getproof.json", proof_cases)
    yield from cases_in(folder / "ibft1_headers.json", partial(header_cases, BftKind.ISTANBUL))


def header_cases(kind: BftKind, path: Path) -> Iterator[Case]:
    # Block 0 has no seals.
    blocks = [block for block in read_json(path)["blocks"] if block.get("number") != "0x0"]
    yield from chain_cases(path.stem, blocks, kind)


def other_seal_cases(path: Path) -> Iterator[Case]:
    """Nodes keep different seals of one block; whichever they give, it is the same block."""
    data = read_json(path)
    blocks = [data["node0"], data["node2"]]
    for name, block in zip(("node 0", "node 2"), blocks, strict=True):
        yield Case(f"{path.stem}: {name}", partial(check_block, block, BftKind.QBFT))

    def is_one_block() -> None:
        one, other = (BftHeader.from_rpc(block, BftKind.QBFT) for block in blocks)
        expect("block hash", one.block_hash, other.block_hash)
        expect("other seals", one.seals != other.seals, True)

    yield Case(f"{path.stem}: one block", is_one_block)


def proof_cases(path: Path) -> Iterator[Case]:
    data = read_json(path)
    for name in ("proof", "absent_account"):
        answer = data[name]
        check = partial(check_answer, data["block"], BftKind.QBFT, answer["address"], answer)
        yield Case(f"{path.stem}: {name}", check)
