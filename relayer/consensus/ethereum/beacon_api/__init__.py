# SPDX-License-Identifier: MIT
"""Talking to beacon nodes: the light-client part of the Beacon API, and what says who a node is. Nothing is believed here."""

from relayer.consensus.ethereum.beacon_api.api import BeaconApi, Genesis, NamedHeader, Syncing
from relayer.consensus.ethereum.beacon_api.provider import BeaconLimits

__all__ = ["BeaconApi", "BeaconLimits", "Genesis", "NamedHeader", "Syncing"]
