# SPDX-License-Identifier: MIT
"""The kinds of consensus that are installed: what each offers, which one a block looks like, and what
is imported when.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from light_clients.bft.preimage import BftKind
from relayer import config as configuration
from relayer.chains.evm.contract_reader import ContractReader
from relayer.chains.evm.node import Node
from relayer.config import ConsensusConfig
from relayer.consensus.bft.config import BftConfig
from relayer.consensus.kind import ConsensusKind
from relayer.consensus.registry import configured, find_kind, kind_of, kinds, recognise, view_client
from relayer.contracts import load
from relayer.errors import ConfigError
from tests.support.bft import Draft, validators
from tests.support.execution_block import merged_block
from tests.support.plug_ins import PlugIn

FOUR = validators(4)
MERGED = merged_block()

CHAINS = "".join(
    f"""\
[chains.{name}]
chain = "eip155:{number}"
rpc = ["http://127.0.0.1:9"]
gateway = "0x{"11" * 20}"
genesis_hash = "0x{number:064x}"

[chains.{name}.consensus]
kind = "bft"
protocol = "{protocol}"
bootstrap = {{ height = 5, timestamp = 1700000000, validators = ["0x{"33" * 20}"] }}

"""
    for number, (name, protocol) in enumerate((("court", "qbft"), ("port", "ibft2")), 41)
)

WHAT_ETHEREUM_NEEDS = ("relayer.consensus.ethereum", "light_clients.ethereum", "pyblst", "py_ecc")
KINDS = (
    "relayer.consensus.bft",
    "relayer.consensus.clique",
    "relayer.consensus.ethereum",
    *WHAT_ETHEREUM_NEEDS,
    "light_clients.bft",
    "light_clients.clique",
)

# What ends in a subprocess is the state of its own interpreter: nothing that another test imported is in it.
SHOW_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def modules_after(program: str, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{SHOW_MODULES}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def below(modules: set[str], *packages: str) -> list[str]:
    return sorted(
        module
        for module in modules
        if any(module == package or module.startswith(f"{package}.") for package in packages)
    )


# --- what is imported ---------------------------------------------------------------------------------------


def test_bft_chains_alone_load_nothing_of_ethereum(tmp_path: Path) -> None:
    path = tmp_path / "postroad.toml"
    path.write_text(CHAINS)
    modules = modules_after(
        """\
import asyncio, sys
import relayer.daemon
from relayer import config
from relayer.consensus.open_chain import open_chain

async def main():
    read = config.load(sys.argv[1])
    for name in read.chains:
        chain = open_chain(read, name)
        assert chain.prover.signers == "validators"
        await chain.close()

asyncio.run(main())
""",
        str(path),
    )
    assert below(modules, "relayer.consensus.bft.prover", "light_clients.bft") != []
    assert below(modules, *WHAT_ETHEREUM_NEEDS) == []


def test_help_imports_no_kind() -> None:
    modules = modules_after(
        """\
import sys
sys.argv = ["postroad", "--help"]
from relayer.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    )
    assert "relayer.cli.main" in modules
    assert below(modules, *KINDS) == []


def test_the_names_of_kinds_import_none() -> None:
    modules = modules_after(
        "from relayer.config import kind_names\nassert kind_names() == ('bft', 'clique', 'ethereum')"
    )
    assert below(modules, *KINDS) == []


@pytest.mark.parametrize("name", ["bft", "clique", "ethereum"])
def test_a_kind_is_light_until_it_is_asked_for_a_role(name: str) -> None:
    modules = modules_after(f"from relayer.consensus.registry import find_kind\nfind_kind({name!r})")
    assert below(modules, f"relayer.consensus.{name}") == [f"relayer.consensus.{name}"]
    assert below(modules, f"light_clients.{name}", "pyblst") == []


# --- what there is ------------------------------------------------------------------------------------------


