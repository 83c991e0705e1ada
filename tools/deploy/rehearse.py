# SPDX-License-Identifier: MIT
"""Do what image, unit and compose file do, in a bare folder, and break it. `make deploy-rehearse` runs this.

Real: the locked environment, two local chains, the daemon as the unit starts it, Prometheus with the rules,
the backup. Not to be had from package registries, and so not rehearsed: a container engine, systemd as the
first process, a Grafana server. In Grafana's place, Prometheus answers every query of the dashboards.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from relayer.devnet.process.ports import free_port
from tools._toolchain import ROOT
from tools.dashboards import DASHBOARDS
from tools.deploy.place import Place, stop
from tools.deploy.programs import MissingProgramError, find_program
from tools.deploy.watch import Watch, fetch, wait_for

_SPEC: Final = "court=bft:4@0.5,port=bft:ibft2:4@0.5"
#: Enough for a handful of deliveries.
_SMALL_WEI: Final = 8 * 10**14
_LARGE_WEI: Final = 10**18
#: What a healthy relayer has nothing to count for.
_QUIET: Final = ("rpc_errors", "step_failures", "task_restarts", "gas_wasted", "waiting_messages")
_SOON_S: Final = 90.0


def main() -> int:
    """Rehearse; return 0, or raise where something is not as it should be."""
    try:
        find_program("prometheus")
    except MissingProgramError as missing:
        print(f"rehearsal: SKIPPED: {missing}")
        return 0
    with tempfile.TemporaryDirectory(prefix="postroad-rehearsal-") as name:
        place = Place(Path(name))
        with _step("environment installed as the image has it"):
            place.install()
        devnet = place.folder / "devnet"
        with _step("two local chains"):
            chains = _start_chains(place, devnet)
        try:
            _rehearse(place, devnet, chains)
        except BaseException:
            if place.log.exists():
                print("\n".join(place.log.read_text(encoding="utf-8").splitlines()[-20:]), file=sys.stderr)
            raise
        finally:
            place.postroad("devnet", "down", "--dir", devnet, code=None)
    print(
        "rehearsal: all as it should be. Not rehearsed: a container engine, systemd itself, Grafana's pictures"
    )
    return 0


def _rehearse(place: Place, devnet: Path, chains: dict[str, Any]) -> None:
    page = f"http://127.0.0.1:{free_port()}"
    _configure(place, devnet, page, chains)
    daemon = place.start()
    try:
        with Watch(place.folder / "prometheus", free_port(), page.removeprefix("http://")) as watch:
            wait_for("the relayer", lambda: watch.query("postroad_ready == 1") or daemon.poll(), _SOON_S)
            _relay(place, devnet, chains, page, watch)
            _run_out_of_money(place, devnet, chains, page, watch)
            with _step("backup beside the running daemon, restored"):
                _restore(place)
            with _step("chains gone: PostroadNotReady fires"):
                place.postroad("devnet", "down", "--dir", devnet)
                wait_for("alert", lambda: "PostroadNotReady" in watch.firing(), 2 * _SOON_S)
                assert "no verified head lately: court, port" in fetch(f"{page}/readyz")
            with _step("stopped in the unit's time: PostroadDown fires"):
                assert stop(daemon) == 0
                wait_for("alert", lambda: "PostroadDown" in watch.firing(), _SOON_S)
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
    with _step("every line of the log fits its schema"):
        schema = jsonschema_rs.validator_for(
            json.loads((ROOT / "deploy" / "logging" / "log.schema.json").read_text(encoding="utf-8"))
        )
        for line in place.log.read_text(encoding="utf-8").splitlines():
            schema.validate(json.loads(line))
    with _step("exit code 3, which the unit does not repeat, for a wrong configuration"):
        (place.etc / "postroad.toml").write_text("[chain]\n", encoding="utf-8")
        assert place.start().wait(timeout=60) == 3


# --- the acts -----------------------------------------------------------------------------------------------


def _start_chains(place: Place, devnet: Path) -> dict[str, Any]:
    up = place.postroad("devnet", "up", "--chains", _SPEC, "--dir", devnet, "--admin")
    return {chain["name"]: chain for chain in up["chains"]}


def _configure(place: Place, devnet: Path, page: str, chains: dict[str, Any]) -> None:
    """The unit's head of the file, the chains of the local network, and a poor key of its own for one."""
    made = (devnet / "postroad.toml").read_text(encoding="utf-8")
    head = place.moved((ROOT / "deploy" / "systemd" / "postroad.toml").read_text(encoding="utf-8"))
    tables = made[made.index("[chains.") :].replace("= inf", "= 1").replace('"port-relayer"', '"poor"')
    api = f'[api]\nlisten = "{page.removeprefix("http://")}"\n\n'
    (place.etc / "postroad.toml").write_text(f"{head}\n{api}{tables}", encoding="utf-8")
    for path in (devnet / "password", *(devnet / "keys").glob("*.json")):
        shutil.copy(path, place.credentials)
    poor = place.postroad("keys", "new", "poor", "--config", place.etc / "postroad.toml")
    _fund(chains["port"], poor["address"], _SMALL_WEI)


