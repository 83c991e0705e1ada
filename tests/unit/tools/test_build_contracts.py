# SPDX-License-Identifier: MIT
"""What the build of contracts keeps of the compiler's output, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tools import build_contracts

ROOT = Path(__file__).resolve().parents[3]


def test_layout_loses_the_ids_that_move_with_other_files() -> None:
    layout = {
        "storage": [{"astId": 12, "label": "m", "type": "t_mapping(t_bytes32,t_struct(Lane)34_storage)"}],
        "types": {"t_mapping(t_bytes32,t_struct(Lane)34_storage)": {"value": "t_struct(Lane)34_storage"}},
    }
    plain = build_contracts.plain_layout(layout)
    assert plain["storage"] == [{"label": "m", "type": "t_mapping(t_bytes32,t_struct(Lane)_storage)"}]
    assert plain["types"] == {
        "t_mapping(t_bytes32,t_struct(Lane)_storage)": {"value": "t_struct(Lane)_storage"}
    }


def test_contract_over_the_size_limit_is_refused() -> None:
    code = {"object": "0x" + "00" * (build_contracts.MAX_CODE_BYTES + 1)}
    with pytest.raises(build_contracts.BuildError, match="found 24577 bytes, expected at most 24576"):
        build_contracts.to_artifact(
            "Gateway", "src/Gateway.sol", {"bytecode": code, "deployedBytecode": code}
        )


class TestSources:
    """What may ship is found in the tree; what does ship, the compiler says."""

    @pytest.fixture
    def solidity(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(build_contracts, "SOLIDITY", tmp_path)
        monkeypatch.setattr(build_contracts, "NAMED", {"Gateway": "src/Gateway.sol"})
        for name in (
            "Gateway.sol",
            "Inbox.sol",
            "light_clients/shared/LightClient.sol",
            "light_clients/one/OneLightClient.sol",
            "light_clients/one/OneHeader.sol",
            "light_clients/two/TwoLightClient.sol",
            "apps/Post.sol",
            "apps/Recipient.sol",
        ):
            path = tmp_path / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        return tmp_path

    def test_light_clients_and_applications_need_no_list(self, solidity: Path) -> None:
        assert build_contracts.find_sources() == {
            "Gateway": "src/Gateway.sol",
            "OneLightClient": "src/light_clients/one/OneLightClient.sol",
            "TwoLightClient": "src/light_clients/two/TwoLightClient.sol",
            "Post": "src/apps/Post.sol",
            "Recipient": "src/apps/Recipient.sol",
        }

    def test_two_contracts_of_one_name_are_refused(self, solidity: Path) -> None:
        (solidity / "src" / "light_clients" / "two" / "OneLightClient.sol").write_text("")
        with pytest.raises(build_contracts.BuildError, match="two contracts are named OneLightClient"):
            build_contracts.find_sources()

    @pytest.mark.parametrize("name", ["Post", "OneLightClient"])
    def test_no_code_is_right_for_an_application_to_inherit_from_alone(self, name: str) -> None:
        source = {"Post": "src/apps/Post.sol"}.get(name, "src/light_clients/one/OneLightClient.sol")
        built = {"bytecode": {"object": "0x"}, "deployedBytecode": {"object": "0x"}}
        assert build_contracts.is_abstract_app(source, built) == (name == "Post")
        with pytest.raises(build_contracts.BuildError, match="has no code: it is abstract or an interface"):
            build_contracts.to_artifact(name, source, built)

    def test_file_without_its_contract_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            build_contracts.BuildError, match=r"src/apps/Post\.sol has no contract named Post"
        ):
            build_contracts.read_built(tmp_path, "Post", "src/apps/Post.sol")


class TestStaleness:
    """`make artifacts-check` without a compiler."""

    @pytest.fixture
    def tree(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        solidity, target = tmp_path / "solidity", tmp_path / "relayer" / "contracts"
        (solidity / "src").mkdir(parents=True)
        target.mkdir(parents=True)
        (tmp_path / "tools").mkdir()
        shutil.copy(ROOT / "tools" / "package.json", tmp_path / "tools")
        for name in ("foundry.toml", "package-lock.json"):
            shutil.copy(build_contracts.SOLIDITY / name, solidity)
        (solidity / "src" / "One.sol").write_text(
            'import {\n  Two\n} from "./Two.sol";\ncontract One is Two {}\n'
        )
        (solidity / "src" / "Two.sol").write_text("contract Two {}\n")
        (solidity / "src" / "Unrelated.sol").write_text("contract Unrelated {}\n")
        monkeypatch.setattr(build_contracts, "ROOT", tmp_path)
        monkeypatch.setattr(build_contracts, "SOLIDITY", solidity)
        monkeypatch.setattr(build_contracts, "TARGET", target)
        monkeypatch.setattr(build_contracts, "NAMED", {"One": "src/One.sol"})
        files = {"One.json": build_contracts.to_text({"deployedBytecode": "0x00"})}
        build_contracts.write(
            files | {build_contracts.MANIFEST: build_contracts.to_text(build_contracts.to_manifest(files))}
        )
        build_contracts.check_hashes()
        return tmp_path

    @pytest.mark.parametrize(
        "name", ["solidity/src/One.sol", "solidity/src/Two.sol", "solidity/package-lock.json"]
    )
    def test_any_input_counts(self, tree: Path, name: str) -> None:
        with (tree / name).open("a") as file:
            file.write("\n")
        with pytest.raises(build_contracts.BuildError, match="stale"):
            build_contracts.check_hashes()

    def test_what_changes_no_byte_does_not_count(self, tree: Path) -> None:
        settings = tree / "solidity" / "foundry.toml"
        settings.write_text(
            settings.read_text().replace("gas_snapshot_emit = true", "gas_snapshot_emit = false")
        )
        (tree / "solidity" / "src" / "Unrelated.sol").write_text("contract Renamed {}\n")
        build_contracts.check_hashes()

    def test_edited_artifact_is_found(self, tree: Path) -> None:
        path = tree / "relayer" / "contracts" / "One.json"
        path.write_text(json.dumps({"deployedBytecode": "0x01"}))
        with pytest.raises(build_contracts.BuildError, match=r"not what the manifest lists: One\.json"):
            build_contracts.check_hashes()

    def test_extra_artifact_is_found(self, tree: Path) -> None:
        (tree / "relayer" / "contracts" / "Gone.json").write_text("{}")
        with pytest.raises(build_contracts.BuildError, match=r"Gone\.json"):
            build_contracts.check_hashes()

    def test_writing_removes_what_no_longer_ships(self, tree: Path) -> None:
        """So a file of an earlier layout is gone after `make artifacts`."""
        target = tree / "relayer" / "contracts"
        files = {"cancun/One.json": build_contracts.to_text({"deployedBytecode": "0x00"})}
        files[build_contracts.MANIFEST] = build_contracts.to_text(build_contracts.to_manifest(files))
        build_contracts.write(files)
        assert [*build_contracts.artifact_files()] == ["cancun/One.json"]
        assert not (target / "One.json").exists()
        build_contracts.check_hashes()

    def test_no_manifest_says_what_to_run(self, tree: Path) -> None:
        (tree / "relayer" / "contracts" / build_contracts.MANIFEST).unlink()
        with pytest.raises(build_contracts.BuildError, match="make artifacts"):
            build_contracts.check_hashes()
