# SPDX-License-Identifier: MIT
"""A message as it is shown."""

from __future__ import annotations

from relayer.views.encoding import to_plain
from relayer.views.message import message_view
from tests.unit.views.samples import SENT


def test_a_message_shows_addresses_of_its_chains_and_where_it_was_sent() -> None:
    message = SENT.message
    assert to_plain(message_view(SENT, "court", "port")) == {
        "id": "0x" + message.id.hex(),
        "source": "court",
        "destination": "port",
        "lane": "0x" + message.lane_id.hex(),
        "sequence": 7,
        "sender": "0x" + "51" * 20,
        "recipient": "0x" + "52" * 20,
        "payload": "0x00ff",
        "gas_limit": 200_000,
        "deadline": 0,
        "tx_hash": "0x" + "74" * 32,
        "block": 12,
    }
