# SPDX-License-Identifier: MIT
"""Blocks and proofs of Besu networks: QBFT, IBFT 2.0, one that went from the latter to the former, and a
block whose validators a contract chooses, so that its header lists none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from light_clients.bft.preimage import BftKind, KindChange
from tests.conformance._bft_chains import chain_cases, check_answer, check_refused
from tests.conformance.case import Case, cases_in, read_json

FOLDER = "besu_26_8"

#: The block from which on the network that changed its protocol seals by QBFT.
FIRST_OF_QBFT = 150


def cases(folder: Path) -> Iterator[Case]:
    for name, kind in (
        ("besu_qbft_headers.json", BftKind.QBFT),
        ("besu_qbft_zerobasefee_headers.json", BftKind.QBFT),
        ("besu_ibft2_headers.json", BftKind.IBFT2),
    ):
        yield from cases_in(folder / name, partial(header_cases, kind))
    yield from cases_in(folder / "besu_ibft2_to_qbft_headers.json", migration_cases)
    yield from cases_in(folder / "besu_26_8_0_getproof.json", proof_cases)
    yield from cases_in(folder / "besu_26_8_0_contract_mode_block.json", contract_mode_cases)


def header_cases(kind: BftKind, path: Path) -> Iterator[Case]:
    yield from chain_cases(path.stem, read_json(path)["blocks"], kind)


def migration_cases(path: Path) -> Iterator[Case]:
    change = KindChange(BftKind.IBFT2, BftKind.QBFT, FIRST_OF_QBFT)
    yield from chain_cases(path.stem, read_json(path)["blocks"], change)


def proof_cases(path: Path) -> Iterator[Case]:
    """The answers of a Bonsai node and of a Forest node at one block."""
    data = read_json(path)
    for name, asked in data.items():
        if isinstance(asked, dict) and "params" in asked:
            for storage in ("bonsai", "forest"):
                address, answer = asked["params"][0], asked[storage]
                check = partial(check_answer, data["block"], BftKind.QBFT, address, answer)
                yield Case(f"{path.stem}: {name}, {storage}", check)


def contract_mode_cases(path: Path) -> Iterator[Case]:
    yield Case(f"{path.stem}: refused", partial(check_refused, read_json(path)["result"]))
