# SPDX-License-Identifier: MIT
"""The table `[chains.NAME.consensus]`: its kind decides what else it holds, and every other place for
a key is told.
"""

from __future__ import annotations

import pytest

from relayer import config
from relayer.config import ConsensusConfig, InvalidConfig, keys_of_word, kind_names
from relayer.config.consensus import config_of
from relayer.consensus.bft.config import BftConfig
from relayer.consensus.ethereum.config import EthereumConfig
from relayer.errors import ConfigError
from tests.support.plug_ins import PlugIn

VALIDATOR = "0x" + "33" * 20

CHAIN = """\
[chains.court]
chain = "eip155:41"
rpc = ["http://127.0.0.1:8545"]
"""
TABLE = """\

[chains.court.consensus]
kind = "bft"
protocol = "qbft"
"""
BOOTSTRAP = f"""\

[chains.court.consensus.bootstrap]
height = 17
timestamp = 1700000000
validators = ["{VALIDATOR}"]
"""


def refusal(text: str) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        config.parse(text, environment={})
    return caught.value


def consensus_in(text: str, **environment: str) -> ConsensusConfig:
    return config.parse(text, environment=environment).chain("court").consensus


def test_a_kind_decodes_its_own_table() -> None:
    found = consensus_in(CHAIN + TABLE + BOOTSTRAP)
    assert isinstance(found, BftConfig)
    assert (found.kind, found.label, found.missing, found.first_height) == ("bft", "QBFT", (), 17)
    beacon = f'{CHAIN}\n[chains.court.consensus]\nkind = "ethereum"\nbeacon = ["http://127.0.0.1:5052"]\n'
    other = consensus_in(beacon)
    assert isinstance(other, EthereumConfig)
    assert (other.kind, other.label, other.missing) == (
        "ethereum",
        "proof of stake",
        ("network", "bootstrap"),
    )


def test_a_table_may_stand_inline_and_its_texts_may_name_variables() -> None:
    inline = f'{CHAIN}consensus = {{ kind = "bft", protocol = "${{PROTOCOL}}" }}\n'
    assert consensus_in(inline, PROTOCOL="ibft2") == BftConfig(protocol="ibft2")
    error = refusal(inline)
    assert "chains.court.consensus.protocol" in error.where
    assert "${PROTOCOL}, which is not set" in error.found


def test_the_kinds_that_are_installed_are_known_by_name() -> None:
    assert kind_names() == ("bft", "clique", "ethereum")
    assert config_of("bft") is BftConfig
    assert config_of("ethereum") is EthereumConfig
    with pytest.raises(ConfigError, match="'aura'"):
        config_of("aura")


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("bft", {"kind": "bft"}),
        ("qbft", {"kind": "bft", "protocol": "qbft"}),
        ("ibft2", {"kind": "bft", "protocol": "ibft2"}),
        ("ethereum", {"kind": "ethereum"}),
        ("pos", None),
    ],
)
def test_a_word_for_a_consensus_stands_for_keys_of_the_table(word: str, keys: dict[str, str] | None) -> None:
    assert keys_of_word(word) == keys


def kind(text: str) -> str:
    return (CHAIN + TABLE).replace('"bft"', text)