def test_every_kind_offers_every_role() -> None:
    found = kinds()
    assert [kind.name for kind in found] == ["bft", "clique", "ethereum"]
    for kind in found:
        table = kind.config
        assert issubclass(table, ConsensusConfig)
        assert issubclass(table, msgspec.Struct)
        # Its name is what stands in the file.
        (default,) = (field.default for field in msgspec.structs.fields(table) if field.name == "kind")
        assert default == kind.name
        assert [load(contract).name for contract in kind.contracts] == list(kind.contracts)
        assert callable(kind.open_prover)
        assert kind.on_chain.storage_gas > 0
        assert {question.key for question in kind.endpoint.questions} <= {
            field.name for field in msgspec.structs.fields(table)
        }
        for keys in kind.dialects.values():
            assert set(keys) <= {field.name for field in msgspec.structs.fields(table)}
        assert kind.signers
        assert kind.misbehaviour.endswith(".")


def test_a_configured_chain_is_handed_to_its_kind_with_its_own_table() -> None:
    chain = configuration.parse(CHAINS).chain("port")
    assert kind_of(chain) is find_kind("bft")
    found = configured("port", chain)
    assert (found.name, found.chain, found.consensus) == ("port", chain, chain.consensus)
    assert isinstance(found.consensus, BftConfig)


def test_a_kind_that_is_not_installed_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="'aura'") as caught:
        find_kind("aura")
    assert caught.value.expected == "one of bft, clique, ethereum"


@pytest.mark.parametrize(
    ("name", "value"),
    [("other", "relayer.consensus.bft:KIND"), ("text", "posixpath:sep"), ("module", "relayer.consensus.bft")],
)
def test_an_entry_point_that_names_something_else_is_told(plug_in: PlugIn, name: str, value: str) -> None:
    plug_in(name, value)
    for ask in (lambda: find_kind(name), kinds):
        with pytest.raises(ConfigError, match=f"entry point '{name}'") as caught:
            ask()
        assert f"a relayer.consensus.kind.ConsensusKind with the name '{name}'" in caught.value.expected


def test_a_role_that_a_package_lacks_is_told_when_it_is_asked_for() -> None:
    kind = ConsensusKind("odd", "tests.support", "Doorbell", "signers", "Nothing happened.")
    for role, module in (
        ("config", "config"),
        ("open_prover", "prover"),
        ("on_chain", "contract"),
        ("local", "local"),
        ("show", "show"),
    ):
        with pytest.raises(ConfigError) as caught:
            getattr(kind, role)
        assert f"'odd' has no {module}" in caught.value.found
        assert f"tests.support.{module}" in caught.value.expected


# --- which one it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "name", "keys"),
    [
        (Draft(BftKind.QBFT, FOUR, number=7).rpc(), "bft", {"protocol": "qbft"}),
        (Draft(BftKind.IBFT2, FOUR, number=7).rpc(), "bft", {"protocol": "ibft2"}),
        (MERGED, "ethereum", {}),
    ],
)
def test_a_newest_block_shows_its_kind(head: dict[str, Any], name: str, keys: dict[str, str]) -> None:
    found = recognise(head)
    assert found is not None
    assert (found[0].name, dict(found[1])) == (name, keys)


@pytest.mark.parametrize(
    "head",
    [
        {},
        MERGED | {"difficulty": "0x1"},
        MERGED | {"withdrawalsRoot": None},
        # A chain of another kind may have no difficulty either; its blocks are named by something else.
        MERGED | {"hash": "0x" + "07" * 32},
        Draft(BftKind.QBFT, FOUR, sealers=()).rpc(),
        Draft(BftKind.QBFT, FOUR, sealers=validators(2, 10)).rpc(),
    ],
)
def test_a_block_that_nobody_of_the_listed_sealed_shows_none(head: dict[str, Any]) -> None:
    assert recognise(head) is None


async def test_a_client_is_viewed_by_the_kind_whose_code_it_is_and_other_code_by_none() -> None:
    runtime = {b"\x01" * 20: load("Gateway").runtime_code, b"\x02" * 20: b""}

    async def request(method: str, params: Any) -> Any:
        assert method == "eth_getCode"
        return "0x" + runtime[bytes.fromhex(params[0][2:])].hex()

    reader = ContractReader(Node("court", request))
    for address in runtime:
        assert await view_client(reader, address) is None
