# SPDX-License-Identifier: MIT
"""The real commands over a proof-of-stake chain joined with a BFT one: checks, lists,
clients, init, doctor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relayer import config as configuration
from relayer.cli.exit_codes import ExitCode
from relayer.consensus.ethereum.config import EthereumConfig, NetworkTable

TIMEOUT_S = 120
CHAINS = "eth=ethereum@0.3,court=bft:4@0.3"


@dataclass
class Place:
    """A folder in which commands run, with a joined network in `net`."""

    folder: Path

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "relayer.cli", *words],
            cwd=self.folder,
            env=os.environ | {"POSTROAD_CONFIG": "net/postroad.toml"},
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

    @property
    def config(self) -> configuration.Config:
        return configuration.load(self.folder / "net" / "postroad.toml")

    def url(self, name: str) -> str:
        return self.config.chain(name).rpc[0].reveal()

    @property
    def beacon(self) -> str:
        return ethereum_of(self.config).beacon_urls[0]


def ethereum_of(config: configuration.Config) -> EthereumConfig:
    consensus = config.chain("eth").consensus
    assert isinstance(consensus, EthereumConfig)
    return consensus


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("ethereum"))
    place.run("devnet", "up", "--chains", CHAINS, "--dir", "net")
    yield place
    assert place.json("devnet", "down", "--dir", "net")["stopped"] is True


def test_what_devnet_wrote_is_complete_and_checked(place: Place) -> None:
    chain = place.config.chain("eth")
    assert chain.consensus.kind == "ethereum"
    assert isinstance(ethereum_of(place.config).network, NetworkTable)
    assert chain.missing == ()
    checked = place.json("endpoint", "check")
    assert checked["ok"] is True
    assert {finding["severity"] for finding in checked["findings"]} == {"ok"}
    assert any("22 of 32 must sign" in finding["found"] for finding in checked["findings"])


def test_lists_show_what_kind_of_client_it_is(place: Place) -> None:
    listed = {item["chain"]: item for item in place.json("endpoint", "list")}
    (of_eth,) = listed["court"]["remotes"]
    assert (of_eth["kind"], of_eth["status"]) == ("EthereumLightClient", "active")
    assert (of_eth["details"]["threshold"], of_eth["details"]["committee_size"]) == (22, 32)
    (of_court,) = listed["eth"]["remotes"]
    assert (of_court["kind"], of_court["details"]["protocol"]) == ("BftLightClient", "qbft")


def test_clients_are_shown_and_updated_by_hand(place: Place) -> None:
    def slot_on_court() -> int:
        shown = {(item["source"], item["destination"]): item for item in place.json("client", "status")}
        assert {item["consensus"] for item in shown.values()} == {"ethereum", "bft"}
        of_eth = shown["eth", "court"]
        assert (of_eth["status"], of_eth["error"], of_eth["current"]) == ("active", None, True)
        assert isinstance(of_eth["height"], int)
        return int(of_eth["height"])

    before = slot_on_court()
    updated = place.json("client", "update", "eth", "court")
    assert len(updated["updates"]) == 1
    assert slot_on_court() > before
    assert "sync committee of today" in place.run("client", "status").stdout


def test_checks_ask_the_beacon_api(place: Place) -> None:
    findings = place.json("config", "check", "--live")["findings"]
    asked = [finding for finding in findings if finding["subject"] == f"eth at {place.beacon}"]
    assert [finding["severity"] for finding in asked] == ["ok"]
    assert "finalized" in asked[0]["found"]
    told = place.json("doctor")
    assert any(finding["subject"] == f"eth at {place.beacon}" for finding in told["findings"])
    # One that is down, and one that is no Beacon API.
    text = (place.folder / "net" / "postroad.toml").read_text()
    wrong = place.folder / "net" / "wrong.toml"
    for url in ("http://127.0.0.1:9", place.url("eth")):
        wrong.write_text(text.replace(f'beacon = ["{place.beacon}"]', f'beacon = ["{url}"]'))
        findings = place.json("config", "check", "--live", "-c", "net/wrong.toml", code=ExitCode.PROBLEM)[
            "findings"
        ]
        (asked_wrong,) = [
            finding
            for finding in findings
            if finding["subject"] == f"eth at {url}" and finding["severity"] == "refusal"
        ]
        assert "consensus client" in asked_wrong["advice"]


def test_init_detects_the_consensus_and_reads_the_network(place: Place) -> None:
    words = ["init", "-c", "detected.toml", "--chain", f"eth={place.url('eth')},beacon={place.beacon}"]
    written = place.json(*words, "--chain", f"court={place.url('court')}")
    of_eth, of_court = (chain["consensus"] for chain in written["chains"])
    assert of_court == {"kind": "bft", "protocol": "qbft"}
    assert (of_eth["kind"], of_eth["beacon"]) == ("ethereum", [place.beacon])
    assert of_eth["network"]["preset"] == "minimal"
    found = configuration.load(place.folder / "detected.toml")
    assert ethereum_of(found).network == ethereum_of(place.config).network
    assert ethereum_of(found).beacon_urls == [place.beacon]
    assert found.chain("eth").genesis_hash == place.config.chain("eth").genesis_hash
    shown = place.run(*words, "--force").stdout
    assert "compare chains.eth.consensus.network" in shown


def test_init_asks_for_the_beacon_api_of_a_proof_of_stake_chain(place: Place) -> None:
    for consensus in ("", "ethereum,"):
        done = place.run(
            "init", "-c", "none.toml", "--chain", f"eth={consensus}{place.url('eth')}", code=ExitCode.USAGE
        )
        assert "beacon=https://" in done.stderr
    assert not (place.folder / "none.toml").exists()


def test_a_dry_run_shows_the_checkpoint_to_compare(place: Place) -> None:
    """What is missing in the file is read, shown, and not written by a dry run."""
    kept = [
        line
        for line in (place.folder / "net" / "postroad.toml").read_text().split("\n\n")
        if not line.startswith(("[chains.eth.consensus.network]", "[chains.eth.consensus.bootstrap]"))
    ]
    text = "\n\n".join(kept) + '\n\n[endpoints]\nmanifest = "fresh.json"\n'
    lines = [line for line in text.splitlines() if not line.startswith(("gateway", "genesis_hash"))]
    path = place.folder / "net" / "fresh.toml"
    path.write_text("\n".join(lines) + "\n")
    before = path.read_text()
    shown = place.run("endpoint", "deploy", "--dry-run", "-c", "net/fresh.toml").stdout
    assert "trust in eth begins with the finalized block of slot" in shown
    assert "two independent sources" in shown
    assert "a light client of eth" in shown
    assert path.read_text() == before
