# SPDX-License-Identifier: MIT
from __future__ import annotations

from light_clients.ethereum.ranking import is_better_update
from tests.support.sync_chain import SyncChain, network

CONFIG = network(altair=0, capella=2, deneb=4, electra=16)
CHAIN = SyncChain(CONFIG)


def test_better_updates_rank_as_the_specification_says() -> None:
    best_first = [
        CHAIN.update(40, 24),  # all signed, next committee, finalized in its period
        CHAIN.update(41, 24),  # the same, newer
        CHAIN.update(40, 24, 43),  # signed later, against the one above: older data wins
        CHAIN.update(40, 24, participants=31),
        CHAIN.update(66, 63),  # finality of the period before
        CHAIN.update(40, None),
        CHAIN.update(63, 50, 64),  # its next committee is the signers' own
        CHAIN.update(40, 24, shows_committee=False),
        CHAIN.update(40, 24, participants=21),
        CHAIN.update(40, 24, participants=1),
    ]
    assert is_better_update(best_first[2], best_first[1], CONFIG)
    ordered = [best_first[0], best_first[2], best_first[1], *best_first[3:6], best_first[7], *best_first[8:]]
    for at, better in enumerate(ordered):
        for worse in ordered[at + 1 :]:
            assert is_better_update(better, worse, CONFIG), (at, worse.signature_slot)
            assert not is_better_update(worse, better, CONFIG)
    assert is_better_update(best_first[5], best_first[6], CONFIG)
