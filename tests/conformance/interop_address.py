# SPDX-License-Identifier: MIT
"""ERC-7930 bytes and text, and CAIP-2 chain ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from relayer.errors import Malformed
from relayer.protocol.interop_address import ChainId, InteropAddress
from tests.conformance.case import Case, cases_in, expect, guarded, read_json, refuse

FOLDER = "interop_address"


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.json")):
        yield from cases_in(path, file_cases)


def file_cases(path: Path) -> Iterator[Case]:
    check = CHECKS.get(path.name)
    for index, entry in enumerate(read_json(path)):
        yield from guarded(
            f"{path.name}[{index}]", partial(entry_cases, f"{path.name}[{index}]", entry, check)
        )


def entry_cases(
    name: str, entry: dict[str, Any], check: Callable[[dict[str, Any]], None] | None
) -> Iterator[Case]:
    label = entry.get("title") or entry.get("comment") or entry.get("name") or ""
    if check is None:
        yield Case(f"{name} {label}", skipped="a file of a kind that nobody reads")
    else:
        yield Case(f"{name} {label}", partial(check, entry))


def check_caip2(entry: dict[str, Any]) -> None:
    expect("chain id", str(ChainId.parse(entry["id"])), entry["id"])


def check_bytes(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["binary"][2:])
    address = InteropAddress.parse(data)
    expect("bytes", address.to_bytes(), data)
    expect("address", InteropAddress.from_text(address.to_text()), address)


def check_text(entry: dict[str, Any]) -> None:
    # The checksum in the text vouches for the bytes as well.
    address = InteropAddress.from_text(entry["name"])
    expect("text", address.to_text(), entry["name"])
    expect("address", InteropAddress.parse(address.to_bytes()), address)


def check_chain_reference(entry: dict[str, Any]) -> None:
    reference = entry["reference"]
    if entry["namespace"] == "eip155":
        chain = InteropAddress.evm(int(reference))
        expect("chain id", str(chain.chain_id), f"eip155:{reference}")
        expect("address", InteropAddress.parse(chain.to_bytes()), chain)
        return
    checksum = "00000000"
    try:
        InteropAddress.from_text(f"@{entry['namespace']}:{reference}#{checksum}")
    except Malformed as error:
        # The right checksum is in the error; with it the reference has to come back as it was.
        checksum = error.expected
    text = f"@{entry['namespace']}:{reference}#{checksum}"
    expect("text", InteropAddress.from_text(text).to_text(), text)


def check_rejected(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["binary"][2:])
    refuse(entry["binary"], lambda: InteropAddress.parse(data), Malformed)


CHECKS: Final[dict[str, Callable[[dict[str, Any]], None]]] = {
    "caip2_test_cases.json": check_caip2,
    "erc7930_examples.json": check_bytes,
    "oz_chain_references.json": check_chain_reference,
    "oz_erc7930_invalid_generic.json": check_rejected,
    "oz_erc7930_reference_names.json": check_text,
}
