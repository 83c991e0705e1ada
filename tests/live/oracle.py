# SPDX-License-Identifier: MIT
"""The same light-client objects to Postroad and to Lodestar's light client, and whether they agree.

Lodestar's is another team's, in another language; where Node has no binding of blst it also brings another
library for BLS (herumi), and that is how `make oracle` runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from light_clients.errors import Rejection
from light_clients.ethereum.config import FAR_FUTURE_EPOCH, ForkName, NetworkConfig, Slot
from light_clients.ethereum.containers import (
    LightClientBootstrap,
    LightClientFinalityUpdate,
    LightClientOptimisticUpdate,
    LightClientUpdate,
    SyncCommittee,
)
from light_clients.ethereum.sync_protocol import (
    LightClientStore,
    initialize_light_client_store,
    process_light_client_finality_update,
    process_light_client_optimistic_update,
    process_light_client_update,
)
from relayer.devnet.process import toolchain

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tools" / "live" / "oracle"

Json = dict[str, Any]
#: "update", "finality" or "optimistic", and the versioned JSON of the Beacon API.
Step = tuple[str, Json]

_PROCESS: dict[str, tuple[Any, Any]] = {
    "update": (LightClientUpdate, process_light_client_update),
    "finality": (LightClientFinalityUpdate, process_light_client_finality_update),
    "optimistic": (LightClientOptimisticUpdate, process_light_client_optimistic_update),
}
_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Case:
    """Objects in the order in which both clients get them.

    Attributes:
        name: for people.
        config: the network, as both are told.
        bootstrap: versioned JSON.
        steps: what follows; a rejected one changes nothing.
        current_slot: the time, for all of them.
        trusted_root: which block the bootstrap has to be; None where it is trusted as it stands.
        next_committee: the next period's, where it is trusted too; only without `trusted_root`.
    """

    name: str
    config: NetworkConfig
    bootstrap: Json
    steps: tuple[Step, ...]
    current_slot: int
    trusted_root: bytes | None
    next_committee: Json | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a client said: None = accepted, else its reason.

    Roots are those of the beacon headers that it ends with.
    """

    bootstrap: str | None
    steps: tuple[str | None, ...] = ()
    finalized: bytes = b""
    optimistic: bytes = b""

    def decisions(self) -> tuple[object, ...]:
        """What has to agree: the reasons' words don't."""
        return (
            self.bootstrap is None,
            tuple(reason is None for reason in self.steps),
            self.finalized,
            self.optimistic,
        )


@dataclass(slots=True)
class Tally:
    """How many verdicts there were, and which differ."""

    cases: int = 0
    accepted: int = 0
    rejected: int = 0
    differences: list[str] = field(default_factory=list)

    def count(self, case: Case, ours: Verdict, theirs: Verdict) -> None:
        """Compare one case."""
        self.cases += 1
        for reason in (ours.bootstrap, *ours.steps):
            if reason is None:
                self.accepted += 1
            else:
                self.rejected += 1
        if ours.decisions() != theirs.decisions():
            self.differences.append(f"{case.name}\n    ours   {ours}\n    theirs {theirs}")


def judge(case: Case) -> Verdict:
    """Postroad's verdict."""
    preset = case.config.preset
    try:
        bootstrap = LightClientBootstrap.from_versioned_json(case.bootstrap, preset)
        store = _begin(case, bootstrap)
    except Rejection as reason:
        return Verdict(str(reason))
    reasons: list[str | None] = []
    for kind, given in case.steps:
        parse, process = _PROCESS[kind]
        try:
            store = process(
                store,
                parse.from_versioned_json(given, preset),
                Slot(case.current_slot),
                case.config,
            )
            reasons.append(None)
        except Rejection as reason:
            reasons.append(str(reason))
    return Verdict(
        None,
        tuple(reasons),
        store.finalized_header.beacon.hash_tree_root(),
        store.optimistic_header.beacon.hash_tree_root(),
    )


