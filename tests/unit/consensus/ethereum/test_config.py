# SPDX-License-Identifier: MIT
"""The table `[chains.NAME.consensus]` of kind `ethereum`: network, threshold, checkpoint,
and how mistakes are told.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from light_clients.ethereum.config import MAINNET_CONFIG, MINIMAL, SEPOLIA_CONFIG, ForkName
from relayer import config
from relayer.config import Bytes32, ChainConfig, EndpointConfig, InvalidConfig, SecretUrl
from relayer.config.editing import save_endpoint
from relayer.consensus.ethereum.config import (
    CheckpointConfig,
    EthereumConfig,
    NetworkTable,
    network_of,
    setting_of,
)

ROOT = "0x" + "77" * 32
VALIDATORS_ROOT = "0x" + "88" * 32
VALIDATOR = "0x" + "33" * 20

SEPOLIA = f"""\
[chains.eth]
chain = "eip155:11155111"
rpc = ["https://execution.example"]
gateway = "0x{"11" * 20}"
genesis_hash = "0x{"22" * 32}"

[chains.eth.consensus]
kind = "ethereum"
beacon = ["https://user:hunter2@beacon.example/${{KEY}}"]
network = "sepolia"

[chains.eth.consensus.bootstrap]
root = "{ROOT}"
slot = 8203648
height = 8791234
"""

LOCAL = f"""\
[chains.eth]
chain = "eip155:41"
rpc = ["http://127.0.0.1:8545"]

[chains.eth.consensus]
kind = "ethereum"
beacon = ["http://127.0.0.1:5052"]
threshold = 24

[chains.eth.consensus.network]
preset = "minimal"
genesis_time = 1700000000
genesis_validators_root = "{VALIDATORS_ROOT}"
slot_duration_ms = 1000
forks = [
    {{ name = "capella", epoch = 0, version = "0x03000001" }},
    {{ name = "deneb", epoch = 0, version = "0x04000001" }},
    {{ name = "electra", epoch = 4, version = "0x05000001" }},
]

