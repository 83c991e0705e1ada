# SPDX-License-Identifier: MIT
"""`postroad top` beside a daemon that relays: in a pipe, as JSON, and in a terminal of 80 columns."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
from pathlib import Path

import pytest

from relayer.cli.exit_codes import ExitCode
from relayer.devnet.process.ports import free_port
from tests.support.relayed import relayed
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE

COMMAND = (sys.executable, "-c", "from relayer.cli import main; main()", "top")
#: What moves the cursor or colours letters.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


async def run_top(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


async def watch_in_terminal(*arguments: str) -> tuple[int | None, str]:
    """Run it in a terminal of 80 by 24 until it has shown lanes twice, then press Ctrl-C.

    Returns its exit code and what it wrote.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = ""
    try:
        async with asyncio.timeout(30):
            while shown.count("a>b") < 2:
                shown += (await asyncio.to_thread(os.read, ours, 65_536)).decode()
            process.send_signal(signal.SIGINT)
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
    return process.returncode, ESCAPES.sub("", shown)


async def test_a_relayer_is_shown_as_it_is(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    settings = f'[api]\nlisten = "{listen}"\n\n[batch]\nmax_wait_ms = 100\n'
    async with relayed("a=bft:4@0.3,b=bft:ibft2:7@0.3", tmp_path, settings) as (_, net, daemon):
        await net.send_counted("a", "b", 5, 1)
        await net.await_delivered("a", "b", 5)
        await net.await_settled("a", "b", 5)
        config = str(net.config_path)
        code, out, err = await run_top("--config", config)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0].startswith("Postroad  chains: 2  lanes: 2  waiting: 0  open transactions: 0")
        (lane,) = (line for line in lines if line.startswith("a>b "))
        assert lane.split() == ["a>b", "5", "5", "0"]
        assert any(re.match(r"b +\d+ +\d+ +\d.* deliveries", line) for line in lines)
        assert any(re.match(r"a on b +active +\d+ +\d+", line) for line in lines)
        assert [line for line in lines if len(line) > 80] == []
        code, out, _ = await run_top("--api", f"http://{listen}/", "--json")
        told = json.loads(out)
        assert code == 0
        assert {lane["name"]: lane["settled"] for lane in told["lanes"]}["a>b"] == 5
        assert set(told) == {"at", "lanes", "chains", "clients", "transactions"}
        code, screen = await watch_in_terminal("--config", config, "--interval", "0.2")
        assert code == ExitCode.INTERRUPTED
        assert "a on b" in screen
        assert await daemon.stop() == 0
        code, _, err = await run_top("--config", config)
        assert code == ExitCode.UNAVAILABLE
        assert f"http://{listen} does not answer as a relayer does" in err
        assert "Is `postroad run` running" in err
