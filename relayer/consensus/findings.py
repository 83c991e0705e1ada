# SPDX-License-Identifier: MIT
"""What planning and checking find, in a form that people can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: What to do about a light client that trusts signers who are none of its chain's.
HIJACKED: Final = (
    "Whoever has the keys of those signers forges every message: pause the remote (`postroad remote pause`), find "
    "out who set them, and replace the client."
)


class Severity(Enum):
    """How bad a finding is.

    Attributes:
        OK: as it should be.
        WARNING: it works, and somebody should know.
        REFUSAL: messages would not be safe, or would not arrive: nothing is deployed, and `check` fails.
    """

    OK = "ok"
    WARNING = "warning"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `subject` names it: `court-chain`, or `court-chain → port-chain`."""

    severity: Severity
    subject: str
    found: str
    expected: str = ""
    advice: str = ""


def refuse(subject: str, found: str, expected: str, advice: str) -> Finding:
    """Return a refusal."""
    return Finding(Severity.REFUSAL, subject, found, expected, advice)


def has_refusal(findings: Iterable[Finding]) -> bool:
    """Return whether any of the findings forbids to go on."""
    return any(finding.severity is Severity.REFUSAL for finding in findings)
