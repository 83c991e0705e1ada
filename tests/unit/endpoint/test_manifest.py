# SPDX-License-Identifier: MIT
"""The manifest outlives the process, and two processes do not write it at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relayer.endpoint.manifest import BadManifest, Contract, Hex, Manifest, Pending, Record, Signature
from relayer.keys import Key


def contract(byte: int) -> Contract:
    return Contract(
        address=Hex(bytes([byte]) * 20),
        tx_hash=Hex(b"\x02" * 32),
        block_number=3,
        code_hash=Hex(b"\x04" * 32),
    )


def test_a_record_survives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "endpoints.json"
    signature = Signature(
        raw=Hex(b"\x09"), tx_hash=Hex(b"\x0a" * 32), gas=5, max_fee_wei=10**9, priority_fee_wei=0
    )
    pending = Pending(step="gateway", sender=Hex(b"\x0b" * 20), nonce=4, signatures=(signature, signature))
    record = Record(
        chain="eip155:1", genesis_hash=Hex(b"\x05" * 32), authority=contract(1), pending=(pending,)
    )
    Manifest(path).put("court", record)
    assert Manifest(path).get("court") == record
    assert Manifest(path).names == ("court",)
    assert [file.name for file in path.parent.iterdir()] == ["endpoints.json"]


def test_an_absent_manifest_is_empty_and_not_written_by_reading(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "endpoints.json")
    assert manifest.get("court") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "no manifest"),
        ('{"format": 4, "endpoints": {}}', "format 4"),
        ('{"format": 3, "endpoints": {"a": {"chain": "x"}}}', "genesis_hash"),
        ('{"format": 3, "endpoints": {"a": {"chain": "x", "genesis_hash": "05"}}}', "hex"),
        ('{"format": 3, "endpoint": {}}', "endpoint"),
        ('{"format": 2, "endpoints": {"a": {"chain": "x", "genesis_hash": "05"}}}', "hex"),
        ('{"format": 2, "endpoints": {"a": {"pending": {"step": "roles"}}}}', "nonce"),
        (
            '{"format": 2, "endpoints": {"a": {"pending": {"step": "x", "nonce": 1, "raw": "0x01", "tx_hash": "0x"}}}}',
            "type 0x01",
        ),
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
    assert caught.value.expected == "format 3"
    for words in ("Finish with that one what it began", "move the file away", "taken over from their chains"):
        assert words in caught.value.advice
    assert path.read_bytes() == before


@pytest.mark.parametrize("is_legacy", [False, True])
def test_a_pending_transaction_of_the_format_before_is_taken_up(tmp_path: Path, is_legacy: bool) -> None:
    """It had one signature, and no word of who signed: the bytes tell."""
    key, price = Key("deployer", b"\x07" * 32), 30 * 10**9
    offer = {"gasPrice": price} if is_legacy else {"maxFeePerGas": price, "maxPriorityFeePerGas": price}
    raw, tx_hash = key.sign_transaction(
        {"chainId": 1, "nonce": 4, "gas": 21_000, "to": b"", "data": b"\x01", **offer}
    )
    pending = {"step": "gateway", "nonce": 4, "raw": f"0x{raw.hex()}", "tx_hash": f"0x{tx_hash.hex()}"}
    record = {"chain": "eip155:1", "genesis_hash": "0x" + "05" * 32}
    path = tmp_path / "endpoints.json"
    endpoints = {
        "court": record | {"pending": pending | {"address": "0x" + "09" * 20}},
        "port": record | {"pending": None},
        "customs": record,
    }
    path.write_text(json.dumps({"format": 2, "endpoints": endpoints}))
    manifest = Manifest(path)
    found = manifest.get("court")
    assert found is not None
    signature = Signature(
        raw=Hex(raw), tx_hash=Hex(tx_hash), gas=21_000, max_fee_wei=price, priority_fee_wei=price
    )
    expected = Pending(step="gateway", sender=Hex(key.address), nonce=4, signatures=(signature,))
    assert found.pending == (expected,)
    for name in ("port", "customs"):
        other = manifest.get(name)
        assert other is not None
        assert other.pending == ()
    manifest.put("court", found)
    assert json.loads(path.read_text())["format"] == 3
    assert Manifest(path).get("court") == found


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
