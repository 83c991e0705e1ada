"""ERC-7930 bytes and text, and CAIP-2 chain ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from relayer.errors import Malformed
from relayer.protocol.interop_address import ChainId, InteropAddress
from tests.conformance.case import Case

FOLDER = "interop_address"


def cases(folder: Path) -> Iterator[Case]:
    """Every entry of every file of the folder."""
    kinds: dict[str, Callable[[dict[str, Any]], None]] = {
        "caip2_test_cases.json": _reads_caip2,
        "erc7930_examples.json": _round_trips_bytes,
        "oz_chain_references.json": _names_a_chain,
        "oz_erc7930_invalid_generic.json": _is_rejected,
        "oz_erc7930_reference_names.json": _round_trips_text,
    }
    for path in sorted(folder.glob("*.json")):
        entries = json.loads(path.read_text(encoding="utf-8"))
        check = kinds.get(path.name)
        for index, entry in enumerate(entries):
            label = entry.get("title") or entry.get("comment") or entry.get("name") or ""
            name = f"{path.name}[{index}] {label}"
            if check is None:
                yield Case(name, skipped="a file of a kind that nobody reads")
            else:
                yield Case(name, partial(check, entry))


def _reads_caip2(entry: dict[str, Any]) -> None:
    _expect(str(ChainId.parse(entry["id"])), entry["id"])


def _round_trips_bytes(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["binary"][2:])
    address = InteropAddress.parse(data)
    _expect(address.to_bytes(), data)
    _expect(InteropAddress.from_text(address.to_text()), address)


def _round_trips_text(entry: dict[str, Any]) -> None:
    # The checksum in the text vouches for the bytes as well.
    address = InteropAddress.from_text(entry["name"])
    _expect(address.to_text(), entry["name"])
    _expect(InteropAddress.parse(address.to_bytes()), address)


def _names_a_chain(entry: dict[str, Any]) -> None:
    reference = entry["reference"]
    if entry["namespace"] == "eip155":
        chain = InteropAddress.evm(int(reference))
        _expect(str(chain.chain_id), f"eip155:{reference}")
        _expect(InteropAddress.parse(chain.to_bytes()), chain)
        return
    checksum = "00000000"
    try:
        InteropAddress.from_text(f"@{entry['namespace']}:{reference}#{checksum}")
    except Malformed as error:
        # The right checksum is in the error; with it the reference has to come back as it was.
        checksum = error.expected
    text = f"@{entry['namespace']}:{reference}#{checksum}"
    _expect(InteropAddress.from_text(text).to_text(), text)


def _is_rejected(entry: dict[str, Any]) -> None:
    try:
        found = InteropAddress.parse(bytes.fromhex(entry["binary"][2:]))
    except Malformed:
        return
    raise AssertionError(f"{entry['binary']} was read as {found}")


def _expect(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"found {found!r}, expected {expected!r}")
