"""Talking to beacon nodes: the light-client part of the Beacon API, and what says who a node is. Nothing is believed here."""

from relayer.chains.beacon.api import BeaconApi, Genesis, NamedHeader, Syncing
from relayer.chains.beacon.provider import BeaconLimits

__all__ = ["BeaconApi", "BeaconLimits", "Genesis", "NamedHeader", "Syncing"]
