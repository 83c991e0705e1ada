# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from relayer.consensus.bft.local.header import Kind
from relayer.consensus.ethereum.local.chain import EthereumKind
from relayer.devnet.errors import SpecError
from relayer.devnet.network.network import Network
from relayer.devnet.network.spec import ChainSpec, parse_spec


def test_what_can_be_said() -> None:
    assert parse_spec("a=qbft:4,b=ibft2:7") == (ChainSpec("a", Kind.QBFT, 4), ChainSpec("b", Kind.IBFT2, 7))
    assert parse_spec("port-9=ibft2") == (ChainSpec("port-9", Kind.IBFT2, 4, 1.0),)
    assert parse_spec(" a=qbft:1@0.2 , b=qbft@manual ") == (
        ChainSpec("a", Kind.QBFT, 1, 0.2),
        ChainSpec("b", Kind.QBFT, 4, None),
    )


def test_chains_of_proof_of_stake() -> None:
    """A slot is a quarter of a second unless somebody says otherwise."""
    assert parse_spec("eth=pos,b=pos:512@0.5,c=pos@manual") == (
        ChainSpec("eth", EthereumKind.POS, 64, 0.25),
        ChainSpec("b", EthereumKind.POS, 512, 0.5),
        ChainSpec("c", EthereumKind.POS, 64, None),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found|no chains"),
        ("a", r"the chain 'a' \(expected NAME=KIND"),
        ("a=qbft,,b=qbft", r"the chain ''"),
        ("A=qbft", "the chain name 'A'"),
        ("=qbft", "the chain name ''"),
        ("a=clique", r"the consensus 'clique' of chain 'a' \(expected qbft, ibft2 or pos\)"),
        ("a=", "the consensus ''"),
        ("a=qbft:", r"'' validators of chain 'a'"),
        ("a=qbft:0", r"'0' validators"),
        ("a=qbft:256", r"\(expected a whole number from 1 to 255\)"),
        ("a=pos:4097", r"\(expected a whole number from 1 to 4096\)"),
        ("a=pos:0@0.25", "'0' validators"),
        ("a=pos@0.01", "the block time '0.01'"),
        ("a=qbft:-4", "'-4' validators"),
        ("a=qbft:4²", "'4²' validators"),
        ("a=qbft:4@", "the block time ''"),
        ("a=qbft:4@0", "the block time '0'"),
        ("a=qbft:4@nan", "the block time 'nan'"),
        ("a=qbft:4@fast", "or 'manual'"),
        ("a=qbft,a=ibft2", "2 chains with the name 'a'"),
        (",".join(f"c{index}=qbft" for index in range(201)), "201 chains"),
    ],
)
def test_what_cannot_be_said_and_why(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_spec(text)


def test_no_chain_id_twice_in_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names may hash to one id: the second gets the next one."""
    monkeypatch.setattr("relayer.devnet.network.network.chain_id_of", lambda name, attempt=0: 1000 + attempt)
    network = Network("a=qbft,b=qbft,c=ibft2")
    assert [chain.chain_id for chain in network.chains.values()] == [1000, 1001, 1002]
    with pytest.raises(SpecError, match="two chains"):
        Network([ChainSpec("a", Kind.QBFT), ChainSpec("a", Kind.IBFT2)])


def test_a_network_finds_its_keys_again_by_its_seed() -> None:
    one, same, other = (Network("a=qbft,b=qbft", seed=seed) for seed in (b"1", b"1", b"2"))
    assert one["a"].funded_keys == same["a"].funded_keys
    assert not {*one["a"].funded_keys} & {*other["a"].funded_keys, *one["b"].funded_keys}
    assert len(set(one["a"].funded_keys)) == 10
