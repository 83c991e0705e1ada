# SPDX-License-Identifier: MIT
"""What a background network's file says of a chain, where no chain runs."""

from __future__ import annotations

from typing import Any

from relayer.devnet.chain.chain_details import ChainDetails
from relayer.devnet.network.state_file import ChainState, FundedKey


def chain_state(**changes: Any) -> ChainState:
    """A chain of a made-up kind. Nothing listens at port 1, so it does not answer."""
    fields: dict[str, Any] = {
        "name": "a",
        "kind": "solo",
        "chain_id": 1,
        "http_url": "http://127.0.0.1:1",
        "ws_url": "ws://127.0.0.1:1",
        "admin_url": None,
        "genesis_hash": "0x00",
        "block_time_s": None,
        "details": ChainDetails(summary="solo", consensus={"kind": "solo"}),
        "funded_keys": (FundedKey("0x22", "0x33"),),
        "processes": (),
    }
    return ChainState(**fields | changes)
