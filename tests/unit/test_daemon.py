# SPDX-License-Identifier: MIT
"""Building and ending the daemon: what it refuses before it starts, and that it runs
though nothing answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import aiohttp
import pytest

from light_clients import ecdsa, hashing
from relayer import config as configuration
from relayer.api import require_free, serve
from relayer.config import ApiConfig, Config
from relayer.daemon import Signers, build
from relayer.devnet.process.ports import free_port
from relayer.errors import ConfigError, KeyUnavailable
from relayer.journal.errors import JournalLocked
from relayer.journal.store import Journal

CHAIN = """\
[chains.{name}]
chain = "eip155:{number}"
rpc = ["http://127.0.0.1:9"]
gateway = "0x{byte}{byte}{byte}{byte}{byte}{byte}{byte}{byte}{byte}{byte}"
genesis_hash = "0x2222222222222222222222222222222222222222222222222222222222222222"
{keys}
[chains.{name}.consensus]
kind = "bft"
protocol = "qbft"
bootstrap = {{ height = 5, timestamp = 1700000000, validators = ["0x3333333333333333333333333333333333333333"] }}
"""


def config(
    folder: Path, extra: str = "", *, keys: str = "", listen: str = "", log_level: str = "error"
) -> Config:
    text = f'[api]\nlisten = "{listen}"\n\n[log]\nlevel = "{log_level}"\n\n{extra}\n'
    for number, name in enumerate(("court", "port")):
        text += CHAIN.format(name=name, number=number + 1, byte=f"{number + 17:02x}" * 2, keys=keys)
    return configuration.parse(text, directory=folder, environment={"PASSWORD": "secret"})


def test_a_second_daemon_on_one_journal_is_refused(tmp_path: Path) -> None:
    with Journal.open(f"sqlite:///{tmp_path}/postroad.db"), pytest.raises(JournalLocked):
        build(config(tmp_path))


def test_a_key_that_is_missing_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="no key 'relayer'"):
        build(
            config(tmp_path, '[keys]\npassword_env = "PASSWORD"\n', keys='keys = ["relayer"]\n'),
            environment={"PASSWORD": "x"},
        )
    assert not (tmp_path / "postroad.db").exists()


def test_no_lanes_are_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no lanes"):
        build(
            configuration.parse(
                "lanes = []\n" + CHAIN.format(name="court", number=1, byte="1111", keys=""),
                directory=tmp_path,
            )
        )


def test_keys_are_unlocked_when_nothing_else_is_in_the_way(tmp_path: Path) -> None:
    """A person is asked for a password only where the daemon can start."""
    unlocked = []

    def unlock() -> Signers:
        unlocked.append(True)
        return {}

    with Journal.open(f"sqlite:///{tmp_path}/postroad.db"), pytest.raises(JournalLocked):
        build(config(tmp_path), signers=unlock)
    assert unlocked == []
    build(config(tmp_path), signers=unlock).journal.close()
    assert unlocked == [True]


@pytest.mark.network
def test_an_address_that_is_taken_is_told_before_keys_are_unlocked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"the API can't be served on {listen}: Address already in use"):
            require_free(ApiConfig(listen=listen))
    require_free(ApiConfig(listen=listen))
    require_free(ApiConfig(listen=""))


def test_what_is_refused_leaves_the_journal_free(tmp_path: Path) -> None:
    def refuse() -> Signers:
        raise KeyUnavailable("a wrong password", "the right one")

    with pytest.raises(KeyUnavailable):
        build(config(tmp_path), signers=refuse)
    Journal.open(f"sqlite:///{tmp_path}/postroad.db").close()


@pytest.mark.network
async def test_a_chain_without_an_endpoint_is_left_out_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = '[chains.bank]\nchain = "eip155:9"\nrpc = ["http://127.0.0.1:9"]\n'
    bare += '[chains.bank.consensus]\nkind = "bft"\nprotocol = "qbft"\n'
    port = free_port()
    daemon = build(config(tmp_path, bare, listen=f"127.0.0.1:{port}", log_level="warning"), serve=serve)
    running = asyncio.create_task(daemon.run())
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            text = ""
            while "no verified head" not in text:
                with contextlib.suppress(aiohttp.ClientConnectorError):
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        text = await answer.text()
                await asyncio.sleep(0.05)
    finally:
        daemon.stop()
        async with asyncio.timeout(30):
            await running
    assert "bank" not in text.splitlines()[0]
    assert "bank: left out, its endpoint lacks gateway, genesis_hash, consensus.bootstrap" in text
    assert capsys.readouterr().err.count("the chain is left out") == 1


def test_without_two_complete_endpoints_nothing_is_run(tmp_path: Path) -> None:
    text = CHAIN.format(name="court", number=1, byte="1111", keys="")
    text += '[chains.bank]\nchain = "eip155:9"\nrpc = ["http://127.0.0.1:9"]\n'
    text += '[chains.bank.consensus]\nkind = "bft"\nprotocol = "qbft"\n'
    with pytest.raises(ConfigError, match=r"chains\.bank: found no gateway"):
        build(configuration.parse(text, directory=tmp_path))
    assert not (tmp_path / "postroad.db").exists()


@pytest.mark.network
async def test_it_runs_and_drains_though_no_chain_answers(tmp_path: Path) -> None:
    """One bad chain stops nobody, and all of them bad stop only the work: the daemon says so and waits."""
    port = free_port()
    daemon = build(config(tmp_path, listen=f"127.0.0.1:{port}"), serve=serve)
    running = asyncio.create_task(daemon.run())
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            text = ""
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                        text = await answer.text()
                        assert answer.status == 503
                        if "no verified head" in text:
                            break
                except aiohttp.ClientConnectorError:
                    pass
                await asyncio.sleep(0.05)
            assert "court, port" in text
            async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                assert answer.status == 200
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                metrics = (await answer.text()).splitlines()
            # What alerts ask for is there before any chain has answered.
            assert "postroad_ready 0.0" in metrics
            assert any(line.startswith("postroad_journal_free_bytes ") for line in metrics)
    finally:
        daemon.stop()
        async with asyncio.timeout(30):
            await running
    Journal.open(f"sqlite:///{tmp_path}/postroad.db").close()


@pytest.mark.network
@pytest.mark.parametrize("is_slow", [False, True])
async def test_slow_libraries_are_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_slow: bool
) -> None:
    monkeypatch.setattr(ecdsa, "BACKEND", ecdsa.PurePython() if is_slow else ecdsa.Libsecp256k1())
    monkeypatch.setattr(hashing, "IS_FAST", not is_slow)
    daemon = build(config(tmp_path, log_level="warning"))
    daemon.stop()
    await daemon.run()
    log = capsys.readouterr().err
    assert log.count("btclib-secp256k1 is not installed") == is_slow
    assert log.count("safe-pysha3 is not installed") == is_slow


@pytest.mark.network
async def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(ConfigError, match="the API can't be served"):
            await build(config(tmp_path, listen=f"127.0.0.1:{port}"), serve=serve).run()
    finally:
        server.close()
        await server.wait_closed()
    # Nothing is left: the journal can be opened by the next one.
    Journal.open(f"sqlite:///{tmp_path}/postroad.db").close()
