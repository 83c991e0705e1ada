# SPDX-License-Identifier: MIT
"""One line a trouble, and one when it is over."""

from __future__ import annotations

import logging

import structlog
from structlog.testing import CapturingLogger

from relayer.trouble import Trouble


def test_a_failure_that_repeats_is_told_once_and_its_end_too() -> None:
    told = CapturingLogger()
    log = structlog.wrap_logger(
        told,
        processors=[lambda _logger, _method, fields: ((), dict(fields))],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    trouble = Trouble(log.bind(chain="court"), "step failed")
    trouble.over()
    for height in range(3):
        trouble.note(f"no proof at block {height} under 0x{height:064x} in {height}.5 s", page=height)
    trouble.note("nobody answers")
    trouble.note("no proof at block 77 under 0xff in 3 s")
    trouble.over()
    trouble.over()
    trouble.note("nobody answers")
    assert [(call.method_name, call.kwargs["event"]) for call in told.calls] == [
        ("warning", "step failed"),
        ("debug", "step failed"),
        ("debug", "step failed"),
        ("warning", "step failed"),
        ("debug", "step failed"),
        ("info", "step failed: over"),
        ("warning", "step failed"),
    ]
    lines = [call.kwargs for call in told.calls]
    assert lines[0]["error"].startswith("no proof at block 0")
    assert (lines[1]["page"], lines[5]["tries"], lines[5]["chain"]) == (1, 5, "court")