def _relay(place: Place, devnet: Path, chains: dict[str, Any], page: str, watch: Watch) -> None:
    with _step("messages both ways, ready, and no critical alert"):
        for source, destination in (("court", "port"), ("port", "court")):
            _send(place, devnet, source, destination, chains, "--wait", "--timeout", "60s")
        assert fetch(f"{page}/healthz") == "ok\n"
        assert fetch(f"{page}/readyz").startswith("ok\n")
        confirmed = 'sum(postroad_messages_total{step="confirmed"})'
        wait_for("Prometheus counts both", lambda: [n for _, n in watch.query(confirmed)] == [2], _SOON_S)
        # The poor account is seen at once.
        assert watch.firing() <= {"PostroadBalanceLow"}
    with _step("the dashboards' queries have data"):
        queries = {
            query: query.replace("$__rate_interval", "1m").replace("$lane", ".*").replace("$chain", ".*")
            for dashboard in DASHBOARDS
            for panel in dashboard.panels
            for query in panel.queries.values()
        }
        wait_for("data of every query", lambda: not _without_data(watch, queries), _SOON_S)


def _without_data(watch: Watch, queries: dict[str, str]) -> list[str]:
    return [
        query
        for query, asked in queries.items()
        if not any(word in query for word in _QUIET) and not watch.query(asked)
    ]


def _run_out_of_money(place: Place, devnet: Path, chains: dict[str, Any], page: str, watch: Watch) -> None:
    with _step("an account runs low: PostroadBalanceLow fires"):
        wait_for("alert", lambda: "PostroadBalanceLow" in watch.firing(), _SOON_S)
    with _step("it is empty: PostroadWaitsForFunds fires, /readyz and doctor name it"):
        end = time.monotonic() + _SOON_S
        while not watch.query('postroad_waiting_messages{reason="funds"} > 0'):
            if time.monotonic() > end:
                raise TimeoutError("no message waits for funds")
            _send(place, devnet, "court", "port", chains)
            time.sleep(2)
        wait_for("alert", lambda: "PostroadWaitsForFunds" in watch.firing(), _SOON_S)
        assert "port: " in fetch(f"{page}/readyz")
        doctor = place.postroad("doctor", "--config", place.etc / "postroad.toml", code=None)
        assert any("poor" in json.dumps(found) for found in doctor["findings"] if found["severity"] != "ok")
    with _step("filled up: delivered, and both alerts end"):
        (poor,) = (
            key
            for key in place.postroad("keys", "list", "--config", place.etc / "postroad.toml")
            if key["name"] == "poor"
        )
        _fund(chains["port"], poor["address"], _LARGE_WEI)
        wait_for(
            "all delivered",
            lambda: not place.postroad("pending", "--config", place.etc / "postroad.toml"),
            _SOON_S,
        )
        names = {"PostroadBalanceLow", "PostroadWaitsForFunds"}
        wait_for("alerts end", lambda: not names & watch.firing(), _SOON_S)


def _restore(place: Place) -> None:
    """The backup takes the journal's place in another configuration, and tells the same messages."""
    backup = place.back_up()
    text = (place.etc / "postroad.toml").read_text(encoding="utf-8")
    restored = place.etc / "restored.toml"
    restored.write_text(text.replace(str(place.state / "postroad.db"), str(backup)), encoding="utf-8")
    assert place.postroad("pending", "--config", restored) == []


# --- small things -------------------------------------------------------------------------------------------


def _send(
    place: Place, devnet: Path, source: str, destination: str, chains: dict[str, Any], *words: str
) -> None:
    to = chains[destination]["postbox"]
    config = devnet / "postroad.toml"
    place.postroad("send", source, destination, "--to", to, "--text", "hello", "--config", config, *words)


def _fund(chain: dict[str, Any], address: str, amount_wei: int) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "postroad_fund", "params": [address, hex(amount_wei)]}
    request = urllib.request.Request(  # noqa: S310  an address of ours
        chain["admin"], json.dumps(call).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  as above
        told = json.loads(answer.read())
    if "error" in told:
        raise RuntimeError(str(told["error"]))


@contextmanager
def _step(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"rehearsal: {time.monotonic() - started:5.1f} s  {name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
