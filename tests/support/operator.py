# SPDX-License-Identifier: MIT
"""A chain's owner who joins it with another chain by the commands of a how-to, in one folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relayer import config as configuration
from relayer.chains.evm.node import Node
from relayer.config import Config
from relayer.devnet.network.join import LocalEndpoint, put_applications
from relayer.endpoint.manifest import Manifest
from relayer.keys import SCRYPT_N_DEVNET, KeyStore, StoredKey
from tests.support.daemon_process import DaemonProcess
from tests.support.relaynet import RECEIVED

#: Deploying on a chain that makes a block every few seconds takes a dozen of them.
_COMMAND_S = 300.0
_CHAIN = re.compile(r"--chain (\w+)=\S+")


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
    """Does in a folder what a how-to says, by a shell, as a person would.

    Attributes:
        folder: exists and is empty.
        cheap: keys are made without the command, and open in no time.
        say: is told every command.
    """

    folder: Path
    cheap: bool = False
    say: Callable[[str], None] = lambda _: None

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "postroad.toml"

    async def shell(self, command: str, *, code: int = 0, **variables: str) -> str:
        """Run a command; what it printed. Raises CommandError."""
        self.say(f"$ {command}")
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euc", command),
            cwd=self.folder,
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # A shell may have started something: it ends with it.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_COMMAND_S):
                out, err = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        if process.returncode != code or b"Traceback" in err:
            raise CommandError(
                f"{command} ended with {process.returncode}, expected {code}\n"
                f"{out.decode()[-3000:]}\n{err.decode()[-3000:]}"
            )
        return out.decode()

    async def json(self, *words: str, code: int = 0) -> Any:
        """Run a command of `postroad` with `--json`; what it printed, decoded. Raises CommandError."""
        return json.loads(await self.shell(f"postroad {' '.join(words)} --json", code=code))

    async def follow(
        self,
        page: Path,
        chains: Mapping[str, tuple[str, Sequence[str]]],
        edits: Mapping[str, str] | None = None,
        made: Callable[[StoredKey], Awaitable[None]] | None = None,
    ) -> list[str]:
        """Run the commands of a how-to up to `postroad run`; return those behind it.

        Args:
            page: has a section "The commands", in which what is indented is a command.
            chains: a word for the consensus and the URLs of every chain that the page names, by its name.
                They stand in place of the page's; nothing else is changed.
            edits: texts of the configuration that `init` writes, and what is put in their place.
            made: is called with every key when it is there, to give it money, for example.

        Raises:
            CommandError: a command fails, or the page has no `postroad run`.
        """
        commands = read_commands(page)
        for index, command in enumerate(commands):
            if command == "postroad run":
                return commands[index + 1 :]
            key, store = command.removeprefix("postroad keys new "), KeyStore(self.folder / "keys")
            if self.cheap and key != command:
                password = (self.folder / "password").read_text().strip()
                store.new(key, password, scrypt_n=SCRYPT_N_DEVNET)
            else:
                await self.shell(_CHAIN.sub(lambda found: _name_chain(found[1], *chains[found[1]]), command))
            if made is not None and key != command:
                await made(store.find(key))
            if command.startswith("postroad init"):
                # The default port would clash with another relayer on this machine.
                self._edit({"127.0.0.1:9464": f"127.0.0.1:{_free_port()}", **(edits or {})})
        raise CommandError(f"{page} has no command `postroad run`")

    def _edit(self, edits: Mapping[str, str]) -> None:
        text = self.config.read_text(encoding="utf-8")
        for old, new in edits.items():
            if old not in text:
                raise CommandError(f"{self.config} has no {old!r}")
            text = text.replace(old, new)
        self.config.write_text(text, encoding="utf-8")

    async def put_recipients(self, *names: str) -> Joined:
        """Put a recipient beside the endpoint of each chain."""
        config = configuration.load(self.config)
        manifest, store = Manifest(config.manifest_path), KeyStore(config.keys_directory)
        password = (self.folder / "password").read_text().strip()
        keys = {name: store.unlock(f"{name}-deployer", password) for name in names}
        found = await asyncio.gather(
            *(put_applications(config, manifest, name, key) for name, key in keys.items())
        )
        return Joined(config, dict(zip(names, found, strict=True)))

    @contextlib.asynccontextmanager
    async def relaying(self) -> AsyncIterator[DaemonProcess]:
        """`postroad run`, until the context ends; it must end by itself then."""
        daemon = DaemonProcess(self.config)
        self.say("$ postroad run")
        async with daemon.guarded():
            await daemon.start()
            yield daemon
            if await daemon.stop() != 0:
                raise CommandError("postroad run did not end well")


def read_commands(page: Path) -> list[str]:
    """Return the commands of a how-to: what is indented in its section "The commands".

    A backslash at a line's end continues a command, as in a shell; its comment is left out.
    """
    section = page.read_text(encoding="utf-8").partition("\n## The commands\n")[2].partition("\n## ")[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    whole = "\n".join(lines).replace("\\\n", "")
    return [re.sub(r"\s+#.*", "", command) for command in whole.splitlines()]


def _name_chain(name: str, word: str, urls: Sequence[str]) -> str:
    return f"--chain {name}={','.join((word, *urls))}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