[chains.eth.consensus.bootstrap]
root = "{ROOT}"
slot = 64
"""


def parse(text: str) -> config.Config:
    return config.parse(text, environment={"KEY": "s3cret"})


def consensus_of(chain: ChainConfig) -> EthereumConfig:
    assert isinstance(chain.consensus, EthereumConfig)
    return chain.consensus


def consensus_in(text: str) -> EthereumConfig:
    return consensus_of(parse(text).chain("eth"))


def test_a_known_network_needs_its_name_alone() -> None:
    consensus = consensus_in(SEPOLIA)
    assert consensus.network == "sepolia"
    assert consensus.rules() == network_of("sepolia") == SEPOLIA_CONFIG
    assert consensus.bootstrap == CheckpointConfig(root=Bytes32(b"\x77" * 32), slot=8203648, height=8791234)
    assert consensus.threshold is None
    assert consensus.beacon_urls == ["https://user:hunter2@beacon.example/s3cret"]
    assert (consensus.missing, consensus.first_height) == ((), 8791234)
    assert parse(SEPOLIA).require_endpoint("eth").consensus == consensus


def test_a_network_of_its_own_is_read_into_what_the_light_client_takes() -> None:
    consensus = consensus_in(LOCAL)
    assert isinstance(consensus.network, NetworkTable)
    network = network_of(consensus.network)
    assert network.preset == MINIMAL
    assert network.genesis_validators_root == b"\x88" * 32
    assert [(fork.name, fork.epoch, fork.version.hex()) for fork in network.forks] == [
        (ForkName.CAPELLA, 0, "03000001"),
        (ForkName.DENEB, 0, "04000001"),
        (ForkName.ELECTRA, 4, "05000001"),
    ]
    assert setting_of(network) == consensus.network
    assert consensus.first_height == 1


def test_known_networks_are_told_by_the_root_that_signatures_are_bound_to() -> None:
    assert setting_of(MAINNET_CONFIG) == "mainnet"
    assert setting_of(SEPOLIA_CONFIG) == "sepolia"
    other = replace(MAINNET_CONFIG, genesis_validators_root=b"\x01" * 32)
    assert isinstance(setting_of(other), NetworkTable)
    assert network_of(setting_of(other)) == other


def test_without_a_threshold_two_thirds_must_sign() -> None:
    for text, least in ((SEPOLIA, 342), (LOCAL.replace("threshold = 24\n", ""), 22)):
        chain = parse(text).chain("eth")
        assert consensus_of(chain).params(chain).threshold == least
        more = parse(text.replace('kind = "ethereum"', f'kind = "ethereum"\nthreshold = {least + 1}')).chain(
            "eth"
        )
        assert consensus_of(more).params(more).threshold == least + 1


def test_what_light_clients_are_deployed_with_has_the_chains_periods_too() -> None:
    chain = parse(
        SEPOLIA.replace("[chains.eth.consensus]", "trusting_period_s = 77\n\n[chains.eth.consensus]")
    ).chain("eth")
    params = consensus_of(chain).params(chain)
    assert (params.trusting_period_s, params.max_clock_drift_s) == (77, 30)
    assert params.genesis_validators_root == SEPOLIA_CONFIG.genesis_validators_root


def test_the_beacon_apis_credentials_are_shown_nowhere() -> None:
    read = parse(SEPOLIA)
    for secret in ("hunter2", "s3cret", "user"):
        assert secret not in repr(read) + str(consensus_in(SEPOLIA).beacon[0])


MISTAKES = [
    # One kind's keys in the other's tables
    (
        SEPOLIA,
        "slot = 8203648",
        f'validators = ["{VALIDATOR}"]',
        "postroad.toml:14: chains.eth.consensus.bootstrap.validators",
        ["the unknown key 'validators'", "root, slot", "a key of kind = 'bft'", "chains.eth.consensus.kind"],
    ),
    (
        SEPOLIA,
        'kind = "ethereum"\n',
        'kind = "bft"\nprotocol = "qbft"\n',
        "chains.eth.consensus.beacon",
        [
            "the unknown key 'beacon'",
            "kind, protocol, then, validators, bootstrap",
            "a key of kind = 'ethereum'",
        ],
    ),
    (
        SEPOLIA,
        'network = "sepolia"',
        'protocol = "qbft"',
        "postroad.toml:10: chains.eth.consensus.protocol",
        ["the unknown key 'protocol'", "a key of kind = 'bft'"],
    ),
    # Its keys in the chain's own table
    (
        SEPOLIA,
        "[chains.eth.consensus]",
        "threshold = 400\n\n[chains.eth.consensus]",
        "chains.eth.threshold",
        ["It belongs to [chains.eth.consensus]"],
    ),
    (
        LOCAL,
        "[chains.eth.consensus.network]",
        "[chains.eth.network]",
        "chains.eth.network",
        ["It belongs to [chains.eth.consensus]"],
    ),
    # What is missing or can't be
    (
        SEPOLIA,
        "beacon = [",
        "# beacon = [",
        "chains.eth.consensus",
        ["no 'beacon'", "Add a line `beacon = …`"],
    ),
    (SEPOLIA, "https://user", "ftp://user", "chains.eth.consensus.beacon", ["ftp://", "http:// or https://"]),
    (SEPOLIA, '"https://user', '"user', "chains.eth.consensus.beacon", ["(not shown)", "a URL such as"]),
    (
        SEPOLIA,
        '"sepolia"',
        '"holesky"',
        "chains.eth.consensus.network",
        ["'holesky'", "mainnet, sepolia, a table"],
    ),
    (SEPOLIA, '"sepolia"', "7", "chains.eth.consensus.network", ["found 7"]),
    (SEPOLIA, ROOT, VALIDATOR, "chains.eth.consensus.bootstrap.root", ["32 bytes of hex"]),
    (
        SEPOLIA,
        "slot = 8203648",
        "slot = -1",
        "chains.eth.consensus.bootstrap.slot",
        ["a whole number of at least 0"],
    ),
    (SEPOLIA, "slot = 8203648", "slots = 1", "chains.eth.consensus.bootstrap.slots", ["Did you mean 'slot'"]),
    # The threshold
    (
        LOCAL,
        "threshold = 24",
        "threshold = 21",
        "chains.eth.consensus.threshold",
        ["found 21", "22 to 32 of 32"],
    ),
    (
        LOCAL,
        "threshold = 24",
        "threshold = 33",
        "chains.eth.consensus.threshold",
        ["found 33", "22 to 32 of 32"],
    ),
    # A network of its own
    (
        LOCAL,
        '"minimal"',
        '"minimum"',
        "chains.eth.consensus.network.preset",
        ["'minimum'", "mainnet, minimal"],
    ),
    (
        LOCAL,
        '"deneb"',
        '"dencun"',
        "chains.eth.consensus.network.forks",
        ["'dencun'", "capella, deneb, electra"],
    ),
    (
        LOCAL,
        "epoch = 4",
        "epoch = -4",
        "chains.eth.consensus.network.forks",
        ["a whole number of at least 0"],
    ),
    (LOCAL, "0x04000001", "0x0400000", "chains.eth.consensus.network.forks", ["4 bytes of hex"]),
    (LOCAL, "0x04000001", "0x03000001", "chains.eth.consensus.network.forks", ["a fork version twice"]),
    (
        LOCAL,
        '"deneb", epoch = 0',
        '"deneb", epoch = 5',
        "chains.eth.consensus.network.forks",
        ["electra at epoch 4 after deneb at 5"],
    ),
    (LOCAL, '"deneb"', '"fulu"', "chains.eth.consensus.network.forks", ["electra at epoch 4 after fulu"]),
    (LOCAL, VALIDATORS_ROOT, "0x" + "00" * 32, "genesis_validators_root", ["found zero"]),
    (LOCAL, "genesis_time", "genesis_tme", "chains.eth.consensus.network.genesis_tme", ["'genesis_time'"]),
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
    assert parse(text).chain("eth").missing == ("consensus.network",)
    with pytest.raises(InvalidConfig, match=r"no consensus\.network"):
        parse(text).require_endpoint("eth")
    with pytest.raises(InvalidConfig, match="no network"):
        consensus_in(text).rules()


def test_a_period_that_no_light_client_can_have_is_refused() -> None:
    text = LOCAL.replace("[chains.eth.consensus]", "trusting_period_s = 4294967296\n\n[chains.eth.consensus]")
    with pytest.raises(InvalidConfig, match="4294967296") as caught:
        parse(text)
    assert "chains.eth.consensus" in caught.value.where
    assert "below 2³²" in caught.value.expected


# --- what a deployment writes -------------------------------------------------------------------------------


def endpoint(consensus: EthereumConfig) -> EndpointConfig:
    return EndpointConfig(gateway=b"\x11" * 20, genesis_hash=b"\x22" * 32, consensus=consensus)


def test_an_endpoint_is_written_into_the_file_with_its_network_and_checkpoint(tmp_path: Path) -> None:
    whole = consensus_in(LOCAL)
    path = tmp_path / "postroad.toml"
    path.write_text(
        LOCAL[: LOCAL.index("[chains.eth.consensus.network]")]
        + "# A remark.\n[chains.b]\n"
        + """\
