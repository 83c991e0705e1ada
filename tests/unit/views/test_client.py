# SPDX-License-Identifier: MIT
"""A light client, as it is shown."""

from __future__ import annotations

import pytest

from light_clients.client import Height, Status, Timestamp
from relayer.chains.base import Address
from relayer.consensus.base import OnChainClient
from relayer.consensus.kind import ConsensusKind
from relayer.views.client import ClientUpdateView, light_client_view, unread_client_view
from relayer.views.encoding import to_plain
from relayer.views.transaction import transaction_view
from tests.unit.views.samples import make_receipt

KIND = ConsensusKind("made-up", "nowhere", "SomeLightClient", signers="elders", misbehaviour="")


def read(status: Status = Status.ACTIVE) -> OnChainClient:
    return OnChainClient(
        address=Address(b"\xcc" * 20),
        status=status,
        height=Height(9),
        timestamp=Timestamp(1_000),
        trusting_period_s=600,
        current=True,
        remarks=("Four elders must sign.",),
    )


@pytest.mark.parametrize("status", list(Status))
def test_a_client_that_was_read(status: Status) -> None:
    view = light_client_view("court", "port", read(status), kind=KIND)
    assert to_plain(view) == {
        "source": "court",
        "destination": "port",
        "consensus": "made-up",
        "signers": "elders",
        "client": "0x" + "cc" * 20,
        "status": status.name.lower(),
        "height": 9,
        "timestamp": 1_000,
        "expires_at": 1_600,
        "current": True,
        "remarks": ["Four elders must sign."],
        "error": None,
    }


def test_a_client_that_could_not_be_read_says_why_and_nothing_else() -> None:
    view = to_plain(unread_client_view("court", "port", KIND, "no answer"))
    assert isinstance(view, dict)
    known = {key: value for key, value in view.items() if value not in (None, [])}
    assert known == {
        "source": "court",
        "destination": "port",
        "consensus": "made-up",
        "signers": "elders",
        "error": "no answer",
    }


def test_without_a_kind_its_words_are_missing() -> None:
    view = light_client_view("court", "port", read())
    assert (view.consensus, view.signers, view.status) == (None, None, "active")


def test_an_update_lists_its_transactions() -> None:
    update = ClientUpdateView(source="court", destination="port", updates=(transaction_view(make_receipt()),))
    shown = to_plain(update)
    assert isinstance(shown, dict)
    assert list(shown) == ["source", "destination", "updates"]
    assert set(shown["updates"][0]) == {"tx_hash", "block", "gas_used", "fee_wei"}
