# SPDX-License-Identifier: MIT
"""Findings, as they are shown."""

from __future__ import annotations

import pytest

from relayer.consensus.findings import Finding, Severity
from relayer.views.encoding import to_plain
from relayer.views.finding import check_view


@pytest.mark.parametrize(
    ("severities", "ok"),
    [
        ([], True),
        ([Severity.OK, Severity.WARNING], True),
        ([Severity.WARNING, Severity.REFUSAL], False),
    ],
)
def test_a_check_is_ok_unless_a_finding_is_a_refusal(severities: list[Severity], *, ok: bool) -> None:
    view = check_view(Finding(severity, "court", "found", "expected", "advice") for severity in severities)
    assert to_plain(view) == {
        "ok": ok,
        "findings": [
            {
                "severity": severity.value,
                "subject": "court",
                "found": "found",
                "expected": "expected",
                "advice": "advice",
            }
            for severity in severities
        ],
    }
