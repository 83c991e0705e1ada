# SPDX-License-Identifier: MIT
"""What a daemon logs as JSON is as deploy/logging/log.schema.json has it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import structlog

from relayer import config as configuration
from relayer.cli.failures import describe
from relayer.config import Config
from relayer.daemon import build, configure_logging
from relayer.errors import ConfigError

SCHEMA = Path(__file__).parents[3] / "deploy" / "logging" / "log.schema.json"
CHAIN = """\
[chains.{name}]
chain = "eip155:{number}"
rpc = ["http://127.0.0.1:9"]
gateway = "0x{byte}"
genesis_hash = "0x2222222222222222222222222222222222222222222222222222222222222222"

[chains.{name}.consensus]
kind = "bft"
protocol = "qbft"
bootstrap = {{ height = 5, timestamp = 1700000000, validators = ["0x3333333333333333333333333333333333333333"] }}
"""


def config(folder: Path) -> Config:
    chains = (CHAIN.format(name=name, number=n, byte=f"{n:02x}" * 20) for n, name in enumerate(("a", "b"), 1))
    text = '[api]\nlisten = ""\n\n[log]\nformat = "json"\nlevel = "debug"\n\n' + "".join(chains)
    return configuration.parse(text, directory=folder)


@pytest.fixture(name="schema", scope="module")
def _schema() -> Any:
    return jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))


@pytest.mark.network
async def test_every_line_of_a_daemon_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], schema: Any
) -> None:
    daemon = build(config(tmp_path))
    running = asyncio.create_task(daemon.run())
    await asyncio.sleep(1)
    daemon.stop()
    await running
    lines = capsys.readouterr().err.splitlines()
    assert {"relaying", "the chain could not be checked", "stopped"} <= {
        json.loads(line)["event"] for line in lines
    }
    for line in lines:
        schema.validate(json.loads(line))


def test_a_traceback_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str], schema: Any) -> None:
    configure_logging(msgspec.structs.replace(config(tmp_path).log, format="json"))
    try:
        int("a defect")
    except ValueError:
        structlog.get_logger().exception("a task failed", chain="court")
    line = json.loads(capsys.readouterr().err)
    schema.validate(line)
    assert "Traceback" in line["exception"]


def test_the_last_line_of_a_failed_run_fits(schema: Any) -> None:
    schema.validate({"error": describe(ConfigError("found", "expected", "advice"))})


def test_other_lines_do_not_fit(schema: Any) -> None:
    line = {"event": "relaying", "level": "info", "timestamp": "2026-01-02T03:04:05.678901Z"}
    assert schema.is_valid(line | {"something": "new"})
    wrongs: list[dict[str, object]] = [
        {"event": ""},
        {"level": "loud"},
        {"timestamp": "2026-01-02 03:04:05"},
        {"error": {}},
    ]
    assert [wrong for wrong in wrongs if schema.is_valid(line | wrong)] == []