MISTAKES = [
    # the file, where, found, expected, advice
    (
        CHAIN,
        "postroad.toml:1: chains.court",
        "no 'consensus'",
        "no default",
        "table [chains.court.consensus]",
    ),
    # It is no table
    (
        CHAIN + 'consensus = "qbft"\n',
        "postroad.toml:4: chains.court.consensus",
        "'qbft'",
        "a table [chains.court.consensus]",
        'kind = "bft", protocol = "qbft"',
    ),
    (
        CHAIN + 'consensus = "ethereum"\n',
        "postroad.toml:4: chains.court.consensus",
        "'ethereum'",
        "a table [chains.court.consensus]",
        'kind = "ethereum"; the keys of the consensus, such as bootstrap, belong there',
    ),
    (
        CHAIN + 'consensus = "aura"\n',
        "chains.court.consensus",
        "'aura'",
        "a table [chains.court.consensus]",
        "its kind",
    ),
    # A whole file of the old layout: what stands first is told first.
    (
        CHAIN + 'consensus = "qbft"\n' + BOOTSTRAP.replace("consensus.", ""),
        "postroad.toml:4: chains.court.consensus",
        "'qbft'",
        "a table",
        'kind = "bft", protocol = "qbft"',
    ),
    (CHAIN + "consensus = 7\n", "chains.court.consensus", "7", "a table", "with a kind"),
    (CHAIN + "consensus = []\n", "chains.court.consensus", "a list of 0", "a table", "with a kind"),
    # Its kind
    (
        CHAIN + '\n[chains.court.consensus]\nprotocol = "qbft"\n',
        "postroad.toml:5: chains.court.consensus",
        "no 'kind'",
        "one of bft, clique, ethereum",
        'kind = "bft"',
    ),
    (kind("7"), "chains.court.consensus", "the kind 7", "one of bft, clique, ethereum", "kind ="),
    (
        kind('"bfd"'),
        "postroad.toml:6: chains.court.consensus.kind",
        "'bfd'",
        "bft, clique, ethereum",
        "mean 'bft'?",
    ),
    (
        kind('"tendermint"'),
        "postroad.toml:6: chains.court.consensus.kind",
        "the kind 'tendermint'",
        "one of bft, clique, ethereum",
        "Install the distribution that offers it",
    ),
    (
        kind('"qbft"'),
        "postroad.toml:6: chains.court.consensus.kind",
        "the kind 'qbft'",
        "one of bft, clique, ethereum",
        'Write kind = "bft" and protocol = "qbft".',
    ),
    # Keys that are nobody's, or another kind's
    (
        CHAIN + TABLE.replace("protocol", "protcol"),
        "postroad.toml:7: chains.court.consensus.protcol",
        "the unknown key 'protcol'",
        "one of kind, protocol, then, validators, bootstrap",
        "Did you mean 'protocol'?",
    ),
    (
        CHAIN + TABLE + 'beacon = ["http://127.0.0.1:5052"]\n',
        "postroad.toml:8: chains.court.consensus.beacon",
        "the unknown key 'beacon'",
        "one of kind, protocol, then, validators, bootstrap",
        "a key of kind = 'ethereum'",
    ),
    (
        CHAIN + TABLE + BOOTSTRAP.replace("height", "slot"),
        "postroad.toml:10: chains.court.consensus.bootstrap.slot",
        "the unknown key 'slot'",
        "one of height, timestamp, validators",
        "a key of kind = 'ethereum'",
    ),
    # Keys of the table that stand in the chain's own
    (
        CHAIN + 'protocol = "qbft"\n' + TABLE,
        "postroad.toml:4: chains.court.protocol",
        "the unknown key 'protocol'",
        "consensus",
        "It belongs to [chains.court.consensus].",
    ),
    (
        CHAIN + TABLE + BOOTSTRAP.replace("court.consensus.", "court."),
        "postroad.toml:9: chains.court.bootstrap",
        "the unknown key 'bootstrap'",
        "consensus",
        "It belongs to [chains.court.consensus].",
    ),
    # A key of no kind that is used here
    (
        CHAIN + "threshold = 5\n" + TABLE,
        "postroad.toml:4: chains.court.threshold",
        "the unknown key 'threshold'",
        "consensus",
        "docs/reference/config.md",
    ),
    # Keys of the chain that slipped into the table, for TOML ends a table where the next begins
    (
        CHAIN + TABLE + 'keys = ["relayer"]\n',
        "postroad.toml:8: chains.court.consensus.keys",
        "the unknown key 'keys'",
        "one of kind, protocol, then, validators, bootstrap",
        "It belongs to [chains.court], above",
    ),
    # What types alone can't say
    (
        CHAIN + TABLE + BOOTSTRAP.replace("]\nh", "]\nheight = 0 #"),
        "postroad.toml:10: chains.court.consensus.bootstrap.height",
        "0",
        "a whole number of at least 1",
        "Correct the value",
    ),
    (
        CHAIN + TABLE + BOOTSTRAP.replace(f'["{VALIDATOR}"]', f'["{VALIDATOR}", "{VALIDATOR}"]'),
        "postroad.toml:12: chains.court.consensus.bootstrap.validators",
        "a validator twice",
        "distinct",
        "Copy",
    ),
]


@pytest.mark.parametrize(
    ("text", "where", "found", "expected", "advice"),
    MISTAKES,
    ids=[m[1].rpartition(".")[2] for m in MISTAKES],
)
def test_a_mistake_says_what_to_change(text: str, where: str, found: str, expected: str, advice: str) -> None:
    error = refusal(text)
    assert where in error.where
    assert found in error.found
    assert expected in error.expected
    assert advice in error.advice


def test_a_mistake_in_one_chains_own_table_is_told_of_that_chain() -> None:
    other = (
        (CHAIN + TABLE).replace("court", "port").replace('rpc = ["http', 'max_fee_gwei = "1"\nrpc = ["http')
    )
    assert "postroad.toml:11: chains.port.max_fee_gwei" in refusal(f"{CHAIN}{TABLE}\n{other}").where


def test_a_plug_in_that_is_broken_is_told_where_a_chain_uses_it(plug_in: PlugIn) -> None:
    plug_in("torn", "no_such_package.torn:KIND")
    error = refusal(kind('"torn"'))
    assert "postroad.toml:5: chains.court.consensus" in error.where
    assert "no_such_package.torn:KIND" in error.found
    assert "Install its requirements, or uninstall it." in error.advice


def test_a_plug_in_that_is_broken_hides_no_mistake_of_other_chains(plug_in: PlugIn) -> None:
    plug_in("torn", "no_such_package.torn:KIND")
    assert consensus_in(CHAIN + TABLE) == BftConfig(protocol="qbft")
    assert "Did you mean 'protocol'?" in refusal(CHAIN + TABLE.replace("protocol", "protcol")).advice
    assert "one of bft, clique, ethereum, torn" in refusal(kind('"aura"')).expected
    assert "a table [chains.court.consensus]" in refusal(CHAIN + 'consensus = "aura"\n').expected


def test_a_kind_that_two_distributions_offer_is_told_where_a_chain_uses_it(plug_in: PlugIn) -> None:
    plug_in("bft", "somebody.elses:KIND")
    error = refusal(CHAIN + TABLE)
    assert "chains.court.consensus" in error.where
    assert "2 distributions that offer 'bft'" in error.found
    assert "somebody.elses:KIND" in error.found
