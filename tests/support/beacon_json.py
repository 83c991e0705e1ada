# SPDX-License-Identifier: MIT
"""Light-client objects as other projects have stored them, brought into the Beacon API's form.

Differences that are met: numbers instead of decimal text, headers without `beacon` (before the API settled),
value and branch as a pair, empty instead of zero, mixed-case and 0x-quantity addresses and fees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from light_clients.ethereum.config import ForkName, Preset
from light_clients.ethereum.forks import LAYOUTS

_HEADERS = frozenset({"header", "attested_header", "finalized_header"})
_PAIRS = {"next_sync_committee": "next_sync_committee_branch", "finalized_header": "finality_branch"}
_QUANTITIES = frozenset({"base_fee_per_gas"})


def beacon_api(value: Any, fork: ForkName, preset: Preset) -> Any:
    """The same object as a beacon node would serve it, of a fork."""
    if not isinstance(value, Mapping):
        return (
            [beacon_api(field, fork, preset) for field in value] if isinstance(value, list) else _text(value)
        )
    found: dict[str, Any] = {}
    for name, field in value.items():
        if name in _PAIRS and isinstance(field, list):
            found[name], found[_PAIRS[name]] = field
        elif field is not None:
            found[name] = field
    if "attested_header" in found and "sync_aggregate" in found and "next_sync_committee" not in found:
        zero_key = "0x" + bytes(48).hex()
        found["next_sync_committee"] = {
            "pubkeys": [zero_key] * preset.sync_committee_size,
            "aggregate_pubkey": zero_key,
        }
        found["next_sync_committee_branch"] = ["0x" + bytes(32).hex()] * LAYOUTS[fork].committee_depth
    for name in _HEADERS & found.keys():
        if "beacon" not in found[name]:
            found[name] = {"beacon": found[name]}
    return {
        name: str(int(field, 16))
        if name in _QUANTITIES and field.startswith("0x")
        else beacon_api(field, fork, preset)
        for name, field in found.items()
    }


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value
