# SPDX-License-Identifier: MIT
"""A local chain, as it is shown."""

from __future__ import annotations

from relayer.views.encoding import to_plain
from relayer.views.local_chain import FundedAccountView, LocalChainView, LocalNetworkView, LocalStatusView

CHAIN = LocalChainView(
    name="court",
    consensus="made-up",
    chain_id=41,
    rpc="http://127.0.0.1:1",
    websocket="ws://127.0.0.1:1",
    admin=None,
    genesis_hash="0x22",
    details={"elders": ["0x33"]},
    rules=("free",),
    funded=(FundedAccountView(address="0xAb", secret="0xcd"),),
)


def test_a_local_chain_shows_its_keys_and_null_where_no_endpoint_was_deployed() -> None:
    assert to_plain(LocalNetworkView(directory="d", config=None, chains=(CHAIN,))) == {
        "directory": "d",
        "config": None,
        "chains": [
            {
                "name": "court",
                "consensus": "made-up",
                "chain_id": 41,
                "rpc": "http://127.0.0.1:1",
                "websocket": "ws://127.0.0.1:1",
                "admin": None,
                "genesis_hash": "0x22",
                "details": {"elders": ["0x33"]},
                "rules": ["free"],
                "funded": [{"address": "0xAb", "secret": "0xcd", "purpose": None}],
                "height": None,
                "gateway": None,
                "endpoint_id": None,
                "postbox": None,
                "multisender": None,
            }
        ],
    }


def test_the_status_of_nothing() -> None:
    assert to_plain(LocalStatusView(running=False, directory="d", config=None, chains=())) == {
        "running": False,
        "directory": "d",
        "config": None,
        "chains": [],
    }