def _begin(case: Case, bootstrap: LightClientBootstrap) -> LightClientStore:
    if case.trusted_root is not None:
        return initialize_light_client_store(case.trusted_root, bootstrap, case.config)
    following = case.next_committee
    fork = ForkName.parse(case.bootstrap["version"])
    return LightClientStore(
        finalized_header=bootstrap.header,
        current_sync_committee=bootstrap.current_sync_committee,
        next_sync_committee=None
        if following is None
        else SyncCommittee.from_json(following, fork, case.config.preset),
        best_valid_update=None,
        optimistic_header=bootstrap.header,
        previous_max_active_participants=0,
        current_max_active_participants=0,
    )


class OracleMissingError(RuntimeError):
    """Lodestar's light client is not installed."""


def require_oracle() -> None:
    """Raise OracleMissingError where `make oracle` has not installed it."""
    if not (FOLDER / "node_modules" / "@lodestar" / "light-client").is_dir():
        raise OracleMissingError("Lodestar's light client is not installed: run `make oracle`")


def ask_lodestar(cases: Sequence[Case], preset: str) -> tuple[str, list[Verdict]]:
    """Lodestar's verdicts, with the name of the BLS library that it used.

    Raises:
        OracleMissingError: it is not installed.
        RuntimeError: it did not answer every case.
    """
    require_oracle()
    lines = "\n".join(json.dumps(_tell(case)) for case in cases)
    done = subprocess.run(
        [str(toolchain.find_node()), "--max-old-space-size=1024", str(FOLDER / "verify.mjs")],
        cwd=FOLDER,
        env=os.environ | {"LODESTAR_PRESET": preset},
        input=lines,
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT_S,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0 or len(answers) != len(cases) + 1 or answers[0]["preset"] != preset:
        raise RuntimeError(
            f"the oracle ended with {done.returncode} after {len(answers)} lines for {len(cases)} cases: {done.stderr[-2000:]}"
        )
    return answers[0]["bls"], [_hear(answer) for answer in answers[1:]]


def compare(cases: Sequence[Case]) -> Iterator[tuple[str, Tally]]:
    """Judge all, a preset at a time; yield what was compared, and the tally."""
    for preset in sorted({case.config.preset.name for case in cases}):
        chosen = [case for case in cases if case.config.preset.name == preset]
        library, theirs = ask_lodestar(chosen, preset)
        tally = Tally()
        for case, verdict in zip(chosen, theirs, strict=True):
            tally.count(case, judge(case), verdict)
        yield f"{preset} preset, {library}", tally


def _tell(case: Case) -> Json:
    return {
        "config": _config(case.config),
        "genesis_validators_root": "0x" + case.config.genesis_validators_root.hex(),
        "current_slot": case.current_slot,
        "trusted_root": None if case.trusted_root is None else "0x" + case.trusted_root.hex(),
        "bootstrap": case.bootstrap,
        "next_committee": case.next_committee,
        "updates": [{"kind": kind, **given} for kind, given in case.steps],
    }


def _hear(answer: Json) -> Verdict:
    if answer["bootstrap"] is not None:
        return Verdict(answer["bootstrap"])
    roots = (bytes.fromhex(answer[name][2:]) for name in ("finalized", "optimistic"))
    return Verdict(None, tuple(answer["updates"]), *roots)


def _config(config: NetworkConfig) -> Json:
    told: Json = {
        "SECONDS_PER_SLOT": str(config.slot_duration_ms // 1000),
        "SLOT_DURATION_MS": str(config.slot_duration_ms),
    }
    for name in ForkName:
        fork = config.fork_named(name)
        told[f"{name.name}_FORK_EPOCH"] = str(FAR_FUTURE_EPOCH if fork is None else fork.epoch)
        if fork is not None:
            told[f"{name.name}_FORK_VERSION"] = "0x" + fork.version.hex()
    return told
