# SPDX-License-Identifier: MIT
"""Blocks and proofs of Besu networks: QBFT, IBFT 2.0, one that went from the latter to the former, and a
block whose validators a contract chooses, so that its header lists none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from light_clients.bft.contract_mode.header import BareHeader
from light_clients.bft.preimage import BftKind, KindChange
from light_clients.bft.validators import quorum
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
    block = read_json(path)["result"]
    yield Case(
        f"{path.stem}: refused by the client of chains that list their validators",
        partial(check_refused, block),
    )
    genesis = read_json(path.with_name("genesis_contract_mode.json"))
    yield Case(f"{path.stem}: sealed by those whom the contract names", partial(check_chosen, block, genesis))


def check_chosen(block: Mapping[str, object], genesis: Mapping[str, Any]) -> None:
    """The header is read without a list, and a quorum of the contract's validators sealed it.

    The contract of that network has its list in its code, which returns 32, the length, and the members.
    """
    code = genesis["alloc"][genesis["config"]["qbft"]["validatorcontractaddress"][2:]]["code"]
    words = [bytes.fromhex(word) for word in re.findall(r"7f([0-9a-f]{64})60", code)]
    members = [word[-20:] for word in words[2:]]
    assert len(members) == int.from_bytes(words[1])
    header = BareHeader.from_rpc(block, BftKind.QBFT)
    assert header.validators == ()
    assert len(header.sealers_among(members)) == quorum(len(members))
    assert not header.sealers_among([bytes(19) + bytes([i]) for i in range(1, 5)])
