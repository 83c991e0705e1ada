# SPDX-License-Identifier: MIT
"""Parts of endpoints that need no chain: probes, the manifest, comparisons of chains, addresses of contracts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from light_clients.hashing import keccak256
from relayer.chains.evm.node import Node
from relayer.consensus.bft.endpoint import BftTrust
from relayer.consensus.findings import Severity
from relayer.contracts import UnknownContract, load
from relayer.endpoint.apply import created_address
from relayer.endpoint.manifest import BadManifest, Contract, Hex, Manifest, Pending, Record
from relayer.endpoint.probes import PROBES, probe_rules
from relayer.endpoint.survey import Survey, compare_chains
from relayer.errors import CallReverted, RpcAnswerInvalid, RpcRefused

ANSWER = "0x" + (42).to_bytes(32).hex()


def node(answers: dict[str, Any]) -> Node:
    async def request(method: str, params: Sequence[Any]) -> Any:
        answer = answers[method]
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Node("court", request)


async def test_rules_that_hold_are_found_by_running_them() -> None:
    results = await probe_rules(node({"eth_call": ANSWER}))
    assert all(result.holds for result in results)
    assert [result.probe.rule for result in results] == ["PUSH0", "TSTORE and TLOAD", "MCOPY"]


async def test_a_rule_that_is_missing_is_told_with_the_nodes_reason() -> None:
    def answer(params: Sequence[Any]) -> Any:
        is_mcopy = params[0]["data"] == "0x" + PROBES[2].program.hex()
        return RpcRefused(-32000, "invalid opcode: MCOPY") if is_mcopy else ANSWER

    results = await probe_rules(node({"eth_call": answer}))
    assert [result.holds for result in results] == [True, True, False]
    assert "invalid opcode: MCOPY" in results[2].reason


async def test_a_node_that_runs_nothing_does_not_pass() -> None:
    results = await probe_rules(node({"eth_call": "0x"}))
    assert not any(result.holds for result in results)


async def test_a_revert_is_decoded() -> None:
    data = load("Gateway").errors
    selector = next(key for key, entry in data.items() if entry.name == "RemoteUnknown")
    refusal = RpcRefused(3, "execution reverted", data=selector + b"\x07" * 32)
    with pytest.raises(CallReverted) as caught:
        await node({"eth_call": refusal}).call(b"\x01" * 20, b"")
    assert caught.value.name == "RemoteUnknown"
    assert b"\x07" * 32 in caught.value.arguments.values()


@pytest.mark.parametrize("answer", [None, "0xzz", 7, "12", "0x"])
async def test_a_number_that_is_none_is_refused(answer: object) -> None:
    with pytest.raises(RpcAnswerInvalid):
        await node({"eth_chainId": answer}).chain_id()


async def test_logs_are_asked_for_in_halves_where_a_range_is_refused() -> None:
    asked: list[tuple[int, int]] = []

    def answer(params: Sequence[Any]) -> Any:
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        asked.append((first, last))
        return (
            RpcRefused(-32005, "too many")
            if last - first > 2
            else [{"block": block} for block in range(first, last + 1)]
        )

    logs = await node({"eth_getLogs": answer}).logs(b"\x01" * 20, [b"\x02" * 32], 0, 9)
    assert [log["block"] for log in logs] == list(range(10))
    assert (0, 9) in asked


def test_a_created_contract_lies_where_the_chain_puts_it() -> None:
    # The well-known first contracts of an account (EIP-1014's neighbours; CryptoKitties' deployer).
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert created_address(sender, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert created_address(sender, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"


# --- the manifest -------------------------------------------------------------------------------------------


def contract(byte: int) -> Contract:
    return Contract(
        address=Hex(bytes([byte]) * 20),
        tx_hash=Hex(b"\x02" * 32),
        block_number=3,
        code_hash=Hex(b"\x04" * 32),
    )


def test_a_record_survives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "endpoints.json"
    pending = Pending(step="gateway", nonce=4, raw=Hex(b"\x09"), tx_hash=Hex(b"\x0a" * 32))
    record = Record(chain="eip155:1", genesis_hash=Hex(b"\x05" * 32), authority=contract(1), pending=pending)
    Manifest(path).put("court", record)
    assert Manifest(path).get("court") == record
    assert Manifest(path).names == ("court",)
    assert [each.name for each in path.parent.iterdir()] == ["endpoints.json"]


def test_an_absent_manifest_is_empty_and_not_written_by_reading(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "endpoints.json")
    assert manifest.get("court") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "no manifest"),
        ('{"format": 3, "endpoints": {}}', "format 3"),
        ('{"format": 2, "endpoints": {"a": {"chain": "x"}}}', "genesis_hash"),
        ('{"format": 2, "endpoints": {"a": {"chain": "x", "genesis_hash": "05"}}}', "hex"),
        ('{"format": 2, "endpoint": {}}', "endpoint"),
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "endpoints.json"
    path.write_text(content)
    with pytest.raises(BadManifest, match=reason):
        Manifest(path)


def test_a_manifest_of_the_first_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """It knows a light client by its consensus and a bootstrap or a checkpoint, and nothing of kinds."""
    path = tmp_path / "endpoints.json"
    contract = {
        "address": "0x" + "01" * 20,
        "tx_hash": "0x",
        "block_number": 1,
        "code_hash": "0x" + "02" * 32,
    }
    begun = {"height": 5, "timestamp": 6, "validators": ["0x" + "33" * 20]}
    client = {"contract": contract, "consensus": "qbft", "bootstrap": begun}
    periods = {"trusting_period_s": 60, "max_clock_drift_s": 30}
    record = {"chain": "eip155:1", "genesis_hash": "0x" + "05" * 32, "clients": {"port": client | periods}}
    path.write_text(json.dumps({"format": 1, "endpoints": {"court": record}}))
    before = path.read_bytes()
    with pytest.raises(BadManifest, match="format 1") as caught:
        Manifest(path)
    assert caught.value.expected == "format 2"
    for words in ("Finish with that one what it began", "move the file away", "taken over from their chains"):
        assert words in caught.value.advice
    assert path.read_bytes() == before


def test_two_processes_do_not_deploy_at_once(tmp_path: Path) -> None:
    first, second = Manifest(tmp_path / "m.json"), Manifest(tmp_path / "m.json")
    with first.locked(), pytest.raises(BadManifest, match="in use"), second.locked():
        pass
    with second.locked():
        pass


def test_a_lock_reads_what_another_process_wrote(tmp_path: Path) -> None:
    first, second = Manifest(tmp_path / "m.json"), Manifest(tmp_path / "m.json")
    record = Record(chain="eip155:1", genesis_hash=Hex(b"\x05" * 32))
    with first.locked():
        first.put("court", record)
    assert second.get("court") is None
    with second.locked():
        assert second.get("court") == record


# --- chains that can't be told apart ------------------------------------------------------------------------


def survey(name: str, chain_id: int, genesis: bytes, validators: tuple[bytes, ...]) -> Survey:
    class Header:
        pass

    header: Any = Header()
    header.validators = validators
    none: Any = None
    return Survey(name, "bft", chain_id, genesis, "", BftTrust(header), 0, none, (), ())


def test_chains_with_one_id_one_genesis_or_one_validator_are_refused() -> None:
    alice, bob, carol = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
    good = survey("a", 1, b"\x01" * 32, (alice, bob))
    assert compare_chains([good, survey("b", 2, b"\x02" * 32, (carol,))]) == ()
    cases = [
        (survey("b", 1, b"\x02" * 32, (carol,)), "the same chain id 1"),
        (survey("b", 2, b"\x01" * 32, (carol,)), "the same genesis"),
        (survey("b", 2, b"\x02" * 32, (carol, bob)), "1 shared validators (0x0202"),
    ]
    for other, text in cases:
        (finding,) = compare_chains([good, other])
        assert finding.severity is Severity.REFUSAL
        assert text in finding.found


# --- artifacts ----------------------------------------------------------------------------------------------


def test_a_contract_that_does_not_ship_is_told() -> None:
    with pytest.raises(UnknownContract, match="Doorbel"):
        load("Doorbel")
    with pytest.raises(UnknownContract, match="has no function"):
        load("Gateway").encode_call("registerRemotes")


def test_code_is_recognized_whatever_its_immutables_hold_and_nothing_else_is() -> None:
    for name in ("Gateway", "BftLightClient", "AccessManager"):
        artifact = load(name)
        code = bytearray(artifact.runtime_code)
        for start, length in artifact.immutables:
            code[start : start + length] = b"\x77" * length
        assert artifact.is_runtime(bytes(code))
        code[10] ^= 1
        assert not artifact.is_runtime(bytes(code))
        assert not artifact.is_runtime(bytes(code[:-1]))
        assert not artifact.is_runtime(b"")


def test_selectors_are_those_of_the_signatures() -> None:
    expected = keccak256(b"registerRemote(bytes,bytes32,address,(uint32,uint32,uint32))")[:4]
    assert load("Gateway").selector("registerRemote") == expected
    assert json.dumps(sorted(load("Gateway").functions)).count("registerRemote") == 1
