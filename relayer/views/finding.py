# SPDX-License-Identifier: MIT
"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from relayer.consensus.findings import Finding


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        severity: `ok`, `warning` or `refusal`.
        subject: what was looked at.
        found: what was found there.
        expected: what should be there; may be empty.
        advice: what to do; may be empty.
    """

    severity: str
    subject: str
    found: str
    expected: str
    advice: str


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """All that a check found. `ok` is False where a finding is a refusal."""

    ok: bool
    findings: tuple[FindingView, ...]


def finding_view(finding: Finding) -> FindingView:
    """Return the view of a finding."""
    return FindingView(
        severity=finding.severity.value,
        subject=finding.subject,
        found=finding.found,
        expected=finding.expected,
        advice=finding.advice,
    )


def check_view(findings: Iterable[Finding]) -> CheckView:
    """Return the view of everything that a check found."""
    views = tuple(finding_view(finding) for finding in findings)
    return CheckView(ok=all(view.severity != "refusal" for view in views), findings=views)
