# SPDX-License-Identifier: MIT
"""INV-7: Postroad and Lodestar's light client give the same verdict on every object (`make oracle`)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from light_clients.ethereum import sync_protocol
from tests.live.oracle import Case, OracleMissingError, compare, require_oracle
from tests.live.oracle_cases import real_cases, simulated_cases

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _oracle() -> None:
    try:
        require_oracle()
    except OracleMissingError as error:
        pytest.skip(str(error))


def check(cases: Sequence[Case], capsys: pytest.CaptureFixture[str]) -> None:
    for what, tally in compare(cases):
        with capsys.disabled():
            print(
                f"\n{what}: {tally.cases} cases, {tally.accepted} objects accepted, {tally.rejected} rejected, "
                f"{len(tally.differences)} verdicts differ"
            )
        # Without both kinds the agreement would say nothing.
        assert tally.accepted > 0
        assert tally.rejected > 0
        assert not tally.differences, "\n".join(tally.differences[:5])


def test_same_verdict_on_a_simulated_chain_through_all_forks(capsys: pytest.CaptureFixture[str]) -> None:
    check(list(simulated_cases()), capsys)


@pytest.mark.shared
def test_same_verdict_on_mainnet_and_sepolia(
    shared_vectors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(list(real_cases(shared_vectors)), capsys)


def test_a_client_that_believes_without_signatures_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_protocol, "validate_sync_committee_signature", lambda *_: None)
    signatures = (
        case for case in simulated_cases() if "sync_committee_signature with its last bit" in case.name
    )
    [(_, tally)] = compare(list(islice(signatures, 6)))
    assert len(tally.differences) == tally.cases == 6
