# SPDX-License-Identifier: MIT
"""A kind of consensus as a plug-in of its own: everything works with it,
and no line was changed elsewhere for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from relayer.cli.exit_codes import ExitCode
from tests.support.plugin import InstalledPlugin, install_plugin

TIMEOUT_S = 150
CHAINS = "alone=solo@0.3,court=bft:4@0.3"


@dataclass
class Place:
    """A folder in which commands run that find the plug-in, with a joined network in `net`."""

    folder: Path
    plugin: InstalledPlugin
    postboxes: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, code: int = 0, has_plugin: bool = True) -> subprocess.CompletedProcess[str]:
        environment = dict(self.plugin.environment)
        if not has_plugin:
            del environment["PYTHONPATH"]
        done = subprocess.run(
            [sys.executable, "-m", "relayer.cli", *words],
            cwd=self.folder,
            env=environment | {"POSTROAD_CONFIG": "net/postroad.toml"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> InstalledPlugin:
    return install_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, plugin: InstalledPlugin) -> Iterator[Place]:
    """Chains started, endpoints deployed on both, both light clients in place."""
    place = Place(tmp_path_factory.mktemp("solo"), plugin)
    told = place.json("devnet", "up", "--chains", CHAINS, "--dir", "net")
    place.postboxes |= {chain["name"]: chain["postbox"] for chain in told["chains"]}
    yield place
    assert place.json("devnet", "down", "--dir", "net")["stopped"] is True


def test_it_is_configured_and_checked(place: Place) -> None:
    text = (place.folder / "net" / "postroad.toml").read_text()
    assert '[chains.alone.consensus]\nkind = "solo"' in text
    assert "[chains.alone.consensus.bootstrap]" in text
    findings = place.json("endpoint", "check")["findings"]
    assert {finding["severity"] for finding in findings} == {"ok"}
    assert any("follows the key" in finding["found"] for finding in findings)
    proven = "proven by a state proof, under a header that holders of the key signed"
    assert any(proven in finding["found"] for finding in findings)
    checked = place.json("config", "check", "--live")["findings"]
    assert any(finding["subject"].startswith("alone at ") for finding in checked)


def test_a_wrong_bootstrap_is_told_with_its_place(place: Place) -> None:
    text = (place.folder / "net" / "postroad.toml").read_text()
    signer = next(line for line in text.splitlines() if line.startswith("signer = "))
    wrong = place.folder / "net" / "wrong.toml"
    wrong.write_text(text.replace(signer, f'signer = "0x{"00" * 20}"'))
    said = place.run("config", "check", "-c", "net/wrong.toml", code=ExitCode.CONFIG).stderr
    assert "chains.alone.consensus.bootstrap.signer: found zero" in said


def test_its_client_is_shown(place: Place) -> None:
    shown = {(one["source"], one["destination"]): one for one in place.json("client", "status")}
    of_alone = shown["alone", "court"]
    assert (of_alone["status"], of_alone["error"], of_alone["current"]) == ("active", None, True)
    assert "holders of the key" in place.run("client", "status").stdout
    listed = {one["chain"]: one for one in place.json("endpoint", "list")}
    (remote,) = listed["court"]["remotes"]
    assert remote["kind"] == "SoloLightClient"
    assert len(remote["details"]["signer"]) == 42


def test_init_recognises_its_blocks(place: Place) -> None:
    network = json.loads((place.folder / "net" / "network.json").read_text())
    url = next(chain["http_url"] for chain in network["chains"] if chain["name"] == "alone")
    written = place.json("init", "--chain", f"alone={url}", "-c", "net/new.toml")
    assert [chain["consensus"]["kind"] for chain in written["chains"]] == ["solo"]


def test_messages_are_delivered_both_ways(place: Place, plugin: InstalledPlugin) -> None:
    """INV-1, INV-5: over the plug-in's own light client, on chain and off."""
    relayer = subprocess.Popen(
        [sys.executable, "-m", "relayer.cli", "run"],
        cwd=place.folder,
        env=plugin.environment | {"POSTROAD_CONFIG": "net/postroad.toml"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for source, destination in (("alone", "court"), ("court", "alone")):
            box = place.postboxes[destination]
            words = ("send", source, destination, "--to", box, "--text", "by one key", "--wait")
            receipt = place.json(*words)
            assert receipt["receipt"]["height"] >= 1
    finally:
        relayer.terminate()
        assert relayer.wait(timeout=30) == 0


def test_the_demo_explains_it(place: Place) -> None:
    words = ("demo", "--chains", "a=solo@0.5,b=bft:4@0.5", "--messages", "1", "--batch", "3")
    told = place.json(*words)
    assert told["ok"] is True
    assert len(told["messages"]) == 2
    # Every forgery is refused by Python and by Solidity alike (INV-8).
    names = {forgery["name"] for forgery in told["forgeries"]}
    assert "a header that another key signed" in names
    assert all(forgery["python"] and forgery["solidity"] for forgery in told["forgeries"])
    shown = place.run(*words, "--plain").stdout
    assert "why that state root is to be believed (solo)" in shown
    assert "is the trusted key" in shown


def test_without_it_the_kind_is_unknown(place: Place) -> None:
    said = place.run("config", "check", code=ExitCode.CONFIG, has_plugin=False).stderr
    assert "found the kind 'solo'" in said
    assert "Install the distribution that offers it" in said
