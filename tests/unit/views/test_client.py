# SPDX-License-Identifier: MIT
"""A light client, as it is shown."""

from __future__ import annotations

import pytest

from light_clients.client import Height, Status, Timestamp
from relayer.chains.base import Address
from relayer.consensus.base import OnChainClient
from relayer.views.client import ClientUpdateView, LightClientView, light_client_view
from relayer.views.encoding import to_plain
from relayer.views.transaction import transaction_view
from tests.unit.views.samples import make_receipt


def read(status: Status = Status.ACTIVE) -> OnChainClient:
    return OnChainClient(Address(b"\xcc" * 20), status, Height(9), Timestamp(1_000), 600, current=True)


@pytest.mark.parametrize("status", list(Status))
def test_a_client_that_was_read(status: Status) -> None:
    view = light_client_view(
        "court", "port", read(status), consensus="c", signers="validators", remarks=["Four must seal."]
    )
    assert to_plain(view) == {
        "source": "court",
        "destination": "port",
        "consensus": "c",
        "signers": "validators",
        "client": "0x" + "cc" * 20,
        "status": status.name.lower(),
        "height": 9,
        "timestamp": 1_000,
        "expires_at": 1_600,
        "current": True,
        "remarks": ["Four must seal."],
        "error": None,
    }


def test_a_client_that_could_not_be_read_says_why_and_nothing_else() -> None:
    view = to_plain(LightClientView(source="court", destination="port", consensus="c", error="no answer"))
    assert isinstance(view, dict)
    known = {key: value for key, value in view.items() if value not in (None, [])}
    assert known == {"source": "court", "destination": "port", "consensus": "c", "error": "no answer"}


def test_an_update_lists_its_transactions() -> None:
    update = ClientUpdateView(source="court", destination="port", updates=(transaction_view(make_receipt()),))
    shown = to_plain(update)
    assert isinstance(shown, dict)
    assert list(shown) == ["source", "destination", "updates"]
    assert set(shown["updates"][0]) == {"tx_hash", "block", "gas_used", "fee_wei"}
