# SPDX-License-Identifier: MIT
"""A folder that stands for a machine: `opt`, `etc`, `run` and `var` as image and unit have them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tools._toolchain import ROOT, toolchain

UNIT: Final = (ROOT / "deploy" / "systemd" / "postroad.service").read_text(encoding="utf-8")

#: What NoNewPrivileges does, where util-linux is.
_LOCK: Final = ("setpriv", "--no-new-privs") if shutil.which("setpriv") else ()
_INSTALL_S: Final = 600


class Place:
    """The folder, with the environment installed and nothing running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = folder / "opt" / "postroad"
        self.etc = folder / "etc" / "postroad"
        self.credentials = folder / "run" / "credentials" / "postroad.service"
        self.state = folder / "var" / "lib" / "postroad"
        self.log = folder / "postroad.log"
        for path in (self.environment, self.etc, self.credentials, self.state):
            path.mkdir(parents=True)

    def moved(self, text: str) -> str:
        """Return a text with the paths of image and unit as they are in this folder."""
        return re.sub(r"(?<![\w.])/(opt/postroad|etc/postroad|var/lib/postroad)", rf"{self.folder}/\1", text)

    def install(self) -> None:
        """Do what the first stage of the image does."""
        python, build = self.environment / "bin" / "python", self.folder / "build"
        requirements = ROOT / "requirements"
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        wheel = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
        for words in (
            (sys.executable, "-m", "venv", build),
            (build / "bin" / "python", *install, "--require-hashes", "-r", requirements / "build.txt"),
            (sys.executable, "-m", "venv", self.environment),
            (
                python,
                *install,
                "--require-hashes",
                "--only-binary",
                ":all:",
                "-r",
                requirements / "runtime.txt",
            ),
            (build / "bin" / "python", *wheel, "--wheel-dir", self.folder / "wheel", self._sources()),
        ):
            subprocess.run(words, check=True, timeout=_INSTALL_S)
        (built,) = (self.folder / "wheel").glob("*.whl")
        subprocess.run([python, *install, "--no-deps", "--no-index", built], check=True, timeout=_INSTALL_S)
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip"], check=True)
        shutil.copy(ROOT / "deploy" / "backup" / "backup.py", self.environment)

    def _sources(self) -> Path:
        """Copy what .dockerignore lets into the build, and nothing else."""
        sources = self.folder / "source"
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
            if line.startswith("!"):
                source, target = ROOT / line[1:], sources / line[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                if source.is_dir():
                    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, target)
        return sources

    def postroad(self, *words: str | Path, code: int | None = 0) -> Any:
        """Run a command of the installed `postroad` and return its JSON; `code` None is any exit code."""
        done = subprocess.run(
            [self.environment / "bin" / "postroad", *words, "--json"],
            cwd=self.folder,
            env=os.environ
            | {"CREDENTIALS_DIRECTORY": str(self.credentials), "POSTROAD_ANVIL": str(toolchain.find_anvil())},
            capture_output=True,
            check=False,
            text=True,
            timeout=_INSTALL_S,
        )
        if code is not None and done.returncode != code:
            raise RuntimeError(
                f"postroad {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return json.loads(done.stdout or "null")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the daemon by the unit's ExecStart, with its environment, umask and NoNewPrivileges."""
        (command,) = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*_LOCK, *self.moved(command).split()],
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(self.credentials)},
                stdin=subprocess.DEVNULL,
                stderr=log,
                umask=0o077,
            )

    def back_up(self) -> Path:
        """Do what the backup's unit does; return the backup."""
        folder = self.folder / "var" / "lib" / "postroad-backup"
        folder.mkdir()
        unit = (ROOT / "deploy" / "systemd" / "postroad-backup.service").read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        done = subprocess.run(self.moved(command).split(), check=True, capture_output=True, text=True)
        return Path(done.stdout.strip())


def stop(process: subprocess.Popen[bytes]) -> int:
    """End the daemon as the unit does, in the unit's time; return its exit code."""
    (limit_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=int(limit_s))
