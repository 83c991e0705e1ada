# SPDX-License-Identifier: MIT
"""Vectors that are broken in every way: each is a failed case that names its file, and the others are still
run.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.__main__ import main

GOOD_RLP = {"empty": {"in": "", "out": "0x80"}, "word": {"in": "dog", "out": "0x83646f67"}}
SIGN = "bls/sign/sign.json"
RLP = "mpt_rlp/ethereum_tests_RLPTests/rlp.json"

Run = Callable[..., tuple[int, dict[str, Any], str]]


def put(root: Path, name: str, content: bytes | str | object) -> None:
    """Write bytes or text as they are, everything else as JSON."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(content)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command over the vectors at tmp_path / "vectors": its exit code, report by folder, and what it
    printed.
    """

    def run_command(*arguments: str, root: Path | None = None) -> tuple[int, dict[str, Any], str]:
        monkeypatch.setenv("POSTROAD_VECTORS", str(root or tmp_path / "vectors"))
        report = tmp_path / "out" / "conformance.json"
        code = main(arguments, report)
        written = json.loads(report.read_text()) if report.exists() else {}
        printed = capsys.readouterr()
        return code, written.get("folders", {}), printed.out + printed.err

    return run_command


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    root = tmp_path / "vectors"
    put(root, "mpt_rlp/ethereum_tests_RLPTests/good.json", GOOD_RLP)
    return root


@pytest.mark.parametrize(
    ("name", "content", "failed"),
    [
        (RLP, "{ not JSON", "reading: JSONDecodeError: "),
        (RLP, b"\xff\xfe{}", "reading: UnicodeDecodeError: "),
        (RLP, [1, 2], "reading: AttributeError: "),
        (RLP, {"a case": {"in": "dog"}}, "rlp/a case: KeyError: 'out'"),
        (RLP, {"a case": {"in": {}, "out": 7}}, "rlp/a case: AttributeError: "),
        (RLP, {"a case": {"in": "\ud800", "out": "0x80"}}, "rlp/a case: UnicodeEncodeError: "),
        ("mpt_rlp/ethereum_tests_TrieTests/t.json", {"a": {"root": "0x", "in": 3}}, "t/a: TypeError: "),
        (
            "mpt_rlp/sepolia_union/valid_storage_proof_sepolia.json",
            {"accountProof": []},
            "reading: IndexError: ",
        ),
        ("mpt_rlp/optimism_headers_receipts/h/h_data.json", {}, "optimism_headers/h/h: FileNotFoundError: "),
        ("mpt_rlp/mainnet_21925176/block.json", {}, "mainnet/header hash: "),
        ("goquorum/qbft_headers.json", {"blocks": [{}]}, "qbft_headers[0]: HeaderRejected: "),
        (SIGN, "", "reading: JSONDecodeError: "),
        (SIGN, {"input": {}, "output": "0x"}, "sign/sign by pyblst: KeyError: 'privkey'"),
        ("interop_address/caip2_test_cases.json", ["text"], "caip2_test_cases.json[0]: AttributeError: "),
        (
            "poa_headers/qbft/header.json",
            {"kind": "qbft"},
            "qbft/header: hash, validators, seals, round: KeyError",
        ),
        ("beacon_spec/v9/minimal/altair/light_client/sync/s/c/meta.yaml", "", "reading: "),
        ("beacon_spec/v9/minimal/nofork/light_client/update_ranking/s/c/meta.yaml", "", "reading: "),
        (
            "beacon_spec/ssz_static_1.7.0a13/minimal/altair/LightClientUpdate/c/serialized.ssz_snappy",
            b"\x80\x01\xf0",
            "ssz_static/minimal/altair/LightClientUpdate/c: ",
        ),
        (
            "beacon_spec/ssz_static_1.7.0a13/minimal/altair/NoSuchObject/c/serialized.ssz_snappy",
            b"",
            "ssz_static/minimal/altair/NoSuchObject/c: AttributeError: ",
        ),
        ("beacon_updates/mainnet_bellatrix_713/other.json", {}, "reading: FileNotFoundError: found 0 files"),
        ("beacon_updates/mainnet_capella_862_864/bootstrap.json", [], "reading: ValueError: "),
        (
            "beacon_updates/mainnet_altair_290_321/0290.json",
            "{",
            "mainnet_altair_290_321/0290: JSONDecodeError: ",
        ),
    ],
)
def test_a_broken_file_is_a_failed_case_and_the_rest_is_run(
    vectors: Path, run: Run, name: str, content: object, failed: str
) -> None:
    put(vectors, name, content)
    code, folders, printed = run()
    assert code == 1
    folder = name.split("/", maxsplit=1)[0]
    failures = [f"{case}: {error}" for case, error in folders[folder]["failures"].items()]
    assert any(name.startswith(failure.split(": ")[0]) for failure in failures), failures
    assert any(failed in failure for failure in failures), failures
    assert re.search(rf"FAILED {folder}/.*{re.escape(failed)}", printed)
    assert folders["mpt_rlp"]["passed"] >= 2


def test_deep_nesting_does_not_end_the_process(vectors: Path, run: Run) -> None:
    put(vectors, RLP, "[" * 200_000)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # as py_ecc does, which the suite of BLS imports
    try:
        code, folders, _ = run()
    finally:
        sys.setrecursionlimit(limit)
    assert code == 1
    assert "RecursionError" in folders["mpt_rlp"]["failures"][f"{RLP}: reading"]
    assert folders["mpt_rlp"]["passed"] == 2


def test_one_broken_entry_of_a_file_does_not_hide_the_others(vectors: Path, run: Run) -> None:
    put(vectors, "interop_address/caip2_test_cases.json", [None, {"id": "eip155:1"}, {"id": 3}, {}])
    code, folders, _ = run()
    assert (code, folders["interop_address"]["passed"], folders["interop_address"]["failed"]) == (1, 1, 3)


def test_a_folder_where_a_file_is_expected_and_a_file_where_a_folder_is(vectors: Path, run: Run) -> None:
    (vectors / SIGN).mkdir(parents=True)
    put(vectors, "poa_headers", "a file")
    code, folders, _ = run()
    assert code == 1
    assert "IsADirectoryError" in folders["bls"]["failures"][f"{SIGN}: reading"]
    assert folders["poa_headers"]["failures"] == {
        "poa_headers: reading": "NotADirectoryError: found a file, expected a folder"
    }
    assert folders["mpt_rlp"]["passed"] == 2


def test_what_the_terminal_cannot_show_stops_nothing(vectors: Path, run: Run) -> None:
    put(vectors, RLP, {"a \ud800 case": {"in": "", "out": "0x81"}})
    (vectors / os.fsdecode(b"strange \xff folder")).mkdir()
    code, folders, printed = run()
    assert code == 1
    assert r"a \ud800 case" in printed
    assert folders["mpt_rlp"]["failed"] == 1


def test_a_part_of_the_vectors_is_enough(vectors: Path, run: Run) -> None:
    code, folders, printed = run("-v")
    assert code == 0
    assert folders == {
        "mpt_rlp": {
            "passed": 2,
            "skipped": 5,
            "failed": 0,
            "skips": {"not among these vectors": 5},
            "failures": {},
        }
    }
    assert "skipped 5: not among these vectors" in printed


def test_unread_folders_and_files_are_reported(vectors: Path, run: Run) -> None:
    put(vectors, "strange/a.json", {})
    put(vectors, "mpt_rlp/strange/b.json", {})
    code, folders, _ = run()
    assert code == 0
    assert folders["strange"]["skips"] == {"no suite reads this folder yet": 1}
    assert folders["mpt_rlp"]["skips"]["a file that the suite does not read"] == 1


@pytest.mark.parametrize("make", [lambda _: None, lambda path: path.write_text("a file")])
def test_no_folder_of_vectors_is_refused(tmp_path: Path, run: Run, make: Callable[[Path], None]) -> None:
    root = tmp_path / "absent"
    make(root)
    code, folders, printed = run(root=root)
    assert (code, folders) == (2, {})
    assert (
        f"at {root}, expected a folder of vectors: set POSTROAD_VECTORS to one. Nothing was checked."
        in printed
    )


def test_a_folder_without_anything_to_read_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "vectors").mkdir()
    code, folders, printed = run()
    assert (code, folders) == (2, {})
    assert (
        f"found no folder in {tmp_path / 'vectors'} that a suite reads, expected one of beacon_spec, "
        in printed
    )


def test_the_folder_of_one_suite_is_told_from_the_folder_of_all(vectors: Path, run: Run) -> None:
    code, _, printed = run(root=vectors / "mpt_rlp")
    assert code == 2
    assert "is itself one of these folders: name the one above it" in printed


def test_a_folder_that_was_asked_for_must_be_there(vectors: Path, run: Run) -> None:
    code, _, printed = run("mpt_rlp", "bls")
    assert code == 2
    assert f"no folder bls in {vectors}; it has mpt_rlp." in printed
    code, folders, _ = run("mpt_rlp")
    assert (code, list(folders)) == (0, ["mpt_rlp"])


def test_without_vectors_beside_the_checkout_nothing_is_checked_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("POSTROAD_VECTORS", raising=False)
    monkeypatch.setattr("tests.conformance.__main__.ROOT", tmp_path / "checkout")
    assert main([], tmp_path / "report.json") == 0
    assert "Nothing was checked." in capsys.readouterr().out
    assert main(["bls"], tmp_path / "report.json") == 2
