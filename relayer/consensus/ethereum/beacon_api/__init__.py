# SPDX-License-Identifier: MIT
"""Talking to beacon nodes by the Beacon API: its light-client part, and what says who a node is.

Nothing that comes back is believed here. `api` asks several nodes with failover, `provider` is one node over
HTTP, and `decoding` reads answers into light-client objects.
"""

from relayer.consensus.ethereum.beacon_api.api import BeaconApi, Genesis, NamedHeader, Syncing
from relayer.consensus.ethereum.beacon_api.provider import BeaconLimits

__all__ = ["BeaconApi", "BeaconLimits", "Genesis", "NamedHeader", "Syncing"]
