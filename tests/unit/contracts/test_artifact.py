# SPDX-License-Identifier: MIT
"""Shipped contracts: found by name, recognized by code, called by signature."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from light_clients.hashing import keccak256
from relayer import contracts, plugins
from relayer.contracts import Build, UnknownContract, best_build, load, load_builds, names, recognise


def test_a_contract_that_does_not_ship_is_told() -> None:
    with pytest.raises(UnknownContract, match="Doorbel"):
        load("Doorbel")
    with pytest.raises(UnknownContract, match="has no function"):
        load("Gateway").encode_call("registerRemotes")


@pytest.mark.parametrize("build", Build)
@pytest.mark.parametrize("name", ["Gateway", "BftLightClient", "AccessManager"])
def test_code_is_recognized_whatever_its_immutables_hold_and_nothing_else_is(name: str, build: Build) -> None:
    artifact = load(name, build)
    code = bytearray(artifact.runtime_code)
    for start, length in artifact.immutables:
        code[start : start + length] = b"\x77" * length
    assert recognise(name, bytes(code)) is build
    code[10] ^= 1
    for wrong in (bytes(code), bytes(code[:-1]), b""):
        assert not artifact.is_runtime(wrong)
        assert recognise(name, wrong) is None


def test_a_contract_is_found_in_the_build_that_is_asked_for() -> None:
    assert [*load_builds("Gateway")] == [Build.CANCUN, Build.BASELINE]
    assert load("Gateway") is load("Gateway", Build.CANCUN)
    assert load("Gateway", Build.BASELINE).build is Build.BASELINE
    with pytest.raises(UnknownContract, match="EthereumLightClient ships without a baseline build"):
        load("EthereumLightClient", Build.BASELINE)


def test_the_best_build_is_the_newest_that_a_chain_runs() -> None:
    assert [best_build("Gateway", rules) for rules in Build] == [Build.CANCUN, Build.BASELINE]
    assert [best_build("EthereumLightClient", rules) for rules in Build] == [Build.CANCUN, None]


def test_another_distribution_offers_builds_in_folders_and_cancuns_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, shipped = tmp_path / "offered", Path(contracts.__file__).parent
    (package / "baseline").mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(shipped / "cancun" / "Postbox.json", package / "Offered.json")
    shutil.copy(shipped / "baseline" / "Postbox.json", package / "baseline" / "Offered.json")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plugins, "values", lambda _: ("offered",))
    for build in Build:
        assert load("Offered", build).runtime_code == load("Postbox", build).runtime_code


def test_init_code_becomes_that_of_another_build_with_the_same_arguments() -> None:
    arguments = ("0x" + "11" * 20, b"\x22" * 32)
    for build in Build:
        for other in Build:
            creation = load("Gateway", other).encode_creation(*arguments)
            assert load("Gateway", build).rebuild(creation) == load("Gateway", build).encode_creation(
                *arguments
            )
    with pytest.raises(UnknownContract, match="not Gateway's"):
        load("Gateway").rebuild(load("AccessManager").encode_creation(arguments[0]))


@pytest.mark.parametrize("name", [name for name in names() if len(load_builds(name)) > 1])
def test_builds_of_a_contract_have_one_abi_and_one_storage_layout(name: str) -> None:
    """Who calls a contract or proves a word of its storage need not know which build it is."""
    folder = Path(contracts.__file__).parent
    files = [json.loads((folder / build.value / f"{name}.json").read_bytes()) for build in load_builds(name)]
    first = files[0]
    for file in files[1:]:
        assert file["abi"] == first["abi"]
        assert file["storageLayout"] == first["storageLayout"]
        assert file["sourceName"] == first["sourceName"]
        assert file["bytecode"] != first["bytecode"]


@pytest.mark.parametrize("build", Build)
def test_no_contract_is_larger_than_a_chain_takes(build: Build) -> None:
    """EIP-170 for what it leaves, EIP-3860 for what it is made by."""
    for name in names():
        if build in load_builds(name):
            artifact = load(name, build)
            assert 0 < len(artifact.runtime_code) <= 24_576
            assert len(artifact.creation_code) <= 49_152


def test_selectors_are_those_of_the_signatures() -> None:
    expected = keccak256(b"registerRemote(bytes,bytes32,address,(uint32,uint32,uint32))")[:4]
    assert load("Gateway").selector("registerRemote") == expected
    assert json.dumps(sorted(load("Gateway").functions)).count("registerRemote") == 1


def test_a_call_is_read_back_by_name_and_what_is_no_call_of_the_contract_is_none() -> None:
    manager = load("AccessManager")
    account = "0x" + "11" * 20
    data = manager.encode_call("grantRole", 1, account, 60)
    assert manager.decode_call(data) == ("grantRole", {"roleId": 1, "account": account, "executionDelay": 60})
    assert manager.decode_call(data[:-1]) is None
    assert load("Gateway").decode_call(data) is None
    assert manager.decode_call(b"") is None
