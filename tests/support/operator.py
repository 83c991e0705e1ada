# SPDX-License-Identifier: MIT
"""A chain's owner who joins it with another chain: the commands of the how-tos, one process each, in one
folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.devnet.network.join import LocalEndpoint, put_applications
from relayer.endpoint.manifest import Manifest
from relayer.keys import SCRYPT_N_DEVNET, KeyStore
from tests.support.daemon_process import DaemonProcess
from tests.support.relaynet import PASSWORD, PASSWORD_VARIABLE, RECEIVED

#: Deploying on a chain that makes a block every few seconds takes a dozen of them.
_COMMAND_S = 300.0
_PURPOSES = ("deployer", "relayer", "sender")


class CommandError(RuntimeError):
    """A command ended with another exit code than it should; the text has what it said."""


@dataclass(frozen=True)
class Joined:
    """What was joined: the configuration and, by chain, the endpoint with a recipient to try it with."""

    config: Config
    endpoints: Mapping[str, LocalEndpoint]

    async def arrivals(self, name: str) -> Counter[bytes]:
        """How often each message's recipient on a chain was called, by the message's id."""
        node = Node.over(name, [url.reveal() for url in self.config.chain(name).rpc])
        try:
            last = int((await node.block("latest"))["number"], 16)
            logs = await node.logs(self.endpoints[name].postbox, [RECEIVED], 0, last)
        finally:
            await node.close()
        return Counter(bytes.fromhex(log["topics"][1][2:]) for log in logs)


@dataclass(frozen=True)
class Operator:
    """Runs commands in a folder, whose `postroad.toml` the first of them writes.

    Attributes:
        folder: exists and is empty.
        say: is told every command, as a person would write it.
        cheap: keys are made without the command, and open in no time.
    """

    folder: Path
    cheap: bool = False
    say: Callable[[str], None] = lambda _: None

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "postroad.toml"

    async def run(self, *words: str, code: int = 0) -> str:
        """Run a command; what it printed. Raises CommandError."""
        self.say(f"$ postroad {' '.join(words)}")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "relayer.cli", *words),
            cwd=self.folder,
            env=os.environ | {PASSWORD_VARIABLE: PASSWORD},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_COMMAND_S):
                out, err = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode != code or b"Traceback" in err:
            raise CommandError(
                f"postroad {' '.join(words)} ended with {process.returncode}, expected {code}\n"
                f"{out.decode()[-3000:]}\n{err.decode()[-3000:]}"
            )
        return out.decode()

    async def json(self, *words: str, code: int = 0) -> Any:
        """Run a command with `--json`; what it printed, decoded. Raises CommandError."""
        return json.loads(await self.run(*words, "--json", code=code))

    async def write_config(self, chains: Mapping[str, tuple[str, Sequence[str]]]) -> None:
        """Write the configuration with `init`, make all keys, and name them in it.

        `chains` has a word for the consensus and the URLs of every chain, by its name.
        """
        words = [f"{name}={','.join((word, *urls))}" for name, (word, urls) in chains.items()]
        chosen = [part for word in words for part in ("--chain", word)]
        await self.run("init", *chosen, "--password-env", PASSWORD_VARIABLE)
        for name in chains:
            for purpose in _PURPOSES:
                key = f"{name}-{purpose}"
                if self.cheap:
                    KeyStore(self.folder / "keys").new(key, PASSWORD, scrypt_n=SCRYPT_N_DEVNET)
                else:
                    await self.run("keys", "new", key)
        text = self.config.read_text(encoding="utf-8")
        # As the file itself says: what is commented out is there to be chosen.
        text = re.sub(r"^# (keys|sender|deployer) = ", r"\1 = ", text, flags=re.MULTILINE)
        # The library, which sends from the test's own process, finds it there too.
        (self.folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
        text = re.sub(r"^password_env = .*$", 'password_file = "password"', text, flags=re.MULTILINE)
        # The default port would clash with another relayer on this machine.
        text = text.replace("127.0.0.1:9464", f"127.0.0.1:{_free_port()}")
        self.config.write_text(text, encoding="utf-8")

    async def deploy_and_join(self, one: str, other: str) -> None:
        """Deploy an endpoint on both chains, register each with the other, close both, and check them."""
        await self.run("config", "check", "--live")
        for name in (one, other):
            await self.run("endpoint", "deploy", name, "--no-join", "--leave-open", "--yes")
        await self.run("endpoint", "register", one, other, "--both", "--yes")
        await self.run("endpoint", "deploy", "--yes")
        await self.run("endpoint", "check")
        # Twice is once.
        assert (await self.json("endpoint", "deploy", "--yes"))["plan"]["steps"] == []

    async def put_recipients(self, *names: str) -> Joined:
        """Put a recipient beside the endpoint of each chain."""
        config = configuration.load(self.config)
        manifest, store = Manifest(config.manifest_path), KeyStore(config.keys_directory)
        keys = {name: store.unlock(f"{name}-deployer", PASSWORD) for name in names}
        found = await asyncio.gather(
            *(put_applications(config, manifest, name, key) for name, key in keys.items())
        )
        return Joined(config, dict(zip(names, found, strict=True)))

    @contextlib.asynccontextmanager
    async def relaying(self) -> AsyncIterator[DaemonProcess]:
        """`postroad run`, until the context ends; it must end by itself then."""
        daemon = DaemonProcess(self.config)
        self.say("$ postroad run")
        await daemon.start()
        try:
            yield daemon
        except BaseException:
            print(daemon.log_end(40))
            if daemon.is_running():
                await daemon.kill()
            raise
        if await daemon.stop() != 0:
            raise CommandError(f"postroad run did not end well:\n{daemon.log_end(40)}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
