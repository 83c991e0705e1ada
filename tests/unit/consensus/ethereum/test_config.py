# SPDX-License-Identifier: MIT
"""Chains of consensus `ethereum` in the file: their own bootstrap, network and threshold, and how mistakes are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from light_clients.ethereum.config import MAINNET_CONFIG, MINIMAL, SEPOLIA_CONFIG, ForkName
from relayer import config
from relayer.config import (
    BootstrapConfig,
    Bytes32,
    CheckpointConfig,
    EndpointConfig,
    InvalidConfig,
    NetworkTable,
    network_of,
    params_of,
    setting_of,
)
from relayer.config.editing import save_endpoint

ROOT = "0x" + "77" * 32
VALIDATORS_ROOT = "0x" + "88" * 32
VALIDATOR = "0x" + "33" * 20

SEPOLIA = f"""\
[chains.eth]
chain = "eip155:11155111"
rpc = ["https://execution.example"]
beacon = ["https://user:hunter2@beacon.example/${{KEY}}"]
consensus = "ethereum"
gateway = "0x{"11" * 20}"
genesis_hash = "0x{"22" * 32}"
network = "sepolia"

[chains.eth.bootstrap]
root = "{ROOT}"
slot = 8203648
height = 8791234
"""

LOCAL = f"""\
[chains.eth]
chain = "eip155:41"
rpc = ["http://127.0.0.1:8545"]
beacon = ["http://127.0.0.1:5052"]
consensus = "ethereum"
threshold = 24

[chains.eth.network]
preset = "minimal"
genesis_time = 1700000000
genesis_validators_root = "{VALIDATORS_ROOT}"
slot_duration_ms = 1000
forks = [
    {{ name = "capella", epoch = 0, version = "0x03000001" }},
    {{ name = "deneb", epoch = 0, version = "0x04000001" }},
    {{ name = "electra", epoch = 4, version = "0x05000001" }},
]

[chains.eth.bootstrap]
root = "{ROOT}"
slot = 64
"""


def parse(text: str) -> config.Config:
    return config.parse(text, environment={"KEY": "s3cret"})


def test_a_known_network_needs_its_name_alone() -> None:
    chain = parse(SEPOLIA).chain("eth")
    assert chain.network == "sepolia"
    assert network_of(chain.network) == SEPOLIA_CONFIG
    assert chain.bootstrap == CheckpointConfig(root=Bytes32(b"\x77" * 32), slot=8203648, height=8791234)
    assert chain.threshold is None
    assert chain.beacon[0].reveal() == "https://user:hunter2@beacon.example/s3cret"
    assert parse(SEPOLIA).require_endpoint("eth").network == "sepolia"


def test_a_network_of_its_own_is_read_into_what_the_light_client_takes() -> None:
    chain = parse(LOCAL).chain("eth")
    assert isinstance(chain.network, NetworkTable)
    network = network_of(chain.network)
    assert network.preset == MINIMAL
    assert network.genesis_validators_root == b"\x88" * 32
    assert [(fork.name, fork.epoch, fork.version.hex()) for fork in network.forks] == [
        (ForkName.CAPELLA, 0, "03000001"),
        (ForkName.DENEB, 0, "04000001"),
        (ForkName.ELECTRA, 4, "05000001"),
    ]
    assert setting_of(network) == chain.network
    assert isinstance(chain.bootstrap, CheckpointConfig)
    assert chain.bootstrap.height == 1


def test_known_networks_are_told_by_the_root_that_signatures_are_bound_to() -> None:
    assert setting_of(MAINNET_CONFIG) == "mainnet"
    assert setting_of(SEPOLIA_CONFIG) == "sepolia"
    other = replace(MAINNET_CONFIG, genesis_validators_root=b"\x01" * 32)
    assert isinstance(setting_of(other), NetworkTable)
    assert network_of(setting_of(other)) == other


def test_without_a_threshold_two_thirds_must_sign() -> None:
    for network, least in ((SEPOLIA_CONFIG, 342), (replace(SEPOLIA_CONFIG, preset=MINIMAL), 22)):
        assert params_of(network, None, 60, 30).threshold == least
        assert params_of(network, least + 1, 60, 30).threshold == least + 1


def test_the_beacon_apis_credentials_are_shown_nowhere() -> None:
    read = parse(SEPOLIA)
    for secret in ("hunter2", "s3cret", "user"):
        assert secret not in repr(read) + str(read.chain("eth").beacon[0])


MISTAKES = [
    # One consensus' keys in the other's tables
    (
        SEPOLIA,
        "slot = 8203648",
        f'validators = ["{VALIDATOR}"]',
        "postroad.toml:12: chains.eth.bootstrap.validators",
        ["'validators', a key of the bootstrap of another consensus", "root, slot", "chains.eth.consensus"],
    ),
    (
        SEPOLIA,
        '"ethereum"',
        '"qbft"',
        "postroad.toml:11: chains.eth.bootstrap.root",
        ["'root', a key of the bootstrap of another consensus", "height, timestamp, validators"],
    ),
    (
        LOCAL[: LOCAL.index("[chains.eth.boo")],
        '"ethereum"',
        '"qbft"',
        "chains.eth.beacon",
        ["only a beacon chain"],
    ),
    # What is missing or can't be
    (SEPOLIA, "beacon = [", "# beacon = [", "chains.eth", ["no 'beacon'", 'beacon = ["https://..."]']),
    (SEPOLIA, "https://user", "ftp://user", "chains.eth.beacon", ["ftp://", "http:// or https://"]),
    (SEPOLIA, '"https://user', '"user', "chains.eth.beacon", ["(not shown)", "a URL such as"]),
    (
        SEPOLIA,
        '"sepolia"',
        '"holesky"',
        "chains.eth.network",
        ["'holesky'", "mainnet, sepolia", "[chains.NAME.network]"],
    ),
    (SEPOLIA, '"sepolia"', "7", "chains.eth.network", ["found 7"]),
    (SEPOLIA, ROOT, VALIDATOR, "chains.eth.bootstrap.root", ["32 bytes of hex"]),
    (SEPOLIA, "slot = 8203648", "slot = -1", "chains.eth.bootstrap.slot", [">= 0"]),
    (SEPOLIA, "slot = 8203648", "slots = 1", "chains.eth.bootstrap.slots", ["Did you mean 'slot'"]),
    # The threshold
    (LOCAL, "threshold = 24", "threshold = 21", "chains.eth.threshold", ["found 21", "22 to 32 of 32"]),
    (LOCAL, "threshold = 24", "threshold = 33", "chains.eth.threshold", ["found 33", "22 to 32 of 32"]),
    (LOCAL, "threshold = 24", "trusting_period_s = 4294967296", "chains.eth", ["4294967296", "below 2³²"]),
    # A network of its own
    (LOCAL, '"minimal"', '"minimum"', "chains.eth.network.preset", ["'minimum'", "mainnet, minimal"]),
    (LOCAL, '"deneb"', '"dencun"', "chains.eth.network.forks", ["'dencun'", "capella, deneb, electra"]),
    (LOCAL, "epoch = 4", "epoch = -4", "chains.eth.network.forks", [">= 0"]),
    (LOCAL, "0x04000001", "0x0400000", "chains.eth.network.forks", ["4 bytes of hex"]),
    (LOCAL, "0x04000001", "0x03000001", "chains.eth.network.forks", ["a fork version twice"]),
    (
        LOCAL,
        '"deneb", epoch = 0',
        '"deneb", epoch = 5',
        "chains.eth.network.forks",
        ["electra at epoch 4 after deneb at 5"],
    ),
    (LOCAL, '"deneb"', '"fulu"', "chains.eth.network.forks", ["electra at epoch 4 after fulu"]),
    (LOCAL, VALIDATORS_ROOT, "0x" + "00" * 32, "genesis_validators_root", ["found zero"]),
    (LOCAL, "genesis_time", "genesis_tme", "chains.eth.network.genesis_tme", ["'genesis_time'"]),
]


@pytest.mark.parametrize(("text", "before", "after", "where", "words"), MISTAKES)
def test_a_mistake_is_told_with_its_place(
    text: str, before: str, after: str, where: str, words: list[str]
) -> None:
    assert before in text
    with pytest.raises(InvalidConfig) as caught:
        parse(text.replace(before, after))
    told = str(caught.value) + caught.value.advice
    assert where in told
    for word in words:
        assert word in told
    assert "hunter2" not in told


def test_without_a_network_the_endpoint_is_not_complete() -> None:
    text = SEPOLIA.replace('network = "sepolia"\n', "")
    assert parse(text).chain("eth").missing == ("network",)
    with pytest.raises(InvalidConfig, match="no network") as caught:
        parse(text).require_endpoint("eth")
    assert "the beacon chain's network" in caught.value.expected


# --- what a deployment writes --------------------------------------------------------------------------------------


def test_an_endpoint_is_written_into_the_file_with_its_network_and_checkpoint(tmp_path: Path) -> None:
    whole = parse(LOCAL).chain("eth")
    assert whole.bootstrap is not None
    path = tmp_path / "postroad.toml"
    path.write_text(
        LOCAL[: LOCAL.index("[chains.eth.network]")]
        + "# A remark.\n[chains.b]\n"
        + """\
