# SPDX-License-Identifier: MIT
"""Let the tools that judge such files judge those of deploy/. `make deploy-check` runs this.

A check whose tool can't be had is skipped, and said to be. What the files have in common with the program is
held by tests/unit/deploy, which need no tool.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools._toolchain import ROOT
from tools.dashboards import FOLDER as DASHBOARDS
from tools.deploy.programs import MissingProgramError, find_program

DEPLOY: Final = ROOT / "deploy"
KUBERNETES: Final = "1.34"
#: Of 100, which systemd-analyze shows as 2.0 of 10.
_MOST_EXPOSURE: Final = 20
_COMMAND_S: Final = 300


class CheckFailedError(Exception):
    """A tool is not content; the text is what it said."""


def main() -> int:
    """Run all checks and print a line for each; return 0 unless one failed."""
    failed = skipped = 0
    for subject, tool, check in CHECKS:
        try:
            with tempfile.TemporaryDirectory(prefix="postroad-deploy-") as folder:
                check(Path(folder))
            told = "ok"
        except MissingProgramError as missing:
            skipped += 1
            told = f"SKIPPED: {missing}"
        except CheckFailedError as failure:
            failed += 1
            told = f"FAILED\n{failure}"
        print(f"{subject:34} {tool:28} {told}", flush=True)
    print(f"deploy: {len(CHECKS) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def run(program: str, *words: str | Path, folder: Path = ROOT) -> str:
    """Run a program and return what it printed.

    Raises:
        MissingProgramError: it can't be had here.
        CheckFailedError: it ended with another code than 0.
    """
    done = subprocess.run(
        [find_program(program), *words],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
        timeout=_COMMAND_S,
    )
    if done.returncode != 0:
        raise CheckFailedError((done.stdout + done.stderr).strip())
    return done.stdout


# --- the checks: each has a folder of its own for what it makes ---------------------------------------------


def check_rules(_: Path) -> None:
    """Syntax and duplicates of the alert rules."""
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", DEPLOY / "alerts" / "postroad.rules.yml")


def play_rules(_: Path) -> None:
    """Every alert, played with series that sound it and with some that don't."""
    run("promtool", "test", "rules", DEPLOY / "alerts" / "postroad.tests.yml")


def check_prometheus(folder: Path) -> None:
    """The configuration of Prometheus, with the rules where the container has them."""
    shutil.copy(DEPLOY / "compose" / "prometheus.yml", folder)
    shutil.copy(DEPLOY / "alerts" / "postroad.rules.yml", folder)
    run("promtool", "check", "config", folder / "prometheus.yml")


def check_queries(folder: Path) -> None:
    """Every query of every dashboard, as a rule, with Grafana's variables replaced by values."""
    queries = [
        target["expr"].replace("$__rate_interval", "5m").replace("$lane", ".*").replace("$chain", ".*")
        for path in sorted(DASHBOARDS.glob("*.json"))
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]
        for target in panel["targets"]
    ]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    # JSON is YAML.
    path = folder / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    run("promtool", "check", "rules", "--lint=none", path)


def check_image(_: Path) -> None:
    """The Dockerfile."""
    run("hadolint", DEPLOY / "image" / "Dockerfile")


def check_compose(_: Path) -> None:
    """The compose file, alone and merged with the one of the local chains."""
    folder = DEPLOY / "compose"
    run("compose-go", "compose.yml", folder=folder)
    run("compose-go", "compose.yml", "compose.devnet.yml", folder=folder)


def check_manifests(folder: Path) -> None:
    """The manifests as kustomize puts them together, by the schemas of Kubernetes; no unknown key passes."""
    built = folder / "postroad.yml"
    built.write_text(
        run("kubectl", "kustomize", DEPLOY / "kubernetes" / "overlays" / "example"), encoding="utf-8"
    )
    run("kubernetes-validate", "--strict", "-k", KUBERNETES, built)


def check_units(folder: Path) -> None:
    """The units, with a program that is there in the place of the one that is to be installed."""
    units = [
        folder / path.name for path in (DEPLOY / "systemd").glob("postroad*.*") if path.suffix != ".toml"
    ]
    for unit in units:
        text = (DEPLOY / "systemd" / unit.name).read_text(encoding="utf-8")
        text = text.replace("/opt/postroad/bin/postroad", "/bin/true").replace(
            "/opt/postroad/bin/python", "/bin/true"
        )
        unit.write_text(text, encoding="utf-8")
    run("systemd-analyze", "verify", *units)


def check_exposure(_: Path) -> None:
    """How much of the machine a service that was taken over could reach."""
    for name in ("postroad.service", "postroad-backup.service"):
        unit = DEPLOY / "systemd" / name
        run("systemd-analyze", "security", "--offline=true", f"--threshold={_MOST_EXPOSURE}", unit)


def check_nginx(folder: Path) -> None:
    """The example for nginx, with a certificate of its own."""
    certificate, key = folder / "relayer.example.pem", folder / "relayer.example.key"
    subject = ("-subj", "/CN=relayer.example", "-days", "1")
    run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        *subject,
        "-keyout",
        key,
        "-out",
        certificate,
    )
    text = (DEPLOY / "nginx" / "postroad.conf").read_text(encoding="utf-8")
    (folder / "postroad.conf").write_text(text.replace("/etc/nginx/tls", str(folder)), encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}; " for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nevents {{}}\n"
        f"http {{ access_log off; {places}include {folder}/postroad.conf; }}\n",
        encoding="utf-8",
    )
    run("nginx", "-t", "-q", "-e", folder / "errors", "-c", folder / "nginx.conf")


CHECKS: Final[tuple[tuple[str, str, Callable[[Path], None]], ...]] = (
    ("alerts: syntax", "promtool", check_rules),
    ("alerts: played", "promtool", play_rules),
    ("compose: Prometheus", "promtool", check_prometheus),
    ("grafana: queries", "promtool", check_queries),
    ("image", "hadolint", check_image),
    ("compose", "compose-go", check_compose),
    ("kubernetes", "kubectl, kubernetes-validate", check_manifests),
    ("systemd: units", "systemd-analyze verify", check_units),
    ("systemd: exposure", "systemd-analyze security", check_exposure),
    ("nginx", "nginx", check_nginx),
)


if __name__ == "__main__":
    sys.exit(main())