chain = "eip155:42"
rpc = ["http://127.0.0.1:8546"]
consensus = { kind = "bft", protocol = "qbft" }
"""
    )
    read = save_endpoint(path, "eth", endpoint(whole))
    assert read.require_endpoint("eth") == endpoint(whole)
    assert read.chain("eth").missing == ()
    assert "# A remark." in path.read_text()
    # What is there stays: it is what the operator chose to trust.
    other = msgspec.structs.replace(
        whole,
        network="mainnet",
        threshold=400,
        bootstrap=CheckpointConfig(root=Bytes32(b"\x01" * 32), slot=1),
    )
    assert save_endpoint(path, "eth", endpoint(other)).require_endpoint("eth") == endpoint(whole)


def test_a_known_network_is_written_by_its_name_and_no_url_is(tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    text = LOCAL[: LOCAL.index("threshold")]
    path.write_text(text)
    found = EthereumConfig(
        beacon=(SecretUrl("http://127.0.0.1:5052"),),
        network="sepolia",
        bootstrap=CheckpointConfig(root=Bytes32(b"\x77" * 32), slot=5, height=4),
    )
    assert save_endpoint(path, "eth", endpoint(found)).require_endpoint("eth") == endpoint(found)
    assert 'network = "sepolia"' in path.read_text()
    assert path.read_text().count("5052") == 1
    shown = config.render_endpoint("eth", endpoint(found))
    assert 'network = "sepolia"' in shown
    assert "5052" not in shown
