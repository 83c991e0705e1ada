# SPDX-License-Identifier: MIT
"""`postroad verify`: evidence that a relayer's API gave is believed, and none that anybody has changed."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from light_clients.client import Timestamp
from light_clients.errors import Rejection
from relayer.cli.exit_codes import ExitCode
from relayer.consensus.open_chain import open_chain
from relayer.devnet.process.ports import free_port
from relayer.road.evidence import EvidenceRefused, check_evidence, read_evidence
from tests.support.relayed import relayed
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE, RelayNet

COMMAND = (sys.executable, "-c", "from relayer.cli import main; main()", "verify")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


async def run_verify(*arguments: str, given: bytes | None = None) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(given), 30)
    return process.returncode, out.decode(), err.decode()


def changed(value: Any) -> Any:
    """Another value of the same form."""
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, "0x" + "11" * 32]
    # Somewhere in the middle: the ends of a proof may be padding of a trie.
    at = max(2, len(value) // 2)
    return value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]


@pytest.mark.parametrize("kind", ["bft:4", "clique:3", "bft:4:contract-validators"])
async def test_evidence_is_believed_as_it_is_and_in_no_other_form(tmp_path: Path, kind: str) -> None:
    """INV-1."""
    listen = f"127.0.0.1:{free_port()}"
    settings = f'[api]\nlisten = "{listen}"\n\n[batch]\nmax_wait_ms = 100\n'
    async with relayed(f"a={kind}@0.3,b=bft:4@0.3", tmp_path, settings) as (_, net, daemon):
        await net.send_counted("a", "b", 3, 1)
        await net.await_delivered("a", "b", 3)
        async with aiohttp.ClientSession(f"http://{listen}") as session:
            async with session.get("/v1/messages?lane=0x" + net.lane("a", "b").id.hex()) as answer:
                found = (await answer.json())["messages"]
            async with session.get(f"/v1/messages/{found[1]['id']}/proof") as answer:
                body = await answer.read()
        assert await daemon.stop() == 0
        evidence = json.loads(body)
        assert len(evidence["later"]) >= 1
        config = str(net.config_path)
        path = tmp_path / "evidence.json"
        path.write_bytes(body)
        code, out, err = await run_verify(str(path), "--config", config)
        assert (code, err) == (0, "")
        assert out.startswith(f"✓ {evidence['id']}\n")
        assert f"message {evidence['sequence']} of the lane" in out
        code, out, _ = await run_verify("-", "--config", config, "--follow", "--json", given=body)
        told = json.loads(out)
        assert (code, told["id"], told["height"]) == (0, evidence["id"], evidence["height"])
        path.write_text(json.dumps(evidence | {"payload": changed(evidence["payload"])}))
        code, _, err = await run_verify(str(path), "--config", config)
        assert code == ExitCode.REFUSED
        assert "fields that hash to 0x" in err
        _check_changes(net, evidence)


def _check_changes(net: RelayNet, evidence: dict[str, Any]) -> None:
    source = open_chain(net.config, "a")
    client, lane = source.prover.client_of_proofs, net.lane("a", "b")
    now = Timestamp(int(time.time()))

    def check(fields: dict[str, Any], gateway: bytes = source.chain.gateway) -> None:
        check_evidence(read_evidence(json.dumps(fields).encode()), lane, gateway, client, now)

    check(evidence)
    # What people are told beside it, and what nothing follows from.
    free = {"source", "destination", "tx_hash", "block", "height", "timestamp"}
    for name in evidence.keys() - free:
        with pytest.raises((EvidenceRefused, Rejection)):
            check(evidence | {name: changed(evidence[name])})
        with pytest.raises(EvidenceRefused, match="no evidence"):
            check({key: value for key, value in evidence.items() if key != name})
    # Where the file names no gateway, the storage proof alone says whose it is.
    check(evidence | {"gateway": None})
    with pytest.raises(Rejection):
        check(evidence | {"gateway": None}, b"\x11" * 20)
    for hostile in (b"", b"[]", b"{", b"[" * 100_000, b'{"id": 1}', json.dumps(evidence).encode()[:-2]):
        with pytest.raises(EvidenceRefused):
            read_evidence(hostile)
