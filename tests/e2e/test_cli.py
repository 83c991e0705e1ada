# SPDX-License-Identifier: MIT
"""The real commands, one process each, over local chains: up, send, run, trace, pending, deliver,
client, doctor, down.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relayer.cli.exit_codes import ExitCode

TIMEOUT_S = 120
CHAINS = "court=bft:4@0.3,port=bft:ibft2:7@0.3"


@dataclass
class Place:
    """A folder in which commands run, with a network in `net`."""

    folder: Path
    up: dict[str, Any]

    def run(self, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "relayer.cli", *words],
            cwd=self.folder,
            env=os.environ | {"POSTROAD_CONFIG": "net/postroad.toml"} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, code: int = 0, **environment: str) -> Any:
        return json.loads(self.run(*words, "--json", code=code, **environment).stdout)

    def box(self, name: str) -> str:
        return next(str(chain["postbox"]) for chain in self.up["chains"] if chain["name"] == name)

    def send(self, source: str, destination: str, *words: str) -> dict[str, Any]:
        sent = self.json("send", source, destination, "--to", self.box(destination), *words)
        assert isinstance(sent, dict)
        return sent


@dataclass
class Relayer:
    """A running `postroad run`."""

    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cli")
    empty = Place(folder, {})
    place = Place(folder, empty.json("devnet", "up", "--chains", CHAINS, "--dir", "net"))
    yield place
    assert place.json("devnet", "down", "--dir", "net")["stopped"] is True
    # The journal, keys and lock files of everything above are gone with it.
    assert not (folder / "net").exists()
    for chain in place.up["chains"]:
        with pytest.raises(OSError, match=r"refused|Connection"):
            subprocess_connect(chain["rpc"])


def subprocess_connect(url: str) -> None:
    import socket

    host, _, port = url.removeprefix("http://").rpartition(":")
    socket.create_connection((host, int(port)), 2).close()


@pytest.fixture
def relayer(place: Place) -> Iterator[Relayer]:
    relayer = start_relayer(place)
    yield relayer
    if relayer.process.poll() is None:
        relayer.stop()


def start_relayer(place: Place) -> Relayer:
    log = place.folder / "run.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "relayer.cli", "run", "--json", "-c", "net/postroad.toml"],
            cwd=place.folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    for _ in range(200):
        if b"relaying" in log.read_bytes():
            return Relayer(process, log)
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    pytest.fail(log.read_text())


# --- devnet -------------------------------------------------------------------------------------------------


def test_up_prints_all_that_is_needed_and_status_shows_it_alive(place: Place) -> None:
    chains = {chain["name"]: chain for chain in place.up["chains"]}
    assert set(chains) == {"court", "port"}
    assert {chain["consensus"] for chain in chains.values()} == {"bft"}
    court, port = chains["court"]["details"], chains["port"]["details"]
    assert (court["protocol"], len(court["validators"])) == ("qbft", 4)
    assert (port["protocol"], len(port["validators"])) == ("ibft2", 7)
    for chain in chains.values():
        for key in ("gateway", "endpoint_id", "postbox", "multisender", "rpc", "websocket", "genesis_hash"):
            assert chain[key]
        assert len(chain["funded"]) >= 3
    status = place.json("devnet", "status", "--dir", "net")
    assert status["running"] is True
    assert status["config"] == place.up["config"]
    assert all(chain.pop("height") > 0 for chain in status["chains"])
    assert status["chains"] == [
        {key: value for key, value in chain.items() if key != "height"} for chain in place.up["chains"]
    ]
    text = place.run("devnet", "status", "--dir", "net").stdout
    for chain in place.up["chains"]:
        for key in ("gateway", "endpoint_id", "postbox", "multisender", "rpc", "websocket"):
            assert chain[key] in text
        assert chain["funded"][0]["secret"] in text
    again = place.run("devnet", "up", "--chains", CHAINS, "--dir", "net", code=ExitCode.REFUSED)
    assert "runs already" in again.stderr or "runs in" in again.stderr
    assert place.json("devnet", "status", "--dir", "net")["running"] is True


def test_env_is_read_by_a_shell(place: Place) -> None:
    exports = place.run("devnet", "env", "--dir", "net").stdout
    names = ("POSTROAD_CONFIG", "POSTROAD_PORT_POSTBOX", "POSTROAD_COURT_GATEWAY", "POSTROAD_COURT_RPC")
    echo = "; ".join(f'echo "${name}"' for name in names)
    done = subprocess.run(["sh", "-c", f"{exports}\n{echo}"], capture_output=True, text=True, check=True)
    court, port = place.up["chains"]
    assert done.stdout.splitlines() == [
        place.up["config"],
        port["postbox"],
        court["gateway"],
        court["rpc"],
    ]
    told = place.json("devnet", "env", "--dir", "net")
    assert {name: told[name] for name in names} == dict(zip(names, done.stdout.splitlines(), strict=True))
    place.run("devnet", "env", "--dir", "elsewhere", code=ExitCode.PROBLEM)


def test_the_files_are_private(place: Place) -> None:
    net = place.folder / "net"
    assert (net / "password").stat().st_mode & 0o077 == 0
    assert net.stat().st_mode & 0o077 == 0
    for key in (net / "keys").iterdir():
        assert key.stat().st_mode & 0o077 == 0
    names = {item["name"] for item in place.json("keys", "list")}
    assert names == {
        f"{chain}-{use}" for chain in ("court", "port") for use in ("deployer", "relayer", "sender")
    }


def test_there_is_nothing_to_stop_where_nothing_runs(place: Place) -> None:
    assert place.json("devnet", "down", "--dir", "elsewhere")["stopped"] is False
    assert place.json("devnet", "status", "--dir", "elsewhere", code=ExitCode.PROBLEM)["running"] is False


def test_a_chain_that_makes_no_sense_is_refused(place: Place) -> None:
    done = place.run("devnet", "up", "--chains", "a=aura:3", "--dir", "elsewhere", code=ExitCode.CONFIG)
    assert "aura" in done.stderr
    assert not (place.folder / "elsewhere").exists()


# --- endpoints ----------------------------------------------------------------------------------------------


def test_endpoints_are_listed_checked_and_deployed_only_once(place: Place) -> None:
    listed = {item["chain"]: item for item in place.json("endpoint", "list")}
    for chain in place.up["chains"]:
        view = listed[chain["name"]]
        assert view["gateway"] == chain["gateway"]
        assert view["endpoint_id"] == chain["endpoint_id"]
        assert [admin["delay_s"] for admin in view["admins"]] == [172_800]
        assert [remote["status"] for remote in view["remotes"]] == ["active"]
    assert place.json("endpoint", "check")["ok"] is True
    again = place.json("endpoint", "deploy", "--yes")
    assert again["plan"]["steps"] == []
    assert again["applied"] is False
    registered = place.json("endpoint", "register", "court", "port", "--yes")
    assert registered["plan"]["steps"] == []


def test_a_config_is_checked_against_what_it_names(place: Place) -> None:
    assert place.json("config", "check")["ok"] is True
    live = place.json("config", "check", "--live")
    assert live["ok"] is True
    assert any("answers in" in finding["found"] for finding in live["findings"])
    text = (place.folder / "net" / "postroad.toml").read_text()
    wrong = place.folder / "net" / "wrong.toml"
    chain_ids = [str(chain["chain_id"]) for chain in place.up["chains"]]
    wrong.write_text(text.replace(chain_ids[0], "4242"))
    try:
        found = place.json(
            "config", "check", "--live", code=ExitCode.PROBLEM, POSTROAD_CONFIG="net/wrong.toml"
        )
        assert any(
            finding["severity"] == "refusal" and "chain id" in finding["found"]
            for finding in found["findings"]
        )
    finally:
        wrong.unlink()


def test_doctor_finds_everything_well(place: Place) -> None:
    done = place.json("doctor")
    assert done["ok"] is True
    subjects = {finding["subject"] for finding in done["findings"]}
    assert {"Python", "contracts", "anvil", "court → port", "port → court", "key court-relayer"} <= subjects


def test_doctor_finds_what_is_wrong(place: Place) -> None:
    net = place.folder / "net"
    key = net / "keys" / "court-relayer.json"
    password = net / "password"
    key.rename(net / "hidden")
    password.chmod(0o644)
    try:
        found = place.json("doctor", code=ExitCode.PROBLEM)["findings"]
    finally:
        (net / "hidden").rename(key)
        password.chmod(0o600)
    bad = {finding["subject"]: finding["severity"] for finding in found if finding["severity"] != "ok"}
    assert bad["key court-relayer"] == "refusal"
    assert bad["the password file"] == "warning"


# --- messages -----------------------------------------------------------------------------------------------


def test_without_a_relayer_a_message_waits_and_can_be_delivered_by_hand(place: Place) -> None:
    sent = place.send("court", "port", "--text", "by hand", "--deadline", "10m")
    assert bytes.fromhex(sent["payload"][2:]) == b"by hand"
    assert sent["receipt"] is None
    before = place.json("trace", sent["id"])
    assert (before["told_by"], before["state"], before["delivery"]) == ("chains", "observed", None)
    assert before["proven"]["is_delivered"] is False
    delivered = place.json("deliver", sent["id"])
    assert delivered["result"] == "executed"
    assert delivered["gas_used"] > 50_000
    after = place.json("trace", sent["id"])
    assert after["state"] == "confirmed"
    assert [step["state"] for step in after["steps"]] == ["observed", "included", "confirmed"]
    delivery, proven = after["delivery"], after["proven"]
    assert (delivery["tx_hash"], delivery["block"]) == (delivered["tx_hash"], delivered["block"])
    assert (delivery["told_by"], delivery["is_checked"]) == ("logs", True)
    # The proof is of a block at or after the delivery's, and says so.
    assert proven["is_delivered"] is True
    assert proven["height"] >= delivery["block"]
    assert proven["timestamp"] >= delivery["timestamp"] > 1_700_000_000
    text = place.run("trace", sent["id"]).stdout
    assert f"executed by transaction {delivered['tx_hash']} in block {delivered['block']} of port" in text
    assert "proven now: its bit is set at height" in text
    again = place.json("deliver", sent["id"])
    assert (again["result"], again["tx_hash"]) == ("already_delivered", None)


def test_waiting_in_vain_is_a_timeout_that_still_tells_what_was_sent(place: Place) -> None:
    done = place.run(
        *("send", "court", "port", "--to", place.box("port"), "--text", "x"),
        *("--wait", "--timeout", "1s", "--json"),
        code=ExitCode.TIMEOUT,
    )
    sent = json.loads(done.stdout)
    assert sent["receipt"] is None
    assert json.loads(done.stderr.splitlines()[-1])["error"]["exit_code"] == ExitCode.TIMEOUT
    assert place.json("deliver", sent["id"])["result"] == "executed"


def test_a_late_message_is_refused_by_hand_and_proven_expired(place: Place) -> None:
    sent = place.send("court", "port", "--text", "late", "--deadline", "1s")
    time.sleep(3)
    assert place.json("deliver", sent["id"], code=ExitCode.REFUSED)["result"] == "expired"
    assert place.json("trace", sent["id"])["state"] == "expired"


def test_a_recipient_that_refuses_costs_nothing(place: Place) -> None:
    # An account without code can't receive.
    nobody = "0x" + "47" * 20
    sent = place.json("send", "court", "port", "--to", nobody, "--text", "to nobody")
    failed = place.json("deliver", sent["id"], code=ExitCode.REFUSED)
    assert (failed["result"], failed["tx_hash"]) == ("failed", None)


def test_a_gateway_that_refuses_to_send_says_why(place: Place) -> None:
    done = place.run(
        *("send", "court", "port", "--to", place.box("port"), "--text", "x", "--gas-limit", "4000000000"),
        code=ExitCode.REFUSED,
    )
    assert "GasLimitTooHigh" in done.stderr


def test_an_unknown_message_is_not_found(place: Place) -> None:
    for command in ("trace", "deliver"):
        done = place.run(command, "0x" + "11" * 32, code=ExitCode.NOT_FOUND)
        assert "no message 0x1111" in done.stderr


def test_pending_needs_a_journal(place: Place) -> None:
    journal = place.folder / "net" / "postroad.db"
    if not journal.exists():
        assert "postroad run" in place.run("pending", code=ExitCode.CONFIG).stderr


def test_clients_are_shown_and_updated(place: Place) -> None:
    before = place.json("client", "status")
    assert {(row["source"], row["destination"]) for row in before} == {
        ("court", "port"),
        ("port", "court"),
    }
    assert all(row["status"] == "active" and row["current"] and row["error"] is None for row in before)
    assert all(row["signers"] and isinstance(row["remarks"], list) for row in before)
    updated = place.json("client", "update", "court", "port")
    assert len(updated["updates"]) == 1
    after = {(item["source"], item["destination"]): item for item in place.json("client", "status")}
    old = {(row["source"], row["destination"]): row for row in before}
    assert after["court", "port"]["height"] > old["court", "port"]["height"]
    assert after["port", "court"]["height"] == old["port", "court"]["height"]


def test_a_relayer_delivers_both_ways_and_tells_the_story(place: Place, relayer: Relayer) -> None:
    there = place.send("court", "port", "--text", "there", "--wait", "--timeout", "60s")
    back = place.send("port", "court", "--payload", "0x00ff", "--wait", "--timeout", "60s")
    for sent in (there, back):
        assert sent["receipt"]["height"] > 0
        assert int(sent["receipt"]["word"], 16) >> (sent["sequence"] & 0xFF) & 1
        story = wait_for_state(place, sent["id"], "confirmed")
        assert story["told_by"] == "journal"
        states = [step["state"] for step in story["steps"]]
        wanted = ["observed", "verified", "proven", "submitted", "included", "confirmed"]
        assert [state for state in states if state in wanted][:6] == wanted
        submitted = next(step for step in story["steps"] if step["state"] == "submitted")
        assert submitted["tx_hash"]
        assert story["delivery"]["told_by"] == "journal"
        assert story["delivery"]["is_checked"] is True
        assert story["delivery"]["tx_hash"] == submitted["tx_hash"]
        assert sent["receipt"]["delivery"]["tx_hash"] == submitted["tx_hash"]
        assert sent["receipt"]["height"] >= sent["receipt"]["delivery"]["block"]
        assert story["proven"]["is_delivered"] is True
    assert relayer.stop() == 0
    lines = [json.loads(line) for line in relayer.log.read_text().splitlines()]
    assert [line["event"] for line in lines][-2:] == ["draining", "stopped"]


def test_pending_tells_why_and_a_new_relayer_takes_up_what_was_sent_meanwhile(place: Place) -> None:
    """INV-6, INV-10: killed without a word, the next one goes on; what can't be delivered has a reason."""
    killed = start_relayer(place)
    nobody = "0x" + "48" * 20
    stuck = place.json("send", "port", "court", "--to", nobody, "--text", "to nobody")
    waiting = wait_for_pending(place, stuck["id"])
    assert waiting["reason"] == "recipient_reverts"
    killed.process.kill()
    killed.process.wait(30)
    meanwhile = place.send("port", "court", "--text", "meanwhile")
    following = start_relayer(place)
    try:
        assert wait_for_state(place, meanwhile["id"], "confirmed")["told_by"] == "journal"
        assert stuck["id"] in {item["id"] for item in place.json("pending")}
        assert meanwhile["id"] not in {item["id"] for item in place.json("pending")}
        text = place.run("pending").stdout
        assert stuck["id"] in text
        assert "recipient_reverts" in text
    finally:
        assert following.stop() == 0


def test_two_relayers_do_not_share_a_journal(place: Place, relayer: Relayer) -> None:
    assert relayer.process.poll() is None
    done = place.run("run", code=ExitCode.CONFIG)
    assert "another daemon" in done.stderr


def wait_for_state(place: Place, message_id: str, state: str) -> dict[str, Any]:
    story: dict[str, Any] = {}
    for _ in range(60):
        story = place.json("trace", message_id)
        if story["state"] == state:
            return story
        time.sleep(0.2)
    raise AssertionError(story)


def wait_for_pending(place: Place, message_id: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for _ in range(60):
        if (place.folder / "net" / "postroad.db").exists():
            found = place.json("pending")
            for finding in found:
                if finding["id"] == message_id and finding["reason"] == "recipient_reverts":
                    return finding
        time.sleep(0.2)
    raise AssertionError(found)
