# SPDX-License-Identifier: MIT
"""Image, compose file and Kubernetes manifests agree with one another and with the program.

`make deploy-check` lets hadolint, the compose parser, kustomize and the schemas of Kubernetes judge them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from relayer import config as configuration
from relayer.pipeline.pipeline import DRAIN_S
from tests.unit.deploy.test_alerts import RULES
from tests.unit.deploy.test_systemd import CHAIN

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "image" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yml").read_text())
BASE = DEPLOY / "kubernetes" / "base"


def manifest(name: str) -> Any:
    return yaml.safe_load((BASE / f"{name}.yml").read_text())


POD: dict[str, Any] = manifest("statefulset")["spec"]["template"]["spec"]


def test_the_build_is_given_what_the_dockerfile_copies_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert all((ROOT / name).exists() for name in allowed)
    assert {"light_clients", "relayer", "pyproject.toml", "LICENSE", "README.md"} < allowed
    named = set(re.findall(r"-r (requirements/\S+)|cp (deploy/\S+)", DOCKERFILE))
    assert {first or second for first, second in named} < allowed


def test_the_image_is_pinned_and_runs_as_nobody_who_may() -> None:
    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert "--require-hashes" in DOCKERFILE
    stage = DOCKERFILE[DOCKERFILE.index("AS relayer") :]
    assert re.findall(r"^USER (.*)$", stage, re.MULTILINE) == ["10001:10001", "0:0", "10001:10001"]
    assert POD["securityContext"]["runAsUser"] == 10001
    images = [service["image"] for service in COMPOSE["services"].values()]
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in images)


@pytest.mark.parametrize("example", ["image/postroad.toml", "kubernetes/overlays/example/postroad.toml"])
def test_the_configuration_of_a_container_can_be_read(example: str) -> None:
    text = (DEPLOY / example).read_text()
    secrets = "/run/secrets"
    config = configuration.parse(
        text if "[chains." in text else text + CHAIN, environment={"CREDENTIALS_DIRECTORY": secrets}
    )
    assert (str(config.keys_directory), config.keys.password_file) == (secrets, f"{secrets}/password")
    assert config.api.address is not None
    host, port = config.api.address
    assert host == "0.0.0.0"
    assert f"EXPOSE {port}\n" in DOCKERFILE
    assert f"http://127.0.0.1:{port}/healthz" in DOCKERFILE
    assert config.journal_url.reveal().startswith("sqlite:////var/lib/postroad/")


def test_compose_mounts_what_is_here_and_publishes_on_loopback_alone() -> None:
    for service in COMPOSE["services"].values():
        assert service["read_only"] is True
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            # What lies in ./config is the operator's.
            if source.startswith(".") and not source.startswith("./config"):
                assert (DEPLOY / "compose" / source).exists(), source
            elif not source.startswith("."):
                assert source in COMPOSE["volumes"]
    (job,) = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["scrape_configs"]
    assert f'job="{job["job_name"]}"' in RULES[0]["expr"]


def test_there_is_time_to_drain_everywhere() -> None:
    assert int(COMPOSE["services"]["relayer"]["stop_grace_period"].removesuffix("s")) > 4 * DRAIN_S
    assert POD["terminationGracePeriodSeconds"] > 4 * DRAIN_S


def test_the_pod_is_restricted_and_only_one() -> None:
    assert manifest("statefulset")["spec"]["replicas"] == 1
    (container,) = POD["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")}
    assert probes == {"liveness": "/healthz", "readiness": "/readyz"}
    # A selector that selects everything would close the whole namespace.
    label = {"matchLabels": {"app.kubernetes.io/name": "postroad"}}
    assert manifest("networkpolicy")["spec"]["podSelector"] == label
    assert manifest("poddisruptionbudget")["spec"]["selector"] == label
