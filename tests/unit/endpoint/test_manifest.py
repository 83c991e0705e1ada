# SPDX-License-Identifier: MIT
"""The manifest outlives the process, and two processes do not write it at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relayer.endpoint.manifest import BadManifest, Contract, Hex, Manifest, Pending, Record


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
    assert [file.name for file in path.parent.iterdir()] == ["endpoints.json"]


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
