# SPDX-License-Identifier: MIT
from __future__ import annotations

import tomllib

from relayer.devnet.network.join import consensus_table


def test_the_keys_of_a_kind_become_its_table() -> None:
    keys = {
        "kind": "solo",
        "urls": ['http://127.0.0.1:1/a"b', "http://127.0.0.1:2"],
        "count": 3,
        "is_new": True,
    }
    read = tomllib.loads(consensus_table("port-9", keys))
    assert read == {"chains": {"port-9": {"consensus": keys}}}
