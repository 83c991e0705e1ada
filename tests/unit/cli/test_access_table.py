# SPDX-License-Identifier: MIT
"""Who may do what, as `endpoint check` prints it."""

from __future__ import annotations

import pytest

from relayer.cli.endpoint import show_access
from relayer.endpoint.access import (
    PUBLIC_ROLE,
    AccessView,
    DelayChange,
    Membership,
    RoleView,
    Target,
    TargetView,
)
from relayer.endpoint.steps import ADMIN_ROLE, GUARDIAN_ROLE
from relayer.views.endpoint import access_view

NOW, DAY_S = 1_800_000_000, 86_400
ADMIN, GUARDIAN, LATER = b"\x0a" * 20, b"\x0b" * 20, b"\x0c" * 20
GATEWAY = Target(b"\x01" * 20, "gateway", "Gateway")
MANAGER = Target(b"\x03" * 20, "manager", "AccessManager")


def test_a_row_tells_the_contract_its_functions_the_role_and_who_has_it_after_which_delay(
    capsys: pytest.CaptureFixture[str],
) -> None:
    roles = {"replaceClient": ADMIN_ROLE, "pauseLane": GUARDIAN_ROLE, "openChannel": PUBLIC_ROLE}
    targets = (
        TargetView(GATEWAY, is_closed=False, admin_delay_s=0, admin_change=None, roles=roles),
        TargetView(MANAGER, is_closed=False, admin_delay_s=0, admin_change=None, roles={}),
    )
    admin = Membership(ADMIN, NOW - 9, 4 * DAY_S, DelayChange(0, NOW + 3 * DAY_S))
    members = (Membership(GUARDIAN, NOW - 9, 0), Membership(LATER, NOW + 60, 0))
    known = {
        ADMIN_ROLE: RoleView(ADMIN_ROLE, members=(admin,)),
        GUARDIAN_ROLE: RoleView(GUARDIAN_ROLE, "postroad guardian", members=members),
    }
    show_access([access_view("court", AccessView(MANAGER.address, NOW, targets, known, ()))])
    title, *rows = capsys.readouterr().out.strip().splitlines()
    assert title == f"Who may do what on court (AccessManager 0x{MANAGER.address.hex()}):"
    assert rows[0].split("\t") == ["contract", "functions", "role", "who, and what each call waits"]
    told = {tuple(row.split("\t")[:3]): row.split("\t")[3] for row in rows[1:]}
    assert told["gateway", "replaceClient", "admin"] == f"0x{ADMIN.hex()} after 4 days (0.0 s in 3 days)"
    assert told["gateway", "pauseLane", "postroad guardian (1)"] == (
        f"0x{GUARDIAN.hex()} at once, 0x{LATER.hex()} at once (in 60 s)"
    )
    assert told["gateway", "openChannel", "everybody"] == "everybody, at once"
