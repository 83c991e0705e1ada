# SPDX-License-Identifier: MIT
"""docs/reference/cli.md promises JSON shapes: it has each key of a view, and no key besides."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from relayer.protocol.delivery import DeliveryState, Waiting, WaitingReason
from relayer.views.account import KeyView
from relayer.views.administration import AdministrationView, ChangeView, PrintedCallView, SentCallView
from relayer.views.application import NewApplicationView
from relayer.views.client import ClientUpdateView, LightClientView
from relayer.views.delivery import DeliveryView, HandDeliveryView, ProvenView, ReceiptView
from relayer.views.encoding import to_plain
from relayer.views.endpoint import (
    EndpointAccessView,
    EndpointCheckView,
    ListedAdmin,
    ListedEndpoint,
    ListedRemote,
    MemberView,
    RuleView,
    ScheduledView,
)
from relayer.views.finding import CheckView, FindingView
from relayer.views.local_chain import (
    FundedAccountView,
    InstalledProgramView,
    LocalChainView,
    LocalNetworkView,
    LocalStatusView,
)
from relayer.views.message import MessageView
from relayer.views.pending import PendingView
from relayer.views.plan import PlanOutcomeView, PlanStepView, PlanView, SavedEndpointView
from relayer.views.proof import VerifiedView
from relayer.views.story import StepView, StoryView
from relayer.views.transaction import SignedTransactionView, SteeredTransactionView, TransactionView

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"

SECTIONS: dict[str, tuple[tuple[type[msgspec.Struct], ...], frozenset[str]]] = {
    "JSON": (
        (FindingView, MessageView, DeliveryView),
        # Values, not keys.
        frozenset({"ok", "warning", "refusal", "journal", "logs"}),
    ),
    "postroad devnet install": ((InstalledProgramView,), frozenset()),
    "postroad devnet up": (
        (LocalNetworkView, LocalChainView, FundedAccountView),
        # What only some kinds have.
        frozenset({"protocol", "validators", "signers", "beacon", "checkpoint", "root", "slot"}),
    ),
    "postroad devnet status": ((LocalStatusView,), frozenset()),
    "postroad new app": ((NewApplicationView,), frozenset()),
    "postroad endpoint deploy": (
        (PlanOutcomeView, PlanView, PlanStepView, SavedEndpointView),
        frozenset(),
    ),
    "postroad endpoint list": (
        (ListedEndpoint, ListedAdmin, ListedRemote),
        # What only some kinds of light client have.
        frozenset(
            {
                "set_hash",
                "consensus",
                "threshold",
                "committee_size",
                "committee",
                "next_committee",
                "protocol",
                "epoch",
                "extra_depth",
            }
        ),
    ),
    "postroad endpoint check": (
        (EndpointCheckView, EndpointAccessView, RuleView, MemberView, ScheduledView),
        frozenset(),
    ),
    "Changing an endpoint": (
        (AdministrationView, ChangeView, SentCallView, PrintedCallView),
        frozenset(),
    ),
    "postroad roles list": ((EndpointAccessView,), frozenset()),
    "postroad keys new": ((KeyView,), frozenset()),
    "postroad keys list": ((KeyView,), frozenset()),
    "postroad config check": ((CheckView,), frozenset()),
    "postroad doctor": ((CheckView,), frozenset()),
    "postroad send": ((ReceiptView,), frozenset({"receipt"})),
    "postroad trace": (
        (StoryView, StepView, ProvenView),
        frozenset({"journal", "chains", "reason", "detail"}),
    ),
    "postroad verify": ((VerifiedView,), frozenset()),
    "postroad pending": ((PendingView,), frozenset()),
    "postroad deliver": (
        (HandDeliveryView,),
        frozenset({"executed", "already_delivered", "failed", "expired"}),
    ),
    "postroad tx list": ((SignedTransactionView,), frozenset()),
    "postroad tx replace": (
        (SteeredTransactionView,),
        frozenset({"replace", "cancel", "daemon", "command"}),
    ),
    "postroad tx cancel": ((), frozenset()),
    "postroad client status": ((LightClientView,), frozenset()),
    "postroad client update": ((ClientUpdateView, TransactionView), frozenset()),
}


def quoted_in(heading: str) -> set[str]:
    """What stands in quotation marks in the code of a section."""
    text = REFERENCE.read_text()
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    code = re.findall(r"`([^`]*)`", section)
    return {word for part in code for word in re.findall(r'"([a-z_]+)"', part)}


@pytest.mark.parametrize("heading", list(SECTIONS))
def test_the_reference_has_each_key_and_no_other(heading: str) -> None:
    views, values = SECTIONS[heading]
    keys = {key for view in views for key in view.__struct_encode_fields__}
    quoted = quoted_in(heading)
    assert quoted >= keys
    assert quoted <= keys | values


def test_a_reason_to_wait_is_shown_as_the_reference_says() -> None:
    assert {"reason", "detail"} <= quoted_in("postroad trace")
    waiting = Waiting(WaitingReason.PAUSED, "by its guardian")
    story = StoryView(state=DeliveryState.PROVEN, waiting=waiting, told_by="journal", steps=())
    plain = to_plain(story)
    assert isinstance(plain, dict)
    assert plain["waiting"] == {"reason": "paused", "detail": "by its guardian"}
