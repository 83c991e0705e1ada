# SPDX-License-Identifier: MIT
"""Prometheus with the rules of deploy/alerts, before a relayer in a rehearsal."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from tools._toolchain import ROOT
from tools.deploy.programs import find_program

_START_S = 60.0


class Watch:
    """A running Prometheus. The rules are the real ones, with seconds for minutes in `for`."""

    def __init__(self, folder: Path, port: int, target: str) -> None:
        folder.mkdir()
        rules = (ROOT / "deploy" / "alerts" / "postroad.rules.yml").read_text(encoding="utf-8")
        (folder / "postroad.rules.yml").write_text(re.sub(r"(for: \d+)m", r"\1s", rules), encoding="utf-8")
        config = (ROOT / "deploy" / "compose" / "prometheus.yml").read_text(encoding="utf-8")
        config = config.replace("relayer:9464", target).replace("15s", "1s")
        (folder / "prometheus.yml").write_text(config, encoding="utf-8")
        self._url = f"http://127.0.0.1:{port}"
        self._words = [
            str(find_program("prometheus")),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._words, stdout=log, stderr=log)
        wait_for("Prometheus", self._is_ready, _START_S)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the series that an expression has now, each with its value."""
        answer = fetch(f"{self._url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        result: list[dict[str, Any]] = json.loads(answer)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {labels["alertname"] for labels, _ in self.query('ALERTS{alertstate="firing"}')}

    def _is_ready(self) -> bool:
        try:
            return bool(fetch(f"{self._url}/-/ready"))
        except OSError:
            return False


def fetch(url: str) -> str:
    """Return what a page of this machine says, whatever its status. Raises OSError where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  an address of ours
            text: str = answer.read().decode()
    except urllib.error.HTTPError as refusal:
        text = refusal.read().decode()
    return text


def wait_for(what: str, is_so: Any, limit_s: float) -> None:
    """Wait until a function returns something true. Raises TimeoutError."""
    end = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit_s:g} s")
        time.sleep(0.5)