chain = "eip155:42"
rpc = ["http://127.0.0.1:8546"]
consensus = "qbft"
"""
    )
    found = EndpointConfig(
        gateway=b"\x11" * 20, genesis_hash=b"\x22" * 32, bootstrap=whole.bootstrap, network=whole.network
    )
    read = save_endpoint(path, "eth", found)
    assert read.require_endpoint("eth") == found
    assert read.chain("eth").missing == ()
    assert "# A remark." in path.read_text()
    # What is there stays: it is what the operator chose to trust.
    other = CheckpointConfig(root=Bytes32(b"\x01" * 32), slot=1)
    again = EndpointConfig(
        gateway=found.gateway, genesis_hash=found.genesis_hash, bootstrap=other, network="mainnet"
    )
    assert save_endpoint(path, "eth", again).require_endpoint("eth") == found


def test_a_known_network_is_written_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    text = SEPOLIA[: SEPOLIA.index("gateway")].replace("${KEY}", "")
    path.write_text(text)
    bootstrap = CheckpointConfig(root=Bytes32(b"\x77" * 32), slot=5, height=4)
    found = EndpointConfig(
        gateway=b"\x11" * 20, genesis_hash=b"\x22" * 32, bootstrap=bootstrap, network="sepolia"
    )
    assert save_endpoint(path, "eth", found).require_endpoint("eth") == found
    assert 'network = "sepolia"' in path.read_text()
    assert 'network = "sepolia"' in config.render_endpoint("eth", found)


def test_a_bft_bootstrap_needs_no_kind() -> None:
    """Files that were written before there was another consensus stay valid."""
    text = f"""\
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:8545"]
consensus = "qbft"
bootstrap = {{ height = 17, timestamp = 1700000000, validators = ["{VALIDATOR}"] }}
"""
    assert isinstance(parse(text).chain("court").bootstrap, BootstrapConfig)
    for kind in ("validators", "checkpoint"):
        with pytest.raises(InvalidConfig, match="the unknown key 'kind'"):
            parse(text.replace("{ height", f'{{ kind = "{kind}", height'))
