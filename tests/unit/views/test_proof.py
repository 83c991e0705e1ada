# SPDX-License-Identifier: MIT
"""What proves a message, as it is shown."""

from __future__ import annotations

from relayer.journal.rows import LaneRow, StoredProof
from relayer.protocol.lane import heads_slot
from relayer.views.encoding import to_plain
from relayer.views.proof import message_proof_view
from tests.unit.views.samples import LANE, MESSAGE, STORY


def test_a_proof_names_the_slot_and_what_leads_from_the_message_to_the_head() -> None:
    proof = StoredProof(LaneRow(1), 0, 8, b"n" * 32, 50, 1_900, b"proof")
    shown = message_proof_view(
        STORY.stored, proof, previous_head=b"p" * 32, later=[STORY.stored], gateway=b"g" * 20
    )
    assert to_plain(shown) == {
        "id": "0x" + MESSAGE.id.hex(),
        "fee_wei": 0,
        "lane": "0x" + LANE.id.hex(),
        "sequence": 7,
        "gateway": "0x" + "67" * 20,
        "height": 50,
        "timestamp": 1_900,
        "slot": "0x" + heads_slot(LANE.id, 0).hex(),
        "head": "0x" + "6e" * 32,
        "previous_head": "0x" + "70" * 32,
        "later": ["0x" + MESSAGE.id.hex()],
        "proof": "0x" + b"proof".hex(),
    }
