# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from relayer.consensus.bft.local.chain import LocalBftChain
from relayer.consensus.ethereum.local.chain import LocalEthereumChain
from relayer.devnet.chain.chain_options import ChainOptions
from relayer.devnet.errors import DevnetError, SpecError
from relayer.devnet.network.network import Network
from relayer.devnet.network.spec import parse_spec
from relayer.devnet.rules import ChainRules


def test_no_chain_id_twice_in_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names may hash to one id: the second gets the next one."""
    monkeypatch.setattr("relayer.devnet.network.network.chain_id_of", lambda name, attempt=0: 1000 + attempt)
    network = Network("a=bft,b=bft,c=bft:ibft2")
    assert [chain.chain_id for chain in network.chains.values()] == [1000, 1001, 1002]
    with pytest.raises(SpecError, match="two chains"):
        Network([*parse_spec("a=bft"), *parse_spec("a=bft:ibft2")])


def test_a_network_finds_its_keys_again_by_its_seed() -> None:
    one, same, other = (Network("a=bft,b=bft", ChainOptions(seed=seed)) for seed in (b"1", b"1", b"2"))
    assert one["a"].funded_keys == same["a"].funded_keys
    assert not {*one["a"].funded_keys} & {*other["a"].funded_keys, *one["b"].funded_keys}
    assert len(set(one["a"].funded_keys)) == 10


def test_the_spec_decides_block_times_and_the_options_the_rest() -> None:
    network = Network("a=bft:7@2,b=ethereum@manual", ChainOptions(block_time_s=9, funded=1))
    assert [chain.block_time_s for chain in network.chains.values()] == [2, None]
    assert [len(chain.funded_keys) for chain in network.chains.values()] == [1, 1]


def test_rules_are_the_lines() -> None:
    network = Network("a=bft:free,b=bft", ChainOptions(rules=ChainRules(legacy=True)))
    assert [chain.options.rules for chain in network.chains.values()] == [ChainRules(free=True), ChainRules()]


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("legacy", "no base fee"),
        ("cancun", "the rules of cancun"),
        ("lazy5", "no empty blocks"),
    ],
)
def test_rules_that_a_kind_cannot_have_are_refused(word: str, what: str) -> None:
    with pytest.raises(SpecError, match=f"{what} on the chain 'b' of kind 'ethereum' .{word}."):
        Network(f"a=bft:{word},b=ethereum:{word}")


def test_a_chain_is_found_by_its_name_and_its_class() -> None:
    network = Network("a=bft,b=ethereum")
    assert network.chain_of("a", LocalBftChain) is network["a"]
    assert network.chain_of("b", LocalEthereumChain) is network["b"]
    with pytest.raises(DevnetError, match=r"the chain b, a LocalEthereumChain \(expected a LocalBftChain\)"):
        network.chain_of("b", LocalBftChain)
    with pytest.raises(DevnetError, match=r"no chain 'c' in the network \(expected one of a, b\)"):
        network["c"]
