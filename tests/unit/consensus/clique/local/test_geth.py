# SPDX-License-Identifier: MIT
"""Which chains go-ethereum may seal, and where its program comes from; the program itself is not run here
(tests/e2e/devnet/test_geth.py runs it).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from relayer.consensus.clique.local.chain import LocalCliqueChain
from relayer.consensus.clique.local.geth import program
from relayer.consensus.clique.local.geth.chain import GethCliqueChain
from relayer.devnet.errors import ChainStartError, DevnetError, SpecError
from relayer.devnet.network.network import Network


def write_program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with neither geth nor Go; its folder of programs is returned."""
    monkeypatch.delenv(program.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    real_which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: real_which(name, path=str(folder)))
    return folder


def chain_of(spec: str) -> object:
    return Network(f"court={spec}")["court"]


def test_a_front_seals_where_neither_geth_nor_go_is(bare: Path) -> None:
    chain = chain_of("clique:3:geth@1")
    assert isinstance(chain, LocalCliqueChain)
    assert chain.describe().summary == (
        "Clique, 3 signers, sealed by a front, for neither geth nor Go is here"
    )
    with pytest.raises(ChainStartError, match="neither geth nor Go"):
        program.provide(lambda _: None)


def test_nobody_seals_by_geth_who_did_not_ask(bare: Path) -> None:
    write_program(bare / "go", "exit 1")
    chain = chain_of("clique:3")
    assert isinstance(chain, LocalCliqueChain)
    assert chain.describe().summary == "Clique, 3 signers"


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("clique:3:geth@0.5", "a block time of 0.5 s on the chain 'court' of go-ethereum .expected whole"),
        ("clique:3:geth@manual", "blocks on demand on the chain 'court' of go-ethereum"),
        ("clique:3:geth:free", "the rules free on the chain 'court' of go-ethereum .expected none"),
        ("clique:3:geth:legacy", "the rules legacy on"),
        ("clique:10:geth", "10 nodes of go-ethereum for the chain 'court' .expected 1 to 9"),
        ("clique:geth:3", "the options 'geth:3' of chain 'court'"),
        ("clique:3:gath", "the options '3:gath' of chain 'court'"),
    ],
)
def test_what_it_cannot_have_is_refused_on_every_machine(
    bare: Path, spec: str, message: str, *, is_there: bool
) -> None:
    if is_there:
        write_program(bare / "go", "exit 1")
    with pytest.raises(SpecError, match=message):
        chain_of(spec)


def test_a_chain_of_it_is_not_started_yet(bare: Path) -> None:
    write_program(bare / "go", "exit 1")
    chain = chain_of("clique:3:epoch40:geth:legacy:berlin@2")
    assert isinstance(chain, GethCliqueChain)
    assert (chain.epoch, chain.block_time_s, chain.pids, chain.nodes) == (40, 2, (), ())
    for ask in (lambda: chain.http_url, lambda: chain.genesis_hash):
        with pytest.raises(DevnetError, match="the chain court is not started"):
            ask()


def test_the_named_program_is_taken_and_checked(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = write_program(bare.parent / "somewhere" / "geth", "exit 0")
    monkeypatch.setenv(program.VARIABLE, str(named))
    assert program.is_at_hand()
    assert program.provide(lambda _: None) == named
    monkeypatch.setenv(program.VARIABLE, str(named.parent))
    with pytest.raises(ChainStartError, match=r"POSTROAD_GETH names .*somewhere, which is not a program"):
        program.provide(lambda _: None)


def test_go_builds_it_once_and_says_so(bare: Path) -> None:
    write_program(bare / "go", 'echo "$@" >> "$(dirname "$0")/asked"; echo built > "$GOBIN/geth"')
    told: list[str] = []
    built = program.provide(told.append)
    assert built.read_text() == "built\n"
    assert program.provide(told.append) == built
    assert (bare / "asked").read_text().splitlines() == [
        "install -ldflags=-checklinkname=0 github.com/ethereum/go-ethereum/cmd/geth@v1.13.15"
    ]
    assert told == ["Go builds go-ethereum 1.13.15, once: that takes some minutes …"]
    assert [path.name for path in built.parent.iterdir()] == ["geth"]


def test_a_build_that_fails_says_why_and_leaves_nothing(bare: Path) -> None:
    write_program(bare / "go", "echo no route to the proxy >&2; exit 3")
    with pytest.raises(ChainStartError, match="ended with code 3 and said: no route to the proxy"):
        program.provide(lambda _: None)
    assert list((bare.parent / "cache" / "postroad" / "geth-1.13.15").iterdir()) == []


@pytest.mark.network
async def test_a_geth_that_cannot_begin_says_why(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = write_program(bare.parent / "geth", "echo only proof-of-stake networks are supported; exit 1")
    monkeypatch.setenv(program.VARIABLE, str(refusing))
    with pytest.raises(ChainStartError, match="geth init ended with code 1 and said: only proof-of-stake"):
        async with Network("court=clique:3:geth@1"):
            pass
