# SPDX-License-Identifier: MIT
"""What planning and checking find: said so that it can be acted on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should know."""
    REFUSAL = "refusal"
    """Messages would not be safe, or would not arrive: nothing is deployed, and `check` fails."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `subject` names it: `court-chain`, or `court-chain → port-chain`."""

    severity: Severity
    subject: str
    found: str
    expected: str = ""
    advice: str = ""


def has_refusal(findings: Iterable[Finding]) -> bool:
    """Say whether any of them forbids to go on."""
    return any(finding.severity is Severity.REFUSAL for finding in findings)
