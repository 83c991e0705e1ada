# SPDX-License-Identifier: MIT
"""A spec line's own part: names, kinds and block times. What the options mean is tested with every kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_clients.bft.preimage import BftKind
from relayer.consensus.bft.local.kind import BftSettings
from relayer.consensus.ethereum.local.kind import EthereumSettings
from relayer.devnet.dresses import DRESSES
from relayer.devnet.errors import SpecError
from relayer.devnet.network.spec import ChainSpec, parse_spec
from relayer.devnet.rules import ChainRules


def test_what_can_be_said() -> None:
    assert parse_spec(" a=bft:1@0.2 , port-9=bft:ibft2@manual,eth=ethereum:512") == (
        ChainSpec("a", "bft", BftSettings(validators=1), 0.2),
        ChainSpec("port-9", "bft", BftSettings(BftKind.IBFT2), None),
        ChainSpec("eth", "ethereum", EthereumSettings(512), 0.25),
    )


def test_rules_stand_anywhere_among_the_options_of_any_kind() -> None:
    assert parse_spec("a=bft:legacy:ibft2:tx64k:7@2,eth=ethereum:512:free") == (
        ChainSpec(
            "a", "bft", BftSettings(BftKind.IBFT2, 7), 2, ChainRules(legacy=True, max_tx_bytes=64 * 1024)
        ),
        ChainSpec("eth", "ethereum", EthereumSettings(512), 0.25, ChainRules(free=True)),
    )


def test_the_block_time_is_the_kinds_unless_somebody_says_otherwise() -> None:
    chains = parse_spec("a=bft,b=ethereum,c=ethereum@2")
    assert [chain.block_time_s for chain in chains] == [1.0, 0.25, 2.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no chains"),
        ("a", r"the chain 'a' \(expected NAME=KIND"),
        ("a=bft,,b=bft", r"the chain ''"),
        ("A=bft", "the chain name 'A'"),
        ("=bft", "the chain name ''"),
        (
            "a=aura",
            r"the kind 'aura' of chain 'a' \(expected one of bft\[:PROTOCOL[^ ]*, clique\[",
        ),
        ("a=", "the kind ''"),
        ("a=bft:5o", "the options '5o' of chain 'a'.*Rules are free, legacy, "),
        ("a=bft:4/tails", "the dress 'tails' of chain 'a' .expected one of goquorum, besu-free-gas"),
        ("a=bft:4/", "the dress '' of chain 'a'"),
        ("a=bft:4@2/goquorum", "the block time '2/goquorum'"),
        ("a=bft:4:berlin", "expected legacy and berlin together"),
        ("a=ethereum@0.01", "the block time '0.01'"),
        ("a=bft:4@", "the block time ''"),
        ("a=bft:4@0", "the block time '0'"),
        ("a=bft:4@nan", "the block time 'nan'"),
        ("a=bft:4@3601", "at most 3600"),
        ("a=bft:4@fast", "or 'manual'"),
        ("a=bft,a=bft:ibft2", "2 chains with the name 'a'"),
        (",".join(f"c{index}=bft" for index in range(201)), "201 chains"),
    ],
)
def test_what_cannot_be_said_and_why(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_spec(text)


@pytest.mark.parametrize(
    ("word", "written"),
    [("a=qbft:4", "a=bft:qbft:4"), ("a=ibft2:7:free@2", "a=bft:ibft2:7:free@2"), ("a=pos", "a=ethereum")],
)
def test_a_protocol_stands_for_its_kind_and_an_option(word: str, written: str) -> None:
    assert parse_spec(word) == parse_spec(written)


@pytest.mark.parametrize("dress", DRESSES)
def test_a_dress_is_rules_and_manners_and_words_count_over_it(dress: str) -> None:
    (chain,) = parse_spec(f"a=qbft:7/{dress}@0.5")
    settings = BftSettings(validators=7, by_contract="contract" in dress)
    assert (chain.kind, chain.settings, chain.block_time_s) == ("bft", settings, 0.5)
    assert chain.rules == DRESSES[dress].rules
    (changed,) = parse_spec(f"a=qbft:7:lazy5:tx128k/{dress}@0.5")
    assert changed.rules == replace(chain.rules, empty_block_period_s=5, max_tx_bytes=128 * 1024)
