# SPDX-License-Identifier: MIT
"""How a contract was made, as nodes show it that keep everything, no old state, no logs, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from relayer.chains.evm.node import Node
from relayer.consensus.findings import Finding, Severity
from relayer.contracts import Artifact, load, load_builds
from relayer.endpoint.creation import creates, find_creation, judge_creation
from relayer.endpoint.manifest import Contract, Hex
from relayer.endpoint.one_by_one import created_address
from relayer.errors import RpcRefused

OWNER = b"\x0a" * 20
NONCE = 300
PLACE = created_address(OWNER, NONCE)
CREATED_IN, HEAD = 77, 1_000
OURS = load("AccessManager").encode_creation(OWNER)
TX = "0x" + "1c" * 32


def transaction(data: bytes = OURS, **change: Any) -> dict[str, Any]:
    return {
        "hash": TX,
        "from": "0x" + OWNER.hex(),
        "nonce": hex(NONCE),
        "to": None,
        "input": "0x" + data.hex(),
        "blockNumber": hex(CREATED_IN),
    } | change


@dataclass
class Source:
    """A node's answers: the transaction it knows, and what it keeps."""

    found: dict[str, Any] = field(default_factory=transaction)
    has_transactions: bool = True
    has_index: bool = True
    has_logs: bool = True
    has_state: bool = True
    log_of: str = TX
    asked: list[str] = field(default_factory=list)

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_getTransactionByHash":
            if not self.has_index or not self.has_transactions:
                return None
            return self.found if params[0] == self.found["hash"] else None
        if method == "eth_getLogs":
            if not self.has_logs:
                raise RpcRefused(-32000, "range too wide")
            return [
                {"blockNumber": hex(number), "logIndex": "0x0", "transactionHash": tx_hash}
                for number, tx_hash in ((CREATED_IN + 5, "0x" + "55" * 32), (CREATED_IN, self.log_of))
            ]
        if method == "eth_getCode":
            if not self.has_state:
                raise RpcRefused(-32000, "missing trie node")
            return "0x60" if int(params[1], 16) >= CREATED_IN else "0x"
        assert method == "eth_getBlockByNumber"
        number = HEAD if params[0] == "latest" else int(params[0], 16)
        if number != HEAD and not self.has_transactions:
            raise RpcRefused(-32000, "pruned history unavailable")
        others = [transaction(nonce=hex(NONCE + 1)), transaction(to="0x" + PLACE.hex())]
        return {
            "number": hex(number),
            "transactions": [*others, self.found] if number == CREATED_IN else others,
        }

    async def judge(self, deployed: Contract | None = None) -> Finding:
        creation = await find_creation(Node("court", self.request), "AccessManager", PLACE, deployed)
        # Events are read from there on, be it by the manifest's word.
        assert creation.block_number == (CREATED_IN if creation.is_known or creation.is_recorded else None)
        return judge_creation("court", "manager", creation)


def of_the_manifest(tx_hash: str = TX, place: bytes = PLACE) -> Contract:
    number = CREATED_IN if tx_hash == TX else 1
    return Contract(
        address=Hex(place), tx_hash=Hex(bytes.fromhex(tx_hash[2:])), block_number=number, code_hash=Hex()
    )


def test_the_address_is_that_of_the_sender_and_its_nonce() -> None:
    # The first contract of the first account of every Hardhat or Anvil chain with the default seed.
    account = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
    assert created_address(account, 0).hex() == "5fbdb2315678afecb367f032d93f642f64180aa3"
    assert created_address(account, 1).hex() == "e7f1725e7734ce288f8367e1bb143e90bb3f0512"
    assert creates(transaction(), PLACE)
    assert not creates(transaction(nonce="0x0"), PLACE)
    assert not creates(transaction(to="0x" + PLACE.hex()), PLACE)
    assert not creates({}, PLACE)


@pytest.mark.parametrize("build", load_builds("AccessManager").values())
async def test_the_creation_code_of_every_build_is_ours(build: Artifact) -> None:
    source = Source(transaction(build.encode_creation(OWNER)))
    assert (await source.judge()).severity is Severity.OK


async def test_the_manifest_names_the_transaction() -> None:
    source = Source(has_logs=False, has_state=False)
    assert (await source.judge(of_the_manifest())).severity is Severity.OK
    assert source.asked == ["eth_getTransactionByHash"]


async def test_else_the_first_event_does() -> None:
    assert (await Source(has_state=False).judge()).severity is Severity.OK
    assert (await Source(has_state=False).judge(of_the_manifest("0x" + "99" * 32))).severity is Severity.OK


async def test_else_it_is_searched_for_in_the_block_of_the_first_code() -> None:
    source = Source(has_logs=False)
    assert (await source.judge()).severity is Severity.OK
    assert source.asked.count("eth_getCode") <= 10


async def test_a_node_that_forgets_hashes_still_has_the_block() -> None:
    deployed = Source(has_index=False, has_logs=False, has_state=False)
    assert (await deployed.judge(of_the_manifest())).severity is Severity.OK
    assert (await Source(has_index=False, has_state=False).judge()).severity is Severity.OK


@pytest.mark.parametrize("source", [Source(), Source(has_logs=False), Source(log_of="0x" + "55" * 32)])
async def test_other_creation_code_is_refused_however_it_is_found(source: Source) -> None:
    """It may leave an admin that no event tells, and return the runtime code of ours."""
    source.found = transaction(b"\x60\x01\x60\x02\x55" + OURS)
    finding = await source.judge()
    assert finding.severity is Severity.REFUSAL
    assert f"made by other creation code (transaction {TX})" in finding.found
    assert "an admin, a trusted set or an anchor" in finding.advice


@pytest.mark.parametrize("has_logs", [True, False])
async def test_a_contract_that_another_contract_created_is_refused(*, has_logs: bool) -> None:
    source = Source(transaction(to="0x" + "77" * 20), has_logs=has_logs)
    for deployed in (None, of_the_manifest()):
        finding = await source.judge(deployed)
        assert finding.severity is Severity.REFUSAL
        assert f"no transaction of block {CREATED_IN} created it outright" in finding.found


async def test_what_no_node_shows_is_believed_of_the_manifest_alone() -> None:
    """Whoever prepares a forgery can see to it that a node without old state does not find the creation."""
    source = Source(has_transactions=False, has_logs=False, has_state=False)
    for other in (None, of_the_manifest(place=b"\x44" * 20), of_the_manifest("0x")):
        assert (await source.judge(other)).severity is Severity.REFUSAL
    finding = await source.judge(of_the_manifest())
    assert finding.severity is Severity.WARNING
    for words in (f"0x{PLACE.hex()}", "the manifest's transaction", "range too wide", "missing trie node"):
        assert words in finding.found
    assert "another admin, another anchor" in finding.advice
